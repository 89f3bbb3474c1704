//! What `CAST(… AS SIGNED)` and its like do.
//!
//! Source: MySQL 8.0 Reference Manual, 14.10 "Cast Functions and Operators".

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Time64MicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, UInt64Type};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;

use crate::calendar::{DAY, Parts, read_time};
use crate::convert::{self, is_text, unit_of};
use crate::function::{At, Call, Definition, Planned, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("cast_signed", 1..=1, Returns::Int, signed),
    Definition::new("cast_unsigned", 1..=1, Returns::Unsigned, unsigned),
    Definition::new("cast_double", 1..=1, Returns::Double, |call| {
        let values = call.doubles(0)?;
        call.give_doubles(|row| values.at(row))
    }),
    Definition::new("cast_char", 1..=2, Returns::Text, char),
    Definition::new("cast_binary", 1..=2, Returns::Bytes, binary),
    Definition::new("cast_decimal", 3..=3, Returns::By(decimal_type), decimal),
    Definition::new("cast_date", 1..=1, Returns::Date, |call| {
        let values = call.moments(0)?;
        call.give_moments(|row| values.at(row))
    })
    .or(&["date", "to_date"]),
    Definition::new("cast_datetime", 1..=2, Returns::By(|p| moment_type(p, 1)), datetime),
    Definition::new("clock", 2..=2, Returns::By(|p| moment_type(p, 1)), clock),
    Definition::new("cast_time", 1..=2, Returns::By(|p| time_type(p, 1)), time),
    Definition::new("cast_year", 1..=1, Returns::Int, year),
];

fn signed(call: &Call) -> Result<ArrayRef> {
    let array = call.array(0)?;
    if *array.data_type() == DataType::UInt64 {
        // the same bits, as MySQL has it
        let values = array.as_primitive::<UInt64Type>();
        return call.give_ints(|row| values.is_valid(row).then(|| values.value(row) as i64));
    }
    let values = numbers(call)?;
    call.give_ints(|row| values.at(row))
}

/// Whole numbers; a date is its digits.
fn numbers(call: &Call) -> Result<arrow::array::Int64Array> {
    match call.array(0)?.data_type() {
        DataType::Date32 | DataType::Timestamp(..) => {
            Ok(call.doubles(0)?.iter().map(|v| v.map(|v| v.floor() as i64)).collect())
        }
        DataType::Float32 | DataType::Float64 => {
            Ok(call.doubles(0)?.iter().map(|v| v.map(|v| v.round_ties_even() as i64)).collect())
        }
        _ => call.ints(0),
    }
}

fn unsigned(call: &Call) -> Result<ArrayRef> {
    let array = call.array(0)?;
    if *array.data_type() == DataType::UInt64 {
        return Ok(array);
    }
    if is_text(array.data_type()) {
        let values = call.text(0)?;
        return call.give_unsigned(|row| {
            let text = values.at(row)?.trim_start();
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            match text.strip_prefix('-') {
                Some(_) => Some(convert::leading_number(text).trunc() as i64 as u64),
                None => {
                    Some(text[..digits].parse().unwrap_or(if digits > 0 { u64::MAX } else { 0 }))
                }
            }
        });
    }
    let values = numbers(call)?;
    call.give_unsigned(|row| Some(values.at(row)? as u64))
}

fn char(call: &Call) -> Result<ArrayRef> {
    let values = call.text(0)?;
    if call.len() == 1 {
        return Ok(Arc::new(values));
    }
    let lengths = call.ints(1)?;
    call.give_texts(|row| {
        let length = usize::try_from(lengths.at(row)?).unwrap_or(0);
        Some(values.at(row)?.chars().take(length).collect())
    })
}

fn binary(call: &Call) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    if call.len() == 1 {
        return Ok(Arc::new(values));
    }
    let lengths = call.ints(1)?;
    call.give_bytes(|row| {
        let length = usize::try_from(lengths.at(row)?).unwrap_or(0).min(1 << 20);
        let mut bytes = values.at(row)?.to_vec();
        // shorter ones are filled up
        bytes.resize(length, 0);
        Some(bytes)
    })
}

fn decimal_type(planned: &Planned) -> Result<DataType> {
    match (planned.int(1), planned.int(2)) {
        (Some(precision @ 1..=38), Some(scale @ 0..=38)) if scale <= precision => {
            Ok(DataType::Decimal128(precision as u8, scale as i8))
        }
        _ => plan_err!("CAST to DECIMAL needs a constant precision and scale"),
    }
}

fn decimal(call: &Call) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = call.returns else {
        return exec_err!("CAST to DECIMAL cannot give {}", call.returns);
    };
    let largest = 10i128.pow(precision.into()) - 1;
    let array = call.array(0)?;
    let exact =
        matches!(array.data_type(), DataType::Decimal128(..) | DataType::Boolean | DataType::Null)
            || array.data_type().is_integer();
    let values: Decimal128Array = if exact {
        let values = crate::operators::arithmetic::decimals(&array)?;
        let from = values.scale();
        values
            .iter()
            .map(|v| {
                v.map(|v| {
                    rescale(v, from, scale).unwrap_or(if v < 0 { i128::MIN } else { i128::MAX })
                })
            })
            .collect()
    } else {
        let texts = match array.data_type() {
            DataType::Date32 | DataType::Timestamp(..) => {
                convert::texts(&(Arc::new(call.doubles(0)?) as ArrayRef))?
            }
            _ => call.text(0)?,
        };
        texts.iter().map(|text| text.map(|text| from_text(text, scale))).collect()
    };
    // what does not fit becomes the nearest that does, as MySQL casts
    let clamped =
        values.unary::<_, arrow::datatypes::Decimal128Type>(|v| v.clamp(-largest, largest));
    Ok(Arc::new(clamped.with_precision_and_scale(precision, scale)?))
}

/// A decimal of another scale, rounded half away from zero; `None` where it does not fit.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let power = 10i128.checked_pow((to - from).unsigned_abs().into());
    if to >= from {
        return value.checked_mul(power?);
    }
    let Some(power) = power else { return Some(0) };
    let (whole, rest) = (value / power, value % power);
    let away = rest.unsigned_abs() >= power.unsigned_abs().div_ceil(2);
    Some(if away { whole + value.signum() } else { whole })
}

/// The number at the start of a text, in units of the scale.
fn from_text(text: &str, scale: i8) -> i128 {
    let text = text.trim_start();
    let number = &text[..convert::number_length(text)];
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let negative = whole.starts_with('-');
    let digits: String =
        whole.chars().chain(fraction.chars()).filter(char::is_ascii_digit).collect();
    // how many digits of all are kept
    let kept = (digits.len() - fraction.len()) as i64 + exponent + i64::from(scale);
    let digit = |i: i64| {
        usize::try_from(i).ok().and_then(|i| digits.as_bytes().get(i)).map_or(0, |d| d - b'0')
    };
    let mut value = 0i128;
    for i in 0..kept.clamp(0, 60) {
        value = value.saturating_mul(10).saturating_add(digit(i).into());
    }
    if kept >= 0 && digit(kept) >= 5 {
        value = value.saturating_add(1);
    }
    if negative { -value } else { value }
}

/// The type of a moment with as many digits as an argument says, none without it.
pub(crate) fn moment_type(planned: &Planned, argument: usize) -> Result<DataType> {
    match planned.types.len() > argument {
        false => Ok(DataType::Timestamp(TimeUnit::Second, None)),
        true => match planned.int(argument) {
            Some(digits @ 0..=6) => Ok(DataType::Timestamp(unit_of(digits as u8), None)),
            _ => plan_err!("the digits of a fraction of a second are a constant of 0 to 6"),
        },
    }
}

fn time_type(planned: &Planned, argument: usize) -> Result<DataType> {
    let unit = match moment_type(planned, argument)? {
        DataType::Timestamp(TimeUnit::Second, _) => DataType::Time32(TimeUnit::Second),
        DataType::Timestamp(TimeUnit::Millisecond, _) => DataType::Time32(TimeUnit::Millisecond),
        _ => DataType::Time64(TimeUnit::Microsecond),
    };
    Ok(unit)
}

fn datetime(call: &Call) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    let digits = if call.len() > 1 { call.ints(1)? } else { vec![0; call.rows].into() };
    call.give_moments(|row| Some(rounded(values.at(row)?, digits.at(row)?)))
}

/// A moment cut, not rounded, to the digits of its type.
fn clock(call: &Call) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    call.give_moments(|row| values.at(row))
}

/// Rounds a moment to so many digits of a second.
fn rounded(micros: i64, digits: i64) -> i64 {
    let unit = 10i64.pow(6 - digits.clamp(0, 6) as u32);
    (micros + unit / 2).div_euclid(unit) * unit
}

/// Rounded to the digits of the type that is returned.
pub(crate) fn time(call: &Call) -> Result<ArrayRef> {
    let values = times(call, 0)?;
    let digits = match &call.returns {
        DataType::Time32(unit) | DataType::Time64(unit) => convert::digits_of(*unit),
        _ => 0,
    };
    let digits = match call.len() {
        1 => vec![i64::from(digits); call.rows].into(),
        _ => call.ints(1)?,
    };
    let mut times = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let time = values[row].zip(digits.at(row)).map(|(micros, digits)| rounded(micros, digits));
        if time.is_some_and(|t| !(0..DAY).contains(&t)) {
            return exec_err!(
                "a TIME beyond a day is not supported as a type: use SEC_TO_TIME or a text"
            );
        }
        times.push(time);
    }
    let micros: ArrayRef = Arc::new(Time64MicrosecondArray::from(times));
    Ok(arrow::compute::cast(&micros, &call.returns)?)
}

/// An argument as microseconds of a TIME.
pub(crate) fn times(call: &Call, argument: usize) -> Result<Vec<Option<i64>>> {
    let array = call.array(argument)?;
    Ok(match array.data_type() {
        DataType::Time32(_) | DataType::Time64(_) => convert::time_micros(&array)?.iter().collect(),
        DataType::Date32 | DataType::Timestamp(..) => {
            call.moments(argument)?.iter().map(|m| m.map(|m| m.rem_euclid(DAY))).collect()
        }
        _ => call.text(argument)?.iter().map(|text| Some(read_time(text?)?.0)).collect(),
    })
}

fn year(call: &Call) -> Result<ArrayRef> {
    match call.array(0)?.data_type() {
        DataType::Date32 | DataType::Timestamp(..) => {
            let values = call.moments(0)?;
            call.give_ints(|row| Some(Parts::of(values.at(row)?).year))
        }
        _ => {
            let values = call.ints(0)?;
            call.give_ints(|row| match values.at(row)? {
                year @ 1..=69 => Some(2000 + year),
                year @ 70..=99 => Some(1900 + year),
                year @ (0 | 1901..=2155) => Some(year),
                _ => None,
            })
        }
    }
}
