//! A thousand seeds. `SEED=n` runs one alone, `SEEDS=n` so many.

use simulation::run::run;
use simulation::seeds;

/// One of two halves: they run side by side.
fn half(part: u64) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (mut right, mut explained) = ([0, 0], 0);
    for seed in seeds(1_000, part, 2) {
        let outcome = run(seed, directory.path()).map_err(|e| format!("SEED={seed}: {e}"))?;
        right[usize::from(outcome.has_faults)] += outcome.right;
        explained += outcome.explained.len();
    }
    println!("{} right without faults, {} with; {explained} errors explained", right[0], right[1]);
    Ok(())
}

#[test]
fn the_first_half() {
    half(0).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn the_second_half() {
    half(1).unwrap_or_else(|wrong| panic!("{wrong}"));
}
