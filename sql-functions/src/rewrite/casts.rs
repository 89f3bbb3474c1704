//! `CAST`, `CONVERT` and typed literals.
//!
//! Types that only MySQL casts to (`SIGNED`, `CHAR`, `DATETIME` …) follow MySQL: a text is read as far as it is a number. Types of
//! StarRocks' casts (`BIGINT`, `STRING` …) stay with DataFusion, which refuses a text that is no number.
//!
//! Source: MySQL 8.0 Reference Manual, 14.10 "Cast Functions and Operators".

use datafusion::sql::sqlparser::ast::{
    CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, TimezoneInfo, TypedString,
};

use super::{Refusal, call, number, take, text};

/// Rewrites a cast.
pub(super) fn expr(expr: &mut Expr) -> Result<(), Refusal> {
    match expr {
        Expr::Cast { kind: CastKind::Cast, expr: value, data_type, format: None, array: false } => {
            if let Some(cast) = cast(value, data_type)? {
                *expr = cast;
            }
        }
        Expr::Convert { expr: value, data_type: Some(data_type), charset: None, .. } => {
            let converted = cast(value, data_type)?;
            *expr = converted.ok_or_else(|| format!("CONVERT to {data_type} is not supported"))?;
        }
        Expr::Convert { expr: value, data_type: None, charset: Some(charset), .. } => {
            let charset = charset.to_string().to_lowercase();
            *expr = match charset.as_str() {
                "utf8mb4" | "utf8" | "utf8mb3" => call("cast_char", vec![take(value)]),
                "binary" => call("cast_binary", vec![take(value)]),
                _ => return Err(format!("CONVERT USING {charset} is not supported")),
            };
        }
        Expr::Collate { expr: value, collation } => {
            let name = collation.to_string().to_lowercase();
            if !name.trim_matches('`').ends_with("_bin") && name != "binary" {
                return Err(format!(
                    "COLLATE {collation} is not supported: texts are compared byte by byte, as utf8mb4_bin"
                ));
            }
            *expr = take(value);
        }
        Expr::TypedString(typed) => *expr = typed_literal(typed)?,
        Expr::Prefixed { prefix, value } => {
            let charset = prefix.value.trim_start_matches('_').to_lowercase();
            match charset.as_str() {
                "utf8mb4" | "utf8" | "utf8mb3" | "binary" | "n" => *expr = take(value),
                _ => return Err(format!("the character set {charset} is not supported")),
            }
        }
        _ => {}
    }
    Ok(())
}

fn cast(value: &mut Expr, data_type: &DataType) -> Result<Option<Expr>, Refusal> {
    let plain = |name: &str, value: &mut Expr| Some(call(name, vec![take(value)]));
    let sized = |name: &str, value: &mut Expr, size: Option<u64>| {
        let mut args = vec![take(value)];
        args.extend(size.map(number));
        Some(call(name, args))
    };
    Ok(match data_type {
        DataType::Signed | DataType::SignedInteger => plain("cast_signed", value),
        DataType::Unsigned | DataType::UnsignedInteger => plain("cast_unsigned", value),
        DataType::Char(length) | DataType::Character(length) | DataType::Varchar(length) => {
            sized("cast_char", value, characters(length)?)
        }
        DataType::String(_) | DataType::Text => plain("cast_char", value),
        DataType::Binary(size) => sized("cast_binary", value, *size),
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => {
            let (precision, scale) = match info {
                ExactNumberInfo::None => (10, 0),
                ExactNumberInfo::Precision(p) => (*p, 0),
                ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
            };
            if !(1..=38).contains(&precision) || scale < 0 || scale as u64 > precision {
                return Err(format!(
                    "CAST to {data_type} is not supported: a DECIMAL has 38 digits at the most"
                ));
            }
            Some(call("cast_decimal", vec![take(value), number(precision), number(scale)]))
        }
        DataType::Double(_) | DataType::DoublePrecision | DataType::Real => {
            plain("cast_double", value)
        }
        DataType::Date => plain("cast_date", value),
        DataType::Datetime(digits) => sized("cast_datetime", value, fraction(*digits)?),
        DataType::Timestamp(digits, TimezoneInfo::None) => {
            sized("cast_datetime", value, fraction(*digits)?)
        }
        DataType::Time(digits, TimezoneInfo::None) => sized("cast_time", value, fraction(*digits)?),
        DataType::JSON => plain("cast_json", value),
        DataType::Custom(name, _) if name.to_string().eq_ignore_ascii_case("year") => {
            plain("cast_year", value)
        }
        _ => None,
    })
}

fn characters(length: &Option<CharacterLength>) -> Result<Option<u64>, Refusal> {
    match length {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => Ok(Some(*length)),
        Some(other) => Err(format!("CAST to CHAR({other}) is not supported")),
    }
}

fn fraction(digits: Option<u64>) -> Result<Option<u64>, Refusal> {
    match digits {
        Some(7..) => Err("a fraction of a second has six digits at the most".into()),
        digits => Ok(digits),
    }
}

/// `DATE '2026-01-31'`: wrong ones are refused while the statement is planned.
fn typed_literal(typed: &TypedString) -> Result<Expr, Refusal> {
    let value = typed.value.value.clone().into_string().unwrap_or_default();
    let wrong = |kind: &str| format!("Incorrect {kind} value: '{value}'");
    match &typed.data_type {
        DataType::Date => {
            crate::calendar::read(&value).ok_or_else(|| wrong("DATE"))?;
            Ok(call("cast_date", vec![text(&value)]))
        }
        DataType::Timestamp(..) | DataType::Datetime(_) => {
            let read = crate::calendar::read(&value).ok_or_else(|| wrong("DATETIME"))?;
            Ok(call("cast_datetime", vec![text(&value), number(read.digits)]))
        }
        DataType::Time(..) => {
            let (_, digits) = crate::calendar::read_time(&value).ok_or_else(|| wrong("TIME"))?;
            Ok(call("cast_time", vec![text(&value), number(digits)]))
        }
        other => Err(format!("literals of {other} are not supported")),
    }
}
