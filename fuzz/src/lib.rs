//! Everything of `fluss-scan` that sees bytes of a server, and the MySQL port that sees bytes of clients, against bytes that nobody
//! meant.
//!
//! A target takes an input or refuses it with an error. It may not panic, hang, reserve memory without a limit, or
//! hand on what contradicts itself. Targets, from the outside in:
//!
//! * [`connection`]: frames as they are, the handshake included
//! * [`calls`]: answers to every call of the client, under a right request id
//! * [`remote_segment`]: a log segment in remote storage
//! * [`messages`], [`table_json`], [`log_batches`], [`kv_values`]: single decoders, many times faster
//! * [`mysql`]: clients of the MySQL port, before and behind their login
//!
//! [`seeds`] writes what they begin with, from recorded frames of real servers. `fuzz/run` builds and runs all of it.

mod client;
mod decoders;
mod memory;
pub mod mysql;
mod network;
mod records;
mod remote;
mod seeds;
mod tables;

pub use client::{calls, connection};
pub use decoders::{kv_values, log_batches, messages, table_json};
pub use remote::remote_segment;

/// Before the first input of a target: writes its seeds into the directory that `FUZZ_SEEDS` names.
pub fn start(target: &str) {
    if let Some(directory) = std::env::var_os("FUZZ_SEEDS") {
        let directory = std::path::PathBuf::from(directory);
        if let Err(error) = seeds::write(target, &directory) {
            panic!("seeds of {target} in {}: {error}", directory.display());
        }
    }
}
