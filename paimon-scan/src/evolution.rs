//! Which changes of a column's type keep every value of an older file.
//!
//! Paimon casts old values on read in ways a reader must copy exactly (truncation, rounding, overflow).
//! Only changes that lose nothing are read; a file that needs another one is refused by name.

use paimon::spec::{DataField, DataType as T, TableSchema};

use crate::error::{LakeError, Result};

/// Checks that files written with `old` can be read as `new`.
pub(crate) fn check(table: &str, old: &TableSchema, new: &TableSchema) -> Result<()> {
    let refuse = |what: String| {
        LakeError::unsupported(table, format!("{what} in files of schema {}", old.id()))
    };
    check_fields(old.fields(), new.fields()).map_err(refuse)?;
    // Keys and partitions in metadata are written with the type of their time.
    let fixed = new.primary_keys().iter().chain(new.partition_keys());
    for name in fixed {
        let field = new.fields().iter().find(|field| field.name() == name);
        let before = field.and_then(|f| old.fields().iter().find(|old| old.id() == f.id()));
        let same = field.zip(before).is_some_and(|(field, before)| {
            let (new, old) = (field.data_type(), before.data_type());
            keeps_values(old, new) && keeps_values(new, old)
        });
        if !same {
            return Err(refuse(format!("key column {name:?} is of another type")));
        }
    }
    Ok(())
}

fn check_fields(old: &[DataField], new: &[DataField]) -> Result<(), String> {
    for field in new {
        let before = old.iter().find(|candidate| candidate.id() == field.id());
        if let Some(before) = before
            && !keeps_values(before.data_type(), field.data_type())
        {
            let (from, to) = (before.data_type(), field.data_type());
            return Err(format!("column {:?} changed from {from:?} to {to:?}", field.name()));
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

#[cfg(test)]
mod tests {
    use paimon::spec::*;

    use super::*;

    fn row(fields: &[(i32, &str, T)]) -> T {
        let field =
            |(id, name, of): &(i32, &str, T)| DataField::new(*id, (*name).into(), of.clone());
        T::Row(RowType::new(fields.iter().map(field).collect()))
    }

    #[test]
    fn only_changes_that_lose_nothing_are_read() {
        let int = || T::Int(IntType::new());
        let big = || T::BigInt(BigIntType::new());
        let float = || T::Float(FloatType::new());
        let double = || T::Double(DoubleType::new());
        let text = |length| T::VarChar(VarCharType::new(length).unwrap());
        let decimal = |p, s| T::Decimal(DecimalType::new(p, s).unwrap());
        let at = |p| T::Timestamp(TimestampType::new(p).unwrap());
        let local = |p| T::LocalZonedTimestamp(LocalZonedTimestampType::new(p).unwrap());
        let cases = [
            (int(), big(), true),
            (big(), int(), false),
            (int(), double(), false),
            (float(), double(), true),
            (double(), float(), false),
            (text(5), text(20), true),
            (text(20), text(5), false),
            (int(), text(20), false),
            (decimal(10, 2), decimal(12, 4), true),
            (decimal(10, 2), decimal(10, 4), false),
            (decimal(10, 2), decimal(14, 1), false),
            (at(3), at(6), true),
            (at(6), at(3), false),
            (at(3), local(3), false),
            (T::Array(ArrayType::new(int())), T::Array(ArrayType::new(big())), true),
            (T::Array(ArrayType::new(big())), T::Array(ArrayType::new(int())), false),
            // renamed, added, dropped
            (
                row(&[(1, "a", int()), (2, "b", int())]),
                row(&[(1, "z", big()), (3, "c", int())]),
                true,
            ),
            (row(&[(1, "a", big())]), row(&[(1, "a", int())]), false),
        ];
        for (old, new, kept) in cases {
            assert_eq!(keeps_values(&old, &new), kept, "{old:?} → {new:?}");
        }
    }

    #[test]
    fn keys_keep_their_type() {
        let schema = |id, of: T, key: &[&str]| {
            let schema = Schema::builder().column("k", of).column("v", T::Int(IntType::new()));
            let schema = schema.primary_key(key.iter().copied()).option("bucket", "1");
            TableSchema::new(id, &schema.build().unwrap())
        };
        let old = schema(0, T::Int(IntType::with_nullable(false)), &["k"]);
        let new = schema(1, T::BigInt(BigIntType::with_nullable(false)), &["k"]);
        assert!(check("t", &old, &old).is_ok());
        let error = check("t", &old, &new).unwrap_err().to_string();
        assert!(error.contains("\"k\"") && error.contains("schema 0"), "{error}");
    }
}
