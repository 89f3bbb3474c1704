//! Statistics of a batch, and whether a filter can be sure that none of its rows passes.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use bytes::{BufMut, BytesMut};
use fluss_scan::Schema;
use fluss_scan::messages::{LeafPredicate, Literal, Predicate};

/// What is known of the columns of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    columns: Vec<ColumnStatistics>,
}

#[derive(Debug, Clone)]
struct ColumnStatistics {
    field_id: i32,
    position: u16,
    rows: usize,
    nulls: usize,
    /// Smallest and largest value; `None` where all are NULL.
    range: Option<(Scalar, Scalar)>,
}

#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Scalar {
    Int(i128),
    Float(f64),
    Text(String),
}

impl Statistics {
    /// Statistics of the columns named by the table's option: a list, or `*`.
    pub(crate) fn of(rows: &RecordBatch, schema: &Schema, option: &str) -> Self {
        let wanted: Vec<&str> = option.split(',').map(str::trim).collect();
        let columns = schema.columns.iter().zip(rows.columns()).zip(0u16..);
        let columns = columns.filter_map(|((column, array), position)| {
            let values = scalars(array)
                .filter(|_| wanted.contains(&"*") || wanted.contains(&column.name.as_str()))?;
            let mut range: Option<(Scalar, Scalar)> = None;
            for value in values {
                let (min, max) = range.get_or_insert_with(|| (value.clone(), value.clone()));
                if value < *min {
                    *min = value.clone();
                }
                if value > *max {
                    *max = value;
                }
            }
            let (rows, nulls) = (array.len(), array.null_count());
            Some(ColumnStatistics { field_id: column.id, position, rows, nulls, range })
        });
        Self { columns: columns.collect() }
    }

    /// `version u8 | n u16 | n positions u16 | n null counts i32 | smallest row | largest row`. The rows are
    /// left empty: readers step over the block, and this server filters by what it keeps in memory.
    pub(crate) fn bytes(&self) -> BytesMut {
        let mut bytes = BytesMut::new();
        bytes.put_u8(1);
        bytes.put_u16_le(self.columns.len() as u16);
        for column in &self.columns {
            bytes.put_u16_le(column.position);
        }
        for column in &self.columns {
            bytes.put_i32_le(column.nulls as i32);
        }
        bytes.put_i32_le(0);
        bytes.put_i32_le(0);
        bytes
    }

    /// Whether a row of the batch may pass; what is not known may.
    pub(crate) fn may_pass(&self, predicate: &Predicate) -> bool {
        match (predicate.kind, &predicate.leaf, &predicate.compound) {
            (0, Some(leaf), _) => self.leaf_may_pass(leaf),
            (1, _, Some(compound)) => {
                let mut children = compound.children.iter().map(|child| self.may_pass(child));
                if compound.function == 0 { children.all(|c| c) } else { children.any(|c| c) }
            }
            _ => true,
        }
    }

    fn leaf_may_pass(&self, leaf: &LeafPredicate) -> bool {
        let Some(column) = self.columns.iter().find(|c| c.field_id == leaf.field_id) else {
            return true;
        };
        match leaf.function {
            6 => return column.nulls > 0,
            7 => return column.nulls < column.rows,
            _ => {}
        }
        let Some((min, max)) = &column.range else { return false };
        let literals: Option<Vec<Scalar>> = leaf.literals.iter().map(scalar).collect();
        let Some(literals) = literals else { return true };
        let holds = |value: &Scalar| min <= value && value <= max;
        let Some(first) = literals.first() else { return leaf.function != 11 };
        let order = (min.partial_cmp(first), max.partial_cmp(first));
        let (Some(of_min), Some(of_max)) = order else { return true };
        match leaf.function {
            0 => holds(first),
            1 => (of_min, of_max) != (Ordering::Equal, Ordering::Equal),
            2 => of_min == Ordering::Less,
            3 => of_min != Ordering::Greater,
            4 => of_max == Ordering::Greater,
            5 => of_max != Ordering::Less,
            11 => literals.iter().any(holds),
            _ => true,
        }
    }
}

/// The values that are not NULL; `None` for a type without statistics here.
fn scalars(array: &dyn Array) -> Option<Vec<Scalar>> {
    let valid = |i: &usize| array.is_valid(*i);
    let rows = (0..array.len()).filter(valid);
    Some(match array.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Date32 => {
            let wide = arrow::compute::cast(array, &DataType::Int64).ok()?;
            let wide = wide.as_primitive::<Int64Type>();
            rows.map(|i| Scalar::Int(wide.value(i).into())).collect()
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            rows.map(|i| Scalar::Float(values.value(i).into())).collect()
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            rows.map(|i| Scalar::Float(values.value(i))).collect()
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            rows.map(|i| Scalar::Text(values.value(i).to_string())).collect()
        }
        _ => return None,
    })
}

/// A literal, where it has a type with statistics.
fn scalar(literal: &Literal) -> Option<Scalar> {
    let ints = literal.int.map(i128::from).or(literal.bigint.map(i128::from));
    let floats = literal.float.map(f64::from).or(literal.double);
    match literal.kind {
        1..=4 | 10 => ints.map(Scalar::Int),
        5 | 6 => floats.map(Scalar::Float),
        7 | 8 => literal.string.clone().map(Scalar::Text),
        _ => None,
    }
}
