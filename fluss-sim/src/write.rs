//! Writing: rows to logs, changes to states.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema as ArrowSchema, SchemaRef};
use bytes::Bytes;
use fluss_scan::{Bucket, Schema};

use crate::batch::StoredBatch;
use crate::bucket::Value;
use crate::cluster::{Cluster, Table};
use crate::filter::Statistics;
use crate::{Error, Result, encode, row};

const INSERT: u8 = 1;
const UPDATE_BEFORE: u8 = 2;
const UPDATE_AFTER: u8 = 3;
const DELETE: u8 = 4;

/// The columns in which rows of a schema are written.
pub fn arrow_schema(schema: &Schema) -> SchemaRef {
    let field = |column: &fluss_scan::Column| -> Field { column.arrow() };
    Arc::new(ArrowSchema::new(schema.columns.iter().map(field).collect::<Vec<_>>()))
}

impl Cluster {
    /// Appends rows to the log of a log table and shows them; the offset of the first.
    ///
    /// # Errors
    /// `Missing` bucket; `Refused` in a primary-key table.
    pub fn append(&self, bucket: Bucket, rows: &RecordBatch) -> Result<i64> {
        let base = self.stage_append(bucket, rows)?;
        self.commit(bucket)?;
        Ok(base)
    }

    /// Writes rows by their keys and shows the changes; the offset of the first.
    ///
    /// # Errors
    /// As [`Cluster::append`].
    pub fn upsert(&self, bucket: Bucket, rows: &RecordBatch) -> Result<i64> {
        let base = self.stage_upsert(bucket, rows)?;
        self.commit(bucket)?;
        Ok(base)
    }

    /// Deletes the keys of these rows and shows the changes; the offset of the first.
    ///
    /// # Errors
    /// As [`Cluster::append`].
    pub fn delete(&self, bucket: Bucket, rows: &RecordBatch) -> Result<i64> {
        let base = self.stage_delete(bucket, rows)?;
        self.commit(bucket)?;
        Ok(base)
    }

    /// As [`Cluster::append`], not shown yet. The rows may have any of the table's schemas, told by their
    /// number of columns.
    ///
    /// # Errors
    /// As [`Cluster::append`].
    pub fn stage_append(&self, bucket: Bucket, rows: &RecordBatch) -> Result<i64> {
        let mut state = self.state();
        state.clock += 1;
        let timestamp = state.clock;
        let table = state.table_of(bucket)?;
        if table.has_key() {
            return Err(Error::Refused("rows of a primary-key table are not appended".into()));
        }
        let known = table.schemas.iter().zip(1..);
        let mut fitting = known.filter(|(schema, _)| schema.columns.len() == rows.num_columns());
        let Some((schema, schema_id)) = fitting.next() else {
            return Err(Error::Refused(format!("rows of {} columns", rows.num_columns())));
        };
        let option = table.spec.option("table.statistics.columns");
        let statistics = (!option.is_empty()).then(|| Statistics::of(rows, schema, option));
        let rows = Some(rows.clone());
        store(table, bucket, Batch { schema_id, timestamp, kinds: None, rows, statistics })
    }

    /// As [`Cluster::upsert`], not shown yet.
    ///
    /// # Errors
    /// As [`Cluster::append`].
    pub fn stage_upsert(&self, bucket: Bucket, rows: &RecordBatch) -> Result<i64> {
        self.stage_changes(bucket, rows, false)
    }

    /// As [`Cluster::delete`], not shown yet.
    ///
    /// # Errors
    /// As [`Cluster::append`].
    pub fn stage_delete(&self, bucket: Bucket, rows: &RecordBatch) -> Result<i64> {
        self.stage_changes(bucket, rows, true)
    }

    fn stage_changes(&self, bucket: Bucket, rows: &RecordBatch, deletes: bool) -> Result<i64> {
        let mut state = self.state();
        state.clock += 1;
        let timestamp = state.clock;
        let table = state.table_of(bucket)?;
        let (schema, schema_id) = (table.schema(), table.schema_id());
        if !table.has_key() || rows.num_columns() != schema.columns.len() {
            return Err(Error::Refused("changes need a key and the present schema".into()));
        }
        let keeps_first = table.spec.option("table.merge-engine") == "first_row";
        let is_wal = table.spec.option("table.changelog.image").eq_ignore_ascii_case("wal");
        let mut changes = Changes { kinds: vec![], rows: vec![] };
        for i in 0..rows.num_rows() {
            let key = key(table, rows, i, &schema)?;
            let base = table.buckets.get(&(bucket.partition_id, bucket.bucket));
            let base = base.ok_or_else(|| Error::Missing(bucket.to_string()))?.log.end();
            let state = &mut entry(table, bucket)?.state;
            let old = state.latest.get(&key).map(|old| pad(old, &schema)).transpose()?;
            let new = rows.slice(i, 1);
            match (old, deletes) {
                (None, true) => continue,
                (Some(_), false) if keeps_first => continue,
                (Some(old), true) => changes.add(DELETE, old),
                (None, false) => changes.add(if is_wal { UPDATE_AFTER } else { INSERT }, new),
                (Some(_), false) if is_wal => changes.add(UPDATE_AFTER, new),
                (Some(old), false) => {
                    changes.add(UPDATE_BEFORE, old);
                    changes.add(UPDATE_AFTER, new);
                }
            }
            let value = if deletes {
                None
            } else {
                let bytes: Bytes = row::value(rows, i, &schema, schema_id)?;
                Some(Value { row: rows.slice(i, 1), bytes })
            };
            state.change(base + changes.kinds.len() as i64, key, value);
        }
        let rows = match changes.rows.as_slice() {
            [] => None,
            rows => Some(concat_batches(&arrow_schema(&schema), rows)?),
        };
        let kinds = Some(changes.kinds);
        store(table, bucket, Batch { schema_id, timestamp, kinds, rows, statistics: None })
    }

    /// Applies what was written up to an offset to the state that scans see, and shows no new watermark.
    ///
    /// # Errors
    /// `Missing`.
    pub fn flush(&self, bucket: Bucket, until: i64) -> Result<()> {
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        bucket.state.apply(until.min(bucket.log.end()));
        Ok(())
    }

    /// Shows everything that was written; the high watermark.
    ///
    /// # Errors
    /// `Missing`.
    pub fn commit(&self, bucket: Bucket) -> Result<i64> {
        let mut state = self.state();
        let bucket = state.bucket(bucket)?;
        let end = bucket.log.end();
        bucket.commit(end);
        Ok(end)
    }

    /// The high watermark of a bucket.
    ///
    /// # Errors
    /// `Missing`.
    pub fn high_watermark(&self, bucket: Bucket) -> Result<i64> {
        Ok(self.state().bucket(bucket)?.log.high_watermark)
    }

    /// The offset behind everything that was written to a bucket, shown or not.
    ///
    /// # Errors
    /// `Missing`.
    pub fn log_end(&self, bucket: Bucket) -> Result<i64> {
        Ok(self.state().bucket(bucket)?.log.end())
    }

    /// Where the batches of a log begin.
    ///
    /// # Errors
    /// `Missing`.
    pub fn batch_offsets(&self, bucket: Bucket) -> Result<Vec<i64>> {
        Ok(self.state().bucket(bucket)?.log.batches.iter().map(|batch| batch.base).collect())
    }
}

struct Changes {
    kinds: Vec<u8>,
    rows: Vec<RecordBatch>,
}

impl Changes {
    fn add(&mut self, kind: u8, row: RecordBatch) {
        self.kinds.push(kind);
        self.rows.push(row);
    }
}

/// A batch without its place.
struct Batch {
    schema_id: i32,
    timestamp: i64,
    kinds: Option<Vec<u8>>,
    rows: Option<RecordBatch>,
    statistics: Option<Statistics>,
}

fn entry(table: &mut Table, bucket: Bucket) -> Result<&mut crate::bucket::BucketState> {
    let found = table.buckets.get_mut(&(bucket.partition_id, bucket.bucket));
    found.ok_or_else(|| Error::Missing(bucket.to_string()))
}

/// Puts a batch behind the log.
fn store(table: &mut Table, bucket: Bucket, batch: Batch) -> Result<i64> {
    let compression = encode::compression(table.spec.option("table.log.arrow.compression.type"));
    let log = &mut entry(table, bucket)?.log;
    let Batch { schema_id, timestamp, kinds, rows, statistics } = batch;
    let rows = rows.filter(|rows| rows.num_rows() > 0);
    let (base, count) = (log.end(), rows.as_ref().map_or(0, RecordBatch::num_rows));
    let bytes = Bytes::new();
    let mut stored =
        StoredBatch { base, count, schema_id, timestamp, kinds, rows, statistics, bytes };
    stored.bytes = encode::whole(&stored, compression)?;
    log.batches.push(stored);
    Ok(base)
}

/// The key in the encoding that the table's format asks for.
fn key(table: &Table, rows: &RecordBatch, row: usize, schema: &Schema) -> Result<Vec<u8>> {
    let spec = &table.spec;
    let of_row = |name: &&String| !spec.partition_keys.contains(name);
    let key: Vec<String> = spec.primary_key.iter().filter(of_row).cloned().collect();
    let is_whole = spec.bucket_keys.is_empty() || spec.bucket_keys == key;
    if spec.option("table.datalake.format") == "paimon" && is_whole {
        return row::paimon_key(rows, row, schema, &key);
    }
    row::compacted_key(rows, row, schema, &key)
}

/// An old row in the columns of a later schema.
fn pad(old: &Value, schema: &Schema) -> Result<RecordBatch> {
    let mut columns = old.row.columns().to_vec();
    for column in schema.columns.iter().skip(columns.len()) {
        columns.push(new_null_array(&column.data_type.arrow(), 1));
    }
    debug_assert!(columns.iter().all(|column| column.len() == 1));
    Ok(RecordBatch::try_new(arrow_schema(schema), columns)?)
}
