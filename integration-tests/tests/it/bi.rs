//! What tools that draw and transform make of the answers: dbt and Apache Superset, each the real one.
//!
//! `bi/` has a program for each tool that lets it do its work and prints one line of JSON for each check, and in `bi/checks.json` the
//! rows that each must give. `bi/setup.sh` installs them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::{
    Cluster, Deployment, TableSpec, Value, Writer, package_directory, shared_cluster,
};
use serde_json::Value as Json;
use tokio::process::Command;

const TIERED: Duration = Duration::from_secs(90);
/// The longest that a tool may take for all of its checks.
const CHECKS: Duration = Duration::from_secs(900);

#[tokio::test]
#[ignore = "needs dbt: make test-bi"]
async fn dbt() {
    check("dbt").await;
}

#[tokio::test]
#[ignore = "needs Superset and Chromium: make test-bi"]
async fn superset() {
    check("superset").await;
}

/// Lets a tool work over a database of its own and holds what it tells against what is expected.
async fn check(tool: &str) {
    let home = home();
    let program = home.join(tool).join("bin/python");
    assert!(program.exists(), "the tools are not set up: make setup-bi");
    let database = format!("bi_{tool}");
    let cluster = shared_cluster().await.unwrap();
    write_orders(cluster, &database).await;
    let millrace = Deployment::start(2).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();

    let mut command = Command::new(program);
    command
        .arg(scripts().join(format!("{tool}_checks.py")))
        .args(["127.0.0.1", &millrace.mysql_port().to_string(), &database])
        .kill_on_drop(true);
    let output = tokio::time::timeout(CHECKS, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{tool} has not ended in {CHECKS:?}")).unwrap();
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool}: {}\n{told}\n{errors}", output.status);
    let answers: Vec<Json> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    judge(tool, &answers);
}

/// Every check must have been made once and have given its rows; prints the table, past the harness, which shows nothing of
/// tests that pass.
fn judge(tool: &str, answers: &[Json]) {
    let text = std::fs::read_to_string(scripts().join("checks.json")).unwrap();
    let expected: BTreeMap<String, Vec<Json>> = serde_json::from_str(&text).unwrap();
    let (mut table, mut failures) = (String::from("\n"), vec![]);
    for wanted in &expected[tool] {
        let of_check: Vec<&Json> =
            answers.iter().filter(|a| a["check"] == wanted["check"]).collect();
        let is_right = matches!(of_check[..], [answer] if answer == wanted);
        let name = wanted["check"].as_str().unwrap();
        table
            .push_str(&format!("{tool:<12}{name:<40}{}\n", if is_right { "ok" } else { "FAILED" }));
        if !is_right {
            let got: Vec<String> = of_check.iter().map(|answer| shown(answer)).collect();
            failures.push(format!("{name}\n  wanted {wanted}\n  got    {}", got.join("\n")));
        }
    }
    let known = |a: &&Json| !expected[tool].iter().any(|wanted| wanted["check"] == a["check"]);
    failures.extend(answers.iter().filter(known).map(|answer| format!("not expected: {answer}")));
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(failures.is_empty(), "{tool}:\n{}", failures.join("\n"));
}

fn shown(answer: &Json) -> String {
    answer["error"].as_str().map_or_else(|| answer.to_string(), str::to_string)
}

/// Where the tools' programs are.
fn scripts() -> PathBuf {
    package_directory().join("bi")
}

/// Where `bi/setup.sh` puts the tools.
fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("MILLRACE_BI_HOME") {
        return home.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    cache.join("millrace/bi")
}

/// `orders`: rows in the lake, and rows, a change and a deletion after it.
async fn write_orders(cluster: &Cluster, database: &str) {
    let orders = TableSpec::new(database, "orders")
        .column("id", DataTypes::bigint())
        .column("city", DataTypes::string())
        .column("amount", DataTypes::decimal(10, 2))
        .column("placed_at", DataTypes::timestamp_with_precision(6))
        .primary_key(["id"])
        .buckets(2)
        .lake(Duration::from_secs(1));
    cluster.create_table(&orders).await.unwrap();
    let mut writer = Writer::open(cluster, orders.path()).await.unwrap();
    let row = |id: i64, city: Option<&str>, cents: i128, at: &str| -> Vec<Value> {
        let city = city.map_or(Value::Null, Value::from);
        vec![id.into(), city, Value::decimal(cents, 10, 2), timestamp(at)]
    };
    let gone = row(8, Some("Brno"), 99_999, "2024-05-05 05:05:05");
    for row in [
        row(1, Some("Praha"), 1_050, "2024-01-15 08:30:00"),
        row(2, Some("Brno"), 1, "2024-02-03 00:00:00"),
        row(3, Some("Oslo"), 525, "2024-02-29 23:59:59.5"),
        row(4, Some("Oslo"), 775, "2024-03-31 12:00:00"),
        row(5, Some("Köln"), 10_000, "2024-06-30 10:10:10"),
        gone.clone(),
    ] {
        writer.write(&row).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(orders.path(), TIERED).await.unwrap();
    for row in [
        row(2, Some("Praha"), 2_000, "2024-02-03 00:00:00"),
        row(6, None, 100, "2024-12-31 23:00:00"),
        row(7, Some("Praha"), 450, "2025-01-01 00:00:00"),
    ] {
        writer.write(&row).await.unwrap();
    }
    writer.delete(&gone).await.unwrap();
    writer.flush().await.unwrap();
}

fn timestamp(text: &str) -> Value {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
    Value::Timestamp(time.and_utc().timestamp_micros())
}
