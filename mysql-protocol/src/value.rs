//! Arrow values as the bytes of rows, in text and in binary.

mod nested;
mod time;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::column::fraction_digits;
use crate::packet::{begin, finish};
use crate::wire::put_lenenc_bytes;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// As texts: answers to COM_QUERY.
    Text,
    /// In binary: answers to COM_STMT_EXECUTE.
    Binary,
}

/// What the clock on a session's wall shows at an instant, both in microseconds since 1970.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn(i64) -> i64 + Send + Sync>);

impl Clock {
    /// A clock by what it shows.
    pub fn new(shows: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(shows))
    }

    /// The clock at Greenwich.
    pub fn utc() -> Self {
        Self::new(|instant| instant)
    }
}

/// The columns of one batch, ready to be written row by row.
pub struct Rows {
    columns: Vec<Values>,
    rows: usize,
    format: RowFormat,
}

impl Rows {
    /// Prepares a batch. Zoned timestamps are shown by the clock.
    ///
    /// # Errors
    /// A column of a type that has no MySQL form.
    pub fn new(batch: &RecordBatch, format: RowFormat, clock: &Clock) -> Result<Self, ArrowError> {
        let schema = batch.schema();
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(array, field)| {
            let values = Values::new(array, field, clock)?;
            match format {
                RowFormat::Text => Ok(values),
                RowFormat::Binary => values.fits_binary(field.name()),
            }
        });
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, rows: batch.num_rows(), format })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Writes the packet of one row.
    pub fn put(&self, row: usize, out: &mut Vec<u8>, sequence: &mut u8) {
        let start = begin(out);
        match self.format {
            RowFormat::Text => self.columns.iter().for_each(|values| values.put_text(row, out)),
            RowFormat::Binary => self.put_binary(row, out),
        }
        finish(out, start, sequence);
    }

    fn put_binary(&self, row: usize, out: &mut Vec<u8>) {
        out.push(0);
        let nulls = out.len();
        // two bits are reserved at the front
        out.resize(nulls + (self.columns.len() + 9) / 8, 0);
        for (i, values) in self.columns.iter().enumerate() {
            if values.is_null(row) {
                out[nulls + (i + 2) / 8] |= 1 << ((i + 2) % 8);
            } else {
                values.put_binary(row, out);
            }
        }
    }
}

/// One column of a batch.
enum Values {
    Null,
    Boolean(BooleanArray),
    Int8(PrimitiveArray<Int8Type>),
    Int16(PrimitiveArray<Int16Type>),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    UInt8(PrimitiveArray<UInt8Type>),
    UInt16(PrimitiveArray<UInt16Type>),
    UInt32(PrimitiveArray<UInt32Type>),
    UInt64(PrimitiveArray<UInt64Type>),
    Float32(PrimitiveArray<Float32Type>),
    Float64(PrimitiveArray<Float64Type>),
    Decimal128(PrimitiveArray<Decimal128Type>, i8),
    Decimal256(PrimitiveArray<Decimal256Type>),
    Date(PrimitiveArray<Date32Type>),
    /// Microseconds since midnight, and digits.
    Time(PrimitiveArray<Int64Type>, u8),
    /// Microseconds since 1970 as they are shown, and digits.
    Timestamp(PrimitiveArray<Int64Type>, u8),
    Text(StringArray),
    TextView(arrow::array::StringViewArray),
    Bytes(arrow::array::BinaryArray),
    /// Values that hold others, and the clock for zoned timestamps among them.
    Nested(ArrayRef, Clock),
}

impl Values {
    fn new(array: &ArrayRef, field: &Field, clock: &Clock) -> Result<Self, ArrowError> {
        let digits = fraction_digits(field);
        Ok(match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Values::Int8(array.as_primitive().clone()),
            DataType::Int16 => Values::Int16(array.as_primitive().clone()),
            DataType::Int32 => Values::Int32(array.as_primitive().clone()),
            DataType::Int64 => Values::Int64(array.as_primitive().clone()),
            DataType::UInt8 => Values::UInt8(array.as_primitive().clone()),
            DataType::UInt16 => Values::UInt16(array.as_primitive().clone()),
            DataType::UInt32 => Values::UInt32(array.as_primitive().clone()),
            DataType::UInt64 => Values::UInt64(array.as_primitive().clone()),
            DataType::Float32 => Values::Float32(array.as_primitive().clone()),
            DataType::Float64 => Values::Float64(array.as_primitive().clone()),
            DataType::Decimal128(_, scale) => {
                Values::Decimal128(array.as_primitive().clone(), *scale)
            }
            DataType::Decimal256(..) => Values::Decimal256(array.as_primitive().clone()),
            DataType::Date32 => Values::Date(array.as_primitive().clone()),
            DataType::Date64 => {
                Values::Date(cast(array, &DataType::Date32)?.as_primitive().clone())
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                Values::Time(time::time_micros(array)?, digits)
            }
            DataType::Timestamp(_, zone) => {
                let clock = zone.as_ref().map(|_| clock);
                Values::Timestamp(time::timestamp_micros(array, clock)?, digits)
            }
            DataType::Utf8 => Values::Text(array.as_string().clone()),
            DataType::Utf8View => Values::TextView(array.as_string_view().clone()),
            DataType::LargeUtf8 => {
                Values::TextView(cast(array, &DataType::Utf8View)?.as_string_view().clone())
            }
            DataType::Binary => Values::Bytes(array.as_binary().clone()),
            DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Values::Bytes(cast(array, &DataType::Binary)?.as_binary().clone())
            }
            DataType::Dictionary(_, value) => {
                let plain = cast(array, value)?;
                let field = Field::new(field.name(), value.as_ref().clone(), field.is_nullable());
                return Self::new(&plain, &field, clock);
            }
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::Struct(_)
            | DataType::Map(..) => Values::Nested(Arc::clone(array), clock.clone()),
            _ => Values::Text(printed(array)?),
        })
    }

    /// Years of binary rows have two bytes and MySQL's end with 9999; texts can go on.
    fn fits_binary(self, name: &str) -> Result<Self, ArrowError> {
        let fits = match &self {
            Values::Date(a) => a.iter().flatten().all(|days| time::has_year(days.into())),
            Values::Timestamp(a, _) => a.iter().flatten().all(time::has_year_of_micros),
            _ => true,
        };
        let told = || format!("column '{name}': a date outside of the years 0 to 9999");
        if fits { Ok(self) } else { Err(ArrowError::InvalidArgumentError(told())) }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Values::Null => true,
            Values::Boolean(a) => a.is_null(row),
            Values::Int8(a) => a.is_null(row),
            Values::Int16(a) => a.is_null(row),
            Values::Int32(a) => a.is_null(row),
            Values::Int64(a) => a.is_null(row),
            Values::UInt8(a) => a.is_null(row),
            Values::UInt16(a) => a.is_null(row),
            Values::UInt32(a) => a.is_null(row),
            Values::UInt64(a) => a.is_null(row),
            // MySQL has neither infinities nor NaN
            Values::Float32(a) => a.is_null(row) || !a.value(row).is_finite(),
            Values::Float64(a) => a.is_null(row) || !a.value(row).is_finite(),
            Values::Decimal128(a, _) => a.is_null(row),
            Values::Decimal256(a) => a.is_null(row),
            Values::Date(a) => a.is_null(row),
            Values::Time(a, _) | Values::Timestamp(a, _) => a.is_null(row),
            Values::Text(a) => a.is_null(row),
            Values::TextView(a) => a.is_null(row),
            Values::Bytes(a) => a.is_null(row),
            Values::Nested(a, _) => a.is_null(row),
        }
    }

    fn put_text(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.push(0xfb);
            return;
        }
        match self {
            Values::Text(a) => return put_lenenc_bytes(out, a.value(row).as_bytes()),
            Values::TextView(a) => return put_lenenc_bytes(out, a.value(row).as_bytes()),
            Values::Bytes(a) => return put_lenenc_bytes(out, a.value(row)),
            _ => {}
        }
        // everything else is short but nested values: written in place behind a length of one byte, which is
        // widened where it turns out too small
        let length = out.len();
        out.push(0);
        self.put_short(row, out);
        let written = out.len() - length - 1;
        match u8::try_from(written) {
            Ok(short) if short < 0xfb => out[length] = short,
            _ => {
                let long = out.split_off(length + 1);
                out.truncate(length);
                put_lenenc_bytes(out, &long);
            }
        }
    }

    fn put_short(&self, row: usize, out: &mut Vec<u8>) {
        let int = |out: &mut Vec<u8>, value: i64| {
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        };
        match self {
            Values::Boolean(a) => out.push(b'0' + u8::from(a.value(row))),
            Values::Int8(a) => int(out, a.value(row).into()),
            Values::Int16(a) => int(out, a.value(row).into()),
            Values::Int32(a) => int(out, a.value(row).into()),
            Values::Int64(a) => int(out, a.value(row)),
            Values::UInt8(a) => int(out, a.value(row).into()),
            Values::UInt16(a) => int(out, a.value(row).into()),
            Values::UInt32(a) => int(out, a.value(row).into()),
            Values::UInt64(a) => {
                out.extend_from_slice(itoa::Buffer::new().format(a.value(row)).as_bytes());
            }
            Values::Float32(a) => put_single(out, a.value(row)),
            Values::Float64(a) => put_float(out, a.value(row)),
            Values::Decimal128(a, scale) => put_decimal(out, a.value(row), *scale),
            Values::Decimal256(a) => out.extend_from_slice(a.value_as_string(row).as_bytes()),
            Values::Date(a) => time::put_date(out, i64::from(a.value(row))),
            Values::Time(a, digits) => time::put_time(out, a.value(row), *digits),
            Values::Timestamp(a, digits) => time::put_timestamp(out, a.value(row), *digits),
            Values::Nested(a, clock) => nested::put(out, a, row, clock),
            Values::Null | Values::Text(_) | Values::TextView(_) | Values::Bytes(_) => {}
        }
    }

    fn put_binary(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Values::Boolean(a) => out.push(u8::from(a.value(row))),
            Values::Int8(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::Int16(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::Int32(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::Int64(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::UInt8(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::UInt16(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::UInt32(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::UInt64(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::Float32(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::Float64(a) => out.extend_from_slice(&a.value(row).to_le_bytes()),
            Values::Date(a) => time::put_binary_date(out, i64::from(a.value(row))),
            Values::Time(a, digits) => {
                time::put_binary_time(out, time::cut(a.value(row), *digits));
            }
            Values::Timestamp(a, digits) => {
                time::put_binary_timestamp(out, time::cut(a.value(row), *digits));
            }
            // decimals and texts are texts in binary rows too
            _ => self.put_text(row, out),
        }
    }
}

/// Values of a type without a form of its own, as Arrow prints them.
fn printed(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    Ok((0..array.len())
        .map(|row| array.is_valid(row).then(|| formatter.value(row).to_string()))
        .collect())
}

/// A FLOAT. Connector/J reads it as a double and then looks at its range, in which the shortest text of the largest number,
/// 3.4028235e38, is not; its other text of as many digits is.
fn put_single(out: &mut Vec<u8>, value: f32) {
    match value {
        f32::MAX => out.extend_from_slice(b"3.4028234e38"),
        f32::MIN => out.extend_from_slice(b"-3.4028234e38"),
        _ => put_float(out, value),
    }
}

/// The shortest text that reads back as the number; plain where MySQL's `my_gcvt` is, else with an exponent.
fn put_float(out: &mut Vec<u8>, value: impl std::fmt::Display + std::fmt::LowerExp) {
    use std::io::Write;
    let start = out.len();
    // writing into a vector does not fail
    let _ = write!(out, "{value:e}");
    let written = &out[start..];
    let exponent = written.iter().position(|byte| *byte == b'e').unwrap_or(written.len());
    let digits = written[..exponent].iter().filter(|byte| byte.is_ascii_digit()).count() as i64;
    let text = std::str::from_utf8(written.get(exponent + 1..).unwrap_or_default());
    let point = text.ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0) + 1;
    if (-14..=15).contains(&point) || (point > 15 && digits > point) {
        out.truncate(start);
        let _ = write!(out, "{value}");
    }
}

/// A number of `scale` fractional digits; up to 39 digits of an i128.
fn put_decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    let (mut short, mut long) = (itoa::Buffer::new(), itoa::Buffer::new());
    // most numbers are short, and long ones are divided by way of calls
    let digits = match u64::try_from(value.unsigned_abs()) {
        Ok(size) => short.format(size),
        Err(_) => long.format(value.unsigned_abs()),
    };
    if value < 0 {
        out.push(b'-');
    }
    let Ok(scale) = usize::try_from(scale) else {
        out.extend_from_slice(digits.as_bytes());
        out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        return;
    };
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits.as_bytes()[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
