//! Batches → pieces of an Arrow IPC stream.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

/// Bytes of one piece, about: far below what a message may have.
const PIECE_BYTES: usize = 4 << 20;

/// Writes one stream.
pub(crate) struct RowWriter {
    writer: StreamWriter<Vec<u8>>,
}

impl RowWriter {
    /// A stream of batches with this schema.
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, ArrowError> {
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), schema)? })
    }

    /// What is written and not taken yet: at first the schema.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }

    /// The end of the stream, which also completes a last message without a body at its reader.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, ArrowError> {
        self.writer.finish()?;
        Ok(self.take())
    }

    /// The pieces of a batch. A batch of long rows is cut, so that no message grows beyond its limit.
    pub(crate) fn pieces(&mut self, batch: &RecordBatch) -> Result<Vec<Vec<u8>>, ArrowError> {
        let batch = compact(batch)?;
        let parts = batch.get_array_memory_size().div_ceil(PIECE_BYTES).max(1);
        let rows = batch.num_rows().div_ceil(parts).max(1);
        let mut pieces = vec![];
        let mut start = 0;
        while start < batch.num_rows() {
            let length = rows.min(batch.num_rows() - start);
            self.writer.write(&batch.slice(start, length))?;
            pieces.push(self.take());
            start += length;
        }
        Ok(pieces)
    }
}

/// Views point into buffers that may be much larger than what is left of them, and IPC sends buffers whole.
fn compact(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |array: &ArrayRef| -> ArrayRef {
        match array.data_type() {
            DataType::Utf8View => std::sync::Arc::new(array.as_string_view().gc()),
            DataType::BinaryView => std::sync::Arc::new(array.as_binary_view().gc()),
            _ => std::sync::Arc::clone(array),
        }
    };
    let has_views =
        |a: &ArrayRef| matches!(a.data_type(), DataType::Utf8View | DataType::BinaryView);
    if !batch.columns().iter().any(has_views) {
        return Ok(batch.clone());
    }
    let rows =
        arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().iter().map(column).collect();
    RecordBatch::try_new_with_options(batch.schema(), columns, &rows)
}
