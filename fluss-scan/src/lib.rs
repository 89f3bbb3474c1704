//! A native read client for Apache Fluss: the stream half of a table, as Arrow batches.
//!
//! Read in this order:
//!
//! * [`options`]: addresses, credentials, limits
//! * [`types`], [`table`]: what Fluss says about a table
//! * [`client`]: metadata, leaders, offsets; [`connection`] and [`messages`] below it, [`network`] below both
//! * [`row`]: rows in binary formats → columns
//! * [`log`]: bounded reads of a bucket's log, local and tiered ([`store`]: where segments are tiered to)
//! * [`kv`]: the current state of a primary-key bucket, and single keys of it ([`key`]: how keys are stored);
//!   [`stats`]: row counts
//! * [`Waiting`]: what a statement waits for
//!
//! Coded against the protocol of Fluss 1.0 and negotiated per connection by ApiVersions, so that 0.9 servers
//! are served too; a call that a server does not list is never sent, because it would never be answered.
//! Every call has a deadline, every frame and buffer a limit that is checked before it is allocated.
//!
//! Absent on purpose: writing, administration, consumer groups, and anything of DataFusion or of the lake.

pub mod client;
mod connection;
mod cursor;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
mod key;
pub mod kv;
pub mod log;
pub mod messages;
pub mod network;
pub mod options;
mod row;
mod stats;
mod store;
pub mod table;
pub mod types;
mod waiting;

#[cfg(test)]
mod tests;

pub use client::{FlussClient, OffsetSpec};
pub use error::{Error, Result};
pub use kv::{FoundRows, KeyLookup, KvScan, KvState};
pub use log::{
    ChangeType, ChangeTypes, Comparison, Filter, FilterValue, LogBatch, LogScan, has_statistics,
    kept_bytes,
};
pub use options::ClientOptions;
pub use table::{Bucket, LakeSnapshot, PartitionInfo, Schema, TableInfo, TablePath};
pub use types::{Column, FlussType};
pub use waiting::Waiting;
