//! Bounded reads of a bucket's log.
//!
//! * [`scan`]: a range of offsets as Arrow batches
//! * [`source`]: its raw batches, fetched from the leader until the consumed offset reaches the end
//! * [`remote`]: segments that were tiered to remote storage
//! * [`filter`]: what servers may leave out
//! * [`batch`]: the bytes of record batches → Arrow, once [`layout`] has looked at them and
//!   [`decompress`] made them larger
//! * [`format`]: batches of rows → Arrow
//! * [`changes`]: what each record does

mod batch;
mod changes;
mod decompress;
mod filter;
mod format;
mod layout;
mod remote;
mod scan;
mod source;

use std::collections::HashMap;

use arrow::array::{Array, ArrayData, RecordBatch};

pub use changes::{ChangeType, ChangeTypes};
pub use filter::{Comparison, Filter, FilterValue, has_statistics};
pub use scan::LogScan;

/// Bytes of memory that a batch keeps. Columns may share a buffer, which is counted once and whole.
pub fn kept_bytes(rows: &RecordBatch) -> usize {
    fn count(array: &ArrayData, buffers: &mut HashMap<usize, usize>) {
        let nulls = array.nulls().map(|nulls| nulls.buffer());
        for buffer in array.buffers().iter().chain(nulls) {
            buffers.insert(buffer.data_ptr().as_ptr() as usize, buffer.capacity());
        }
        array.child_data().iter().for_each(|child| count(child, buffers));
    }
    let mut buffers = HashMap::new();
    rows.columns().iter().for_each(|column| count(&column.to_data(), &mut buffers));
    buffers.values().sum()
}

/// Some records of a log that follow one another.
#[derive(Debug, Clone)]
pub struct LogBatch {
    /// The rows, in the columns that were asked for.
    pub rows: RecordBatch,
    /// What each row does; empty: all rows are appended.
    pub change_types: ChangeTypes,
    /// The offset of the first row.
    pub base_offset: i64,
    /// The offset after the last row and the empty batches behind it.
    pub next_offset: i64,
}

/// Decodes all whole batches of an answer, which has these columns of a schema; the number of rows.
#[cfg(test)]
pub(crate) fn decode_batches(
    records: &bytes::Bytes,
    schema: &crate::Schema,
    columns: &[usize],
) -> crate::Result<usize> {
    let batches = decode_each(records, schema, "ARROW", Some(columns), columns)?;
    Ok(batches.iter().map(|(rows, _)| rows.num_rows()).sum())
}

/// Decodes all whole batches of a log in the format of this name, which hold all columns of the schema: those at the
/// `kept` positions.
#[cfg(test)]
pub(crate) fn decode_log(
    records: &bytes::Bytes,
    schema: &crate::Schema,
    format: &str,
    kept: &[usize],
) -> crate::Result<Vec<(RecordBatch, ChangeTypes)>> {
    decode_each(records, schema, format, None, kept)
}

/// Decodes all whole batches of a log in the format of this name, as `sent` (`None`: all columns): the `kept` ones.
pub(crate) fn decode_each(
    records: &bytes::Bytes,
    schema: &crate::Schema,
    format: &str,
    sent: Option<&[usize]>,
    kept: &[usize],
) -> crate::Result<Vec<(RecordBatch, ChangeTypes)>> {
    let rows = crate::row::RowFormat::named(format).map(format::LogFormat::Rows);
    let format = rows.unwrap_or(format::LogFormat::Arrow);
    let (mut records, mut decoded) = (records.clone(), vec![]);
    while let Some((raw, rest)) = batch::RawBatch::split(&records)? {
        if raw.count > 0 {
            decoded.push(raw.decode(format, schema, sent, kept)?);
        }
        records = rest;
    }
    Ok(decoded)
}
