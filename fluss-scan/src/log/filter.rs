//! Filters that a server can hold against the statistics of whole batches.
//!
//! A filter only spares batches: rows that do not pass come too, and whoever asks filters them. So everything that a
//! server might judge in another way than we do (numbers that are NaN, padded text) cannot be said here.

use bytes::Bytes;

use crate::messages::{CompoundPredicate, LeafPredicate, Literal, Predicate};
use crate::{Column, Error, FlussType, Result, TableInfo};

/// What rows must hold to be wanted; columns by their positions in the table's present schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// The column compared with a value; NULL is not wanted.
    Compare(usize, Comparison, FilterValue),
    /// The column is NULL.
    IsNull(usize),
    /// The column is not NULL.
    IsNotNull(usize),
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value to compare a column with, in the unit of the column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterValue {
    /// TINYINT, SMALLINT, INT, BIGINT; DATE in days since 1970.
    Integer(i64),
    /// DECIMAL, in the column's scale.
    Decimal(i128),
    /// STRING.
    Text(String),
    /// TIMESTAMP and TIMESTAMP_LTZ: milliseconds since 1970, nanoseconds of the millisecond.
    Timestamp(i64, i32),
}

/// Kinds of a predicate on the wire.
const LEAF: i32 = 0;
const COMPOUND: i32 = 1;
/// Fluss's codes of data types in literals (`PbDataTypeRoot`).
mod root {
    pub(super) const TINYINT: i32 = 1;
    pub(super) const SMALLINT: i32 = 2;
    pub(super) const INT: i32 = 3;
    pub(super) const BIGINT: i32 = 4;
    pub(super) const STRING: i32 = 8;
    pub(super) const DECIMAL: i32 = 9;
    pub(super) const DATE: i32 = 10;
    pub(super) const TIMESTAMP: i32 = 12;
    pub(super) const TIMESTAMP_LTZ: i32 = 13;
}

/// Digits of a DECIMAL that is written as a whole number.
const SMALL_DECIMAL_DIGITS: u8 = 18;
/// Nesting that a server's own recursion bears well.
const DEPTH_MAX: usize = 32;

/// Whether the batches of a table carry statistics of a column.
pub fn has_statistics(table: &TableInfo, column: usize) -> bool {
    let of_columns = table.properties.get("table.statistics.columns").map(String::as_str);
    let Some(column) = table.schema.columns.get(column) else { return false };
    match of_columns.map(str::trim) {
        None | Some("") => false,
        Some("*") => true,
        Some(names) => names.split(',').any(|name| name.trim() == column.name),
    }
}

impl Filter {
    /// The filter as servers understand it.
    ///
    /// # Errors
    /// `Unsupported` for a column that does not exist, has no statistics or a type that cannot be compared so.
    pub(super) fn to_wire(&self, table: &TableInfo) -> Result<Predicate> {
        self.at_depth(table, 0)
    }

    fn at_depth(&self, table: &TableInfo, depth: usize) -> Result<Predicate> {
        if depth > DEPTH_MAX {
            return Err(Error::Unsupported(format!("a filter nested deeper than {DEPTH_MAX}")));
        }
        let all = |function: i32, children: &[Filter]| {
            let children = children.iter().map(|child| child.at_depth(table, depth + 1));
            let children = children.collect::<Result<Vec<_>>>()?;
            let compound = Some(CompoundPredicate { function, children });
            Ok(Predicate { kind: COMPOUND, leaf: None, compound })
        };
        match self {
            Self::And(children) => all(0, children),
            Self::Or(children) => all(1, children),
            Self::Compare(position, comparison, value) => {
                let column = column(table, *position)?;
                let literal = literal(&column.data_type, value).ok_or_else(|| {
                    let (name, data_type) = (&column.name, &column.data_type);
                    Error::Unsupported(format!("{name} {data_type} compared with {value:?}"))
                })?;
                Ok(leaf(comparison.code(), column, vec![literal]))
            }
            Self::IsNull(position) => Ok(leaf(6, column(table, *position)?, vec![])),
            Self::IsNotNull(position) => Ok(leaf(7, column(table, *position)?, vec![])),
        }
    }
}

impl Comparison {
    fn code(self) -> i32 {
        match self {
            Self::Equal => 0,
            Self::Less => 2,
            Self::LessOrEqual => 3,
            Self::Greater => 4,
            Self::GreaterOrEqual => 5,
        }
    }
}

fn column(table: &TableInfo, position: usize) -> Result<&Column> {
    let column = table.schema.columns.get(position).filter(|_| has_statistics(table, position));
    column.ok_or_else(|| Error::Unsupported(format!("a filter on column {position}")))
}

fn leaf(function: i32, column: &Column, literals: Vec<Literal>) -> Predicate {
    let leaf = Some(LeafPredicate { function, field_id: column.id, literals });
    Predicate { kind: LEAF, leaf, compound: None }
}

/// `None` where a value is none of the type.
fn literal(data_type: &FlussType, value: &FilterValue) -> Option<Literal> {
    let of = |kind: i32| Literal { kind, ..Literal::default() };
    Some(match (data_type, value) {
        (FlussType::TinyInt, FilterValue::Integer(v)) => {
            Literal { int: Some(i8::try_from(*v).ok()?.into()), ..of(root::TINYINT) }
        }
        (FlussType::SmallInt, FilterValue::Integer(v)) => {
            Literal { int: Some(i16::try_from(*v).ok()?.into()), ..of(root::SMALLINT) }
        }
        (FlussType::Int, FilterValue::Integer(v)) => {
            Literal { int: Some(i32::try_from(*v).ok()?), ..of(root::INT) }
        }
        (FlussType::BigInt, FilterValue::Integer(v)) => {
            Literal { bigint: Some(*v), ..of(root::BIGINT) }
        }
        (FlussType::Date, FilterValue::Integer(v)) => {
            Literal { bigint: Some(i32::try_from(*v).ok()?.into()), ..of(root::DATE) }
        }
        (FlussType::String, FilterValue::Text(text)) => {
            Literal { string: Some(text.clone()), ..of(root::STRING) }
        }
        (FlussType::Decimal(precision, _), FilterValue::Decimal(v)) => {
            if v.unsigned_abs() >= 10u128.pow(u32::from(*precision)) {
                return None;
            }
            if *precision <= SMALL_DECIMAL_DIGITS {
                Literal { decimal: Some(i64::try_from(*v).ok()?), ..of(root::DECIMAL) }
            } else {
                let bytes = Bytes::copy_from_slice(&v.to_be_bytes());
                Literal { large_decimal: Some(bytes), ..of(root::DECIMAL) }
            }
        }
        (FlussType::Timestamp(_) | FlussType::TimestampLtz(_), FilterValue::Timestamp(ms, ns)) => {
            let is_local = matches!(data_type, FlussType::TimestampLtz(_));
            let kind = if is_local { root::TIMESTAMP_LTZ } else { root::TIMESTAMP };
            let nanoseconds = Some(*ns).filter(|ns| (0..1_000_000).contains(ns))?;
            Literal { milliseconds: Some(*ms), nanoseconds: Some(nanoseconds), ..of(kind) }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_none_of_the_type_are_refused() {
        let is_literal = |data_type: FlussType, value| literal(&data_type, &value).is_some();
        assert!(is_literal(FlussType::TinyInt, FilterValue::Integer(-128)));
        assert!(!is_literal(FlussType::TinyInt, FilterValue::Integer(128)));
        assert!(!is_literal(FlussType::Date, FilterValue::Integer(1 << 40)));
        assert!(is_literal(FlussType::Decimal(4, 2), FilterValue::Decimal(-9999)));
        assert!(!is_literal(FlussType::Decimal(4, 2), FilterValue::Decimal(10_000)));
        assert!(is_literal(FlussType::Decimal(38, 2), FilterValue::Decimal(i128::MIN >> 1)));
        assert!(!is_literal(FlussType::Timestamp(6), FilterValue::Timestamp(0, -1)));
        assert!(!is_literal(FlussType::Double, FilterValue::Integer(1)));
        assert!(!is_literal(FlussType::Char(3), FilterValue::Text("abc".into())));
    }
}
