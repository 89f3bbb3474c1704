//! What is kept of lake files between queries.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::prelude::SessionConfig;
use union_read::{
    BlockCache, BlockCacheError, BlockCacheOptions, DeletionVectorCache, DerivedVectorCache,
    RestServers,
};

use crate::config::{Backend as Section, LakeBlockCache};

/// The caches of a process, which its sessions share.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    vectors: Arc<DeletionVectorCache>,
    derived: Arc<DerivedVectorCache>,
    blocks: Option<Arc<BlockCache>>,
    servers: Arc<RestServers>,
}

impl Caches {
    /// Opens them. Where the disk cannot be used queries run all the same, so that is only warned of.
    ///
    /// # Errors
    /// A size that cannot be served.
    pub(crate) async fn open(section: &Section, data_dir: &Path) -> Result<Self> {
        let vectors = DeletionVectorCache::new(section.lake_deletion_vector_cache_bytes_max);
        let derived = DerivedVectorCache::new(section.lake_derived_vector_cache_bytes_max);
        let blocks = blocks(&section.lake_block_cache, data_dir).await?;
        let servers = Arc::new(RestServers::default());
        Ok(Self { vectors: Arc::new(vectors), derived: Arc::new(derived), blocks, servers })
    }

    /// Hands them to a session.
    pub(crate) fn extend(&self, config: &mut SessionConfig) {
        config.set_extension(Arc::clone(&self.vectors));
        config.set_extension(Arc::clone(&self.derived));
        config.set_extension(Arc::clone(&self.servers));
        if let Some(blocks) = &self.blocks {
            config.set_extension(Arc::clone(blocks));
        }
    }
}

async fn blocks(section: &LakeBlockCache, data_dir: &Path) -> Result<Option<Arc<BlockCache>>> {
    if section.disk_bytes_max == 0 {
        return Ok(None);
    }
    let options = BlockCacheOptions {
        directory: match section.directory.as_str() {
            "" => data_dir.join("lake_blocks"),
            directory => PathBuf::from(directory),
        },
        disk_bytes_max: section.disk_bytes_max,
        memory_bytes_max: section.memory_bytes_max,
        block_bytes: section.block_bytes,
    };
    match BlockCache::open(&options).await {
        Ok(cache) => Ok(Some(Arc::new(cache))),
        Err(error @ BlockCacheError::Option { .. }) => {
            let text = format!("backend.lake_block_cache.{error}");
            Err(Error::new(ErrorKind::InvalidInput, text))
        }
        Err(error @ BlockCacheError::Directory { .. }) => {
            metrics::counter!("millrace_lake_block_cache_errors_total").increment(1);
            tracing::warn!(%error, "blocks of lake files are not kept: queries fetch them anew");
            Ok(None)
        }
    }
}
