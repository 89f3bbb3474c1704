//! The same seed gives the same run.

use simulation::run::run;

#[test]
fn a_seed_gives_the_same_run_again() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..60 {
        let first = run(seed, directory.path()).unwrap();
        let second = run(seed, directory.path()).unwrap();
        assert_eq!(first, second, "SEED={seed}");
    }
}
