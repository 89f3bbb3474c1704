//! Columns of a lake table as Arrow sees them, found again in any file by their field ids.
//!
//! | Paimon | Arrow |
//! |---|---|
//! | BOOLEAN, TINYINT … BIGINT, FLOAT, DOUBLE, DATE | the same |
//! | DECIMAL(p, s) | Decimal128(p, s) |
//! | CHAR, VARCHAR / BINARY, VARBINARY | Utf8View / BinaryView, inside nested types Utf8 / Binary (a map with view keys cannot be looked into) |
//! | TIME | Time64(ns): the engine has no coercion between its own time literals and Time32 |
//! | TIMESTAMP(0–3) | Timestamp(ms) |
//! | TIMESTAMP(4–9) | Timestamp(µs): a nanosecond Arrow timestamp ends in 2262 and wraps silently. Nanoseconds are cut off, as MySQL does; before 1970 Paimon writes some of them as a negative rest of the day, and those come out one microsecond late |
//! | … WITH LOCAL TIME ZONE | the same, in UTC |
//! | ARRAY, MAP, ROW | List, Map, Struct |
//! | others | refused |

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use datafusion_proto::protobuf;
use paimon::spec::{DataField, DataType as PaimonType, TableSchema};
use prost::Message;

use crate::error::{LakeError, Result};
use crate::merge_rules::{MergeEngine, MergeRules};

/// Key of the Arrow field metadata that holds a column's field id.
pub const FIELD_ID: &str = parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// How the rows of a bucket come about from its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableKind {
    /// No primary key: every row of every file.
    Append,
    /// Primary key: the latest version of a key counts, which files that overlap must be resolved for.
    Deduplicate,
    /// Primary key with deletion vectors, or of the first-row engine: Paimon has merged, marked or left out
    /// every superseded row of the files it shows.
    DeletionVectors,
}

/// Positions of the columns that Fluss before 1.0 added to its lake tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemColumns {
    /// `__bucket`
    pub bucket: usize,
    /// `__offset`
    pub offset: usize,
    /// `__timestamp`
    pub timestamp: usize,
}

/// The current schema of a lake table.
#[derive(Debug, Clone, PartialEq)]
pub struct LakeSchema {
    /// Paimon's schema id.
    pub id: i64,
    /// Columns; each field carries its id under [`FIELD_ID`], at every depth.
    pub columns: SchemaRef,
    /// Positions of the primary key columns, in key order; empty without a key.
    pub primary_key: Vec<usize>,
    /// Positions of the partition columns, in order.
    pub partition_key: Vec<usize>,
    /// Positions of the columns that decide the bucket, in order.
    pub bucket_key: Vec<usize>,
    /// The `bucket` option: a fixed number, or −1.
    pub buckets: i32,
    /// How rows come about.
    pub kind: TableKind,
    /// Which version of a key counts.
    pub rules: MergeRules,
}

impl LakeSchema {
    /// Whether rows have a key.
    pub fn is_primary_key_table(&self) -> bool {
        self.kind != TableKind::Append
    }

    /// Positions of the key columns that tell rows of one bucket apart: the primary key without the
    /// partition columns.
    pub fn merge_key(&self) -> Vec<usize> {
        let in_partition = |column: &usize| self.partition_key.contains(column);
        self.primary_key.iter().copied().filter(|column| !in_partition(column)).collect()
    }

    /// The three last columns, if they are those of a legacy Fluss table.
    pub fn system_columns(&self) -> Option<SystemColumns> {
        let bucket = self.columns.fields().len().checked_sub(3)?;
        let names = ["__bucket", "__offset", "__timestamp"];
        let found = self.columns.fields()[bucket..].iter().map(|field| field.name().as_str());
        found.eq(names).then_some(SystemColumns {
            bucket,
            offset: bucket + 1,
            timestamp: bucket + 2,
        })
    }

    pub(crate) fn of(table: &str, schema: &TableSchema, kind: TableKind) -> Result<Self> {
        let columns =
            arrow_schema(schema.fields()).map_err(|what| LakeError::unsupported(table, what))?;
        let positions = |names: &[String]| -> Result<Vec<usize>> {
            let position = |name: &String| columns.index_of(name);
            names.iter().map(position).collect::<Result<_, _>>().map_err(|error| {
                LakeError::corrupt(format!("schema {} of {table}: {error}", schema.id()))
            })
        };
        Ok(Self {
            id: schema.id(),
            primary_key: positions(schema.primary_keys())?,
            partition_key: positions(schema.partition_keys())?,
            bucket_key: positions(&schema.bucket_keys())?,
            buckets: schema.core_options().bucket(),
            kind,
            rules: MergeRules::of(schema).map_err(|what| LakeError::unsupported(table, what))?,
            columns,
        })
    }

    /// Encodes the schema for another process.
    ///
    /// # Errors
    /// `Corrupt` for an Arrow type without a protobuf form; none of ours is.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let columns: protobuf::Schema = self
            .columns
            .as_ref()
            .try_into()
            .map_err(|error| LakeError::corrupt(format!("schema for the wire: {error}")))?;
        let narrow = |columns: &[usize]| columns.iter().map(|c| *c as u32).collect();
        let wire = Wire {
            id: self.id,
            columns: columns.encode_to_vec(),
            primary_key: narrow(&self.primary_key),
            partition_key: narrow(&self.partition_key),
            bucket_key: narrow(&self.bucket_key),
            buckets: self.buckets,
            kind: match self.kind {
                TableKind::Append => 1,
                TableKind::Deduplicate => 2,
                TableKind::DeletionVectors => 3,
            },
            engine: MergeEngine::ALL.iter().position(|e| *e == self.rules.engine).map(|p| p as u32),
            ignore_delete: self.rules.ignore_delete,
            sequence: narrow(&self.rules.sequence),
        };
        Ok(wire.encode_to_vec())
    }

    /// Decodes and checks what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Corrupt` for other bytes, a position beyond the columns, a column without a field id.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let corrupt = |what: String| LakeError::corrupt(format!("lake schema on the wire: {what}"));
        let wire = Wire::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
        let columns = protobuf::Schema::decode(wire.columns.as_slice())
            .map_err(|error| corrupt(error.to_string()))?;
        let columns = Schema::try_from(&columns).map_err(|error| corrupt(error.to_string()))?;
        if let Some(field) = columns.fields().iter().find(|field| field_id(field).is_none()) {
            return Err(corrupt(format!("column {:?} has no field id", field.name())));
        }
        let count = columns.fields().len();
        let widen = |positions: Vec<u32>| -> Result<Vec<usize>> {
            let check = |position: u32| match (position as usize) < count {
                true => Ok(position as usize),
                false => Err(corrupt(format!("column {position} of {count}"))),
            };
            positions.into_iter().map(check).collect()
        };
        Ok(Self {
            id: wire.id,
            primary_key: widen(wire.primary_key)?,
            partition_key: widen(wire.partition_key)?,
            bucket_key: widen(wire.bucket_key)?,
            buckets: wire.buckets,
            kind: match wire.kind {
                1 => TableKind::Append,
                2 => TableKind::Deduplicate,
                3 => TableKind::DeletionVectors,
                other => return Err(corrupt(format!("table kind {other}"))),
            },
            rules: MergeRules {
                engine: wire
                    .engine
                    .and_then(|engine| MergeEngine::ALL.get(engine as usize).copied())
                    .ok_or_else(|| corrupt(format!("merge engine {:?}", wire.engine)))?,
                ignore_delete: wire.ignore_delete,
                sequence: widen(wire.sequence)?,
            },
            columns: Arc::new(columns),
        })
    }
}

/// How a schema travels between our processes.
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(bytes = "vec", tag = "2")]
    columns: Vec<u8>,
    #[prost(uint32, repeated, tag = "3")]
    primary_key: Vec<u32>,
    #[prost(uint32, repeated, tag = "4")]
    partition_key: Vec<u32>,
    #[prost(uint32, repeated, tag = "5")]
    bucket_key: Vec<u32>,
    #[prost(int32, tag = "6")]
    buckets: i32,
    #[prost(uint32, tag = "7")]
    kind: u32,
    #[prost(uint32, optional, tag = "8")]
    engine: Option<u32>,
    #[prost(bool, tag = "9")]
    ignore_delete: bool,
    #[prost(uint32, repeated, tag = "10")]
    sequence: Vec<u32>,
}

/// The field id of an Arrow field, of a table or of a file.
pub(crate) fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(FIELD_ID)?.parse().ok()
}

/// A field that carries an id.
pub(crate) fn field_with_id(name: &str, data_type: DataType, nullable: bool, id: i32) -> Field {
    Field::new(name, data_type, nullable)
        .with_metadata(HashMap::from([(FIELD_ID.to_owned(), id.to_string())]))
}

fn arrow_schema(fields: &[DataField]) -> Result<SchemaRef, String> {
    let fields: Vec<Field> =
        fields.iter().map(|field| arrow_field(field, false)).collect::<Result<_, _>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn arrow_field(field: &DataField, nested: bool) -> Result<Field, String> {
    let data_type = arrow_type(field.data_type(), nested)
        .map_err(|what| format!("column {:?} of type {what}", field.name()))?;
    Ok(field_with_id(field.name(), data_type, field.data_type().is_nullable(), field.id()))
}

fn timestamp_unit(precision: u32) -> TimeUnit {
    if precision <= 3 { TimeUnit::Millisecond } else { TimeUnit::Microsecond }
}

/// The Arrow type of a Paimon type, or the name of a type that is not read.
fn arrow_type(of: &PaimonType, nested: bool) -> Result<DataType, String> {
    Ok(match of {
        PaimonType::Boolean(_) => DataType::Boolean,
        PaimonType::TinyInt(_) => DataType::Int8,
        PaimonType::SmallInt(_) => DataType::Int16,
        PaimonType::Int(_) => DataType::Int32,
        PaimonType::BigInt(_) => DataType::Int64,
        PaimonType::Float(_) => DataType::Float32,
        PaimonType::Double(_) => DataType::Float64,
        PaimonType::Decimal(d) => {
            DataType::Decimal128(narrow(d.precision())?, narrow(d.scale())? as i8)
        }
        PaimonType::Char(_) | PaimonType::VarChar(_) if nested => DataType::Utf8,
        PaimonType::Char(_) | PaimonType::VarChar(_) => DataType::Utf8View,
        PaimonType::Binary(_) | PaimonType::VarBinary(_) if nested => DataType::Binary,
        PaimonType::Binary(_) | PaimonType::VarBinary(_) => DataType::BinaryView,
        PaimonType::Date(_) => DataType::Date32,
        PaimonType::Time(_) => DataType::Time64(TimeUnit::Nanosecond),
        PaimonType::Timestamp(t) => DataType::Timestamp(timestamp_unit(t.precision()), None),
        PaimonType::LocalZonedTimestamp(t) => {
            DataType::Timestamp(timestamp_unit(t.precision()), Some("UTC".into()))
        }
        PaimonType::Array(array) => {
            DataType::List(Arc::new(element("element", array.element_type())?))
        }
        PaimonType::Map(map) => {
            let key = element("key", map.key_type())?.with_nullable(false);
            let entries = vec![key, element("value", map.value_type())?];
            let entries = Field::new("entries", DataType::Struct(entries.into()), false);
            DataType::Map(Arc::new(entries), false)
        }
        PaimonType::Row(row) => {
            let fields = row.fields().iter().map(|field| arrow_field(field, true));
            DataType::Struct(fields.collect::<Result<Fields, _>>()?)
        }
        other => return Err(type_name(other)),
    })
}

fn element(name: &str, of: &PaimonType) -> Result<Field, String> {
    Ok(Field::new(name, arrow_type(of, true)?, of.is_nullable()))
}

fn narrow(value: u32) -> Result<u8, String> {
    u8::try_from(value)
        .ok()
        .filter(|value| *value <= arrow::datatypes::DECIMAL128_MAX_PRECISION)
        .ok_or_else(|| format!("DECIMAL with {value} digits"))
}

/// The variant's name in capitals: `Variant(VariantType { … })` → `VARIANT`.
fn type_name(of: &PaimonType) -> String {
    let debug = format!("{of:?}");
    debug.split(['(', ' ', '{']).next().unwrap_or_default().to_ascii_uppercase()
}

/// Precision of a timestamp that Arrow shows with fewer digits than Paimon stores.
pub(crate) fn loses_digits(of: &PaimonType) -> bool {
    match of {
        PaimonType::Timestamp(t) => t.precision() > 6,
        PaimonType::LocalZonedTimestamp(t) => t.precision() > 6,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> LakeSchema {
        let entries = vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Int32, true),
        ];
        let map = Field::new("entries", DataType::Struct(entries.into()), false);
        LakeSchema {
            id: 3,
            columns: Arc::new(Schema::new(vec![
                field_with_id("day", DataType::Utf8View, false, 4),
                field_with_id("id", DataType::Int64, false, 7),
                field_with_id("m", DataType::Map(Arc::new(map), false), true, 9),
                field_with_id("__bucket", DataType::Int32, true, 10),
                field_with_id("__offset", DataType::Int64, true, 11),
                field_with_id("__timestamp", DataType::Int64, true, 12),
            ])),
            primary_key: vec![0, 1],
            partition_key: vec![0],
            bucket_key: vec![1],
            buckets: 4,
            kind: TableKind::Deduplicate,
            rules: MergeRules { sequence: vec![5, 4], ..MergeRules::default() },
        }
    }

    #[test]
    fn the_wire_keeps_field_ids_and_checks_positions() {
        let schema = schema();
        let back = LakeSchema::from_bytes(&schema.to_bytes().unwrap()).unwrap();
        assert_eq!(back, schema);
        assert_eq!(field_id(back.columns.field(2)), Some(9));
        let mut wrong = schema;
        wrong.rules.sequence = vec![6];
        assert!(LakeSchema::from_bytes(&wrong.to_bytes().unwrap()).is_err());
        wrong.rules.sequence.clear();
        wrong.primary_key = vec![6];
        assert!(LakeSchema::from_bytes(&wrong.to_bytes().unwrap()).is_err());
    }

    #[test]
    fn keys_and_system_columns_are_recognised() {
        let schema = schema();
        assert_eq!(schema.merge_key(), [1]);
        let system = SystemColumns { bucket: 3, offset: 4, timestamp: 5 };
        assert_eq!(schema.system_columns(), Some(system));
    }
}
