//! What clients of MySQL make of the answers: every client of `clients/` asks the same, and must get the same.
//!
//! `clients/queries.json` holds the checks and the rows they must give. A client prints one line of JSON for each check:
//! `{"check": name}` with `rows` (texts in one form, null for NULL), `error` (MySQL's number), or `skipped` (why).

mod judge;
mod metadata;
mod servers;
mod suites;
mod tables;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use integration_tests::{Deployment, package_directory, shared_cluster};
use tokio::process::Command;
use tokio::sync::OnceCell;

use judge::{check, check_at};
use servers::OldServer;
use tables::write_tables;

const DATABASE: &str = "clients";
const PASSWORD: &str = "p@ss wörd";

/// What no client without cursors can be asked.
const CURSORS: [&str; 3] = ["cursor", "empty cursor", "cursor left in the middle"];
/// What only a client that prepares can be asked.
const PREPARED: [&str; 17] = [
    "every type, prepared",
    "int parameter",
    "negative int parameter",
    "text parameter",
    "text parameter with quotes",
    "decimal parameter",
    "long decimal parameter",
    "double parameter",
    "date parameter",
    "timestamp parameter",
    "null parameter",
    "several parameters",
    "limit parameter",
    "tables, prepared",
    "show tables, prepared",
    "prepared twice",
    "prepare an error",
];
/// What a client without a choice of passwords and encryption cannot be asked.
const LOGINS: [&str; 7] = [
    "plain login",
    "TLS login",
    "native password",
    "wrong password",
    "wrong password, TLS",
    "no password",
    "unknown database at login",
];
const QUERIES: &str = "queries.json";

#[tokio::test]
async fn mariadb() {
    // one process for each statement: what an error left is gone
    let skips = [&PREPARED[..], &CURSORS, &["warnings", "query timeout", "reset"]].concat();
    check("mariadb", python("mariadb_cli.py"), QUERIES, &skips).await;
}

#[tokio::test]
async fn pymysql() {
    // its parameters are literals that the client writes; one of 38 digits is a DOUBLE here
    let own = ["long decimal parameter", "query timeout", "reset", "native password", "compressed"];
    check("PyMySQL", python("pymysql_client.py"), QUERIES, &[&CURSORS[..], &own].concat()).await;
}

#[tokio::test]
async fn connector_python() {
    let skips = [&CURSORS[..], &["query timeout"]].concat();
    check("Connector/Python", python("connector_client.py"), QUERIES, &skips).await;
}

#[tokio::test]
async fn connector_python_in_c() {
    let mut command = python("connector_client.py");
    command.env("CONNECTOR_C", "1");
    let skips = [&CURSORS[..], &["query timeout", "native password"]].concat();
    check("Connector/Python C", command, QUERIES, &skips).await;
}

#[tokio::test]
async fn starrocks_dialect() {
    check("SQLAlchemy", python("starrocks_client.py"), "starrocks.json", &[]).await;
}

#[tokio::test]
async fn mysql2() {
    let mut command = Command::new("node");
    command
        .arg(scripts().join("mysql2_client.js"))
        .env("NODE_PATH", home().join("node/node_modules"));
    let skips = [&CURSORS[..], &["query timeout", "native password"]].concat();
    check("mysql2", command, QUERIES, &skips).await;
}

#[tokio::test]
async fn connector_j() {
    check("Connector/J", java("jars", "mysql"), QUERIES, &[]).await;
}

/// The same through a server that does not offer CLIENT_DEPRECATE_EOF: the columns of a result, and its rows, end with packets of their
/// own, and so do the parameters and columns of a prepared statement.
#[tokio::test]
async fn connector_j_without_deprecate_eof() {
    let old = OldServer::before(millrace().await.mysql_port()).await;
    check_at(&old.port, "Connector/J, EOF", java("jars", "mysql"), QUERIES, &[]).await;
    assert!(old.logins.load(Ordering::Relaxed) > 1);
}

#[tokio::test]
async fn connector_j_8() {
    check("Connector/J 8", java("jars-8", "mysql"), QUERIES, &[]).await;
}

#[tokio::test]
async fn mariadb_connector_j() {
    let skips = [&CURSORS[..], &["reset"]].concat();
    check("MariaDB Connector/J", java("jars", "mariadb"), QUERIES, &skips).await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn mysqlclient() {
    let own = ["long decimal parameter", "query timeout"];
    let command = heavy_python("mysqlclient_client.py");
    check("mysqlclient", command, QUERIES, &[&CURSORS[..], &own].concat()).await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn mariadb_odbc() {
    let own = [
        "every type",
        "every type, prepared",
        "compressed",
        "timestamp parameter",
        "ping",
        "query timeout",
        "reset",
        "native password",
    ];
    check("MariaDB ODBC", heavy_python("odbc_client.py"), QUERIES, &[&CURSORS[..], &own].concat())
        .await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn mycli() {
    check("mycli", heavy_python("mycli_client.py"), "mycli.json", &[]).await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn go_sql_driver() {
    let own = ["query timeout", "reset", "native password"];
    let command = Command::new(home().join("go-client"));
    check("go-sql-driver", command, QUERIES, &[&CURSORS[..], &own].concat()).await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn mysql_async() {
    let own = ["query timeout", "native password"];
    let command = Command::new(home().join("rust/mysql_async"));
    check("mysql_async", command, QUERIES, &[&CURSORS[..], &own].concat()).await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn sqlx() {
    let own = ["query timeout", "reset", "native password", "compressed"];
    let command = Command::new(home().join("rust/sqlx"));
    check("sqlx", command, QUERIES, &[&CURSORS[..], &own].concat()).await;
}

#[tokio::test]
#[ignore = "compiled at set-up: make test-clients"]
async fn sqllogictest() {
    let mut command = python("sqllogictest_client.py");
    command.env("SQLLOGICTEST", home().join("sqllogictest"));
    let own = [
        "constants",
        "every type",
        "zone",
        "execution time",
        "after execution time",
        "ping",
        "use",
        "several statements",
        "warnings",
        "compressed",
        "kill query",
        "after kill query",
        "query timeout",
        "reset",
        "reconnect",
    ];
    let skips = [&PREPARED[..], &CURSORS, &own, &LOGINS].concat();
    check("sqllogictest", command, QUERIES, &skips).await;
}

/// Where the clients' programs are.
fn scripts() -> PathBuf {
    package_directory().join("clients")
}

/// Where `clients/setup.sh` puts what they need.
fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("MILLRACE_CLIENTS_HOME") {
        return home.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    cache.join("millrace/clients")
}

/// A program of `clients/`, in the Python that has the clients.
pub fn python(script: &str) -> Command {
    python_of("python", script)
}

fn heavy_python(script: &str) -> Command {
    python_of("python-heavy", script)
}

fn python_of(environment: &str, script: &str) -> Command {
    let program = home().join(environment).join("bin/python");
    assert!(program.exists(), "the clients are not set up: make setup-clients, make test-clients");
    let mut command = Command::new(program);
    command.arg(scripts().join(script));
    command
}

fn java(jars: &str, driver: &str) -> Command {
    let mut command = Command::new("java");
    let path = format!("{}:{}/*", home().join("classes").display(), home().join(jars).display());
    command.args(["-cp", &path, &format!("-Ddriver={driver}"), "Jdbc"]);
    command
}

/// The server of all tests here, over the shared cluster.
async fn millrace() -> &'static Deployment {
    static MILLRACE: OnceCell<Deployment> = OnceCell::const_new();
    MILLRACE
        .get_or_init(async || {
            let cluster = shared_cluster().await.unwrap();
            write_tables(cluster).await;
            let millrace = Deployment::start(2).await.unwrap();
            millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
            millrace
        })
        .await
}
