//! Which changes of a column's type keep every value of an older file.
//!
//! Paimon casts old values on read in ways a reader must copy exactly (truncation, rounding, overflow).
//! Only changes that lose nothing are read; a file that needs another one is refused by name.

use paimon::spec::{DataField, DataType as T, TableSchema};

use crate::error::{LakeError, Result};

/// Checks that files written with `old` can be read as `new`.
pub(crate) fn check(table: &str, old: &TableSchema, new: &TableSchema) -> Result<()> {
    check_fields(old.fields(), new.fields()).map_err(|what| {
        LakeError::unsupported(table, format!("{what} in files of schema {}", old.id()))
    })
}

fn check_fields(old: &[DataField], new: &[DataField]) -> Result<(), String> {
    for field in new {
        let before = old.iter().find(|candidate| candidate.id() == field.id());
        if let Some(before) = before
            && !keeps_values(before.data_type(), field.data_type())
        {
            let (from, to) = (before.data_type(), field.data_type());
            return Err(format!(
                "column {:?} changed from {from:?} to {to:?}",
                field.name()
            ));
        }
    }
    Ok(())
}

fn keeps_values(old: &T, new: &T) -> bool {
    match (old, new) {
        (T::Array(old), T::Array(new)) => keeps_values(old.element_type(), new.element_type()),
        (T::Map(old), T::Map(new)) => {
            keeps_values(old.key_type(), new.key_type())
                && keeps_values(old.value_type(), new.value_type())
        }
        (T::Row(old), T::Row(new)) => check_fields(old.fields(), new.fields()).is_ok(),
        (T::Char(old), T::Char(new)) => old.length() == new.length(),
        (T::Char(old), T::VarChar(new)) => old.length() as u64 <= u64::from(new.length()),
        (T::VarChar(old), T::VarChar(new)) => old.length() <= new.length(),
        (T::Binary(old), T::Binary(new)) => old.length() == new.length(),
        (T::Binary(old), T::VarBinary(new)) => old.length() as u64 <= u64::from(new.length()),
        (T::VarBinary(old), T::VarBinary(new)) => old.length() <= new.length(),
        (T::Decimal(old), T::Decimal(new)) => {
            old.scale() <= new.scale()
                && old.precision() - old.scale() <= new.precision() - new.scale()
        }
        (T::Timestamp(old), T::Timestamp(new)) => old.precision() <= new.precision(),
        (T::LocalZonedTimestamp(old), T::LocalZonedTimestamp(new)) => {
            old.precision() <= new.precision()
        }
        (T::Time(old), T::Time(new)) => old.precision() == new.precision(),
        (T::Boolean(_), T::Boolean(_)) | (T::Date(_), T::Date(_)) => true,
        (T::Float(_), T::Float(_) | T::Double(_)) | (T::Double(_), T::Double(_)) => true,
        (old, new) => match (integer_width(old), integer_width(new)) {
            (Some(old), Some(new)) => old <= new,
            _ => false,
        },
    }
}

fn integer_width(of: &T) -> Option<u8> {
    match of {
        T::TinyInt(_) => Some(1),
        T::SmallInt(_) => Some(2),
        T::Int(_) => Some(4),
        T::BigInt(_) => Some(8),
        _ => None,
    }
}
