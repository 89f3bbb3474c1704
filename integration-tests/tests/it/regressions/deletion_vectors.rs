//! Tables with deletion vectors as Fluss's tiering writes them, and their logs: what is of level 0 is in no readable snapshot.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Cluster, Deployment, Rows, TableSpec, Value, Writer, package_directory};
use mysql_async::prelude::Queryable;

const SOON: Duration = Duration::from_secs(90);
const JAVA: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(100);
const DATABASE: &str = "vectors";
const BUCKETS: i32 = 2;

/// A table and the rows that were acknowledged: `v` by `id`.
struct Vectors {
    spec: TableSpec,
    writer: Writer,
    rows: BTreeMap<i64, i64>,
}

impl Vectors {
    async fn create(cluster: &Cluster, name: &str, auto_compaction: bool) -> Self {
        let spec = TableSpec::new(DATABASE, name)
            .column("id", DataTypes::bigint())
            .column("v", DataTypes::bigint())
            .primary_key(["id"])
            .buckets(BUCKETS)
            .lake(Duration::from_secs(1))
            .property("table.datalake.auto-compaction", &auto_compaction.to_string())
            .property("paimon.deletion-vectors.enabled", "true");
        cluster.create_table(&spec).await.unwrap();
        let writer = Writer::open(cluster, spec.path()).await.unwrap();
        Self { spec, writer, rows: BTreeMap::new() }
    }

    /// Upserts some rows, and deletes each fifth of those.
    async fn write(&mut self, ids: std::ops::Range<i64>, v: i64) {
        for id in ids {
            let row = [id.into(), Value::BigInt(v)];
            if id % 5 == 4 {
                self.writer.delete(&row).await.unwrap();
                self.rows.remove(&id);
            } else {
                self.writer.write(&row).await.unwrap();
                self.rows.insert(id, v);
            }
        }
        self.writer.flush().await.unwrap();
    }

    /// Waits until all of the logs is in a snapshot, readable or not.
    async fn tiered(&self, cluster: &Cluster) {
        let ends = cluster.log_ends(self.spec.path()).await.unwrap();
        let admin = cluster.connect().await.unwrap().get_admin().unwrap();
        let started = Instant::now();
        loop {
            let latest = admin.get_lake_snapshot(self.spec.path(), None, Some(false)).await;
            let of = |bucket: i32| {
                let snapshot = latest.as_ref().ok()?;
                let of_bucket = snapshot.bucket_snapshots.iter().find(|b| b.bucket_id == bucket);
                of_bucket?.log_offset
            };
            if ends.iter().all(|((_, bucket), end)| of(*bucket).unwrap_or(0) >= *end) {
                return;
            }
            assert!(started.elapsed() < SOON, "not tiered to {ends:?}: {latest:?}");
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn compact(&self, cluster: &Cluster) {
        let scratch = tempfile::tempdir().unwrap();
        let warehouse = format!("file://{}", cluster.warehouse().display());
        let (buckets, scratch) = (BUCKETS.to_string(), scratch.path().display().to_string());
        let args = [&warehouse, DATABASE, self.spec.path().table(), &buckets, &scratch];
        let program = package_directory().join("tests/java/Compact.java");
        cluster.java(&program, &args, JAVA).await.unwrap();
    }

    fn told(rows: &BTreeMap<i64, i64>) -> Rows {
        rows.iter().map(|(id, v)| vec![id.to_string(), v.to_string()]).collect()
    }

    fn select(&self, suffix: &str) -> String {
        format!(
            "SELECT id, v FROM fluss.{DATABASE}.{}{suffix} ORDER BY id",
            self.spec.path().table()
        )
    }

    async fn check(&self, millrace: &Deployment, when: &str) {
        let mut session = millrace.connect().await.unwrap();
        for path in ["auto", "kv_and_tail", "log_replay"] {
            session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
            let rows = query(&mut session, &self.select("")).await.unwrap();
            assert_eq!(rows, Self::told(&self.rows), "{when}, by {path}");
        }
        let sql = format!("SELECT count(*) FROM fluss.{DATABASE}.{}", self.spec.path().table());
        assert_eq!(millrace.sql(&sql).await.unwrap(), [[self.rows.len().to_string()]], "{when}");
    }
}

/// Compacted by another job, the snapshot of before the compaction is readable: union reads begin there, though later snapshots
/// have the rows of the tail too, at level 0.
#[tokio::test]
async fn a_table_with_deletion_vectors_is_read_at_its_readable_snapshot() {
    let (cluster, millrace) = crate::union_read::millrace().await;
    let mut table = Vectors::create(cluster, "compacted", false).await;
    table.write(0..40, 1).await;
    table.tiered(cluster).await;
    table.check(millrace, "nothing readable").await;
    assert_eq!(cluster.lake_snapshot(table.spec.path()).await.unwrap(), None);
    let mut readable = None;
    for version in 2..5i64 {
        let compacted = table.rows.clone();
        table.compact(cluster).await;
        table.check(millrace, "compacted").await;
        // the next round of tiering tells Fluss of the compaction
        table.write(version * 7..version * 7 + 20, version).await;
        table.tiered(cluster).await;
        let started = Instant::now();
        let now = loop {
            let now = cluster.lake_snapshot(table.spec.path()).await.unwrap();
            if now.is_some() && now != readable {
                break now;
            }
            assert!(
                started.elapsed() < SOON,
                "version {version}: no newer than {readable:?} is readable"
            );
            tokio::time::sleep(INTERVAL).await;
        };
        readable = now;
        table.check(millrace, "readable").await;
        let lake = millrace.sql(&table.select("$lake")).await.unwrap();
        assert_eq!(lake, Vectors::told(&compacted), "version {version} of the lake");
        let plan = millrace.sql(&format!("EXPLAIN {}", table.select(""))).await.unwrap();
        let plan = plan.concat().concat();
        assert!(plan.contains("way=[anti-filter]"), "the lake is not read: {plan}");
    }
    let vectors = cluster.warehouse().join(DATABASE.to_owned() + ".db").join("compacted/index");
    let count = std::fs::read_dir(&vectors).unwrap().count();
    assert!(count > 0, "there is no deletion vector in {}", vectors.display());
}

/// Compacted by the tiering service itself, no snapshot of it ever becomes readable: Fluss alone is read.
#[tokio::test]
async fn a_table_with_deletion_vectors_that_is_never_readable_is_read_from_fluss() {
    let (cluster, millrace) = crate::union_read::millrace().await;
    let mut table = Vectors::create(cluster, "automatic", true).await;
    for version in 1..5i64 {
        table.write(version * 7..version * 7 + 20, version).await;
        table.check(millrace, "written").await;
        table.tiered(cluster).await;
        table.check(millrace, "tiered").await;
    }
    assert_eq!(cluster.lake_snapshot(table.spec.path()).await.unwrap(), None);
    assert!(millrace.sql(&table.select("$lake")).await.unwrap().is_empty());
}
