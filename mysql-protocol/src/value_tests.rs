use std::sync::Arc;

use arrow::array::{
    BinaryArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray,
    StructArray, Time64MicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};

use super::*;
use crate::wire::Reader;

fn an_hour_east() -> Clock {
    Clock::new(|instant| instant + 3_600_000_000)
}

fn texts(array: ArrayRef) -> Vec<Option<String>> {
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let rows = Rows::new(&batch, RowFormat::Text, &an_hour_east()).unwrap();
    let text = |row| {
        let (mut out, mut sequence) = (vec![], 0);
        rows.put(row, &mut out, &mut sequence);
        let mut reader = Reader::new(&out[4..]);
        if reader.rest() == [0xfb] {
            return None;
        }
        let text = String::from_utf8(reader.lenenc_bytes().unwrap().to_vec()).unwrap();
        assert!(reader.rest().is_empty());
        Some(text)
    };
    (0..rows.len()).map(text).collect()
}

fn check(array: impl Array + 'static, expected: &[&str]) {
    let got: Vec<String> =
        texts(Arc::new(array)).into_iter().map(|t| t.unwrap_or("NULL".into())).collect();
    assert_eq!(got, expected);
}

#[test]
fn numbers() {
    check(
        Int64Array::from(vec![Some(i64::MIN), None, Some(7)]),
        &["-9223372036854775808", "NULL", "7"],
    );
    check(UInt64Array::from(vec![u64::MAX]), &["18446744073709551615"]);
    let floats = [
        2.5,
        2.0,
        1e20,
        -1.5e-7,
        1e-20,
        1234567890123456.8,
        0.1,
        100000.0,
        f64::NAN,
        f64::INFINITY,
        -0.0,
    ];
    check(
        Float64Array::from(floats.to_vec()),
        &[
            "2.5",
            "2",
            "1e20",
            "-0.00000015",
            "1e-20",
            "1234567890123456.8",
            "0.1",
            "100000",
            "NULL",
            "NULL",
            "-0",
        ],
    );
    // as a double, what is sent for the largest is no more than the largest
    let singles = [0.1, f32::MAX, f32::MIN, f32::from_bits(1)];
    assert_eq!("3.4028234e38".parse(), Ok(f32::MAX));
    check(Float32Array::from(singles.to_vec()), &["0.1", "3.4028234e38", "-3.4028234e38", "1e-45"]);
    let decimals = Decimal128Array::from(vec![12345, -5, 0, 100]);
    check(decimals.with_precision_and_scale(10, 2).unwrap(), &["123.45", "-0.05", "0.00", "1.00"]);
    let wide = Decimal128Array::from(vec![i128::from(i64::MAX) * 1000]);
    check(wide.with_precision_and_scale(38, 0).unwrap(), &["9223372036854775807000"]);
    let edge = i128::from(u64::MAX);
    let longest = Decimal128Array::from(vec![edge, edge + 1, -edge]);
    check(
        longest.with_precision_and_scale(38, 20).unwrap(),
        &["0.18446744073709551615", "0.18446744073709551616", "-0.18446744073709551615"],
    );
    check(BooleanArray::from(vec![true, false]), &["1", "0"]);
}

#[test]
fn dates_and_times() {
    check(
        Date32Array::from(vec![0, -1, 19_723, 11_016, -719_162, 2_932_896, 2_932_897, -719_529]),
        &[
            "1970-01-01",
            "1969-12-31",
            "2024-01-01",
            "2000-02-29",
            "0001-01-01",
            "9999-12-31",
            "10000-01-01",
            "-0001-12-31",
        ],
    );
    check(
        Time64MicrosecondArray::from(vec![0, 86_399_999_999, -3_600_000_001, 360_000_000_000]),
        &["00:00:00.000000", "23:59:59.999999", "-01:00:00.000001", "100:00:00.000000"],
    );
    check(TimestampSecondArray::from(vec![0, -1]), &["1970-01-01 00:00:00", "1969-12-31 23:59:59"]);
    check(TimestampMillisecondArray::from(vec![1_700_000_000_123]), &["2023-11-14 22:13:20.123"]);
    check(TimestampNanosecondArray::from(vec![-1]), &["1969-12-31 23:59:59.999999"]);
    // an instant is shown by the session's clock
    check(TimestampSecondArray::from(vec![0]).with_timezone("UTC"), &["1970-01-01 01:00:00"]);
}

#[test]
fn bytes_and_texts() {
    let long = "é".repeat(300);
    check(StringArray::from(vec!["", "é", &long]), &["", "é", &long]);
    let batch = RecordBatch::try_from_iter([(
        "c",
        Arc::new(BinaryArray::from(vec![&b"\0\xff"[..]])) as ArrayRef,
    )]);
    let rows = Rows::new(&batch.unwrap(), RowFormat::Text, &Clock::utc()).unwrap();
    let (mut out, mut sequence) = (vec![], 9);
    rows.put(0, &mut out, &mut sequence);
    assert_eq!((&out[..], sequence), (&[3, 0, 0, 9, 2, 0, 0xff][..], 10));
}

#[test]
fn nested_values() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
    ]);
    check(list, &["[1,null,3]", "NULL", "[]"]);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a\"b\n"]));
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0]));
    let structs = StructArray::try_from(vec![("n", names), ("d", days)]).unwrap();
    check(structs, &[r#"{"n":"a\"b\n","d":"1970-01-01"}"#]);
}

#[test]
fn binary_rows() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(Int64Array::from(vec![Some(-2), None]))),
        ("b", Arc::new(StringArray::from(vec![Some("hi"), Some("")]))),
        ("t", Arc::new(TimestampMillisecondArray::from(vec![Some(1), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let rows = Rows::new(&batch, RowFormat::Binary, &Clock::utc()).unwrap();
    let (mut out, mut sequence) = (vec![], 0);
    rows.put(0, &mut out, &mut sequence);
    let mut expected = vec![0, 0];
    expected.extend((-2i64).to_le_bytes());
    expected.extend([2, b'h', b'i', 11, 0xb2, 7, 1, 1, 0, 0, 0, 0xe8, 3, 0, 0]);
    assert_eq!(out[4..], expected);
    out.clear();
    rows.put(1, &mut out, &mut sequence);
    // NULL bits begin at the third one
    assert_eq!(out[4..], [0, 0b1_0100, 0]);
}
