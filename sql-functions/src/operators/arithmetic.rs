//! `+ - * / DIV %` and the unary minus.
//!
//! Whole numbers are BIGINT or, if one is, BIGINT UNSIGNED; a result that does not fit is an error, never a wrapped value. `/` of exact
//! numbers is exact to four more digits than the dividend has, rounded. A text is the number it begins with. By zero is NULL.
//!
//! Source: MySQL 8.0 Reference Manual, 14.6.1 "Arithmetic Operators" and 14.24 "Precision Math". A DECIMAL has 38 digits here, MySQL's 65.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Decimal128Type, UInt64Type, i256};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;

use crate::convert::{ints, is_text};
use crate::function::{At, Call, Definition, Planned, Returns, out_of_range};

/// Digits that a quotient has more than its dividend: `div_precision_increment`.
pub(crate) const DIVISION_DIGITS: i8 = 4;
/// MySQL's longest fraction.
const SCALE_MAX: i8 = 30;
pub(crate) const PRECISION_MAX: u8 = 38;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("add", 2..=2, Returns::By(|p| sum_type("+", p)), add),
    Definition::new("subtract", 2..=2, Returns::By(|p| sum_type("-", p)), subtract),
    Definition::new("multiply", 2..=2, Returns::By(product_type), multiply),
    Definition::new("divide", 2..=2, Returns::By(quotient_type), divide),
    Definition::new("int_divide", 2..=2, Returns::By(whole_type), int_divide),
    Definition::new("mod", 2..=2, Returns::By(rest_type), modulo),
    Definition::new("negate", 1..=1, Returns::By(negative_type), negate).or(&["negative"]),
];

/// The kinds of numbers that are reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Signed,
    Unsigned,
    Decimal(u8, i8),
    Double,
}

pub(crate) fn kind(data_type: &DataType) -> Result<Kind> {
    Ok(match data_type {
        DataType::Boolean | DataType::Null => Kind::Signed,
        t if t.is_unsigned_integer() => Kind::Unsigned,
        t if t.is_integer() => Kind::Signed,
        DataType::Decimal128(p, s) => Kind::Decimal(*p, *s),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Kind::Double,
        t if is_text(t) || t.is_binary() => Kind::Double,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            return plan_err!(
                "arithmetic with dates is not supported: use DATEDIFF, TIMESTAMPDIFF or + INTERVAL n unit"
            );
        }
        other => return plan_err!("arithmetic with {other} is not supported"),
    })
}

/// Both kinds made one.
fn common(planned: &Planned) -> Result<Kind> {
    let (left, right) = (kind(&planned.types[0])?, kind(&planned.types[1])?);
    Ok(match (left, right) {
        (Kind::Double, _) | (_, Kind::Double) => Kind::Double,
        (Kind::Decimal(p, s), _) | (_, Kind::Decimal(p, s)) => Kind::Decimal(p, s),
        (Kind::Unsigned, _) | (_, Kind::Unsigned) => Kind::Unsigned,
        _ => Kind::Signed,
    })
}

/// Digits before and after the point of an exact number.
pub(crate) fn digits(data_type: &DataType) -> (i8, i8) {
    match data_type {
        DataType::Decimal128(p, s) => (*p as i8 - s, *s),
        DataType::Boolean | DataType::Null => (1, 0),
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        _ => (20, 0),
    }
}

fn decimal(whole: i8, scale: i8) -> Result<DataType> {
    if scale > PRECISION_MAX as i8 {
        return plan_err!("a DECIMAL with {scale} digits after the point is not supported");
    }
    let precision = (whole.max(0) as u8).saturating_add(scale as u8).clamp(1, PRECISION_MAX);
    Ok(DataType::Decimal128(precision, scale))
}

fn plain(kind: Kind) -> DataType {
    match kind {
        Kind::Signed => DataType::Int64,
        Kind::Unsigned => DataType::UInt64,
        _ => DataType::Float64,
    }
}

fn sum_type(_: &str, planned: &Planned) -> Result<DataType> {
    let kind = common(planned)?;
    let Kind::Decimal(..) = kind else { return Ok(plain(kind)) };
    let ((w1, s1), (w2, s2)) = (digits(&planned.types[0]), digits(&planned.types[1]));
    decimal(w1.max(w2) + 1, s1.max(s2))
}

fn product_type(planned: &Planned) -> Result<DataType> {
    let kind = common(planned)?;
    let Kind::Decimal(..) = kind else { return Ok(plain(kind)) };
    let ((w1, s1), (w2, s2)) = (digits(&planned.types[0]), digits(&planned.types[1]));
    decimal(w1.saturating_add(w2), s1 + s2)
}

fn quotient_type(planned: &Planned) -> Result<DataType> {
    if common(planned)? == Kind::Double {
        return Ok(DataType::Float64);
    }
    let ((w1, s1), (_, s2)) = (digits(&planned.types[0]), digits(&planned.types[1]));
    decimal(w1.saturating_add(s2), (s1 + DIVISION_DIGITS).min(SCALE_MAX.max(s1)))
}

fn whole_type(planned: &Planned) -> Result<DataType> {
    Ok(match common(planned)? {
        Kind::Unsigned => DataType::UInt64,
        _ => DataType::Int64,
    })
}

fn rest_type(planned: &Planned) -> Result<DataType> {
    let kind = match common(planned)? {
        // the sign is that of the dividend
        Kind::Signed | Kind::Unsigned => kind(&planned.types[0])?,
        other => other,
    };
    let Kind::Decimal(..) = kind else { return Ok(plain(kind)) };
    let ((w1, s1), (w2, s2)) = (digits(&planned.types[0]), digits(&planned.types[1]));
    decimal(w1.max(w2), s1.max(s2))
}

fn negative_type(planned: &Planned) -> Result<DataType> {
    Ok(match kind(&planned.types[0])? {
        Kind::Decimal(p, s) => DataType::Decimal128(p, s),
        Kind::Unsigned => DataType::Int64,
        other => plain(other),
    })
}

type Kernel = fn(
    &dyn arrow::array::Datum,
    &dyn arrow::array::Datum,
) -> Result<ArrayRef, arrow::error::ArrowError>;

fn add(call: &Call) -> Result<ArrayRef> {
    exact(call, "+", numeric::add, i128::checked_add)
}

fn subtract(call: &Call) -> Result<ArrayRef> {
    exact(call, "-", numeric::sub, i128::checked_sub)
}

fn multiply(call: &Call) -> Result<ArrayRef> {
    exact(call, "*", numeric::mul, i128::checked_mul)
}

/// One kernel over operands of the result's kind; `wide` for whole numbers of which one is unsigned.
fn exact(
    call: &Call,
    operator: &str,
    kernel: Kernel,
    wide: fn(i128, i128) -> Option<i128>,
) -> Result<ArrayRef> {
    match &call.returns {
        DataType::Float64 => {
            let (left, right) = (call.doubles(0)?, call.doubles(1)?);
            let result = kernel(&left, &right)?;
            let values = result.as_primitive::<arrow::datatypes::Float64Type>();
            // what was no number before may stay none: MySQL has no such values, files have
            let overflows = |row: usize| {
                let was_finite = |of: &Float64Array| of.is_valid(row) && of.value(row).is_finite();
                was_finite(&left) && was_finite(&right) && !values.value(row).is_finite()
            };
            match (0..call.rows).any(overflows) {
                true => Err(out_of_range("DOUBLE", operator)),
                false => Ok(result),
            }
        }
        DataType::Int64 => {
            let (left, right) = (call.ints(0)?, call.ints(1)?);
            kernel(&left, &right).map_err(|_| out_of_range("BIGINT", operator))
        }
        DataType::UInt64 => {
            let (left, right) = (wide_ints(&call.array(0)?)?, wide_ints(&call.array(1)?)?);
            let each = |row: usize| match (left[row], right[row]) {
                (Some(a), Some(b)) => match wide(a, b).and_then(|v| u64::try_from(v).ok()) {
                    Some(value) => Ok(Some(value)),
                    None => Err(out_of_range("BIGINT UNSIGNED", operator)),
                },
                _ => Ok(None),
            };
            let values = (0..call.rows).map(each).collect::<Result<UInt64Array>>()?;
            Ok(Arc::new(values))
        }
        DataType::Decimal128(precision, scale) => {
            let (left, right) = (decimals(&call.array(0)?)?, decimals(&call.array(1)?)?);
            let overflow = || out_of_range("DECIMAL", operator);
            let result = kernel(&left, &right).map_err(|_| overflow())?;
            let result = result.as_primitive::<Decimal128Type>().clone();
            let result = result.with_precision_and_scale(*precision, *scale)?;
            result.validate_decimal_precision(*precision).map_err(|_| overflow())?;
            Ok(Arc::new(result))
        }
        other => exec_err!("'{operator}' cannot give {other}"),
    }
}

fn wide_ints(array: &ArrayRef) -> Result<Vec<Option<i128>>> {
    Ok(match array.data_type() {
        DataType::UInt64 => {
            array.as_primitive::<UInt64Type>().iter().map(|v| v.map(i128::from)).collect()
        }
        _ => ints(array)?.iter().map(|v| v.map(i128::from)).collect(),
    })
}

/// Exact numbers as decimals of their own scale.
pub(crate) fn decimals(array: &ArrayRef) -> Result<Decimal128Array> {
    let scale = digits(array.data_type()).1;
    let array = match array.data_type() {
        DataType::Decimal128(..) => Arc::clone(array),
        DataType::Boolean | DataType::Null => cast(array, &DataType::Int64)?,
        _ => Arc::clone(array),
    };
    match array.data_type() {
        DataType::Decimal128(..) => Ok(array.as_primitive().clone()),
        _ => {
            let precision = if *array.data_type() == DataType::UInt64 { 20 } else { 19 };
            let array = match array.data_type() {
                DataType::UInt64 | DataType::Int64 => array,
                _ => cast(&array, &DataType::Int64)?,
            };
            Ok(cast(&array, &DataType::Decimal128(precision, scale))?.as_primitive().clone())
        }
    }
}

fn scale_of(array: &Decimal128Array) -> i8 {
    array.scale()
}

fn divide(call: &Call) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = call.returns else {
        let (left, right) = (call.doubles(0)?, call.doubles(1)?);
        return call.give_doubles(|row| {
            let (a, b) = (left.at(row)?, right.at(row)?);
            (b != 0.0).then(|| a / b)
        });
    };
    let (left, right) = (decimals(&call.array(0)?)?, decimals(&call.array(1)?)?);
    let shift = scale - scale_of(&left) + scale_of(&right);
    let each = |row: usize| {
        if left.is_null(row) || right.is_null(row) || right.value(row) == 0 {
            return Ok(None);
        }
        let value = quotient(left.value(row), right.value(row), shift);
        let value = value.filter(|v| v.unsigned_abs() < 10u128.pow(precision.into()));
        value.map(Some).ok_or_else(|| out_of_range("DECIMAL", "/"))
    };
    let values = (0..call.rows).map(each).collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

/// `left * 10^shift / right`, rounded half away from zero.
fn quotient(left: i128, right: i128, shift: i8) -> Option<i128> {
    let power = |n: i8| i256::from_i128(10).checked_pow(n.unsigned_abs().into());
    let (mut dividend, mut divisor) = (i256::from_i128(left), i256::from_i128(right));
    if shift >= 0 {
        dividend = dividend.checked_mul(power(shift)?)?;
    } else {
        divisor = divisor.checked_mul(power(shift)?)?;
    }
    let whole = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?.wrapping_abs();
    let away = rest.checked_mul(i256::from_i128(2))? >= divisor.wrapping_abs();
    let step = if (left < 0) != (right < 0) { -1 } else { 1 };
    let rounded = if away { whole.checked_add(i256::from_i128(step))? } else { whole };
    rounded.to_i128()
}

fn int_divide(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.array(0)?, call.array(1)?);
    let is_whole = |a: &ArrayRef| {
        a.data_type().is_integer() || matches!(a.data_type(), DataType::Boolean | DataType::Null)
    };
    let quotients: Vec<Option<i128>> = if is_whole(&left) && is_whole(&right) {
        let (left, right) = (wide_ints(&left)?, wide_ints(&right)?);
        (0..call.rows).map(|row| left[row]?.checked_div(right[row]?)).collect()
    } else if matches!(call_kind(&left, &right)?, Kind::Decimal(..)) {
        let (left, right) = (decimals(&left)?, decimals(&right)?);
        let (s1, s2) = (left.scale(), right.scale());
        let power = |n: i8| 10i128.checked_pow(n.max(0).unsigned_abs().into());
        let each = |row: usize| {
            let valid = left.is_valid(row) && right.is_valid(row);
            let (a, b) = valid.then(|| (left.value(row), right.value(row)))?;
            a.checked_mul(power(s2 - s1)?)?.checked_div(b.checked_mul(power(s1 - s2)?)?)
        };
        (0..call.rows).map(each).collect()
    } else {
        let (left, right) = (call.doubles(0)?, call.doubles(1)?);
        let each = |row: usize| {
            let (a, b) = (left.at(row)?, right.at(row)?);
            (b != 0.0).then(|| (a / b).trunc() as i128)
        };
        (0..call.rows).map(each).collect()
    };
    match call.returns {
        DataType::UInt64 => {
            let fit = |v: i128| u64::try_from(v).map_err(|_| out_of_range("BIGINT", "DIV"));
            let values = quotients.into_iter().map(|v| v.map(fit).transpose());
            Ok(Arc::new(values.collect::<Result<UInt64Array>>()?))
        }
        _ => {
            let fit = |v: i128| i64::try_from(v).map_err(|_| out_of_range("BIGINT", "DIV"));
            let values = quotients.into_iter().map(|v| v.map(fit).transpose());
            Ok(Arc::new(values.collect::<Result<Int64Array>>()?))
        }
    }
}

fn call_kind(left: &ArrayRef, right: &ArrayRef) -> Result<Kind> {
    let types = [left.data_type().clone(), right.data_type().clone()];
    common(&Planned { types: &types, constants: &[] })
}

fn modulo(call: &Call) -> Result<ArrayRef> {
    match call.returns {
        DataType::Float64 => {
            let (left, right) = (call.doubles(0)?, call.doubles(1)?);
            let rest = |row: usize| Some(left.at(row)? % right.at(row).filter(|b| *b != 0.0)?);
            Ok(Arc::new((0..call.rows).map(rest).collect::<Float64Array>()))
        }
        DataType::Decimal128(precision, scale) => {
            let (left, right) = (decimals(&call.array(0)?)?, decimals(&call.array(1)?)?);
            let (up_left, up_right) = (scale - left.scale(), scale - right.scale());
            let power = |n: i8| 10i128.checked_pow(n.unsigned_abs().into());
            let rest = |row: usize| {
                let valid = left.is_valid(row) && right.is_valid(row);
                let (a, b) = valid.then(|| (left.value(row), right.value(row)))?;
                a.checked_mul(power(up_left)?)?.checked_rem(b.checked_mul(power(up_right)?)?)
            };
            let values = (0..call.rows).map(rest).collect::<Decimal128Array>();
            Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
        }
        _ => {
            let (left, right) = (wide_ints(&call.array(0)?)?, wide_ints(&call.array(1)?)?);
            let rest = |row: usize| left[row]?.checked_rem(right[row]?);
            match call.returns {
                // the rest has the sign of the dividend, which fits where that did
                DataType::UInt64 => call.give_unsigned(|row| u64::try_from(rest(row)?).ok()),
                _ => call.give_ints(|row| i64::try_from(rest(row)?).ok()),
            }
        }
    }
}

fn negate(call: &Call) -> Result<ArrayRef> {
    match call.returns {
        DataType::Float64 => {
            let values = call.doubles(0)?;
            call.give_doubles(|row| Some(-values.at(row)?))
        }
        DataType::Decimal128(precision, scale) => {
            let values = decimals(&call.array(0)?)?;
            let negative = values.unary::<_, Decimal128Type>(i128::wrapping_neg);
            Ok(Arc::new(negative.with_precision_and_scale(precision, scale)?))
        }
        _ => {
            let values = wide_ints(&call.array(0)?)?;
            let each = |v: &Option<i128>| match v.map(|v| i64::try_from(-v)) {
                None => Ok(None),
                Some(Ok(value)) => Ok(Some(value)),
                Some(Err(_)) => Err(out_of_range("BIGINT", "-")),
            };
            Ok(Arc::new(values.iter().map(each).collect::<Result<Int64Array>>()?))
        }
    }
}
