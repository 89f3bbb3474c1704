//! The harness itself: what it writes arrives, its verbs do what they say, Flink reads what the model holds.

use std::collections::BTreeMap;
use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::{
    Cluster, ClusterOptions, Credentials, LabError, Node, Result, Rows, TableSpec, Value, Writer,
    connect, shared_cluster,
};

/// Long enough for a cold tiering job on a busy machine.
const TIERED: Duration = Duration::from_secs(90);

const FRESHNESS: Duration = Duration::from_secs(1);

/// The rows that a primary-key table must have, by key.
type Model = BTreeMap<i64, Vec<Value>>;

fn people(database: &str, table: &str) -> TableSpec {
    TableSpec::new(database, table)
        .column("id", DataTypes::bigint())
        .column("name", DataTypes::string())
        .column("balance", DataTypes::decimal(12, 2))
        .column("seen", DataTypes::timestamp_with_precision(6))
        .primary_key(["id"])
        .buckets(3)
        .lake(FRESHNESS)
}

fn person(id: i64, name: Option<&str>) -> Vec<Value> {
    let balance = Value::decimal(i128::from(id) * 101 - 500, 12, 2);
    vec![id.into(), name.into(), balance, Value::Timestamp(id * 1_000_001)]
}

async fn upsert(
    writer: &mut Writer,
    model: &mut Model,
    ids: std::ops::Range<i64>,
    name: &str,
) -> Result<()> {
    for id in ids {
        let row = person(id, (id % 7 != 0).then_some(name));
        writer.write(&row).await?;
        model.insert(id, row);
    }
    writer.flush().await
}

async fn delete(writer: &mut Writer, model: &mut Model, ids: std::ops::Range<i64>) -> Result<()> {
    for id in ids {
        writer.delete(&person(id, None)).await?;
        model.remove(&id);
    }
    writer.flush().await
}

fn rows(model: &Model) -> Rows {
    let mut rows: Rows =
        model.values().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn flink_reads_what_the_model_holds_before_and_after_tiering() {
    let cluster = shared_cluster().await.unwrap();
    let spec = people("oracle", "people");
    cluster.create_table(&spec).await.unwrap();
    let (mut writer, mut model) = (Writer::open(cluster, spec.path()).await.unwrap(), Model::new());
    upsert(&mut writer, &mut model, 0..200, "tiered").await.unwrap();
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    upsert(&mut writer, &mut model, 150..250, "täil").await.unwrap();
    delete(&mut writer, &mut model, 20..30).await.unwrap();

    let limit = Duration::from_secs(120);
    let sql = ["SELECT * FROM people", "SELECT count(*) FROM people"];
    let answers = cluster.oracle_all("oracle", &sql, limit).await.unwrap();
    let count = vec![vec![model.len().to_string()]];
    assert_eq!(answers, [rows(&model), count]);
}

#[tokio::test]
async fn an_error_of_flink_is_told() {
    let cluster = shared_cluster().await.unwrap();
    let limit = Duration::from_secs(120);
    let error = cluster.oracle("fluss", "SELECT * FROM nothing_here", limit).await.unwrap_err();
    assert!(matches!(&error, LabError::Oracle(text) if text.contains("nothing_here")), "{error:?}");
}

#[tokio::test]
async fn partitions_of_a_log_table_are_tiered_and_dropped() {
    let cluster = shared_cluster().await.unwrap();
    // a database called "partitions" never gets leaders for its partitions on 0.9.1
    let spec = TableSpec::new("by_day", "events")
        .column("day", DataTypes::string())
        .column("n", DataTypes::int())
        .partitioned_by(["day"])
        .bucket_keys(["n"])
        .buckets(2)
        .lake(FRESHNESS);
    cluster.create_table(&spec).await.unwrap();
    let days = ["20260101", "20260102"];
    for day in days {
        cluster.add_partition(spec.path(), &[("day", day)]).await.unwrap();
    }
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    for n in 0..100 {
        writer.write(&[days[n as usize % 2].into(), Value::Int(n)]).await.unwrap();
    }
    writer.flush().await.unwrap();

    let ends = cluster.log_ends(spec.path()).await.unwrap();
    assert_eq!((ends.len(), ends.values().sum::<i64>()), (4, 100));
    let snapshot = cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    assert_eq!(snapshot.offsets, ends);
    assert!(cluster.warehouse().join("by_day.db/events/day=20260101").is_dir());

    cluster.drop_partition(spec.path(), &[("day", days[0])]).await.unwrap();
    assert_eq!(cluster.log_ends(spec.path()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn kv_snapshots_and_remote_segments_are_made() {
    let cluster = shared_cluster().await.unwrap();
    let spec = people("snapshots", "people");
    cluster.create_table(&spec).await.unwrap();
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    upsert(&mut writer, &mut Model::new(), 0..50, "x").await.unwrap();
    let limit = Duration::from_secs(60);
    let snapshots = cluster.wait_kv_snapshot(spec.path(), limit).await.unwrap();
    assert_eq!(snapshots, cluster.log_ends(spec.path()).await.unwrap());

    let spec = TableSpec::new("snapshots", "blobs").column("blob", DataTypes::bytes());
    cluster.create_table(&spec).await.unwrap();
    assert_eq!(cluster.remote_segments(spec.path()).await.unwrap(), 0);
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    for round in 0..8_u32 {
        for row in 0..10 {
            writer.write(&[Value::Bytes(noise(round * 10 + row, 50_000))]).await.unwrap();
        }
        // one batch must not be larger than a segment
        writer.flush().await.unwrap();
    }
    let segments = cluster.wait_remote_segments(spec.path(), 2, limit).await.unwrap();
    assert!(segments >= 2);
}

/// Bytes that do not compress.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

/// One cluster of its own for all that disturbs a cluster.
#[tokio::test]
async fn processes_freeze_die_and_come_back() {
    let sasl = Credentials { user: "root".into(), password: "secret".into() };
    let options = ClusterOptions { sasl: Some(sasl), ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let spec = people("faults", "people");
    cluster.create_table(&spec).await.unwrap();
    let (mut writer, mut model) =
        (Writer::open(&cluster, spec.path()).await.unwrap(), Model::new());
    upsert(&mut writer, &mut model, 0..10, "one").await.unwrap();
    let first = cluster.wait_tiered(spec.path(), TIERED).await.unwrap();

    cluster.pause_tiering().unwrap();
    upsert(&mut writer, &mut model, 10..20, "two").await.unwrap();
    let paused = cluster.wait_tiered(spec.path(), Duration::from_secs(4)).await;
    assert!(matches!(paused, Err(LabError::Timeout { .. })), "{paused:?}");
    assert_eq!(cluster.lake_snapshot(spec.path()).await.unwrap(), Some(first.clone()));
    cluster.resume_tiering().unwrap();
    let second = cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    assert!(second.id > first.id, "{second:?} after {first:?}");

    let wrong = Credentials { user: "root".into(), password: "wrong".into() };
    assert!(connect(&cluster.bootstrap(), Some(&wrong)).await.is_err());

    let ends = cluster.log_ends(spec.path()).await.unwrap();
    cluster.kill(Node::Tablet(0)).unwrap();
    assert!(!cluster.is_running(Node::Tablet(0)));
    assert_eq!(cluster.lake_snapshot(spec.path()).await.unwrap(), Some(second));
    cluster.restart(Node::Tablet(0)).await.unwrap();
    cluster.wait_leaders(spec.path()).await.unwrap();
    assert_eq!(cluster.log_ends(spec.path()).await.unwrap(), ends);
    cluster.restart(Node::Coordinator).await.unwrap();

    let mut writer = Writer::open(&cluster, spec.path()).await.unwrap();
    upsert(&mut writer, &mut model, 20..30, "three").await.unwrap();
    cluster.restart(Node::Tiering).await.unwrap();
    cluster.wait_tiered(spec.path(), 2 * TIERED).await.unwrap();
    let sql = "SELECT * FROM people";
    let answer = cluster.oracle("faults", sql, Duration::from_secs(120)).await.unwrap();
    assert_eq!(answer, rows(&model));

    let directory = cluster.directory().to_owned();
    drop(cluster);
    assert!(!directory.exists(), "the directory is removed with the cluster");
}
