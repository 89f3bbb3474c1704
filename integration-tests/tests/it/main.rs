//! All integration tests: one binary, so that they share one cluster.

mod block_cache;
mod checker;
mod clients;
mod cluster;
mod faults;
mod lake;
mod lake_s3;
mod lookup;
mod process;
mod s3;
mod stream_cases;
mod stream_faults;
mod tidy;
mod types;
mod union_read;
