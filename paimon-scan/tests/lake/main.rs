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
mod rows;
mod system;
mod traps;
mod versions;
