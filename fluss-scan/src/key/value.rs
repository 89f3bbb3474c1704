//! Values of key columns as the layouts write them.

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, RecordBatch, StringArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use crate::{Column, Error, FlussType, Result};

/// One value of a key; never NULL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Boolean(bool),
    TinyInt(i8),
    SmallInt(i16),
    Int(i32),
    BigInt(i64),
    /// Compared by its bits, as Fluss does: −0 and 0 are two keys.
    Float(f32),
    Double(f64),
    /// A DECIMAL of more than 18 digits; shorter ones are `BigInt`.
    Decimal(i128),
    Bytes(&'a [u8]),
    /// A time stamp of more than 3 digits; shorter ones are `BigInt`, in milliseconds.
    Timestamp {
        milliseconds: i64,
        /// Of the millisecond: 0 to 999,999.
        nanoseconds: i32,
    },
}

/// The values of one key column.
pub(super) struct KeyColumn<'a> {
    column: &'a Column,
    values: Values<'a>,
}

enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal(&'a [i128]),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Fixed(&'a FixedSizeBinaryArray),
}

impl<'a> KeyColumn<'a> {
    /// The array of a column, found by its name.
    pub(super) fn of(column: &'a Column, batch: &'a RecordBatch) -> Result<Self> {
        let name = &column.name;
        let array = batch.column_by_name(name);
        let array =
            array.ok_or_else(|| Error::Unsupported(format!("a key without column '{name}'")))?;
        let expected = column.data_type.arrow();
        if *array.data_type() != expected {
            let found = array.data_type();
            return Err(Error::Unsupported(format!(
                "key column '{name}' as {found} where {expected} is expected"
            )));
        }
        if array.null_count() > 0 {
            return Err(Error::Unsupported(format!("NULL in key column '{name}'")));
        }
        Ok(Self { column, values: Values::of(array)? })
    }

    /// The value of a row.
    pub(super) fn value(&self, row: usize) -> Result<Value<'a>> {
        let data_type = &self.column.data_type;
        Ok(match (&self.values, data_type) {
            (Values::Boolean(array), _) => Value::Boolean(array.value(row)),
            (Values::Int8(values), _) => Value::TinyInt(values[row]),
            (Values::Int16(values), _) => Value::SmallInt(values[row]),
            (Values::Int32(values), FlussType::Time(p)) => {
                self.time(i64::from(values[row]), if *p == 0 { (1000, 1) } else { (1, 1) })?
            }
            (Values::Int64(values), FlussType::Time(p)) => {
                self.time(values[row], (1, if *p <= 6 { 1_000 } else { 1_000_000 }))?
            }
            (Values::Int32(values), _) => Value::Int(values[row]),
            (Values::Int64(values), FlussType::Timestamp(p) | FlussType::TimestampLtz(p)) => {
                self.timestamp(values[row], *p)?
            }
            (Values::Int64(values), _) => Value::BigInt(values[row]),
            (Values::Float32(values), _) => Value::Float(values[row]),
            (Values::Float64(values), _) => Value::Double(values[row]),
            (Values::Decimal(values), FlussType::Decimal(precision, _)) if *precision <= 18 => {
                let value = i64::try_from(values[row]);
                Value::BigInt(value.map_err(|_| self.impossible(values[row]))?)
            }
            (Values::Decimal(values), _) => Value::Decimal(values[row]),
            (Values::Text(array), _) => Value::Bytes(array.value(row).as_bytes()),
            (Values::Bytes(array), _) => Value::Bytes(array.value(row)),
            (Values::Fixed(array), _) => Value::Bytes(array.value(row)),
        })
    }

    /// TIME is stored in milliseconds, whatever its precision.
    fn time(&self, value: i64, (times, parts): (i64, i64)) -> Result<Value<'a>> {
        let milliseconds = value.checked_mul(times).filter(|value| value % parts == 0);
        let milliseconds = milliseconds.and_then(|value| i32::try_from(value / parts).ok());
        milliseconds.map(Value::Int).ok_or_else(|| self.impossible(value))
    }

    fn timestamp(&self, value: i64, precision: u8) -> Result<Value<'a>> {
        let (parts, nanoseconds) = match precision {
            0 => {
                let milliseconds = value.checked_mul(1000);
                return milliseconds.map(Value::BigInt).ok_or_else(|| self.impossible(value));
            }
            1..=3 => return Ok(Value::BigInt(value)),
            4..=6 => (1_000, 1_000),
            _ => (1_000_000, 1),
        };
        // below a million
        let nanoseconds = value.rem_euclid(parts) as i32 * nanoseconds;
        Ok(Value::Timestamp { milliseconds: value.div_euclid(parts), nanoseconds })
    }

    fn impossible(&self, value: impl std::fmt::Display) -> Error {
        let Column { name, data_type, .. } = self.column;
        Error::Unsupported(format!("{value} as a stored {data_type} of key column '{name}'"))
    }
}

impl<'a> Values<'a> {
    fn of(array: &'a dyn Array) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Self::Int16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Self::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Date32 => Self::Int32(array.as_primitive::<Date32Type>().values()),
            DataType::Int64 => Self::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Self::Float64(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(..) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>().values())
            }
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Binary => Self::Bytes(array.as_binary()),
            DataType::FixedSizeBinary(_) => Self::Fixed(array.as_fixed_size_binary()),
            DataType::Time32(TimeUnit::Second) => {
                Self::Int32(array.as_primitive::<Time32SecondType>().values())
            }
            DataType::Time32(_) => {
                Self::Int32(array.as_primitive::<Time32MillisecondType>().values())
            }
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Int64(array.as_primitive::<Time64MicrosecondType>().values())
            }
            DataType::Time64(_) => {
                Self::Int64(array.as_primitive::<Time64NanosecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                Self::Int64(array.as_primitive::<TimestampSecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::Int64(array.as_primitive::<TimestampMillisecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Int64(array.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Self::Int64(array.as_primitive::<TimestampNanosecondType>().values())
            }
            other => return Err(Error::Unsupported(format!("a key of type {other}"))),
        })
    }
}
