//! Reads data files through DataFusion's footer cache, and tells a file that is gone from one that is broken.
//!
//! DataFusion turns an error of the first read of a footer into text, where "not found" can no longer be told
//! apart. So on any error the file is looked for once more.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use crate::error::LakeError;

#[derive(Debug)]
pub(crate) struct LakeReaderFactory {
    pub(crate) cached: CachedParquetFileReaderFactory,
    pub(crate) store: Arc<dyn ObjectStore>,
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
        let inner = self.cached.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(LakeFileReader { inner, store: Arc::clone(&self.store), path }))
    }
}

struct LakeFileReader {
    inner: Box<dyn AsyncFileReader + Send>,
    store: Arc<dyn ObjectStore>,
    path: Path,
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
            let result = self.inner.get_metadata(options).await;
            explain(&self.store, &self.path, result).await
        }
        .boxed()
    }
}
