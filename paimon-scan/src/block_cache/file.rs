//! A store of one data file, whose blocks are kept: what a reader of that file is given in place of its store.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::datasource::object_store::ObjectStoreUrl;
use futures::{FutureExt, StreamExt, stream};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result,
};

use super::{BlockCache, BlockName};
use crate::read_only::Reads;

/// A data file of a store, read through a cache.
#[derive(Debug, Clone)]
pub(crate) struct CachedFile {
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The name of the store, which tells stores with different credentials apart.
    pub(crate) url: ObjectStoreUrl,
    /// As the metadata says: path and length.
    pub(crate) meta: ObjectMeta,
}

impl CachedFile {
    /// Another version of these names, or of what is kept under them, takes another number.
    const VERSION: u32 = 1;

    /// What its blocks are known by. No two places have one name: a store's has no line break, and the path is the rest.
    pub(super) fn name(&self, block: u64) -> BlockName {
        let (version, bytes) = (Self::VERSION, self.cache.block_bytes);
        let (url, size, path) = (self.url.as_str(), self.meta.size, &self.meta.location);
        format!("{version}\n{bytes}\n{block}\n{size}\n{url}\n{path}").into_bytes()
    }

    /// The range that such a request is for, if it is one that blocks answer.
    fn plain(&self, location: &Path, options: &GetOptions) -> Option<Range<u64>> {
        let Some(GetRange::Bounded(range)) = &options.range else {
            return None;
        };
        let GetOptions { head, version, if_match, if_none_match, .. } = options;
        let conditions = if_match.is_some()
            || if_none_match.is_some()
            || options.if_modified_since.is_some()
            || options.if_unmodified_since.is_some();
        let plain = !head && version.is_none() && !conditions;
        (plain && self.holds(location, range)).then(|| range.clone())
    }

    fn holds(&self, location: &Path, range: &Range<u64>) -> bool {
        *location == self.meta.location && range.start < range.end && range.end <= self.meta.size
    }
}

impl fmt::Display for CachedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks of {} in {}", self.meta.location, self.store)
    }
}

#[async_trait]
impl Reads for CachedFile {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(range) = self.plain(location, &options) else {
            return self.store.get_opts(location, options).await;
        };
        let bytes = self.read(std::slice::from_ref(&range)).await?.remove(0);
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async { Ok(bytes) }.boxed()).boxed()),
            meta: self.meta.clone(),
            range,
            attributes: Default::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match ranges.iter().all(|range| self.holds(location, range)) {
            true => self.read(ranges).await,
            false => self.store.get_ranges(location, ranges).await,
        }
    }
}
