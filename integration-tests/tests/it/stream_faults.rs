//! The stream half over a real cluster whose answers are cut, stalled, dropped and changed on the way, and whose servers
//! are frozen and killed: a statement ends in time, with the rows that were written or a clear error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use fluss::metadata::DataTypes;
use fluss_scan::network::Tcp;
use fluss_scan::{
    ClientOptions, Error, FlussClient, KvScan, LogScan, OffsetSpec, TableInfo, TablePath,
};
use fluss_sim::faulty::{Faulty, WireFault};
use futures::TryStreamExt;
use integration_tests::{Cluster, ClusterOptions, Node, TableSpec, Value, Writer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const ROWS: i64 = 3000;
/// Faults in the bytes of a connection.
const WIRE_FAULTS: u64 = 120;
const FREEZES: usize = 8;
const KILLS: usize = 3;
/// The longest time without progress of one scan, and of a question.
const PROGRESS: Duration = Duration::from_millis(1500);
/// A statement asks for offsets, a state and a log at most, one after another.
const DEADLINE: Duration = Duration::from_millis(3 * 1500 + 500);
/// Until the buckets of a server that was started again have leaders.
const RECOVERY: Duration = Duration::from_secs(60);

struct Tables {
    bootstrap: String,
    log: TableInfo,
    state: TableInfo,
}

/// What a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    /// All columns of the log: every byte of its batches is covered by a checksum.
    Log,
    /// One column: servers keep the checksum of what they did not send, so that changed bytes cannot be noticed.
    Projection,
    /// The state, which no checksum covers.
    State,
    /// The end of a log.
    Offsets,
}

const STATEMENTS: [Statement; 4] =
    [Statement::Log, Statement::Projection, Statement::State, Statement::Offsets];

fn options(bootstrap: &str) -> ClientOptions {
    let mut options = ClientOptions::new(bootstrap, &BTreeMap::new()).unwrap();
    options.connect_timeout = Duration::from_millis(500);
    options.metadata_timeout = PROGRESS;
    options.request_timeout = PROGRESS;
    options
}

async fn tables(cluster: &Cluster) -> Tables {
    let columns = |name: &str| {
        TableSpec::new("faults", name)
            .column("id", DataTypes::bigint())
            .column("twice", DataTypes::bigint())
            .column("text", DataTypes::string())
    };
    let row = |id: i64, version: i64| -> Vec<Value> {
        vec![id.into(), (2 * id + version).into(), format!("row {id}").into()]
    };
    for spec in [columns("log"), columns("state").primary_key(["id"])] {
        cluster.create_table(&spec).await.unwrap();
        let mut writer = Writer::open(cluster, spec.path()).await.unwrap();
        for id in 0..ROWS {
            writer.write(&row(id, 0)).await.unwrap();
            if id % 500 == 499 {
                writer.flush().await.unwrap();
            }
        }
        if spec.path().table() == "state" {
            for id in (0..ROWS).step_by(2) {
                writer.write(&row(id, 1)).await.unwrap();
            }
            for id in (0..ROWS).step_by(10) {
                writer.delete(&row(id, 1)).await.unwrap();
            }
        }
        writer.flush().await.unwrap();
    }
    let client = FlussClient::new(options(&cluster.bootstrap()));
    let info = async |name: &str| client.table_info(&TablePath::new("faults", name)).await.unwrap();
    Tables { bootstrap: cluster.bootstrap(), log: info("log").await, state: info("state").await }
}

/// Ids and values of the second column.
fn pairs(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let column = |i: usize| batch.column(i).as_primitive::<Int64Type>().values().to_vec();
    let second = if batch.num_columns() > 1 { column(1) } else { vec![0; batch.num_rows()] };
    column(0).into_iter().zip(second).collect()
}

/// Reads, and says what is wrong with the rows.
async fn run(
    client: &Arc<FlussClient>,
    tables: &Tables,
    statement: Statement,
) -> Result<(), Error> {
    let scan = |projection: Option<Vec<usize>>| LogScan {
        table: tables.log.clone(),
        partition_id: None,
        bucket: 0,
        start: 0,
        end: ROWS,
        projection,
        filter: None,
    };
    match statement {
        Statement::Log | Statement::Projection => {
            let is_whole = statement == Statement::Log;
            let scan = scan((!is_whole).then(|| vec![0]));
            let batches: Vec<_> = client.scan_log(scan).try_collect().await?;
            let found: Vec<_> = batches.iter().flat_map(|batch| pairs(&batch.rows)).collect();
            let written = (0..ROWS).map(|id| (id, if is_whole { 2 * id } else { 0 }));
            assert_eq!(found, written.collect::<Vec<_>>());
        }
        Statement::State => {
            let table = tables.state.clone();
            let projection = vec![0, 1];
            let state = KvScan { table, partition_id: None, bucket: 0, projection };
            let state = client.scan_kv(state).await?;
            let mut found = pairs(&state.fold(&[0]).unwrap());
            found.sort_unstable();
            let written = (0..ROWS).filter(|id| id % 10 != 0);
            let written = written.map(|id| (id, 2 * id + (id % 2 == 0) as i64));
            assert_eq!(found, written.collect::<Vec<_>>());
        }
        Statement::Offsets => {
            let found = client.offsets(&tables.log, None, &[0], OffsetSpec::Latest).await?;
            assert_eq!(found, BTreeMap::from([(0, ROWS)]));
        }
    }
    Ok(())
}

/// Runs a statement, which ends in time.
async fn timed(
    client: &Arc<FlussClient>,
    tables: &Tables,
    statement: Statement,
    fault: &str,
) -> Result<(), Error> {
    let started = Instant::now();
    let ended = tokio::time::timeout(2 * DEADLINE, run(client, tables, statement)).await;
    let ended = ended.unwrap_or_else(|_| panic!("{statement:?} hangs under {fault}"));
    let took = started.elapsed();
    assert!(took <= DEADLINE + Duration::from_secs(1), "{statement:?}, {fault}: {took:?}");
    ended
}

fn wire_fault(random: &mut StdRng, statement: Statement) -> WireFault {
    // most answers of interest are in the first bytes of a connection, the batches behind them
    let at =
        if random.random() { random.random_range(0..400) } else { random.random_range(0..40_000) };
    let pause = Duration::from_millis(random.random_range(10..4000));
    match random.random_range(0..6) {
        0 => WireFault::Refused,
        1 => WireFault::SlowToOpen(pause),
        2 => WireFault::CutAt(at),
        3 => WireFault::StallAt(at, pause),
        4 => WireFault::DroppedAt(at),
        _ if statement == Statement::Log => WireFault::FlipBit(at, random.random_range(0..8)),
        _ => WireFault::CutAt(at),
    }
}

async fn faults_on_the_wire(tables: &Tables) -> (usize, usize) {
    let (mut right, mut failed) = (0, 0);
    for seed in 0..WIRE_FAULTS {
        let mut random = StdRng::seed_from_u64(seed);
        let statement = STATEMENTS[seed as usize % STATEMENTS.len()];
        let fault = wire_fault(&mut random, statement);
        // one connection in a row has it, or all of them
        let faulty = if seed % 3 == 0 { u64::MAX } else { random.random_range(0..3) };
        let network = Faulty::new(Arc::new(Tcp), move |opening| {
            let has_it = faulty == u64::MAX || opening.nth_of_all == faulty;
            if has_it { vec![fault] } else { vec![] }
        });
        let client = FlussClient::over(Arc::new(network), options(&tables.bootstrap));
        match timed(&Arc::new(client), tables, statement, &format!("seed {seed}: {fault:?}")).await
        {
            Ok(()) => right += 1,
            Err(_) => failed += 1,
        }
    }
    (right, failed)
}

async fn recovers(client: &Arc<FlussClient>, tables: &Tables) {
    let started = Instant::now();
    for statement in STATEMENTS {
        while let Err(error) = timed(client, tables, statement, "recovery").await {
            assert!(started.elapsed() < RECOVERY, "{statement:?} still fails: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn faults_on_the_wire_and_in_servers_never_hang_a_statement_nor_change_a_row() {
    let options_ = ClusterOptions { tiering: false, ..ClusterOptions::default() };
    let cluster = Cluster::start(options_).await.unwrap();
    let tables = tables(&cluster).await;
    let client = Arc::new(FlussClient::new(options(&tables.bootstrap)));
    for statement in STATEMENTS {
        run(&client, &tables, statement).await.unwrap();
    }
    let (right, failed) = faults_on_the_wire(&tables).await;
    assert!(right > 0 && failed > 0, "{right} right, {failed} failed");

    let server = Node::Tablet(0);
    let mut unanswered = 0;
    for i in 0..FREEZES {
        cluster.freeze(server).unwrap();
        let ended =
            timed(&client, &tables, STATEMENTS[i % STATEMENTS.len()], "a frozen server").await;
        cluster.thaw(server).unwrap();
        // a signal may come a moment after the answer
        unanswered += usize::from(ended.is_err());
        recovers(&client, &tables).await;
    }
    assert!(unanswered > 0, "a frozen server answers");
    for i in 0..KILLS {
        // in the middle of statements
        let reading = tokio::spawn({
            let (client, log) = (Arc::clone(&client), tables.log.clone());
            let tables = Tables { bootstrap: String::new(), log, state: tables.state.clone() };
            async move {
                let mut ends = vec![];
                while ends.last().is_none_or(Result::is_ok) {
                    ends.push(timed(&client, &tables, STATEMENTS[i], "a killed server").await);
                }
                ends
            }
        });
        cluster.kill(server).unwrap();
        let ends = reading.await.unwrap();
        let error = ends.last().unwrap().as_ref().unwrap_err();
        assert!(!matches!(error, Error::Corrupt(_)), "{error}");
        cluster.restart(server).await.unwrap();
        recovers(&client, &tables).await;
    }
}
