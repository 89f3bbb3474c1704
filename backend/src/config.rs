//! The sections of `conf/backend.toml` that are this crate's.

use serde::{Deserialize, Serialize};

/// `[rpc]`: the port for frontends and other backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rpc {
    /// `host:port`. Other processes must reach it under this name.
    pub listen: String,
}

impl Default for Rpc {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9060".into() }
    }
}

/// `[backend]`: limits of the queries that run here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// Memory of all queries together, bytes.
    pub memory_bytes_max: usize,
    /// Spilled data of all queries together, bytes.
    pub spill_bytes_max: u64,
    /// A query is spread so that each task reads about this much, bytes; 0: over all backends.
    pub task_bytes_min: u64,
    /// Footers and page indexes of lake files that are kept between queries, bytes.
    pub lake_footer_cache_bytes_max: usize,
    /// Decoded deletion vectors of lake files that are kept between queries, bytes.
    pub lake_deletion_vector_cache_bytes_max: u64,
    /// Rows of overlapping lake files that were found to be superseded, kept between queries, bytes.
    pub lake_derived_vector_cache_bytes_max: u64,
    /// Blocks of lake files of remote stores that are kept between queries.
    pub lake_block_cache: LakeBlockCache,
}

/// `[backend.lake_block_cache]`: blocks of lake files of remote stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LakeBlockCache {
    /// Bytes on local disk; 0: nothing is kept.
    pub disk_bytes_max: u64,
    /// Where; empty: in `data_dir`.
    pub directory: String,
    /// Bytes of blocks in memory.
    pub memory_bytes_max: usize,
    /// Length of a block, bytes.
    pub block_bytes: u64,
}

impl Default for LakeBlockCache {
    fn default() -> Self {
        Self {
            disk_bytes_max: 0,
            directory: String::new(),
            memory_bytes_max: 64 << 20,
            block_bytes: 1 << 20,
        }
    }
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            memory_bytes_max: 2 << 30,
            spill_bytes_max: 50 << 30,
            task_bytes_min: 4 << 20,
            lake_footer_cache_bytes_max: 256 << 20,
            lake_deletion_vector_cache_bytes_max: 128 << 20,
            lake_derived_vector_cache_bytes_max: 128 << 20,
            lake_block_cache: LakeBlockCache::default(),
        }
    }
}
