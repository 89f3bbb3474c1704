//! A table that is dropped and created again between any two calls of a statement: its answer is that of the one or of the
//! other table, or an error that says to try again; never rows of both, and never a part.

use fluss_scan::{Bucket, FlussType, LakeSnapshot, TablePath};
use fluss_sim::{Cluster, TableSpec, Version};
use integration_tests::Deployment;

use crate::lake_s3::warehouse;
use crate::simulated::{Simulated, rows};

/// Rows of a bucket's log, and how many of them the lake has.
const LOG: i32 = 12;
const TIERED: i32 = 5;

type Partition = &'static [(&'static str, &'static str)];

/// A table over files of the lake that Java wrote.
#[derive(Clone, Copy)]
struct Case {
    table: &'static str,
    snapshot: i64,
    columns: &'static [(&'static str, FlussType)],
    key: &'static [&'static str],
    /// One without values stands for an unpartitioned table. The last one is not in the lake.
    partitions: &'static [Partition],
    version: Version,
}

const DAY: &str = "day";
const CASES: [Case; 4] = [
    Case {
        table: "pk_overlap",
        snapshot: 6,
        columns: &[("id", FlussType::BigInt), ("v", FlussType::Int), ("s", FlussType::String)],
        key: &["id"],
        partitions: &[&[]],
        version: Version::V1_0,
    },
    Case {
        table: "pk_partitioned",
        snapshot: 3,
        columns: &[(DAY, FlussType::String), ("id", FlussType::Int), ("v", FlussType::Int)],
        key: &[DAY, "id"],
        partitions: &[&[(DAY, "2026-01-02")], &[(DAY, "2026-01-03")], &[(DAY, "2026-01-04")]],
        version: Version::V0_9,
    },
    Case {
        table: "append_plain",
        snapshot: 3,
        columns: &[("id", FlussType::Int), ("name", FlussType::String), ("v", FlussType::Double)],
        key: &[],
        partitions: &[&[]],
        version: Version::V0_9,
    },
    Case {
        table: "append_partitioned",
        snapshot: 2,
        columns: &[("v", FlussType::BigInt), ("region", FlussType::String), (DAY, FlussType::Date)],
        key: &[],
        partitions: &[
            &[("region", "plain"), (DAY, "2024-10-04")],
            &[("region", "plain"), (DAY, "2024-10-05")],
            &[("region", "new"), (DAY, "2024-10-05")],
        ],
        version: Version::V1_0,
    },
];

/// What the table holds after it was created again.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// Nothing, and no partition either.
    Bare,
    /// Rows of its own in the same partitions, and no lake yet.
    Filled,
}

impl Case {
    fn path(&self) -> TablePath {
        TablePath::new("lake", self.table)
    }

    fn create(&self, cluster: &Cluster, partitions: &[Partition]) -> Vec<Bucket> {
        let keys: Vec<&str> = self.partitions[0].iter().map(|(name, _)| *name).collect();
        let warehouse = warehouse().canonicalize().unwrap();
        let spec = TableSpec::new(self.columns)
            .key(self.key)
            .partitioned(&keys)
            .buckets(1)
            .property("table.datalake.enabled", "true")
            .property("table.datalake.format", "paimon")
            .property("table.datalake.paimon.metastore", "filesystem")
            .property(
                "table.datalake.paimon.warehouse",
                &format!("file://{}", warehouse.display()),
            );
        let table_id = cluster.create_table(&self.path(), spec).unwrap();
        let bucket = |partition_id| Bucket { table_id, partition_id, bucket: 0 };
        let add = |partition: &Partition| {
            let values: Vec<&str> = partition.iter().map(|(_, value)| *value).collect();
            let id =
                (!values.is_empty()).then(|| cluster.add_partition(&self.path(), &values).unwrap());
            bucket(id)
        };
        partitions.iter().map(add).collect()
    }

    fn write(
        &self,
        cluster: &Cluster,
        (partition, bucket): (Partition, Bucket),
        ids: std::ops::Range<i32>,
        version: i32,
    ) {
        let rows = rows(&cluster.schema(&self.path()).unwrap(), partition, ids, version);
        let written = match self.key.is_empty() {
            true => cluster.append(bucket, &rows),
            false => cluster.upsert(bucket, &rows),
        };
        written.unwrap();
    }

    /// The table of before, with a lake and a tail.
    fn create_first(&self, cluster: &Cluster) {
        let buckets = self.create(cluster, self.partitions);
        let in_lake = self.partitions.len().saturating_sub(1).max(1);
        let mut offsets = std::collections::HashMap::new();
        for (i, (partition, bucket)) in self.partitions.iter().zip(&buckets).enumerate() {
            self.write(cluster, (partition, *bucket), 5_000..5_000 + TIERED, 1);
            self.write(cluster, (partition, *bucket), 5_000 + TIERED..5_000 + LOG, 1);
            if i < in_lake {
                offsets.insert((bucket.partition_id, bucket.bucket), i64::from(TIERED));
            }
        }
        let snapshot =
            LakeSnapshot { table_id: buckets[0].table_id, snapshot_id: self.snapshot, offsets };
        cluster.set_lake_snapshot(&self.path(), snapshot).unwrap();
    }

    fn create_again(&self, cluster: &Cluster, again: Again) {
        cluster.drop_table(&self.path()).unwrap();
        let partitions = match again {
            Again::Bare if self.partitions[0].is_empty() => self.partitions,
            Again::Bare => &[],
            Again::Filled => self.partitions,
        };
        for (partition, bucket) in partitions.iter().zip(self.create(cluster, partitions)) {
            if matches!(again, Again::Filled) {
                self.write(cluster, (partition, bucket), 9_000..9_003, 2);
            }
        }
    }
}

/// The table is created again at each call that the statement makes, in one run each.
async fn at_every_call(case: Case, again: Again, sql: &str) {
    let simulated = Simulated::start(case.version, 2).await;
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&simulated.bootstrap()).await.unwrap();
    let prepare = |cluster: &Cluster| {
        // there is none before the first run
        let _ = cluster.drop_table(&case.path());
        case.create_first(cluster);
    };
    let event = move |cluster: &Cluster| case.create_again(cluster, again);
    let outcomes = simulated.at_every_call(&millrace, sql, prepare, event).await;
    let is_both = outcomes.before > 0 && outcomes.after > 1;
    assert!(is_both, "{sql}, {again:?}: {outcomes:?}");
}

async fn created_again(case: usize, again: Again) {
    let case = CASES[case];
    let from = |suffix: &str| format!("FROM fluss.lake.`{}{suffix}`", case.table);
    let mut statements = vec![
        format!("SELECT * {}", from("")),
        format!("SELECT count(*) {}", from("")),
        format!("SELECT * {}", from("$rt")),
    ];
    // one key, which is looked up
    let keys =
        case.key.iter().zip(case.partitions[0].iter().map(|(_, value)| format!("'{value}'")));
    let keys =
        keys.map(|(name, value)| format!("{name} = {value}")).chain(["id = 5007".to_string()]);
    if !case.key.is_empty() {
        statements.push(format!(
            "SELECT * {} WHERE {}",
            from(""),
            keys.collect::<Vec<_>>().join(" AND ")
        ));
    }
    for sql in statements {
        at_every_call(case, again, &sql).await;
    }
}

#[tokio::test]
async fn a_primary_key_table_created_again_at_any_call() {
    created_again(0, Again::Filled).await;
}

#[tokio::test]
async fn a_partitioned_primary_key_table_created_again_at_any_call() {
    created_again(1, Again::Filled).await;
}

#[tokio::test]
async fn a_partitioned_primary_key_table_created_bare_at_any_call() {
    created_again(1, Again::Bare).await;
}

#[tokio::test]
async fn a_log_table_created_again_at_any_call() {
    created_again(2, Again::Filled).await;
}

#[tokio::test]
async fn a_partitioned_log_table_created_again_at_any_call() {
    created_again(3, Again::Filled).await;
}

#[tokio::test]
async fn a_partitioned_log_table_created_bare_at_any_call() {
    created_again(3, Again::Bare).await;
}
