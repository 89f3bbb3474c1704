//! The stream of one partition of a leaf: the rows of its bucket reads.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use fluss_scan::{FlussClient, KvScan, LogScan, TableInfo};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::UnionReadExec;
use super::log_filter::log_filter;
use super::table_scan::TableScan;
use crate::bucket_read::{BucketRead, LogRange, Tail};
use crate::columns::{Key, conform};
use crate::merge::anti_filter::suppress;
use crate::merge::fold::{self, Fold};
use crate::{Error, Result};

/// Tells the leaves of a statement to stop; in the session of every task.
#[derive(Debug)]
pub struct Stop(pub CancellationToken);

/// What a scan counts, per partition; EXPLAIN ANALYZE shows the sums.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    pub(super) lake_rows: Count,
    pub(super) suppressed_rows: Count,
    pub(super) tail_rows: Count,
    pub(super) lake_bytes: Count,
    pub(super) log_bytes: Count,
    pub(super) baseline: BaselineMetrics,
}

/// One partition of a leaf while it runs.
pub(super) struct PartitionRun {
    pub(super) scan: Arc<TableScan>,
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Absent where only the lake is read.
    pub(super) client: Option<Arc<FlussClient>>,
    pub(super) context: Arc<TaskContext>,
    pub(super) counts: Counts,
    pub(super) stop: CancellationToken,
}

/// Bucket reads of one partition that are opened ahead: the next tail is fetched while the present
/// bucket is read.
const OPEN_AHEAD: usize = 2;
/// Tails of log buckets that are read at once; calls to one server are shared.
const TAILS_AT_ONCE: usize = 8;

impl PartitionRun {
    pub(super) fn new(
        leaf: &UnionReadExec,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<Self> {
        let counter =
            |name: &'static str| MetricBuilder::new(&leaf.metrics).counter(name, partition);
        Ok(Self {
            scan: Arc::clone(&leaf.scan),
            filters: leaf.filters.clone(),
            client: match &leaf.scan.stream {
                Some(stream) => Some(leaf.connections.fluss(&stream.source)?),
                None => None,
            },
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

    /// The rows of all reads, in any order; between batches the stream gives way
    /// to others, since a scan may be all that a thread does.
    pub(super) fn stream(self, reads: Vec<BucketRead>) -> SendableRecordBatchStream {
        let schema = Arc::clone(self.scan.output_schema());
        let limit = self.scan.limit.unwrap_or(usize::MAX);
        let baseline = self.counts.baseline.clone();
        let stop = self.stop.clone();
        let run = Arc::new(self);
        let batches = run.rows(reads).map_err(vanished).and_then(|batch| async {
            tokio::task::yield_now().await;
            Ok(batch)
        });
        let batches = until_stopped(batches, stop)
            .scan(limit, move |left, batch| {
                let batch = batch.map(|batch| cut(batch, left, &baseline));
                let next =
                    if *left == 0 && matches!(&batch, Ok(None)) { None } else { Some(batch) };
                async move { next }
            })
            .try_filter_map(async |batch| Ok(batch));
        make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    /// The tails of a log table come from many buckets at once, since most are small; all else is opened one by one.
    fn rows(self: Arc<Self>, reads: Vec<BucketRead>) -> BoxStream<'static, Result<RecordBatch>> {
        let is_log_tail = |read: &BucketRead| !self.scan.has_primary_key() && read.tail.is_some();
        let (tails, others): (Vec<_>, Vec<_>) = reads.into_iter().partition(is_log_tail);
        let open = move |read| {
            let run = Arc::clone(&self);
            async move { run.open(read).await }
        };
        let tails = stream::iter(tails)
            .then(open.clone())
            .map_ok(StreamExt::boxed)
            .try_flatten_unordered(TAILS_AT_ONCE);
        let others = stream::iter(others).map(open).buffered(OPEN_AHEAD).try_flatten();
        stream::select(tails, others).boxed()
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
        let rows = self.stream_side()?.0.scan_log(self.log_scan(read, range, &columns)?);
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
        self.apply_log(&mut fold, read, range, columns, memory).await?;
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
        let (client, info) = self.stream_side()?;
        let state = client.scan_kv(KvScan {
            table: info.clone(),
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
        // the state may stand for an earlier offset than the statement's end: the log continues it
        if state.offset < end {
            let range = LogRange { start: state.offset, end };
            self.apply_log(&mut fold, read, range, columns, memory).await?;
        }
        fold.finish()
    }

    #[allow(clippy::too_many_arguments, reason = "what a fold is made of, passed on whole")]
    async fn apply_log(
        &self,
        fold: &mut Fold,
        read: &BucketRead,
        range: LogRange,
        columns: &[usize],
        memory: &MemoryReservation,
    ) -> Result<()> {
        let schema = self.scan.schema_of(columns);
        let log = self.log_scan(read, range, columns)?;
        let mut batches = Box::pin(self.stream_side()?.0.scan_log(log));
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.counts.log_bytes.add(batch.rows.get_array_memory_size());
            let rows = conform(batch.rows.columns(), batch.rows.num_rows(), &schema)?;
            let grown = fold.apply(rows, &batch.change_types)?;
            self.reserve(memory, grown, read)?;
        }
        Ok(())
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
        format!("{}{partition} bucket {}", self.scan.path, read.bucket)
    }

    /// Fluss's side of the table, for reads that have a tail.
    fn stream_side(&self) -> Result<(&Arc<FlussClient>, &TableInfo)> {
        match (&self.client, &self.scan.stream) {
            (Some(client), Some(stream)) => Ok((client, &stream.info)),
            _ => Err(Error::Corrupt("a tail to read in a table without Fluss".into())),
        }
    }

    fn log_scan(&self, read: &BucketRead, range: LogRange, columns: &[usize]) -> Result<LogScan> {
        Ok(LogScan {
            table: self.stream_side()?.1.clone(),
            partition_id: read.partition_id,
            bucket: read.bucket,
            start: range.start,
            end: range.end,
            projection: Some(columns.to_vec()),
            filter: log_filter(&self.scan, &self.filters),
        })
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

/// What was there when the read point was pinned and is not there now was dropped meanwhile: a new read point tells what
/// is left of it, in the lake for a partition.
fn vanished(error: Error) -> DataFusionError {
    match error {
        Error::TableNotFound(what) => Error::ReadPointGone(format!("dropped meanwhile: {what}")),
        error => error,
    }
    .into()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The frontend plans anew for the one, and tells a client of the other that its table does not exist.
    #[test]
    fn what_is_dropped_meanwhile_is_a_lost_read_point() {
        let told = |error: Error| Error::find(&vanished(error)).map(|error| error.code());
        assert_eq!(told(Error::TableNotFound("partition 3".into())), Some("ReadPointGone"));
        assert_eq!(told(Error::Unavailable("a server".into())), Some("Unavailable"));
    }
}
