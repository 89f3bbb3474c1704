//! A small Fluss in one process, for tests: a coordinator and tablet servers that answer what a reader asks.
//!
//! It behaves as real servers of two versions were seen to behave, awkward sides included: batches come whole
//! from before the offset that was asked for, limits tear the last one, empty batches take offsets, a leader that
//! moved says so, calls that a server does not list are never answered. State is written by its own functions
//! ([`Cluster::append`], [`Cluster::upsert`], …) and every call can be made to fail ([`fault`]).
//!
//! Read in this order:
//!
//! * [`spec`]: what a table looks like; [`Cluster`]: servers, tables and what is done to them
//! * `write`, `bucket`: change logs and states; `log`, `batch`: logs; `encode`, `row`: their bytes; `filter`:
//!   statistics of batches; `remote`: tiered segments
//! * `serve`, `answer`: frames and calls, `api`: which of them; [`fault`], `script`: what goes wrong with them
//! * [`network`]: clients of the cluster without sockets; [`faulty`]: any network, with faults in its bytes
//! * [`cases`]: what a reader must do, over simulated and real clusters alike
//!
//! Time is the runtime's, randomness is seeded: under a simulated clock the same seed gives the same run.

mod answer;
mod api;
mod batch;
mod bucket;
pub mod cases;
mod cluster;
mod encode;
pub mod fault;
pub mod faulty;
mod filter;
mod log;
pub mod network;
mod remote;
mod row;
mod script;
mod serve;
pub mod spec;
mod write;

pub use api::Version;
pub use cluster::{COORDINATOR, Cluster, NodeState};
pub use spec::TableSpec;
pub use write::arrow_schema;

/// The result of what a test does to the cluster.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something that the cluster cannot do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table, partition, bucket or server that is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// Something that real servers refuse too, or that is not simulated.
    #[error("{0}")]
    Refused(String),
    /// Rows that cannot be encoded.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// A file of a remote segment.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
