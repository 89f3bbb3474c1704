//! Decoded deletion vectors, kept between queries.
//!
//! An index file is never written twice, so what was read from a place in it stays true. Its place is not
//! enough of a name: two stores may hold different files under one path.

use std::future::Future;
use std::sync::Arc;

use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::error::DataFusionError;
use moka::future::Cache;
use object_store::path::Path;
use roaring::RoaringBitmap;

use crate::error::Result;
use crate::file::DeletionVectorRef;

/// Where a deletion vector is, over all stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    store: String,
    path: Path,
    offset: u64,
    length: u64,
}

/// What an entry takes besides its name and its bitmap, bytes, roughly.
const ENTRY_BYTES: usize = 256;

/// Deletion vectors that were read from the lake, for all queries of a process: an extension of the session
/// (`SessionConfig::with_extension`) of those that are to use it. Without it nothing is kept.
///
/// Those that are used often stay. One that many queries want at once is read once. Hits and misses are
/// counted in `millrace_lake_deletion_vector_cache_hits_total` and `…_misses_total`.
#[derive(Debug)]
pub struct DeletionVectorCache {
    vectors: Cache<Place, Arc<RoaringBitmap>>,
}

impl DeletionVectorCache {
    /// An empty cache that holds at most about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let weigh = |place: &Place, vector: &Arc<RoaringBitmap>| {
            let name = place.store.len() + place.path.as_ref().len();
            u32::try_from(ENTRY_BYTES + name + vector.serialized_size()).unwrap_or(u32::MAX)
        };
        Self { vectors: Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// The deletion vector that is kept, or what `read` gives. An error is not kept.
    pub(crate) async fn get(
        &self,
        store: &ObjectStoreUrl,
        path: &Path,
        vector: &DeletionVectorRef,
        read: impl Future<Output = Result<RoaringBitmap>>,
    ) -> Result<Arc<RoaringBitmap>, DataFusionError> {
        let place = Place {
            store: store.as_str().to_owned(),
            path: path.clone(),
            offset: vector.offset,
            length: vector.length,
        };
        let read = async { read.await.map(Arc::new).map_err(DataFusionError::from) };
        let entry = self.vectors.entry(place).or_try_insert_with(read).await;
        let entry = entry.map_err(DataFusionError::Shared)?;
        match entry.is_fresh() {
            true => {
                metrics::counter!("millrace_lake_deletion_vector_cache_misses_total").increment(1)
            }
            false => {
                metrics::counter!("millrace_lake_deletion_vector_cache_hits_total").increment(1)
            }
        }
        Ok(entry.into_value())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;
    use crate::error::LakeError;

    fn at(offset: u64) -> DeletionVectorRef {
        DeletionVectorRef { path: "file:/index".into(), offset, length: 9, cardinality: None }
    }

    fn store(name: &str) -> ObjectStoreUrl {
        ObjectStoreUrl::parse(format!("s3-{name}://bucket")).unwrap()
    }

    #[tokio::test]
    async fn a_vector_that_many_want_is_read_once_per_store_and_place() {
        let cache = DeletionVectorCache::new(1 << 20);
        let (path, reads) = (Path::from("index"), AtomicUsize::new(0));
        let get = async |name: &str, offset: u64| {
            let read = async {
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(RoaringBitmap::from([offset as u32, name.len() as u32]))
            };
            cache.get(&store(name), &path, &at(offset), read).await.unwrap()
        };
        let found = join_all((0..20).map(|_| get("one", 7))).await;
        assert!(found.iter().all(|vector| Arc::ptr_eq(vector, &found[0])));
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        assert_eq!(*get("other", 7).await, RoaringBitmap::from([5, 7]));
        assert_eq!(*get("one", 8).await, RoaringBitmap::from([3, 8]));
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn errors_are_told_to_all_and_not_kept() {
        let cache = DeletionVectorCache::new(1 << 20);
        let (path, one, place) = (Path::from("index"), store("one"), at(1));
        let gone = async || {
            tokio::task::yield_now().await;
            Err(LakeError::FileGone { path: "index".into() })
        };
        let found = join_all((0..3).map(|_| cache.get(&one, &path, &place, gone()))).await;
        for error in found.into_iter().map(Result::unwrap_err) {
            assert!(LakeError::find(&error).is_some_and(LakeError::is_expired), "{error:?}");
        }
        let read = async { Ok(RoaringBitmap::from([1])) };
        assert!(cache.get(&one, &path, &place, read).await.is_ok());
    }

    #[tokio::test]
    async fn bytes_are_bounded() {
        let cache = DeletionVectorCache::new(64 << 10);
        for offset in 0..100 {
            // scattered, so that a kilobyte is needed for them
            let read = async { Ok((0..1000u32).map(|row| row * 3).collect()) };
            cache.get(&store("one"), &Path::from("index"), &at(offset), read).await.unwrap();
        }
        cache.vectors.run_pending_tasks().await;
        let (held, bytes) = (cache.vectors.entry_count(), cache.vectors.weighted_size());
        assert!(held > 0 && bytes <= 64 << 10, "{held} entries, {bytes} bytes");
    }
}
