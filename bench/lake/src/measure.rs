//! CPU and wall time, and how they are shown.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::json;

use crate::Result;
use crate::contender::Contender;

/// What one run cost the whole process.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// Runs something and says what it cost, all threads together.
pub fn cost(run: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (cpu, started) = (used()?, Instant::now());
    run()?;
    let wall = started.elapsed();
    Ok(Cost { wall, cpu: used()? - cpu })
}

fn used() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let time = |time: nix::sys::time::TimeVal| {
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

/// The runs of one contender.
pub struct Measured {
    /// Who.
    pub contender: Contender,
    costs: Vec<Cost>,
}

impl Measured {
    /// None yet.
    pub fn new(contender: Contender) -> Self {
        Self { contender, costs: vec![] }
    }

    /// Adds one.
    pub fn add(&mut self, cost: Cost) {
        self.costs.push(cost);
    }

    fn sorted(&self, of: impl Fn(&Cost) -> Duration) -> Vec<f64> {
        let mut all: Vec<Duration> = self.costs.iter().map(of).collect();
        all.sort_unstable();
        all.iter().map(Duration::as_secs_f64).collect()
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One line per contender, and one of JSON for all: the last two columns are ratios to the first contender, of the
/// medians and of the least values.
pub fn print(measured: &[Measured], rows: u64) {
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>10} {:>8} {:>8}",
        "contender", "cpu-s", "least", "wall-s", "rows/s", "x median", "x least"
    );
    let mut readers = serde_json::Map::new();
    let mut first = None;
    for measured in measured {
        let cpu = measured.sorted(|cost| cost.cpu);
        let (middle, least) = (median(&cpu), cpu.first().copied().unwrap_or(f64::NAN));
        let wall = median(&measured.sorted(|cost| cost.wall));
        let (first_middle, first_least) = *first.get_or_insert((middle, least));
        println!(
            "{:<12} {middle:>9.4} {least:>9.4} {wall:>9.4} {:>10.0} {:>8.2} {:>8.2}",
            measured.contender.name,
            rows as f64 / wall,
            middle / first_middle,
            least / first_least,
        );
        let reader = json!({ "cpu_seconds": middle, "least_cpu_seconds": least, "seconds": wall });
        readers.insert(measured.contender.name.into(), reader);
    }
    println!("{}", json!({ "rows": rows, "readers": readers }));
}
