//! Shows what `docs/upstream/fluss-state-ahead.md` says: a state of Fluss 0.9.1 is ahead of the high watermark that is told after it.
//!
//! `cargo run -p integration-tests --example state_ahead`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use fluss::client::FlussConnection;
use fluss::config::Config;
use fluss::metadata::{DataTypes, TableBucket, TablePath};
use integration_tests::{Cluster, ClusterOptions, LabError, Result, TableSpec, Writer};

const LIMIT: Duration = Duration::from_secs(240);
const READERS: usize = 4;
/// Threads that keep the processors from the servers: the shorter a rest is, the rarer it is met.
const BUSY: usize = 12;

#[tokio::main]
async fn main() -> Result<()> {
    let options = ClusterOptions { tiering: false, ..ClusterOptions::default() };
    let cluster = Arc::new(Cluster::start(options).await?);
    // one record for each write: version n is at offset n
    let spec = TableSpec::new("upstream", "ahead")
        .column("id", DataTypes::bigint())
        .column("version", DataTypes::bigint())
        .primary_key(["id"])
        .property("table.changelog.image", "WAL")
        .buckets(1);
    cluster.create_table(&spec).await?;
    let ended = Arc::new(AtomicBool::new(false));
    for _ in 0..BUSY {
        let ended = Arc::clone(&ended);
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }
    let mut writer = Writer::open(&cluster, spec.path()).await?;
    let write = async {
        let mut version = 0i64;
        loop {
            writer.write(&[1i64.into(), version.into()]).await?;
            writer.flush().await?;
            version += 1;
        }
    };
    let readers = (0..READERS).map(|_| Box::pin(ahead(&cluster, spec.path())));
    let found = tokio::select! {
        stopped = write => stopped,
        (first, ..) = futures::future::select_all(readers) => first,
    };
    ended.store(true, Ordering::Relaxed);
    let (version, end, scans) = found?;
    println!(
        "scan {scans}: the state has the row that was written at offset {version}, and the high watermark that is told \
         after it is {end}"
    );
    Ok(())
}

/// A version in the state, the watermark that was told after it and is not beyond it, and how many scans it took.
async fn ahead(cluster: &Cluster, path: &TablePath) -> Result<(i64, i64, usize)> {
    let config = Config { bootstrap_servers: cluster.bootstrap(), ..Config::default() };
    let connection = FlussConnection::new(config).await?;
    let table = connection.get_table(path).await?;
    let bucket = TableBucket::new(table.get_table_info().table_id, 0);
    let started = Instant::now();
    for scan in 1.. {
        let scanner = table.new_scan().limit(10)?.create_bucket_batch_scanner(bucket.clone());
        let rows = scanner?.collect_all_batches().await?;
        let end: i64 = cluster.log_ends(path).await?.values().sum();
        for batch in &rows {
            let versions = batch.batch().column(1).as_primitive::<Int64Type>().clone();
            if let Some(version) = versions.iter().flatten().find(|version| *version >= end) {
                return Ok((version, end, scan));
            }
        }
        if started.elapsed() > LIMIT {
            break;
        }
    }
    Err(LabError::Misuse(format!("no state was ahead of its watermark in {LIMIT:?}")))
}
