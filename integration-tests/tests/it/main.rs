//! All integration tests: one binary, so that they share one cluster.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod bi;
mod block_cache;
mod checker;
mod clients;
mod cluster;
mod connections;
mod constants;
mod faults;
mod lake;
mod lake_rest;
mod lake_s3;
mod lake_statistics;
mod lookup;
mod process;
mod regressions;
#[allow(dead_code)]
#[path = "../../../paimon-scan/tests/lake/rest_server.rs"]
mod rest_server;
mod s3;
mod simulated;
mod stream_cases;
mod stream_faults;
mod tidy;
mod tls;
mod types;
mod union_read;
mod views;
