//! What every process does before its real work.
//!
//! * [`config`]: defaults ← file ← environment ← command line, unknown keys are errors
//! * [`telemetry`]: logs and the registry of metrics
//! * [`admin`]: `GET /live`, `/ready`, `/metrics`
//! * [`shutdown`]: signals, and the drain
//!
//! Absent: anything that knows what the process is for.

pub mod admin;
pub mod config;
pub mod shutdown;
pub mod telemetry;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
