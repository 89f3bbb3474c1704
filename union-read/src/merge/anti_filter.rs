//! Lake rows whose key the tail has touched are not rows of the table any more.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::fold::Tail;
use crate::{Error, Result};

/// Drops the rows of a lake batch whose key is in the tail.
///
/// The key columns must stand in the batch where the tail's key expects them.
pub fn suppress(batch: RecordBatch, tail: &Tail) -> Result<RecordBatch> {
    if tail.keys() == 0 {
        return Ok(batch);
    }
    let keys = tail.key.encode(&batch)?;
    let kept: BooleanArray = keys.iter().map(|key| Some(!tail.touches(key.as_ref()))).collect();
    if kept.true_count() == batch.num_rows() {
        return Ok(batch);
    }
    filter_record_batch(&batch, &kept)
        .map_err(|e| Error::Corrupt(format!("lake rows cannot be filtered: {e}")))
}
