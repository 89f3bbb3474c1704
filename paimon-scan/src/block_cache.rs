//! Blocks of data files of remote stores, kept in memory and on local disk between queries.
//!
//! A data file is never written twice, so a block of it stays true. What it is known by is more than its path: the
//! store with its credentials (two may hold different files under one path), the length that the metadata gives (a file
//! of another length is another file) and the length of blocks.
//!
//! Nothing that is kept can change an answer. A block is kept with a checksum and its full name, and both are compared
//! when it is read back: one that is torn, overwritten or damaged counts as absent. A file whose length in the store is
//! not that of the metadata is not kept, and is an error.
//!
//! Reading order: here, `file` (the seam to readers: a store of one file), `read` (which blocks are there, which are
//! fetched, by whom), `admission` (what is worth the disk), `directory` (where it is).

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, DeviceBuilder, Event, EventListener, FsDeviceBuilder, HybridCache,
    HybridCacheBuilder, HybridCachePolicy, HybridCacheProperties, Location, PsyncIoEngineConfig,
    RecoverMode, Source,
};
use parking_lot::Mutex;

use admission::Admission;
use directory::{Directory, Layout};
use read::Flights;

/// How large a cache is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockCacheOptions {
    /// A directory that no other cache uses; made when it is not there.
    pub directory: PathBuf,
    /// Bytes on disk. They are taken when the cache is opened.
    pub disk_bytes_max: u64,
    /// Bytes of blocks in memory.
    pub memory_bytes_max: usize,
    /// Length of a block: what is fetched at least.
    pub block_bytes: u64,
}

impl BlockCacheOptions {
    /// Shorter blocks are more bookkeeping than data.
    pub const BLOCK_BYTES_MIN: u64 = 64 << 10;
    /// Longer ones do not fit into the buffer for writing.
    pub const BLOCK_BYTES_MAX: u64 = 4 << 20;
    /// Blocks that fit on disk, at least.
    pub const DISK_BLOCKS_MIN: u64 = 64;
    /// Blocks that fit in memory, at least.
    pub const MEMORY_BLOCKS_MIN: u64 = 8;

    fn check(&self) -> Result<(), BlockCacheError> {
        let wrong = |option, problem| Err(BlockCacheError::Option { option, problem });
        if !(Self::BLOCK_BYTES_MIN..=Self::BLOCK_BYTES_MAX).contains(&self.block_bytes) {
            let (min, max) = (Self::BLOCK_BYTES_MIN, Self::BLOCK_BYTES_MAX);
            return wrong("block_bytes", format!("must be {min} to {max}"));
        }
        if self.disk_bytes_max / self.block_bytes < Self::DISK_BLOCKS_MIN {
            let min = Self::DISK_BLOCKS_MIN * self.block_bytes;
            return wrong("disk_bytes_max", format!("must be 0 or at least {min}"));
        }
        if (self.memory_bytes_max as u64) < Self::MEMORY_BLOCKS_MIN * self.block_bytes {
            let min = Self::MEMORY_BLOCKS_MIN * self.block_bytes;
            return wrong("memory_bytes_max", format!("must be at least {min}"));
        }
        Ok(())
    }
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum BlockCacheError {
    /// A size that cannot be served.
    #[error("{option} {problem}")]
    Option {
        /// The name of the option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The directory cannot be used: not writable, no space, in use by another process.
    #[error("{path}: {problem}")]
    Directory {
        /// The directory.
        path: String,
        /// Why not.
        problem: String,
    },
}

/// What a block is known by.
type BlockName = Vec<u8>;

/// A cache for all queries of a process: an extension of the session (`SessionConfig::with_extension`) of those that are
/// to use it, in an `Arc`. Without it nothing is kept. It outlives the process: the next one that opens the directory
/// finds what was written.
///
/// `millrace_lake_block_cache_hits_total` (by `from`: memory, disk) and `…_misses_total` count blocks,
/// `…_served_bytes_total` what readers were given, `…_fetched_bytes_total` what was asked of stores for it,
/// `…_evictions_total` blocks that left memory, `…_errors_total` what could not be read back.
pub struct BlockCache {
    blocks: HybridCache<BlockName, Bytes>,
    block_bytes: u64,
    admission: Mutex<Admission>,
    flights: Mutex<Flights>,
    /// Held for as long as blocks are written.
    _directory: Directory,
}

/// Bytes that wait to be written, and bytes of each of two buffers for writing: what comes on top is not kept on disk.
const WRITE_BYTES_MAX: usize = 16 << 20;
const WRITE_BUFFER_BYTES: usize = 8 << 20;

impl BlockCache {
    /// Opens a cache, with what it held before.
    ///
    /// # Errors
    /// Options that cannot be served; a directory that cannot be used.
    pub async fn open(options: &BlockCacheOptions) -> Result<Self, BlockCacheError> {
        options.check()?;
        let unusable = |problem: String| BlockCacheError::Directory {
            path: options.directory.display().to_string(),
            problem,
        };
        let layout = Layout::of(options);
        let directory = Directory::take(&options.directory, &layout);
        let directory = directory.map_err(|error| unusable(error.to_string()))?;
        let blocks = open(options, &layout, &directory).await;
        let blocks = blocks.map_err(|error| unusable(error.to_string()))?;
        directory.reserve(&layout).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            blocks,
            block_bytes: options.block_bytes,
            admission: Mutex::new(Admission::new(layout.bytes(), options.block_bytes)),
            flights: Mutex::new(Flights { next: 0, running: HashMap::new() }),
            _directory: directory,
        })
    }

    /// Bytes of blocks in memory.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.memory().usage()
    }

    /// Resolves when what was fetched so far is written, or will never be.
    pub async fn written(&self) {
        self.blocks.storage().wait().await;
    }

    /// The block of that name, if it is there and has that many bytes.
    async fn get(&self, name: &BlockName, bytes: u64) -> Option<Bytes> {
        match self.blocks.get(name).await {
            Ok(Some(entry)) if entry.value().len() as u64 == bytes => {
                let from = match entry.source() {
                    Source::Disk => "disk",
                    _ => "memory",
                };
                metrics::counter!("millrace_lake_block_cache_hits_total", "from" => from)
                    .increment(1);
                Some(entry.value().clone())
            }
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => {
                metrics::counter!("millrace_lake_block_cache_errors_total").increment(1);
                None
            }
        }
    }

    fn put(&self, name: &BlockName, block: Bytes) {
        let hash = self.blocks.memory().hash(name);
        let location = match self.admission.lock().admit(hash, block.len() as u64) {
            true => Location::Default,
            false => Location::InMem,
        };
        let properties = HybridCacheProperties::default().with_location(location);
        self.blocks.insert_with_properties(name.clone(), block, properties);
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.memory_bytes();
        f.debug_struct("BlockCache").field("memory_bytes", &bytes).finish_non_exhaustive()
    }
}

async fn open(
    options: &BlockCacheOptions,
    layout: &Layout,
    directory: &Directory,
) -> foyer::Result<HybridCache<BlockName, Bytes>> {
    let device = FsDeviceBuilder::new(directory.path());
    let device = device.with_capacity(layout.bytes() as usize).build()?;
    let engine = BlockEngineConfig::new(device)
        .with_block_size(layout.region_bytes as usize)
        .with_buffer_pool_size(WRITE_BUFFER_BYTES)
        .with_submit_queue_size_threshold(WRITE_BYTES_MAX);
    let of_shard = options.block_bytes * BlockCacheOptions::MEMORY_BLOCKS_MIN;
    let shards = (options.memory_bytes_max as u64 / of_shard).clamp(1, 8);
    HybridCacheBuilder::new()
        .with_name("lake_blocks")
        // not when they leave memory: a process that ends would lose what is in it
        .with_policy(HybridCachePolicy::WriteOnInsertion)
        .with_flush_on_close(false)
        .with_event_listener(Arc::new(Evictions))
        .memory(options.memory_bytes_max)
        .with_shards(shards as usize)
        .with_weighter(|name: &BlockName, block: &Bytes| name.len() + block.len())
        .storage()
        .with_io_engine_config(PsyncIoEngineConfig::new())
        .with_engine_config(engine)
        .with_recover_mode(RecoverMode::Quiet)
        .build()
        .await
}

struct Evictions;

impl EventListener for Evictions {
    type Key = BlockName;
    type Value = Bytes;

    fn on_leave(&self, reason: Event, _: &BlockName, _: &Bytes) {
        if reason == Event::Evict {
            metrics::counter!("millrace_lake_block_cache_evictions_total").increment(1);
        }
    }
}

mod admission;
mod directory;
pub(crate) mod file;
mod read;

#[cfg(test)]
mod tests;
