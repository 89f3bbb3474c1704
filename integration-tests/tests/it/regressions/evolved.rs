//! Columns that change between the lake snapshot and the tail, both halves in one statement.

use std::collections::BTreeMap;
use std::time::Duration;

use fluss::metadata::{
    AddColumn, AlterTableChanges, ColumnPositionType, DataTypes, DropColumn, JsonSerde,
    ModifyColumn, RenameColumn,
};
use fluss_scan::{Bucket, FlussType, LakeSnapshot, TablePath};
use fluss_sim::Version;
use integration_tests::deployment::query;
use integration_tests::{Cluster, ClusterOptions, Deployment, Rows, TableSpec, Value, Writer};
use mysql_async::prelude::Queryable;

use crate::lake_s3::warehouse;
use crate::simulated::{Simulated, rows};

const TIERED: Duration = Duration::from_secs(90);
const DATABASE: &str = "evolved";

/// A table to which the column `extra` is added, and its rows: `v` and `extra` by `id`.
struct Grown {
    spec: TableSpec,
    is_keyed: bool,
    rows: BTreeMap<i64, (i64, Option<i64>)>,
}

impl Grown {
    async fn create(cluster: &Cluster, is_keyed: bool) -> Self {
        let spec = TableSpec::new(DATABASE, if is_keyed { "keyed" } else { "log" })
            .column("id", DataTypes::bigint())
            .column("v", DataTypes::bigint())
            .buckets(2)
            .lake(Duration::from_secs(1));
        let spec = if is_keyed { spec.primary_key(["id"]) } else { spec };
        cluster.create_table(&spec).await.unwrap();
        Self { spec, is_keyed, rows: BTreeMap::new() }
    }

    /// Writes rows, with `extra` where the writer knows of it.
    async fn write(&mut self, writer: &mut Writer, ids: std::ops::Range<i64>, v: i64) {
        let is_new = writer.columns() == 3;
        for id in ids {
            let extra = (is_new && id % 3 != 0).then_some(id * 10);
            let mut row = vec![id.into(), v.into()];
            row.extend(is_new.then_some(Value::from(extra)));
            writer.write(&row).await.unwrap();
            let before = self.rows.insert(id, (v, extra));
            assert!(self.is_keyed || before.is_none(), "id {id} twice in a log");
        }
        writer.flush().await.unwrap();
    }

    async fn add_extra(&self, cluster: &Cluster) {
        let column = AddColumn {
            column_name: "extra".into(),
            data_type_json: DataTypes::bigint().serialize_json().unwrap().to_string().into_bytes(),
            comment: None,
            position: ColumnPositionType::Last,
        };
        let changes = AlterTableChanges { add_columns: vec![column], ..Default::default() };
        let admin = cluster.connect().await.unwrap().get_admin().unwrap();
        admin.alter_table(self.spec.path(), false, changes).await.unwrap();
    }

    fn told(&self, which: impl Fn(i64, Option<i64>) -> bool) -> Rows {
        let extra = |extra: Option<i64>| extra.map_or("NULL".into(), |extra| extra.to_string());
        let rows = self.rows.iter().filter(|(id, (_, extra))| which(**id, *extra));
        rows.map(|(id, (v, e))| vec![id.to_string(), v.to_string(), extra(*e)]).collect()
    }

    /// By every path, and by conditions on the new column, which the one half may not have.
    async fn check(&self, millrace: &Deployment, when: &str) {
        let table = format!("fluss.{DATABASE}.{}", self.spec.path().table());
        let mut session = millrace.connect().await.unwrap();
        let keyed = ["auto", "lake_and_tail", "kv_and_tail", "log_replay"];
        let paths =
            if self.is_keyed { &keyed[..] } else { &["auto", "lake_and_tail", "log_replay"][..] };
        for path in paths {
            session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
            let what = format!("{table} by {path}, {when}");
            let sql = format!("SELECT id, v, extra FROM {table} ORDER BY id");
            assert_eq!(query(&mut session, &sql).await.unwrap(), self.told(|_, _| true), "{what}");
            let sql = format!("SELECT id, v, extra FROM {table} WHERE extra IS NULL ORDER BY id");
            let absent = self.told(|_, extra| extra.is_none());
            assert_eq!(query(&mut session, &sql).await.unwrap(), absent, "{what}: absent");
            let sql = format!(
                "SELECT id, v, extra FROM {table} WHERE extra >= 100 OR id = 1 ORDER BY id"
            );
            let some = self.told(|id, extra| extra >= Some(100) || id == 1);
            assert_eq!(query(&mut session, &sql).await.unwrap(), some, "{what}: some");
            // the new column alone: the lake's files of before have none of what is asked for
            let sql = format!("SELECT count(extra), count(*), sum(extra) FROM {table}");
            let extras = self.rows.values().filter_map(|(_, extra)| *extra);
            let sum = extras.clone().sum::<i64>();
            let sum = if extras.clone().count() == 0 { "NULL".into() } else { sum.to_string() };
            let counts = [extras.count().to_string(), self.rows.len().to_string(), sum];
            assert_eq!(query(&mut session, &sql).await.unwrap(), [counts], "{what}: counts");
        }
        let plan = millrace.sql(&format!("EXPLAIN SELECT * FROM {table}")).await.unwrap();
        let plan = plan.concat().concat();
        assert!(plan.contains("mode=union, snapshot="), "the lake is not read, {when}: {plan}");
    }
}

/// A lake snapshot of before the column under a tail of both schemas, and a lake that has it under a tail that has not.
#[tokio::test]
async fn both_halves_of_a_union_read_over_an_added_column() {
    let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    for is_keyed in [true, false] {
        let mut table = Grown::create(&cluster, is_keyed).await;
        let path = table.spec.path().clone();
        let mut old = Writer::open(&cluster, &path).await.unwrap();
        table.write(&mut old, 0..10, 1).await;
        let before = cluster.wait_tiered(&path, TIERED).await.unwrap();
        cluster.pause_tiering().unwrap();
        table.add_extra(&cluster).await;
        table.check(&millrace, "just added").await;
        let mut new = Writer::open(&cluster, &path).await.unwrap();
        assert_eq!((old.columns(), new.columns()), (2, 3));
        // in a keyed table the tail replaces rows of the lake, and rows of the tail
        table.write(&mut new, if is_keyed { 5..15 } else { 10..20 }, 2).await;
        table.write(&mut old, if is_keyed { 3..7 } else { 20..25 }, 3).await;
        table.check(&millrace, "a lake of before").await;
        let now = cluster.lake_snapshot(&path).await.unwrap().unwrap();
        assert_eq!(now, before, "tiering went on");
        cluster.resume_tiering().unwrap();
        cluster.wait_tiered(&path, TIERED).await.unwrap();
        table.check(&millrace, "all of it in the lake").await;
        cluster.pause_tiering().unwrap();
        table.write(&mut old, if is_keyed { 8..12 } else { 25..30 }, 4).await;
        table.check(&millrace, "a tail of before").await;
        table.write(&mut new, if is_keyed { 11..18 } else { 30..35 }, 5).await;
        table.check(&millrace, "a tail of both").await;
        cluster.resume_tiering().unwrap();
        cluster.wait_tiered(&path, TIERED).await.unwrap();
        table.check(&millrace, "in the end").await;
    }
}

/// What servers of today do not let anybody do to a column; if one did, `columns_are_matched_by_what_they_are` says what
/// becomes of it.
#[tokio::test]
async fn servers_refuse_to_rename_change_and_drop_columns() {
    let (cluster, millrace) = crate::union_read::millrace().await;
    let mut table = Grown::create(cluster, false).await;
    let mut writer = Writer::open(cluster, table.spec.path()).await.unwrap();
    table.write(&mut writer, 0..5, 1).await;
    let wide = DataTypes::decimal(20, 0).serialize_json().unwrap().to_string().into_bytes();
    let rename = RenameColumn { old_column_name: "v".into(), new_column_name: "w".into() };
    let modify = ModifyColumn {
        column_name: "v".into(),
        data_type_json: Some(wide),
        comment: None,
        position: None,
    };
    let drop = DropColumn { column_name: "v".into() };
    let none = AlterTableChanges::default;
    let admin = cluster.connect().await.unwrap().get_admin().unwrap();
    for (what, changes) in [
        ("rename", AlterTableChanges { rename_columns: vec![rename], ..none() }),
        ("modify", AlterTableChanges { modify_columns: vec![modify], ..none() }),
        ("drop", AlterTableChanges { drop_columns: vec![drop], ..none() }),
    ] {
        let error = admin.alter_table(table.spec.path(), false, changes).await;
        let error = error.expect_err(what).to_string();
        eprintln!("{what}: {error}");
        assert!(error.to_lowercase().contains("not support"), "{what}: {error}");
    }
    let sql = format!("SELECT id, v FROM fluss.{DATABASE}.log ORDER BY id");
    let rows: Rows = (0..5).map(|id| vec![id.to_string(), "1".into()]).collect();
    assert_eq!(millrace.sql(&sql).await.unwrap(), rows);
}

/// Columns of a log that were renamed or widened, which no server does yet: the same column by another name, or none that is read.
#[tokio::test]
async fn columns_are_matched_by_what_they_are() {
    let simulated = Simulated::start(Version::V1_0, 2).await;
    let cluster = &simulated.cluster;
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&simulated.bootstrap()).await.unwrap();
    let warehouse = warehouse().canonicalize().unwrap();
    for has_lake in [false, true] {
        let path = TablePath::new("lake", "append_plain");
        let columns =
            [("id", FlussType::Int), ("name", FlussType::String), ("v", FlussType::Double)];
        let mut spec = fluss_sim::TableSpec::new(&columns);
        if has_lake {
            let warehouse = format!("file://{}", warehouse.display());
            spec = spec
                .property("table.datalake.enabled", "true")
                .property("table.datalake.paimon.warehouse", &warehouse);
        }
        let table_id = cluster.create_table(&path, spec).unwrap();
        let bucket = Bucket { table_id, partition_id: None, bucket: 0 };
        cluster.append(bucket, &rows(&cluster.schema(&path).unwrap(), &[], 0..3, 7)).unwrap();
        if has_lake {
            let offsets = [((None, 0), 1)].into();
            let snapshot = LakeSnapshot { table_id, snapshot_id: 3, offsets };
            cluster.set_lake_snapshot(&path, snapshot).unwrap();
        }
        cluster.alter_column(&path, "name", |column| column.name = "label".into()).unwrap();
        let renamed =
            millrace.sql("SELECT id, label FROM fluss.lake.append_plain ORDER BY id").await;
        if has_lake {
            let error = renamed.unwrap_err().to_string();
            let told = "its lake has no column 'label' and Fluss has no column 'name'";
            assert!(error.contains("1235") && error.contains(told), "{error}");
        } else {
            assert_eq!(renamed.unwrap(), [["0", "v7"], ["1", "v7"], ["2", "v7"]]);
        }
        cluster.alter_column(&path, "label", |column| column.name = "name".into()).unwrap();
        cluster.alter_column(&path, "id", |column| column.data_type = FlussType::BigInt).unwrap();
        let widened = millrace.sql("SELECT id FROM fluss.lake.append_plain").await;
        let error = widened.unwrap_err().to_string();
        assert!(error.contains("column 'id' of lake.append_plain changed its type"), "{error}");
        // the others can be read
        let counted = millrace.sql("SELECT count(name) FROM fluss.lake.`append_plain$rt`").await;
        assert_eq!(counted.unwrap(), [[if has_lake { "2" } else { "3" }]]);
        cluster.drop_table(&path).unwrap();
    }
}
