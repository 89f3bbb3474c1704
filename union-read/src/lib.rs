//! The product's idea: one table = a lake snapshot + the log that continues it.
//!
//! A Fluss table whose lake is enabled lives twice for a while: the tiering service copies the log
//! into a Paimon table of the same name. For every bucket *b* Fluss records, together with a
//! readable lake snapshot *S*, the offset `o_b` up to which the log is contained in *S*. With `e_b`
//! the end of the log when the statement began:
//!
//! ```text
//! result(b) = fold( lake@S(b)  ∪  log[o_b, e_b) )        each change applied once
//!
//!            log table                       primary-key table
//! t          lake rows + tail rows           lake rows whose key is not in the tail + live tail rows
//! t$lake     lake rows                       lake rows (merged)
//! t$rt       tail rows                       the current state that Fluss holds
//! ```
//!
//! Read in this order:
//!
//! * [`source`]: which Fluss cluster and which lake, from the properties of a catalog
//! * [`catalog`]: databases and tables of a source, as DataFusion catalogs, per statement (`database`: what
//!   both types of catalogs share)
//! * [`read_mode`]: `t`, `t$lake`, `t$rt`; [`read_path`]: which storages `t` is answered from
//! * [`columns`]: the columns of a table and where each half keeps them
//! * [`read_point`]: the cut that a statement reads at, pinned once
//! * [`bucket_read`]: one bucket's share of a read point, the unit that travels
//! * [`plan`]: read point → bucket reads, pruned, each with its way
//! * [`table`]: the DataFusion table
//! * [`lake_catalog`], [`lake_table`]: the same for a lake without Fluss, read at one snapshot
//!   (`bucket_key`: the buckets that a filter leaves)
//! * [`version`]: earlier states of such a table, as names
//! * [`exec`]: the leaf operator, [`codec`]: its bytes between processes
//! * [`merge`]: keys, the fold of a tail, the anti-filter
//!
//! Absent on purpose: no server, no configuration file, no SQL text, no process life-cycle; and
//! nobody re-reads "latest" once a [`read_point::ReadPoint`] is pinned.

mod bucket_key;
pub mod bucket_read;
pub mod catalog;
pub mod codec;
pub mod columns;
mod database;
pub mod error;
pub mod exec;
pub mod lake_catalog;
pub mod lake_table;
pub mod merge;
pub mod plan;
pub mod read_mode;
pub mod read_path;
pub mod read_point;
pub mod source;
pub mod table;
pub mod version;

pub use codec::UnionReadCodec;
pub use error::{Error, Result};
pub use exec::UnionReadExec;
pub use fluss_scan::Waiting;
pub use paimon_scan::{
    BlockCache, BlockCacheError, BlockCacheOptions, DeletionVectorCache, DerivedVectorCache,
    RestServers,
};
pub use read_mode::ReadMode;
pub use read_path::ReadPath;
pub use source::Source;
pub use table::UnionTable;
