//! The current state of a primary-key bucket, and the offset that it stands for.
//!
//! * Servers that serve ScanKv give a snapshot of the state with its offset.
//! * Others give the rows without an offset (LimitScan). A leader flushes its state up to a new high watermark
//!   before it shows that watermark. So: note the end of the log `e1`, read the rows, note the end `e2`; the
//!   rows, with the log of `[e1, e2)` applied over them, are the state at `e2`: a key outside of that window
//!   had one state throughout it, a key inside takes its last one.
//!
//! [`row`] decodes rows into columns.

mod row;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use tokio::time::Instant;

use crate::client::bucket_error;
use crate::log::{ChangeType, LogScan};
use crate::messages::{LimitScan, LimitScanAnswer, ScanKv, ScanKvAnswer, ScanKvBucket};
use crate::table::{Bucket, Schema, TableInfo};
use crate::{Error, FlussClient, OffsetSpec, Result};
use row::{Decoder, values};

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
    pub changes: Vec<(RecordBatch, Vec<ChangeType>)>,
}

/// Bytes of one ScanKv answer: larger ones are slower, smaller ones cost calls.
const SCAN_BYTES: i32 = 2 << 20;

impl FlussClient {
    /// Reads the state of a bucket.
    ///
    /// # Errors
    /// `TooLarge` for a state beyond the limits of the options; `Unsupported` for key-value formats other
    /// than COMPACTED; `NotFound`, `TimedOut`.
    pub async fn scan_kv(self: &Arc<Self>, scan: KvScan) -> Result<KvState> {
        let table = &scan.table;
        match table.properties.get("table.kv.format").map(String::as_str) {
            None | Some("COMPACTED" | "compacted") => {}
            Some(other) => {
                return Err(Error::Unsupported(format!(
                    "the state of table {} is in format {other}: only COMPACTED is read",
                    table.path
                )));
            }
        }
        let bucket = table.bucket(scan.partition_id, scan.bucket);
        if self.leader_serves::<ScanKv>(table, bucket).await? {
            self.scan_snapshot(&scan, bucket).await
        } else {
            self.scan_window(&scan, bucket).await
        }
    }

    /// LimitScan and the window of the log around it.
    async fn scan_window(self: &Arc<Self>, scan: &KvScan, bucket: Bucket) -> Result<KvState> {
        let start = self.end_of(scan).await?;
        let request = LimitScan {
            table_id: bucket.table_id,
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
            limit: i32::MAX,
        };
        let within = self.options().request_timeout;
        let error_of = |answer: &LimitScanAnswer| match answer.code.unwrap_or(0) {
            0 => None,
            code => Some(bucket_error(code, answer.message.as_deref().unwrap_or_default(), bucket)),
        };
        let answer = self.ask_leader(&scan.table, bucket, &request, within, error_of).await?;
        let end = self.end_of(scan).await?;
        let records = answer.records.unwrap_or_default();
        self.check_size(records.len(), bucket)?;
        let mut changes = vec![(self.decode(scan, &[records]).await?, vec![])];
        if start < end {
            let window = LogScan {
                table: scan.table.clone(),
                partition_id: scan.partition_id,
                bucket: scan.bucket,
                start,
                end,
                projection: Some(scan.projection.clone()),
            };
            let batches: Vec<_> = self.scan_log(window).try_collect().await?;
            changes.extend(batches.into_iter().map(|batch| (batch.rows, batch.change_types)));
        }
        Ok(KvState { offset: end, changes })
    }

    async fn end_of(&self, scan: &KvScan) -> Result<i64> {
        let buckets = [scan.bucket];
        let offsets =
            self.offsets(&scan.table, scan.partition_id, &buckets, OffsetSpec::Latest).await?;
        offsets.get(&scan.bucket).copied().ok_or_else(|| Error::corrupt("no end of a log"))
    }

    /// ScanKv: open, next, next …, closed by the server at the end and by us when we give up.
    async fn scan_snapshot(self: &Arc<Self>, scan: &KvScan, bucket: Bucket) -> Result<KvState> {
        let open = ScanKvBucket {
            table_id: bucket.table_id,
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
        };
        let open = ScanKv {
            open: Some(open),
            sequence: Some(0),
            batch_bytes: Some(SCAN_BYTES),
            ..ScanKv::default()
        };
        let mut answer = self.ask_scanner(scan, bucket, &open).await?;
        let missing = || Error::corrupt(format!("no offset with the state of {bucket}"));
        let offset = answer.log_offset.ok_or_else(missing)?;
        let mut scanner = Scanner { client: Arc::clone(self), scan: scan.clone(), bucket, id: None };
        let (mut parts, mut bytes): (Vec<Bytes>, usize) = (vec![], 0);
        let mut sequence = 0;
        loop {
            let records = answer.records.take().unwrap_or_default();
            bytes += records.len();
            self.check_size(bytes, bucket)?;
            parts.push(records);
            scanner.id = answer.scanner_id.take().filter(|id| !id.is_empty()).or(scanner.id.take());
            if !answer.more.unwrap_or(false) {
                scanner.id = None;
                break;
            }
            sequence += 1;
            let next = ScanKv {
                scanner_id: scanner.id.clone(),
                sequence: Some(sequence),
                batch_bytes: Some(SCAN_BYTES),
                ..ScanKv::default()
            };
            answer = self.ask_scanner(scan, bucket, &next).await?;
        }
        let rows = self.decode(scan, &parts).await?;
        Ok(KvState { offset, changes: vec![(rows, vec![])] })
    }

    async fn ask_scanner(
        &self,
        scan: &KvScan,
        bucket: Bucket,
        request: &ScanKv,
    ) -> Result<ScanKvAnswer> {
        let within = self.options().request_timeout;
        let opening = request.open.is_some();
        let error_of = |answer: &ScanKvAnswer| match answer.code.unwrap_or(0) {
            0 => None,
            code => {
                let error =
                    bucket_error(code, answer.message.as_deref().unwrap_or_default(), bucket);
                // a scanner lives at one leader: what failed there is not asked elsewhere
                let lost = |e: &Error| Error::Unreachable {
                    address: bucket.to_string(),
                    problem: format!("the scanner is lost: {e}"),
                };
                Some(if opening || !error.is_passing() { error } else { lost(&error) })
            }
        };
        self.ask_leader(&scan.table, bucket, request, within, error_of).await
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
        let mut decoder = Decoder::new(&scan.table, &scan.projection)?;
        let mut schemas: HashMap<i32, Arc<Schema>> = HashMap::new();
        schemas.insert(scan.table.schema_id, Arc::new(scan.table.schema.clone()));
        let mut rested = Instant::now();
        for part in parts {
            for (schema_id, row) in values(part)? {
                if !schemas.contains_key(&schema_id) {
                    schemas.insert(schema_id, self.schema(&scan.table, schema_id).await?);
                }
                if let Some(schema) = schemas.get(&schema_id) {
                    decoder.add(schema, schema_id, row)?;
                }
            }
            if rested.elapsed().as_millis() > 10 {
                tokio::task::yield_now().await;
                rested = Instant::now();
            }
        }
        decoder.finish()
    }
}

/// Closes an open scanner when its reader gives up: a server holds few of them.
struct Scanner {
    client: Arc<FlussClient>,
    scan: KvScan,
    bucket: Bucket,
    id: Option<Bytes>,
}

impl Drop for Scanner {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (client, scan, bucket) = (Arc::clone(&self.client), self.scan.clone(), self.bucket);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // bounded by the call's own deadline
        runtime.spawn(async move {
            let close = ScanKv { scanner_id: Some(id), close: Some(true), ..ScanKv::default() };
            if let Err(error) = client.ask_scanner(&scan, bucket, &close).await {
                tracing::debug!(%error, %bucket, "a scanner was not closed");
            }
        });
    }
}
