//! What clients of MySQL make of the answers: every client of `clients/` asks the same, and must get the same.
//!
//! `clients/queries.json` holds the checks and the rows they must give. A client prints one line of JSON for each check:
//! `{"check": name}` with `rows` (texts in one form, null for NULL), `error` (MySQL's number), or `skipped` (why).

mod metadata;
mod suites;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::{
    Cluster, Deployment, TableSpec, Value, Writer, package_directory, shared_cluster,
};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

const DATABASE: &str = "clients";
const PASSWORD: &str = "p@ss wörd";
const TIERED: Duration = Duration::from_secs(90);
/// The longest that a client may take for all of its checks.
const CHECKS: Duration = Duration::from_secs(120);

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

/// Runs a client and holds its answers against what is expected. It may skip `skips`, and must.
async fn check(client: &str, command: Command, file: &str, skips: &[&str]) {
    let port = millrace().await.mysql_port().to_string();
    check_at(&port, client, command, file, skips).await;
}

async fn check_at(port: &str, client: &str, mut command: Command, file: &str, skips: &[&str]) {
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

/// A way to a server on which its greeting loses CLIENT_DEPRECATE_EOF.
struct OldServer {
    port: String,
    /// Clients that have logged in without it.
    logins: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for OldServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl OldServer {
    async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let logins = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&logins);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // ends with either side
                tokio::spawn(without_deprecate_eof(client, server, Arc::clone(&counted)));
            }
        });
        Self { port, logins, accepting }
    }
}

async fn without_deprecate_eof(
    mut client: TcpStream,
    mut server: TcpStream,
    logins: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    // bits 24 to 31 of the capabilities
    const OFFERED: u8 = 1;
    let mut greeting = packet(&mut server).await?;
    let version = greeting[5..].iter().position(|byte| *byte == 0).unwrap();
    // its end, id, salt, filler; low capabilities, collation, status; and the lower byte of the high ones
    let at = 5 + version + 1 + 4 + 8 + 1 + 2 + 1 + 2 + 1;
    assert_eq!(greeting[at] & OFFERED, OFFERED, "the server does not offer it anyway");
    greeting[at] &= !OFFERED;
    client.write_all(&greeting).await?;
    let login = packet(&mut client).await?;
    assert_eq!(login[4 + 3] & OFFERED, 0, "the client takes what was not offered");
    server.write_all(&login).await?;
    logins.fetch_add(1, Ordering::Relaxed);
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// A packet of one frame, with its header.
async fn packet(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    stream.read_exact(&mut packet).await?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    packet.resize(4 + length, 0);
    stream.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// A standalone server whose `root` has a password, for logins.
struct Locked {
    port: String,
    _process: Child,
    _data: TempDir,
}

impl Locked {
    async fn start() -> Self {
        let here = std::env::current_exe().unwrap();
        let mut places = here.ancestors().skip(1).take(2).map(|place| place.join("millrace"));
        let binary = places.find(|path| path.is_file()).expect("cargo build --workspace");
        let data = TempDir::new().unwrap();
        let mut command = Command::new(binary);
        // it places the clients, and is no key of a configuration
        command.env_remove("MILLRACE_CLIENTS_HOME");
        command.arg("standalone").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        for set in [
            format!("data_dir={}", data.path().display()),
            format!("auth.root_password={PASSWORD}"),
            "mysql.listen=127.0.0.1:0".into(),
            "rpc.listen=127.0.0.1:0".into(),
            "admin.listen=127.0.0.1:0".into(),
        ] {
            command.args(["--set", &set]);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let banner = lines.next_line().await.unwrap().unwrap();
        let (_, rest) = banner.split_once("127.0.0.1:").unwrap_or_else(|| panic!("{banner}"));
        let port = rest.chars().take_while(char::is_ascii_digit).collect();
        Self { port, _process: process, _data: data }
    }
}

/// `types`, a primary-key table of which the first half is in the lake, and `visits`, a log table that is there completely.
async fn write_tables(cluster: &Cluster) {
    let visits = TableSpec::new(DATABASE, "visits")
        .column("id", DataTypes::bigint())
        .column("customer", DataTypes::bigint())
        .column("city", DataTypes::string())
        .buckets(2)
        .lake(Duration::from_secs(1));
    let types = types();
    for spec in [&visits, &types] {
        cluster.create_table(spec).await.unwrap();
    }
    let mut writer = Writer::open(cluster, visits.path()).await.unwrap();
    let customers =
        [(10, Some(1), Some("Praha")), (11, Some(4), Some("東京")), (12, Some(7), Some("Praha"))];
    for (id, customer, city) in
        customers.into_iter().chain([(13, Some(8), None), (14, None, Some(""))])
    {
        writer
            .write(&[
                Value::BigInt(id),
                customer.map(Value::BigInt).unwrap_or(Value::Null),
                city.into(),
            ])
            .await
            .unwrap();
    }
    writer.flush().await.unwrap();

    let mut writer = Writer::open(cluster, types.path()).await.unwrap();
    let gone = row(8, false, "before", Value::Null, "2000-01-01 00:00:00");
    let before = row(7, true, "before", Value::Bytes(vec![]), "2000-01-01 00:00:00");
    let rows = rows();
    for row in rows[..3].iter().chain([&before, &gone]) {
        writer.write(row).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(visits.path(), TIERED).await.unwrap();
    cluster.wait_tiered(types.path(), TIERED).await.unwrap();
    for row in &rows[3..] {
        writer.write(row).await.unwrap();
    }
    writer.delete(&gone).await.unwrap();
    writer.flush().await.unwrap();
}

fn types() -> TableSpec {
    TableSpec::new(DATABASE, "types")
        .column("id", DataTypes::bigint())
        .column("flag", DataTypes::boolean())
        .column("tiny", DataTypes::tinyint())
        .column("small", DataTypes::smallint())
        .column("medium", DataTypes::int())
        .column("big", DataTypes::bigint())
        .column("single", DataTypes::float())
        .column("dbl", DataTypes::double())
        .column("price", DataTypes::decimal(10, 2))
        .column("huge", DataTypes::decimal(38, 10))
        .column("name", DataTypes::string())
        .column("data", DataTypes::bytes())
        .column("day", DataTypes::date())
        .column("clock", DataTypes::time_with_precision(3))
        .column("at", DataTypes::timestamp_with_precision(6))
        .column("ms", DataTypes::timestamp_with_precision(3))
        .column("zoned", DataTypes::timestamp_ltz_with_precision(6))
        .primary_key(["id"])
        .buckets(2)
        .lake(Duration::from_secs(1))
}

/// The rows that `types` has in the end, by id from 1.
fn rows() -> Vec<Vec<Value>> {
    let mut ada = row(1, true, "Ada", Value::Bytes(b"abc".to_vec()), "2024-02-29 12:34:56.123456");
    numbers(&mut ada, [1, 2, 3, 4], 1.5, 2.25, ["12.34", "1234567890.0123456789"]);
    ada[13] = Value::Time(45_296_789);
    ada[15] = timestamp("2024-02-29 12:34:56.789");
    ada[16] = zoned("2024-02-29 12:34:56.000001");

    let mut nulls = vec![Value::Null; 17];
    nulls[0] = Value::BigInt(2);

    let least = [i64::from(i8::MIN), i64::from(i16::MIN), i64::from(i32::MIN), i64::MIN];
    let mut min = row(3, false, "", Value::Bytes(vec![]), "1000-01-01 00:00:00.001");
    numbers(
        &mut min,
        least,
        f32::MIN,
        f64::MIN,
        ["-99999999.99", "-9999999999999999999999999999.9999999999"],
    );
    min[13] = Value::Time(0);
    min[15] = timestamp("1000-01-01 00:00:00");
    min[16] = zoned("1000-01-01 00:00:00");

    let most = [i64::from(i8::MAX), i64::from(i16::MAX), i64::from(i32::MAX), i64::MAX];
    let text = "žluťoučký kůň 🐎 日本語";
    let mut max = row(4, true, text, Value::Bytes(vec![255, 0, 254]), "9999-12-31 23:59:59.999999");
    numbers(
        &mut max,
        most,
        f32::MAX,
        f64::MAX,
        ["99999999.99", "9999999999999999999999999999.9999999999"],
    );
    max[13] = Value::Time(86_399_999);
    max[15] = timestamp("9999-12-31 23:59:59.999");

    let text = "tab\tline\nquote'\"back\\slash%";
    let mut zero = row(5, false, text, Value::Bytes(b"\0'\\\n".to_vec()), "1970-01-01 00:00:00");
    numbers(&mut zero, [0; 4], 0.1, 0.1, ["0.05", "0.0000000001"]);
    zero[13] = Value::Time(1000);

    let mut below = row(6, true, "Zoë", Value::Bytes("Zoë".into()), "1969-12-31 23:59:59.999");
    let (single, double) = (f32::from_bits(1), f64::from_bits(1));
    numbers(&mut below, [-1; 4], single, double, ["-0.05", "-0.0000000001"]);
    below[13] = Value::Time(22_028_000);

    let mut after = row(7, false, "after", Value::Bytes(vec![7]), "2000-01-01 00:00:00.000007");
    after[15] = timestamp("2000-01-01 00:00:00.007");
    vec![ada, nulls, min, max, zero, below, after]
}

/// A row of `types` whose numbers are its id, and whose times are `at`.
fn row(id: i64, flag: bool, name: &str, data: Value, at: &str) -> Vec<Value> {
    let mut row = vec![Value::Null; 17];
    numbers(&mut row, [id; 4], id as f32, id as f64, ["0.00", "0.0000000000"]);
    row[0] = id.into();
    row[1] = flag.into();
    row[10] = name.into();
    row[11] = data;
    row[12] = Value::Date(i32::try_from(micros(at).div_euclid(86_400_000_000)).unwrap());
    row[13] = Value::Time(i32::try_from(id * 3_600_000).unwrap());
    row[14] = timestamp(at);
    row[15] = timestamp(at);
    row[16] = zoned(at);
    row
}

fn numbers(row: &mut [Value], whole: [i64; 4], single: f32, double: f64, decimals: [&str; 2]) {
    row[2] = Value::TinyInt(i8::try_from(whole[0]).unwrap());
    row[3] = Value::SmallInt(i16::try_from(whole[1]).unwrap());
    row[4] = Value::Int(i32::try_from(whole[2]).unwrap());
    row[5] = whole[3].into();
    row[6] = single.into();
    row[7] = double.into();
    let unscaled = |text: &str| text.replace('.', "").parse().unwrap();
    row[8] = Value::decimal(unscaled(decimals[0]), 10, 2);
    row[9] = Value::decimal(unscaled(decimals[1]), 38, 10);
}

fn timestamp(text: &str) -> Value {
    Value::Timestamp(micros(text))
}

fn zoned(text: &str) -> Value {
    Value::TimestampLtz(micros(text))
}

fn micros(text: &str) -> i64 {
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
    time.and_utc().timestamp_micros()
}
