//! A lake that moves on between any two calls of a statement, and a log that loses what the lake has: the answer stays what it is.

use std::collections::{BTreeMap, HashMap};

use fluss_scan::{Bucket, FlussType, LakeSnapshot, TablePath};
use fluss_sim::{Cluster, TableSpec, Version};
use integration_tests::{Deployment, Rows};

use crate::lake_s3::{create_catalog, warehouse};
use crate::simulated::{Simulated, batch};

/// A table that Java wrote, whose log is made of what each of its snapshots changed.
struct Tiered {
    table: &'static str,
    columns: &'static [(&'static str, FlussType)],
    /// How many columns are the key; 0 in a log table.
    key: usize,
    is_partitioned: bool,
    /// What is written after the last snapshot.
    tail: &'static [&'static str],
    version: Version,
    /// The rows of each snapshot, the first one's first.
    states: Vec<Rows>,
}

const SNAPSHOTS: i64 = 3;

/// One bucket, and the end of its log after each snapshot.
struct Written {
    bucket: Bucket,
    ends: Vec<i64>,
}

impl Tiered {
    async fn read_states(&mut self, millrace: &Deployment) {
        let local = warehouse().canonicalize().unwrap();
        let on_disk =
            format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", local.display());
        create_catalog(millrace, "on_disk", &on_disk).await;
        for snapshot in 1..=SNAPSHOTS {
            let sql =
                format!("SELECT * FROM on_disk.lake.{} FOR VERSION AS OF {snapshot}", self.table);
            self.states.push(millrace.sql(&sql).await.unwrap());
        }
    }

    fn path(&self) -> TablePath {
        TablePath::new("lake", self.table)
    }

    fn tail(&self) -> Rows {
        self.tail.iter().map(|row| row.split(' ').map(str::to_owned).collect()).collect()
    }

    /// The rows that the table has, whatever of them the lake has.
    fn expected(&self) -> Rows {
        let mut rows = self.states.last().unwrap().clone();
        for row in self.tail() {
            rows.retain(|old| self.key == 0 || old[..self.key] != row[..self.key]);
            rows.push(row);
        }
        rows.sort();
        rows
    }

    /// Creates the table anew at its first snapshot.
    fn create(&self, cluster: &Cluster) -> Vec<Written> {
        // there is none before the first run
        let _ = cluster.drop_table(&self.path());
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let local = warehouse().canonicalize().unwrap();
        let spec = TableSpec::new(self.columns)
            .key(&names[..self.key])
            .partitioned(if self.is_partitioned { &names[..1] } else { &[] })
            .property("table.datalake.enabled", "true")
            .property("table.datalake.paimon.warehouse", &format!("file://{}", local.display()));
        let table_id = cluster.create_table(&self.path(), spec).unwrap();
        let mut parts: BTreeMap<String, Vec<Rows>> = BTreeMap::new();
        let tail = [&self.states.last().unwrap()[..], &self.tail()].concat();
        for (i, state) in self.states.iter().chain([&tail]).enumerate() {
            for row in state {
                let partition = if self.is_partitioned { row[0].clone() } else { String::new() };
                let states = parts.entry(partition).or_insert(vec![vec![]; self.states.len() + 1]);
                states[i].push(row.clone());
            }
        }
        let mut all = vec![];
        for (partition, states) in parts {
            let id = self
                .is_partitioned
                .then(|| cluster.add_partition(&self.path(), &[&partition]).unwrap());
            let bucket = Bucket { table_id, partition_id: id, bucket: 0 };
            let mut ends = vec![];
            let mut before: &Rows = &vec![];
            for state in &states {
                self.change(cluster, bucket, before, state);
                ends.push(cluster.log_end(bucket).unwrap());
                before = state;
            }
            all.push(Written { bucket, ends });
        }
        self.move_lake(cluster, &all, 1);
        all
    }

    /// Writes what makes one state into the next.
    fn change(&self, cluster: &Cluster, bucket: Bucket, before: &Rows, after: &Rows) {
        let schema = cluster.schema(&self.path()).unwrap();
        let new: Rows = after.iter().filter(|row| !before.contains(row)).cloned().collect();
        let is_left =
            |old: &&Vec<String>| after.iter().any(|row| row[..self.key] == old[..self.key]);
        let gone: Rows = before.iter().filter(|old| !is_left(old)).cloned().collect();
        if self.key == 0 {
            assert_eq!(before.len() + new.len(), after.len(), "rows of a log are not lost");
            if !new.is_empty() {
                cluster.append(bucket, &batch(&schema, &new)).unwrap();
            }
            return;
        }
        if !new.is_empty() {
            cluster.upsert(bucket, &batch(&schema, &new)).unwrap();
        }
        if !gone.is_empty() {
            cluster.delete(bucket, &batch(&schema, &gone)).unwrap();
        }
    }

    fn move_lake(&self, cluster: &Cluster, all: &[Written], snapshot_id: i64) {
        let nth = usize::try_from(snapshot_id - 1).unwrap();
        let of = |written: &Written| {
            let Bucket { partition_id, bucket, .. } = written.bucket;
            ((partition_id, bucket), written.ends[nth])
        };
        let offsets: HashMap<_, _> = all.iter().map(of).filter(|(_, end)| *end > 0).collect();
        let snapshot = LakeSnapshot { table_id: all[0].bucket.table_id, snapshot_id, offsets };
        cluster.set_lake_snapshot(&self.path(), snapshot).unwrap();
    }
}

fn tables() -> [Tiered; 2] {
    [
        Tiered {
            table: "pk_partitioned",
            columns: &[("day", FlussType::String), ("id", FlussType::Int), ("v", FlussType::Int)],
            key: 2,
            is_partitioned: true,
            // a key of the lake, a new one, and one in a partition that the lake does not have
            tail: &["2026-01-02 1 777", "2026-01-02 900 9", "2026-01-04 1 1"],
            version: Version::V0_9,
            states: vec![],
        },
        Tiered {
            table: "append_plain",
            columns: &[
                ("id", FlussType::Int),
                ("name", FlussType::String),
                ("v", FlussType::Double),
            ],
            key: 0,
            is_partitioned: false,
            tail: &["900 nine 1.5", "901 NULL 2.5"],
            version: Version::V1_0,
            states: vec![],
        },
    ]
}

/// The log ends with the state of the last snapshot, then with the tail.
async fn moves_on(loses_log: bool) {
    for mut table in tables() {
        let simulated = Simulated::start(table.version, 2).await;
        let millrace = Deployment::start(1).await.unwrap();
        millrace.create_catalog(&simulated.bootstrap()).await.unwrap();
        table.read_states(&millrace).await;
        let table = std::sync::Arc::new(table);
        let written = std::sync::Arc::new(parking_lot::Mutex::new(vec![]));
        let prepare = |cluster: &Cluster| *written.lock() = table.create(cluster);
        let (moved, of) = (std::sync::Arc::clone(&written), std::sync::Arc::clone(&table));
        let event = move |cluster: &Cluster| {
            let written = moved.lock();
            of.move_lake(cluster, &written, SNAPSHOTS);
            for one in written.iter().filter(|_| loses_log) {
                // the state of the last snapshot is the one before the tail
                let until = one.ends[usize::try_from(SNAPSHOTS - 1).unwrap()];
                cluster.expire(one.bucket, until).unwrap();
            }
        };
        prepare(&simulated.cluster);
        let name = format!("fluss.lake.{}", table.table);
        let mut rows = millrace.sql(&format!("SELECT * FROM {name}")).await.unwrap();
        rows.sort();
        assert_eq!(rows, table.expected(), "{name}");
        for sql in [format!("SELECT * FROM {name}"), format!("SELECT count(*), sum(v) FROM {name}")]
        {
            let outcomes = simulated.at_every_call(&millrace, &sql, prepare, event.clone()).await;
            assert_eq!((outcomes.after, outcomes.refused), (0, 0), "{sql}: the rows are the same");
            assert!(outcomes.before > 5, "{sql}: {outcomes:?}");
        }
    }
}

#[tokio::test]
async fn a_lake_that_moves_on_at_any_call_changes_no_row() {
    moves_on(false).await;
}

#[tokio::test]
async fn a_log_that_loses_what_the_lake_has_at_any_call_changes_no_row() {
    moves_on(true).await;
}
