//! Reads of a simulated Fluss in simulated time over a simulated network, one run per seed.
//!
//! A seed makes tables with a history, statements of a client and faults that hit them. Every statement must
//! end in time, with exactly the rows of the model or with an error that a fault of the same run explains. The
//! same seed gives the same run: time is turmoil's, and everything random comes from the seed.
//!
//! Read in this order:
//!
//! * [`model`]: what a bucket holds, kept apart from the server's own books
//! * [`history`]: tables and their past; [`statement`]: what is asked and how an answer is judged,
//!   [`condition`]: the filters in it
//! * [`events`]: what goes wrong meanwhile; [`network`]: hosts and connections
//! * [`run`]: one seed from its beginning to its judgement; [`states`]: the same for states under writes
//! * [`injected`]: one fault at one place, after a run without it that tells which places there are

pub mod condition;
pub mod events;
pub mod history;
pub mod injected;
pub mod model;
pub mod network;
pub mod run;
pub mod statement;
pub mod states;

/// The seeds of a test: of all, or of the one that `SEED` names, or of as many as `SEEDS` says. They are dealt out
/// to so many parts, of which this is one.
pub fn seeds(all: u64, part: u64, parts: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        return if part == 0 { seed..seed + 1 } else { 0..0 };
    }
    let all = number("SEEDS").unwrap_or(all);
    all * part / parts..all * (part + 1) / parts
}
