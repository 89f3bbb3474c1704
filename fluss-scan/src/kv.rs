//! The current state of a primary-key bucket, and the offset that it stands for.
//!
//! * Servers that serve ScanKv give a snapshot of the state with its offset.
//! * Others give the rows without an offset (LimitScan). A leader flushes its state up to a new high watermark
//!   before it shows that watermark, so the rows contain the log up to the watermark `e1` seen before them, and
//!   perhaps more, but nothing behind `e2`, the end of all that was written, shown or not, seen after them. The
//!   rows, with the log of `[e1, e2)` applied over them as soon as it is shown, are the state at `e2`: a key
//!   outside of that window had one state throughout it, a key inside takes its last one. The watermark seen
//!   after the rows would not do for `e2`: a leader that rests between flush and watermark gave rows from
//!   behind it (`Replica.maybeIncrementLeaderHW` of Fluss 0.9).
//!
//! [`scanner`] is the first way, [`values`] finds the rows, [`fold`] leaves the last state of each key;
//! [`lookup`] asks for single keys.

mod fold;
mod lookup;
mod scanner;
mod values;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use tokio::time::Instant;

use crate::log::{ChangeTypes, LogScan, kept_bytes};
use crate::messages::{LimitScan, ScanKv};
use crate::row::{Decoder, RowFormat};
use crate::table::{Bucket, Schema, TableInfo};
use crate::{Error, FlussClient, OffsetSpec, Result};
use values::values;

pub use lookup::{FoundRows, KeyLookup};

/// The bucket whose state to read.
#[derive(Debug, Clone)]
pub struct KvScan {
    /// The table.
    pub table: TableInfo,
    /// The partition's id, in a partitioned table.
    pub partition_id: Option<i64>,
    /// The bucket.
    pub bucket: i32,
    /// Positions in the table's present schema, ascending, the primary key among them: without it the
    /// window of changes cannot be applied.
    pub projection: Vec<usize>,
}

/// The state of a bucket, as rows and changes over them.
#[derive(Debug)]
pub struct KvState {
    /// The state contains the log up to here (exclusive).
    pub offset: i64,
    /// Rows, then changes in the order of their offsets: the last one of a key is its state. An empty list of
    /// change types means rows.
    pub changes: Vec<(RecordBatch, ChangeTypes)>,
}

impl FlussClient {
    /// Reads the state of a bucket.
    ///
    /// # Errors
    /// `TooLarge` for a state beyond the limits of the options; `Unsupported` for key-value formats
    /// that are not known and columns that changed their type; `NotFound`, `TimedOut`.
    pub async fn scan_kv(self: &Arc<Self>, scan: KvScan) -> Result<KvState> {
        let table = &scan.table;
        format_of(table)?;
        let bucket = table.bucket(scan.partition_id, scan.bucket);
        if self.leader_serves::<ScanKv>(table, bucket).await? {
            self.scan_snapshot(&scan, bucket).await
        } else {
            self.scan_window(&scan, bucket).await
        }
    }

    /// LimitScan and the window of the log around it.
    async fn scan_window(self: &Arc<Self>, scan: &KvScan, bucket: Bucket) -> Result<KvState> {
        let start = self.end_of(scan, OffsetSpec::Latest).await?;
        let request = LimitScan {
            table_id: bucket.table_id,
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
            limit: i32::MAX,
        };
        let within = self.options().request_timeout;
        let answer = self.ask_leader(&scan.table, bucket, &request, within).await;
        let answer = answer.map_err(|error| match error {
            Error::TooLarge(why) => Error::TooLarge(format!(
                "the state of {bucket} comes in one answer from this server and does not fit: {why}"
            )),
            error => error,
        })?;
        let end = self.end_of(scan, OffsetSpec::LogEnd).await?;
        if answer.is_log.unwrap_or(false) {
            return Err(Error::corrupt(format!("log records as the state of {bucket}")));
        }
        let records = answer.records.unwrap_or_default();
        self.check_size(records.len(), bucket)?;
        let mut changes = vec![(self.decode(scan, &[records]).await?, ChangeTypes::default())];
        if start < end {
            let window = LogScan {
                table: scan.table.clone(),
                partition_id: scan.partition_id,
                bucket: scan.bucket,
                start,
                end,
                projection: Some(scan.projection.clone()),
                filter: None,
            };
            let mut batches = pin!(self.scan_log(window));
            let mut bytes = 0;
            while let Some(batch) = batches.try_next().await? {
                bytes += kept_bytes(&batch.rows);
                self.check_size(bytes, bucket)?;
                changes.push((batch.rows, batch.change_types));
            }
        }
        Ok(KvState { offset: end, changes })
    }

    async fn end_of(&self, scan: &KvScan, spec: OffsetSpec) -> Result<i64> {
        let buckets = [scan.bucket];
        let offsets = self.offsets(&scan.table, scan.partition_id, &buckets, spec).await?;
        offsets.get(&scan.bucket).copied().ok_or_else(|| Error::corrupt("no end of a log"))
    }

    fn check_size(&self, bytes: usize, bucket: Bucket) -> Result<()> {
        let max = self.options().state_bytes_max;
        if bytes <= max {
            return Ok(());
        }
        Err(Error::TooLarge(format!("the state of {bucket} is larger than {max} bytes")))
    }

    /// Rows of value batches as one batch in the columns that were asked for.
    async fn decode(&self, scan: &KvScan, parts: &[Bytes]) -> Result<RecordBatch> {
        let mut decoder = decoder(&scan.table, &scan.projection)?;
        let mut schemas: HashMap<i32, Arc<Schema>> = HashMap::new();
        schemas.insert(scan.table.schema_id, Arc::new(scan.table.schema.clone()));
        let mut rested = Instant::now();
        for part in parts {
            for (schema_id, row) in values(part)? {
                let schema = match schemas.entry(schema_id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        unknown.insert(self.schema(&scan.table, schema_id).await?)
                    }
                };
                decoder.add(schema, schema_id, row)?;
            }
            if rested.elapsed().as_millis() > 10 {
                tokio::task::yield_now().await;
                rested = Instant::now();
            }
        }
        decoder.finish()
    }
}

/// The format of the rows in a table's state.
fn format_of(table: &TableInfo) -> Result<RowFormat> {
    let Some(name) = table.properties.get("table.kv.format") else {
        return Ok(RowFormat::Compacted);
    };
    RowFormat::named(name).ok_or_else(|| {
        Error::Unsupported(format!("the state of table {} is in format {name}", table.path))
    })
}

/// A decoder of the columns at `projection` of a table's present schema.
fn decoder(table: &TableInfo, projection: &[usize]) -> Result<Decoder> {
    if projection.iter().collect::<HashSet<_>>().len() < projection.len() {
        return Err(Error::Unsupported(format!("the projection {projection:?}")));
    }
    let column = |i: &usize| {
        let column = table.schema.columns.get(*i).cloned();
        column.ok_or_else(|| Error::Unsupported(format!("a projection of column {i}")))
    };
    let columns = projection.iter().map(column).collect::<Result<Vec<_>>>()?;
    Decoder::new(format_of(table)?, columns)
}

/// The number of rows in a value batch, all in the table's present schema.
#[cfg(test)]
pub(crate) fn decode_values(
    bytes: &[u8],
    table: &TableInfo,
    projection: &[usize],
) -> Result<usize> {
    decode_state(bytes, table, projection).map(|rows| rows.num_rows())
}

/// Decodes a value batch whose rows have the table's present schema.
pub(crate) fn decode_state(
    bytes: &[u8],
    table: &TableInfo,
    projection: &[usize],
) -> Result<RecordBatch> {
    let mut decoder = decoder(table, projection)?;
    for (schema_id, row) in values(bytes)? {
        decoder.add(&table.schema, schema_id, row)?;
    }
    decoder.finish()
}
