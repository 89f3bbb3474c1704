//! Values in Paimon's metadata (partitions, keys, column statistics) as values of the engine.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{ColumnStatistics, ScalarValue, stats::Precision};
use paimon::spec::{DataFileMeta, DataType as PaimonType, Datum, TableSchema};

use crate::error::{LakeError, Result};
use crate::file::ColumnBounds;
use crate::schema::{LakeSchema, loses_digits};

const NANOS_PER_MILLI: i64 = 1_000_000;

/// A Paimon value as a scalar of the column's Arrow type.
pub(crate) fn scalar(datum: Option<Datum>, data_type: &DataType) -> Result<ScalarValue> {
    let mismatch = |datum: &Datum| {
        LakeError::corrupt(format!("value {datum:?} in the place of one of type {data_type}"))
    };
    let Some(datum) = datum else {
        return Ok(ScalarValue::try_from(data_type)?);
    };
    if let Some(value) = integer(&datum, data_type) {
        return integer_scalar(value, data_type).ok_or_else(|| mismatch(&datum));
    }
    Ok(match (datum, data_type) {
        (Datum::Bool(value), DataType::Boolean) => ScalarValue::Boolean(Some(value)),
        (Datum::Float(value), DataType::Float32) => ScalarValue::Float32(Some(value)),
        (Datum::Double(value), DataType::Float64) => ScalarValue::Float64(Some(value)),
        (Datum::String(value), DataType::Utf8View) => ScalarValue::Utf8View(Some(value)),
        (Datum::Bytes(value), DataType::BinaryView) => ScalarValue::BinaryView(Some(value)),
        (Datum::Decimal { unscaled, scale, .. }, DataType::Decimal128(precision, to))
            if i64::from(scale) == i64::from(*to) =>
        {
            ScalarValue::Decimal128(Some(unscaled), *precision, *to)
        }
        (datum, _) => return Err(mismatch(&datum)),
    })
}

/// The integer that an array of `data_type` stores for `datum`; `None` for types that are not stored as one.
fn integer(datum: &Datum, data_type: &DataType) -> Option<i64> {
    match (datum, data_type) {
        (Datum::TinyInt(v), DataType::Int8) => Some(i64::from(*v)),
        (Datum::SmallInt(v), DataType::Int16) => Some(i64::from(*v)),
        (Datum::Int(v), DataType::Int32) => Some(i64::from(*v)),
        (Datum::Long(v), DataType::Int64) => Some(*v),
        (Datum::Date(v), DataType::Date32) => Some(i64::from(*v)),
        (Datum::Time(v), DataType::Time64(TimeUnit::Nanosecond)) => {
            Some(i64::from(*v) * NANOS_PER_MILLI)
        }
        (
            Datum::Timestamp { millis, nanos } | Datum::LocalZonedTimestamp { millis, nanos },
            DataType::Timestamp(unit, _),
        ) => match unit {
            TimeUnit::Millisecond => Some(*millis),
            TimeUnit::Microsecond => {
                millis.checked_mul(1000)?.checked_add(i64::from(*nanos) / 1000)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Inverse of [`integer`]; `None` when the value does not fit.
pub(crate) fn integer_scalar(value: i64, data_type: &DataType) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Int8 => ScalarValue::Int8(Some(value.try_into().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(value.try_into().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(value.try_into().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(value)),
        DataType::Date32 => ScalarValue::Date32(Some(value.try_into().ok()?)),
        DataType::Time64(TimeUnit::Nanosecond) => ScalarValue::Time64Nanosecond(Some(value)),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            ScalarValue::TimestampMillisecond(Some(value), zone.clone())
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            ScalarValue::TimestampMicrosecond(Some(value), zone.clone())
        }
        _ => return None,
    })
}

/// What a writer says of the columns of a file, for files of the current schema, whose names it goes by. Bounds
/// prove which values a file does not hold: fixed-width columns only (Paimon cuts strings to 16 characters; floats
/// have NaN). Nulls are counted of all columns that are not nested.
pub(crate) fn of_file(
    meta: &DataFileMeta,
    table: &TableSchema,
    schema: &LakeSchema,
) -> Vec<ColumnBounds> {
    let columns = table.fields().iter().zip(schema.columns.fields());
    let bounds = columns.filter_map(|(field, column)| {
        let of = field.data_type();
        if !is_exact(of) && !is_counted(of) {
            return None;
        }
        let stats = meta.value_stats_for_field(table.id(), table.fields(), field)?;
        let exact = |value: Option<Datum>| match is_exact(of) {
            true => integer(&value?, column.data_type()),
            false => None,
        };
        let (min, max) = (exact(stats.min_value), exact(stats.max_value));
        let nulls = stats.null_count.and_then(|nulls| nulls.try_into().ok());
        let some = min.is_some() || max.is_some() || nulls.is_some();
        some.then_some(ColumnBounds { field_id: field.id(), min, max, nulls })
    });
    bounds.collect()
}

/// Types without bounds here whose nulls are counted.
fn is_counted(of: &PaimonType) -> bool {
    matches!(
        of,
        PaimonType::Boolean(_)
            | PaimonType::Char(_)
            | PaimonType::VarChar(_)
            | PaimonType::Binary(_)
            | PaimonType::VarBinary(_)
            | PaimonType::Decimal(_)
            | PaimonType::Float(_)
            | PaimonType::Double(_)
    )
}

fn is_exact(of: &PaimonType) -> bool {
    matches!(
        of,
        PaimonType::TinyInt(_)
            | PaimonType::SmallInt(_)
            | PaimonType::Int(_)
            | PaimonType::BigInt(_)
            | PaimonType::Date(_)
            | PaimonType::Time(_)
            | PaimonType::Timestamp(_)
            | PaimonType::LocalZonedTimestamp(_)
    ) && !loses_digits(of)
}

/// Bounds as the engine's file statistics. They hold for a masked file too: hiding rows keeps bounds,
/// though not the number of nulls.
pub(crate) fn statistics(
    bounds: &ColumnBounds,
    data_type: &DataType,
    masked: bool,
) -> ColumnStatistics {
    let exact = |value: Option<i64>| match value.and_then(|v| integer_scalar(v, data_type)) {
        Some(value) => Precision::Exact(value),
        None => Precision::Absent,
    };
    let nulls = match bounds.nulls.map(|nulls| nulls as usize) {
        Some(0) => Precision::Exact(0),
        Some(nulls) if masked => Precision::Inexact(nulls),
        Some(nulls) => Precision::Exact(nulls),
        None => Precision::Absent,
    };
    ColumnStatistics {
        min_value: exact(bounds.min),
        max_value: exact(bounds.max),
        null_count: nulls,
        ..ColumnStatistics::new_unknown()
    }
}
