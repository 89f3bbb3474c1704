//! One seed: a past, statements, faults, a judgement.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fluss_sim::cases::CaseResult;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::sync::Mutex;
use tokio::time::sleep;

use crate::events::{CLIENT, Events};
use crate::history::{History, cluster};
use crate::network::{FRAMES, Simulated, client, simulation};
use crate::statement::{Answer, Ask, Happened, Verdict, judge};

/// What came of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Whether anything was planned to go wrong.
    pub has_faults: bool,
    /// Statements that were answered.
    pub right: usize,
    /// Statements that failed for a reason, with it.
    pub explained: Vec<String>,
    /// How long it took, in simulated time.
    pub took: Duration,
}

/// Runs a seed, with remote segments below a directory.
///
/// # Errors
/// What is wrong with an answer, and everything that leads to it.
pub fn run(seed: u64, directory: &Path) -> CaseResult<Outcome> {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = cluster(&mut random);
    let remote = directory.join(seed.to_string());
    let history = Arc::new(History::new(&cluster, &mut random, &remote)?);
    let mut events = Events::random(&history, &cluster, &mut random);
    let planned = format!("{events:?}");
    let has_faults = !events.is_harmless();
    let mut happened =
        vec![Happened { faults: has_faults, ..Default::default() }; history.buckets.len()];
    events.script(&cluster, random.random());
    let asks: Vec<(Duration, Ask)> = (0..random.random_range(1..=5))
        .map(|_| {
            let delay = Duration::from_millis(random.random_range(0..200));
            (delay, Ask::random(&history, &mut random))
        })
        .collect();

    let frame = *FRAMES.choose(&mut random).unwrap_or(&FRAMES[0]);
    if random.random_bool(0.5) {
        cluster.set_scan_bytes(random.random_range(1..300));
    }
    let mut sim = simulation(&cluster, random.random());
    let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let (asked, of, into) = (asks.clone(), Arc::clone(&history), Arc::clone(&answers));
    sim.client(CLIENT, async move {
        let client = client(Arc::new(Simulated), frame)?;
        let all = asked.iter().map(async |(delay, ask)| {
            sleep(*delay).await;
            ask.ask(&client, &of).await
        });
        let all = join_all(all).await;
        if let Ok(mut answers) = into.lock() {
            *answers = all;
        }
        Ok(())
    });
    loop {
        events.apply(&mut sim, &cluster, &history, &mut happened)?;
        if sim.step().map_err(|e| e.to_string())? {
            break;
        }
    }
    let mut outcome = Outcome { has_faults, took: sim.elapsed(), ..Default::default() };
    drop(sim);
    if remote.exists() {
        std::fs::remove_dir_all(&remote)?;
    }
    let answers = answers.lock().map_err(|e| e.to_string())?.clone();
    for ((_, ask), answer) in asks.iter().zip(&answers) {
        match judge(ask, answer, &history, &happened) {
            Ok(Verdict::Right) => outcome.right += 1,
            Ok(Verdict::Explained(error)) => outcome.explained.push(error),
            Err(wrong) => {
                let version = cluster.version();
                return Err(format!(
                    "{wrong}\nasked: {ask:?}\nof all: {asks:?}\nevents: {planned}\n\
                     happened: {happened:?}\nversion: {version:?}\nhistory: {history:?}"
                )
                .into());
            }
        }
    }
    if answers.len() != asks.len() {
        return Err("a statement panicked".into());
    }
    Ok(outcome)
}
