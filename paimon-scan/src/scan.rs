//! From files to a physical plan: `DataSourceExec` over [`LakeSource`] over DataFusion's Parquet source.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::utils::split_conjunction;
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_datasource::TableSchema;
use object_store::ObjectMeta;
use roaring::RoaringBitmap;

use crate::block_cache::BlockCache;
use crate::bounds;
use crate::deletion_vector_cache::DeletionVectorCache;
use crate::error::{LakeError, Result};
use crate::field_id::FieldIdAdapterFactory;
use crate::file::LakeFile;
use crate::options::LakeOptions;
use crate::options::storage::{self, Storage};
use crate::reader::{self, LakeReaderFactory};
use crate::schema::{LakeSchema, field_id};
use crate::source::{DeletionVectors, FileMask, LakeSource};
use crate::store;
use crate::written_names::{self, WrittenNames};

/// Read at once from the end of a file that is opened for the first time: most footers are shorter, and with
/// a store far away a second read costs more than the bytes.
const FOOTER_BYTES: usize = 64 << 10;

/// A file and the rows of it that are hidden besides those of its own deletion vector.
#[derive(Debug, Clone)]
pub struct MaskedFile {
    /// The file.
    pub file: LakeFile,
    /// Rows to hide, by position. Must be what [`crate::derive_deletion_vectors`] gave for a file whose
    /// `section` is set (more rows may be added to it).
    pub hidden: Option<Arc<RoaringBitmap>>,
}

/// The scan of some files of one table.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Where the files are.
    pub lake: Arc<LakeOptions>,
    /// The table's schema, as planned.
    pub schema: LakeSchema,
    /// Files by partition of the plan: one group is read by one task, in order.
    pub groups: Vec<Vec<MaskedFile>>,
    /// Positions of the columns to read, in the order of the output; all when `None`.
    pub projection: Option<Vec<usize>>,
    /// A condition over the columns of `schema`, by name. Files, row groups and pages it excludes are
    /// skipped. Rows that do not meet it may still come out: the caller filters again.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Whether to apply `filter` while decoding as well, before the other columns are read.
    pub filter_rows: bool,
    /// Stop after so many rows; not used when there is a filter.
    pub limit: Option<usize>,
}

/// Builds the physical scan. Files are opened when it runs; batch size, page index, bloom filters and
/// pruning follow the session's `execution.parquet` options, footers are cached in the session's runtime, deletion
/// vectors in its [`DeletionVectorCache`], blocks of remote stores in its [`BlockCache`].
///
/// Errors of execution hold a [`LakeError`] (see [`LakeError::find`]) where the lake is their cause.
///
/// # Errors
/// `Unsupported` for files in two stores, `Corrupt` for contradictory files and for files that must be
/// resolved by key and come without what hides their superseded rows.
pub fn scan(request: ScanRequest, context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    for masked in request.groups.iter().flatten() {
        if masked.file.section.is_some() && masked.hidden.is_none() {
            let path = &masked.file.path;
            return Err(LakeError::corrupt(format!("file {path:?} was not resolved by key")));
        }
    }
    let required = request.schema.partition_key.iter();
    let fields = request.schema.columns.fields();
    let required = required.filter_map(|column| field_id(&fields[*column])).collect();
    Scan { columns: Arc::clone(&request.schema.columns), required, in_order: false }
        .build(request, context)
}

/// A scan of any columns that files may hold.
pub(crate) struct Scan {
    /// Columns to find in the files.
    pub(crate) columns: SchemaRef,
    /// Field ids that must be found.
    pub(crate) required: HashSet<i32>,
    /// Whether rows must come in the order of the file.
    pub(crate) in_order: bool,
}

impl Scan {
    pub(crate) fn build(
        self,
        request: ScanRequest,
        context: &TaskContext,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let placed = Placed::of(&request, &self.columns)?;
        let source = self.source(&request, &placed.storage, context)?;
        let adapter = FieldIdAdapterFactory { required: Arc::new(self.required) };
        let limit = request.limit.filter(|_| request.filter.is_none());
        let config = FileScanConfigBuilder::new(placed.url, source)
            .with_file_groups(placed.groups)
            .with_statistics(placed.statistics)
            .with_limit(limit)
            .with_preserve_order(self.in_order)
            .with_expr_adapter(Some(Arc::new(adapter)))
            .with_projection_indices(request.projection)?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn source(
        &self,
        request: &ScanRequest,
        storage: &Storage,
        context: &TaskContext,
    ) -> Result<Arc<dyn FileSource>> {
        let runtime = context.runtime_env();
        let blocks = context.session_config().get_extension::<BlockCache>();
        let store = store::open(storage, context)?;
        let reader = LakeReaderFactory {
            footers: runtime.cache_manager.get_file_metadata_cache(),
            store,
            url: storage.url()?,
            blocks: blocks.filter(|_| storage.is_remote()),
        };
        let mut options = datafusion::common::config::TableParquetOptions::default();
        options.global = context.session_config().options().execution.parquet.clone();
        // INT96 (timestamps with nanoseconds) wraps silently outside 1677–2262 when read as nanoseconds.
        options.global.coerce_int96 = Some("us".into());
        options.global.coerce_int96_tz = Some("UTC".into());
        options.global.binary_as_string = false;
        options.global.pushdown_filters = request.filter_rows;
        let source = ParquetSource::new(TableSchema::builder(Arc::clone(&self.columns)).build())
            .with_table_parquet_options(options)
            .with_metadata_size_hint(FOOTER_BYTES)
            .with_parquet_file_reader_factory(Arc::new(reader));
        let cache = context.session_config().get_extension::<DeletionVectorCache>();
        let vectors = DeletionVectors { url: storage.url()?, cache };
        let lake = LakeSource::new(Arc::new(source.clone()), vectors);
        let filter = request.filter.iter().flat_map(split_conjunction);
        let pushed = filter.filter(|part| lake.may_push(part)).map(Arc::clone);
        Ok(match conjunction_opt(pushed) {
            Some(predicate) => lake.around(Arc::new(source.with_predicate(predicate))),
            None => Arc::new(lake),
        })
    }
}

/// Files of a request where the engine looks for them.
struct Placed {
    storage: Storage,
    url: ObjectStoreUrl,
    groups: Vec<FileGroup>,
    statistics: Statistics,
}

impl Placed {
    fn of(request: &ScanRequest, columns: &SchemaRef) -> Result<Self> {
        let first = request.groups.iter().flatten().next();
        let path = first.map_or(request.lake.root(), |masked| &masked.file.path);
        let storage = Storage::of(path, &request.lake)?;
        let names = WrittenNames(Arc::new(written_names::of_arrow(columns.fields())));
        let place = |masked: &MaskedFile| place(masked, request, columns, &names, &storage);
        let groups = request
            .groups
            .iter()
            .map(|group| group.iter().map(place).collect::<Result<Vec<_>>>().map(FileGroup::new));
        let mut groups = groups.collect::<Result<Vec<_>>>()?;
        if groups.is_empty() {
            // a plan has at least one partition
            groups.push(FileGroup::default());
        }
        let rows: Option<u64> = request.groups.iter().flatten().map(visible_rows).sum();
        let statistics = Statistics {
            num_rows: rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize)),
            total_byte_size: Precision::Absent,
            column_statistics: vec![ColumnStatistics::new_unknown(); columns.fields().len()],
        };
        Ok(Self { url: storage.url()?, storage, groups, statistics })
    }
}

/// Rows that are left of a file, when that is known without reading.
fn visible_rows(masked: &MaskedFile) -> Option<u64> {
    let file = &masked.file;
    match (&file.deletion_vector, &masked.hidden) {
        (None, None) => Some(file.rows_to_read()),
        // where in the file the rows are hidden is not known
        _ if file.slice.is_some() => None,
        (Some(vector), None) => file.rows.checked_sub(vector.cardinality?),
        (None, Some(hidden)) => file.rows.checked_sub(hidden.len()),
        // the two may hide the same row
        (Some(_), Some(_)) => None,
    }
}

fn place(
    masked: &MaskedFile,
    request: &ScanRequest,
    columns: &SchemaRef,
    names: &WrittenNames,
    storage: &Storage,
) -> Result<PartitionedFile> {
    let file = &masked.file;
    file.validate()?;
    let locate = |path: &str| {
        let (found, inside) = storage::locate(path, &request.lake)?;
        match found == *storage {
            true => Ok(inside),
            false => Err(LakeError::unsupported(path, "file outside the store of its table")),
        }
    };
    if masked.hidden.as_ref().and_then(|h| h.max()).is_some_and(|last| u64::from(last) >= file.rows)
    {
        return Err(LakeError::corrupt(format!("mask beyond the rows of {:?}", file.path)));
    }
    let deletion_vector = match &file.deletion_vector {
        Some(vector) => Some((locate(&vector.path)?, vector.clone())),
        None => None,
    };
    let mask = FileMask {
        rows: file.rows,
        deletion_vector,
        hidden: masked.hidden.clone().filter(|hidden| !hidden.is_empty()),
        part: file.slice.map_or(0..file.rows, |slice| slice.first..slice.end),
    };
    let meta = ObjectMeta {
        location: locate(&file.path)?,
        last_modified: reader::version(&storage.url()?),
        size: file.size,
        e_tag: None,
        version: None,
    };
    let statistics = file_statistics(file, &mask, columns);
    let placed = PartitionedFile::new_from_meta(meta).with_extension(mask);
    let names = WrittenNames::of(&file.names, names);
    Ok(placed.with_extension(names).with_statistics(statistics))
}

fn file_statistics(file: &LakeFile, mask: &FileMask, columns: &SchemaRef) -> Arc<Statistics> {
    let masked = mask.deletion_vector.is_some() || mask.hidden.is_some() || mask.is_part();
    let column = |field: &arrow::datatypes::FieldRef| {
        let id = field_id(field);
        match file.bounds.iter().find(|bounds| Some(bounds.field_id) == id) {
            Some(found) => bounds::statistics(found, field.data_type(), masked),
            None => ColumnStatistics::new_unknown(),
        }
    };
    let rows = file.rows as usize;
    Arc::new(Statistics {
        num_rows: if masked { Precision::Inexact(rows) } else { Precision::Exact(rows) },
        total_byte_size: Precision::Absent,
        column_statistics: columns.fields().iter().map(column).collect(),
    })
}
