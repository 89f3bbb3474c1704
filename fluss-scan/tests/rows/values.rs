//! The values of `values.json`, and whether Arrow columns have them. How they are written there:
//!
//! DECIMAL is the text of the number without its point, FLOAT and DOUBLE are the text of a number, BINARY and BYTES are in
//! hexadecimal, DATE is in days, TIME in milliseconds, TIMESTAMP a list of milliseconds and the nanoseconds of the
//! millisecond, MAP a list of lists of key and value, ROW a list.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimeUnit,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

/// The schema as Fluss describes it, and the rows.
pub fn values() -> (Value, Vec<Vec<Value>>) {
    let mut json: Value = serde_json::from_str(include_str!("values.json")).unwrap();
    let rows = serde_json::from_value(json["rows"].take()).unwrap();
    (json["schema"].take(), rows)
}

/// Compares every value of some rows with what they should be, in the order of the columns.
pub fn assert_rows(rows: &RecordBatch, expected: &[Vec<&Value>], what: &str) {
    assert_eq!(rows.num_rows(), expected.len(), "{what}");
    for (i, row) in expected.iter().enumerate() {
        assert_eq!(row.len(), rows.num_columns(), "{what}");
        for (column, value) in row.iter().enumerate() {
            let array = rows.column(column);
            if !same(array, i, value) {
                let schema = rows.schema();
                let options = FormatOptions::default().with_null("NULL");
                let found = ArrayFormatter::try_new(array, &options).unwrap();
                let (field, found) = (schema.field(column), found.value(i));
                panic!("{what}, row {i}: {field} is {found}, not {value}");
            }
        }
    }
}

/// Whether a value of an array is the expected one.
fn same(array: &dyn Array, row: usize, expected: &Value) -> bool {
    if expected.is_null() || array.is_null(row) {
        return expected.is_null() && array.is_null(row);
    }
    let number = || expected.as_i64().unwrap();
    let text = || expected.as_str().unwrap();
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row) == expected.as_bool().unwrap(),
        DataType::Int8 => i64::from(array.as_primitive::<Int8Type>().value(row)) == number(),
        DataType::Int16 => i64::from(array.as_primitive::<Int16Type>().value(row)) == number(),
        DataType::Int32 => i64::from(array.as_primitive::<Int32Type>().value(row)) == number(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row) == number(),
        DataType::Date32 => i64::from(array.as_primitive::<Date32Type>().value(row)) == number(),
        DataType::Float32 => {
            let expected: f32 = text().parse().unwrap();
            array.as_primitive::<Float32Type>().value(row).to_bits() == expected.to_bits()
        }
        DataType::Float64 => {
            let expected: f64 = text().parse().unwrap();
            array.as_primitive::<Float64Type>().value(row).to_bits() == expected.to_bits()
        }
        DataType::Decimal128(..) => {
            array.as_primitive::<Decimal128Type>().value(row).to_string() == text()
        }
        DataType::Utf8 => array.as_string::<i32>().value(row) == text(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)) == text(),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)) == text(),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            integer(array, row) == in_unit(number(), 0, *unit)
        }
        DataType::Timestamp(unit, _) => {
            let (ms, ns) = (expected[0].as_i64().unwrap(), expected[1].as_i64().unwrap());
            integer(array, row) == in_unit(ms, ns, *unit)
        }
        DataType::List(_) => all_same(&array.as_list::<i32>().value(row), list(expected).iter()),
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let expected = list(expected);
            (0..2).all(|i| all_same(entries.column(i), expected.iter().map(|entry| &entry[i])))
        }
        DataType::Struct(_) => {
            let (fields, expected) = (array.as_struct().columns(), list(expected));
            fields.len() == expected.len()
                && fields.iter().zip(expected).all(|(field, value)| same(field, row, value))
        }
        other => panic!("a column of {other}"),
    }
}

fn list(json: &Value) -> &Vec<Value> {
    json.as_array().unwrap()
}

fn all_same<'a>(array: &dyn Array, expected: impl ExactSizeIterator<Item = &'a Value>) -> bool {
    array.len() == expected.len() && expected.enumerate().all(|(i, value)| same(array, i, value))
}

/// The integer that stands for a time.
fn integer(array: &dyn Array, row: usize) -> i64 {
    let whole = array.to_data();
    match array.data_type() {
        DataType::Time32(_) => whole.buffers()[0].typed_data::<i32>()[whole.offset() + row].into(),
        _ => whole.buffers()[0].typed_data::<i64>()[whole.offset() + row],
    }
}

fn in_unit(milliseconds: i64, nanoseconds: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => milliseconds / 1_000,
        TimeUnit::Millisecond => milliseconds,
        TimeUnit::Microsecond => milliseconds * 1_000 + nanoseconds / 1_000,
        TimeUnit::Nanosecond => milliseconds * 1_000_000 + nanoseconds,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
