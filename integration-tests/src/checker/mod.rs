//! The exactly-once checker: writers that know what they wrote, readers whose every answer is judged by it.
//!
//! Of each key (and each writer of a log) the checker knows at any time which version was acknowledged and which
//! was sent. A statement that starts at t0 and ends at t1 may show any version from `acknowledged(t0)` to
//! `sent(t1)`, and no older one than the same session saw before; everything else is a violation. Rows carry
//! what makes a mixture of two versions visible: `a + b = 1000` and a hash of key and version.
//!
//! - [`case`], [`window`]: an answer, what it may say, and the judge; pure. [`values`]: what rows hold.
//! - [`history`]: what was written.
//! - [`workload`], [`writer`]: the tables and their writers.
//! - [`question`], [`reader`]: the statements and what is made of their answers. [`report`]: the sum of it.
//! - [`evidence`], [`replay`]: what is kept of a wrong answer, judged again without a cluster.
//! - [`spoil`]: wrong answers made on purpose, to judge the judge.
//!
//! Deliberately absent: faults, which are others' to make while this runs (`crate::chaos`).

pub mod case;
pub mod evidence;
pub(crate) mod history;
mod lake;
mod question;
mod reader;
pub mod replay;
mod report;
pub mod spoil;
#[cfg(test)]
mod tests;
mod values;
pub mod window;
pub(crate) mod workload;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::cluster::Credentials;
use crate::error::{LabError, Result};
pub use evidence::Violation;
pub use report::Report;
use workload::Workload;
pub use workload::{Surroundings, Tables};

/// A run against a cluster and a Millrace over it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` of Fluss.
    pub bootstrap: String,
    /// How to log in there.
    pub sasl: Option<Credentials>,
    /// `host:port` of Millrace.
    pub mysql: (String, u16),
    /// Who logs in there.
    pub user: String,
    /// The password, if there is one.
    pub password: Option<String>,
    /// Millrace's catalog over that cluster.
    pub catalog: String,
    /// A database of the run's own.
    pub database: String,
    /// The tables in it.
    pub tables: Tables,
    /// How long.
    pub duration: Duration,
    /// Sessions that ask.
    pub readers: usize,
    /// Decides what is written and asked; not when.
    pub seed: u64,
    /// Where violations are written, each into a directory of its own.
    pub evidence: PathBuf,
    /// Spoil answers before they are judged: all of them must be found.
    pub spoil: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bootstrap: String::new(),
            sasl: None,
            mysql: ("127.0.0.1".into(), 9030),
            user: "root".into(),
            password: None,
            catalog: "fluss".into(),
            database: "checker".into(),
            tables: Tables::default(),
            duration: Duration::from_secs(60),
            readers: 2,
            seed: 0,
            evidence: workload::default_evidence(),
            spoil: false,
        }
    }
}

/// Creates the tables, writes and reads until the time is up or too much is wrong.
///
/// # Errors
/// The tables cannot be created, or are there already.
pub async fn run(options: &Options) -> Result<Report> {
    Checker::create(options).await?.run(&Arc::default()).await
}

/// A run whose tables are there.
pub struct Checker {
    options: Options,
    workload: Workload,
}

impl Checker {
    /// Creates the tables.
    ///
    /// # Errors
    /// They cannot be created, or are there already.
    pub async fn create(options: &Options) -> Result<Self> {
        let workload = Workload::new(&options.database, &options.tables);
        workload.create(options).await?;
        Ok(Self { options: options.clone(), workload })
    }

    pub(crate) fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Writes and reads until the time is up, too much is wrong or the surroundings end it.
    ///
    /// # Errors
    /// A defect of the checker itself.
    pub async fn run(&self, surroundings: &Arc<Surroundings>) -> Result<Report> {
        let report = Arc::new(Mutex::new(Report::default()));
        let ends = Instant::now() + self.options.duration;
        let is_over = {
            let (report, surroundings) = (Arc::clone(&report), Arc::clone(surroundings));
            move || Instant::now() >= ends || surroundings.is_over() || report.lock().is_full()
        };
        let mut seeds = StdRng::seed_from_u64(self.options.seed);
        let mut tasks = tokio::task::JoinSet::new();
        for writer in self.workload.writers(&self.options) {
            let (report, is_over) = (Arc::clone(&report), is_over.clone());
            let random = StdRng::from_rng(&mut seeds);
            tasks.spawn(async move { writer.run(random, &report, is_over).await });
        }
        for _ in 0..self.options.readers {
            let random = StdRng::from_rng(&mut seeds);
            let reader = reader::Reader::new(&self.options, &self.workload, surroundings, random);
            let (report, is_over) = (Arc::clone(&report), is_over.clone());
            tasks.spawn(async move { reader.run(&report, is_over).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| LabError::Misuse(format!("the checker failed: {error}")))?;
        }
        let report = report.lock().clone();
        Ok(report)
    }
}
