//! All integration tests: one binary, so that they share one cluster.

mod clients;
mod cluster;
mod faults;
mod lake;
mod lookup;
mod process;
mod stream_cases;
mod stream_faults;
mod tidy;
mod types;
mod union_read;
