//! What a leaf reads of each bucket, and the stream of one of its partitions.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use fluss_scan::{FlussClient, LogScan, TableInfo};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use paimon_scan::{LakeFile, LakeOptions, MaskedFile, ScanRequest};

use super::UnionReadExec;
use crate::bucket_read::{BucketRead, LogRange, Tail};
use crate::columns::conform;
use crate::merge::anti_filter::suppress;
use crate::merge::fold::{self, Fold};
use crate::merge::key::KeyEncoder;
use crate::read_point::ReadPoint;
use crate::source::Source;
use crate::{Error, ReadMode, Result};

/// How one table is read, the same for all of its buckets.
#[derive(Debug, Clone)]
pub struct TableScan {
    /// The Fluss cluster.
    pub source: Source,
    /// The table in Fluss.
    pub info: TableInfo,
    /// Where its lake is; absent while nothing is readable there.
    pub lake: Option<LakeOptions>,
    /// The lake snapshot of the read point.
    pub snapshot_id: Option<i64>,
    /// Union, lake or real time.
    pub mode: ReadMode,
    /// The table's columns, with their field ids where there is a lake.
    pub schema: SchemaRef,
    /// Positions of the primary key.
    pub keys: Vec<usize>,
    /// Positions of the columns that are asked for.
    pub projection: Vec<usize>,
    /// No partition needs to deliver more rows than this.
    pub limit: Option<usize>,
    /// The schema of the output: the projected columns.
    output: SchemaRef,
}

impl TableScan {
    /// A scan of the projected columns of a table at its read point.
    pub async fn new(
        point: &ReadPoint,
        mode: ReadMode,
        projection: Vec<usize>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let lake = point.lake().await?;
        let columns = &point.columns;
        let schema = match lake {
            Some(cut) => columns.with_field_ids(&cut.plan.schema)?,
            None => Arc::clone(&columns.schema),
        };
        Self {
            source: point.source().clone(),
            info: point.info.clone(),
            lake: lake.map(|cut| cut.options.clone()),
            snapshot_id: lake.map(|cut| cut.plan.snapshot_id),
            mode,
            keys: columns.keys.clone(),
            projection,
            limit,
            output: Arc::new(Schema::empty()),
            schema,
        }
        .checked()
    }

    /// The scan, if its positions exist in its schema.
    pub fn checked(mut self) -> Result<Self> {
        let columns = self.schema.fields().len();
        if self.projection.iter().chain(&self.keys).any(|position| *position >= columns) {
            return Err(Error::Corrupt("a union read asks for columns that do not exist".into()));
        }
        let fields = self.projection.iter().map(|position| {
            // field ids belong to the lake; above the leaf they would only tell equal types apart
            let field = self.schema.field(*position).clone();
            let mut metadata = field.metadata().clone();
            metadata.remove(crate::columns::FIELD_ID);
            field.with_metadata(metadata)
        });
        self.output = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(self)
    }

    /// The columns of the output.
    pub fn output_schema(&self) -> &SchemaRef {
        &self.output
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.info.path.table
    }

    /// Whether rows have a key that later rows replace.
    pub fn has_primary_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The columns that are read: those asked for and, where a tail decides, the key; ascending, as
    /// Fluss wants projections. Never empty: rows are counted by a column.
    fn read_columns(&self, with_keys: bool) -> Vec<usize> {
        let mut columns = self.projection.clone();
        if with_keys {
            columns.extend(&self.keys);
        }
        columns.sort_unstable();
        columns.dedup();
        if columns.is_empty() {
            columns.push(self.narrowest_column());
        }
        columns
    }

    fn narrowest_column(&self) -> usize {
        let width = |t: &DataType| t.primitive_width().unwrap_or(usize::MAX);
        let fields = self.schema.fields().iter().enumerate();
        fields.min_by_key(|(_, field)| width(field.data_type())).map_or(0, |(position, _)| position)
    }
}

impl fmt::Display for TableScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table={}, mode={}, snapshot=", self.info.path, self.mode)?;
        match self.snapshot_id {
            Some(id) => write!(f, "{id}")?,
            None => f.write_str("none")?,
        }
        let names: Vec<&str> =
            self.output.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", columns=[{}]", names.join(", "))?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

/// What a scan counts, per partition; EXPLAIN ANALYZE shows the sums.
#[derive(Debug, Clone)]
struct Counts {
    lake_rows: Count,
    suppressed_rows: Count,
    tail_rows: Count,
    lake_bytes: Count,
    log_bytes: Count,
    baseline: BaselineMetrics,
}

/// One partition of a leaf while it runs.
pub(super) struct PartitionRun {
    scan: Arc<TableScan>,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    client: Arc<FlussClient>,
    context: Arc<TaskContext>,
    counts: Counts,
    partition: usize,
}

/// Bucket reads of one partition that are opened ahead: the next tail is fetched while the present
/// bucket is read.
const OPEN_AHEAD: usize = 2;

impl PartitionRun {
    pub(super) fn new(
        leaf: &UnionReadExec,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<Self> {
        let counter = |name: &'static str| MetricBuilder::new(&leaf.metrics).counter(name, partition);
        Ok(Self {
            scan: Arc::clone(&leaf.scan),
            filters: leaf.filters.clone(),
            client: leaf.connections.fluss(&leaf.scan.source)?,
            counts: Counts {
                lake_rows: counter("lake_rows"),
                suppressed_rows: counter("suppressed_rows"),
                tail_rows: counter("tail_rows"),
                lake_bytes: counter("lake_bytes"),
                log_bytes: counter("log_bytes"),
                baseline: BaselineMetrics::new(&leaf.metrics, partition),
            },
            context,
            partition,
        })
    }

    /// The rows of all reads. Bucket reads follow one another; between batches the stream gives way
    /// to others, since a scan may be all that a thread does.
    pub(super) fn stream(self, reads: Vec<BucketRead>) -> SendableRecordBatchStream {
        let schema = Arc::clone(self.scan.output_schema());
        let limit = self.scan.limit.unwrap_or(usize::MAX);
        let baseline = self.counts.baseline.clone();
        let run = Arc::new(self);
        let batches = stream::iter(reads)
            .map(move |read| {
                let run = Arc::clone(&run);
                async move { run.open(read).await }
            })
            .buffered(OPEN_AHEAD)
            .try_flatten()
            .map_err(DataFusionError::from)
            .and_then(|batch| async {
                tokio::task::yield_now().await;
                Ok(batch)
            })
            .scan(limit, move |left, batch| {
                let batch = batch.map(|batch| cut(batch, left, &baseline));
                let next = if *left == 0 && matches!(&batch, Ok(None)) { None } else { Some(batch) };
                async move { next }
            })
            .try_filter_map(async |batch| Ok(batch));
        make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    async fn open(&self, read: BucketRead) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        match (self.scan.has_primary_key(), read.tail) {
            (false, Some(Tail::Log(range))) => self.open_log(&read, range),
            (false, Some(Tail::State(_))) => {
                Err(Error::Corrupt("a log table has no state to read".into()))
            }
            (true, Some(tail)) => self.open_merge(&read, tail).await,
            (_, None) => {
                let columns = self.scan.read_columns(false);
                let rows = self.open_lake(&read.files, &columns).await?;
                Ok(self.project(rows, &columns))
            }
        }
    }

    /// The tail of a log table's bucket: rows as they come.
    fn open_log(
        &self,
        read: &BucketRead,
        range: LogRange,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let columns = self.scan.read_columns(false);
        let schema = self.schema_of(&columns);
        let (tail_rows, log_bytes) = (self.counts.tail_rows.clone(), self.counts.log_bytes.clone());
        let rows = self.client.scan_log(self.log_scan(read, range, &columns));
        let rows = rows.map_err(Error::from).and_then(move |batch| {
            tail_rows.add(batch.rows.num_rows());
            log_bytes.add(batch.rows.get_array_memory_size());
            let rows = conform(&batch.rows, &schema);
            async move { rows }
        });
        Ok(self.project(rows.boxed(), &columns))
    }

    /// The merge of a primary-key bucket: lake rows that the tail did not touch, then the live rows
    /// of the tail.
    async fn open_merge(
        &self,
        read: &BucketRead,
        tail: Tail,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let columns = self.scan.read_columns(true);
        let consumer = MemoryConsumer::new(format!("tail of {}", self.bucket_name(read)));
        let memory = consumer.register(self.context.memory_pool());
        let folded = async {
            match tail {
                Tail::Log(range) => self.fold_log(read, range, &columns, &memory).await,
                Tail::State(end) => self.fold_state(read, end, &columns, &memory).await,
            }
        };
        let (tail, lake) = tokio::try_join!(folded, self.open_lake(&read.files, &columns))?;
        let tail = Arc::new(tail);
        let live: Vec<RecordBatch> = tail.live.clone();
        self.counts.tail_rows.add(live.iter().map(RecordBatch::num_rows).sum());
        let suppressed = self.counts.suppressed_rows.clone();
        let kept = lake.and_then(move |batch| {
            // the reservation lives as long as the tail that it accounts for
            let (_, before) = (&memory, batch.num_rows());
            let kept = suppress(batch, &tail);
            if let Ok(kept) = &kept {
                suppressed.add(before - kept.num_rows());
            }
            async move { kept }
        });
        let rows = kept.chain(stream::iter(live.into_iter().map(Ok)));
        Ok(self.project(rows.boxed(), &columns))
    }

    async fn fold_log(
        &self,
        read: &BucketRead,
        range: LogRange,
        columns: &[usize],
        memory: &MemoryReservation,
    ) -> Result<fold::Tail> {
        let mut fold = self.new_fold(columns)?;
        let schema = self.schema_of(columns);
        let mut batches = Box::pin(self.client.scan_log(self.log_scan(read, range, columns)));
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.counts.log_bytes.add(batch.rows.get_array_memory_size());
            let grown = fold.apply(conform(&batch.rows, &schema)?, &batch.change_types)?;
            self.reserve(memory, grown, read)?;
        }
        fold.finish()
    }

    async fn fold_state(
        &self,
        read: &BucketRead,
        end: i64,
        columns: &[usize],
        memory: &MemoryReservation,
    ) -> Result<fold::Tail> {
        let mut fold = self.new_fold(columns)?;
        let schema = self.schema_of(columns);
        let state = self
            .client
            .scan_kv(&self.scan.info, read.partition_id, read.bucket, Some(columns.to_vec()))
            .await?;
        for batch in state.batches {
            let grown = fold.apply(conform(&batch, &schema)?, &[])?;
            self.reserve(memory, grown, read)?;
        }
        // The state may stand for an earlier offset than the statement's end: the log continues it.
        if state.offset < end {
            let range = LogRange { start: state.offset, end };
            let mut batches = Box::pin(self.client.scan_log(self.log_scan(read, range, columns)));
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let grown = fold.apply(conform(&batch.rows, &schema)?, &batch.change_types)?;
                self.reserve(memory, grown, read)?;
            }
        }
        fold.finish()
    }

    fn new_fold(&self, columns: &[usize]) -> Result<Fold> {
        let keys: Vec<usize> =
            self.scan.keys.iter().filter_map(|key| columns.binary_search(key).ok()).collect();
        let types = self.scan.keys.iter().map(|k| self.scan.schema.field(*k).data_type().clone());
        Ok(Fold::new(KeyEncoder::new(keys, types.collect())?))
    }

    fn reserve(&self, memory: &MemoryReservation, bytes: usize, read: &BucketRead) -> Result<()> {
        memory.try_grow(bytes).map_err(|_| {
            Error::TooLarge(format!(
                "the tail of {} does not fit into this backend's memory limit",
                self.bucket_name(read)
            ))
        })
    }

    fn bucket_name(&self, read: &BucketRead) -> String {
        let partition = &read.partition;
        let partition =
            if partition.is_empty() { String::new() } else { format!(" partition {partition}") };
        format!("{}{partition} bucket {}", self.scan.info.path, read.bucket)
    }

    fn log_scan(&self, read: &BucketRead, range: LogRange, columns: &[usize]) -> LogScan {
        LogScan {
            table: self.scan.info.clone(),
            partition: read.partition_id,
            bucket: read.bucket,
            start: range.start,
            end: range.end,
            projection: Some(columns.to_vec()),
        }
    }

    /// The lake rows of some files, versions resolved and deletes applied.
    async fn open_lake(
        &self,
        files: &[LakeFile],
        columns: &[usize],
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        if files.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let plan = self.plan_lake(files, columns).await?;
        let rows = execute_stream(Arc::clone(&plan), Arc::clone(&self.context));
        let rows = rows.map_err(|e| paimon_scan::Error::find(&e))?;
        let counts = self.counts.clone();
        let schema = self.schema_of(columns);
        let rows = rows.map_err(|e| Error::from(paimon_scan::Error::find(&e)));
        let rows = rows.and_then(move |batch| {
            counts.lake_rows.add(batch.num_rows());
            let batch = conform(&batch, &schema);
            async move { batch }
        });
        let lake_bytes = self.counts.lake_bytes.clone();
        let counted = rows.chain(
            stream::once(async move {
                lake_bytes.add(scanned_bytes(plan.as_ref()));
                None
            })
            .filter_map(async |nothing: Option<Result<RecordBatch>>| nothing),
        );
        Ok(counted.boxed())
    }

    async fn plan_lake(
        &self,
        files: &[LakeFile],
        columns: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(options) = &self.scan.lake else {
            return Err(Error::Corrupt("lake files without a lake".into()));
        };
        let files: Vec<MaskedFile> = if self.scan.has_primary_key() {
            let keys = self.schema_of(&self.scan.keys);
            paimon_scan::resolve_versions(options, files, &keys, &self.context).await?
        } else {
            files.iter().cloned().map(MaskedFile::whole).collect()
        };
        let request = ScanRequest {
            options: options.clone(),
            schema: Arc::clone(&self.scan.schema),
            files,
            projection: columns.to_vec(),
            filters: self.filters.clone(),
            limit: None,
        };
        Ok(paimon_scan::scan(request, &self.context)?)
    }

    fn schema_of(&self, columns: &[usize]) -> SchemaRef {
        let fields = columns.iter().map(|position| self.scan.schema.field(*position).clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// From the columns that were read to the output.
    fn project(
        &self,
        rows: BoxStream<'static, Result<RecordBatch>>,
        columns: &[usize],
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let output = Arc::clone(self.scan.output_schema());
        let positions: Vec<usize> =
            self.scan.projection.iter().filter_map(|p| columns.binary_search(p).ok()).collect();
        let project = move |batch: RecordBatch| {
            let columns = positions.iter().map(|i| Arc::clone(batch.column(*i))).collect();
            let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&output), columns, &rows)
                .map_err(|e| Error::Corrupt(e.to_string()))
        };
        rows.map(move |batch| batch.and_then(&project)).boxed()
    }
}

/// Cuts a batch at the limit; `None` once nothing is left to deliver.
fn cut(batch: RecordBatch, left: &mut usize, baseline: &BaselineMetrics) -> Option<RecordBatch> {
    if *left == 0 {
        return None;
    }
    let rows = batch.num_rows().min(*left);
    *left -= rows;
    baseline.record_output(rows);
    Some(batch.slice(0, rows))
}

fn scanned_bytes(plan: &dyn ExecutionPlan) -> usize {
    plan.metrics()
        .and_then(|metrics| metrics.sum_by_name("bytes_scanned"))
        .map_or(0, |bytes| bytes.as_usize())
}
