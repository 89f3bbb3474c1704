//! Splits of the lake of which deletes leave no row, between others.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Deployment, Rows, TableSpec, Value, Writer};
use mysql_async::prelude::Queryable;

const TIERED: Duration = Duration::from_secs(90);
/// However they are dealt out to streams, each has one that is emptied before one that is not.
const PARTITIONS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
/// Rows of each.
const ROWS: i64 = 20;

/// The partitions that are not emptied.
fn left() -> impl Iterator<Item = &'static str> {
    PARTITIONS.into_iter().step_by(3)
}

fn row(partition: &str, id: i64) -> Vec<Value> {
    vec![partition.into(), id.into(), Value::BigInt(id * 2)]
}

/// Every way to ask, of the whole and of parts that begin with an empty split or have nothing else.
async fn check(millrace: &Deployment, table: &str) {
    let rows = |from: &str, to: &str| -> Rows {
        let of = left().filter(|partition| (from..=to).contains(partition));
        of.flat_map(|p| (0..ROWS).map(move |id| vec![p.to_string(), format!("{id:02}")])).collect()
    };
    for (from, to) in [("a", "l"), ("b", "l"), ("b", "c"), ("e", "i")] {
        let condition = format!("WHERE p >= '{from}' AND p <= '{to}'");
        let sql = format!("SELECT p, lpad(id, 2, '0') n FROM {table} {condition} ORDER BY p, n");
        assert_eq!(millrace.sql(&sql).await.unwrap(), rows(from, to), "{sql}");
        let count = rows(from, to).len();
        let sql = format!("SELECT count(*) FROM {table} {condition}");
        assert_eq!(millrace.sql(&sql).await.unwrap(), [[count.to_string()]], "{sql}");
        let sql = format!("SELECT p, id FROM {table} {condition} LIMIT 1000");
        assert_eq!(millrace.sql(&sql).await.unwrap().len(), count, "{sql}");
    }
}

#[tokio::test]
async fn a_split_without_rows_ends_no_read_of_those_behind_it() {
    let (cluster, _) = crate::union_read::millrace().await;
    // one backend: the splits of a stream come one after another
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let lake = format!(
        "CREATE EXTERNAL CATALOG lake PROPERTIES ('type' = 'paimon', 'warehouse' = 'file://{}')",
        cluster.warehouse().display()
    );
    millrace.sql(&lake).await.unwrap();
    let spec = TableSpec::new("empty_split", "t")
        .column("p", DataTypes::string())
        .column("id", DataTypes::bigint())
        .column("v", DataTypes::bigint())
        .primary_key(["p", "id"])
        .partitioned_by(["p"])
        .buckets(1)
        .lake(Duration::from_secs(1));
    cluster.create_table(&spec).await.unwrap();
    for partition in PARTITIONS {
        cluster.add_partition(spec.path(), &[("p", partition)]).await.unwrap();
    }
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    for (partition, id) in PARTITIONS.iter().flat_map(|p| (0..ROWS).map(move |id| (p, id))) {
        writer.write(&row(partition, id)).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    let emptied = PARTITIONS.iter().filter(|partition| left().all(|left| left != **partition));
    for (partition, id) in emptied.flat_map(|p| (0..ROWS).map(move |id| (p, id))) {
        writer.delete(&row(partition, id)).await.unwrap();
    }
    writer.flush().await.unwrap();
    // emptied by the tail, and then by files of the lake
    check(&millrace, "fluss.empty_split.t").await;
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    for table in ["fluss.empty_split.t", "fluss.empty_split.t$lake", "lake.empty_split.t"] {
        check(&millrace, table).await;
    }
    let sql = "SELECT count(*) FROM lake.empty_split.`t$files` WHERE `partition` = '{b}'";
    let files: i64 = millrace.sql(sql).await.unwrap()[0][0].parse().unwrap();
    assert!(files > 0, "the lake has no split of partition b");
    let mut session = millrace.connect().await.unwrap();
    for path in ["lake_and_tail", "kv_and_tail", "log_replay"] {
        session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
        let rows =
            query(&mut session, "SELECT count(*), count(DISTINCT p) FROM fluss.empty_split.t");
        assert_eq!(rows.await.unwrap(), [["80", "4"]], "{path}");
    }
}
