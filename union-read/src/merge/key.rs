//! Primary keys as bytes that are equal exactly when the keys are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};

use crate::{Error, Result};

/// Encodes the key columns of batches.
///
/// Both halves of a table arrive in the table's own types ([`crate::columns`]), which settles
/// decimal scale and timestamp precision; what is left is floats, where Fluss and Paimon compare
/// numbers while bytes differ: −0.0 is 0.0 and there is one NaN.
#[derive(Debug)]
pub struct KeyEncoder {
    columns: Vec<usize>,
    converter: RowConverter,
}

impl KeyEncoder {
    /// An encoder of the columns at `columns` (positions in the batches to come) of these types.
    pub fn new(columns: Vec<usize>, types: Vec<DataType>) -> Result<Self> {
        let fields = types.into_iter().map(SortField::new).collect();
        let converter = RowConverter::new(fields)
            .map_err(|e| Error::Unsupported(format!("primary key cannot be compared: {e}")))?;
        Ok(Self { columns, converter })
    }

    /// One row of bytes per row of the batch.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> =
            self.columns.iter().map(|i| canonical(batch.column(*i))).collect();
        self.converter
            .convert_columns(&columns)
            .map_err(|e| Error::Corrupt(format!("primary key columns do not encode: {e}")))
    }
}

fn canonical(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            floats::<Float32Type>(array, |v| if v.is_nan() { f32::NAN } else { v + 0.0 })
        }
        DataType::Float64 => {
            floats::<Float64Type>(array, |v| if v.is_nan() { f64::NAN } else { v + 0.0 })
        }
        _ => Arc::clone(array),
    }
}

fn floats<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    canonical: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    let values: PrimitiveArray<T> = array.as_primitive::<T>().unary(canonical);
    Arc::new(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, StringViewArray};

    #[test]
    fn equal_keys_have_equal_bytes() {
        let floats = Float64Array::from(vec![-0.0, 0.0, f64::NAN, -f64::NAN, 1.0]);
        let names = StringViewArray::from(vec!["a", "a", "b", "b", "b"]);
        let batch = RecordBatch::try_from_iter([
            ("f", Arc::new(floats) as ArrayRef),
            ("n", Arc::new(names) as ArrayRef),
        ])
        .unwrap();
        let encoder =
            KeyEncoder::new(vec![1, 0], vec![DataType::Utf8View, DataType::Float64]).unwrap();
        let rows = encoder.encode(&batch).unwrap();
        assert_eq!(rows.row(0), rows.row(1));
        assert_eq!(rows.row(2), rows.row(3));
        assert_ne!(rows.row(3), rows.row(4));
    }
}
