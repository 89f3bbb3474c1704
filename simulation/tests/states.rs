//! A thousand histories of states under writes, on each version. `SEED=n` runs one alone, `SEEDS=n` so many.

use fluss_sim::Version;
use simulation::states::run;

fn run_all(version: Version) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(1_000),
    };
    let directory = tempfile::tempdir().unwrap();
    let (mut right, mut moved, mut explained) = (0, 0, 0);
    for seed in seeds {
        match run(version, seed, directory.path()) {
            Ok(outcome) => {
                right += outcome.right;
                moved += outcome.moved;
                explained += outcome.explained;
            }
            Err(wrong) => panic!("SEED={seed}: {wrong}"),
        }
    }
    println!("{right} states right, the log moved under {moved}; {explained} errors explained");
}

#[test]
fn by_a_window_of_changes() {
    run_all(Version::V0_9);
}

#[test]
fn by_snapshots() {
    run_all(Version::V1_0);
}
