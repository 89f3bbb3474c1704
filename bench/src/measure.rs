//! CPU and wall time, and how they are shown.

use std::fmt;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::json;

use crate::table::{Kind, Table};
use crate::{Read, Result};

/// What is read.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The table.
    pub table: Table,
    /// How many of its columns, from the first on.
    pub columns: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} columns", self.table, self.columns)
    }
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// `fluss-scan`.
    Ours,
    /// `fluss-rs`, Arrow batches.
    Batches,
    /// `fluss-rs`, records.
    Records,
    /// `fluss-rs`, records and all values in them.
    Values,
    /// Arrow's reader over bytes in memory.
    Floor,
    /// Arrow's reader over bytes from a socket.
    Wire,
}

impl Contender {
    /// Who can read such a table.
    pub fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Log => &[Self::Ours, Self::Batches, Self::Floor, Self::Wire],
            Kind::PrimaryKey => &[Self::Ours, Self::Records, Self::Values, Self::Floor, Self::Wire],
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Batches => "fluss-rs",
            Self::Records => "records",
            Self::Values => "values",
            Self::Floor => "floor",
            Self::Wire => "wire",
        }
    }
}

/// What one run cost the whole process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    wall: Duration,
    user: Duration,
    system: Duration,
}

/// Runs something and says what it cost, all threads together.
pub fn cost(run: impl FnOnce() -> Result<Read>) -> Result<(Read, Cost)> {
    let ((user, system), started) = (used()?, Instant::now());
    let read = run()?;
    let wall = started.elapsed();
    let now = used()?;
    Ok((read, Cost { wall, user: now.0 - user, system: now.1 - system }))
}

fn used() -> Result<(Duration, Duration)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let time = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    Ok((time(usage.user_time()), time(usage.system_time())))
}

/// The runs of one contender.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Who.
    pub contender: Contender,
    rows: u64,
    costs: Vec<Cost>,
}

impl Measured {
    /// None yet.
    pub fn new(contender: Contender) -> Self {
        Self { contender, rows: 0, costs: vec![] }
    }

    /// Adds one.
    pub fn add(&mut self, rows: u64, cost: Cost) {
        self.rows = rows;
        self.costs.push(cost);
    }

    fn median(&self, of: impl Fn(&Cost) -> Duration) -> f64 {
        let mut all: Vec<Duration> = self.costs.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
    }

    /// CPU seconds per million rows, median.
    fn cpu(&self) -> f64 {
        self.per_million(self.median(|c| c.user + c.system))
    }

    fn per_million(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.rows as f64
    }
}

/// The head of the table.
pub fn print_head() {
    println!(
        "{:<14} {:>4} {:<9} {:>9} {:>10} {:>8} {:>8} {:>8} {:>8}",
        "table", "cols", "reader", "rows", "rows/s", "cpu-s/M", "user", "system", "x ours"
    );
}

/// One line per contender, and one of JSON for all of them.
pub fn print(case: Case, measured: &[Measured]) {
    let ours = measured.iter().find(|m| m.contender == Contender::Ours);
    let ours = ours.map_or(f64::NAN, Measured::cpu);
    let mut readers = serde_json::Map::new();
    for m in measured {
        let rate = m.rows as f64 / m.median(|c| c.wall);
        let user = m.per_million(m.median(|c| c.user));
        let system = m.per_million(m.median(|c| c.system));
        let least = m.costs.iter().map(|c| c.user + c.system).min().unwrap_or_default();
        println!(
            "{:<14} {:>4} {:<9} {:>9} {:>10.0} {:>8.4} {:>8.4} {:>8.4} {:>8.2}",
            case.table.to_string(),
            case.columns,
            m.contender.name(),
            m.rows,
            rate,
            m.cpu(),
            user,
            system,
            m.cpu() / ours,
        );
        readers.insert(
            m.contender.name().into(),
            json!({
                "rows_per_second": rate.round(),
                "cpu_seconds_per_million": m.cpu(),
                "least_cpu_seconds_per_million": m.per_million(least.as_secs_f64()),
                "user": user,
                "system": system,
            }),
        );
    }
    let rows = measured.first().map_or(0, |m| m.rows);
    let line = json!({
        "table": case.table.to_string(), "columns": case.columns, "rows": rows, "readers": readers,
    });
    println!("{line}");
}
