//! The clients' own test suites: `clients/suites.py` runs them and holds each test against `clients/suites/`.

use std::time::Duration;

use serde_json::Value as Json;

use super::{heavy_python, home, millrace};

/// The longest that all of them may take.
const SUITES: Duration = Duration::from_secs(1200);

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn tests_are_in_the_states_that_are_told() {
    let port = millrace().await.mysql_port().to_string();
    let mut command = heavy_python("suites.py");
    command
        .args(["127.0.0.1", &port, "information_schema"])
        .env("SUITES", home().join("suites"))
        .kill_on_drop(true);
    let output = tokio::time::timeout(SUITES, command.output()).await;
    let output =
        output.unwrap_or_else(|_| panic!("the suites have not ended in {SUITES:?}")).unwrap();
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{told}\n{errors}", output.status);
    let suites: Vec<Json> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!suites.is_empty(), "no suite was run");
    let other: Vec<&Json> =
        suites.iter().filter(|suite| suite["rows"] != serde_json::json!([])).collect();
    assert!(other.is_empty(), "test, state told, state found: {other:?}");
}
