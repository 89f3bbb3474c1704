//! Two hundred faults, each at one place. `SEED=n` injects one alone, `SEEDS=n` so many.

use std::sync::atomic::{AtomicUsize, Ordering};

use simulation::injected::{FLIP_ANYWHERE, FLIP_RECORD, KINDS, Outcome, run};
use simulation::seeds;

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn no_fault_makes_a_statement_hang_or_a_row_wrong() {
    // tasks that panic are nobody's error
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        usual(panic);
    }));
    let directory = tempfile::tempdir().unwrap();
    let mut kinds = vec![Outcome::default(); KINDS as usize];
    for seed in seeds(200, 0, 1) {
        let outcome = run(seed, directory.path()).unwrap_or_else(|e| panic!("SEED={seed}: {e}"));
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "SEED={seed}");
        let kind = &mut kinds[(seed % KINDS) as usize];
        kind.right += outcome.right;
        kind.failed += outcome.failed;
        kind.unnoticed += outcome.unnoticed;
    }
    for (kind, outcome) in kinds.iter().enumerate() {
        println!("kind {kind}: {outcome:?}");
        let may_be = [FLIP_ANYWHERE, FLIP_RECORD].contains(&(kind as u64));
        assert!(may_be || outcome.unnoticed == 0);
    }
}
