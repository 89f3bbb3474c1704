//! Real backends over gRPC, with a leaf that fails on demand: nothing may end in fewer rows, and nothing may hang.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "distributed/contract.rs"]
mod contract;
mod leaf;
#[path = "distributed/processes.rs"]
mod processes;
#[path = "distributed/whole.rs"]
mod whole;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use backend::Backend;
use backend::config::{Backend as Section, Rpc};
use datafusion::physical_plan::displayable;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::bytes::physical_plan_to_bytes_with_proto_converter;
use datafusion_proto::physical_plan::DeduplicatingProtoConverter;
use futures::StreamExt;
use proto::client::{Backends, Piece};
use proto::failure::{Failure, Kind};
use proto::v1::{Options, Query};
use tokio_util::sync::CancellationToken;

use leaf::{Fault, TestLeaf, TestLeafCodec, TestTable};

const SOON: Duration = Duration::from_secs(5);

/// Backends of this process on ports of their own.
struct Cluster {
    backends: Vec<Backend>,
    client: Backends,
    _directory: tempfile::TempDir,
    stop: CancellationToken,
}

impl Cluster {
    async fn start(count: usize) -> Self {
        Self::start_with(count, Section { task_bytes_min: 0, ..Section::default() }).await
    }

    async fn start_with(count: usize, section: Section) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rpc = Rpc { listen: "127.0.0.1:0".into() };
        let stop = CancellationToken::new();
        let mut backends = vec![];
        for _ in 0..count {
            let leaf = Arc::new(TestLeaf);
            let started = Backend::start(&rpc, &section, directory.path(), leaf, stop.clone());
            backends.push(started.await.unwrap());
        }
        Self { backends, client: Backends::default(), _directory: directory, stop }
    }

    fn addresses(&self) -> Vec<String> {
        self.backends.iter().map(|backend| backend.address().to_string()).collect()
    }

    fn query(&self, plan: Vec<u8>) -> Query {
        Query {
            query_id: uuid::Uuid::new_v4().to_string(),
            plan,
            backends: self.addresses(),
            options: Some(Options { target_partitions: 2, ..Options::default() }),
        }
    }

    async fn run(&self, query: Query) -> Result<Vec<RecordBatch>, Failure> {
        let mut pieces = Box::pin(self.client.execute(query).await?);
        let mut batches = vec![];
        while let Some(piece) = pieces.next().await {
            match piece? {
                Piece::Batch(batch) => batches.push(batch),
                Piece::End(_) => return Ok(batches),
            }
        }
        panic!("rows without an end");
    }
}

/// What a frontend plans with.
fn context(tables: Vec<TestTable>) -> SessionContext {
    context_of(tables, 2)
}

fn context_of(tables: Vec<TestTable>, partitions: usize) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(partitions);
    config.options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let context = SessionContext::new_with_config(config);
    for table in tables {
        context.register_table(table.name.clone().as_str(), Arc::new(table)).unwrap();
    }
    context
}

async fn plan(context: &SessionContext, sql: &str) -> Vec<u8> {
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let converter = DeduplicatingProtoConverter::default();
    let text = displayable(plan.as_ref()).indent(false).to_string();
    let bytes = physical_plan_to_bytes_with_proto_converter(plan, &TestLeafCodec, &converter);
    bytes.unwrap_or_else(|e| panic!("{sql}: {e}\n{text}")).to_vec()
}

/// Rows as sorted lines.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let batches = batches.iter().filter(|batch| batch.num_rows() > 0).cloned();
    let text = pretty_format_batches(&batches.collect::<Vec<_>>()).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    lines.sort();
    lines
}

fn facts() -> TestTable {
    TestTable::new("fact", 12, 1000)
}

fn dimensions() -> TestTable {
    TestTable::new("dim", 6, 100)
}

/// Of one bucket: what needs all its rows may stand directly above its scan.
fn one() -> TestTable {
    TestTable::new("one", 1, 10)
}

const QUESTIONS: [&str; 24] = [
    "SELECT v % 5 g, count(*), sum(k) FROM fact GROUP BY v % 5",
    "SELECT count(DISTINCT v), min(k), max(k) FROM fact",
    "SELECT k, v FROM fact ORDER BY k DESC LIMIT 9",
    "SELECT d.v, count(*) FROM fact f JOIN dim d ON f.k = d.k GROUP BY d.v",
    "SELECT count(*) FROM fact a JOIN fact b ON a.k = b.k AND a.v = b.v",
    "SELECT k, row_number() OVER (PARTITION BY v ORDER BY k) r FROM dim",
    "SELECT count(*) FROM (SELECT k FROM fact UNION ALL SELECT k FROM dim) u",
    "SELECT count(*) FROM fact WHERE k > (SELECT avg(k) FROM dim)",
    "SELECT count(*) c FROM one UNION ALL SELECT k FROM fact",
    "SELECT count(*) c FROM one UNION ALL SELECT count(*) FROM fact",
    "SELECT count(*) FROM fact, (SELECT count(*) c FROM one) o WHERE fact.v < o.c",
    "SELECT count(*) FROM fact JOIN (SELECT max(k) m FROM one) o ON fact.k = o.m",
    "SELECT count(*) FROM (SELECT k FROM one ORDER BY k LIMIT 3) o, fact WHERE fact.v < o.k",
    "SELECT k FROM one UNION ALL (SELECT k FROM fact ORDER BY k LIMIT 4)",
    "SELECT count(*) FROM fact LEFT JOIN one ON fact.k = one.k",
    "SELECT k, row_number() OVER (ORDER BY k) r FROM one UNION ALL SELECT k, v FROM fact",
    "SELECT k FROM fact WHERE k < 0",
    "SELECT k FROM dim WHERE k < 0 ORDER BY k",
    "SELECT NULL n FROM one",
    "SELECT -1 k UNION ALL SELECT k FROM fact",
    "SELECT count(*) FROM (VALUES (-1), (-2)) t (k) JOIN fact ON fact.k = -t.k",
    "SELECT * FROM (VALUES (-1), (-2)) t (k) UNION ALL SELECT k FROM fact",
    "SELECT count(*) FROM (VALUES (1), (2)) t (k) LEFT JOIN fact ON fact.k = t.k",
    "SELECT count(*) FROM fact FULL JOIN (VALUES (1), (-2)) t (k) ON fact.k = t.k",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_two_and_three_backends_answer_as_one_process_does() {
    for (count, partitions, partitions_min) in
        [(1, 2, 1), (2, 2, 2), (3, 2, 1), (3, 2, 2), (3, 1, 1)]
    {
        let one = TestTable { partitions_min, ..one() };
        let context = context_of(vec![facts(), dimensions(), one], partitions);
        let cluster = Cluster::start(count).await;
        for sql in QUESTIONS {
            let expected = context.sql(sql).await.unwrap().collect().await.unwrap();
            let got = cluster.run(cluster.query(plan(&context, sql).await)).await;
            let of =
                format!("{sql} on {count} backends, {partitions} partitions (≥ {partitions_min})");
            let (got, expected) = (lines(&got.expect(&of)), lines(&expected));
            // thousands of lines would hide which
            assert!(got == expected, "{of}: {} rows for {}", got.len(), expected.len());
        }
    }
}

/// The library would end the streams of all of these as if they were complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_scan_is_an_error_wherever_the_scan_stands() {
    let cluster = Cluster::start(3).await;
    for bucket in 0..6 {
        let bad = TestTable { fault: Some((bucket, Fault::Panic)), ..dimensions() };
        let one = TestTable { fault: Some((0, Fault::Panic)), ..TestTable::new("one", 1, 10) };
        let context = context(vec![facts(), bad, one]);
        for sql in [
            "SELECT k FROM dim",
            "SELECT k FROM dim ORDER BY k",
            "SELECT count(*) FROM dim",
            "SELECT count(*) FROM fact f JOIN dim d ON f.k = d.k",
            "SELECT count(*) FROM fact f LEFT JOIN dim d ON f.v < d.v AND f.k < 10",
            "SELECT count(*) FROM dim d LEFT JOIN fact f ON f.v < d.v AND f.k < 10",
            "SELECT count(*) FROM fact, one WHERE fact.v + one.v = 3",
            "SELECT count(*) FROM fact JOIN one ON fact.k = one.k",
        ] {
            let failed = cluster.run(cluster.query(plan(&context, sql).await)).await;
            let failure = failed.map(|rows| lines(&rows)).expect_err(sql);
            assert!(failure.message.contains("panic"), "{sql}: {failure:?}");
        }
    }
    let context = context(vec![facts()]);
    let rows = cluster.run(cluster.query(plan(&context, "SELECT k FROM fact").await)).await;
    assert_eq!(rows.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 12_000);
}

/// Tasks inside the home process are handed one plan: in a join of tables that are bucketed alike each would cut the
/// others' rows by its own keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_in_the_home_process_share_no_filters() {
    let cluster = Cluster::start(1).await;
    let hashed = |name, rows| TestTable { hashed: true, ..TestTable::new(name, 48, rows) };
    let context = context(vec![hashed("alike", 200), hashed("alike_small", 20)]);
    {
        let state = context.state_ref();
        let mut state = state.write();
        // no build side is so small that every task is sent all of it
        let optimizer = &mut state.config_mut().options_mut().optimizer;
        optimizer.hash_join_single_partition_threshold = 0;
        optimizer.hash_join_single_partition_threshold_rows = 0;
    }
    let sql =
        "SELECT count(*), sum(a.v) FROM alike a JOIN alike_small b ON a.k = b.k WHERE b.v < 50";
    let expected = context.sql(sql).await.unwrap().collect().await.unwrap();
    let bytes = plan(&context, sql).await;
    for _ in 0..5 {
        let mut query = cluster.query(bytes.clone());
        query.backends = vec![query.backends[0].clone(); 3];
        let text = cluster.client.explain(query.clone()).await.unwrap();
        assert!(!text.contains("NetworkShuffle") && !text.contains("NetworkBroadcast"), "{text}");
        assert_eq!(lines(&cluster.run(query).await.unwrap()), lines(&expected), "{text}");
    }
}

/// What reads a shuffle hands out each of its partitions once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_in_the_home_process_share_no_streams() {
    let cluster = Cluster::start(1).await;
    let context = context(vec![facts()]);
    let sql = "SELECT v, count(*) FROM fact GROUP BY v";
    let expected = context.sql(sql).await.unwrap().collect().await.unwrap();
    let mut query = cluster.query(plan(&context, sql).await);
    query.backends = vec![query.backends[0].clone(); 3];
    assert_eq!(lines(&cluster.run(query).await.unwrap()), lines(&expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_a_scan_arrives_with_its_words() {
    let cluster = Cluster::start(2).await;
    let bad = TestTable { fault: Some((3, Fault::Error)), ..dimensions() };
    let context = context(vec![bad]);
    for sql in ["SELECT k FROM dim", "SELECT v, count(*) FROM dim GROUP BY v"] {
        let failed = cluster.run(cluster.query(plan(&context, sql).await)).await;
        let failure = failed.map(|rows| lines(&rows)).expect_err(sql);
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (Kind::Unavailable, "bucket 3 is on fire")
        );
    }
}

/// Waits until a condition holds, and says what was seen when it does not.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An aggregation that emits nothing is the case in which the library would scan on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_dropped_or_cancelled_stops_everywhere() {
    let cluster = Cluster::start(3).await;
    let name = "endless_dropped";
    let endless = TestTable { fault: Some((0, Fault::Endless)), ..TestTable::new(name, 12, 10) };
    let context = context(vec![endless]);
    let bytes = plan(&context, &format!("SELECT v, count(*) FROM {name} GROUP BY v")).await;

    let query = cluster.query(bytes.clone());
    let mut rows = Box::pin(cluster.client.execute(query).await.unwrap());
    let waiting = tokio::spawn(async move { rows.next().await });
    until("the leaves start", || leaf::running(name) > 0).await;
    waiting.abort();
    until("the leaves are dropped", || leaf::running(name) == 0).await;

    let query = cluster.query(bytes);
    let id = query.query_id.clone();
    let mut rows = Box::pin(cluster.client.execute(query).await.unwrap());
    let waiting = tokio::spawn(async move { rows.next().await });
    until("the leaves start", || leaf::running(name) > 0).await;
    for address in cluster.addresses() {
        cluster.client.cancel(&address, &id).await.unwrap();
    }
    let failure = waiting.await.unwrap().unwrap().map(|_| ()).unwrap_err();
    assert_eq!(failure.kind, Kind::Cancelled, "{failure:?}");
    until("the leaves are dropped", || leaf::running(name) == 0).await;
}

/// Joins that make batches for ever out of one and whose filter drops them all: no leaf is asked any more that could
/// stop or yield.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_without_an_end_stop_and_leave_the_process_alive() {
    let cluster = Cluster::start(2).await;
    let context = context(vec![one()]);
    let names: Vec<String> = (0..14).map(|i| format!("t{i}")).collect();
    let tables: Vec<String> = names.iter().map(|name| format!("one {name}")).collect();
    let sum: Vec<String> = names.iter().map(|name| format!("{name}.k")).collect();
    let (tables, sum) = (tables.join(", "), sum.join(" + "));
    let bytes = plan(&context, &format!("SELECT count(*) FROM {tables} WHERE {sum} < 0")).await;
    let query = cluster.query(bytes.clone());
    let id = query.query_id.clone();
    let mut running = vec![];
    for query in [query, cluster.query(bytes.clone()), cluster.query(bytes)] {
        let mut rows = Box::pin(cluster.client.execute(query).await.unwrap());
        running.push(tokio::spawn(async move { rows.next().await }));
    }
    for address in cluster.addresses() {
        let asked = Instant::now();
        cluster.client.cancel(&address, &id).await.unwrap();
        assert!(asked.elapsed() < SOON, "{address} answered after {:?}", asked.elapsed());
    }
    let stopped = tokio::time::timeout(SOON, running.remove(0)).await.expect("it stops");
    let failure = stopped.unwrap().unwrap().map(|_| ()).unwrap_err();
    assert_eq!(failure.kind, Kind::Cancelled, "{failure:?}");
    for query in running {
        query.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_and_drains() {
    let mut cluster = Cluster::start(2).await;
    let name = "endless_deadline";
    let endless = TestTable { fault: Some((0, Fault::Endless)), ..TestTable::new(name, 4, 10) };
    let context = context(vec![endless, facts()]);
    let mut query = cluster.query(plan(&context, &format!("SELECT sum(k) FROM {name}")).await);
    query.options = Some(Options { deadline_ms: 300, ..Options::default() });
    let failure = cluster.run(query).await.map(|rows| lines(&rows)).unwrap_err();
    assert_eq!(failure.kind, Kind::TimedOut, "{failure:?}");
    until("the leaves are dropped", || leaf::running(name) == 0).await;

    let query = cluster.query(plan(&context, "SELECT count(*) FROM fact").await);
    cluster.stop.cancel();
    for backend in cluster.backends.drain(..) {
        backend.drain(SOON).await;
    }
    let failure = cluster.run(query).await.map(|rows| lines(&rows)).unwrap_err();
    assert_eq!(failure.kind, Kind::BackendLost, "{failure:?}");
}

/// A peer that nobody listens at, and one that takes everything and answers nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_backends_are_told_soon() {
    let cluster = Cluster::start(1).await;
    let context = context(vec![facts()]);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for lost in ["127.0.0.1:9", silent.as_str()] {
        let bytes = plan(&context, "SELECT v, count(*) FROM fact GROUP BY v").await;
        for home_first in [true, false] {
            let mut query = cluster.query(bytes.clone());
            let at = if home_first { 1 } else { 0 };
            query.backends.insert(at, lost.to_string());
            let asked = Instant::now();
            let failure = cluster.run(query).await.map(|rows| lines(&rows)).unwrap_err();
            assert_eq!(failure.kind, Kind::BackendLost, "{lost}: {failure:?}");
            assert!(asked.elapsed() < SOON, "{lost} took {:?}", asked.elapsed());
        }
    }
}
