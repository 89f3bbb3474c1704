//! Reads data files through DataFusion's footer cache and, where there is one, the cache of blocks, and tells a file that is gone from one that is broken.
//!
//! DataFusion turns an error of the first read of a footer into text, where "not found" can no longer be told
//! apart. So on any error the file is looked for once more.
//!
//! The cache knows a footer by the path inside a store, and takes it for valid while size and time of change
//! are the same. Names of data files are unique for ever, but two stores may hold copies of a lake: so the
//! time that it is told stands for the store ([`version`]).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use crate::block_cache::BlockCache;
use crate::block_cache::file::CachedFile;
use crate::error::LakeError;
use crate::read_only::ReadOnly;
use crate::written_names::{self, WrittenNames};

/// What the footer cache is told as the time of change of every file in a store: another one for each store.
pub(crate) fn version(store: &ObjectStoreUrl) -> DateTime<Utc> {
    let mut hasher = DefaultHasher::new();
    store.as_str().hash(&mut hasher);
    // as many bits as any time of `chrono` may have
    DateTime::from_timestamp_millis((hasher.finish() >> 12) as i64).unwrap_or_default()
}

/// Extension of a file of which whole pages are left out. The index of its pages tells which: without it all bytes of
/// its columns would be fetched, and many decompressed to be skipped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByPage;

#[derive(Debug)]
pub(crate) struct LakeReaderFactory {
    pub(crate) footers: Arc<FileMetadataCache>,
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The name of the store.
    pub(crate) url: ObjectStoreUrl,
    /// Where blocks of a remote store are kept.
    pub(crate) blocks: Option<Arc<BlockCache>>,
}

impl LakeReaderFactory {
    /// What the bytes of a file are read from.
    fn store_of(&self, file: &PartitionedFile) -> Arc<dyn ObjectStore> {
        let store = Arc::clone(&self.store);
        match &self.blocks {
            Some(cache) => Arc::new(ReadOnly(CachedFile {
                cache: Arc::clone(cache),
                store,
                url: self.url.clone(),
                meta: file.object_meta.clone(),
            })),
            None => store,
        }
    }
}

impl ParquetFileReaderFactory for LakeReaderFactory {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let path = file.object_meta.location.clone();
        let by_page = file.extension::<ByPage>().is_some();
        let names = file.extension::<WrittenNames>().cloned();
        let (store, footers) = (self.store_of(&file), Arc::clone(&self.footers));
        let cached = CachedParquetFileReaderFactory::new(store, footers);
        let inner = cached.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(LakeFileReader { inner, store: Arc::clone(&self.store), path, by_page, names }))
    }
}

struct LakeFileReader {
    inner: Box<dyn AsyncFileReader + Send>,
    store: Arc<dyn ObjectStore>,
    path: Path,
    by_page: bool,
    names: Option<WrittenNames>,
}

async fn explain<T>(store: &dyn ObjectStore, path: &Path, result: Result<T>) -> Result<T> {
    let Err(error) = result else { return result };
    match store.head(path).await {
        Err(gone @ object_store::Error::NotFound { .. }) => {
            Err(ParquetError::External(Box::new(LakeError::from_store(gone))))
        }
        _ => Err(error),
    }
}

impl AsyncFileReader for LakeFileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let result = self.inner.get_bytes(range).await;
            explain(&self.store, &self.path, result).await
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let result = self.inner.get_byte_ranges(ranges).await;
            explain(&self.store, &self.path, result).await
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let pages = options.filter(|_| self.by_page).cloned();
            let pages = pages.map(|all| all.with_page_index_policy(PageIndexPolicy::Optional));
            let result = self.inner.get_metadata(pages.as_ref().or(options)).await;
            let footer = explain(&self.store, &self.path, result).await?;
            Ok(match &self.names {
                Some(names) => written_names::identify(footer, &names.0)?,
                None => footer,
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Int64Type, Schema};
    use datafusion::execution::TaskContext;
    use datafusion::physical_plan::collect;
    use object_store::memory::InMemory;
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::merge_rules::MergeRules;
    use crate::options::LakeOptions;
    use crate::options::storage::Storage;
    use crate::schema::{LakeSchema, TableKind, field_with_id};
    use crate::{LakeFile, MaskedFile, ScanRequest, scan};

    const PATH: &str = "s3://bucket/data.parquet";

    fn columns(names: [(&str, i32); 2]) -> Arc<Schema> {
        let field = |(name, id)| field_with_id(name, DataType::Int64, true, id);
        Arc::new(Schema::new(names.map(field).to_vec()))
    }

    /// Column `a` (id 0) of the file in the lake at `endpoint`.
    async fn read(context: &Arc<TaskContext>, lake: &LakeOptions, size: u64) -> Vec<i64> {
        let request = ScanRequest {
            lake: Arc::new(lake.clone()),
            schema: LakeSchema {
                id: 0,
                columns: columns([("a", 0), ("b", 1)]),
                primary_key: vec![],
                partition_key: vec![],
                bucket_key: vec![],
                buckets: -1,
                kind: TableKind::Append,
                rules: MergeRules::default(),
            },
            groups: vec![vec![MaskedFile {
                file: LakeFile { path: PATH.into(), size, rows: 1, ..LakeFile::default() },
                hidden: None,
            }]],
            projection: Some(vec![0]),
            filter: None,
            filter_rows: false,
            limit: None,
        };
        let plan = scan(request, context).unwrap();
        let batches = collect(plan, Arc::clone(context)).await.unwrap();
        batches
            .iter()
            .flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    /// T13: files of one path and one size in two stores, whose footers say different things.
    #[tokio::test]
    async fn footers_of_two_stores_are_kept_apart() {
        let context = Arc::new(TaskContext::default());
        let mut lakes = vec![];
        for (endpoint, names) in [("one", [("a", 0), ("b", 1)]), ("two", [("b", 1), ("a", 0)])] {
            let endpoint = format!("http://{endpoint}:9000");
            let options = [("warehouse", "s3://bucket/"), ("s3.endpoint", endpoint.as_str())];
            let lake = LakeOptions::new(options).unwrap();
            let values = [1, 2].map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef);
            let rows = RecordBatch::try_new(columns(names), values.to_vec()).unwrap();
            let mut bytes = vec![];
            let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), None).unwrap();
            writer.write(&rows).unwrap();
            writer.close().unwrap();
            let (size, store) = (bytes.len() as u64, Arc::new(InMemory::new()));
            store.put(&Path::from("data.parquet"), bytes.into()).await.unwrap();
            let url = Storage::of(PATH, &lake).unwrap().url().unwrap();
            context.runtime_env().register_object_store(url.as_ref(), store);
            lakes.push((lake, size));
        }
        assert_eq!(lakes[0].1, lakes[1].1, "the test needs files of one size");
        for _ in 0..2 {
            for ((lake, size), value) in lakes.iter().zip([1, 2]) {
                assert_eq!(read(&context, lake, *size).await, [value]);
            }
        }
    }
}
