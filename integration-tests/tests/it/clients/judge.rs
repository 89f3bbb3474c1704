//! Whether a client's answers are what the checks want, and the table of clients and checks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::process::Command;

use super::servers::Locked;
use super::{DATABASE, PASSWORD, millrace, scripts};

/// The longest that a client may take for all of its checks.
const CHECKS: Duration = Duration::from_secs(120);

/// Runs a client and holds its answers against what is expected. It may skip `skips`, and must.
pub async fn check(client: &str, command: Command, file: &str, skips: &[&str]) {
    let port = millrace().await.mysql_port().to_string();
    check_at(&port, client, command, file, skips).await;
}

pub async fn check_at(port: &str, client: &str, mut command: Command, file: &str, skips: &[&str]) {
    STARTED.fetch_add(1, Ordering::Relaxed);
    let locked = Locked::start().await;
    command
        .args(["127.0.0.1", port, &format!("fluss.{DATABASE}"), &locked.port])
        .arg(PASSWORD)
        .arg(scripts().join(file))
        .kill_on_drop(true);
    let output = tokio::time::timeout(CHECKS, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{client} has not ended in {CHECKS:?}")).unwrap();
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{client}: {}\n{told}\n{errors}", output.status);
    let answers: Vec<Json> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let mut failures = vec![];
    let expected = expected(file);
    let mut verdicts = vec![];
    for wanted in &expected {
        let name = wanted["name"].as_str().unwrap();
        let of_check: Vec<&Json> = answers.iter().filter(|a| a["check"] == name).collect();
        let verdict = match of_check.as_slice() {
            [answer] if answer.get("skipped").is_some() && skips.contains(&name) => "skip",
            [answer] if !skips.contains(&name) && fits(wanted, answer) => "ok",
            _ => {
                failures.push(format!("{name}\n  wanted {wanted}\n  got    {of_check:?}"));
                "FAILED"
            }
        };
        verdicts.push((name.to_string(), verdict));
    }
    matrix(client, verdicts);
    let known = |a: &&Json| !expected.iter().any(|wanted| wanted["name"] == a["check"]);
    failures.extend(answers.iter().filter(known).map(|answer| format!("not expected: {answer}")));
    assert!(failures.is_empty(), "{client}:\n{}\n{errors}", failures.join("\n"));
}

/// What each client could do of each check, as far as they have ended.
static MATRIX: Mutex<BTreeMap<String, Vec<(String, &str)>>> = Mutex::new(BTreeMap::new());

/// How many clients have been asked so far.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// Prints the table of clients and checks when no client is being asked, past the harness, which shows nothing of tests that pass.
fn matrix(client: &str, verdicts: Vec<(String, &'static str)>) {
    use std::io::Write;
    let mut all = MATRIX.lock().unwrap();
    all.insert(client.to_string(), verdicts);
    if all.len() < STARTED.load(Ordering::Relaxed) {
        return;
    }
    let mut checks: Vec<&str> = vec![];
    for (name, _) in all.values().flatten() {
        if !checks.contains(&name.as_str()) {
            checks.push(name);
        }
    }
    let mut table = String::from("\n");
    for (i, client) in all.keys().enumerate() {
        table.push_str(&format!("column {}: {client}\n", i + 1));
    }
    for check in checks {
        table.push_str(&format!("{check:<40}"));
        for verdicts in all.values() {
            let verdict = verdicts.iter().find(|(name, _)| name == check);
            table.push_str(&format!(" {:<6}", verdict.map_or("", |(_, verdict)| verdict)));
        }
        table.push('\n');
    }
    std::io::stderr().write_all(table.as_bytes()).unwrap();
}

/// All checks of a file, with the names in them filled in.
fn expected(file: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(scripts().join(file)).unwrap();
    let checks: Json =
        serde_json::from_str(&text.replace("{database}", &format!("fluss.{DATABASE}"))).unwrap();
    let mut all = vec![];
    for group in ["queries", "prepared", "errors", "session", "dialect", "mycli", "metadata"] {
        for check in checks[group].as_array().into_iter().flatten() {
            let mut check = check.clone();
            if check["rows"] == "types" {
                check["rows"] = checks["types"].clone();
            }
            if group == "errors" {
                let name = format!("after {}", check["name"].as_str().unwrap());
                all.push(serde_json::json!({"name": name, "rows": [["1"]]}));
            }
            all.push(check);
        }
    }
    all
}

fn fits(wanted: &Json, answer: &Json) -> bool {
    let Some(rows) = wanted.get("rows") else { return wanted["error"] == answer["error"] };
    let (Some(rows), Some(got)) = (rows.as_array(), answer["rows"].as_array()) else {
        return false;
    };
    let row_fits = |(wanted, got): (&Json, &Json)| {
        let (Some(wanted), Some(got)) = (wanted.as_array(), got.as_array()) else { return false };
        wanted.len() == got.len() && wanted.iter().zip(got).all(|(w, g)| value_fits(w, g))
    };
    rows.len() == got.len() && rows.iter().zip(got).all(row_fits)
}

/// `{"float": …}` and `{"double": …}` are numbers of so many bits, however they are written; everything else is one text.
fn value_fits(wanted: &Json, got: &Json) -> bool {
    let text = |key| wanted.get(key).and_then(Json::as_str).zip(got.as_str());
    if let Some((wanted, got)) = text("double") {
        wanted.parse::<f64>().ok() == got.parse().ok()
    } else if let Some((wanted, got)) = text("float") {
        // by way of f64: clients show a FLOAT as the DOUBLE that it is
        let single = |text: &str| text.parse::<f64>().map(|number| number as f32).ok();
        single(wanted) == single(got)
    } else {
        wanted == got
    }
}
