//! Rows as the generator renders them: numbers as text, floats by their bits, instants in microseconds,
//! bytes in hex, maps as lists of pairs.

use std::path::{Path, PathBuf};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::*;
use serde_json::Value;

pub fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests")
}

pub fn warehouse() -> PathBuf {
    root().join("warehouse")
}

/// Column names and sorted rows of `expected/<name>.jsonl`.
pub fn expected(name: &str) -> (Vec<String>, Vec<String>) {
    expected_in(&root(), name)
}

/// The same of another folder that holds `expected`.
pub fn expected_in(root: &Path, name: &str) -> (Vec<String>, Vec<String>) {
    let text = std::fs::read_to_string(root.join("expected").join(format!("{name}.jsonl")));
    let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut lines = text.lines();
    let names = serde_json::from_str(lines.next().unwrap()).unwrap();
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap().to_string();
    let mut rows: Vec<String> = lines.map(parse).collect();
    rows.sort();
    (names, rows)
}

pub fn render(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows: Vec<String> = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|row| render_row(batch, row)))
        .collect();
    rows.sort();
    rows
}

fn render_row(batch: &RecordBatch, row: usize) -> String {
    Value::Array(batch.columns().iter().map(|column| cell(column, row)).collect()).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cell(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let text: String = match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => {
            format!("{:08x}", array.as_primitive::<Float32Type>().value(row).to_bits())
        }
        DataType::Float64 => {
            format!("{:016x}", array.as_primitive::<Float64Type>().value(row).to_bits())
        }
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::BinaryView => hex(array.as_binary_view().value(row)),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Time64(TimeUnit::Nanosecond) => {
            (array.as_primitive::<Time64NanosecondType>().value(row) / 1_000_000).to_string()
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().value(row) * 1000).to_string()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().value(row).to_string()
        }
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            return Value::Array((0..values.len()).map(|i| cell(&values, i)).collect());
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let pair =
                |i| Value::Array(vec![cell(entries.column(0), i), cell(entries.column(1), i)]);
            return Value::Array((0..entries.len()).map(pair).collect());
        }
        DataType::Struct(_) => {
            let fields = array.as_struct().columns();
            return Value::Array(fields.iter().map(|field| cell(field, row)).collect());
        }
        other => panic!("a type that no lake table has: {other}"),
    };
    Value::String(text)
}
