//! A lake that is switched on when the log of the table has lost its beginning already.

use std::time::{Duration, Instant};

use fluss::metadata::{AlterConfig, AlterConfigOpType, AlterTableChanges, DataTypes};
use integration_tests::deployment::query;
use integration_tests::{Cluster, ClusterOptions, Deployment, TableSpec, Value, Writer};
use mysql_async::prelude::Queryable;

const TIERED: Duration = Duration::from_secs(90);
/// Until Fluss has dropped the first segments of a log.
const LOST: Duration = Duration::from_secs(120);

fn spec(name: &str) -> TableSpec {
    TableSpec::new("late_lake", name)
        .column("id", DataTypes::bigint())
        .column("n", DataTypes::bigint())
        .buckets(1)
        .property("table.log.ttl", "1s")
        .property("table.datalake.freshness", "1s")
}

/// Writes rows with ids from `written` on; the next id.
async fn fill(cluster: &Cluster, spec: &TableSpec, written: i64, rows: i64) -> i64 {
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    for id in written..written + rows {
        writer.write(&[id.into(), Value::BigInt(id % 7)]).await.unwrap();
    }
    writer.flush().await.unwrap();
    written + rows
}

/// Writes until the log has lost its beginning; how many rows were written.
async fn lose_beginning(cluster: &Cluster, spec: &TableSpec) -> i64 {
    let (started, mut written) = (Instant::now(), 0);
    while log_start(cluster, spec).await == 0 {
        assert!(started.elapsed() < LOST, "the log keeps its beginning");
        written = fill(cluster, spec, written, 500).await;
    }
    written
}

async fn log_start(cluster: &Cluster, spec: &TableSpec) -> i64 {
    cluster.log_starts(spec.path()).await.unwrap()[&(None, 0)]
}

async fn switch_on(cluster: &Cluster, spec: &TableSpec) {
    let on =
        AlterConfig::new("table.datalake.enabled", Some("true".into()), AlterConfigOpType::Set);
    let changes = AlterTableChanges { config_changes: vec![on], ..Default::default() };
    let admin = cluster.connect().await.unwrap().get_admin().unwrap();
    admin.alter_table(spec.path(), false, changes).await.unwrap();
}

/// How many rows, how many ids, the first id and the one behind the last.
async fn ids(millrace: &Deployment, name: &str) -> [i64; 4] {
    let sql = format!(
        "SELECT count(*), count(DISTINCT id), min(id), max(id) + 1 FROM fluss.late_lake.`{name}`"
    );
    let rows = millrace.sql(&sql).await.unwrap();
    [0, 1, 2, 3].map(|i| rows[0][i].parse().unwrap_or_else(|e| panic!("{name}: {rows:?}: {e}")))
}

#[tokio::test]
async fn a_lake_that_was_switched_on_later_loses_no_row_and_doubles_none() {
    let options = ClusterOptions {
        segment_bytes: 16 << 10,
        server_options: vec![("log.replica.min-in-sync-replicas-number".into(), "1".into())],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let (keyed, log) = (spec("keyed").primary_key(["id"]), spec("log"));
    for spec in [&keyed, &log] {
        cluster.create_table(spec).await.unwrap();
    }
    let mut of_keyed = lose_beginning(&cluster, &keyed).await;
    let mut of_log = lose_beginning(&cluster, &log).await;
    // what is not in the log of a log table any more is nowhere
    let [count, distinct, first, end] = ids(&millrace, "log").await;
    assert!(
        first > 0 && count == distinct && count == end - first && end == of_log,
        "{count} from {first}"
    );

    cluster.pause_tiering().unwrap();
    for spec in [&keyed, &log] {
        switch_on(&cluster, spec).await;
    }
    // the state has every key; a log alone cannot tell whether the lake will have what it lost
    assert_eq!(ids(&millrace, "keyed").await, [of_keyed, of_keyed, 0, of_keyed]);
    let refused = millrace.sql("SELECT count(*) FROM fluss.late_lake.log").await.unwrap_err();
    let mysql_async::Error::Server(refused) = refused else { panic!("{refused}") };
    assert!(refused.message.contains("the log begins at offset"), "{refused}");
    assert_eq!(refused.state, "40001", "{refused}");
    cluster.resume_tiering().unwrap();
    for spec in [&keyed, &log] {
        cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    }
    let [count, distinct, kept, end] = ids(&millrace, "log").await;
    assert!(count == distinct && count == end - kept && end == of_log, "{count} from {kept}");
    assert!(kept >= first, "{kept} was lost before: {first}");

    cluster.pause_tiering().unwrap();
    (of_keyed, of_log) =
        (fill(&cluster, &keyed, of_keyed, 50).await, fill(&cluster, &log, of_log, 50).await);
    for suffix in ["", "$rt"] {
        let keyed = ids(&millrace, &format!("keyed{suffix}")).await;
        assert_eq!(keyed, [of_keyed, of_keyed, 0, of_keyed], "keyed{suffix}");
    }
    assert_eq!(
        ids(&millrace, "keyed$lake").await,
        [of_keyed - 50, of_keyed - 50, 0, of_keyed - 50]
    );
    assert_eq!(ids(&millrace, "log").await, [of_log - kept, of_log - kept, kept, of_log]);
    assert_eq!(ids(&millrace, "log$lake").await, [count, count, kept, of_log - 50]);
    assert_eq!(ids(&millrace, "log$rt").await, [50, 50, of_log - 50, of_log]);
    paths(&millrace, of_keyed).await;
    cluster.resume_tiering().unwrap();
}

/// What each path makes of the primary-key table, whose log has lost its beginning.
async fn paths(millrace: &Deployment, rows: i64) {
    let mut session = millrace.connect().await.unwrap();
    let sql = "SELECT count(*), count(DISTINCT id) FROM fluss.late_lake.keyed";
    let expected = [[rows.to_string(), rows.to_string()]];
    for path in ["lake_and_tail", "kv_and_tail"] {
        session.query_drop(format!("SET union_read_path = {path}")).await.unwrap();
        assert_eq!(query(&mut session, sql).await.unwrap(), expected, "{path}");
    }
    session.query_drop("SET union_read_path = log_replay").await.unwrap();
    let refused = query(&mut session, sql).await.unwrap_err().to_string();
    assert!(refused.contains("the log of bucket 0 begins at offset "), "{refused}");
}
