//! Shows what `docs/upstream/fluss-deletion-vectors-never-readable.md` says: a lake table with deletion vectors and
//! auto-compaction gets snapshots, none of which Fluss calls readable.
//!
//! `cargo run -p integration-tests --example deletion_vectors_never_readable`

use std::path::Path;
use std::time::{Duration, Instant};

use fluss::metadata::DataTypes;
use integration_tests::{Cluster, ClusterOptions, LabError, Result, TableSpec, Value, Writer};

/// Snapshots that both tables get.
const SNAPSHOTS: u64 = 14;
const LIMIT: Duration = Duration::from_secs(240);

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let mut readable = vec![];
    for vectors in [false, true] {
        let name = if vectors { "with_vectors" } else { "without_vectors" };
        let mut spec = TableSpec::new("upstream", name)
            .column("id", DataTypes::bigint())
            .column("n", DataTypes::bigint())
            .primary_key(["id"])
            .lake(Duration::from_secs(1))
            .property("table.datalake.auto-compaction", "true");
        if vectors {
            spec = spec.property("paimon.deletion-vectors.enabled", "true");
        }
        cluster.create_table(&spec).await?;
        let lake = cluster.warehouse().join("upstream.db").join(name);
        let mut writer = Writer::open(&cluster, spec.path()).await?;
        let (mut round, began) = (0, Instant::now());
        let mut seen = None;
        while latest(&lake) < SNAPSHOTS {
            if began.elapsed() > LIMIT {
                let has = latest(&lake);
                return Err(LabError::Misuse(format!(
                    "{name} has {has} snapshots after {LIMIT:?}"
                )));
            }
            for id in 0..100 {
                writer.write(&[Value::BigInt(id), Value::BigInt(round)]).await?;
            }
            writer.flush().await?;
            round += 1;
            let before = latest(&lake);
            while latest(&lake) == before && began.elapsed() <= LIMIT {
                seen = cluster.lake_snapshot(spec.path()).await?.map(|found| found.id).or(seen);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        println!("{name}: snapshots {}", kinds(&lake).join(" "));
        match seen {
            Some(id) => println!("{name}: snapshot {id} was readable"),
            None => println!("{name}: none was readable"),
        }
        readable.push(seen.is_some());
    }
    match readable[..] {
        [true, false] => Ok(()),
        _ => Err(LabError::Misuse("both become readable, or none".into())),
    }
}

/// The latest snapshot of a lake table; 0 before the first one.
fn latest(table: &Path) -> u64 {
    let text = std::fs::read_to_string(table.join("snapshot/LATEST")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// What its snapshots are, in order.
fn kinds(table: &Path) -> Vec<String> {
    (1..=latest(table))
        .filter_map(|id| {
            let text =
                std::fs::read_to_string(table.join(format!("snapshot/snapshot-{id}"))).ok()?;
            let json: serde_json::Value = serde_json::from_str(&text).ok()?;
            json.get("commitKind")?.as_str().map(str::to_owned)
        })
        .collect()
}
