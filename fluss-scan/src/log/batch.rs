//! Record batches: header, change types, and an Arrow record batch without its schema.
//!
//! Header, little endian (Fluss's `LogRecordBatchFormat`): `base offset i64 | length i32 of what follows |
//! magic u8 | commit time i64 | from version 2 on: leader epoch i32 | crc32c u32 | schema id i16 | attributes u8 |
//! last offset delta i32 | writer i64 | sequence i32 | count i32 | from version 1 on: statistics length i32 |
//! statistics`. Fluss up to 0.9 knew another version 1, with a leader epoch and without statistics, but never
//! wrote it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::read_record_batch;
use bytes::Bytes;

use super::decompress::decompress;
use super::{ChangeTypes, layout};
use crate::cursor::Cursor;
use crate::{Column, Error, Result};

/// Bytes before those that the length counts.
const PREFIX: usize = RawBatch::PREFIX;
/// The version whose batches hold statistics of their columns, and the one with the epoch of their leader.
const STATISTICS: u8 = 1;
const LEADER_EPOCH: u8 = 2;
/// Attribute bit of logs whose records are all appended: no change types are written.
const APPEND_ONLY: u8 = 1;
/// Rows that one batch may hold, far more than a writer puts into one.
pub(super) const ROWS_MAX: usize = 1 << 24;

/// One batch as it was written, not decoded yet.
#[derive(Debug, Clone)]
pub(super) struct RawBatch {
    /// The offset of its first record.
    pub(super) base_offset: i64,
    /// The offset after its last record.
    pub(super) next_offset: i64,
    /// The schema it was written with.
    pub(super) schema_id: i32,
    /// Number of records; an empty batch still takes an offset.
    pub(super) count: usize,
    append_only: bool,
    checksum: u32,
    /// What the checksum covers: all from the schema id on.
    checked: Bytes,
    body: Bytes,
}

impl RawBatch {
    /// Bytes that tell the length of a batch.
    pub(super) const PREFIX: usize = 12;

    /// The first batch of some bytes and what follows it; `None` when it is not whole: an answer may end in
    /// the middle of a batch.
    pub(super) fn split(bytes: &Bytes) -> Result<Option<(Self, Bytes)>> {
        if bytes.len() < PREFIX {
            return Ok(None);
        }
        let mut header = Cursor::new(bytes);
        let base_offset = header.i64()?;
        let length = header.length()?;
        let end = PREFIX.saturating_add(length);
        if bytes.len() < end {
            return Ok(None);
        }
        let batch = Self::parse(base_offset, bytes.slice(..end))?;
        Ok(Some((batch, bytes.slice(end..))))
    }

    /// The length of the batch that begins here, once its first bytes are there.
    pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>> {
        if bytes.len() < PREFIX {
            return Ok(None);
        }
        let mut header = Cursor::new(bytes);
        header.i64()?;
        Ok(Some(PREFIX.saturating_add(header.length()?)))
    }

    fn parse(base_offset: i64, bytes: Bytes) -> Result<Self> {
        let mut cursor = Cursor::new(&bytes);
        cursor.take(PREFIX)?;
        let magic = cursor.u8()?;
        if magic > LEADER_EPOCH {
            return Err(Error::Unsupported(format!("record batches of version {magic}")));
        }
        cursor.i64()?;
        if magic >= LEADER_EPOCH {
            cursor.i32()?;
        }
        let checksum = cursor.i32()?.cast_unsigned();
        let checked = bytes.slice(bytes.len() - cursor.remaining()..);
        let schema_id = i32::from(cursor.i16()?);
        let attributes = cursor.u8()?;
        let last_delta = cursor.i32()?;
        cursor.i64()?;
        cursor.i32()?;
        let count = cursor.length()?;
        if magic >= STATISTICS {
            let statistics = cursor.length()?;
            cursor.take(statistics)?;
        }
        // an empty batch takes one offset, every other one as many as it has records
        let last = i64::try_from(count.max(1)).unwrap_or(i64::MAX) - 1;
        let fits = count <= ROWS_MAX && i64::from(last_delta) == last && base_offset >= 0;
        let next_offset =
            base_offset.checked_add(i64::from(last_delta)).and_then(|o| o.checked_add(1));
        let (true, Some(next_offset)) = (fits, next_offset) else {
            return Err(Error::corrupt(format!("a batch of {count} records at {base_offset}")));
        };
        Ok(Self {
            base_offset,
            next_offset,
            schema_id,
            count,
            append_only: attributes & APPEND_ONLY != 0,
            checksum,
            checked,
            body: bytes.slice(bytes.len() - cursor.remaining()..),
        })
    }

    /// Refuses a batch whose bytes changed on the way. Says nothing of a projected batch: servers keep the
    /// checksum of what they did not send.
    pub(super) fn check(&self) -> Result<()> {
        if crc32c::crc32c(&self.checked) == self.checksum {
            return Ok(());
        }
        Err(Error::corrupt(format!("the checksum of the batch at {}", self.base_offset)))
    }

    /// Whether all records are appended.
    pub(super) fn append_only(&self) -> bool {
        self.append_only
    }

    /// What follows the header.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The records of an ARROW log, which has these columns; those at the `kept` positions among them.
    pub(super) fn decode_columns(
        &self,
        columns: &[&Column],
        kept: &[usize],
    ) -> Result<(RecordBatch, ChangeTypes)> {
        let mut cursor = Cursor::new(&self.body);
        let change_types = if self.append_only { &[][..] } else { cursor.take(self.count)? };
        let change_types = ChangeTypes::new(change_types)?;
        let message = self.body.slice(self.body.len() - cursor.remaining()..);
        let schema = Arc::new(Schema::new(columns.iter().map(|c| c.arrow()).collect::<Vec<_>>()));
        let rows = decode_arrow(&message, schema, kept, self.count)?;
        if rows.num_rows() != self.count {
            let (rows, count) = (rows.num_rows(), self.count);
            return Err(Error::corrupt(format!("{rows} rows where {count} were announced")));
        }
        Ok((rows, change_types))
    }
}

/// An encapsulated Arrow message: `ffffffff | metadata length i32 | metadata | buffers`.
fn decode_arrow(
    bytes: &Bytes,
    schema: SchemaRef,
    kept: &[usize],
    rows: usize,
) -> Result<RecordBatch> {
    let mut cursor = Cursor::new(bytes);
    if cursor.take(4)? != [0xff; 4] {
        return Err(Error::corrupt("no Arrow message where one should be"));
    }
    let metadata = cursor.length()?;
    let metadata = cursor.take(metadata)?;
    let body = bytes.slice(bytes.len() - cursor.remaining()..);
    let message = arrow::ipc::root_as_message(metadata)
        .map_err(|e| Error::corrupt(format!("an Arrow message: {e}")))?;
    let batch = message
        .header_as_record_batch()
        .ok_or_else(|| Error::corrupt("an Arrow message without a record batch"))?;
    let lengths = layout::check(&batch, &body, schema.fields(), kept, rows)?;
    let kept = (kept.len() < schema.fields().len()).then_some(kept);
    let decompressed = match batch.compression() {
        Some(compression) => Some(decompress(&batch, compression.codec(), &body, &lengths)?),
        None => None,
    };
    // not copied although it begins anywhere: the reader copies those buffers that must be aligned and are not,
    // which leaves out text
    let (body, batch) = match &decompressed {
        Some(decompressed) => (decompressed.body.clone(), decompressed.batch()?),
        None => (body.into(), batch),
    };
    read_record_batch(&body, batch, schema, &HashMap::new(), kept, &message.version())
        .map_err(|e| Error::corrupt(format!("an Arrow record batch: {e}")))
}
