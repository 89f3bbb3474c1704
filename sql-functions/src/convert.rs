//! Columns of one type as another, as MySQL converts them where an expression needs it.
//!
//! Source: MySQL 8.0 Reference Manual, 14.3 "Type Conversion in Expression Evaluation".

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampSecondArray,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit};
use datafusion::common::exec_err;
use datafusion::error::Result;

use crate::calendar::{DAY, Parts, SECOND, date_text, days, moment_text, read, time_text};
use crate::zone::Zone;

/// Digits of the fraction of a second that a unit holds, six at the most.
pub(crate) fn digits_of(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond | TimeUnit::Nanosecond => 6,
    }
}

/// The unit that holds so many digits of a fraction.
pub(crate) fn unit_of(digits: u8) -> TimeUnit {
    match digits {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        _ => TimeUnit::Microsecond,
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => other.is_string(),
    }
}

/// Values as text.
pub(crate) fn texts(array: &ArrayRef) -> Result<StringArray> {
    let each = |f: &dyn Fn(usize) -> String| -> StringArray {
        (0..array.len()).map(|row| array.is_valid(row).then(|| f(row))).collect()
    };
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            each(&|row| u8::from(values.value(row)).to_string())
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            each(&|row| double_text(values.value(row)))
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            each(&|row| single_text(values.value(row)))
        }
        DataType::Date32 | DataType::Date64 => {
            let values = moments(array)?;
            each(&|row| date_text(values.value(row).div_euclid(DAY)))
        }
        DataType::Timestamp(unit, _) => {
            let values = moments(array)?;
            each(&|row| moment_text(values.value(row), digits_of(*unit)))
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let values = time_micros(array)?;
            each(&|row| time_text(values.value(row), digits_of(*unit)))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let bytes = cast(array, &DataType::Binary)?;
            cast_with_options(&bytes, &DataType::Utf8, &strict)?.as_string().clone()
        }
        _ => cast(array, &DataType::Utf8)?.as_string().clone(),
    })
}

/// A double as MySQL prints it: the shortest digits, an exponent beyond fifteen places.
pub(crate) fn double_text(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    if (1e-15..1e15).contains(&size) { value.to_string() } else { format!("{value:e}") }
}

fn single_text(value: f32) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs();
    if (1e-15..1e15).contains(&size) { value.to_string() } else { format!("{value:e}") }
}

/// The number at the start of a text; 0 where there is none.
pub(crate) fn leading_number(text: &str) -> f64 {
    text.trim_start()[..number_length(text.trim_start())].parse().unwrap_or(0.0)
}

/// Bytes of the number that a text begins with.
pub(crate) fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = if bytes.len() > end + sign { digits(end + 1 + sign) } else { 0 };
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

/// Values as doubles.
pub(crate) fn doubles(array: &ArrayRef) -> Result<Float64Array> {
    let data_type = array.data_type();
    if is_text(data_type) || data_type.is_binary() {
        let texts = texts(array)?;
        return Ok(texts.iter().map(|text| text.map(leading_number)).collect());
    }
    let number = |f: &dyn Fn(Parts) -> f64| -> Result<Float64Array> {
        Ok(moments(array)?.iter().map(|m| m.map(|m| f(Parts::of(m)))).collect())
    };
    let date = |p: &Parts| (p.year * 10_000 + p.month * 100 + p.day) as f64;
    match data_type {
        DataType::Date32 | DataType::Date64 => number(&|p| date(&p)),
        DataType::Timestamp(..) => number(&|p| {
            let clock = (p.hour * 10_000 + p.minute * 100 + p.second) as f64;
            date(&p) * 1e6 + clock + p.micro as f64 / 1e6
        }),
        DataType::Time32(_) | DataType::Time64(_) => {
            Ok(time_micros(array)?.iter().map(|time| time.map(time_number)).collect())
        }
        _ => Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
    }
}

/// A TIME is the number of its digits: 12:30:45 is 123045.
fn time_number(micros: i64) -> f64 {
    let seconds = micros / SECOND;
    let clock = seconds / 3600 * 10_000 + seconds / 60 % 60 * 100 + seconds % 60;
    clock as f64 + (micros % SECOND) as f64 / 1e6
}

/// Values as whole numbers: numbers rounded, the digits that a text begins with. What is out of range becomes the nearest there is.
pub(crate) fn ints(array: &ArrayRef) -> Result<Int64Array> {
    let data_type = array.data_type();
    if is_text(data_type) || data_type.is_binary() {
        return Ok(texts(array)?.iter().map(|text| text.map(leading_int)).collect());
    }
    match data_type {
        DataType::UInt64 => {
            let values = array.as_primitive::<arrow::datatypes::UInt64Type>();
            Ok(values.iter().map(|v| v.map(|v| i64::try_from(v).unwrap_or(i64::MAX))).collect())
        }
        t if t.is_integer() || matches!(t, DataType::Boolean | DataType::Null) => {
            Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        }
        DataType::Decimal128(..) => {
            let rounded = cast(array, &DataType::Decimal128(38, 0))?;
            let values = rounded.as_primitive::<arrow::datatypes::Decimal128Type>();
            let clamp = |v: i128| v.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            Ok(values.iter().map(|v| v.map(clamp)).collect())
        }
        // from doubles the cast saturates
        _ => Ok(doubles(array)?.iter().map(|v| v.map(|v| v.round_ties_even() as i64)).collect()),
    }
}

fn leading_int(text: &str) -> i64 {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    match text[..sign + digits].parse::<i128>() {
        Ok(value) => value.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
        Err(_) if digits > 0 => {
            if text.starts_with('-') {
                i64::MIN
            } else {
                i64::MAX
            }
        }
        Err(_) => 0,
    }
}

/// Values as microseconds since 1970 by the clock on the wall: of a type with a zone, the clock there.
pub(crate) fn moments(array: &ArrayRef) -> Result<Int64Array> {
    match array.data_type() {
        DataType::Date32 | DataType::Date64 => {
            let days = cast(&cast(array, &DataType::Date32)?, &DataType::Int32)?;
            let days = days.as_primitive::<arrow::datatypes::Int32Type>();
            Ok(days.iter().map(|day| day.map(|day| i64::from(day) * DAY)).collect())
        }
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref().map_or(Ok(Zone::UTC), Zone::named)?;
            let local = |value: i64| {
                Some(zone.local(micros(value, *unit)?)).filter(|micros| is_in_range(*micros))
            };
            let raw = cast(array, &DataType::Int64)?;
            Ok(raw.as_primitive::<Int64Type>().iter().map(|v| v.and_then(local)).collect())
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            exec_err!("a TIME has no date: use a DATE or DATETIME")
        }
        t if t.is_integer() || matches!(t, DataType::Decimal128(..) | DataType::Float64) => {
            let texts = texts(&(Arc::new(ints(array)?) as ArrayRef))?;
            // a number is padded on the left: 70101 is 070101
            let padded = |text: &str| format!("{text:0>6}");
            Ok(texts.iter().map(|t| Some(read(&padded(t?))?.micros)).collect())
        }
        _ => Ok(texts(array)?.iter().map(|text| Some(read(text?)?.micros)).collect()),
    }
}

/// A number of units as microseconds.
pub(crate) fn micros(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => value.checked_mul(SECOND),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
}

/// Microseconds of a TIME.
pub(crate) fn time_micros(array: &ArrayRef) -> Result<Int64Array> {
    let micros = cast(array, &DataType::Time64(TimeUnit::Microsecond))?;
    Ok(cast(&micros, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Whether a moment is in a year that MySQL has.
pub(crate) fn is_in_range(micros: i64) -> bool {
    (days(0, 1, 1)..days(10_000, 1, 1)).contains(&micros.div_euclid(DAY))
}

/// Microseconds since 1970 as a DATE, a DATETIME or a text that has a time only where it needs one.
pub(crate) fn from_moments(micros: &Int64Array, to: &DataType) -> Result<ArrayRef> {
    Ok(match to {
        DataType::Date32 => {
            let day = |m: i64| m.div_euclid(DAY) as i32;
            Arc::new(micros.iter().map(|m| m.map(day)).collect::<Date32Array>())
        }
        DataType::Timestamp(TimeUnit::Second, None) => Arc::new(
            micros
                .unary::<_, Int64Type>(|m| m.div_euclid(SECOND))
                .iter()
                .collect::<TimestampSecondArray>(),
        ),
        DataType::Timestamp(TimeUnit::Millisecond, None) => Arc::new(
            micros
                .unary::<_, Int64Type>(|m| m.div_euclid(1000))
                .iter()
                .collect::<TimestampMillisecondArray>(),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Arc::new(micros.iter().collect::<TimestampMicrosecondArray>())
        }
        DataType::Utf8 => {
            let text = |m: i64| match (m.rem_euclid(DAY), m.rem_euclid(SECOND)) {
                (0, _) => date_text(m.div_euclid(DAY)),
                (_, 0) => moment_text(m, 0),
                _ => moment_text(m, 6),
            };
            Arc::new(micros.iter().map(|m| m.map(text)).collect::<StringArray>())
        }
        other => return exec_err!("a moment cannot become {other}"),
    })
}
