//! Bounded reads of a bucket's log.
//!
//! * [`scan`]: a range of offsets as Arrow batches
//! * [`source`]: its raw batches, fetched from the leader until the consumed offset reaches the end
//! * [`remote`]: segments that were tiered to remote storage
//! * [`filter`]: what servers may leave out
//! * [`batch`]: the bytes of record batches → Arrow, once [`layout`] has looked at them
//! * [`changes`]: what each record does

mod batch;
mod changes;
mod filter;
mod layout;
mod remote;
mod scan;
mod source;

use arrow::array::RecordBatch;

pub use changes::{ChangeType, ChangeTypes};
pub use filter::{Comparison, Filter, FilterValue, has_statistics};
pub use scan::LogScan;

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
    let columns: Vec<_> = columns.iter().map(|c| &schema.columns[*c]).collect();
    let (mut records, mut rows) = (records.clone(), 0);
    while let Some((raw, rest)) = batch::RawBatch::split(&records)? {
        if raw.count > 0 {
            rows += raw.decode(&columns)?.0.num_rows();
        }
        records = rest;
    }
    Ok(rows)
}
