//! The scan of one bucket between two offsets: its batches as Arrow, in the columns that were asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use futures::stream::{self, Stream, TryStreamExt};

use super::LogBatch;
use super::batch::RawBatch;
use super::filter::Filter;
use super::format::LogFormat;
use super::source::Source;
use crate::table::{Schema, TableInfo};
use crate::{Error, FlussClient, Result};

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
    /// Batches without a row that passes it may be left out; rows that do not pass it still come. Only of use where
    /// [`has_statistics`](super::has_statistics).
    pub filter: Option<Filter>,
}

impl FlussClient {
    /// The records of `[start, end)` in the order of their offsets, in the columns of the table's present
    /// schema that were asked for; columns younger than a record are NULL in it.
    ///
    /// # Errors
    /// `OffsetOutOfRange` when the log does not hold `start`; `TimedOut` when nothing comes for the request
    /// timeout; `Unsupported` for log formats that are not known, columns that changed their type, and filters that
    /// servers cannot judge; `Corrupt`.
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
    table: TableInfo,
    format: LogFormat,
    source: Source,
    /// Positions of the wanted columns in the present schema.
    wanted: Vec<usize>,
    output: SchemaRef,
    /// The table's present schema.
    present: Arc<Schema>,
    end: i64,
}

impl Reader {
    fn new(client: Arc<FlussClient>, scan: LogScan) -> Result<Self> {
        let LogScan { table, partition_id, bucket, start, end, projection, filter } = scan;
        let format = LogFormat::of(&table)?;
        let columns = table.schema.columns.len();
        let wanted: Vec<usize> = projection.unwrap_or_else(|| (0..columns).collect());
        if wanted.is_empty()
            || !wanted.is_sorted_by(|a, b| a < b)
            || wanted.iter().any(|c| *c >= columns)
        {
            return Err(Error::Unsupported(format!("the projection {wanted:?}")));
        }
        let fields = wanted.iter().map(|c| table.schema.columns[*c].arrow().with_nullable(true));
        let output = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
        // servers refuse to cut rows to columns
        let is_pushed = format == LogFormat::Arrow && wanted.len() < columns;
        let pushed = is_pushed.then(|| wanted.clone());
        // nor do they have statistics of rows: one that is given a filter fails
        let filter = filter.filter(|_| format == LogFormat::Arrow);
        let filter = filter.map(|filter| filter.to_wire(&table)).transpose()?;
        let present = Arc::new(table.schema.clone());
        let bucket = table.bucket(partition_id, bucket);
        let range = start..end;
        let source = Source::new(Arc::clone(&client), table.clone(), bucket, range, pushed, filter);
        Ok(Self { client, table, format, source, wanted, output, present, end })
    }

    /// The next records, `None` at the end.
    async fn next(&mut self) -> Result<Option<LogBatch>> {
        while let Some(raw) = self.source.next().await? {
            let written = self.schema_of(&raw).await?;
            if !self.is_cut_right(&written) {
                // the server cut by positions that mean other columns in this batch: cut here instead
                self.source.stop_projecting();
                continue;
            }
            let batch = self.cut(&raw, &written)?;
            self.source.consumed(raw.next_offset);
            return Ok(Some(batch));
        }
        Ok(None)
    }

    /// The schema that a batch was written with.
    async fn schema_of(&self, raw: &RawBatch) -> Result<Arc<Schema>> {
        if raw.schema_id == self.table.schema_id {
            return Ok(Arc::clone(&self.present));
        }
        self.client.schema(&self.table, raw.schema_id).await
    }

    /// Whether the positions that were pushed to the server mean the same columns in a batch's schema.
    fn is_cut_right(&self, written: &Schema) -> bool {
        let id = |schema: &Schema, position: usize| schema.columns.get(position).map(|c| c.id);
        let mut pushed = self.source.projection().into_iter().flatten();
        pushed.all(|c| id(written, *c) == id(&self.present, *c))
    }

    /// The records of a batch from the position to the end of the scan, in the columns that were asked for.
    fn cut(&self, raw: &RawBatch, written: &Schema) -> Result<LogBatch> {
        let is_wanted = |position: &usize| {
            let id = written.columns[*position].id;
            self.wanted.iter().any(|wanted| self.present.columns[*wanted].id == id)
        };
        let kept: Vec<usize> = (0..written.columns.len()).filter(is_wanted).collect();
        let sent = self.source.projection();
        let (rows, change_types) = raw.decode(self.format, written, sent, &kept)?;
        // offsets are dense inside a batch with records
        let from = self.source.position();
        let skip = usize::try_from(from - raw.base_offset).unwrap_or(usize::MAX).min(raw.count);
        let until = usize::try_from(self.end - raw.base_offset).unwrap_or(0).min(raw.count);
        let length = until.saturating_sub(skip);
        let rows = self.arrange(&rows.slice(skip, length), &kept, written)?;
        let change_types = change_types.slice(skip..skip + length);
        let next_offset = raw.next_offset.min(self.end);
        Ok(LogBatch { rows, change_types, base_offset: from, next_offset })
    }

    /// Columns of a batch by their ids, in the order that was asked for.
    fn arrange(&self, rows: &RecordBatch, kept: &[usize], written: &Schema) -> Result<RecordBatch> {
        let present = &self.present.columns;
        let columns = self.wanted.iter().zip(self.output.fields()).map(|(position, field)| {
            let column = &present[*position];
            let found = kept.iter().position(|c| written.columns[*c].id == column.id);
            match found {
                Some(i) if rows.column(i).data_type() == field.data_type() => {
                    Ok(Arc::clone(rows.column(i)))
                }
                Some(_) => Err(Error::Unsupported(format!(
                    "column '{}' of {} changed its type",
                    column.name, self.table.path
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
