//! Lists, structs and maps as texts: `[1,2]`, `{"a":1}`, as StarRocks prints them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field};

use super::{Clock, Values};

/// Writes one value.
pub(super) fn put(out: &mut Vec<u8>, array: &ArrayRef, row: usize, clock: &Clock) {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return;
    }
    match array.data_type() {
        DataType::List(_) => put_list(out, &array.as_list::<i32>().value(row), clock),
        DataType::LargeList(_) => put_list(out, &array.as_list::<i64>().value(row), clock),
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            out.push(b'{');
            for (i, field) in fields.iter().enumerate() {
                separate(out, i);
                put_string(out, field.name());
                out.push(b':');
                put(out, columns.column(i), row, clock);
            }
            out.push(b'}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push(b'{');
            for entry in 0..entries.len() {
                separate(out, entry);
                put(out, entries.column(0), entry, clock);
                out.push(b':');
                put(out, entries.column(1), entry, clock);
            }
            out.push(b'}');
        }
        _ => put_scalar(out, array, row, clock),
    }
}

fn put_list(out: &mut Vec<u8>, elements: &ArrayRef, clock: &Clock) {
    out.push(b'[');
    for element in 0..elements.len() {
        separate(out, element);
        put(out, elements, element, clock);
    }
    out.push(b']');
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

fn put_scalar(out: &mut Vec<u8>, array: &ArrayRef, row: usize, clock: &Clock) {
    let field = Field::new("", array.data_type().clone(), true);
    let Ok(values) = Values::new(&array.slice(row, 1), &field, clock) else {
        return out.extend_from_slice(b"null");
    };
    match &values {
        Values::Text(a) => put_string(out, a.value(0)),
        Values::TextView(a) => put_string(out, a.value(0)),
        Values::Bytes(a) => put_string(out, &String::from_utf8_lossy(a.value(0))),
        values if values.is_null(0) => out.extend_from_slice(b"null"),
        Values::Date(_) | Values::Time(..) | Values::Timestamp(..) => {
            out.push(b'"');
            values.put_short(0, out);
            out.push(b'"');
        }
        values => values.put_short(0, out),
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
