//! The exactly-once checker: writers that know what they wrote, readers whose every answer is judged by it.
//!
//! Of each key (and each writer of a log) the checker knows at any time which version was acknowledged and which
//! was sent. A statement that starts at t0 and ends at t1 may show any version from `acknowledged(t0)` to
//! `sent(t1)`, and no older one than the same session saw before; everything else is a violation. Rows carry
//! what makes a mixture of two versions visible: `a + b = 1000` and a hash of key and version.
//!
//! - [`history`]: what was written, and the judge; knows no cluster.
//! - [`workload`]: the tables and their writers.
//! - [`reader`]: the statements and what is made of their answers.
//!
//! Deliberately absent: faults, which are others' to make while this runs.

mod history;
mod reader;
mod workload;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::cluster::Credentials;
use crate::error::{LabError, Result};
pub use history::Violation;
use workload::Workload;

/// A run against a cluster and a Millrace over it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of Fluss.
    pub bootstrap: String,
    /// How to log in there.
    pub sasl: Option<Credentials>,
    /// `host:port` of Millrace; `root` without a password.
    pub mysql: (String, u16),
    /// Millrace's catalog over that cluster.
    pub catalog: String,
    /// A database of the run's own.
    pub database: String,
    /// How long.
    pub duration: Duration,
    /// Sessions that ask.
    pub readers: usize,
    /// Decides what is written and asked; not when.
    pub seed: u64,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Answers that were judged.
    pub checked: u64,
    /// Rows of them.
    pub rows: u64,
    /// Statements that failed with a code that says retry.
    pub retryable: u64,
    /// Other errors, at most a few texts of them.
    pub errors: Vec<String>,
    /// Wrong answers.
    pub violations: Vec<Violation>,
    /// Versions written and acknowledged.
    pub written: u64,
    /// Rounds of writing that failed; what they wrote may be there or not.
    pub write_failures: u64,
}

/// Errors and violations kept; a run ends at so many violations.
const KEPT: usize = 20;

impl Report {
    /// The run as one line.
    pub fn line(&self) -> String {
        format!(
            "{} answers of {} rows checked, {} wrong, {} errors that say retry, {} others, \
             {} versions written, {} failed rounds",
            self.checked,
            self.rows,
            self.violations.len(),
            self.retryable,
            self.errors.len(),
            self.written,
            self.write_failures,
        )
    }

    fn keep_error(&mut self, error: String) {
        if self.errors.len() < KEPT {
            self.errors.push(error);
        }
    }
}

/// Creates the tables, writes and reads until the time is up or too much is wrong.
pub async fn run(options: &Options) -> Result<Report> {
    let report = Arc::new(Mutex::new(Report::default()));
    let workload = Workload::create(options).await?;
    let ends = Instant::now() + options.duration;
    let is_over = {
        let report = Arc::clone(&report);
        move || Instant::now() >= ends || report.lock().violations.len() >= KEPT
    };
    let mut seeds = StdRng::seed_from_u64(options.seed);
    let mut tasks = tokio::task::JoinSet::new();
    for (writer, history) in workload.writers() {
        let (report, is_over) = (Arc::clone(&report), is_over.clone());
        let random = StdRng::from_rng(&mut seeds);
        tasks.spawn(async move { writer.run(history, random, &report, is_over).await });
    }
    for _ in 0..options.readers {
        let reader = reader::Reader::new(options, &workload, StdRng::from_rng(&mut seeds));
        let (report, is_over) = (Arc::clone(&report), is_over.clone());
        tasks.spawn(async move { reader.run(&report, is_over).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| LabError::Misuse(format!("the checker failed: {error}")))??;
    }
    let report = report.lock().clone();
    Ok(report)
}
