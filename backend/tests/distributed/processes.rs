//! Backends in processes of their own, which can be frozen, killed and started again.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use super::*;

/// Where a child process serves; its presence is what makes a process a child.
const LISTEN: &str = "MILLRACE_TEST_BACKEND_LISTEN";
const SERVES_AT: &str = "serves at ";

/// No test: the body of the child processes, which are this binary again. It ends with its parent.
#[test]
fn child_backend() {
    let Ok(listen) = std::env::var(LISTEN) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let section = Section { task_bytes_min: 0, ..Section::default() };
    let stop = CancellationToken::new();
    let rpc = Rpc { listen };
    let started = Backend::start(&rpc, &section, directory.path(), Arc::new(TestLeaf), stop);
    let backend = runtime.block_on(started).unwrap();
    println!("{SERVES_AT}{}", backend.address());
    std::io::stdin().read_to_end(&mut vec![]).unwrap();
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(listen: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::child_backend", "--exact", "--nocapture"])
            .env(LISTEN, listen)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines
            .filter_map(|line| line.split_once(SERVES_AT).map(|(_, address)| address.to_string()))
            .next();
        Self { child, address: address.expect("a child that serves") }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits until this process works for a query.
    async fn works(&self, client: &Backends) {
        let started = Instant::now();
        while client.status(&self.address).await.unwrap().queries == 0 {
            assert!(started.elapsed() < SOON, "no task reached {}", self.address);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn slow(name: &str) -> TestTable {
    TestTable { fault: Some((0, Fault::Slow)), ..TestTable::new(name, 12, 10) }
}

/// Asserts that a query ends soon, with the loss of a backend.
async fn assert_lost(running: impl Future<Output = Result<Vec<RecordBatch>, Failure>>, what: &str) {
    let asked = Instant::now();
    let ended = tokio::time::timeout(SOON, running).await;
    let ended = ended.unwrap_or_else(|_| panic!("{what}: nothing after {:?}", asked.elapsed()));
    let failure = ended.map(|rows| lines(&rows)).expect_err(what);
    assert_eq!(failure.kind, Kind::BackendLost, "{what}: {failure:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_backend_lost_in_a_query_is_told_soon() {
    for signal in ["STOP", "KILL"] {
        let cluster = Arc::new(Cluster::start(1).await);
        let remote = Process::start("127.0.0.1:0");
        let name = format!("remote_{signal}");
        let context = context(vec![slow(&name)]);
        let sql = format!("SELECT v, count(*) FROM {name} GROUP BY v");
        let mut query = cluster.query(plan(&context, &sql).await);
        query.backends.push(remote.address.clone());
        let asking = Arc::clone(&cluster);
        let running = tokio::spawn(async move { asking.run(query).await });
        until("the home scans", || leaf::running(&name) > 0).await;
        remote.works(&cluster.client).await;
        remote.signal(signal);
        assert_lost(async { running.await.unwrap() }, &format!("{signal} in a query")).await;
        until("the leaves at home are dropped", || leaf::running(&name) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_home_is_told_soon() {
    for signal in ["STOP", "KILL"] {
        let cluster = Arc::new(Cluster::start(1).await);
        let home = Process::start("127.0.0.1:0");
        let name = format!("home_{signal}");
        let context = context(vec![slow(&name)]);
        let sql = format!("SELECT v, count(*) FROM {name} GROUP BY v");
        let mut query = cluster.query(plan(&context, &sql).await);
        query.backends.insert(0, home.address.clone());
        let asking = Arc::clone(&cluster);
        let running = tokio::spawn(async move { asking.run(query).await });
        home.works(&cluster.client).await;
        until("the other backend scans", || leaf::running(&name) > 0).await;
        home.signal(signal);
        assert_lost(async { running.await.unwrap() }, &format!("{signal} of the home")).await;
        until("the leaves elsewhere are dropped", || leaf::running(&name) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_frozen_before_a_query_fails_it_until_it_thaws() {
    let cluster = Cluster::start(1).await;
    let remote = Process::start("127.0.0.1:0");
    let context = context(vec![facts()]);
    let sql = "SELECT v, count(*) FROM fact GROUP BY v";
    let expected = lines(&context.sql(sql).await.unwrap().collect().await.unwrap());
    let bytes = plan(&context, sql).await;
    let query = || {
        let mut query = cluster.query(bytes.clone());
        query.backends.push(remote.address.clone());
        query
    };
    assert_eq!(lines(&cluster.run(query()).await.unwrap()), expected);
    remote.signal("STOP");
    assert_lost(cluster.run(query()), "frozen before").await;
    assert_lost(cluster.run(query()), "frozen, and known to be").await;
    remote.signal("CONT");
    assert_eq!(lines(&cluster.run(query()).await.unwrap()), expected, "after the thaw");
}

/// A connection keeps the error of its last attempt for whoever asks next: at times for the call that sends the plan, hence
/// the rounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_started_again_serves_at_once_or_says_so() {
    let cluster = Cluster::start(1).await;
    let mut remote = Process::start("127.0.0.1:0");
    let address = remote.address.clone();
    let context = context(vec![facts()]);
    let sql = "SELECT v, count(*) FROM fact GROUP BY v";
    let expected = lines(&context.sql(sql).await.unwrap().collect().await.unwrap());
    let bytes = plan(&context, sql).await;
    let query = || {
        let mut query = cluster.query(bytes.clone());
        query.backends.push(address.clone());
        query
    };
    assert_eq!(lines(&cluster.run(query()).await.unwrap()), expected);
    for down_is_seen in [false, true, true, true, true, true] {
        drop(remote);
        if down_is_seen {
            assert_lost(cluster.run(query()), "while it is down").await;
        }
        remote = Process::start(&address);
        let asked = Instant::now();
        match cluster.run(query()).await {
            Ok(rows) => assert_eq!(lines(&rows), expected),
            Err(failure) => assert_eq!(failure.kind, Kind::BackendLost, "{failure:?}"),
        }
        assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
        assert_eq!(lines(&cluster.run(query()).await.unwrap()), expected, "the second query");
    }
}
