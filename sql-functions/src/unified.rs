//! The one type of values of several: of `COALESCE`, `GREATEST` and the branches of `CASE`.
//!
//! Source: MySQL 8.0 Reference Manual, 14.5 "Flow Control Functions": a text if any is one, else exact numbers unless one is not.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{cast, is_not_null};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast as cast_expr};

use crate::convert::{digits_of, is_text, texts, unit_of};
use crate::function::{Call, Definition, MANY, Returns};
use crate::operators::arithmetic::{Kind, digits, kind};
use crate::udf;

pub(crate) const FUNCTIONS: &[Definition] =
    &[Definition::new("coalesce", 1..=MANY, Returns::By(|p| Ok(common_type(p.types))), coalesce)
        .or(&["ifnull", "nvl"])];

/// The type of all; of NULLs alone, NULL.
pub(crate) fn common_type(types: &[DataType]) -> DataType {
    let mut known = types.iter().filter(|t| !t.is_null());
    let Some(first) = known.next() else { return DataType::Null };
    known.fold(plain(first), |common, next| pair(&common, &plain(next)))
}

fn plain(data_type: &DataType) -> DataType {
    if is_text(data_type) { DataType::Utf8 } else { data_type.clone() }
}

fn pair(a: &DataType, b: &DataType) -> DataType {
    if a == b {
        return a.clone();
    }
    match (moment_digits(a), moment_digits(b)) {
        (Some(x), Some(y)) => return DataType::Timestamp(unit_of(x.max(y)), zone(a).or(zone(b))),
        (None, None) => {}
        _ => return DataType::Utf8,
    }
    if is_text(a) || is_text(b) {
        return DataType::Utf8;
    }
    match (kind(a), kind(b)) {
        (Ok(Kind::Double), Ok(_)) | (Ok(_), Ok(Kind::Double)) => DataType::Float64,
        (Ok(Kind::Signed), Ok(Kind::Signed)) => DataType::Int64,
        (Ok(Kind::Unsigned), Ok(Kind::Unsigned)) => DataType::UInt64,
        (Ok(_), Ok(_)) => {
            let ((w1, s1), (w2, s2)) = (digits(a), digits(b));
            let scale = s1.max(s2);
            DataType::Decimal128((w1.max(w2) + scale).clamp(1, 38) as u8, scale)
        }
        // nothing in common but what they print as
        _ => DataType::Utf8,
    }
}

fn moment_digits(data_type: &DataType) -> Option<u8> {
    match data_type {
        DataType::Date32 => Some(0),
        DataType::Timestamp(unit, _) => Some(digits_of(*unit)),
        _ => None,
    }
}

fn zone(data_type: &DataType) -> Option<Arc<str>> {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) | DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    }
}

/// A value as one of the common type.
pub(crate) fn converted(expr: Expr, from: &DataType, to: &DataType) -> Result<Expr> {
    Ok(match to {
        _ if from == to || from.is_null() => expr,
        DataType::Utf8 if !is_text(from) => udf("cast_char")?.call(vec![expr]),
        DataType::Decimal128(..) if *from == DataType::Boolean => {
            cast_expr(cast_expr(expr, DataType::Int64), to.clone())
        }
        _ => cast_expr(expr, to.clone()),
    })
}

pub(crate) fn as_type(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    match to {
        DataType::Utf8 => Ok(Arc::new(texts(array)?)),
        DataType::Decimal128(..) if *array.data_type() == DataType::Boolean => {
            Ok(cast(&cast(array, &DataType::Int64)?, to)?)
        }
        _ => Ok(cast(array, to)?),
    }
}

fn coalesce(call: &Call) -> Result<ArrayRef> {
    let mut chosen = as_type(&call.array(0)?, &call.returns)?;
    for i in 1..call.len() {
        if chosen.null_count() == 0 && *chosen.data_type() != DataType::Null {
            break;
        }
        let next = as_type(&call.array(i)?, &call.returns)?;
        chosen = zip(&is_not_null(&chosen)?, &chosen, &next)?;
    }
    Ok(chosen)
}
