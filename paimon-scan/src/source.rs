//! DataFusion's Parquet source, with masks.
//!
//! [`LakeSource`] delegates everything and adds one thing: when a file is opened, its deletion vector is
//! loaded, joined with the mask that came with the file, and either handed to the Parquet reader as a row
//! selection or applied to the rows that it gives (see [`crate::mask`]).
//!
//! It fails closed in three ways: a file without its lake part is an error, so is a file whose
//! row count is not what the metadata said, and datafusion-proto refuses to serialise the source (a plain
//! Parquet scan would travel and silently lose its masks).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{
    EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::TableSchema;
use datafusion_datasource::morsel::{MorselPlan, MorselPlanner, Morselizer};
use futures::FutureExt;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::RowSelection;
use roaring::RoaringBitmap;

use crate::deletion_vector;
use crate::deletion_vector_cache::DeletionVectorCache;
use crate::file::DeletionVectorRef;
use crate::mask::{self, Mask};
use crate::positions::{Masking, with_positions};
use crate::reader::ByPage;

/// What a file needs besides its bytes; an extension of `PartitionedFile`.
#[derive(Debug, Clone)]
pub(crate) struct FileMask {
    pub(crate) rows: u64,
    pub(crate) deletion_vector: Option<(Path, DeletionVectorRef)>,
    pub(crate) hidden: Option<Arc<RoaringBitmap>>,
    /// The rows to read.
    pub(crate) part: Range<u64>,
}

impl FileMask {
    /// Whether every row is visible.
    fn is_empty(&self) -> bool {
        self.deletion_vector.is_none() && self.hidden.is_none() && !self.is_part()
    }

    /// Whether only some rows are to be read.
    pub(crate) fn is_part(&self) -> bool {
        self.part != (0..self.rows)
    }
}

/// The file source of every lake scan. Made by [`crate::scan`].
#[derive(Clone)]
pub struct LakeSource {
    inner: Arc<dyn FileSource>,
    vectors: DeletionVectors,
}

/// Where the deletion vectors of a scan come from.
#[derive(Debug, Clone)]
pub(crate) struct DeletionVectors {
    /// The name of the store.
    pub(crate) url: ObjectStoreUrl,
    pub(crate) cache: Option<Arc<DeletionVectorCache>>,
}

impl DeletionVectors {
    async fn load(
        &self,
        store: &dyn ObjectStore,
        (path, vector): &(Path, DeletionVectorRef),
        rows: u64,
    ) -> Result<Arc<RoaringBitmap>> {
        let read = deletion_vector::read(store, path, vector);
        let found = match &self.cache {
            Some(cache) => cache.get(&self.url, path, vector, read).await?,
            None => Arc::new(read.await?),
        };
        deletion_vector::check(&found, path, vector, rows)?;
        Ok(found)
    }
}

impl LakeSource {
    pub(crate) fn new(inner: Arc<dyn FileSource>, vectors: DeletionVectors) -> Self {
        Self { inner, vectors }
    }

    /// The same around another source.
    pub(crate) fn around(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { inner, vectors: self.vectors.clone() })
    }

    /// Nested columns are rewritten per file; the reader drops a conjunct whose rewritten form it cannot
    /// push, after having promised to apply it. So none of them is handed in.
    pub(crate) fn may_push(&self, filter: &Arc<dyn PhysicalExpr>) -> bool {
        let schema = self.inner.table_schema().table_schema();
        let flat = |name: &str| {
            schema.field_with_name(name).is_ok_and(|field| !field.data_type().is_nested())
        };
        collect_columns(filter).iter().all(|column| flat(column.name()))
    }
}

impl FileSource for LakeSource {
    fn create_file_opener(
        &self,
        _store: Arc<dyn ObjectStore>,
        _config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        // An opener would read the file without its mask.
        exec_err!("a lake file is opened by its morselizer only")
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let open = |source: &Arc<dyn FileSource>, config: &FileScanConfig| {
            source.create_morselizer(Arc::clone(&store), config, partition).map(Arc::from)
        };
        let plain = open(&self.inner, config)?;
        let is_masked = |file: &PartitionedFile| {
            file.extension::<FileMask>().is_some_and(|mask| !mask.is_empty())
        };
        let masked = config.file_groups.iter().flat_map(|group| group.iter()).any(is_masked);
        let positions = if masked { with_positions(&self.inner)? } else { None };
        let positions = match positions {
            Some((source, schema)) => {
                // the reader would count rows that the mask hides
                let mut config = config.clone();
                config.limit = None;
                let metric = MetricBuilder::new(self.inner.metrics());
                let masked = metric.counter("rows_masked", partition);
                Some(Positions { morselizer: open(&source, &config)?, schema, masked })
            }
            None => None,
        };
        Ok(Box::new(LakeMorselizer { plain, positions, store, vectors: self.vectors.clone() }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.around(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        "lake-parquet"
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.inner.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        file_min_size: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        self.inner.repartitioned(target_partitions, file_min_size, ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let pushed: Vec<bool> = filters.iter().map(|filter| self.may_push(filter)).collect();
        let candidates =
            filters.into_iter().zip(&pushed).filter(|(_, push)| **push).map(|(filter, _)| filter);
        let answer = self.inner.try_pushdown_filters(candidates.collect(), config)?;
        let mut answers = answer.filters.into_iter();
        let filters = pushed.iter().map(|pushed| match pushed {
            true => answers.next().unwrap_or(PushedDown::No),
            false => PushedDown::No,
        });
        Ok(FilterPushdownPropagation {
            filters: filters.collect(),
            updated_node: answer.updated_node.map(|inner| self.around(inner)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self.inner.try_pushdown_sort(order, properties)?.map(|inner| self.around(inner)))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.inner.try_pushdown_projection(projection)?.map(|inner| self.around(inner)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

#[derive(Debug)]
struct LakeMorselizer {
    plain: Arc<dyn Morselizer>,
    positions: Option<Positions>,
    store: Arc<dyn ObjectStore>,
    vectors: DeletionVectors,
}

/// Reads files with the positions of their rows.
#[derive(Debug, Clone)]
struct Positions {
    morselizer: Arc<dyn Morselizer>,
    /// Without them.
    schema: SchemaRef,
    masked: Count,
}

impl Morselizer for LakeMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        match file.extension::<FileMask>() {
            None => exec_err!("lake file {} without its lake part", file.path()),
            Some(mask) if mask.is_empty() => self.plain.plan_file(file),
            Some(mask) => Ok(Box::new(MaskPlanner {
                mask: mask.clone(),
                plain: Arc::clone(&self.plain),
                positions: self.positions.clone(),
                store: Arc::clone(&self.store),
                vectors: self.vectors.clone(),
                file,
            })),
        }
    }
}

/// Loads what hides rows, then plans the file without them.
#[derive(Debug)]
struct MaskPlanner {
    mask: FileMask,
    plain: Arc<dyn Morselizer>,
    positions: Option<Positions>,
    store: Arc<dyn ObjectStore>,
    vectors: DeletionVectors,
    file: PartitionedFile,
}

impl MaskPlanner {
    async fn hidden(&self) -> Result<Arc<RoaringBitmap>> {
        let (rows, more) = (self.mask.rows, &self.mask.hidden);
        let Some(vector) = &self.mask.deletion_vector else {
            return Ok(more.clone().unwrap_or_default());
        };
        let deleted = self.vectors.load(&self.store, vector, rows).await?;
        Ok(match more {
            Some(more) => Arc::new(deleted.as_ref() | more.as_ref()),
            None => deleted,
        })
    }

    async fn masked(self) -> Result<Box<dyn MorselPlanner>> {
        let hidden = self.hidden().await?;
        let (part, rows) = (self.mask.part.clone(), self.mask.rows);
        // positions have 32 bits, and a part is not empty
        let in_part = part.start as u32..=part.end.saturating_sub(1) as u32;
        if hidden.range_cardinality(in_part) == part.end - part.start {
            return Ok(Box::new(NothingLeft));
        }
        let is_part = self.mask.is_part();
        let select = |selection: RowSelection| {
            let by_page = is_part || mask::leaves_out_pages(&selection);
            let file = self.file.with_extension(ParquetRowSelection::new(selection));
            if by_page { file.with_extension(ByPage) } else { file }
        };
        match (Mask::of(&hidden, &part, rows, self.positions.is_some()), self.positions) {
            (Mask::Bits(mask), Some(Positions { morselizer, schema, masked })) => {
                let inner = morselizer.plan_file(select(mask::only(&part, rows)))?;
                Ok(Masking { mask: Arc::new(mask), schema, masked }.planner(inner))
            }
            (Mask::Selection(selection), _) => self.plain.plan_file(select(selection)),
            (Mask::Bits(_), None) => exec_err!("a bit mask without positions"),
        }
    }
}

impl MorselPlanner for MaskPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(Some(MorselPlan::new().with_pending_planner(self.masked().boxed())))
    }
}

/// Every row is hidden: the file is not opened.
#[derive(Debug)]
struct NothingLeft;

impl MorselPlanner for NothingLeft {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        Ok(None)
    }
}
