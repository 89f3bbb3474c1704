//! Derived deletion vectors, kept between queries.
//!
//! They follow from files that are never written twice, so they stay true as long as a section consists of
//! the same files. A new snapshot has another name for the sections that it changes, and for no others.

use std::future::Future;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use moka::future::Cache;
use roaring::RoaringBitmap;

use crate::error::{LakeError, Result};
use crate::merge_rules::MergeEngine;

/// Everything that the hidden rows of a section follow from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SectionName {
    /// Two stores may hold different files under one path.
    pub(crate) store: String,
    pub(crate) engine: MergeEngine,
    pub(crate) ignore_delete: bool,
    /// Field ids and types of the key columns, in order.
    pub(crate) key: Vec<(Option<i32>, DataType)>,
    /// The same of the sequence fields.
    pub(crate) order: Vec<(Option<i32>, DataType)>,
    /// Path and rows of each file, sorted.
    pub(crate) files: Vec<(String, u64)>,
}

/// Hidden rows of each file of a section, in the order of its name.
pub(crate) type Hidden = Arc<[Arc<RoaringBitmap>]>;

/// What an entry takes besides names and bitmaps, and each of its files, bytes, roughly.
const ENTRY_BYTES: usize = 512;
const FILE_BYTES: usize = 128;

/// Derived deletion vectors of all queries of a process: an extension of the session
/// (`SessionConfig::with_extension`) of those that are to use it. Without it nothing is kept.
///
/// Those that are used often stay. Those that many queries want at once are derived once; when that fails
/// or is cancelled, nothing is kept. Hits and misses are counted by section in
/// `millrace_lake_derived_vector_cache_hits_total` and `…_misses_total`.
#[derive(Debug)]
pub struct DerivedVectorCache {
    sections: Cache<SectionName, Hidden>,
}

impl DerivedVectorCache {
    /// An empty cache that holds at most about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let weigh = |name: &SectionName, hidden: &Hidden| {
            let names = name.files.iter().map(|(path, _)| path.len() + FILE_BYTES).sum::<usize>();
            let bitmaps = hidden.iter().map(|hidden| hidden.serialized_size()).sum::<usize>();
            u32::try_from(ENTRY_BYTES + names + bitmaps).unwrap_or(u32::MAX)
        };
        Self { sections: Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// What is kept of a section, or what `derive` gives.
    pub(crate) async fn get(
        &self,
        name: SectionName,
        derive: impl Future<Output = Result<Hidden>>,
    ) -> Result<Hidden> {
        let derive = async { derive.await.map_err(DataFusionError::from) };
        let entry = self.sections.entry(name).or_try_insert_with(derive).await;
        let entry = entry.map_err(|error| LakeError::Execution(DataFusionError::Shared(error)))?;
        match entry.is_fresh() {
            true => {
                metrics::counter!("millrace_lake_derived_vector_cache_misses_total").increment(1)
            }
            false => {
                metrics::counter!("millrace_lake_derived_vector_cache_hits_total").increment(1)
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

    fn name(file: &str) -> SectionName {
        SectionName {
            store: "file:///".into(),
            engine: MergeEngine::Deduplicate,
            ignore_delete: false,
            key: vec![(Some(0), DataType::Int64)],
            order: vec![],
            files: vec![(file.into(), 9)],
        }
    }

    fn hidden(rows: &[u32]) -> Hidden {
        Arc::new([Arc::new(rows.iter().copied().collect())])
    }

    #[tokio::test]
    async fn a_section_that_many_want_is_derived_once() {
        let cache = DerivedVectorCache::new(1 << 20);
        let derived = AtomicUsize::new(0);
        let get = async |name: SectionName| {
            let derive = async {
                derived.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(hidden(&[7]))
            };
            cache.get(name, derive).await.unwrap()
        };
        let found = join_all((0..20).map(|_| get(name("a")))).await;
        assert!(found.iter().all(|hidden| Arc::ptr_eq(hidden, &found[0])));
        assert_eq!(derived.load(Ordering::Relaxed), 1);
        let others = [
            name("b"),
            SectionName { store: "s3://other".into(), ..name("a") },
            SectionName { ignore_delete: true, ..name("a") },
            SectionName { key: vec![(Some(1), DataType::Int64)], ..name("a") },
            SectionName { order: vec![(Some(2), DataType::Int32)], ..name("a") },
        ];
        let count = others.len();
        join_all(others.into_iter().map(get)).await;
        assert_eq!(derived.load(Ordering::Relaxed), 1 + count);
    }

    #[tokio::test]
    async fn neither_errors_nor_what_was_cancelled_is_kept() {
        let cache = DerivedVectorCache::new(1 << 20);
        let gone = async || {
            tokio::task::yield_now().await;
            Err(LakeError::FileGone { path: "a".into() })
        };
        let found = join_all((0..3).map(|_| cache.get(name("a"), gone()))).await;
        for error in found.into_iter().map(Result::unwrap_err) {
            assert!(error.is_expired(), "{error:?}");
        }
        let mut cancelled = Box::pin(cache.get(name("a"), std::future::pending()));
        assert!(futures::poll!(&mut cancelled).is_pending());
        let waiting = cache.get(name("a"), async { Ok(hidden(&[1])) });
        let (found, ()) = tokio::join!(waiting, async { drop(cancelled) });
        assert_eq!(*found.unwrap()[0], RoaringBitmap::from([1]));
    }

    #[tokio::test]
    async fn bytes_are_bounded() {
        let cache = DerivedVectorCache::new(64 << 10);
        for file in 0..200 {
            let scattered: Vec<u32> = (0..1000).map(|row| row * 3).collect();
            let derive = async { Ok(hidden(&scattered)) };
            cache.get(name(&file.to_string()), derive).await.unwrap();
        }
        cache.sections.run_pending_tasks().await;
        let (held, bytes) = (cache.sections.entry_count(), cache.sections.weighted_size());
        assert!(held > 0 && bytes <= 64 << 10, "{held} entries, {bytes} bytes");
    }
}
