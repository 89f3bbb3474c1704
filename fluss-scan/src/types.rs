//! Fluss's data types and the Arrow types in which its log carries them.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde_json::Value;

use crate::{Error, Result};

/// A data type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of SQL; numbers are length, precision, scale")]
pub enum FlussType {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal(u8, i8),
    Char(u32),
    String,
    Binary(u32),
    Bytes,
    Date,
    Time(u8),
    Timestamp(u8),
    TimestampLtz(u8),
    Array(Box<FlussType>),
    Map(Box<FlussType>, Box<FlussType>),
    Row(Vec<Column>),
}

/// A column of a table, or a field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Unique in the table for ever, also after renames.
    pub id: i32,
    /// The present name.
    pub name: String,
    /// The type.
    pub data_type: FlussType,
    /// Whether values may be NULL.
    pub nullable: bool,
    /// The comment.
    pub comment: Option<String>,
}

/// Stands where the JSON has no id.
pub(crate) const NO_ID: i32 = -1;
/// Deeper nesting than any table has; the JSON comes from a server.
const NESTING_MAX: usize = 32;

impl Column {
    pub(crate) fn from_json(json: &Value, depth: usize) -> Result<Self> {
        let name = json["name"].as_str().ok_or_else(|| Error::corrupt("a column without name"))?;
        let data_type = json.get("data_type").or_else(|| json.get("field_type"));
        let data_type = data_type.ok_or_else(|| Error::corrupt(format!("no type of '{name}'")))?;
        let id = json["id"].as_i64().or_else(|| json["field_id"].as_i64()).unwrap_or(NO_ID.into());
        Ok(Self {
            id: i32::try_from(id).map_err(|_| Error::corrupt(format!("the id of '{name}'")))?,
            name: name.to_string(),
            data_type: FlussType::from_json(data_type, depth)?,
            nullable: data_type["nullable"].as_bool().unwrap_or(true),
            comment: json["comment"].as_str().map(str::to_string),
        })
    }

    /// The Arrow field in which the log carries the column.
    pub fn arrow(&self) -> Field {
        Field::new(&self.name, self.data_type.arrow(), self.nullable)
    }
}

impl FlussType {
    /// Reads the type as a table's JSON has it.
    pub(crate) fn from_json(json: &Value, depth: usize) -> Result<Self> {
        if depth > NESTING_MAX {
            return Err(Error::Unsupported(format!("types nested deeper than {NESTING_MAX}")));
        }
        let name = json["type"].as_str().ok_or_else(|| Error::corrupt("a type without name"))?;
        let number = |key: &str, default: u64| json[key].as_u64().unwrap_or(default);
        let small = |key: &str, default: u64| {
            let value = number(key, default);
            u8::try_from(value).map_err(|_| Error::corrupt(format!("{name} with {key} {value}")))
        };
        let length = || {
            let value = number("length", 1);
            u32::try_from(value).map_err(|_| Error::corrupt(format!("{name} of length {value}")))
        };
        let inner = |key: &str| Self::from_json(&json[key], depth + 1).map(Box::new);
        Ok(match name {
            "BOOLEAN" => Self::Boolean,
            "TINYINT" => Self::TinyInt,
            "SMALLINT" => Self::SmallInt,
            "INTEGER" | "INT" => Self::Int,
            "BIGINT" => Self::BigInt,
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "DECIMAL" => Self::decimal(small("precision", 10)?, small("scale", 0)?)?,
            "CHAR" => Self::Char(length()?),
            "STRING" => Self::String,
            "BINARY" => Self::Binary(length()?),
            "BYTES" => Self::Bytes,
            "DATE" => Self::Date,
            "TIME_WITHOUT_TIME_ZONE" => Self::Time(digits(small("precision", 0)?)?),
            "TIMESTAMP_WITHOUT_TIME_ZONE" => Self::Timestamp(digits(small("precision", 6)?)?),
            "TIMESTAMP_WITH_LOCAL_TIME_ZONE" => Self::TimestampLtz(digits(small("precision", 6)?)?),
            "ARRAY" => Self::Array(inner("element_type")?),
            "MAP" => Self::Map(inner("key_type")?, inner("value_type")?),
            "ROW" => {
                let fields = json["fields"].as_array().ok_or_else(|| Error::corrupt("ROW"))?;
                let fields = fields.iter().map(|field| Column::from_json(field, depth + 1));
                Self::Row(fields.collect::<Result<_>>()?)
            }
            other => return Err(Error::Unsupported(format!("the type {other} of Fluss"))),
        })
    }

    fn decimal(precision: u8, scale: u8) -> Result<Self> {
        let fits = (1..=38).contains(&precision) && scale <= precision;
        let scale = i8::try_from(scale).ok().filter(|_| fits);
        let scale = scale.ok_or_else(|| Error::corrupt(format!("DECIMAL({precision})")))?;
        Ok(Self::Decimal(precision, scale))
    }

    /// Whether values of both types are written with the same bytes. Ids, comments and nullability of what is nested do
    /// not matter; Fluss changes nothing else there.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(this), Self::Array(other)) => this.is_written_as(other),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                key.is_written_as(other_key) && value.is_written_as(other_value)
            }
            (Self::Row(fields), Self::Row(others)) => {
                fields.len() == others.len()
                    && fields.iter().zip(others).all(|(field, other)| {
                        field.name == other.name && field.data_type.is_written_as(&other.data_type)
                    })
            }
            (this, other) => this == other,
        }
    }

    /// The Arrow type in which the log carries values (Fluss's `ArrowUtils`).
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::Char(_) | Self::String => DataType::Utf8,
            Self::Binary(length) => {
                i32::try_from(*length).map_or(DataType::Binary, DataType::FixedSizeBinary)
            }
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time(p) if *p <= 3 => DataType::Time32(unit(*p)),
            Self::Time(p) => DataType::Time64(unit(*p)),
            Self::Timestamp(p) => DataType::Timestamp(unit(*p), None),
            Self::TimestampLtz(p) => DataType::Timestamp(unit(*p), Some("UTC".into())),
            Self::Array(element) => {
                DataType::List(Arc::new(Field::new("element", element.arrow(), true)))
            }
            Self::Map(key, value) => {
                let key = Field::new("key", key.arrow(), false);
                let entry = Fields::from(vec![key, Field::new("value", value.arrow(), true)]);
                DataType::Map(
                    Arc::new(Field::new("entries", DataType::Struct(entry), false)),
                    false,
                )
            }
            Self::Row(fields) => DataType::Struct(fields.iter().map(Column::arrow).collect()),
        }
    }
}

fn digits(precision: u8) -> Result<u8> {
    if precision <= 9 {
        Ok(precision)
    } else {
        Err(Error::corrupt(format!("precision {precision}")))
    }
}

fn unit(precision: u8) -> TimeUnit {
    match precision {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

impl fmt::Display for FlussType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::TinyInt => f.write_str("tinyint"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::BigInt => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Char(length) => write!(f, "char({length})"),
            Self::String => f.write_str("string"),
            Self::Binary(length) => write!(f, "binary({length})"),
            Self::Bytes => f.write_str("varbinary"),
            Self::Date => f.write_str("date"),
            Self::Time(precision) => write!(f, "time({precision})"),
            Self::Timestamp(precision) => write!(f, "datetime({precision})"),
            Self::TimestampLtz(precision) => write!(f, "timestamp({precision})"),
            Self::Array(element) => write!(f, "array<{element}>"),
            Self::Map(key, value) => write!(f, "map<{key},{value}>"),
            Self::Row(fields) => {
                f.write_str("struct<")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, i32, FlussType)]) -> FlussType {
        let field = |(name, id, data_type): &(&str, i32, FlussType)| Column {
            id: *id,
            name: (*name).to_string(),
            data_type: data_type.clone(),
            nullable: *id > 0,
            comment: None,
        };
        let row = FlussType::Row(fields.iter().map(field).collect());
        FlussType::Array(Box::new(FlussType::Map(Box::new(FlussType::String), Box::new(row))))
    }

    #[test]
    fn nested_types_are_compared_by_what_is_written() {
        use FlussType::{Int, Timestamp};
        let old = row(&[("a", NO_ID, Int), ("b", NO_ID, Timestamp(6))]);
        for (new, is_same) in [
            (row(&[("a", 5, Int), ("b", 6, Timestamp(6))]), true),
            (row(&[("b", 5, Int), ("a", 6, Timestamp(6))]), false),
            (row(&[("a", 5, Int), ("b", 6, Timestamp(3))]), false),
            (row(&[("a", 5, Int)]), false),
            (Int, false),
        ] {
            assert_eq!(old.is_written_as(&new), is_same, "{new}");
        }
    }
}
