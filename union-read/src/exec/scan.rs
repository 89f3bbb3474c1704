//! What a leaf reads of each bucket, and the stream of one of its partitions.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use fluss_scan::{FlussClient, KvScan, LogScan, TableInfo};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use paimon_scan::{
    LakeFile, LakeOptions, LakeSchema, MaskedFile, ScanRequest, derive_deletion_vectors,
};

use tokio_util::sync::CancellationToken;

use super::UnionReadExec;
use crate::bucket_read::{BucketRead, LogRange, Tail};
use crate::columns::{Columns, Key, conform};
use crate::merge::anti_filter::suppress;
use crate::merge::fold::{self, Fold};
use crate::read_point::ReadPoint;
use crate::source::Source;
use crate::{Error, ReadMode, Result};

/// The lake of a table at the snapshot of a read point.
#[derive(Debug, Clone)]
pub struct LakeSide {
    /// Where it is.
    pub options: Arc<LakeOptions>,
    /// Its columns.
    pub schema: LakeSchema,
    /// The snapshot.
    pub snapshot_id: i64,
}

/// How one table is read, the same for all of its buckets.
#[derive(Debug, Clone)]
pub struct TableScan {
    /// The Fluss cluster.
    pub source: Source,
    /// The table in Fluss.
    pub info: TableInfo,
    /// Its lake; absent while nothing is readable there.
    pub lake: Option<LakeSide>,
    /// Union, lake or real time.
    pub mode: ReadMode,
    /// The table's columns.
    pub columns: Columns,
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
        let lake = lake.map(|cut| LakeSide {
            options: Arc::new(cut.options.clone()),
            schema: cut.plan.schema.clone(),
            snapshot_id: cut.snapshot_id,
        });
        let (source, info) = (point.source().clone(), point.info.clone());
        Self::assemble(source, info, lake, mode, point.columns.clone()).with(projection, limit)
    }

    /// A scan of all columns.
    pub(crate) fn assemble(
        source: Source,
        info: TableInfo,
        lake: Option<LakeSide>,
        mode: ReadMode,
        columns: Columns,
    ) -> Self {
        let output = Arc::clone(&columns.schema);
        let projection = (0..output.fields().len()).collect();
        Self { source, info, lake, mode, columns, projection, limit: None, output }
    }

    /// The scan with a projection and a limit; an error for columns that do not exist.
    pub(crate) fn with(mut self, projection: Vec<usize>, limit: Option<usize>) -> Result<Self> {
        let columns = self.columns.schema.fields().len();
        if projection.iter().any(|position| *position >= columns) {
            return Err(Error::Corrupt("a union read asks for columns that do not exist".into()));
        }
        self.output = self.schema_of(&projection);
        (self.projection, self.limit) = (projection, limit);
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
        self.columns.has_primary_key()
    }

    fn schema_of(&self, columns: &[usize]) -> SchemaRef {
        let field = |position: &usize| self.columns.schema.field(*position).clone();
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// The columns that are read: those asked for and, where a tail decides, the key; ascending, as
    /// Fluss wants projections. Never empty: rows are counted by a column.
    fn read_columns(&self, with_keys: bool) -> Vec<usize> {
        let mut columns = self.projection.clone();
        if with_keys {
            columns.extend(&self.columns.keys);
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
        let fields = self.columns.schema.fields().iter().enumerate();
        fields.min_by_key(|(_, field)| width(field.data_type())).map_or(0, |(position, _)| position)
    }
}

impl fmt::Display for TableScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table={}, mode={}, snapshot=", self.info.path, self.mode)?;
        match &self.lake {
            Some(lake) => write!(f, "{}", lake.snapshot_id)?,
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

/// Tells the leaves of a statement to stop; in the session of every task.
#[derive(Debug)]
pub struct Stop(pub CancellationToken);

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
    stop: CancellationToken,
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
            stop: context
                .session_config()
                .get_extension::<Stop>()
                .map_or_else(CancellationToken::new, |stop| stop.0.clone()),
            context,
        })
    }

    /// The rows of all reads. Bucket reads follow one another; between batches the stream gives way
    /// to others, since a scan may be all that a thread does.
    pub(super) fn stream(self, reads: Vec<BucketRead>) -> SendableRecordBatchStream {
        let schema = Arc::clone(self.scan.output_schema());
        let limit = self.scan.limit.unwrap_or(usize::MAX);
        let baseline = self.counts.baseline.clone();
        let stop = self.stop.clone();
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
            });
        let batches = until_stopped(batches, stop)
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
        let schema = self.scan.schema_of(&columns);
        let (tail_rows, log_bytes) = (self.counts.tail_rows.clone(), self.counts.log_bytes.clone());
        let rows = self.client.scan_log(self.log_scan(read, range, &columns));
        let rows = rows.map_err(Error::from).and_then(move |batch| {
            tail_rows.add(batch.rows.num_rows());
            log_bytes.add(batch.rows.get_array_memory_size());
            let rows = conform(batch.rows.columns(), batch.rows.num_rows(), &schema);
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
        let schema = self.scan.schema_of(columns);
        let mut batches = Box::pin(self.client.scan_log(self.log_scan(read, range, columns)));
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.counts.log_bytes.add(batch.rows.get_array_memory_size());
            let grown = fold.apply(conform(batch.rows.columns(), batch.rows.num_rows(), &schema)?, &batch.change_types)?;
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
        let schema = self.scan.schema_of(columns);
        let state = self.client.scan_kv(KvScan {
            table: self.scan.info.clone(),
            partition_id: read.partition_id,
            bucket: read.bucket,
            projection: columns.to_vec(),
        });
        let state = state.await?;
        for (batch, changes) in state.changes {
            let batch = conform(batch.columns(), batch.num_rows(), &schema)?;
            let grown = fold.apply(batch, &changes)?;
            self.reserve(memory, grown, read)?;
        }
        // The state may stand for an earlier offset than the statement's end: the log continues it.
        if state.offset < end {
            let range = LogRange { start: state.offset, end };
            let mut batches = Box::pin(self.client.scan_log(self.log_scan(read, range, columns)));
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let grown = fold.apply(conform(batch.rows.columns(), batch.rows.num_rows(), &schema)?, &batch.change_types)?;
                self.reserve(memory, grown, read)?;
            }
        }
        fold.finish()
    }

    fn new_fold(&self, columns: &[usize]) -> Result<Fold> {
        let keys = self.scan.columns.keys.iter();
        let keys = keys.filter_map(|key| columns.binary_search(key).ok()).collect();
        Ok(Fold::new(Key::new(&self.scan.schema_of(columns), keys)?))
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
            partition_id: read.partition_id,
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
        let Some(lake) = &self.scan.lake else {
            return Err(Error::Corrupt("lake files without a lake".into()));
        };
        let in_lake = self.scan.columns.in_lake(&lake.schema);
        let found: Vec<Option<usize>> = columns.iter().map(|c| in_lake[*c]).collect();
        let plan = self.plan_lake(lake, files, found.iter().flatten().copied().collect()).await?;
        let rows = execute_stream(Arc::clone(&plan), Arc::clone(&self.context));
        let rows = rows.map_err(|e| Error::running(&e))?;
        let (counts, schema) = (self.counts.clone(), self.scan.schema_of(columns));
        let rows = rows.map(move |batch| {
            let batch = batch.map_err(|e| Error::running(&e))?;
            counts.lake_rows.add(batch.num_rows());
            with_absent(&batch, &found, &schema)
        });
        let lake_bytes = self.counts.lake_bytes.clone();
        Ok(on_end(rows.boxed(), move || lake_bytes.add(scanned_bytes(plan.as_ref()))))
    }

    async fn plan_lake(
        &self,
        lake: &LakeSide,
        files: &[LakeFile],
        projection: Vec<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let hidden =
            derive_deletion_vectors(files, &lake.schema, &lake.options, &self.context).await?;
        let masked = files.iter().cloned().zip(hidden);
        let request = ScanRequest {
            lake: Arc::clone(&lake.options),
            schema: lake.schema.clone(),
            groups: vec![masked.map(|(file, hidden)| MaskedFile { file, hidden }).collect()],
            projection: Some(projection),
            filter: self.lake_filter(lake),
            filter_rows: false,
            limit: None,
        };
        Ok(paimon_scan::scan(request, &self.context)?)
    }

    /// The filters that the lake can prune by: those over columns that it has in the same type.
    fn lake_filter(&self, lake: &LakeSide) -> Option<Arc<dyn PhysicalExpr>> {
        let same = |column: &Column| {
            let ours = self.scan.columns.schema.field_with_name(column.name());
            let theirs = lake.schema.columns.field_with_name(column.name());
            matches!((ours, theirs), (Ok(a), Ok(b)) if a.data_type() == b.data_type())
        };
        let usable = self.filters.iter().filter(|f| collect_columns(f).iter().all(same));
        let over_lake = usable.filter_map(|filter| {
            reassign_expr_columns(Arc::clone(filter), &lake.schema.columns).ok()
        });
        conjunction_opt(over_lake)
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

/// A lake batch with NULLs for the columns that the lake does not have, in the table's types.
fn with_absent(
    batch: &RecordBatch,
    found: &[Option<usize>],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let mut lake = batch.columns().iter();
    let column = |(found, field): (&Option<usize>, &Arc<Field>)| match found {
        Some(_) => lake.next().map(Arc::clone).ok_or("fewer columns than asked for"),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
        None => Err("a column that may not be NULL is not in the lake"),
    };
    let columns = found.iter().zip(schema.fields()).map(column).collect::<Result<Vec<_>, _>>();
    let columns = columns.map_err(|what| Error::Corrupt(format!("lake batch: {what}")))?;
    conform(&columns, batch.num_rows(), schema)
}

/// Runs `end` when the stream has ended well.
fn on_end(
    rows: BoxStream<'static, Result<RecordBatch>>,
    end: impl FnOnce() + Send + 'static,
) -> BoxStream<'static, Result<RecordBatch>> {
    let last = stream::once(async move { end() }).filter_map(async |()| None);
    rows.chain(last).boxed()
}

/// Ends the stream with an error once the statement is stopped, also while nothing comes.
fn until_stopped(
    batches: impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + 'static,
    stop: CancellationToken,
) -> impl Stream<Item = Result<RecordBatch, DataFusionError>> + Send + 'static {
    let stopped = stop.clone();
    let last = stream::once(async move { stopped.is_cancelled() }).filter_map(async |stopped| {
        stopped.then(|| Err(Error::Cancelled("the statement was stopped".into()).into()))
    });
    batches.take_until(stop.cancelled_owned()).chain(last)
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
