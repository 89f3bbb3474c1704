//! Shows what `docs/upstream/flink-empty-bucket-never-ends.md` says: which log tables Flink's batch read comes to the end
//! of, and which not.
//!
//! `cargo run -p integration-tests --example empty_bucket_never_ends`

use std::time::{Duration, Instant};

use fluss::metadata::DataTypes;
use integration_tests::{Cluster, ClusterOptions, LabError, Result, TableSpec, Value, Writer};

const TIERED: Duration = Duration::from_secs(120);
/// An answer takes a quarter of a minute.
const LIMIT: Duration = Duration::from_secs(100);

/// A log table with rows in the lake and more in the log.
struct Case {
    table: &'static str,
    partitions: &'static [&'static str],
    buckets: i32,
    /// How many of the partitions, from the first one on, are written; one of no partitions is.
    written: usize,
    /// Whether rows come after those in the lake.
    tail: bool,
}

const CASES: [Case; 5] = [
    Case { table: "plain", partitions: &[], buckets: 1, written: 1, tail: true },
    Case { table: "all_in_the_lake", partitions: &[], buckets: 1, written: 1, tail: false },
    // a writer stays with a bucket until a batch is full: two batches leave one of three empty
    Case { table: "empty_bucket", partitions: &[], buckets: 3, written: 1, tail: true },
    Case { table: "partitioned", partitions: &["eu", "us"], buckets: 1, written: 2, tail: true },
    Case {
        table: "empty_partition",
        partitions: &["eu", "us"],
        buckets: 1,
        written: 1,
        tail: true,
    },
];

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let mut endless = vec![];
    for case in &CASES {
        let written = write(&cluster, case).await?;
        let began = Instant::now();
        let sql = format!("SELECT * FROM {}", case.table);
        match cluster.oracle("upstream", &sql, LIMIT).await {
            Ok(rows) => {
                let (rows, after) = (rows.len(), began.elapsed());
                println!("{}: {rows} of {written} rows after {after:.0?}", case.table);
            }
            Err(LabError::OracleTimeout(limit)) => {
                println!("{}: no end after {limit:?}", case.table);
                endless.push(case.table);
            }
            Err(error) => return Err(error),
        }
    }
    match endless[..] {
        [] => Err(LabError::Misuse("all of them end".into())),
        [first, ..] if first == CASES[0].table => {
            Err(LabError::Misuse("the plain one does not end either".into()))
        }
        _ => Ok(()),
    }
}

/// Writes a table; how many rows it has then.
async fn write(cluster: &Cluster, case: &Case) -> Result<usize> {
    let mut spec = TableSpec::new("upstream", case.table)
        .column("region", DataTypes::string())
        .column("n", DataTypes::bigint())
        .buckets(case.buckets)
        .lake(Duration::from_secs(1));
    if !case.partitions.is_empty() {
        spec = spec.partitioned_by(["region"]);
    }
    cluster.create_table(&spec).await?;
    for region in case.partitions {
        cluster.add_partition(spec.path(), &[("region", region)]).await?;
    }
    let regions = if case.partitions.is_empty() { &["eu"] } else { case.partitions };
    let mut written = 0;
    let mut writer = Writer::open(cluster, spec.path()).await?;
    for in_the_lake in if case.tail { &[true, false][..] } else { &[true] } {
        for region in &regions[..case.written] {
            writer.write(&[Value::Text((*region).into()), Value::BigInt(1)]).await?;
            written += 1;
        }
        writer.flush().await?;
        if *in_the_lake {
            cluster.wait_tiered(spec.path(), TIERED).await?;
            cluster.pause_tiering()?;
        }
    }
    cluster.resume_tiering()?;
    Ok(written)
}
