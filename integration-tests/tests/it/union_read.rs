//! Union reads against a model of what was acknowledged, while the tiering service runs.

use std::collections::BTreeMap;
use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::{Cluster, Deployment, Rows, TableSpec, Value, Writer, shared_cluster};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::OnceCell;

const TIERED: Duration = Duration::from_secs(90);
const FRESHNESS: Duration = Duration::from_secs(1);
const REGIONS: [&str; 3] = ["eu", "us", "ap"];

static MILLRACE: OnceCell<Deployment> = OnceCell::const_new();

/// Two backends over the shared cluster, for all tests of this file.
pub async fn millrace() -> (&'static Cluster, &'static Deployment) {
    let cluster = shared_cluster().await.unwrap();
    let start = async || {
        let millrace = Deployment::start(2).await.unwrap();
        millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
        millrace
    };
    (cluster, MILLRACE.get_or_init(start).await)
}

/// A table and the rows that it must have: by key in a primary-key table, by arrival in a log table.
struct Checked {
    spec: TableSpec,
    writer: Writer,
    primary_key: bool,
    partitioned: bool,
    rows: BTreeMap<(String, i64), Vec<Value>>,
    next: i64,
    random: StdRng,
}

impl Checked {
    async fn create(
        cluster: &Cluster,
        database: &str,
        primary_key: bool,
        partitioned: bool,
    ) -> Self {
        let table = if primary_key { "pk" } else { "log" };
        let mut spec = TableSpec::new(database, table)
            .column("region", DataTypes::string())
            .column("id", DataTypes::bigint())
            .column("name", DataTypes::string())
            .column("amount", DataTypes::decimal(12, 2))
            .buckets(3)
            .lake(FRESHNESS);
        if primary_key {
            spec = if partitioned {
                spec.primary_key(["region", "id"])
            } else {
                spec.primary_key(["id"])
            };
        }
        if partitioned {
            spec = spec.partitioned_by(["region"]);
        }
        cluster.create_table(&spec).await.unwrap();
        if partitioned {
            for region in REGIONS {
                cluster.add_partition(spec.path(), &[("region", region)]).await.unwrap();
            }
        }
        let writer = Writer::open(cluster, spec.path()).await.unwrap();
        let random = StdRng::seed_from_u64(7);
        Self { spec, writer, primary_key, partitioned, rows: BTreeMap::new(), next: 0, random }
    }

    /// Writes so many changes and waits until they are acknowledged.
    async fn write(&mut self, changes: usize) {
        for _ in 0..changes {
            if self.primary_key { self.change_key().await } else { self.append().await }
        }
        self.writer.flush().await.unwrap();
    }

    async fn append(&mut self) {
        let row = self.row(self.next, 0);
        self.writer.write(&row).await.unwrap();
        self.rows.insert((region(&row), self.next), row);
        self.next += 1;
    }

    async fn change_key(&mut self) {
        let id = self.random.random_range(0..60);
        let version = self.next;
        self.next += 1;
        let row = self.row(id, version);
        let key = if self.partitioned { (region(&row), id) } else { (String::new(), id) };
        // deletes of keys that are not there are part of life: they leave empty batches in the log
        if self.random.random_ratio(1, 4) {
            self.writer.delete(&row).await.unwrap();
            self.rows.remove(&key);
        } else {
            self.writer.write(&row).await.unwrap();
            self.rows.insert(key, row);
        }
    }

    /// Deletes keys that are not there, each acknowledged alone: an empty batch each.
    async fn delete_missing(&mut self, ids: std::ops::Range<i64>) {
        for id in ids {
            let missing = self.row(id, 0);
            self.writer.delete(&missing).await.unwrap();
            self.writer.flush().await.unwrap();
        }
    }

    fn row(&self, id: i64, version: i64) -> Vec<Value> {
        let region = REGIONS[usize::try_from(id % 3).unwrap()];
        let name = (id % 7 != 0).then(|| format!("né-{id}-{version}"));
        let amount = Value::decimal(i128::from(id * 100 + version), 12, 2);
        vec![region.into(), id.into(), name.as_deref().into(), amount]
    }

    fn expected(&self) -> Rows {
        let text = |value: &Value| match value {
            Value::Null => "NULL".to_string(),
            value => value.to_string(),
        };
        let texts = |row: &Vec<Value>| row.iter().map(text).collect();
        let mut rows: Rows = self.rows.values().map(texts).collect();
        rows.sort();
        rows
    }

    fn name(&self, suffix: &str) -> String {
        format!("fluss.{}.{}{suffix}", self.spec.path().database(), self.spec.path().table())
    }

    async fn read(&self, millrace: &Deployment, suffix: &str) -> Rows {
        let sql = format!("SELECT region, id, name, amount FROM {}", self.name(suffix));
        let mut rows = millrace.sql(&sql).await.unwrap();
        rows.sort();
        rows
    }

    /// Holds every way to ask against the model.
    async fn check(&self, millrace: &Deployment) {
        let expected = self.expected();
        assert_eq!(self.read(millrace, "").await, expected, "{}", self.name(""));
        let sql = format!("SELECT count(*), sum(amount), count(name) FROM {}", self.name(""));
        let counts = millrace.sql(&sql).await.unwrap();
        assert_eq!(counts[0][0], expected.len().to_string(), "count of {}", self.name(""));
        let named = expected.iter().filter(|row| row[2] != "NULL").count();
        assert_eq!(counts[0][2], named.to_string());
        let filtered = format!("SELECT id FROM {} WHERE region = 'us' AND id > 10", self.name(""));
        let mut got: Vec<i64> = ids(millrace.sql(&filtered).await.unwrap());
        got.sort_unstable();
        let of_us = |row: &&Vec<String>| row[0] == "us" && row[1].parse::<i64>().unwrap() > 10;
        let mut wanted: Vec<i64> =
            expected.iter().filter(of_us).map(|row| row[1].parse().unwrap()).collect();
        wanted.sort_unstable();
        assert_eq!(got, wanted, "filtered {}", self.name(""));
        if self.primary_key {
            assert_eq!(self.read(millrace, "$rt").await, expected, "$rt of {}", self.name(""));
        } else {
            self.check_halves(millrace, &expected).await;
        }
    }

    /// `$lake` and `$rt` of one statement are at one read point: together they are the table.
    async fn check_halves(&self, millrace: &Deployment, expected: &Rows) {
        let columns = "region, id, name, amount";
        let sql = format!(
            "SELECT {columns} FROM {} UNION ALL SELECT {columns} FROM {}",
            self.name("$lake"),
            self.name("$rt")
        );
        let mut rows = millrace.sql(&sql).await.unwrap();
        rows.sort();
        assert_eq!(&rows, expected, "halves of {}", self.name(""));
    }
}

fn region(row: &[Value]) -> String {
    row[0].to_string()
}

fn ids(rows: Rows) -> Vec<i64> {
    rows.iter().map(|row| row[0].parse().unwrap()).collect()
}

/// Before any tiering, between two, after: the answer is the model.
async fn follows_the_model(database: &str, primary_key: bool, partitioned: bool) {
    let (cluster, millrace) = millrace().await;
    let mut table = Checked::create(cluster, database, primary_key, partitioned).await;
    table.check(millrace).await;
    for _ in 0..6 {
        table.write(40).await;
        table.check(millrace).await;
    }
    cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
    table.check(millrace).await;
    assert_eq!(table.read(millrace, "$lake").await, table.expected());
    for _ in 0..6 {
        table.write(30).await;
        table.check(millrace).await;
    }
    cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
    table.check(millrace).await;
    assert_eq!(table.read(millrace, "$lake").await, table.expected());
}

#[tokio::test]
async fn a_primary_key_table_follows_the_model() {
    follows_the_model("ur_pk", true, false).await;
}

#[tokio::test]
async fn a_partitioned_primary_key_table_follows_the_model() {
    follows_the_model("ur_pk_part", true, true).await;
}

#[tokio::test]
async fn a_log_table_follows_the_model() {
    follows_the_model("ur_log", false, false).await;
}

#[tokio::test]
async fn a_partitioned_log_table_follows_the_model() {
    follows_the_model("ur_log_part", false, true).await;
}

/// Flink is a second opinion, where it gives one: on partitioned log tables it never ends.
#[tokio::test]
async fn flink_agrees_when_writes_pause() {
    let (cluster, millrace) = millrace().await;
    let mut table = Checked::create(cluster, "ur_flink", true, true).await;
    table.write(80).await;
    cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
    table.write(50).await;
    let limit = Duration::from_secs(120);
    let mut flink = cluster.oracle("ur_flink", "SELECT * FROM pk", limit).await.unwrap();
    for value in flink.iter_mut().flatten().filter(|value| *value == "\\N") {
        *value = "NULL".into();
    }
    flink.sort();
    assert_eq!(table.read(millrace, "").await, flink);
    assert_eq!(flink, table.expected());
}

/// A partition that expired in Fluss lives on in the lake.
#[tokio::test]
async fn a_partition_that_is_in_the_lake_alone_is_read() {
    let (cluster, millrace) = millrace().await;
    for primary_key in [true, false] {
        let database = if primary_key { "ur_dropped_pk" } else { "ur_dropped_log" };
        let mut table = Checked::create(cluster, database, primary_key, true).await;
        table.write(60).await;
        cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
        cluster.drop_partition(table.spec.path(), &[("region", "us")]).await.unwrap();
        assert_eq!(table.read(millrace, "").await, table.expected(), "{database}");
        let sql = format!("SELECT count(*) FROM {} WHERE region = 'us'", table.name("$rt"));
        assert_eq!(millrace.sql(&sql).await.unwrap()[0][0], "0");
    }
}

/// A log whose last batches are empty, a bucket without rows, buckets that were never tiered. The tiering service does
/// not move over batches that are empty, so the tail keeps them.
#[tokio::test]
async fn empty_batches_and_buckets_do_not_hang() {
    let (cluster, millrace) = millrace().await;
    let mut table = Checked::create(cluster, "ur_empty", true, false).await;
    let one = table.row(1, 0);
    table.writer.write(&one).await.unwrap();
    table.writer.flush().await.unwrap();
    table.rows.insert((String::new(), 1), one);
    table.check(millrace).await;
    table.delete_missing(900..904).await;
    table.check(millrace).await;
    let mut fresh = Checked::create(cluster, "ur_empty_tail", true, false).await;
    fresh.write(10).await;
    cluster.wait_tiered(fresh.spec.path(), TIERED).await.unwrap();
    fresh.delete_missing(900..908).await;
    fresh.check(millrace).await;
}
