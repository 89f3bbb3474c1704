//! Shows what `docs/upstream/flink-partitioned-log-never-ends.md` says: Flink's batch read of a partitioned log table does
//! not end, that of one without partitions does.
//!
//! `cargo run -p integration-tests --example partitioned_log_never_ends`

use std::time::{Duration, Instant};

use fluss::metadata::DataTypes;
use integration_tests::{Cluster, ClusterOptions, LabError, Result, TableSpec, Value, Writer};

const ROWS: i64 = 60;
const REGIONS: [&str; 3] = ["eu", "us", "asia"];
const TIERED: Duration = Duration::from_secs(120);
/// An answer takes a quarter of a minute.
const LIMIT: Duration = Duration::from_secs(200);

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let mut ended = vec![];
    for partitioned in [false, true] {
        let table = if partitioned { "partitioned" } else { "plain" };
        write(&cluster, table, partitioned).await?;
        let began = Instant::now();
        match cluster.oracle("upstream", &format!("SELECT * FROM {table}"), LIMIT).await {
            Ok(rows) => {
                println!("{table}: {} of {} rows after {:.0?}", rows.len(), ROWS, began.elapsed())
            }
            Err(LabError::OracleTimeout(limit)) => println!("{table}: no end after {limit:?}"),
            Err(error) => return Err(error),
        }
        ended.push(began.elapsed() < LIMIT);
    }
    match ended[..] {
        [true, false] => Ok(()),
        _ => Err(LabError::Misuse("both end, or none".into())),
    }
}

/// Rows of which half are in the lake and half in the log; the last region has none.
async fn write(cluster: &Cluster, table: &str, partitioned: bool) -> Result<()> {
    let mut spec = TableSpec::new("upstream", table)
        .column("region", DataTypes::string())
        .column("n", DataTypes::bigint())
        .buckets(3)
        .lake(Duration::from_secs(1));
    if partitioned {
        spec = spec.partitioned_by(["region"]);
    }
    cluster.create_table(&spec).await?;
    if partitioned {
        for region in REGIONS {
            cluster.add_partition(spec.path(), &[("region", region)]).await?;
        }
    }
    let mut writer = Writer::open(cluster, spec.path()).await?;
    for n in 0..ROWS {
        let region = REGIONS[usize::from(n % 2 == 0)];
        writer.write(&[Value::Text(region.into()), Value::BigInt(n)]).await?;
        if n == ROWS / 2 - 1 {
            writer.flush().await?;
            cluster.wait_tiered(spec.path(), TIERED).await?;
            cluster.pause_tiering()?;
        }
    }
    writer.flush().await?;
    cluster.resume_tiering()
}
