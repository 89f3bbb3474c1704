//! Shows what `docs/upstream/fluss-rs-dropped-writer.md` says: a writer of fluss-rs 1.0.0 that was dropped goes on.
//!
//! `cargo run -p integration-tests --example dropped_writer`

use std::time::{Duration, Instant};

use fluss::metadata::{DataTypes, TablePath};
use integration_tests::{Cluster, ClusterOptions, Node, Result, TableSpec, Value, Writer};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .map_err(|source| integration_tests::LabError::Io { action: "start".into(), source })?;
    let shown = runtime.block_on(show());
    // what still sends would keep the runtime from ending
    runtime.shutdown_background();
    shown
}

async fn show() -> Result<()> {
    let options = ClusterOptions { tiering: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await?;
    let spec = TableSpec::new("upstream", "t")
        .column("id", DataTypes::bigint())
        .column("n", DataTypes::bigint())
        .primary_key(["id"]);
    cluster.create_table(&spec).await?;
    write_and_drop(&cluster, spec.path()).await?;
    let (before, began) = (cpu_seconds(), Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let cpu = cpu_seconds() - before;
    println!("CPU after the writer was dropped: {cpu:.1} s in {:.1?}", began.elapsed());
    cluster.restart(Node::Tablet(0)).await?;
    cluster.wait_leaders(spec.path()).await?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        // a bucket may be without a leader for a moment
        let ends = cluster.log_ends(spec.path()).await.unwrap_or_default();
        if ends.values().sum::<i64>() > 1 {
            println!("the failed write arrived, {:.1?} after its server was back", began.elapsed());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("the failed write did not arrive in 30 s");
    Ok(())
}

/// One row that is acknowledged, one whose server is gone, and then nobody holds the writer any more.
async fn write_and_drop(cluster: &Cluster, table: &TablePath) -> Result<()> {
    let mut writer = Writer::open(cluster, table).await?;
    writer.write(&[Value::BigInt(1), Value::BigInt(1)]).await?;
    writer.flush().await?;
    cluster.kill(Node::Tablet(0))?;
    writer.write(&[Value::BigInt(1), Value::BigInt(2)]).await?;
    match writer.flush().await {
        Ok(()) => println!("the second write was acknowledged"),
        Err(error) => println!("the second write failed: {error}"),
    }
    Ok(())
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // fields 14 and 15 of the line, counted after the name; a hundred ticks a second
    (ticks(12) + ticks(13)) / 100.0
}
