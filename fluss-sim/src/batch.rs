//! A batch of a log.

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::filter::Statistics;

/// A batch as it was appended.
#[derive(Debug, Clone)]
pub(crate) struct StoredBatch {
    pub(crate) base: i64,
    pub(crate) count: usize,
    pub(crate) schema_id: i32,
    /// Commit time, milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// What each row does; `None` in a log table.
    pub(crate) kinds: Option<Vec<u8>>,
    /// `None` in an empty batch.
    pub(crate) rows: Option<RecordBatch>,
    pub(crate) statistics: Option<Statistics>,
    pub(crate) bytes: Bytes,
}

impl StoredBatch {
    /// The offset behind it: an empty batch takes one too.
    pub(crate) fn next(&self) -> i64 {
        self.base + i64::try_from(self.count.max(1)).unwrap_or(1)
    }
}
