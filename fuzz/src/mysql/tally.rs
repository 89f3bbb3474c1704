//! How many packets were read, and what the largest connection took: printed at the end of a run.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

static PACKETS: AtomicU64 = AtomicU64::new(0);
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// A connection has ended. Where `FUZZ_PACKETS` says so, the run ends with that many packets.
pub fn add(packets: u64, bytes: usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function takes nothing, and does nothing that may not be done at the end of a process.
        unsafe { libc::atexit(print) };
    });
    CONNECTIONS.fetch_add(1, Relaxed);
    BYTES.fetch_max(bytes, Relaxed);
    if PACKETS.fetch_add(packets, Relaxed) + packets >= wanted() {
        print();
        // libFuzzer takes every other exit for a failure
        unsafe { libc::_exit(0) };
    }
}

fn wanted() -> u64 {
    static WANTED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let wanted = std::env::var("FUZZ_PACKETS").ok();
        wanted.map_or(u64::MAX, |n| n.parse().expect("FUZZ_PACKETS is a number"))
    });
    *WANTED
}

extern "C" fn print() {
    let (packets, connections) = (PACKETS.load(Relaxed), CONNECTIONS.load(Relaxed));
    let kib = BYTES.load(Relaxed).div_ceil(1024);
    eprintln!("Tally: {packets} packets, {connections} connections, {kib} KiB the largest");
}
