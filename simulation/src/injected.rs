//! One fault at one place of the bytes or of the time of a run.
//!
//! A run without a fault tells how many bytes each connection carries, how many calls there are and how long it
//! takes; the same run is then made again with the fault.
//!
//! What a flipped bit does depends on where it falls. A batch that comes with all of its columns has a checksum over
//! everything behind it, and a flip there is always noticed. Nothing else of the protocol has one: servers keep the
//! checksum of the whole batch when they cut it to columns, and offsets, rows of a state and descriptions of tables
//! never had any. A flip there that leaves another valid value cannot be noticed by any client (the network's own
//! checksums are what stands against it). So flips at random places may make rows wrong, but must neither hang nor
//! panic, and every other fault must not make a row wrong.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fluss_scan::Error;
use fluss_sim::cases::CaseResult;
use fluss_sim::fault::Fault;
use fluss_sim::faulty::{Faulty, WireFault};
use fluss_sim::{Cluster, NodeState};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::events::CLIENT;
use crate::history::{History, cluster};
use crate::network::{Simulated, client, host, simulation};
use crate::statement::{Answer, Ask, Happened, judge};

/// The kinds of faults, each at its place.
#[derive(Debug, Clone)]
enum Planned {
    /// In the bytes of the connection with this number.
    Wire(u64, WireFault),
    /// At the call with this number.
    Call(u64, Fault),
    /// A server stops answering at a time, and goes on after another.
    Freeze(i32, Duration, Duration),
    /// A server dies at a time, and is there again after another.
    Crash(i32, Duration, Duration),
}

/// Number of kinds.
pub const KINDS: u64 = 10;
/// The kind of flips at any place.
pub const FLIP_ANYWHERE: u64 = 9;
/// The kind of flips that a checksum covers, or would cover if the batch had come whole.
pub const FLIP_RECORD: u64 = 2;

/// What came of the statements of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Right to the last row.
    pub right: usize,
    /// Ended by an error.
    pub failed: usize,
    /// Another answer than the model has; only where nothing could tell.
    pub unnoticed: usize,
}

struct Dry {
    /// Bytes by connection.
    received: Vec<u64>,
    calls: u64,
    took: Duration,
}

/// Everything that a run is made of.
struct Attempt {
    cluster: Cluster,
    history: Arc<History>,
    asks: Vec<Ask>,
    answers: Vec<Answer>,
    dry: Dry,
}

/// Injects the fault of a seed; its kind is the seed modulo [`KINDS`].
///
/// # Errors
/// A hang, a wrong row, an error without reason.
pub fn run(seed: u64, directory: &Path) -> CaseResult<Outcome> {
    let dry = attempt(seed, directory, None)?;
    let mut outcome = Outcome::default();
    for (ask, answer) in dry.asks.iter().zip(&dry.answers) {
        let happened = vec![Happened::default(); dry.history.buckets.len()];
        judge(ask, answer, &dry.history, &happened).map_err(|e| format!("without a fault: {e}"))?;
    }
    let planned = plan(seed, &dry);
    let attempt = attempt(seed, directory, Some(planned.clone()))?;
    for (ask, answer) in attempt.asks.iter().zip(&attempt.answers) {
        let verdict = assess(seed, ask, answer, &attempt.history);
        let version = attempt.cluster.version();
        let verdict = verdict.map_err(|wrong| {
            let history = &attempt.history;
            format!("{wrong}\n{planned:?}\nasked: {ask:?}\nversion: {version:?}\n{history:?}")
        })?;
        match verdict {
            Verdict::Right => outcome.right += 1,
            Verdict::Failed => outcome.failed += 1,
            Verdict::Unnoticed => outcome.unnoticed += 1,
        }
    }
    Ok(outcome)
}

enum Verdict {
    Right,
    Failed,
    Unnoticed,
}

fn assess(seed: u64, ask: &Ask, answer: &Answer, history: &History) -> Result<Verdict, String> {
    let happened = vec![Happened { faults: true, ..Default::default() }; history.buckets.len()];
    let error = match answer {
        Answer::Hung(after) => return Err(format!("no end after {after:?}")),
        Answer::Failed(error) | Answer::Records(_, Some(error)) => Some(error),
        _ => None,
    };
    let judged = judge(ask, answer, history, &happened);
    let is_whole = matches!(ask, Ask::Scan { projection: None, .. });
    match (seed % KINDS, error, judged) {
        (_, None, Ok(_)) => Ok(Verdict::Right),
        (_, Some(_), Ok(_)) => Ok(Verdict::Failed),
        // the bytes of a call may say anything now: any error of the client will do, and any answer that still
        // makes sense
        (FLIP_ANYWHERE, Some(_), Err(_)) => Ok(Verdict::Failed),
        (FLIP_ANYWHERE, None, Err(_)) => Ok(Verdict::Unnoticed),
        // the checksum tells at once; without it whatever stumbles over the bytes later does
        (FLIP_RECORD, Some(Error::Corrupt(_)), Err(_)) => Ok(Verdict::Failed),
        (FLIP_RECORD, Some(_), Err(_)) if !is_whole => Ok(Verdict::Failed),
        (FLIP_RECORD, None, Err(_)) if !is_whole => Ok(Verdict::Unnoticed),
        (_, _, Err(wrong)) => Err(wrong),
    }
}

fn plan(seed: u64, dry: &Attempt) -> Planned {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed);
    let Dry { received, calls, took } = &dry.dry;
    let connection = random.random_range(0..received.len().max(1));
    let bytes = received.get(connection).copied().unwrap_or(1).max(1);
    let (connection, at) = (connection as u64, random.random_range(0..bytes));
    let call = random.random_range(0..(*calls).max(1));
    let time = Duration::from_millis(random.random_range(1..2_500));
    let bit = random.random_range(0..1_000_000);
    let begin = took.mul_f64(random.random_range(0.0..1.0));
    let server = random.random_range(0..dry.cluster.servers().len()) as i32;
    match seed % KINDS {
        0 => Planned::Wire(connection, WireFault::CutAt(at)),
        1 => Planned::Wire(connection, WireFault::StallAt(at, time)),
        FLIP_RECORD => Planned::Call(call, Fault::FlipRecordBit(bit)),
        3 => Planned::Wire(connection, WireFault::DroppedAt(at)),
        4 => match random.random_bool(0.5) {
            true => Planned::Wire(connection, WireFault::Refused),
            false => Planned::Wire(connection, WireFault::SlowToOpen(time)),
        },
        5 => Planned::Freeze(server, begin, time),
        6 => Planned::Crash(server, begin, time),
        7 => match random.random_bool(0.5) {
            true => Planned::Call(call, Fault::Exception),
            false => Planned::Call(call, Fault::ServerFailure),
        },
        8 => match random.random_bool(0.5) {
            true => Planned::Call(call, Fault::Silence),
            false => Planned::Call(call, Fault::Late(time)),
        },
        _ => Planned::Wire(connection, WireFault::FlipBit(at, (bit % 8) as u8)),
    }
}

fn attempt(seed: u64, directory: &Path, planned: Option<Planned>) -> CaseResult<Attempt> {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = cluster(&mut random);
    let remote = directory.join(seed.to_string());
    let history = Arc::new(History::new(&cluster, &mut random, &remote)?);
    let mut asks: Vec<Ask> = (0..4).map(|_| Ask::random(&history, &mut random)).collect();
    if seed % KINDS == FLIP_RECORD {
        // something to flip, and at times with its checksum
        for ask in &mut asks {
            let projection = random.random_bool(0.3).then(|| vec![0]);
            let (start, end) = (history.buckets[0].start, history.buckets[0].end);
            *ask = Ask::Scan { at: 0, start, end, projection, filter: None };
        }
    }
    let (wire, call) = match &planned {
        Some(Planned::Wire(connection, fault)) => (Some((*connection, *fault)), None),
        Some(Planned::Call(call, fault)) => (None, Some((*call, fault.clone()))),
        _ => (None, None),
    };
    let is_record = matches!(call, Some((_, Fault::FlipRecordBit(_))));
    let mut calls = 0;
    let total: Arc<Mutex<u64>> = Arc::default();
    let count = Arc::clone(&total);
    cluster.set_script(move |asked| {
        if is_record && !asked.is::<fluss_scan::messages::FetchLog>() {
            return None;
        }
        calls += 1;
        *lock(&count) = calls;
        // of fetches there are few: all are hit by the flip
        let (_, fault) = call.as_ref().filter(|(at, _)| is_record || *at + 1 == calls)?;
        Some(fault.clone())
    });
    let decide = move |opening: &fluss_sim::faulty::Opening<'_>| {
        wire.iter().filter(|(at, _)| *at == opening.nth_of_all).map(|(_, fault)| *fault).collect()
    };
    let network = Arc::new(Faulty::new(Arc::new(Simulated), decide));
    let mut sim = simulation(&cluster, random.random());
    let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let (asked, of, into) = (asks.clone(), Arc::clone(&history), Arc::clone(&answers));
    let over = Arc::clone(&network);
    sim.client(CLIENT, async move {
        let client = client(over, 1 << 20)?;
        for ask in &asked {
            let answer = ask.ask(&client, &of).await;
            lock(&into).push(answer);
        }
        Ok(())
    });
    let mut events = events(planned);
    loop {
        while events.last().is_some_and(|(at, ..)| *at <= sim.elapsed()) {
            let Some((_, server, node, is_crash)) = events.pop() else { break };
            cluster.set_node(server, node)?;
            match (is_crash, node) {
                (true, NodeState::Down) => sim.crash(host(server)),
                (true, _) => sim.bounce(host(server)),
                _ => {}
            }
        }
        if sim.step().map_err(|e| e.to_string())? {
            break;
        }
    }
    let took = sim.elapsed();
    drop(sim);
    if remote.exists() {
        std::fs::remove_dir_all(&remote)?;
    }
    let dry = Dry { received: network.received(), calls: *lock(&total), took };
    let answers = lock(&answers).clone();
    if answers.len() != asks.len() {
        return Err("a statement panicked".into());
    }
    Ok(Attempt { cluster, history, asks, answers, dry })
}

/// What happens to servers: later ones first.
fn events(planned: Option<Planned>) -> Vec<(Duration, i32, NodeState, bool)> {
    match planned {
        Some(Planned::Freeze(server, at, time)) => {
            vec![(at + time, server, NodeState::Up, false), (at, server, NodeState::Frozen, false)]
        }
        Some(Planned::Crash(server, at, time)) => {
            vec![(at + time, server, NodeState::Up, true), (at, server, NodeState::Down, true)]
        }
        _ => vec![],
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
