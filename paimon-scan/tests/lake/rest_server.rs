//! A REST catalog that the tests own: the folders of a warehouse behind the part of Paimon's protocol that readers use.
//!
//! Who asks is checked, signatures included; what is answered can be changed between two requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// Who is let in.
#[derive(Clone)]
pub enum Lock {
    Bearer(&'static str),
    /// Access key, its secret and the region of a DLF4-HMAC-SHA256 signature.
    Dlf(&'static str, &'static str, &'static str),
}

/// What a test can change.
pub struct Answers {
    pub lock: Lock,
    /// `defaults` of the configuration.
    pub config: BTreeMap<String, String>,
    /// Where the files are for readers, without a slash at its end.
    pub location: String,
    /// Names of a page.
    pub page: usize,
    /// Whether the token of the next page never changes.
    pub endless: bool,
    /// The folder in the database and the id of tables that are not their names'.
    pub tables: BTreeMap<String, (String, String)>,
    /// Options on top of those of every table.
    pub options: BTreeMap<String, String>,
    /// Credentials of tables, and for how many milliseconds they are good.
    pub token: BTreeMap<String, String>,
    pub token_life: i64,
    pub is_external: bool,
    /// Answers in place of the right ones: paths that end so, how many of them, status and body.
    pub faults: Vec<(&'static str, usize, u16, String)>,
    /// Paths that end so are never answered.
    pub silent: Option<&'static str>,
    /// What was asked for.
    pub asked: Vec<String>,
}

/// Serves a warehouse until it is dropped.
pub struct RestServer {
    pub uri: String,
    pub answers: Arc<Mutex<Answers>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for RestServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RestServer {
    pub async fn serve(warehouse: PathBuf, lock: Lock) -> Self {
        let answers = Answers {
            lock,
            config: BTreeMap::new(),
            location: format!("file://{}", warehouse.display()),
            page: 3,
            endless: false,
            tables: BTreeMap::new(),
            options: BTreeMap::new(),
            token: BTreeMap::new(),
            token_life: 3_600_000,
            is_external: false,
            faults: Vec::new(),
            silent: None,
            asked: Vec::new(),
        };
        let answers = Arc::new(Mutex::new(answers));
        let shared = Arc::clone(&answers);
        let answer = move |request: Request<Body>| {
            let (shared, warehouse) = (Arc::clone(&shared), warehouse.clone());
            async move {
                let is_silent = {
                    let mut answers = shared.lock();
                    let path = request.uri().path();
                    answers.asked.push(path.to_owned());
                    answers.silent.is_some_and(|end| path.ends_with(end))
                };
                match is_silent {
                    true => std::future::pending().await,
                    false => answer(&mut shared.lock(), &warehouse, &request),
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { uri, answers, server }
    }

    /// How many requests ended so.
    pub fn count(&self, end: &str) -> usize {
        self.answers.lock().asked.iter().filter(|path| path.ends_with(end)).count()
    }
}

fn answer(answers: &mut Answers, warehouse: &Path, request: &Request<Body>) -> Response {
    let path = request.uri().path();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let fault = answers.faults.iter_mut().find(|(end, left, ..)| path.ends_with(end) && *left > 0);
    if let Some((_, left, status, body)) = fault {
        *left -= 1;
        return (StatusCode::from_u16(*status).unwrap(), body.clone()).into_response();
    }
    if let Err((status, message)) = check(&answers.lock, request) {
        return failure(status, None, &message);
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["v1", "config"] if query.get("warehouse").is_some_and(|name| name == "fixtures") => {
            let overrides = json!({ "prefix": "of-tests" });
            ok(json!({ "defaults": answers.config, "overrides": overrides }))
        }
        ["v1", "of-tests", rest @ ..] => resource(answers, warehouse, rest, &query),
        _ => (StatusCode::NOT_FOUND, "nothing here").into_response(),
    }
}

fn resource(
    answers: &Answers,
    warehouse: &Path,
    parts: &[&str],
    query: &BTreeMap<String, String>,
) -> Response {
    let folders = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let ["databases", rest @ ..] = parts else { return failure(404, None, "no such resource") };
    let [database, rest @ ..] = rest else {
        let names = folders(warehouse).into_iter();
        let names = names.filter_map(|name| Some(name.strip_suffix(".db")?.to_owned())).collect();
        return page(answers, "databases", names, query);
    };
    let folder = warehouse.join(format!("{database}.db"));
    if !folder.is_dir() {
        return failure(404, Some("DATABASE"), "no such database");
    }
    match rest {
        ["tables"] => page(answers, "tables", folders(&folder), query),
        ["tables", table, rest @ ..] => {
            let table = table.replace("%24", "$");
            let (name, branch) = match table.split_once("$branch_") {
                Some((name, branch)) => (name, Some(branch)),
                None => (&*table, None),
            };
            let own = (name.to_owned(), format!("id-of-{name}"));
            let (inside, id) = answers.tables.get(name).unwrap_or(&own);
            let mut state = folder.join(inside);
            if let Some(branch) = branch {
                state = state.join(format!("branch/branch-{branch}"));
            }
            if !state.join("schema").is_dir() {
                return failure(404, Some("TABLE"), "no such table");
            }
            match rest {
                [] => {
                    let path = format!("{}/{database}.db/{inside}", answers.location);
                    ok(description(answers, &state, (database, &table), id, &path))
                }
                ["snapshot"] => match latest(&state.join("snapshot"), "snapshot-") {
                    Some(snapshot) => ok(json!({ "snapshot": { "snapshot": snapshot } })),
                    None => failure(404, Some("SNAPSHOT"), "no snapshot yet"),
                },
                ["token"] => {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                    let expires = now.as_millis() as i64 + answers.token_life;
                    ok(json!({ "token": answers.token, "expiresAtMillis": expires }))
                }
                _ => failure(404, None, "no such resource"),
            }
        }
        _ => failure(404, None, "no such resource"),
    }
}

fn description(
    answers: &Answers,
    state: &Path,
    (database, name): (&str, &str),
    id: &str,
    path: &str,
) -> Value {
    let mut schema = latest(&state.join("schema"), "schema-").unwrap();
    for (key, value) in &answers.options {
        schema["options"][key] = value.clone().into();
    }
    json!({
        "id": id,
        "database": database,
        "name": name,
        "path": path,
        "isExternal": answers.is_external,
        "schemaId": schema["id"],
        "schema": {
            "fields": schema["fields"],
            "partitionKeys": schema["partitionKeys"],
            "primaryKeys": schema["primaryKeys"],
            "options": schema["options"],
            "comment": schema["comment"],
        },
        "owner": "tests",
        "createdAt": 1,
        "createdBy": "tests",
        "updatedAt": 1,
        "updatedBy": "tests",
    })
}

/// The file with the largest number.
fn latest(folder: &Path, prefix: &str) -> Option<Value> {
    let numbers = std::fs::read_dir(folder).ok()?.filter_map(|entry| {
        entry.unwrap().file_name().to_str()?.strip_prefix(prefix)?.parse::<i64>().ok()
    });
    let path = folder.join(format!("{prefix}{}", numbers.max()?));
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn page(
    answers: &Answers,
    what: &str,
    names: Vec<String>,
    query: &BTreeMap<String, String>,
) -> Response {
    let from: usize = query.get("pageToken").map_or(0, |token| token.parse().unwrap());
    let end = (from + answers.page).min(names.len());
    let next = match answers.endless {
        true => Some("1".to_owned()),
        false => (end < names.len()).then(|| end.to_string()),
    };
    ok(json!({ what: names[from..end], "nextPageToken": next }))
}

fn ok(body: Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

pub fn failure(status: u16, kind: Option<&str>, message: &str) -> Response {
    let body = json!({
        "resourceType": kind, "resourceName": "x", "message": message, "code": status
    });
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

fn check(lock: &Lock, request: &Request<Body>) -> Result<(), (u16, String)> {
    let of = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let found = of("authorization");
    match lock {
        Lock::Bearer(token) if found == format!("Bearer {token}") => Ok(()),
        // as some servers do, it repeats what it was told
        Lock::Bearer(_) => Err((401, format!("{found:?} is not known"))),
        Lock::Dlf(key, secret, region) => {
            let date = of("x-dlf-date");
            let day = date.get(..8).unwrap_or_default().to_owned();
            let scope = format!("{day}/{region}/DlfNext/aliyun_v4_request");
            let mut lines = vec!["GET".to_owned(), request.uri().path().to_owned()];
            let query = request.uri().query().unwrap_or_default();
            let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
            pairs.sort_unstable();
            lines.push(pairs.join("&"));
            for name in ["x-dlf-content-sha256", "x-dlf-date", "x-dlf-security-token"] {
                if !of(name).is_empty() {
                    lines.push(format!("{name}:{}", of(name)));
                }
            }
            lines.push(format!("x-dlf-version:{}", of("x-dlf-version")));
            lines.push("UNSIGNED-PAYLOAD".to_owned());
            let hashed = hex(&Sha256::digest(lines.join("\n")));
            let text = format!("DLF4-HMAC-SHA256\n{date}\n{scope}\n{hashed}");
            let mut signing = format!("aliyun_v4{secret}").into_bytes();
            for part in [day.as_str(), *region, "DlfNext", "aliyun_v4_request", &text] {
                signing = hmac(&signing, part.as_bytes());
            }
            let wanted =
                format!("DLF4-HMAC-SHA256 Credential={key}/{scope},Signature={}", hex(&signing));
            match found == wanted {
                true => Ok(()),
                false => Err((403, "the signature does not match".to_owned())),
            }
        }
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    match key.len() > block.len() {
        true => block[..32].copy_from_slice(&Sha256::digest(key)),
        false => block[..key.len()].copy_from_slice(key),
    }
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
