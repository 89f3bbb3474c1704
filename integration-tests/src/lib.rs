//! The laboratory: a real Apache Fluss cluster with a real Paimon lake, for tests and for the demo.
//!
//! In reading order:
//!
//! - [`Cluster`] and [`ClusterOptions`]: ZooKeeper, coordinator, tablet servers and the official Flink tiering job as
//!   child processes; verbs on them ([`Node`]); tables ([`TableSpec`]); waiting for the lake, KV snapshots and remote
//!   log segments.
//! - [`Writer`] and [`Value`]: rows written with `fluss-rs`, which shares no code with our reader;
//!   [`writer_process`]: the same in a process that can be killed.
//! - [`Cluster::oracle`]: Flink's batch union read as a second opinion. [`Cluster::java`]: programs over Fluss's own client.
//! - [`Deployment`]: Millrace itself as processes over such a cluster.
//! - [`shared_cluster`]: one cluster for all tests of a binary.
//! - [`checker`]: writers that know what they wrote, readers whose every answer is judged by it; `src/bin/checker.rs`
//!   is the command.
//! - [`chaos`]: faults at random while the checker judges, and the ledger of all such runs.
//! - [`holes`]: what Fluss itself has lost of a log.
//! - [`demo`]: the tables and the endless writer of the demo; [`show`]: the demo itself.
//! - `src/bin/lab.rs`: the same from the command line. `lab/`: the artifacts, fetched with Maven.
//!
//! Deliberately absent: Docker; a simulated Fluss; anything that reads rows with our own code inside this process
//! (`tests/it/types.rs` does, to compare single values).

mod artifacts;
pub mod chaos;
pub mod checker;
mod cluster;
mod command;
pub mod demo;
pub mod deployment;
mod error;
pub mod holes;
mod java;
mod oracle;
mod process;
mod shared;
pub mod show;
mod value;
mod wait;
mod watchdog;
mod writer;
pub mod writer_process;

pub use artifacts::package_directory;
pub use cluster::{
    BucketKey, Cluster, ClusterOptions, Credentials, Node, Offsets, ReadableSnapshot, TableSpec,
    connect,
};
pub use command::run_command;
pub use deployment::Deployment;
pub use error::{LabError, Result};
pub use oracle::Rows;
pub use shared::shared_cluster;
pub use value::Value;
pub use writer::Writer;
