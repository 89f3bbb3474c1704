//! Rows of a state in COMPACTED form, and keys.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use bytes::{BufMut, Bytes, BytesMut};
use fluss_scan::{FlussType, Schema};

use crate::{Error, Result};

/// `schema id i16 | null bits | values` of one row.
pub(crate) fn value(
    rows: &RecordBatch,
    row: usize,
    schema: &Schema,
    schema_id: i32,
) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16_le(i16::try_from(schema_id).unwrap_or_default());
    let mut nulls = vec![0u8; schema.columns.len().div_ceil(8)];
    for (i, column) in rows.columns().iter().enumerate() {
        nulls[i / 8] |= u8::from(column.is_null(row)) << (i % 8);
    }
    bytes.put_slice(&nulls);
    for (array, column) in rows.columns().iter().zip(&schema.columns) {
        if array.is_valid(row) {
            put(&mut bytes, array, row, &column.data_type)?;
        }
    }
    Ok(bytes.freeze())
}

/// The key of a row: its key columns as a row without null bits.
pub(crate) fn compacted_key(
    rows: &RecordBatch,
    row: usize,
    schema: &Schema,
    columns: &[String],
) -> Result<Vec<u8>> {
    let mut bytes = BytesMut::new();
    for (array, data_type) in key_columns(rows, row, schema, columns)? {
        put(&mut bytes, array, row, data_type)?;
    }
    Ok(bytes.to_vec())
}

/// The key of a row in Paimon's form: 8 bytes of row kind and null bits, 8 bytes per field, long texts behind.
pub(crate) fn paimon_key(
    rows: &RecordBatch,
    row: usize,
    schema: &Schema,
    columns: &[String],
) -> Result<Vec<u8>> {
    let mut bytes = vec![0u8; 8 + 8 * columns.len()];
    for (i, (array, data_type)) in key_columns(rows, row, schema, columns)?.into_iter().enumerate()
    {
        let mut slot = [0u8; 8];
        match data_type {
            FlussType::Int => {
                slot[..4]
                    .copy_from_slice(&array.as_primitive::<Int32Type>().value(row).to_le_bytes());
            }
            FlussType::BigInt => {
                slot = array.as_primitive::<Int64Type>().value(row).to_le_bytes();
            }
            FlussType::String => slot = text_slot(array.as_string::<i32>().value(row), &mut bytes),
            other => return Err(Error::Refused(format!("a Paimon key of type {other}"))),
        }
        bytes[8 + 8 * i..16 + 8 * i].copy_from_slice(&slot);
    }
    Ok(bytes)
}

fn text_slot(text: &str, bytes: &mut Vec<u8>) -> [u8; 8] {
    let length = text.len();
    let mut slot = [0u8; 8];
    if length < 8 {
        slot[..length].copy_from_slice(text.as_bytes());
        slot[7] = 0x80 | length as u8;
        return slot;
    }
    let offset = bytes.len() as u64;
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    (offset << 32 | length as u64).to_le_bytes()
}

fn key_columns<'a>(
    rows: &'a RecordBatch,
    row: usize,
    schema: &'a Schema,
    columns: &[String],
) -> Result<Vec<(&'a ArrayRef, &'a FlussType)>> {
    let column = |name: &String| {
        let position = schema.columns.iter().position(|column| column.name == *name);
        let position = position.ok_or_else(|| Error::Missing(format!("key column '{name}'")))?;
        let array = rows.column(position);
        if array.is_null(row) {
            return Err(Error::Refused(format!("NULL in key column '{name}'")));
        }
        Ok((array, &schema.columns[position].data_type))
    };
    columns.iter().map(column).collect()
}

fn put(bytes: &mut BytesMut, array: &ArrayRef, row: usize, data_type: &FlussType) -> Result<()> {
    match data_type {
        FlussType::Boolean => bytes.put_u8(array.as_boolean().value(row).into()),
        FlussType::TinyInt => bytes.put_i8(array.as_primitive::<Int8Type>().value(row)),
        FlussType::SmallInt => bytes.put_i16_le(array.as_primitive::<Int16Type>().value(row)),
        FlussType::Int => put_int(bytes, array.as_primitive::<Int32Type>().value(row)),
        FlussType::BigInt => put_long(bytes, array.as_primitive::<Int64Type>().value(row)),
        FlussType::Float => bytes.put_f32_le(array.as_primitive::<Float32Type>().value(row)),
        FlussType::Double => bytes.put_f64_le(array.as_primitive::<Float64Type>().value(row)),
        FlussType::Decimal(precision, _) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            match i64::try_from(value) {
                Ok(value) if *precision <= 18 => put_long(bytes, value),
                _ => put_bytes(bytes, shortest(&value.to_be_bytes())),
            }
        }
        FlussType::Char(_) | FlussType::String => {
            put_bytes(bytes, array.as_string::<i32>().value(row).as_bytes());
        }
        FlussType::Binary(_) => put_bytes(bytes, array.as_fixed_size_binary().value(row)),
        FlussType::Bytes => put_bytes(bytes, array.as_binary::<i32>().value(row)),
        FlussType::Date => put_int(bytes, array.as_primitive::<Date32Type>().value(row)),
        FlussType::Time(_) => put_int(bytes, milliseconds_of_day(array, row)?),
        FlussType::Timestamp(precision) | FlussType::TimestampLtz(precision) => {
            let (milliseconds, nanoseconds) = timestamp(array, row)?;
            put_long(bytes, milliseconds);
            if *precision > 3 {
                put_int(bytes, nanoseconds);
            }
        }
        other => return Err(Error::Refused(format!("a state with a column of type {other}"))),
    }
    Ok(())
}

/// Two's complement without the bytes that say nothing.
fn shortest(bytes: &[u8]) -> &[u8] {
    let is_idle =
        |pair: &[u8]| pair[0] == 0 && pair[1] & 0x80 == 0 || pair[0] == 0xff && pair[1] & 0x80 != 0;
    let idle = bytes.windows(2).take_while(|pair| is_idle(pair)).count();
    &bytes[idle..]
}

fn milliseconds_of_day(array: &ArrayRef, row: usize) -> Result<i32> {
    Ok(match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            array.as_primitive::<Time32SecondType>().value(row) * 1000
        }
        DataType::Time32(_) => array.as_primitive::<Time32MillisecondType>().value(row),
        DataType::Time64(TimeUnit::Microsecond) => {
            (array.as_primitive::<Time64MicrosecondType>().value(row) / 1_000) as i32
        }
        DataType::Time64(_) => {
            (array.as_primitive::<Time64NanosecondType>().value(row) / 1_000_000) as i32
        }
        other => return Err(Error::Refused(format!("a time of type {other}"))),
    })
}

/// Milliseconds, and nanoseconds of the millisecond.
fn timestamp(array: &ArrayRef, row: usize) -> Result<(i64, i32)> {
    let split = |value: i64, per_millisecond: i64, nanoseconds: i64| {
        let rest = value.rem_euclid(per_millisecond) * nanoseconds;
        (value.div_euclid(per_millisecond), rest as i32)
    };
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().value(row) * 1000, 0)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().value(row), 0)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            split(array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000, 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            split(array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000, 1)
        }
        other => return Err(Error::Refused(format!("a timestamp of type {other}"))),
    })
}

fn put_int(bytes: &mut BytesMut, value: i32) {
    put_varint(bytes, u64::from(value.cast_unsigned()));
}

fn put_long(bytes: &mut BytesMut, value: i64) {
    put_varint(bytes, value.cast_unsigned());
}

fn put_varint(bytes: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        bytes.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.put_u8(value as u8);
}

fn put_bytes(bytes: &mut BytesMut, value: &[u8]) {
    put_varint(bytes, value.len() as u64);
    bytes.put_slice(value);
}
