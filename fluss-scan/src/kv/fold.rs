//! The fold of a state's changes: the last one of a key, by offset, is its state.

use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::row::{OwnedRow, RowConverter, SortField};

use super::KvState;
use crate::{Error, Result};

impl KvState {
    /// The rows of the state, one per key, in no particular order.
    ///
    /// `key` are the positions of the primary key in the columns that were asked for. Keys are compared as
    /// they are written: both halves of a state come from the same server.
    ///
    /// # Errors
    /// `Unsupported` for a position that is not there or a type that cannot be a key; `Corrupt` where rows
    /// and change types differ in number.
    pub fn fold(&self, key: &[usize]) -> Result<RecordBatch> {
        let Some((first, _)) = self.changes.first() else {
            return Err(Error::corrupt("a state without columns"));
        };
        if let Some(position) = key.iter().find(|position| **position >= first.num_columns()) {
            return Err(Error::Unsupported(format!("a key of column {position}")));
        }
        let schema = first.schema();
        let fields = key.iter().map(|k| SortField::new(schema.field(*k).data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(unsupported)?;
        let mut live: HashMap<OwnedRow, (usize, usize)> = HashMap::new();
        for (batch, (rows, change_types)) in self.changes.iter().enumerate() {
            if !change_types.is_empty() && change_types.len() != rows.num_rows() {
                let (rows, types) = (rows.num_rows(), change_types.len());
                return Err(Error::corrupt(format!("{types} change types for {rows} rows")));
            }
            let columns: Vec<ArrayRef> = key.iter().map(|k| rows.column(*k).clone()).collect();
            let keys = converter.convert_columns(&columns).map_err(unsupported)?;
            for (row, key) in keys.iter().enumerate() {
                if change_types.sets(row) {
                    live.insert(key.owned(), (batch, row));
                } else {
                    live.remove(&key.owned());
                }
            }
        }
        let batches: Vec<&RecordBatch> = self.changes.iter().map(|(rows, _)| rows).collect();
        let mut positions: Vec<(usize, usize)> = live.into_values().collect();
        positions.sort_unstable();
        interleave_record_batch(&batches, &positions).map_err(|e| Error::corrupt(e.to_string()))
    }
}

fn unsupported(error: arrow::error::ArrowError) -> Error {
    Error::Unsupported(format!("a key: {error}"))
}
