//! Random histories of a table, answered along every path.
//!
//! A history is data: the shape of a table and what is done to it, one step after another. It happens to a simulated Fluss
//! and to a lake that a tiering stepper of these tests writes; a model knows what every question must give. All paths of a
//! union answer the same rows, or refuse exactly where they cannot have all of them.
//!
//! * [`history`]: shapes, steps, questions, and how they are made up
//! * [`model`]: what they come to; [`world`]: Fluss; [`lake`]: the tiering stepper
//! * [`ask`]: questions to what is tested
//!
//! `HISTORIES=10000` runs so many; `SEED=7` begins elsewhere. What failed is shrunk and printed as data.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod ask;
mod history;
mod lake;
mod model;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use union_read::ReadPath;

use crate::history::{History, Question, Step};
use crate::model::Expected;
use crate::world::World;

const HISTORIES: u32 = 200;

fn of_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// Answers and refusals by path.
type Counts = BTreeMap<(&'static str, &'static str), usize>;

#[test]
fn every_path_gives_the_rows_of_the_history() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(16 << 20)
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: of_environment("HISTORIES", HISTORIES),
        rng_seed: RngSeed::Fixed(of_environment("SEED", 1)),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let counts = Mutex::new(Counts::new());
    let outcome = TestRunner::new(config).run(&history::histories(), |history| {
        let run = runtime.block_on(run(&history));
        let counted = run.map_err(|wrong| TestCaseError::fail(wrong.to_string()))?;
        let mut counts = counts.lock().unwrap();
        counted.into_iter().for_each(|(what, n)| *counts.entry(what).or_default() += n);
        Ok(())
    });
    let counts = counts.into_inner().unwrap();
    println!("{counts:?}");
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
    for path in [ReadPath::Auto, ReadPath::LakeAndTail, ReadPath::KvAndTail, ReadPath::LogReplay] {
        for what in ["rows", "refused"] {
            assert!(counts.contains_key(&(path.name(), what)), "{path} never had {what}");
        }
    }
}

/// Lets a history happen and asks what it asks, and everything once more at its end.
async fn run(history: &History) -> Result<Counts, Box<dyn std::error::Error>> {
    let mut world = World::new(&history.shape).await?;
    let mut counts = Counts::new();
    for step in &history.steps {
        match step {
            Step::Ask(question) => ask_all(&mut world, question, &mut counts).await?,
            step => world.apply(step).await?,
        }
    }
    for question in [Question::All, Question::Lake, Question::RealTime] {
        ask_all(&mut world, &question, &mut counts).await?;
    }
    Ok(counts)
}

async fn ask_all(
    world: &mut World,
    question: &Question,
    counts: &mut Counts,
) -> Result<(), Box<dyn std::error::Error>> {
    let paths: &[ReadPath] = match question {
        Question::Lake | Question::RealTime => &[ReadPath::Auto],
        _ => &[ReadPath::LogReplay, ReadPath::Auto, ReadPath::LakeAndTail, ReadPath::KvAndTail],
    };
    for path in paths {
        if *path != ReadPath::LogReplay {
            world.show_what_states_wait_for()?;
        }
        let must = world.model.expected(question, *path);
        let found = ask::ask(world, question, *path).await;
        let what = match (&must, &found) {
            (Expected::Rows(must), Ok(found)) if must == found => "rows",
            (Expected::Refused, Err(error)) if ask::is_refusal(error) => "refused",
            _ => {
                return Err(format!("{question:?} by {path}: {found:#?}\nmust be {must:#?}").into());
            }
        };
        *counts.entry((path.name(), what)).or_default() += 1;
    }
    Ok(())
}
