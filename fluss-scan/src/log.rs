//! Bounded reads of a bucket's log.
//!
//! * [`scan`]: a range of offsets as Arrow batches
//! * [`source`]: its raw batches, fetched from the leader until the consumed offset reaches the end
//! * [`remote`]: segments that were tiered to remote storage
//! * [`filter`]: what servers may leave out
//! * [`batch`]: the bytes of record batches → Arrow, once [`layout`] has looked at them

mod batch;
mod filter;
mod layout;
mod remote;
mod scan;
mod source;

use arrow::array::RecordBatch;

pub use filter::{Comparison, Filter, FilterValue, has_statistics};
pub use scan::LogScan;

/// What a record of a log does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeType {
    /// `+A`: a row of a log table.
    Append,
    /// `+I`: a new key.
    Insert,
    /// `-U`: the state that an update replaces.
    UpdateBefore,
    /// `+U`: the state after an update; without old images an insert too.
    UpdateAfter,
    /// `-D`: the key is removed; carries the last state.
    Delete,
}

impl ChangeType {
    /// Whether the record sets its key, rather than removing it.
    pub fn sets(self) -> bool {
        !matches!(self, Self::UpdateBefore | Self::Delete)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Append,
            1 => Self::Insert,
            2 => Self::UpdateBefore,
            3 => Self::UpdateAfter,
            4 => Self::Delete,
            _ => return None,
        })
    }
}

/// Some records of a log that follow one another.
#[derive(Debug, Clone)]
pub struct LogBatch {
    /// The rows, in the columns that were asked for.
    pub rows: RecordBatch,
    /// What each row does; empty: all rows are appended.
    pub change_types: Vec<ChangeType>,
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
