//! What a client sees when something is not there, is wrong, dies or hangs.

use std::time::{Duration, Instant};

use fluss::metadata::DataTypes;
use integration_tests::deployment::query;
use integration_tests::{
    Cluster, ClusterOptions, Credentials, Deployment, Node, Rows, TableSpec, Value, Writer,
    shared_cluster,
};
use mysql_async::prelude::Queryable;

const TIERED: Duration = Duration::from_secs(90);
/// How long a client waits for an error at the most.
const SOON: Duration = Duration::from_secs(5);

/// MySQL's error number and SQLSTATE of a statement that must fail soon.
async fn fails(millrace: &Deployment, sql: &str) -> (u16, String, String) {
    let asked = Instant::now();
    let error = millrace.sql(sql).await.expect_err(sql);
    assert!(asked.elapsed() < SOON, "{sql} took {:?}: {error}", asked.elapsed());
    match error {
        mysql_async::Error::Server(error) => (error.code, error.state, error.message),
        other => panic!("{sql}: {other}"),
    }
}

fn numbers(database: &str, buckets: i32) -> TableSpec {
    TableSpec::new(database, "numbers")
        .column("id", DataTypes::bigint())
        .column("n", DataTypes::bigint())
        .primary_key(["id"])
        .buckets(buckets)
        .lake(Duration::from_secs(1))
}

async fn fill(cluster: &Cluster, spec: &TableSpec, ids: std::ops::Range<i64>) {
    let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
    for id in ids {
        writer.write(&[id.into(), Value::BigInt(id % 7)]).await.unwrap();
    }
    writer.flush().await.unwrap();
}

#[tokio::test]
async fn wrong_statements_are_told_and_the_server_goes_on() {
    let cluster = shared_cluster().await.unwrap();
    let millrace = Deployment::start(0).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let cases = [
        ("SELEC 1", 1064),
        ("", 1065),
        ("SELECT * FROM fluss.nowhere.t", 1049),
        ("SELECT * FROM fluss.fluss.nothing", 1146),
        ("SELECT * FROM nocatalog.d.t", 1049),
        ("SELECT * FROM t", 1046),
        ("SELECT nothing FROM (SELECT 1 AS a) x", 1054),
        ("SELECT @@nothing", 1193),
        ("SET nothing = 1", 1193),
        ("INSERT INTO t VALUES (1)", 1235),
        ("KILL 4000000", 1094),
        (
            "CREATE EXTERNAL CATALOG fluss PROPERTIES ('type'='fluss','bootstrap.servers'='a:1')",
            1007,
        ),
        ("CREATE EXTERNAL CATALOG x PROPERTIES ('type'='fluss','bootstrap.server'='a:1')", 1231),
        ("USE nothing", 1049),
        ("SELECT cast('x' AS bigint)", 1105),
    ];
    for (sql, code) in cases {
        let (got, _, message) = fails(&millrace, sql).await;
        assert_eq!(got, code, "{sql}: {message}");
        assert_eq!(millrace.sql("SELECT 1").await.unwrap(), [["1"]]);
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_told_soon() {
    let millrace = Deployment::start(0).await.unwrap();
    // a port that nobody listens at, and one where nothing is ever answered
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for (name, address) in [("nobody", "127.0.0.1:9"), ("silent", silent.as_str())] {
        let create = format!(
            "CREATE EXTERNAL CATALOG {name} PROPERTIES ('type'='fluss','bootstrap.servers'='{address}')"
        );
        millrace.sql(&create).await.unwrap();
        let (code, _, message) = fails(&millrace, &format!("SELECT * FROM {name}.d.t")).await;
        assert_eq!(code, 1429, "{message}");
        assert!(message.contains(address), "{message}");
        assert_eq!(millrace.sql("SELECT 1").await.unwrap(), [["1"]]);
    }
}

#[tokio::test]
async fn credentials_of_fluss_are_used_and_never_shown() {
    let credentials = Credentials { user: "root".into(), password: "s3cret-word".into() };
    let options = ClusterOptions {
        sasl: Some(credentials.clone()),
        tiering: false,
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let spec = numbers("sasl", 1);
    cluster.create_table(&spec).await.unwrap();
    fill(&cluster, &spec, 0..10).await;
    let millrace = Deployment::start(0).await.unwrap();
    for (name, password) in [("right", "s3cret-word"), ("wrong", "an0ther-word")] {
        let create = format!(
            "CREATE EXTERNAL CATALOG {name} PROPERTIES ('type'='fluss','bootstrap.servers'='{}',\
             'fluss.option.client.security.protocol'='SASL',\
             'fluss.option.client.security.sasl.mechanism'='PLAIN',\
             'fluss.option.client.security.sasl.username'='root',\
             'fluss.option.client.security.sasl.password'='{password}')",
            cluster.bootstrap()
        );
        millrace.sql(&create).await.unwrap();
        let shown = millrace.sql(&format!("SHOW CREATE CATALOG {name}")).await.unwrap();
        assert!(!shown[0][1].contains(password), "{shown:?}");
    }
    let rows = millrace.sql("SELECT count(*) FROM right.sasl.numbers").await.unwrap();
    assert_eq!(rows, [["10"]]);
    let (code, _, message) = fails(&millrace, "SELECT count(*) FROM wrong.sasl.numbers").await;
    assert_eq!(code, 1429, "{message}");
    assert!(!message.contains("an0ther-word"), "{message}");
}

/// The lake needs no tablet server, and catalogs survive a restart of the frontend.
#[tokio::test]
async fn the_lake_answers_without_tablet_servers() {
    let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let spec = numbers("lakeonly", 2);
    cluster.create_table(&spec).await.unwrap();
    fill(&cluster, &spec, 0..50).await;
    fill(&cluster, &spec, 20..30).await;
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    let millrace = Deployment::start(2).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    cluster.stop(Node::Tablet(0)).unwrap();
    millrace.restart_frontend().await.unwrap();
    let sql = "SELECT count(*), sum(id) FROM fluss.lakeonly.numbers$lake";
    assert_eq!(millrace.sql(sql).await.unwrap(), [["50", "1225"]]);
    // the log is waited for, which others can see, and not for ever
    let create = format!(
        "CREATE EXTERNAL CATALOG short PROPERTIES ('type'='fluss','bootstrap.servers'='{}',\
         'fluss.option.client.request-timeout'='3s')",
        cluster.bootstrap()
    );
    millrace.sql(&create).await.unwrap();
    let both = fails(&millrace, "SELECT count(*) FROM short.lakeonly.numbers");
    let ((code, _, message), ()) = tokio::join!(both, until_waiting(&millrace));
    assert_eq!(code, 1429, "{message}");
}

/// Waits until the process list tells that a statement waits for a leader.
async fn until_waiting(millrace: &Deployment) {
    let asked = Instant::now();
    loop {
        let list = millrace.sql("SHOW PROCESSLIST").await.unwrap();
        if list.iter().any(|row| row[6].starts_with("waiting for a leader of bucket")) {
            return;
        }
        assert!(asked.elapsed() < SOON, "nobody waits: {list:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A primary-key bucket without a lake offset, whose log has lost its beginning, is read from the state.
#[tokio::test]
async fn a_log_that_lost_its_beginning_is_no_lost_row() {
    let options = ClusterOptions {
        tiering: false,
        segment_bytes: 16 << 10,
        server_options: vec![("log.replica.min-in-sync-replicas-number".into(), "1".into())],
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let spec = TableSpec::new("expired", "numbers")
        .column("id", DataTypes::bigint())
        .column("n", DataTypes::bigint())
        .primary_key(["id"])
        .buckets(1)
        .property("table.log.ttl", "1s");
    cluster.create_table(&spec).await.unwrap();
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let started = Instant::now();
    let mut written = 0;
    // write until Fluss has dropped the first segments of the log
    while cluster.log_starts(spec.path()).await.unwrap().values().all(|start| *start == 0) {
        assert!(started.elapsed() < Duration::from_secs(120), "the log keeps its beginning");
        fill(&cluster, &spec, written..written + 500).await;
        written += 500;
    }
    let sql = "SELECT count(*), count(DISTINCT id), min(id) FROM fluss.expired.numbers";
    let expected = [[written.to_string(), written.to_string(), "0".to_string()]];
    assert_eq!(millrace.sql(sql).await.unwrap(), expected);
    let mut session = millrace.connect().await.unwrap();
    session.query_drop("SET union_read_path = kv_and_tail").await.unwrap();
    assert_eq!(query(&mut session, sql).await.unwrap(), expected);
    session.query_drop("SET union_read_path = log_replay").await.unwrap();
    let refused = query(&mut session, sql).await.unwrap_err().to_string();
    assert!(refused.contains("the log of bucket 0 begins at offset "), "{refused}");
}

const QUESTIONS: [&str; 7] = [
    "SELECT n, count(*), sum(id) FROM fluss.many.numbers GROUP BY n ORDER BY n",
    "SELECT count(DISTINCT n), min(id), max(id), avg(id) FROM fluss.many.numbers",
    "SELECT id FROM fluss.many.numbers ORDER BY id DESC LIMIT 7",
    "SELECT a.n, count(*) FROM fluss.many.numbers a JOIN fluss.many.numbers b ON a.id = b.id + 1 GROUP BY a.n ORDER BY a.n",
    "SELECT id, row_number() OVER (PARTITION BY n ORDER BY id) r FROM fluss.many.numbers QUALIFY r = 3 ORDER BY id",
    "SELECT count(*) FROM (SELECT id FROM fluss.many.numbers UNION ALL SELECT n FROM fluss.many.numbers$rt) u",
    "SELECT count(*) FROM fluss.many.numbers WHERE id > (SELECT avg(id) FROM fluss.many.numbers)",
];

async fn answers(millrace: &Deployment) -> Vec<Rows> {
    let mut all = vec![];
    for sql in QUESTIONS {
        all.push(millrace.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")));
    }
    all
}

#[tokio::test]
async fn one_two_and_three_backends_answer_as_standalone_does() {
    let cluster = shared_cluster().await.unwrap();
    let spec = numbers("many", 6);
    cluster.create_table(&spec).await.unwrap();
    fill(cluster, &spec, 0..3000).await;
    cluster.wait_tiered(spec.path(), TIERED).await.unwrap();
    fill(cluster, &spec, 1500..3500).await;
    let mut expected = None;
    for backends in [0, 1, 2, 3] {
        let millrace = Deployment::start(backends).await.unwrap();
        millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
        let got = answers(&millrace).await;
        assert_eq!(got[1][0][..3], ["7", "0", "3499"]);
        assert_eq!(&got, expected.get_or_insert(got.clone()), "{backends} backends");
        if backends == 2 {
            stages(&millrace).await;
            losses(&millrace).await;
        }
    }
}

/// The plan shows its stages, its read point and its ways.
async fn stages(millrace: &Deployment) {
    let sql = "EXPLAIN SELECT n, count(*) FROM fluss.many.numbers GROUP BY n";
    let text: Vec<String> = millrace.sql(sql).await.unwrap().into_iter().flatten().collect();
    let text = text.join("\n");
    for part in [
        "Stage 1 ── tasks=2",
        "mode=Partial",
        "mode=FinalPartitioned",
        "NetworkShuffleExec",
        "t0: UnionReadExec: table=many.numbers, mode=union, snapshot=",
        "t1: UnionReadExec: table=many.numbers, mode=union, snapshot=",
        "way=[",
        "offsets=[",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let sql = "EXPLAIN ANALYZE SELECT n, count(*) FROM fluss.many.numbers GROUP BY n";
    let text: Vec<String> = millrace.sql(sql).await.unwrap().into_iter().flatten().collect();
    let text = text.join("\n");
    for part in ["rows: 7", "lake_rows=", "suppressed_rows=", "tail_rows=", "lake_bytes="] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

/// Clients do not see a killed backend, nor a frozen one: what is left answers, soon.
async fn losses(millrace: &Deployment) {
    let sql = QUESTIONS[0];
    let whole = millrace.sql(sql).await.unwrap();
    millrace.freeze_backend(1).unwrap();
    settles(millrace, sql, &whole).await;
    millrace.thaw_backend(1).unwrap();
    settles(millrace, sql, &whole).await;
    millrace.kill_backend(1).unwrap();
    settles(millrace, sql, &whole).await;
    millrace.restart_backend(1).await.unwrap();
    settles(millrace, sql, &whole).await;
}

/// Every answer is whole, and comes soon: a small one that is lost on its way is begun again, which takes as long as it
/// takes to notice a frozen backend.
async fn settles(millrace: &Deployment, sql: &str, whole: &Rows) {
    for _ in 0..4 {
        let asked = Instant::now();
        let rows = millrace.sql(sql).await.unwrap();
        assert_eq!(&rows, whole);
        assert!(asked.elapsed() < SOON * 2, "an answer took {:?}", asked.elapsed());
    }
}

/// Reads that would run for minutes, over both backends.
const ENDLESS: &str = "SELECT count(*) FROM fluss.endless.numbers a, fluss.endless.numbers b, \
                       fluss.endless.numbers c WHERE a.n + b.n + c.n = -1";

#[tokio::test]
async fn a_statement_ends_with_its_client_and_when_it_is_killed() {
    let cluster = shared_cluster().await.unwrap();
    let spec = numbers("endless", 4);
    cluster.create_table(&spec).await.unwrap();
    fill(cluster, &spec, 0..4000).await;
    let millrace = Deployment::start(2).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();

    let client = millrace.connect().await.unwrap();
    let running = tokio::spawn(async move {
        let mut client = client;
        query(&mut client, ENDLESS).await
    });
    until_queries(&millrace, |count| count > 0).await;
    running.abort();
    until_queries(&millrace, |count| count == 0).await;

    let mut client = millrace.connect().await.unwrap();
    let id = client.id();
    let running = tokio::spawn(async move { (query(&mut client, ENDLESS).await, client) });
    until_queries(&millrace, |count| count > 0).await;
    millrace.sql(&format!("KILL QUERY {id}")).await.unwrap();
    let (ended, mut client) = running.await.unwrap();
    assert!(matches!(ended, Err(mysql_async::Error::Server(e)) if e.code == 1317));
    until_queries(&millrace, |count| count == 0).await;
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), [["1"]]);

    query(&mut client, "SET max_execution_time = 300").await.unwrap();
    let asked = Instant::now();
    let ended = query(&mut client, ENDLESS).await;
    assert!(matches!(ended, Err(mysql_async::Error::Server(e)) if e.code == 3024));
    assert!(asked.elapsed() < SOON);
    until_queries(&millrace, |count| count == 0).await;
}

/// Waits until the number of queries on all backends together is as wanted.
async fn until_queries(millrace: &Deployment, wanted: impl Fn(u32) -> bool) {
    let started = Instant::now();
    loop {
        let count = millrace.queries_on_backends().await;
        if wanted(count) {
            return;
        }
        assert!(started.elapsed() < SOON, "{count} queries run on the backends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
