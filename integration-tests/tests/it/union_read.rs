//! Union reads against a model of what was acknowledged, while the tiering service runs.

use std::collections::BTreeMap;
use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Cluster, Deployment, Rows, TableSpec, Value, Writer, shared_cluster};
use mysql_async::prelude::Queryable;
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

    /// The rows by a path, in a session of its own; the number and text of an error.
    async fn read_by(
        &self,
        millrace: &Deployment,
        path: &str,
        condition: &str,
    ) -> Result<Rows, (u16, String)> {
        let mut session = millrace.connect().await.unwrap();
        session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
        let sql = format!("SELECT region, id, name, amount FROM {} {condition}", self.name(""));
        match query(&mut session, &sql).await {
            Ok(mut rows) => {
                rows.sort();
                Ok(rows)
            }
            Err(mysql_async::Error::Server(error)) => Err((error.code, error.message)),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Every path gives the rows of the model, or says why it cannot.
    async fn check_paths(&self, millrace: &Deployment, is_tiered: bool) {
        let expected = Ok(self.expected());
        for path in ["auto", "log_replay"] {
            assert_eq!(self.read_by(millrace, path, "").await, expected, "{path}");
        }
        let by_key = self.read_by(millrace, "kv_and_tail", "").await;
        match self.primary_key {
            true => assert_eq!(by_key, expected),
            false => assert_refused(by_key, "log table"),
        }
        match self.read_by(millrace, "lake_and_tail", "").await {
            // the tiering service may have been faster
            Err(error) if !is_tiered => assert_refused(Err(error), "readable yet"),
            rows => assert_eq!(rows, expected),
        }
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

fn assert_refused(rows: Result<Rows, (u16, String)>, why: &str) {
    let (code, told) = rows.expect_err(why);
    assert!(code == 1235 && told.contains(why), "{code} {told}");
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
    table.check_paths(millrace, false).await;
    for _ in 0..6 {
        table.write(40).await;
        table.check(millrace).await;
        table.check_paths(millrace, false).await;
    }
    cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
    table.check(millrace).await;
    table.check_paths(millrace, true).await;
    assert_eq!(table.read(millrace, "$lake").await, table.expected());
    for _ in 0..6 {
        table.write(30).await;
        table.check(millrace).await;
        table.check_paths(millrace, true).await;
    }
    cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
    table.check(millrace).await;
    table.check_paths(millrace, true).await;
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

/// Flink is a second opinion, where it gives one: on log tables with an empty bucket it never ends.
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
        in_the_lake_alone(&table, millrace).await;
        let sql = format!("SELECT count(*) FROM {} WHERE region = 'us'", table.name("$rt"));
        assert_eq!(millrace.sql(&sql).await.unwrap()[0][0], "0");
    }
}

/// The lake's path reads partition `us`; what reads Fluss alone refuses it, and reads the others.
async fn in_the_lake_alone(table: &Checked, millrace: &Deployment) {
    let all = table.read_by(millrace, "lake_and_tail", "").await.unwrap();
    assert_eq!(all, table.expected());
    let others = "WHERE region <> 'us'";
    let of_others: Rows = all.into_iter().filter(|row| row[0] != "us").collect();
    let paths =
        if table.primary_key { &["kv_and_tail", "log_replay"][..] } else { &["log_replay"] };
    for path in paths {
        let refused = table.read_by(millrace, path, "").await;
        assert_refused(refused, "partition 'us' has rows in the lake that Fluss does not hold");
        assert_eq!(table.read_by(millrace, path, others).await.as_ref(), Ok(&of_others), "{path}");
    }
}

/// The way of every bucket is that of the path at that moment, also of a statement prepared before;
/// `$lake` and `$rt` have none to choose.
#[tokio::test]
async fn a_statement_reads_by_the_path_of_its_session() {
    let (cluster, millrace) = millrace().await;
    let mut table = Checked::create(cluster, "ur_paths", true, false).await;
    table.write(60).await;
    cluster.wait_tiered(table.spec.path(), TIERED).await.unwrap();
    let mut session = millrace.connect().await.unwrap();
    session.query_drop("SET keep_read_points = 1").await.unwrap();
    let one =
        session.prep(format!("SELECT name FROM {} WHERE id = ?", table.name(""))).await.unwrap();
    for (path, way) in [
        ("log_replay", "way=[log-fold]"),
        ("kv_and_tail", "way=[state]"),
        ("lake_and_tail", "way=[lake]"),
        ("auto", "way=[lake]"),
    ] {
        session.query_drop(format!("SET union_read_path = '{path}'")).await.unwrap();
        let shown = query(&mut session, "SELECT @@union_read_path").await.unwrap();
        assert_eq!(shown, [[path]]);
        let shown = query(&mut session, "SHOW VARIABLES LIKE 'union_read_path'").await.unwrap();
        assert_eq!(shown, [["union_read_path", path]]);
        let sql = format!("EXPLAIN SELECT * FROM {}", table.name(""));
        let shown = query(&mut session, &sql).await.unwrap().concat().concat();
        assert!(shown.contains(way), "{path}: {shown}");
        let _: Vec<Option<String>> = session.exec(&one, (1,)).await.unwrap();
        let points = query(&mut session, "SHOW READ POINTS").await.unwrap();
        let way = way.trim_start_matches("way=[").trim_end_matches(']');
        let all = points.iter().all(|row| row.iter().any(|value| value == way));
        assert!(all && !points.is_empty(), "{path}: {points:?}");
        for (suffix, mode) in [("$lake", "way=[lake]"), ("$rt", "way=[state]")] {
            let sql = format!("EXPLAIN SELECT * FROM {}", table.name(suffix));
            let shown = query(&mut session, &sql).await.unwrap().concat().concat();
            assert!(shown.contains(mode), "{path}, {suffix}: {shown}");
        }
    }
    match session.query_drop("SET union_read_path = 'fastest'").await.unwrap_err() {
        mysql_async::Error::Server(error) => assert_eq!(error.code, 1231, "{error}"),
        error => panic!("{error}"),
    }
}

/// A table without a lake has none to read by.
#[tokio::test]
async fn without_a_lake_there_is_no_path_over_it() {
    let (cluster, millrace) = millrace().await;
    let spec =
        TableSpec::new("ur_no_lake", "pk").column("id", DataTypes::bigint()).primary_key(["id"]);
    cluster.create_table(&spec).await.unwrap();
    let mut session = millrace.connect().await.unwrap();
    let sql = "SELECT * FROM fluss.ur_no_lake.pk";
    for path in ["auto", "kv_and_tail", "log_replay"] {
        session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
        assert!(query(&mut session, sql).await.unwrap().is_empty(), "{path}");
    }
    session.query_drop("SET union_read_path = lake_and_tail").await.unwrap();
    let refused = query(&mut session, sql).await.unwrap_err().to_string();
    assert!(refused.contains("'table.datalake.enabled' is not set"), "{refused}");
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
