//! A thousand histories of states under writes, on each version. `SEED=n` runs one alone, `SEEDS=n` so many.

use fluss_sim::Version;
use simulation::seeds;
use simulation::states::run;

fn all(version: Version) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let (mut right, mut moved, mut explained) = (0, 0, 0);
    for seed in seeds(1_000, 0, 1) {
        let outcome = run(version, seed, directory.path());
        let outcome = outcome.map_err(|e| format!("SEED={seed}: {e}"))?;
        right += outcome.right;
        moved += outcome.moved;
        explained += outcome.explained;
    }
    println!("{right} states right, the log moved under {moved}; {explained} errors explained");
    Ok(())
}

#[test]
fn by_a_window_of_changes() {
    all(Version::V0_9).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn by_snapshots() {
    all(Version::V1_0).unwrap_or_else(|wrong| panic!("{wrong}"));
}
