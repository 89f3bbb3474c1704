//! Tables written by Java Paimon, read here, against what Paimon's own reader makes of them.
//!
//! `tests/warehouse` and `tests/expected` are written by `testdata/regenerate.sh`; nothing here needs Java.

#![allow(clippy::unwrap_used, clippy::panic)]

mod conformance;
mod failures;
mod filters;
mod forge;
mod masks;
mod oracle;
mod planning;
mod provider;
mod refusals;
mod rest;
mod rest_server;
mod rows;
#[allow(dead_code)]
#[path = "../../../integration-tests/tests/it/s3.rs"]
mod s3;
mod statistics;
mod system;
mod traps;
mod versions;
