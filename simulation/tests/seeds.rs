//! A thousand seeds. `SEED=n` runs one alone, `SEEDS=n` so many.

use std::ops::Range;

use simulation::run::run;

fn seeds(shard: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        return if shard == 0 { seed..seed + 1 } else { 0..0 };
    }
    let each = number("SEEDS").unwrap_or(1_000) / SHARDS;
    shard * each..(shard + 1) * each
}

/// Tests that share the seeds: they run side by side.
const SHARDS: u64 = 2;

fn run_all(shard: u64) {
    let directory = tempfile::tempdir().unwrap();
    let (mut right, mut explained) = ([0, 0], 0);
    for seed in seeds(shard) {
        match run(seed, directory.path()) {
            Ok(outcome) => {
                right[usize::from(outcome.has_faults)] += outcome.right;
                explained += outcome.explained.len();
            }
            Err(wrong) => panic!("SEED={seed}: {wrong}"),
        }
    }
    println!("{} right without faults, {} with; {explained} errors explained", right[0], right[1]);
}

#[test]
fn the_first_half() {
    run_all(0);
}

#[test]
fn the_second_half() {
    run_all(1);
}
