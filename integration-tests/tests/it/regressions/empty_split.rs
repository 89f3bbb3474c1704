//! A split of the lake of which deletes leave no row, between others.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{Deployment, Rows, TableSpec, Value, Writer};
use mysql_async::prelude::Queryable;

const TIERED: Duration = Duration::from_secs(90);
/// The partition in the middle is the one that is emptied.
const PARTITIONS: [&str; 3] = ["a", "b", "c"];

fn row(partition: &str, id: i64) -> Vec<Value> {
    vec![partition.into(), id.into(), Value::BigInt(id * 2)]
}

/// Every way to ask, of the whole and of parts that begin with the empty split or end behind it.
async fn check(millrace: &Deployment, left: &[&str], table: &str) {
    let rows = |of: &[&str]| -> Rows {
        let of = of.iter().filter(|partition| left.contains(*partition));
        of.flat_map(|partition| (0..20).map(|id| vec![partition.to_string(), id.to_string()]))
            .collect()
    };
    for (condition, of) in [
        ("", &PARTITIONS[..]),
        ("WHERE p >= 'b'", &PARTITIONS[1..]),
        ("WHERE p = 'b'", &PARTITIONS[1..2]),
    ] {
        let sql = format!("SELECT p, id FROM {table} {condition} ORDER BY p, id");
        assert_eq!(millrace.sql(&sql).await.unwrap(), rows(of), "{sql}");
        let sql = format!("SELECT count(*) FROM {table} {condition}");
        assert_eq!(millrace.sql(&sql).await.unwrap(), [[rows(of).len().to_string()]], "{sql}");
        let sql = format!("SELECT p, id FROM {table} {condition} LIMIT 1000");
        assert_eq!(millrace.sql(&sql).await.unwrap().len(), rows(of).len(), "{sql}");
    }
}

#[tokio::test]
async fn a_split_without_rows_ends_no_read_of_those_behind_it() {
    let (cluster, _) = crate::union_read::millrace().await;
    // one backend and one stream: the splits come one after another
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
    for (partition, id) in PARTITIONS.iter().flat_map(|p| (0..20).map(move |id| (p, id))) {
        writer.write(&row(partition, id)).await.unwrap();
    }
    writer.flush().await.unwrap();
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    for id in 0..20 {
        writer.delete(&row("b", id)).await.unwrap();
    }
    writer.flush().await.unwrap();
    // emptied by the tail, and then by files of the lake
    check(&millrace, &["a", "c"], "fluss.empty_split.t").await;
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    for table in ["fluss.empty_split.t", "fluss.empty_split.t$lake", "lake.empty_split.t"] {
        check(&millrace, &["a", "c"], table).await;
    }
    let sql = "SELECT count(*) FROM lake.empty_split.`t$files` WHERE `partition` = '{b}'";
    let files: i64 = millrace.sql(sql).await.unwrap()[0][0].parse().unwrap();
    assert!(files > 0, "the lake has no split of partition b");
    let mut session = millrace.connect().await.unwrap();
    for path in ["lake_and_tail", "kv_and_tail", "log_replay"] {
        session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
        let rows =
            query(&mut session, "SELECT count(*), count(DISTINCT p) FROM fluss.empty_split.t");
        assert_eq!(rows.await.unwrap(), [["40", "2"]], "{path}");
    }
}
