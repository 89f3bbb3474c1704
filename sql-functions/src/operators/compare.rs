//! Comparisons. Values of one kind are left to DataFusion, so that files are pruned by them; of two kinds MySQL's rules say as what
//! they are compared. Texts are compared byte by byte, without padding.
//!
//! Source: MySQL 8.0 Reference Manual, 14.3 "Type Conversion in Expression Evaluation".

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, cast, lit};
use datafusion::scalar::ScalarValue;

use crate::calendar;
use crate::convert::{digits_of, is_text, number_length, unit_of};
use crate::function::{At, Call, Definition, Returns};
use crate::udf;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("to_double", 1..=1, Returns::Double, to_double),
    Definition::new(
        "to_moment",
        1..=1,
        Returns::By(|_| Ok(DataType::Timestamp(TimeUnit::Microsecond, None))),
        to_moment,
    ),
];

fn to_double(call: &Call) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    call.give_doubles(|row| values.at(row))
}

fn to_moment(call: &Call) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    call.give_moments(|row| values.at(row))
}

/// What a value is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Truth,
    Moment,
    Other,
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        t if is_text(t) || t.is_binary() => Kind::Text,
        t if t.is_numeric() => Kind::Number,
        DataType::Boolean => Kind::Truth,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Kind::Moment,
        _ => Kind::Other,
    }
}

/// Plans one comparison.
pub(super) fn plan(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    let RawBinaryExpr { op, left, right } = expr;
    let (left, right) = operands(left, right, schema)?;
    Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
}

/// Operands as what they are compared as.
pub(crate) fn operands(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let (Ok(l), Ok(r)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok((left, right));
    };
    let number = |e: Expr| cast(e, DataType::Int64);
    Ok(match (kind(&l), kind(&r)) {
        (Kind::Text, Kind::Number | Kind::Truth) => {
            let right = if kind(&r) == Kind::Truth { number(right) } else { right };
            let (right, left) = with_text(right, left)?;
            (left, right)
        }
        (Kind::Number | Kind::Truth, Kind::Text) => {
            let left = if kind(&l) == Kind::Truth { number(left) } else { left };
            with_text(left, right)?
        }
        (Kind::Number, Kind::Number) if l.is_floating() && is_decimal(&r) => {
            (left, cast(right, DataType::Float64))
        }
        (Kind::Number, Kind::Number) if is_decimal(&l) && r.is_floating() => {
            (cast(left, DataType::Float64), right)
        }
        (Kind::Truth, Kind::Number) => (number(left), right),
        (Kind::Number, Kind::Truth) => (left, number(right)),
        (Kind::Moment, Kind::Text) => with_moment(left, right, &l)?,
        (Kind::Text, Kind::Moment) => {
            let (right, left) = with_moment(right, left, &r)?;
            (left, right)
        }
        (Kind::Moment, Kind::Number | Kind::Truth) | (Kind::Number | Kind::Truth, Kind::Moment) => {
            return plan_err!(
                "a date is not compared with a number: write it as a text, '2026-01-31'"
            );
        }
        _ => (left, right),
    })
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// A number and a text: a constant text that is a number in full stays exact, others are doubles.
fn with_text(number: Expr, text: Expr) -> Result<(Expr, Expr)> {
    if let Expr::Literal(value, _) = &text
        && let Some(Some(written)) = value.try_as_str()
    {
        let trimmed = written.trim();
        if let Ok(whole) = trimmed.parse::<i64>() {
            return Ok((number, lit(whole)));
        }
        if number_length(trimmed) == trimmed.len()
            && !trimmed.contains(['e', 'E'])
            && let Some(exact) = exact(trimmed)
        {
            return Ok((number, lit(exact)));
        }
        let double = lit(crate::convert::leading_number(written));
        return Ok((udf("to_double")?.call(vec![number]), double));
    }
    let double = udf("to_double")?;
    Ok((double.call(vec![number]), double.call(vec![text])))
}

/// A decimal as it is written, `None` where it has more digits than one can have.
fn exact(text: &str) -> Option<ScalarValue> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    let count = digits.trim_start_matches(['-', '+']).len();
    if count > 38 || count == 0 {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    Some(ScalarValue::Decimal128(Some(value), (count as u8).max(1), fraction.len() as i8))
}

/// A moment and a text. Moments with a zone are instants: DataFusion reads the text in the session's.
fn with_moment(moment: Expr, text: Expr, data_type: &DataType) -> Result<(Expr, Expr)> {
    if matches!(data_type, DataType::Timestamp(_, Some(_))) {
        return Ok((moment, text));
    }
    if let Expr::Literal(value, _) = &text
        && let Some(Some(written)) = value.try_as_str()
    {
        let Some(read) = calendar::read(written) else {
            return plan_err!("Incorrect DATETIME value: '{written}'");
        };
        if matches!(data_type, DataType::Date32) && read.micros.rem_euclid(calendar::DAY) == 0 {
            let day = read.micros.div_euclid(calendar::DAY) as i32;
            return Ok((moment, lit(ScalarValue::Date32(Some(day)))));
        }
        return Ok((moment, lit(timestamp(read.micros, read.digits, data_type))));
    }
    Ok((moment, udf("to_moment")?.call(vec![text])))
}

/// A moment in the unit of the column that it is compared with, or a finer one if it says more.
fn timestamp(micros: i64, digits: u8, with: &DataType) -> ScalarValue {
    let held = match with {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            if let Some(nanos) = micros.checked_mul(1_000) {
                return ScalarValue::TimestampNanosecond(Some(nanos), None);
            }
            6
        }
        DataType::Timestamp(unit, _) => digits_of(*unit),
        _ => 0,
    };
    match unit_of(digits.max(held)) {
        TimeUnit::Second => ScalarValue::TimestampSecond(Some(micros.div_euclid(1_000_000)), None),
        TimeUnit::Millisecond => {
            ScalarValue::TimestampMillisecond(Some(micros.div_euclid(1_000)), None)
        }
        _ => ScalarValue::TimestampMicrosecond(Some(micros), None),
    }
}
