//! Shows what `docs/upstream/fluss-rs-bucket-hash.md` says: fluss-rs 1.0.0 puts keys into other buckets than Java.
//!
//! `cargo run -p integration-tests --example bucket_hash`

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fluss::metadata::{DataTypes, TablePath};
use fluss::row::DataGetters;
use integration_tests::{Cluster, ClusterOptions, LabError, Result, TableSpec, Value, Writer};

const BUCKETS: i32 = 3;
const KEYS: i64 = 200;
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    // where a lake is known keys have Paimon's format, which is hashed alike
    let options = ClusterOptions { tiering: false, lake: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await?;
    let spec = TableSpec::new("upstream", "t")
        .column("id", DataTypes::bigint())
        .column("writer", DataTypes::string())
        .primary_key(["id"])
        .buckets(BUCKETS);
    cluster.create_table(&spec).await?;
    let ids: Vec<String> = (0..KEYS).map(|id| format!("({id})")).collect();
    let rows = format!("SELECT CAST(id AS BIGINT), 'java' FROM (VALUES {}) v (id)", ids.join(", "));
    cluster.oracle("upstream", &format!("INSERT INTO t {rows}"), LIMIT).await?;
    let java = buckets(&cluster, spec.path(), KEYS).await?;
    let mut writer = Writer::open(&cluster, spec.path()).await?;
    for id in 0..KEYS {
        writer.write(&[Value::BigInt(id), Value::Text("rust".into())]).await?;
    }
    writer.flush().await?;
    let ends: i64 = cluster.log_ends(spec.path()).await?.values().sum();
    let both = buckets(&cluster, spec.path(), ends).await?;
    let twice: Vec<i64> =
        both.iter().filter(|(_, buckets)| buckets.len() > 1).map(|(id, _)| *id).collect();
    let in_one = java.values().filter(|buckets| buckets.len() == 1).count();
    println!("{in_one} keys that Java wrote are in one bucket each");
    println!("{} of them are in two since fluss-rs wrote them: {twice:?}", twice.len());
    match twice.is_empty() {
        false => Ok(()),
        true => Err(LabError::Misuse("both put every key into the same bucket".into())),
    }
}

/// The buckets in whose logs each key is, from this many records.
async fn buckets(
    cluster: &Cluster,
    table: &TablePath,
    records: i64,
) -> Result<BTreeMap<i64, BTreeSet<i32>>> {
    let connection = cluster.connect().await?;
    let scanner = connection.get_table(table).await?.new_scan().create_log_scanner()?;
    for bucket in 0..BUCKETS {
        scanner.subscribe(bucket, 0).await?;
    }
    let mut found = BTreeMap::<i64, BTreeSet<i32>>::new();
    let (mut read, began) = (0, Instant::now());
    while read < records {
        if began.elapsed() > LIMIT {
            return Err(LabError::Misuse(format!("{read} of {records} records were read")));
        }
        let polled = scanner.poll(Duration::from_millis(200)).await?;
        for (bucket, records) in polled.records_by_buckets() {
            for record in records {
                found.entry(record.row().get_long(0)?).or_default().insert(bucket.bucket_id());
                read += 1;
            }
        }
    }
    Ok(found)
}
