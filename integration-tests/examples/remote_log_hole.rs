//! Shows what `docs/upstream/fluss-remote-log-hole.md` says: a coordinator that comes back makes a hole in a log.
//!
//! `cargo run -p integration-tests --example remote_log_hole`

use std::time::{Duration, Instant};

use fluss::metadata::DataTypes;
use integration_tests::{
    Cluster, ClusterOptions, LabError, Node, Result, TableSpec, Value, Writer, holes,
};

/// How often the coordinator is killed.
const ROUNDS: usize = 15;
/// How long it is away: some segments are full in that time.
const AWAY: Duration = Duration::from_secs(6);
/// How long the next segment gets to be copied.
const BACK: Duration = Duration::from_secs(6);

#[tokio::main]
async fn main() -> Result<()> {
    let options = ClusterOptions {
        tiering: false,
        segment_bytes: 16 << 10,
        remote_log_interval: Duration::from_millis(300),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await?;
    let spec = TableSpec::new("upstream", "t")
        .column("n", DataTypes::bigint())
        .buckets(8)
        .property("table.log.tiered.local-segments", "1");
    cluster.create_table(&spec).await?;
    let mut writer = Writer::open(&cluster, spec.path()).await?;
    let mut n = 0;
    for round in 1..=ROUNDS {
        cluster.kill(Node::Coordinator)?;
        write(&mut writer, &mut n, AWAY).await?;
        cluster.restart(Node::Coordinator).await?;
        write(&mut writer, &mut n, BACK).await?;
        let remote = cluster.directory().join("remote/log");
        let found: Vec<_> = (0..8).flat_map(|table| holes::of_table(&remote, table)).collect();
        println!("round {round}: {n} rows acknowledged, {} holes", found.len());
        for hole in &found {
            println!("bucket {}: nothing from {} to {}", hole.bucket, hole.from, hole.to);
            println!("{}", std::fs::read_to_string(&hole.manifest).unwrap_or_default());
        }
        if !found.is_empty() {
            return Ok(());
        }
    }
    Err(LabError::Misuse(format!("no hole in {ROUNDS} rounds")))
}

async fn write(writer: &mut Writer, n: &mut i64, time: Duration) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        for _ in 0..400 {
            writer.write(&[Value::BigInt(*n)]).await?;
            *n += 1;
        }
        writer.flush().await?;
    }
    Ok(())
}
