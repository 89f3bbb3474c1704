//! Numbers: rounding, roots, logarithms, bases.
//!
//! Source: MySQL 8.0 Reference Manual, 14.6.2 "Mathematical Functions"; StarRocks' math functions.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array};
use arrow::datatypes::{DataType, Decimal128Type};
use datafusion::error::Result;

use crate::casts::rescale;
use crate::function::{At, Call, Definition, MANY, Planned, Returns, out_of_range};
use crate::operators::arithmetic::{Kind, decimals, kind};
use crate::operators::bits::bits;
use crate::unified::{as_type, common_type};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("round", 1..=2, Returns::By(rounded_type), |call| rounded(call, true))
        .or(&["dround"]),
    Definition::new("truncate", 2..=2, Returns::By(rounded_type), |call| rounded(call, false))
        .or(&["dtruncate"]),
    Definition::new("ceil", 1..=1, Returns::By(whole_type), |call| whole(call, f64::ceil))
        .or(&["ceiling", "dceil"]),
    Definition::new("floor", 1..=1, Returns::By(whole_type), |call| whole(call, f64::floor))
        .or(&["dfloor"]),
    Definition::new("abs", 1..=1, Returns::By(same_type), abs),
    Definition::new("sign", 1..=1, Returns::Int, sign),
    Definition::new("sqrt", 1..=1, Returns::Double, |call| one(call, f64::sqrt)).or(&["dsqrt"]),
    Definition::new("cbrt", 1..=1, Returns::Double, |call| one(call, f64::cbrt)),
    Definition::new("exp", 1..=1, Returns::Double, |call| one(call, f64::exp)).or(&["dexp"]),
    Definition::new("ln", 1..=1, Returns::Double, |call| logarithm(call, f64::ln)).or(&["dlog1"]),
    Definition::new("log2", 1..=1, Returns::Double, |call| logarithm(call, f64::log2)),
    Definition::new("log10", 1..=1, Returns::Double, |call| logarithm(call, f64::log10))
        .or(&["dlog10"]),
    Definition::new("log", 1..=2, Returns::Double, log),
    Definition::new("power", 2..=2, Returns::Double, power).or(&["pow", "dpow", "fpow"]),
    Definition::new("square", 1..=1, Returns::Double, |call| one(call, |v| v * v)),
    Definition::new("sin", 1..=1, Returns::Double, |call| one(call, f64::sin)),
    Definition::new("cos", 1..=1, Returns::Double, |call| one(call, f64::cos)),
    Definition::new("tan", 1..=1, Returns::Double, |call| one(call, f64::tan)),
    Definition::new("cot", 1..=1, Returns::Double, cotangent),
    Definition::new("asin", 1..=1, Returns::Double, |call| one(call, f64::asin)),
    Definition::new("acos", 1..=1, Returns::Double, |call| one(call, f64::acos)),
    Definition::new("atan", 1..=2, Returns::Double, arc_tangent).or(&["atan2"]),
    Definition::new("sinh", 1..=1, Returns::Double, |call| one(call, f64::sinh)),
    Definition::new("cosh", 1..=1, Returns::Double, |call| one(call, f64::cosh)),
    Definition::new("tanh", 1..=1, Returns::Double, |call| one(call, f64::tanh)),
    Definition::new("degrees", 1..=1, Returns::Double, |call| one(call, f64::to_degrees)),
    Definition::new("radians", 1..=1, Returns::Double, |call| one(call, f64::to_radians)),
    Definition::new("pi", 0..=0, Returns::Double, |call| {
        call.give_doubles(|_| Some(std::f64::consts::PI))
    }),
    Definition::new("e", 0..=0, Returns::Double, |call| {
        call.give_doubles(|_| Some(std::f64::consts::E))
    }),
    Definition::new("fmod", 2..=2, Returns::Double, |call| {
        let (a, b) = (call.doubles(0)?, call.doubles(1)?);
        call.give_doubles(|row| Some(a.at(row)? % b.at(row).filter(|b| *b != 0.0)?))
    }),
    Definition::new("pmod", 2..=2, Returns::Int, |call| {
        let (a, b) = (call.ints(0)?, call.ints(1)?);
        call.give_ints(|row| a.at(row)?.checked_rem_euclid(b.at(row)?))
    }),
    Definition::new("conv", 3..=3, Returns::Text, conv),
    Definition::new("bin", 1..=1, Returns::Text, |call| {
        let values = bits(call, 0)?;
        call.give_texts(|row| Some(format!("{:b}", values[row]?)))
    }),
    Definition::new("oct", 1..=1, Returns::Text, |call| {
        let values = bits(call, 0)?;
        call.give_texts(|row| Some(format!("{:o}", values[row]?)))
    }),
    Definition::new("crc32", 1..=1, Returns::Unsigned, |call| {
        let values = call.bytes(0)?;
        call.give_unsigned(|row| Some(crc32fast::hash(values.at(row)?).into()))
    }),
    Definition::new("greatest", 2..=MANY, Returns::By(|p| Ok(common_type(p.types))), |call| {
        extreme(call, true)
    }),
    Definition::new("least", 2..=MANY, Returns::By(|p| Ok(common_type(p.types))), |call| {
        extreme(call, false)
    }),
];

fn one(call: &Call, f: fn(f64) -> f64) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    let overflows = |v: f64| v.is_finite() && f(v).is_infinite();
    if values.iter().flatten().any(overflows) {
        return Err(out_of_range("DOUBLE", call.name));
    }
    call.give_doubles(|row| Some(f(values.at(row)?)))
}

/// Logarithms of what is not positive are NULL.
fn logarithm(call: &Call, f: fn(f64) -> f64) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    call.give_doubles(|row| values.at(row).filter(|v| *v > 0.0).map(f))
}

fn log(call: &Call) -> Result<ArrayRef> {
    if call.len() == 1 {
        return logarithm(call, f64::ln);
    }
    let (bases, values) = (call.doubles(0)?, call.doubles(1)?);
    call.give_doubles(|row| {
        let (base, value) = (bases.at(row)?, values.at(row)?);
        (base > 0.0 && base != 1.0 && value > 0.0).then(|| value.ln() / base.ln())
    })
}

fn power(call: &Call) -> Result<ArrayRef> {
    let (bases, exponents) = (call.doubles(0)?, call.doubles(1)?);
    let each = |row: usize| Some(bases.at(row)?.powf(exponents.at(row)?));
    if (0..call.rows).filter_map(each).any(|v| !v.is_finite()) {
        return Err(out_of_range("DOUBLE", "pow"));
    }
    call.give_doubles(each)
}

fn cotangent(call: &Call) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    if values.iter().flatten().any(|v| v.tan() == 0.0) {
        return Err(out_of_range("DOUBLE", "cot"));
    }
    call.give_doubles(|row| Some(1.0 / values.at(row)?.tan()))
}

fn arc_tangent(call: &Call) -> Result<ArrayRef> {
    if call.len() == 1 {
        return one(call, f64::atan);
    }
    let (y, x) = (call.doubles(0)?, call.doubles(1)?);
    call.give_doubles(|row| Some(y.at(row)?.atan2(x.at(row)?)))
}

fn same_type(planned: &Planned) -> Result<DataType> {
    Ok(match kind(&planned.types[0])? {
        Kind::Signed => DataType::Int64,
        Kind::Unsigned => DataType::UInt64,
        Kind::Decimal(p, s) => DataType::Decimal128(p, s),
        Kind::Double => DataType::Float64,
    })
}

fn abs(call: &Call) -> Result<ArrayRef> {
    match call.returns {
        DataType::UInt64 => Ok(arrow::compute::cast(&call.array(0)?, &DataType::UInt64)?),
        DataType::Float64 => one(call, f64::abs),
        DataType::Decimal128(precision, scale) => {
            let values = decimals(&call.array(0)?)?.unary::<_, Decimal128Type>(i128::wrapping_abs);
            Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
        }
        _ => {
            let values = call.ints(0)?;
            if values.iter().flatten().any(|v| v == i64::MIN) {
                return Err(out_of_range("BIGINT", "abs"));
            }
            call.give_ints(|row| Some(values.at(row)?.abs()))
        }
    }
}

fn sign(call: &Call) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    call.give_ints(|row| {
        let value = values.at(row)?;
        Some(i64::from(value > 0.0) - i64::from(value < 0.0))
    })
}

/// ROUND and TRUNCATE of a decimal give as many digits as asked for, where that is a constant.
fn rounded_type(planned: &Planned) -> Result<DataType> {
    let digits = if planned.types.len() > 1 { planned.int(1) } else { Some(0) };
    Ok(match kind(&planned.types[0])? {
        Kind::Signed => DataType::Int64,
        Kind::Unsigned => DataType::UInt64,
        Kind::Double => DataType::Float64,
        Kind::Decimal(p, s) => {
            let scale = digits.map_or(s, |d| d.clamp(0, 30) as i8);
            let whole = (p as i8 - s + i8::from(scale < s)).max(1) as u8;
            DataType::Decimal128((whole + scale as u8).min(38), scale)
        }
    })
}

fn rounded(call: &Call, nearest: bool) -> Result<ArrayRef> {
    let digits = if call.len() > 1 { call.ints(1)? } else { vec![0; call.rows].into() };
    match call.returns {
        DataType::Float64 => {
            let values = call.doubles(0)?;
            call.give_doubles(|row| Some(round_double(values.at(row)?, digits.at(row)?, nearest)))
        }
        DataType::Decimal128(precision, scale) => {
            let values = decimals(&call.array(0)?)?;
            let from = values.scale();
            let limit = 10u128.pow(precision.into());
            let each = |row: usize| {
                let Some(digits) = digits.at(row).filter(|_| values.is_valid(row)) else {
                    return Ok(None);
                };
                let (value, digits) = (values.value(row), digits.clamp(-38, scale.into()) as i8);
                let cut =
                    if nearest { rescale(value, from, digits) } else { cut(value, from, digits) };
                match cut.and_then(|cut| rescale(cut, digits, scale)) {
                    Some(value) if value.unsigned_abs() < limit => Ok(Some(value)),
                    _ => Err(out_of_range("DECIMAL", call.name)),
                }
            };
            let values = (0..call.rows).map(each).collect::<Result<Decimal128Array>>()?;
            Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
        }
        DataType::UInt64 => {
            let values = arrow::compute::cast(&call.array(0)?, &DataType::Decimal128(20, 0))?;
            let values = decimals(&values)?;
            call.give_unsigned(|row| {
                let value = values.is_valid(row).then(|| values.value(row))?;
                u64::try_from(round_whole(value, digits.at(row)?, nearest)?).ok()
            })
        }
        _ => {
            let values = call.ints(0)?;
            call.give_ints(|row| {
                i64::try_from(round_whole(values.at(row)?.into(), digits.at(row)?, nearest)?).ok()
            })
        }
    }
}

fn round_whole(value: i128, digits: i64, nearest: bool) -> Option<i128> {
    if digits >= 0 {
        return Some(value);
    }
    let digits = digits.max(-38) as i8;
    let cut = if nearest { rescale(value, 0, digits)? } else { cut(value, 0, digits)? };
    rescale(cut, digits, 0)
}

/// A decimal of another scale, what is finer cut off.
fn cut(value: i128, from: i8, to: i8) -> Option<i128> {
    if to >= from {
        return rescale(value, from, to);
    }
    match 10i128.checked_pow((from - to).unsigned_abs().into()) {
        Some(power) => Some(value / power),
        None => Some(0),
    }
}

/// Doubles are rounded to the nearest even, as the C library does it for MySQL.
fn round_double(value: f64, digits: i64, nearest: bool) -> f64 {
    let power = 10f64.powi(digits.unsigned_abs().min(400) as i32);
    let whole = |v: f64| if nearest { v.round_ties_even() } else { v.trunc() };
    let scaled =
        if digits < 0 { whole(value / power) * power } else { whole(value * power) / power };
    if digits >= 0 && !(value * power).is_finite() { value } else { scaled }
}

fn whole_type(planned: &Planned) -> Result<DataType> {
    Ok(match kind(&planned.types[0])? {
        Kind::Signed => DataType::Int64,
        Kind::Unsigned => DataType::UInt64,
        Kind::Double => DataType::Float64,
        // a DECIMAL whose whole digits fit is a BIGINT
        Kind::Decimal(p, s) if (p as i8 - s) < 18 => DataType::Int64,
        Kind::Decimal(p, s) => DataType::Decimal128((p - s as u8 + 1).clamp(1, 38), 0),
    })
}

fn whole(call: &Call, f: fn(f64) -> f64) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let up = f(0.5) > 0.5;
    match kind(array.data_type())? {
        Kind::Double => one(call, f),
        Kind::Signed => Ok(Arc::new(call.ints(0)?)),
        Kind::Unsigned => Ok(arrow::compute::cast(&array, &DataType::UInt64)?),
        Kind::Decimal(_, scale) => {
            let values = decimals(&array)?;
            let power = 10i128.pow(scale.max(0).unsigned_abs().into());
            let each = |row: usize| {
                let value = values.is_valid(row).then(|| values.value(row))?;
                let floor = value.div_euclid(power);
                Some(if up && value.rem_euclid(power) != 0 { floor + 1 } else { floor })
            };
            match call.returns {
                DataType::Decimal128(precision, _) => {
                    let values: Decimal128Array = (0..call.rows).map(each).collect();
                    Ok(Arc::new(values.with_precision_and_scale(precision, 0)?))
                }
                _ => call.give_ints(|row| i64::try_from(each(row)?).ok()),
            }
        }
    }
}

/// A number of one base in another; beyond 64 bits it is the largest there is.
fn conv(call: &Call) -> Result<ArrayRef> {
    let (texts, from, to) = (call.text(0)?, call.ints(1)?, call.ints(2)?);
    call.give_texts(|row| {
        let (text, from, to) = (texts.at(row)?.trim(), from.at(row)?, to.at(row)?);
        let valid = |base: i64| (2..=36).contains(&base.abs());
        if !valid(from) || !valid(to) || text.is_empty() {
            return None;
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut value = 0u64;
        for digit in digits.chars().map_while(|c| c.to_digit(from.unsigned_abs() as u32)) {
            value = value
                .checked_mul(from.unsigned_abs())
                .and_then(|v| v.checked_add(digit.into()))
                .unwrap_or(u64::MAX);
        }
        let value = if negative { value.wrapping_neg() } else { value };
        Some(in_base(value, to))
    })
}

fn in_base(value: u64, base: i64) -> String {
    let (sign, mut rest) = match (base < 0).then_some(value as i64) {
        Some(signed) if signed < 0 => ("-", signed.unsigned_abs()),
        _ => ("", value),
    };
    let base = base.unsigned_abs();
    let mut digits = vec![];
    loop {
        let digit = char::from_digit((rest % base) as u32, base as u32).unwrap_or('0');
        digits.push(digit.to_ascii_uppercase());
        rest /= base;
        if rest == 0 {
            break;
        }
    }
    sign.chars().chain(digits.into_iter().rev()).collect()
}

/// NULL if any is.
fn extreme(call: &Call, greatest: bool) -> Result<ArrayRef> {
    let as_returned = |i: usize| as_type(&call.array(i)?, &call.returns);
    let mut best = as_returned(0)?;
    for i in 1..call.len() {
        let next = as_returned(i)?;
        let better = match greatest {
            true => arrow::compute::kernels::cmp::gt(&next, &best)?,
            false => arrow::compute::kernels::cmp::lt(&next, &best)?,
        };
        // where either is NULL so is the comparison, and the answer
        let taken = arrow::compute::kernels::zip::zip(&better, &next, &best)?;
        best = arrow::compute::nullif(&taken, &arrow::compute::is_null(&better)?)?;
    }
    Ok(best)
}
