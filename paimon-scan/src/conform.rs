//! A column as a file has it → the same column as the table has it.
//!
//! Done by an expression of our own rather than the engine's casts: the engine moves a cast from the column
//! to the literal it is compared with, which is wrong when the literal has more digits (`ms_column = 1 ms
//! 500 µs` would become `ms_column = 1 ms`).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

use crate::schema::field_id;

/// Why a file's column cannot be read as the table's; `None` when it can.
pub(crate) fn obstacle(from: &Field, to: &Field) -> Option<String> {
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(from), DataType::Struct(_))
            if !from.is_empty() && from.iter().all(|field| field_id(field).is_none()) =>
        {
            // nothing of it would be found, and all of it be null
            Some(format!("fields of {:?} have no field ids in the file", to.name()))
        }
        (DataType::Struct(from), DataType::Struct(to)) => {
            to.iter().find_map(|to| match child(from, to) {
                Some(position) => obstacle(&from[position], to),
                None if to.is_nullable() => None,
                None => Some(format!("field {:?} is not in the file and not nullable", to.name())),
            })
        }
        (DataType::List(from), DataType::List(to)) => obstacle(from, to),
        (DataType::Map(from, _), DataType::Map(to, _)) => {
            match (from.data_type(), to.data_type()) {
                (DataType::Struct(from), DataType::Struct(to))
                    if from.len() == 2 && to.len() == 2 =>
                {
                    from.iter().zip(to).find_map(|(from, to)| obstacle(from, to))
                }
                _ => Some("malformed map".into()),
            }
        }
        (from_type, to_type) if keeps_values(from_type, to_type) => None,
        (from_type, to_type) => {
            Some(format!("{:?}: the file has {from_type}, the table {to_type}", to.name()))
        }
    }
}

/// Casts that lose nothing, between the types that Parquet files of Paimon have.
fn keeps_values(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (from, to) if from == to => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (Float32, Float64) => true,
        (Decimal128(p, s), Decimal128(to_p, to_s)) => {
            s <= to_s && i16::from(*p) - i16::from(*s) <= i16::from(*to_p) - i16::from(*to_s)
        }
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView | FixedSizeBinary(_), Binary | BinaryView) => true,
        // Both zones are UTC: INT96 has none, and the reader is told to say UTC.
        (Timestamp(from, zone), Timestamp(to, to_zone)) => {
            let utc = |zone: &Option<Arc<str>>| zone.as_deref().is_none_or(|zone| zone == "UTC");
            from <= to && utc(zone) && utc(to_zone)
        }
        (Time32(_), Time64(_)) => true,
        (Time64(from), Time64(to)) => from <= to,
        _ => false,
    }
}

/// Position of the file's field that is the table's field `of`.
fn child(fields: &Fields, of: &Field) -> Option<usize> {
    let id = field_id(of)?;
    fields.iter().position(|field| field_id(field) == Some(id))
}

/// Converts an array whose conversion has no [`obstacle`].
fn conform(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef> {
    if array.data_type() == to.data_type() {
        return Ok(Arc::clone(array));
    }
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(from), DataType::Struct(to)) => {
            Ok(Arc::new(conform_struct(array.as_struct(), from, to)?))
        }
        (DataType::List(from), DataType::List(to)) => {
            let list = array.as_list::<i32>();
            let values = conform(list.values(), from, to)?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(Arc::clone(to), offsets, values, nulls)?))
        }
        (DataType::Map(from, _), DataType::Map(to, sorted)) => {
            Ok(Arc::new(conform_map(array.as_map(), from, to, *sorted)?))
        }
        _ => {
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            Ok(cast_with_options(array, to.data_type(), &strict)?)
        }
    }
}

fn conform_struct(array: &StructArray, from: &Fields, to: &Fields) -> Result<StructArray> {
    let column = |to: &FieldRef| match child(from, to) {
        Some(position) => conform(array.column(position), &from[position], to),
        None => Ok(new_null_array(to.data_type(), array.len())),
    };
    let columns = to.iter().map(column).collect::<Result<Vec<_>>>()?;
    let nulls = array.nulls().cloned();
    Ok(StructArray::try_new_with_length(to.clone(), columns, nulls, array.len())?)
}

/// Keys and values have no ids: they go by position.
fn conform_map(map: &MapArray, from: &Field, to: &FieldRef, sorted: bool) -> Result<MapArray> {
    let (DataType::Struct(from), DataType::Struct(fields)) = (from.data_type(), to.data_type())
    else {
        return exec_err!("malformed map");
    };
    let columns = map.entries().columns().iter().zip(from).zip(fields);
    let columns = columns
        .map(|((column, from), to)| conform(column, from, to))
        .collect::<Result<Vec<_>>>()?;
    let entries = StructArray::try_new(fields.clone(), columns, map.entries().nulls().cloned())?;
    let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
    Ok(MapArray::try_new(Arc::clone(to), offsets, entries, nulls, sorted)?)
}

/// Evaluates a file's column as the table's.
#[derive(Debug, Clone, Eq)]
pub(crate) struct ConformExpr {
    input: Arc<dyn PhysicalExpr>,
    from: FieldRef,
    to: FieldRef,
}

impl ConformExpr {
    pub(crate) fn new(input: Arc<dyn PhysicalExpr>, from: FieldRef, to: FieldRef) -> Self {
        Self { input, from, to }
    }
}

impl PartialEq for ConformExpr {
    fn eq(&self, other: &Self) -> bool {
        self.input.eq(&other.input) && self.from == other.from && self.to == other.to
    }
}

impl Hash for ConformExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.from.hash(state);
        self.to.hash(state);
    }
}

impl fmt::Display for ConformExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conform({}, {})", self.input, self.to.data_type())
    }
}

impl PhysicalExpr for ConformExpr {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.to.data_type().clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(self.to.is_nullable())
    }

    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.to))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.input.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(conform(&array, &self.from, &self.to)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return exec_err!("conform takes one input");
        };
        Ok(Arc::new(Self { input, from: Arc::clone(&self.from), to: Arc::clone(&self.to) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.input.fmt_sql(f)
    }
}
