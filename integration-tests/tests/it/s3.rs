//! An object store that the tests own: a folder behind the part of S3 that readers use.
//!
//! Path-style requests; of signatures only whose they are is looked at. A test can change the folder just before a
//! request is answered.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;

type BeforeRead = Box<dyn FnMut(&str) + Send>;
type Spoilt = Box<dyn FnMut(&str) -> Option<StatusCode> + Send>;

/// What is asked for where the objects of the bucket are listed.
pub const LIST: &str = "(list)";

/// Serves one bucket until it is dropped.
pub struct S3 {
    pub endpoint: String,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    folder: PathBuf,
    before_read: Mutex<BeforeRead>,
    spoilt: Mutex<Spoilt>,
    /// The access key and session token that are let in; anybody's when there is none.
    only: Mutex<Option<(String, String)>>,
}

impl Shared {
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let only = self.only.lock();
        only.as_ref().is_none_or(|(key, token)| {
            of("authorization").contains(&format!("Credential={key}/"))
                && of("x-amz-security-token") == token
        })
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl S3 {
    pub async fn serve(folder: PathBuf) -> Self {
        let before_read: Mutex<BeforeRead> = Mutex::new(Box::new(|_| ()));
        let spoilt: Mutex<Spoilt> = Mutex::new(Box::new(|_| None));
        let shared = Arc::new(Shared { folder, before_read, spoilt, only: Mutex::default() });
        let router = Router::new()
            .route("/{bucket}", get(list))
            .route("/{bucket}/", get(list))
            .route("/{bucket}/{*key}", get(object))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, shared, server }
    }

    /// Called with the key of each object that is asked for, before it is looked up.
    pub fn before_read(&self, f: impl FnMut(&str) + Send + 'static) {
        *self.shared.before_read.lock() = Box::new(f);
    }

    /// Answers with a success whose body is an error, as stores do that fail when they have begun to answer: called with the key of
    /// each object that is read, or [`LIST`]; the status of such an answer.
    pub fn spoil(&self, f: impl FnMut(&str) -> Option<StatusCode> + Send + 'static) {
        *self.shared.spoilt.lock() = Box::new(f);
    }

    /// Lets in nobody but the holder of this access key and session token.
    pub fn let_in_only(&self, key: &str, token: &str) {
        *self.shared.only.lock() = Some((key.to_owned(), token.to_owned()));
    }

    /// The properties of a catalog over the whole bucket.
    pub fn properties(&self) -> String {
        format!(
            "\"type\" = \"paimon\", \"metastore\" = \"filesystem\", \"warehouse\" = \"s3://lake/\", \
             \"s3.endpoint\" = \"{}\", \"s3.path-style-access\" = \"true\", \
             \"s3.access-key\" = \"reader\", \"s3.secret-key\" = \"not-to-be-seen\"",
            self.endpoint
        )
    }
}

async fn object(
    State(shared): State<Arc<Shared>>,
    Path((_, key)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    (shared.before_read.lock())(&key);
    if !shared.lets_in(&headers) {
        return denied();
    }
    let path = shared.folder.join(&key);
    if !path.is_file() {
        let code = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>";
        return (StatusCode::NOT_FOUND, code).into_response();
    }
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len();
    let spoilt = if method == Method::GET { (shared.spoilt.lock())(&key) } else { None };
    match spoilt {
        Some(StatusCode::PARTIAL_CONTENT) | None => {}
        Some(status) => return (status, FAILED).into_response(),
    }
    let reply = Response::builder()
        .header(header::ETAG, format!("\"{length:x}\""))
        .header(header::LAST_MODIFIED, "Wed, 01 Jan 2025 00:00:00 GMT")
        .header(header::ACCEPT_RANGES, "bytes");
    if method == Method::HEAD {
        return reply.header(header::CONTENT_LENGTH, length).body(Body::empty()).unwrap();
    }
    let range = headers.get(header::RANGE).map(|range| range.to_str().unwrap());
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else {
        return reply.body(Body::from(bytes)).unwrap();
    };
    let (start, end) = range.split_once('-').unwrap();
    let (start, end) = match (start, end) {
        ("", last) => (length.saturating_sub(last.parse().unwrap()), length),
        (start, "") => (start.parse().unwrap(), length),
        (start, end) => (start.parse().unwrap(), end.parse::<usize>().unwrap() + 1),
    };
    let end = end.min(length);
    if start >= end {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    if spoilt.is_some() {
        bytes = FAILED.bytes().cycle().take(length).collect();
    }
    reply
        .status(StatusCode::PARTIAL_CONTENT)
        .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1))
        .body(Body::from(bytes[start..end].to_vec()))
        .unwrap()
}

const FAILED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code>\
                      <Message>We encountered an internal error. Please try again.</Message></Error>";

fn denied() -> Response {
    let code = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
    (StatusCode::FORBIDDEN, code).into_response()
}

/// ListObjectsV2, with and without a delimiter, in one page.
async fn list(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !shared.lets_in(&headers) {
        return denied();
    }
    if let Some(status) = (shared.spoilt.lock())(LIST) {
        return (status, [(header::CONTENT_TYPE, "application/xml")], FAILED).into_response();
    }
    let query = query.unwrap_or_default();
    let of = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (prefix, delimiter) = (of("prefix"), of("delimiter"));
    let mut keys = Vec::new();
    let mut folders = vec![shared.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => keys.push((
                    path.strip_prefix(&shared.folder).unwrap().to_str().unwrap().to_owned(),
                    path.metadata().map_or(0, |metadata| metadata.len()),
                )),
            }
        }
    }
    keys.retain(|(key, _)| key.starts_with(&prefix));
    keys.sort();
    let mut xml = String::new();
    let mut last_common = String::new();
    for (key, size) in keys {
        let rest = &key[prefix.len()..];
        match rest.find(&delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => {
                let common = format!("{prefix}{}", &rest[..at + delimiter.len()]);
                if common != last_common {
                    xml += &format!("<CommonPrefixes><Prefix>{common}</Prefix></CommonPrefixes>");
                }
                last_common = common;
            }
            None => {
                xml += &format!(
                    "<Contents><Key>{key}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified>\
                     <ETag>\"{size:x}\"</ETag><Size>{size}</Size></Contents>"
                );
            }
        }
    }
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>lake</Name>\
         <Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>{xml}</ListBucketResult>"
    );
    ([(header::CONTENT_TYPE, "application/xml")], xml).into_response()
}
