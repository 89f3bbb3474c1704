//! Paimon catalogs: what the tiering service wrote, read through no Fluss at all, against the model.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::{Cluster, Deployment, Rows, TableSpec, Value, Writer};

use crate::union_read::millrace;

const TIERED: Duration = Duration::from_secs(90);
const FRESHNESS: Duration = Duration::from_secs(1);

/// The catalog `lake` over the cluster's warehouse.
async fn create_catalog(cluster: &Cluster, millrace: &Deployment, name: &str) {
    let sql = format!(
        "CREATE EXTERNAL CATALOG IF NOT EXISTS {name} PROPERTIES (\"type\" = \"paimon\", \
         \"metastore\" = \"filesystem\", \"warehouse\" = \"file://{}\")",
        cluster.warehouse().display()
    );
    millrace.sql(&sql).await.unwrap();
}

fn row(id: i64, version: i64) -> Vec<Value> {
    let region = if id % 2 == 0 { "eu" } else { "us" };
    let amount = Value::decimal(i128::from(id * 100 + version), 12, 2);
    vec![region.into(), id.into(), amount]
}

fn told(rows: &[Vec<Value>]) -> Rows {
    let mut rows: Rows =
        rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    rows.sort();
    rows
}

async fn read(millrace: &Deployment, sql: &str) -> Rows {
    let mut rows = millrace.sql(sql).await.unwrap();
    rows.sort();
    rows
}

async fn table(cluster: &Cluster, database: &str, partitioned: bool) -> (TableSpec, Writer) {
    let mut spec = TableSpec::new(database, "t")
        .column("region", DataTypes::string())
        .column("id", DataTypes::bigint())
        .column("amount", DataTypes::decimal(12, 2))
        .buckets(2)
        .lake(FRESHNESS);
    spec = match partitioned {
        true => spec.primary_key(["region", "id"]).partitioned_by(["region"]),
        false => spec.primary_key(["id"]),
    };
    cluster.create_table(&spec).await.unwrap();
    if partitioned {
        for region in ["eu", "us"] {
            cluster.add_partition(spec.path(), &[("region", region)]).await.unwrap();
        }
    }
    let writer = Writer::open(cluster, spec.path()).await.unwrap();
    (spec, writer)
}

/// Every version but the last of a key is gone, also where files of several snapshots overlap.
async fn is_read_without_fluss(database: &str, partitioned: bool) {
    let (cluster, millrace) = millrace().await;
    create_catalog(cluster, millrace, "lake").await;
    let (spec, mut writer) = table(cluster, database, partitioned).await;
    let mut rows = vec![];
    let mut snapshots = vec![];
    for version in 0..2 {
        for id in 0..40 {
            writer.write(&row(id, version)).await.unwrap();
        }
        writer.flush().await.unwrap();
        cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
        rows = (0..40).map(|id| row(id, version)).collect();
        let sql = format!("SELECT region, id, amount FROM lake.{database}.t");
        assert_eq!(read(millrace, &sql).await, told(&rows), "version {version}");
        let snapshot = cluster.lake_snapshot(spec.path()).await.unwrap().unwrap();
        snapshots.push((snapshot.id, told(&rows)));
    }
    for (id, rows) in snapshots {
        for table in [format!("lake.{database}.t"), format!("fluss.{database}.`t$lake`")] {
            let sql = format!("SELECT region, id, amount FROM {table} FOR VERSION AS OF {id}");
            assert_eq!(read(millrace, &sql).await, rows, "snapshot {id}");
        }
    }
    rows.retain(|row| row[0].to_string() == "us");
    let sql = format!("SELECT region, id, amount FROM lake.{database}.t WHERE region = 'us'");
    assert_eq!(read(millrace, &sql).await, told(&rows));
    // buckets that a key leaves out hold no row of it
    for id in (0..8).map(|id| id.to_string()) {
        let sql = format!("SELECT id FROM lake.{database}.t WHERE id = {id}");
        assert_eq!(read(millrace, &sql).await, [[id]]);
    }
    let sql = format!("SELECT id FROM lake.{database}.t WHERE id IN (1, 2, 3, 4, 99)");
    assert_eq!(read(millrace, &sql).await, [["1"], ["2"], ["3"], ["4"]]);
    let sql = format!(
        "SELECT count(*), sum(a.amount) = sum(b.amount) FROM lake.{database}.t a \
         JOIN fluss.{database}.`t$lake` b ON a.id = b.id WHERE a.region = 'us'"
    );
    assert_eq!(read(millrace, &sql).await, [["20", "1"]]);
}

#[tokio::test]
async fn a_primary_key_table_of_a_lake_is_read_without_fluss() {
    is_read_without_fluss("lake_pk", false).await;
}

#[tokio::test]
async fn a_partitioned_table_of_a_lake_is_read_without_fluss() {
    is_read_without_fluss("lake_pk_part", true).await;
}

#[tokio::test]
async fn a_lake_is_described_and_says_what_is_missing() {
    let (cluster, millrace) = millrace().await;
    create_catalog(cluster, millrace, "lake").await;
    let (spec, mut writer) = table(cluster, "lake_told", true).await;
    writer.write(&row(1, 0)).await.unwrap();
    writer.flush().await.unwrap();
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();

    let catalogs = read(millrace, "SHOW CATALOGS LIKE 'lake'").await;
    assert_eq!(catalogs[0][..2], ["lake", "Paimon"]);
    let databases = read(millrace, "SHOW DATABASES FROM lake LIKE 'lake_told'").await;
    assert_eq!(databases, [["lake_told"]]);
    assert_eq!(read(millrace, "SHOW TABLES FROM lake.lake_told").await, [["t"]]);
    let described = millrace.sql("DESC lake.lake_told.t").await.unwrap();
    let columns: Vec<&[String]> = described.iter().map(|row| &row[..4]).collect();
    assert_eq!(columns[0], ["region", "string", "NO", "PRI"]);
    assert_eq!(columns[1], ["id", "bigint", "NO", "PRI"]);
    assert_eq!(columns[2], ["amount", "decimal(12,2)", "YES", ""]);
    let created = millrace.sql("SHOW CREATE TABLE lake.lake_told.t").await.unwrap();
    assert!(created[0][1].contains("PARTITION BY (`region`)"), "{created:?}");
    let plan = millrace.sql("EXPLAIN SELECT id FROM lake.lake_told.t").await.unwrap();
    let plan = format!("{plan:?}");
    assert!(plan.contains("table=lake_told.t, mode=lake, snapshot="), "{plan}");

    // the same of either catalog, and beside the rows of the table
    for catalog in ["lake", "fluss"] {
        let system = |of: &str| format!("{catalog}.lake_told.`t${of}`");
        let sql = format!(
            "SELECT max(snapshot_id) = (SELECT count(*) FROM {}), min(commit_user) FROM {}",
            system("snapshots"),
            system("snapshots")
        );
        assert_eq!(read(millrace, &sql).await, [["1", "__fluss_lake_tiering"]], "{catalog}");
        let sql =
            format!("SELECT `partition`, record_count, file_count FROM {}", system("partitions"));
        assert_eq!(read(millrace, &sql).await, [["{us}", "1", "1"]], "{catalog}");
        let sql = format!(
            "SELECT t.id, f.min_key FROM lake.lake_told.t JOIN {} f ON f.record_count = t.id",
            system("files")
        );
        assert_eq!(read(millrace, &sql).await, [["1", "[1]"]], "{catalog}");
        let sql = format!("SELECT value FROM {} WHERE `key` = 'bucket'", system("options"));
        assert_eq!(read(millrace, &sql).await, [["2"]], "{catalog}");
        let sql = format!("SELECT count(*) > 0 FROM {}", system("schemas"));
        assert_eq!(read(millrace, &sql).await, [["1"]], "{catalog}");
        let described = millrace.sql(&format!("DESC {}", system("partitions"))).await.unwrap();
        assert_eq!(described[0][..3], ["partition", "string", "YES"], "{catalog}");
        for none in ["tags", "branches"] {
            let sql = format!("SELECT count(*) FROM {}", system(none));
            assert_eq!(read(millrace, &sql).await, [["0"]], "{catalog}");
        }
    }

    for (sql, named) in [
        ("SELECT * FROM lake.lake_told.t FOR VERSION AS OF 987654", "snapshot 987654"),
        ("SELECT * FROM lake.lake_told.t FOR VERSION AS OF 'tag:none'", "tag \"none\""),
        (
            "SELECT * FROM lake.lake_told.t FOR TIMESTAMP AS OF '2001-01-01'",
            "a snapshot at or before",
        ),
        ("SELECT * FROM fluss.lake_told.t FOR VERSION AS OF 1", "lake_told.t$lake"),
        ("SELECT * FROM fluss.lake_told.`t$rt` FOR VERSION AS OF 1", "lake_told.t$lake"),
        ("SELECT * FROM fluss.lake_told.`t$lake` FOR VERSION AS OF 987654", "snapshot 987654"),
        ("SELECT * FROM lake.lake_told.t FOR VERSION AS OF 'branch:none'", "branch \"none\""),
        ("SELECT * FROM lake.lake_told.nothing", "lake_told.nothing"),
        ("SELECT * FROM lake.nothing.t", "Unknown database 'nothing'"),
        ("SELECT * FROM lake.lake_told.`t$rt`", "t$rt"),
        ("SELECT * FROM lake.lake_told.`t$snapshot`", "after '$' come snapshots, schemas"),
        ("SELECT * FROM fluss.lake_told.`t$snapshot`", "after '$' come lake, rt, snapshots"),
        ("DESC lake.lake_told.nothing", "lake_told.nothing"),
        ("DESC lake.lake_told.`nothing$files`", "lake_told.nothing"),
        ("DESC fluss.lake_told.`nothing$files`", "nothing"),
    ] {
        let error = millrace.sql(sql).await.unwrap_err().to_string();
        assert!(error.contains(named), "{sql}: {error}");
    }
}
