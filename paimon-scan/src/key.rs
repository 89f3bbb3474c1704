//! Primary keys as bytes that compare as the keys do.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{LakeError, Result};

/// Encodes key columns into byte strings: two keys are the same if and only if their bytes are.
///
/// Floats are put into a canonical form first: −0.0 is 0.0 (as Paimon's key comparator has it) and every
/// NaN is one key (Paimon's comparator is not consistent there).
#[derive(Debug)]
pub struct KeyEncoder {
    converter: RowConverter,
}

impl KeyEncoder {
    /// An encoder for key columns of these types, in key order.
    ///
    /// # Errors
    /// `Unsupported` for a type that cannot be a key.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a Field>) -> Result<Self> {
        let fields: Vec<SortField> =
            columns.into_iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields)
            .map_err(|error| LakeError::unsupported("with this primary key", error.to_string()))?;
        Ok(Self { converter })
    }

    /// The keys of all rows of these columns, which must have the types given to [`Self::new`].
    ///
    /// # Errors
    /// `Corrupt` for other types.
    pub fn encode(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<ArrayRef> = columns.iter().map(canonical).collect();
        self.converter
            .convert_columns(&columns)
            .map_err(|error| LakeError::corrupt(format!("primary key columns: {error}")))
    }
}

fn canonical(column: &ArrayRef) -> ArrayRef {
    // adding 0.0 turns −0.0 into 0.0
    match column.data_type() {
        DataType::Float32 => {
            let one = |v: f32| if v.is_nan() { f32::NAN } else { v + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(one))
        }
        DataType::Float64 => {
            let one = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
        }
        _ => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringViewArray};

    use super::*;

    #[test]
    fn bytes_compare_as_keys_and_floats_are_canonical() {
        let fields =
            [Field::new("a", DataType::Utf8View, false), Field::new("b", DataType::Int64, false)];
        let encoder = KeyEncoder::new(&fields).unwrap();
        let a: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "a", "ab", "b"]));
        let b: ArrayRef = Arc::new(Int64Array::from(vec![-1, 256, 0, i64::MIN]));
        let rows = encoder.encode(&[a, b]).unwrap();
        assert!((1..4).all(|i| rows.row(i - 1) < rows.row(i)));

        let encoder = KeyEncoder::new([&Field::new("f", DataType::Float64, false)]).unwrap();
        let other_nan = f64::from_bits(0xfff8_0000_0000_0001);
        let f: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, other_nan]));
        let rows = encoder.encode(&[f]).unwrap();
        assert_eq!(rows.row(0), rows.row(1));
        assert_eq!(rows.row(2), rows.row(3));
    }
}
