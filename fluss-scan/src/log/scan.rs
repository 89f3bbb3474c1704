//! The scan of one bucket between two offsets.
//!
//! It ends when the *consumed* offset reaches the end: empty batches consume offsets, an answer may end in a
//! torn batch, and an answer without records is not the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use futures::stream::{self, Stream, TryStreamExt};
use tokio::time::Instant;

use super::LogBatch;
use super::batch::RawBatch;
use super::remote::RemoteReader;
use crate::client::CLIENT;
use crate::error::code;
use crate::messages::{FetchBucket, FetchLog, FetchLogAnswer, FetchTable, FetchedBucket};
use crate::table::{Bucket, Schema, TableInfo};
use crate::{Error, FlussClient, OffsetSpec, Result};

/// The part of a bucket's log to read.
#[derive(Debug, Clone)]
pub struct LogScan {
    /// The table.
    pub table: TableInfo,
    /// The partition's id, in a partitioned table.
    pub partition_id: Option<i64>,
    /// The bucket.
    pub bucket: i32,
    /// The first offset.
    pub start: i64,
    /// The first offset that is not read; must not be beyond the high watermark.
    pub end: i64,
    /// Positions in the table's present schema, ascending; `None`: all columns.
    pub projection: Option<Vec<usize>>,
}

/// Bytes asked for in one fetch. The first batch always comes whole.
const FETCH_BYTES: i32 = 8 << 20;
const FIRST_POLL: Duration = Duration::from_millis(2);
const LONGEST_POLL: Duration = Duration::from_millis(200);

impl FlussClient {
    /// The records of `[start, end)` in the order of their offsets, in the columns of the table's present
    /// schema that were asked for; columns younger than a record are NULL in it.
    ///
    /// # Errors
    /// `OffsetOutOfRange` when the log does not hold `start`; `TimedOut` when nothing comes for the request
    /// timeout; `Unsupported` for log formats other than ARROW; `Corrupt`.
    pub fn scan_log(
        self: &Arc<Self>,
        scan: LogScan,
    ) -> impl Stream<Item = Result<LogBatch>> + Send + 'static {
        let client = Arc::clone(self);
        let reader = stream::once(async move { Reader::new(client, scan) });
        let batches = |reader: Reader| {
            stream::try_unfold(reader, async |mut reader| {
                Ok(reader.next().await?.map(|batch| (batch, reader)))
            })
        };
        reader.map_ok(batches).try_flatten()
    }
}

/// Where a scan is.
struct Reader {
    client: Arc<FlussClient>,
    scan: LogScan,
    /// Positions that the server is asked for; `None`: it sends all columns.
    pushed: Option<Vec<usize>>,
    output: SchemaRef,
    /// The table's present schema.
    present: Arc<Schema>,
    position: i64,
    fetched: VecDeque<RawBatch>,
    remote: Option<RemoteReader>,
}

impl Reader {
    fn new(client: Arc<FlussClient>, scan: LogScan) -> Result<Self> {
        let properties = &scan.table.properties;
        match properties.get("table.log.format").map(String::as_str) {
            None | Some("ARROW" | "arrow") => {}
            Some(other) => {
                return Err(Error::Unsupported(format!(
                    "the log of table {} is in format {other}: only ARROW is read",
                    scan.table.path
                )));
            }
        }
        let columns = scan.table.schema.columns.len();
        let all = || (0..columns).collect();
        let wanted: Vec<usize> = scan.projection.clone().unwrap_or_else(all);
        if wanted.is_empty()
            || !wanted.is_sorted_by(|a, b| a < b)
            || wanted.iter().any(|c| *c >= columns)
        {
            return Err(Error::Unsupported(format!("the projection {wanted:?}")));
        }
        let fields =
            wanted.iter().map(|c| scan.table.schema.columns[*c].arrow().with_nullable(true));
        let output = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
        let pushed = (wanted.len() < columns).then(|| wanted.clone());
        let present = Arc::new(scan.table.schema.clone());
        let (position, scan) = (scan.start, LogScan { projection: Some(wanted), ..scan });
        let fetched = VecDeque::new();
        Ok(Self { client, scan, pushed, output, present, position, fetched, remote: None })
    }

    fn bucket(&self) -> Bucket {
        self.scan.table.bucket(self.scan.partition_id, self.scan.bucket)
    }

    /// The next records, `None` at the end.
    async fn next(&mut self) -> Result<Option<LogBatch>> {
        let mut patience = Patience::new(self.client.options().request_timeout);
        while self.position < self.scan.end {
            let Some(raw) = self.next_raw(&mut patience).await? else {
                continue;
            };
            // a batch may begin before the position: it comes whole; so may others, in a remote segment
            if raw.next_offset <= self.position {
                continue;
            }
            let from = self.position.max(raw.base_offset);
            if from > self.position {
                return Err(Error::corrupt(format!(
                    "the log of {} jumps from {} to {from}",
                    self.bucket(),
                    self.position
                )));
            }
            if raw.count > 0 {
                let written = self.schema_of(&raw).await?;
                if !self.is_cut_right(&written) {
                    // the server cut by positions that mean other columns in this batch: cut here instead
                    self.pushed = None;
                    self.fetched.clear();
                    continue;
                }
                self.position = raw.next_offset.min(self.scan.end);
                return self.cut(&raw, from, &written).map(Some);
            }
            self.position = raw.next_offset.min(self.scan.end);
            patience = Patience::new(self.client.options().request_timeout);
        }
        Ok(None)
    }

    /// The schema that a batch was written with.
    async fn schema_of(&self, raw: &RawBatch) -> Result<Arc<Schema>> {
        if raw.schema_id == self.scan.table.schema_id {
            return Ok(Arc::clone(&self.present));
        }
        self.client.schema(&self.scan.table, raw.schema_id).await
    }

    /// Whether the positions that were pushed to the server mean the same columns in a batch's schema.
    fn is_cut_right(&self, written: &Schema) -> bool {
        if self.remote.is_some() {
            return true;
        }
        let id = |schema: &Schema, position: usize| schema.columns.get(position).map(|c| c.id);
        self.pushed.iter().flatten().all(|c| id(written, *c) == id(&self.present, *c))
    }

    async fn next_raw(&mut self, patience: &mut Patience) -> Result<Option<RawBatch>> {
        if let Some(raw) = self.fetched.pop_front() {
            return Ok(Some(raw));
        }
        if let Some(remote) = &mut self.remote {
            match remote.next().await {
                Ok(Some(raw)) => return Ok(Some(raw)),
                Ok(None) => self.remote = None,
                // the segment was removed after it was listed
                Err(Error::NotFound(_)) => return Err(self.out_of_range().await?),
                Err(error) => return Err(error),
            }
        }
        self.fetch(patience).await?;
        Ok(None)
    }

    async fn fetch(&mut self, patience: &mut Patience) -> Result<()> {
        let bucket = self.bucket();
        let request = self.request();
        let within = patience.left();
        let table = &self.scan.table;
        let asked = self.client.ask_leader(table, bucket, &request, within).await;
        let answer = match asked {
            Err(Error::Server { code: code::INVALID_COLUMN_PROJECTION, .. })
                if self.pushed.is_some() =>
            {
                // a column younger than the batches: they are cut to columns here
                self.pushed = None;
                return Ok(());
            }
            Err(Error::Server { code: code::LOG_OFFSET_OUT_OF_RANGE, .. }) => {
                return Err(self.out_of_range().await?);
            }
            answer => answer?,
        };
        let fetched = take_bucket(answer, bucket)?;
        if let Some(start) = fetched.log_start.filter(|start| *start > self.position) {
            return Err(self.gone(start));
        }
        if let Some(remote) = fetched.remote {
            self.remote = Some(RemoteReader::new(remote, self.position, &self.client)?);
            return Ok(());
        }
        let before = self.fetched.len();
        let mut records = fetched.records.unwrap_or_default();
        metrics::counter!("millrace_fluss_log_bytes_total").increment(records.len() as u64);
        while let Some((raw, rest)) = RawBatch::split(&records)? {
            if self.pushed.is_none() {
                raw.check()?;
            }
            records = rest;
            self.fetched.push_back(raw);
        }
        if self.fetched.len() == before { self.nothing_came(patience).await } else { Ok(()) }
    }

    /// An answer without records says nothing: the offset may be gone, or the server may not have it yet.
    async fn nothing_came(&self, patience: &mut Patience) -> Result<()> {
        if patience.is_first() {
            return patience.wait(self).await;
        }
        let start = self.earliest().await?;
        if start > self.position {
            return Err(self.gone(start));
        }
        patience.wait(self).await
    }

    async fn out_of_range(&self) -> Result<Error> {
        let start = self.earliest().await?;
        Ok(self.gone(start))
    }

    fn gone(&self, start: i64) -> Error {
        Error::OffsetOutOfRange { bucket: self.bucket(), offset: self.position, start }
    }

    async fn earliest(&self) -> Result<i64> {
        let LogScan { table, partition_id, bucket, .. } = &self.scan;
        let spec = OffsetSpec::Earliest;
        let offsets = self.client.offsets(table, *partition_id, &[*bucket], spec).await?;
        Ok(offsets.get(bucket).copied().unwrap_or(0))
    }

    fn request(&self) -> FetchLog {
        // an answer may be larger by one batch
        let frame = i32::try_from(self.client.options().frame_bytes_max / 2).unwrap_or(i32::MAX);
        let max_bytes = FETCH_BYTES.min(frame);
        let bucket = FetchBucket {
            partition_id: self.scan.partition_id,
            bucket: self.scan.bucket,
            offset: self.position,
            max_bytes,
        };
        let columns = self.pushed.iter().flatten().filter_map(|c| i32::try_from(*c).ok()).collect();
        let table = FetchTable {
            table_id: self.scan.table.table_id,
            projected: self.pushed.is_some(),
            columns,
            buckets: vec![bucket],
            predicate: None,
            filter_schema_id: None,
        };
        // the server's own long poll is not woken by appends: never wait there
        FetchLog {
            follower_id: CLIENT,
            max_bytes,
            tables: vec![table],
            max_wait_ms: Some(0),
            min_bytes: Some(1),
        }
    }

    /// The records of a batch from `from` to the end of the scan, in the columns that were asked for.
    fn cut(&self, raw: &RawBatch, from: i64, written: &Schema) -> Result<LogBatch> {
        let sent: Vec<usize> = match &self.pushed {
            Some(pushed) if self.remote.is_none() => pushed.clone(),
            _ => (0..written.columns.len()).collect(),
        };
        let columns = sent.iter().map(|c| {
            written
                .columns
                .get(*c)
                .ok_or_else(|| Error::corrupt(format!("no column {c} in a batch")))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let (rows, mut change_types) = raw.decode(&columns)?;
        // offsets are dense inside a batch with records
        let skip = usize::try_from(from - raw.base_offset).unwrap_or(usize::MAX).min(raw.count);
        let until = usize::try_from(self.scan.end - raw.base_offset).unwrap_or(0).min(raw.count);
        let length = until.saturating_sub(skip);
        let rows = self.arrange(&rows.slice(skip, length), &sent, written)?;
        if !change_types.is_empty() {
            change_types = change_types.drain(skip..skip + length).collect();
        }
        Ok(LogBatch { rows, change_types, base_offset: from, next_offset: self.position })
    }

    /// Columns of a batch by their ids, in the order that was asked for.
    fn arrange(&self, rows: &RecordBatch, sent: &[usize], written: &Schema) -> Result<RecordBatch> {
        let present = &self.present.columns;
        let wanted = self.scan.projection.iter().flatten();
        let columns = wanted.zip(self.output.fields()).map(|(position, field)| {
            let column = &present[*position];
            let found = sent.iter().position(|c| written.columns[*c].id == column.id);
            match found {
                Some(i) if rows.column(i).data_type() == field.data_type() => {
                    Ok(Arc::clone(rows.column(i)))
                }
                Some(_) => Err(Error::Unsupported(format!(
                    "column '{}' of {} changed its type",
                    column.name, self.scan.table.path
                ))),
                None => Ok(new_null_array(field.data_type(), rows.num_rows())),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        let count = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &count)
            .map_err(|e| Error::corrupt(e.to_string()))
    }
}

fn take_bucket(answer: FetchLogAnswer, bucket: Bucket) -> Result<FetchedBucket> {
    let tables = answer.tables.into_iter().filter(|t| t.table_id == bucket.table_id);
    let mut buckets = tables.flat_map(|t| t.buckets);
    let wanted =
        |b: &FetchedBucket| b.bucket == bucket.bucket && b.partition_id == bucket.partition_id;
    buckets.find(wanted).ok_or_else(|| Error::corrupt(format!("no answer for {bucket}")))
}

/// How long nothing may come.
struct Patience {
    deadline: Instant,
    within: Duration,
    poll: Duration,
}

impl Patience {
    fn new(within: Duration) -> Self {
        Self { deadline: Instant::now() + within, within, poll: FIRST_POLL }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn is_first(&self) -> bool {
        self.poll == FIRST_POLL
    }

    async fn wait(&mut self, reader: &Reader) -> Result<()> {
        if self.left() <= self.poll {
            let what = format!("reading {} at offset {}", reader.bucket(), reader.position);
            return Err(Error::TimedOut { what, after: self.within });
        }
        tokio::time::sleep(self.poll).await;
        self.poll = (self.poll * 2).min(LONGEST_POLL);
        Ok(())
    }
}
