//! Shows what `docs/upstream/fluss-long-poll.md` says: an append to Fluss does not wake a fetch that waits.
//!
//! `cargo run -p integration-tests --example long_poll`

use std::time::{Duration, Instant};

use fluss::client::{FlussConnection, LogScanner};
use fluss::config::Config;
use fluss::metadata::{DataTypes, TablePath};
use integration_tests::{Cluster, ClusterOptions, LabError, Result, TableSpec, Value, Writer};

const ROWS: i64 = 40;
/// How long the server may wait, in milliseconds.
const LONG: i32 = 1000;
const SHORT: i32 = 1;
/// How long the reader waits for one row.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    let options = ClusterOptions { tiering: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await?;
    let spec = TableSpec::new("upstream", "t").column("n", DataTypes::bigint());
    cluster.create_table(&spec).await?;
    let mut medians = vec![];
    for wait in [SHORT, LONG] {
        let late = lateness(&cluster, spec.path(), wait).await?;
        let of = |part: usize| late[late.len() * part / 10];
        println!(
            "the server may wait {wait} ms: a row is read {} ms after it was acknowledged at the median, nine of ten \
             within {} ms",
            of(5).as_millis(),
            of(9).as_millis()
        );
        medians.push(of(5));
    }
    match medians[1] > medians[0] + Duration::from_millis(250) {
        true => Ok(()),
        false => Err(LabError::Misuse("the fetch that waits is woken".into())),
    }
}

/// How late each row was read, in order of lateness.
async fn lateness(cluster: &Cluster, table: &TablePath, wait: i32) -> Result<Vec<Duration>> {
    let config = Config {
        bootstrap_servers: cluster.bootstrap(),
        scanner_log_fetch_wait_max_time_ms: wait,
        ..Config::default()
    };
    let connection = FlussConnection::new(config).await?;
    let scanner = connection.get_table(table).await?.new_scan().create_log_scanner()?;
    let begin = cluster.log_ends(table).await?.values().sum();
    scanner.subscribe(0, begin).await?;
    let mut writer = Writer::open(cluster, table).await?;
    let mut late = vec![];
    for n in 0..ROWS {
        // at different times of a wait: the fetch goes out before
        let pause = 1000 + u64::try_from(n).unwrap_or(0) * 370 % 1000;
        follow(&scanner, Duration::from_millis(pause)).await?;
        writer.write(&[Value::BigInt(n)]).await?;
        let (acknowledged, read) = tokio::join!(
            async {
                writer.flush().await?;
                Ok::<_, LabError>(Instant::now())
            },
            async {
                let seen = follow(&scanner, LIMIT).await?;
                Ok::<_, LabError>(seen.then(Instant::now))
            }
        );
        let (acknowledged, read) = (acknowledged?, read?);
        let read = read.ok_or_else(|| LabError::Misuse(format!("row {n} was not read")))?;
        late.push(read.saturating_duration_since(acknowledged));
    }
    late.sort();
    Ok(late)
}

/// Reads until a row comes, `within` at the longest; whether one came.
async fn follow(scanner: &LogScanner, within: Duration) -> Result<bool> {
    let began = Instant::now();
    while began.elapsed() < within {
        if !scanner.poll(Duration::from_millis(5)).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
