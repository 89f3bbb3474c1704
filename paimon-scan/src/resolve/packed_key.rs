//! Keys of fixed width as integers that compare as the keys do.

use std::ops::{BitOr, Shl};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::*;

/// An integer that holds a whole key.
pub(super) trait Packed:
    Copy
    + Ord
    + Default
    + From<u8>
    + From<u16>
    + From<u32>
    + From<u64>
    + Shl<u32, Output = Self>
    + BitOr<Output = Self>
{
    /// Of the one column that fills 128 bits.
    fn of_wide(value: u128) -> Self;
}

impl Packed for u64 {
    fn of_wide(value: u128) -> Self {
        value as u64
    }
}

impl Packed for u128 {
    fn of_wide(value: u128) -> Self {
        value
    }
}

/// Bits of a key column of this type; `None` for those that are not packed.
fn width(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Int8 => Some(8),
        DataType::Int16 => Some(16),
        DataType::Int32 | DataType::Date32 => Some(32),
        DataType::Int64
        | DataType::Time64(TimeUnit::Nanosecond)
        | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond, _) => Some(64),
        DataType::Decimal128(..) => Some(128),
        _ => None,
    }
}

/// Bits of a key of these columns together.
pub(super) fn bits<'a>(columns: impl IntoIterator<Item = &'a Field>) -> Option<u32> {
    columns.into_iter().map(|field| width(field.data_type())).sum()
}

/// Replaces `keys` by the keys of all rows, whose columns must fit into `K` together. `false` for columns
/// with nulls and other types than [`bits`] was asked about.
pub(super) fn pack<K: Packed>(columns: &[ArrayRef], keys: &mut Vec<K>) -> bool {
    keys.clear();
    columns.iter().all(|column| column.null_count() == 0 && append(column, keys))
}

/// Appends a column to the keys; the sign bit is flipped, so that negative numbers come first.
fn append<K: Packed>(column: &ArrayRef, keys: &mut Vec<K>) -> bool {
    match column.data_type() {
        DataType::Int8 => {
            push::<K, Int8Type>(column.as_primitive(), keys, 8, |v| (v as u8 ^ 1 << 7).into())
        }
        DataType::Int16 => {
            push::<K, Int16Type>(column.as_primitive(), keys, 16, |v| (v as u16 ^ 1 << 15).into())
        }
        DataType::Int32 => push::<K, Int32Type>(column.as_primitive(), keys, 32, word),
        DataType::Date32 => push::<K, Date32Type>(column.as_primitive(), keys, 32, word),
        DataType::Int64 => push::<K, Int64Type>(column.as_primitive(), keys, 64, long),
        DataType::Time64(TimeUnit::Nanosecond) => {
            push::<K, Time64NanosecondType>(column.as_primitive(), keys, 64, long)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            push::<K, TimestampMillisecondType>(column.as_primitive(), keys, 64, long)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            push::<K, TimestampMicrosecondType>(column.as_primitive(), keys, 64, long)
        }
        DataType::Decimal128(..) => {
            let wide = |v: i128| K::of_wide(v as u128 ^ 1 << 127);
            push::<K, Decimal128Type>(column.as_primitive(), keys, 128, wide)
        }
        _ => return false,
    }
    true
}

fn word<K: Packed>(value: i32) -> K {
    (value as u32 ^ 1 << 31).into()
}

fn long<K: Packed>(value: i64) -> K {
    (value as u64 ^ 1 << 63).into()
}

fn push<K: Packed, T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    keys: &mut Vec<K>,
    bits: u32,
    of: impl Fn(T::Native) -> K,
) {
    let values = column.values().iter().map(|value| of(*value));
    match keys.is_empty() {
        true => keys.extend(values),
        // there is room for both, so the shift is less than the whole width
        false => keys.iter_mut().zip(values).for_each(|(key, value)| *key = *key << bits | value),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Int8Array, Int32Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn packed_keys_compare_as_the_columns_do() {
        let bytes: ArrayRef = Arc::new(Int8Array::from(vec![-128, -1, -1, 0, 127]));
        let words: ArrayRef = Arc::new(Int32Array::from(vec![i32::MAX, i32::MIN, -1, 0, -5]));
        let longs: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, -7, 0, 7, i64::MAX]));
        let wide = Decimal128Array::from(vec![i128::MIN, -1, 0, 1, i128::MAX]);
        let field = |of: &ArrayRef| Field::new("", of.data_type().clone(), false);
        let tables: [(&[ArrayRef], u32); 4] = [
            (&[Arc::clone(&longs)], 64),
            (&[Arc::clone(&bytes), Arc::clone(&words)], 40),
            (&[Arc::clone(&bytes), Arc::clone(&words), Arc::clone(&longs)], 104),
            (&[Arc::new(wide)], 128),
        ];
        for (columns, expected) in tables {
            let fields: Vec<Field> = columns.iter().map(field).collect();
            assert_eq!(bits(&fields), Some(expected));
            let mut keys: Vec<u128> = vec![9];
            assert!(pack(columns, &mut keys));
            assert!(keys.len() == 5 && keys.is_sorted_by(|a, b| a < b), "{keys:?}");
            let mut short: Vec<u64> = vec![];
            assert!(expected > 64 || pack(columns, &mut short) && short.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn others_are_left_alone() {
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let mut keys: Vec<u64> = vec![];
        assert!(!pack(&[nulls], &mut keys) && !pack(&[text], &mut keys));
        assert_eq!(bits(&[Field::new("", DataType::Utf8View, false)]), None);
        assert_eq!(bits(&[Field::new("", DataType::Float64, false)]), None);
    }
}
