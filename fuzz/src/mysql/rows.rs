//! Rows of every type, whose values are the bytes of a parameter.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, DictionaryArray, ListArray,
    PrimitiveArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Schema, Time32SecondType, Time64MicrosecondType,
    TimestampMicrosecondType, TimestampNanosecondType, TimestampSecondType, UInt64Type,
};

/// Bytes that make one value.
const VALUE: usize = 8;

/// Numbers out of bytes; some are NULL, where the first byte says so.
fn numbers<T: ArrowPrimitiveType>(bytes: &[u8], of: impl Fn(i64) -> T::Native) -> ArrayRef {
    let is_null = |row: usize| row % 3 == usize::from(bytes[0]) % 4;
    let values = bytes.chunks(VALUE).enumerate().map(|(row, chunk)| {
        let mut value = [0; VALUE];
        value[..chunk.len()].copy_from_slice(chunk);
        (!is_null(row)).then(|| of(i64::from_le_bytes(value)))
    });
    Arc::new(values.collect::<PrimitiveArray<T>>())
}

/// One column of each type; `bytes` are not empty.
pub fn of(bytes: &[u8]) -> RecordBatch {
    let mut columns = vec![
        numbers::<Int8Type>(bytes, |n| n as i8),
        numbers::<Int16Type>(bytes, |n| n as i16),
        numbers::<Int32Type>(bytes, |n| n as i32),
        numbers::<Int64Type>(bytes, |n| n),
        numbers::<UInt64Type>(bytes, |n| n as u64),
        numbers::<Float32Type>(bytes, |n| f32::from_bits(n as u32)),
        numbers::<Float64Type>(bytes, |n| f64::from_bits(n as u64)),
        numbers::<Date32Type>(bytes, |n| n as i32),
        numbers::<Date64Type>(bytes, |n| n),
        numbers::<Time32SecondType>(bytes, |n| n as i32),
        numbers::<Time64MicrosecondType>(bytes, |n| n),
        numbers::<TimestampSecondType>(bytes, |n| n),
        numbers::<TimestampMicrosecondType>(bytes, |n| n),
        numbers::<TimestampNanosecondType>(bytes, |n| n),
        decimals(bytes),
    ];
    columns.extend(texts(bytes));
    let names = (0..columns.len())
        .map(|i| Field::new(format!("c{i}"), columns[i].data_type().clone(), true));
    let schema = Arc::new(Schema::new(names.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns).expect("columns of one length")
}

/// Of any scale, those below zero too.
fn decimals(bytes: &[u8]) -> ArrayRef {
    let wide = numbers::<Decimal128Type>(bytes, |n| i128::from(n) * i128::from(i64::MAX));
    let scale = (bytes[0] % 59) as i8 - 20;
    let scaled = wide.as_primitive::<Decimal128Type>().clone().with_precision_and_scale(38, scale);
    Arc::new(scaled.expect("a scale of at most the precision"))
}

fn texts(bytes: &[u8]) -> Vec<ArrayRef> {
    let chunks = || bytes.chunks(VALUE);
    let texts: Vec<String> =
        chunks().map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect();
    let lists = chunks().map(|chunk| Some(chunk.iter().map(|byte| Some(i64::from(*byte)))));
    let plain: ArrayRef = Arc::new(StringArray::from_iter_values(&texts));
    let inner = Field::new("t\"", plain.data_type().clone(), true);
    let structs = StructArray::new(vec![inner].into(), vec![Arc::clone(&plain)], None);
    vec![
        plain,
        Arc::new(StringViewArray::from_iter_values(&texts)),
        Arc::new(BinaryArray::from_iter_values(chunks())),
        Arc::new(texts.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>()),
        Arc::new(BooleanArray::from_iter(chunks().map(|chunk| Some(chunk[0] % 2 == 0)))),
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)),
        Arc::new(structs),
    ]
}
