//! The columns of a table, and where each half keeps them.
//!
//! Both halves are read in the table's own types, so that they can be put under one another and
//! keys can be compared: strings and bytes as views, times and timestamps in one unit per column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampNanosecondType,
};
use arrow::row::Rows;
use fluss_scan::{FlussType, TableInfo};
use paimon_scan::{Declared, KeyEncoder, LakeSchema, SystemTable};

use crate::{Error, Result};

/// Field metadata: the fractional digits of a time or timestamp, where the unit has more.
pub const PRECISION: &str = "millrace.precision";
/// Field metadata: the comment of a column.
pub const COMMENT: &str = "comment";
/// Field metadata: the type as it was declared, for SHOW and DESC.
pub const DECLARED: &str = "millrace.type";

/// Columns that Fluss 0.9 adds to the lake's own table.
const LAKE_OWN: [&str; 3] = ["__bucket", "__offset", "__timestamp"];

/// The columns of a table, in order.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Names and types as SQL sees them.
    pub schema: SchemaRef,
    /// Positions of the primary key; empty in a log table.
    pub keys: Vec<usize>,
    /// Positions of the partition keys.
    pub partition_keys: Vec<usize>,
}

impl Columns {
    /// The columns of a Fluss table.
    pub fn of(info: &TableInfo) -> Result<Self> {
        let fields: Fields = info.schema.columns.iter().map(field).collect();
        let schema = Arc::new(Schema::new(fields));
        let positions = |names: &[String]| {
            let position = |name: &String| {
                schema.index_of(name).map_err(|_| {
                    Error::Corrupt(format!("key column '{name}' is not a column of the table"))
                })
            };
            names.iter().map(position).collect::<Result<Vec<_>>>()
        };
        let keys = positions(&info.schema.primary_key)?;
        let partition_keys = positions(&info.partition_keys)?;
        Ok(Self { schema, keys, partition_keys })
    }

    /// The columns of a lake table that is read without Fluss, in the lake's own types.
    pub fn of_lake(lake: &LakeSchema) -> Self {
        let field = |field: &Arc<Field>| {
            Field::new(field.name(), without_ids(field.data_type()), field.is_nullable())
        };
        let fields: Fields = lake.columns.fields().iter().map(field).collect();
        Self {
            schema: Arc::new(Schema::new(fields)),
            keys: lake.primary_key.clone(),
            partition_keys: lake.partition_key.clone(),
        }
    }

    /// The columns of a system table.
    pub fn of_system(of: SystemTable) -> Self {
        Self { schema: of.columns(), keys: vec![], partition_keys: vec![] }
            .with_declared(&of.declared())
    }

    /// The columns with what people are told about each, position by position.
    pub fn with_declared(mut self, declared: &[Declared]) -> Self {
        let field = |(field, declared): (&Arc<Field>, &Declared)| {
            let mut metadata = HashMap::from([(DECLARED.into(), declared.data_type.clone())]);
            if let Some(precision) = declared.precision {
                let precision = precision.min(MICROSECOND_DIGITS.into());
                metadata.insert(PRECISION.to_string(), precision.to_string());
            }
            if let Some(comment) = &declared.comment {
                metadata.insert(COMMENT.into(), comment.clone());
            }
            field.as_ref().clone().with_metadata(metadata)
        };
        if declared.len() == self.schema.fields().len() {
            let fields: Fields = self.schema.fields().iter().zip(declared).map(field).collect();
            self.schema = Arc::new(Schema::new(fields));
        }
        self
    }

    /// The columns before `position`.
    pub(crate) fn first(mut self, position: usize) -> Self {
        let fields: Fields = self.schema.fields().iter().take(position).cloned().collect();
        self.schema = Arc::new(Schema::new(fields));
        self
    }

    /// Whether rows have a key that later rows replace.
    pub fn has_primary_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Checks that the lake has the same columns, or fewer or more of them: columns are added alone, to the lake first. Where
    /// both halves have one that the other lacks, it was renamed, and its rows in the lake would be taken for NULL.
    pub(crate) fn check_lake(&self, lake: &LakeSchema) -> Result<(), String> {
        let ours = self.schema.fields();
        let theirs = lake.columns.fields();
        let has = |fields: &Fields, name: &str| fields.iter().any(|field| field.name() == name);
        let absent = ours.iter().find(|field| !has(theirs, field.name()));
        let is_own = |name: &str| LAKE_OWN.contains(&name);
        let unknown = theirs.iter().find(|f| !is_own(f.name()) && !has(ours, f.name()));
        match absent.zip(unknown) {
            None => Ok(()),
            Some((ours, theirs)) => Err(format!(
                "its lake has no column '{}' and Fluss has no column '{}': renamed columns are not \
                 supported",
                ours.name(),
                theirs.name()
            )),
        }
    }

    /// For each column its position in the lake; `None` for one that the lake does not have yet, whose
    /// lake rows are NULL there.
    ///
    /// Columns are matched by name between the current schemas of both halves; from there on the lake
    /// matches them by field id.
    pub fn in_lake(&self, lake: &LakeSchema) -> Vec<Option<usize>> {
        let position = |field: &Arc<Field>| lake.columns.index_of(field.name()).ok();
        self.schema.fields().iter().map(position).collect()
    }
}

/// The key columns of batches with one layout.
#[derive(Debug)]
pub struct Key {
    positions: Vec<usize>,
    encoder: KeyEncoder,
}

impl Key {
    /// The key at these positions of batches with this schema.
    pub fn new(schema: &Schema, positions: Vec<usize>) -> Result<Self> {
        let fields = positions.iter().map(|position| schema.field(*position));
        Ok(Self { encoder: KeyEncoder::new(fields)?, positions })
    }

    /// One byte string per row, equal exactly where the keys are.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns: Vec<ArrayRef> =
            self.positions.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        Ok(self.encoder.encode(&columns)?)
    }
}

/// A type of the lake without the field ids inside: two types that differ in ids alone are one in queries.
fn without_ids(data_type: &DataType) -> DataType {
    let plain = |field: &Arc<Field>| {
        Arc::new(Field::new(field.name(), without_ids(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::List(element) => DataType::List(plain(element)),
        DataType::Map(entries, sorted) => DataType::Map(plain(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}

fn field(column: &fluss_scan::Column) -> Field {
    let mut metadata = HashMap::from([(DECLARED.to_string(), column.data_type.to_string())]);
    if let Some(precision) = precision(&column.data_type) {
        metadata.insert(PRECISION.into(), precision.to_string());
    }
    if let Some(comment) = &column.comment {
        metadata.insert(COMMENT.into(), comment.clone());
    }
    let nullable = column.nullable;
    Field::new(&column.name, top_level(&column.data_type), nullable).with_metadata(metadata)
}

fn precision(t: &FlussType) -> Option<u8> {
    match t {
        FlussType::Time(p) | FlussType::Timestamp(p) | FlussType::TimestampLtz(p) => {
            Some((*p).min(MICROSECOND_DIGITS))
        }
        _ => None,
    }
}

/// MySQL's finest timestamps; what is finer in Fluss is cut.
const MICROSECOND_DIGITS: u8 = 6;

fn top_level(t: &FlussType) -> DataType {
    match t {
        FlussType::String | FlussType::Char(_) => DataType::Utf8View,
        FlussType::Bytes | FlussType::Binary(_) => DataType::BinaryView,
        other => table_type(other),
    }
}

/// The Arrow type of a column inside queries.
fn table_type(t: &FlussType) -> DataType {
    match t {
        FlussType::Boolean => DataType::Boolean,
        FlussType::TinyInt => DataType::Int8,
        FlussType::SmallInt => DataType::Int16,
        FlussType::Int => DataType::Int32,
        FlussType::BigInt => DataType::Int64,
        FlussType::Float => DataType::Float32,
        FlussType::Double => DataType::Float64,
        FlussType::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
        FlussType::Date => DataType::Date32,
        // TIME literals are nanoseconds in DataFusion and do not compare with coarser columns
        FlussType::Time(_) => DataType::Time64(TimeUnit::Nanosecond),
        FlussType::Timestamp(p) => DataType::Timestamp(unit(*p), None),
        FlussType::TimestampLtz(p) => DataType::Timestamp(unit(*p), Some("UTC".into())),
        FlussType::String | FlussType::Char(_) => DataType::Utf8,
        FlussType::Bytes | FlussType::Binary(_) => DataType::Binary,
        FlussType::Array(element) => {
            DataType::List(Arc::new(Field::new("element", table_type(element), true)))
        }
        FlussType::Map(key, value) => {
            let key = Field::new("key", table_type(key), false);
            let entry = Fields::from(vec![key, Field::new("value", table_type(value), true)]);
            let entries = Field::new("entries", DataType::Struct(entry), false);
            DataType::Map(Arc::new(entries), false)
        }
        FlussType::Row(fields) => {
            let field =
                |f: &fluss_scan::Column| Field::new(&f.name, table_type(&f.data_type), true);
            DataType::Struct(fields.iter().map(field).collect())
        }
    }
}

fn unit(precision: u8) -> TimeUnit {
    match precision {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        _ => TimeUnit::Microsecond,
    }
}

/// The array with its nanosecond timestamps rounded down to microseconds, as the lake has them: a cast rounds towards
/// 1970 instead.
fn whole_microseconds(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let nanoseconds = array.as_primitive::<TimestampNanosecondType>();
            let floored = nanoseconds
                .unary::<_, TimestampNanosecondType>(|v| v.saturating_sub(v.rem_euclid(1_000)));
            Arc::new(floored.with_timezone_opt(zone.clone()))
        }
        DataType::List(element) => {
            let list = array.as_list::<i32>();
            let values = whole_microseconds(list.values());
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Arc::new(ListArray::new(Arc::clone(element), offsets, values, nulls))
        }
        DataType::Struct(fields) => Arc::new(fields_floored(array.as_struct(), fields)),
        DataType::Map(entry, sorted) => {
            let map = array.as_map();
            let entries = fields_floored(map.entries(), map.entries().fields());
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::new(Arc::clone(entry), offsets, entries, nulls, *sorted))
        }
        _ => Arc::clone(array),
    }
}

fn fields_floored(array: &StructArray, fields: &Fields) -> StructArray {
    let columns = array.columns().iter().map(whole_microseconds).collect();
    // the number of rows is told for a struct without fields
    let nulls = array.nulls().cloned();
    StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())
        .unwrap_or_else(|_| array.clone())
}

/// Columns in the types of `schema`, position by position, as a batch of `rows` rows.
pub fn conform(columns: &[ArrayRef], rows: usize, schema: &SchemaRef) -> Result<RecordBatch> {
    if columns.len() != schema.fields().len() {
        return Err(Error::Corrupt(format!(
            "{} columns where {} were asked for",
            columns.len(),
            schema.fields().len()
        )));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = |(array, field): (&ArrayRef, &Arc<Field>)| {
        if array.data_type() == field.data_type() {
            return Ok(Arc::clone(array));
        }
        cast_with_options(&whole_microseconds(array), field.data_type(), &options)
            .map_err(|e| Error::Corrupt(format!("column '{}': {e}", field.name())))
    };
    let columns = columns.iter().zip(schema.fields()).map(column).collect::<Result<_>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
        .map_err(|e| Error::Corrupt(e.to_string()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, TimestampMicrosecondArray, TimestampNanosecondArray};
    use arrow::buffer::OffsetBuffer;

    use super::*;

    #[test]
    fn timestamps_are_cut_to_microseconds_downwards() {
        let nanoseconds = [1_999, 1_000, 0, -1, -1_000, -1_001, -9_000_000_000_000_000_001];
        let microseconds = [1, 1, 0, -1, -1, -2, -9_000_000_000_000_001];
        let fine: ArrayRef = Arc::new(TimestampNanosecondArray::from(nanoseconds.to_vec()));
        let coarse: ArrayRef = Arc::new(TimestampMicrosecondArray::from(microseconds.to_vec()));
        let listed = |values: &ArrayRef| -> ArrayRef {
            let element = Arc::new(Field::new("element", values.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            Arc::new(ListArray::new(element, offsets, Arc::clone(values), None))
        };
        let inside = |values: &ArrayRef| -> ArrayRef {
            let number: ArrayRef = Arc::new(Int32Array::from(vec![7; values.len()]));
            let field = |name: &str, of: &ArrayRef| Field::new(name, of.data_type().clone(), true);
            let fields = Fields::from(vec![field("n", &number), field("at", values)]);
            Arc::new(StructArray::new(fields, vec![number, Arc::clone(values)], None))
        };
        for (fine, coarse) in [
            (Arc::clone(&fine), Arc::clone(&coarse)),
            (listed(&fine), listed(&coarse)),
            (inside(&fine), inside(&coarse)),
            (listed(&inside(&fine)), listed(&inside(&coarse))),
        ] {
            let field = Field::new("c", coarse.data_type().clone(), true);
            let schema = Arc::new(Schema::new(vec![field]));
            let found = conform(&[Arc::clone(&fine)], fine.len(), &schema).unwrap();
            assert_eq!(found.column(0), &coarse);
        }
    }
}
