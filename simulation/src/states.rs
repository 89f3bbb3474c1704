//! States that are read while others write.
//!
//! A write is logged, then applied to the state that scans see, then shown by the watermark; a thread of a busy
//! server may rest between any two of these steps for as long as it likes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fluss_sim::cases::{self, CaseResult};
use fluss_sim::{Cluster, Version};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::time::{sleep, timeout};

use crate::events::CLIENT;
use crate::history::History;
use crate::model::Kind;
use crate::network::{FRAMES, METADATA, Simulated, client, simulation};
use crate::statement::{Answer, Happened, explain, state};

/// How many writes a run has at least and at most.
const WRITES: std::ops::RangeInclusive<u64> = 3..=14;

/// A scan of a state and what was known around it.
#[derive(Debug)]
struct Scanned {
    at: usize,
    projection: Vec<usize>,
    /// The watermark when it was begun and when it had ended.
    watermarks: [i64; 2],
    answer: Answer,
}

/// What came of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// States that were right.
    pub right: usize,
    /// Scans during which the watermark moved.
    pub moved: usize,
    /// Scans that failed for a reason.
    pub explained: usize,
}

/// Runs a seed.
///
/// # Errors
/// What is wrong with a state.
pub fn run(version: Version, seed: u64, directory: &Path) -> CaseResult<Outcome> {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Cluster::new(version, random.random_range(1..=2), random.random());
    let kinds = [Kind::Full, Kind::Full, Kind::Wal, Kind::FirstRow];
    let kind = *kinds.choose(&mut random).unwrap_or(&Kind::Full);
    let remote = directory.join(seed.to_string());
    let history = History::of_kind(kind, &cluster, &mut random, &remote)?;
    let buckets = history.buckets.len();
    let columns = if history.evolved { 4 } else { 3 };
    let path = history.path.clone();
    let history = Arc::new(Mutex::new(history));
    let has_faults = random.random_bool(0.2);
    let frame = *FRAMES.choose(&mut random).unwrap_or(&FRAMES[0]);
    if random.random_bool(0.5) {
        cluster.set_scan_bytes(random.random_range(1..300));
    }
    let mut sim = simulation(&cluster, random.random());

    let (of, writes) = (Arc::clone(&history), random.random_range(WRITES));
    let (at, mut dice) = (cluster.clone(), StdRng::seed_from_u64(random.random()));
    sim.client("writer", async move {
        for _ in 0..writes {
            write(&at, &of, &mut dice).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    });

    let scanned: Arc<Mutex<Vec<Scanned>>> = Arc::default();
    let (into, of, mut dice) =
        (Arc::clone(&scanned), cluster.clone(), StdRng::seed_from_u64(random.random()));
    let scans = random.random_range(1..=4);
    let models: Vec<_> = lock(&history).buckets.iter().map(|model| model.bucket).collect();
    sim.client(CLIENT, async move {
        let client = client(Arc::new(Simulated), frame)?;
        let table = timeout(METADATA, client.table_info(&path)).await??;
        for _ in 0..scans {
            sleep(Duration::from_millis(dice.random_range(0..20))).await;
            let at = dice.random_range(0..buckets);
            let mut projection: Vec<usize> =
                (1..columns).filter(|_| dice.random_bool(0.7)).collect();
            projection.insert(0, 0);
            let before = of.high_watermark(models[at])?;
            let answer = state(&client, table.clone(), models[at], projection.clone()).await;
            let watermarks = [before, of.high_watermark(models[at])?];
            lock(&into).push(Scanned { at, projection, watermarks, answer });
        }
        Ok(())
    });
    let mut leader_moves = if has_faults { random.random_range(1..=4) } else { 0 };
    while !sim.step().map_err(|e| e.to_string())? {
        if leader_moves > 0 && random.random_bool(0.02) {
            leader_moves -= 1;
            let bucket = lock(&history).buckets[random.random_range(0..buckets)].bucket;
            let servers = cluster.servers();
            cluster.move_leader(bucket, servers[1..].choose(&mut random).copied())?;
        }
    }
    drop(sim);
    if remote.exists() {
        std::fs::remove_dir_all(&remote)?;
    }
    let history = lock(&history);
    let mut outcome = Outcome::default();
    for scan in lock(&scanned).iter() {
        judge(scan, &history, has_faults, &mut outcome)
            .map_err(|wrong| format!("{wrong}\nscan: {scan:?}\nhistory: {history:?}"))?;
    }
    Ok(outcome)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One write, in the steps of a leader.
async fn write(cluster: &Cluster, history: &Mutex<History>, random: &mut StdRng) -> CaseResult {
    sleep(Duration::from_millis(random.random_range(0..12))).await;
    let (bucket, end) = {
        let mut history = lock(history);
        let at = random.random_range(0..history.buckets.len());
        let deletes = history.kind != Kind::FirstRow && random.random_bool(0.3);
        for _ in 0..random.random_range(1..=3) {
            history.stage(cluster, random, at, deletes)?;
        }
        (history.buckets[at].bucket, history.buckets[at].end)
    };
    sleep(Duration::from_millis(random.random_range(0..6))).await;
    cluster.flush(bucket, end)?;
    if random.random_bool(0.7) {
        sleep(Duration::from_micros(random.random_range(0..12_000))).await;
    }
    cluster.commit(bucket)?;
    Ok(())
}

fn judge(scan: &Scanned, history: &History, has_faults: bool, outcome: &mut Outcome) -> CaseResult {
    let [before, after] = scan.watermarks;
    match &scan.answer {
        Answer::State(offset, rows) => {
            // at least as new as what was shown when it was asked for
            if !(before..=after).contains(offset) {
                return Err(format!("a state at {offset}, not of {before}..={after}").into());
            }
            let must = cases::cut(&history.buckets[scan.at].state_at(*offset), &scan.projection);
            cases::equal(&format!("the state at {offset}"), rows, &must)?;
            outcome.right += 1;
            outcome.moved += usize::from(before < after);
            Ok(())
        }
        Answer::Failed(error) => {
            explain(error, &Happened { faults: has_faults, ..Default::default() })?;
            outcome.explained += 1;
            Ok(())
        }
        other => Err(format!("{other:?}").into()),
    }
}
