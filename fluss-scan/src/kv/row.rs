//! Rows in COMPACTED form → Arrow columns, without a row object in between.
//!
//! Value batch, little endian: `length i32 | magic u8 0 | count i32 | count × [length i32 | schema id i16 | row]`.
//! Row: one null bit per column (bit *i* of byte *i*/8), then the values that are not null. Whole numbers from
//! INT on, DATE and TIME are LEB128 of the two's complement; DECIMAL up to 18 digits likewise, larger ones as
//! big-endian bytes; TIMESTAMP milliseconds and, beyond 3 digits, nanoseconds of the millisecond.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::ArrayData;
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, PrimitiveBuilder, RecordBatch,
    RecordBatchOptions, StringBuilder, new_empty_array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type,
};

use crate::cursor::Cursor;
use crate::table::{Schema, TableInfo};
use crate::{Column, Error, FlussType, Result};

/// The rows of a value batch with their schema ids.
pub(super) fn values(bytes: &[u8]) -> Result<Vec<(i32, &[u8])>> {
    if bytes.is_empty() {
        return Ok(vec![]);
    }
    let mut cursor = Cursor::new(bytes);
    let length = cursor.length()?;
    if length != cursor.remaining() {
        return Err(Error::corrupt("the length of a value batch"));
    }
    match cursor.u8()? {
        0 => {}
        magic => {
            return Err(Error::Unsupported(format!("value batches of version {magic}")));
        }
    }
    let count = cursor.length()?;
    // a row takes six bytes at least: a lying count cannot make the list large
    let mut rows = Vec::with_capacity(count.min(cursor.remaining() / 6));
    for _ in 0..count {
        let length = cursor.length()?;
        let mut value = Cursor::new(cursor.take(length)?);
        let schema_id = i32::from(value.i16()?);
        rows.push((schema_id, value.take(value.remaining())?));
    }
    if cursor.remaining() > 0 {
        return Err(Error::corrupt("bytes behind a value batch"));
    }
    Ok(rows)
}

/// Builds columns from rows of any schema of one table.
pub(super) struct Decoder {
    columns: Vec<Column>,
    builders: Vec<Builder>,
    /// Per schema: for each of its columns the builder that wants it.
    targets: HashMap<i32, Vec<Option<usize>>>,
    rows: usize,
}

impl Decoder {
    /// A decoder of the columns at `projection` of the table's present schema.
    pub(super) fn new(table: &TableInfo, projection: &[usize]) -> Result<Self> {
        let column = |i: &usize| {
            let column = table.schema.columns.get(*i).cloned();
            column.ok_or_else(|| Error::Unsupported(format!("a projection of column {i}")))
        };
        let columns = projection.iter().map(column).collect::<Result<Vec<_>>>()?;
        let builders = columns.iter().map(|c| Builder::new(&c.data_type)).collect::<Result<_>>()?;
        Ok(Self { columns, builders, targets: HashMap::new(), rows: 0 })
    }

    /// Adds one row that was written with `schema`.
    pub(super) fn add(&mut self, schema: &Schema, schema_id: i32, row: &[u8]) -> Result<()> {
        let targets = match self.targets.entry(schema_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(targets(&self.columns, schema)?),
        };
        let mut cursor = Cursor::new(row);
        let nulls = cursor.take(schema.columns.len().div_ceil(8))?;
        for (i, (column, target)) in schema.columns.iter().zip(targets.iter()).enumerate() {
            let is_null = nulls.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1);
            match target {
                Some(target) if is_null => self.builders[*target].append_null(),
                Some(target) => self.builders[*target].append(&column.data_type, &mut cursor)?,
                None if is_null => {}
                None => skip(&column.data_type, &mut cursor)?,
            }
        }
        if cursor.remaining() > 0 {
            return Err(Error::corrupt("bytes behind a row"));
        }
        self.rows += 1;
        // columns that this row's schema does not have
        for builder in &mut self.builders {
            if builder.len() < self.rows {
                builder.append_null();
            }
        }
        Ok(())
    }

    /// The columns.
    pub(super) fn finish(self) -> Result<RecordBatch> {
        let fields: Vec<Field> =
            self.columns.iter().map(|c| c.arrow().with_nullable(true)).collect();
        let arrays = self.builders.into_iter().zip(&fields);
        let arrays = arrays.map(|(builder, field)| builder.finish(field.data_type()));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(schema, arrays, &rows)
            .map_err(|e| Error::corrupt(e.to_string()))
    }
}

/// For each column of a schema the position of the wanted column that it is.
fn targets(wanted: &[Column], schema: &Schema) -> Result<Vec<Option<usize>>> {
    let target = |column: &Column| {
        let Some(target) = wanted.iter().position(|wanted| wanted.id == column.id) else {
            return Ok(None);
        };
        if wanted[target].data_type == column.data_type {
            return Ok(Some(target));
        }
        // even another precision means other numbers in the same bytes
        let (name, from, to) = (&column.name, &column.data_type, &wanted[target].data_type);
        Err(Error::Unsupported(format!("column '{name}' changed its type from {from} to {to}")))
    };
    schema.columns.iter().map(target).collect()
}

/// Steps over a value that nobody wants.
fn skip(data_type: &FlussType, cursor: &mut Cursor<'_>) -> Result<()> {
    match data_type {
        FlussType::Boolean | FlussType::TinyInt => cursor.take(1).map(drop),
        FlussType::SmallInt => cursor.take(2).map(drop),
        FlussType::Float => cursor.take(4).map(drop),
        FlussType::Double => cursor.take(8).map(drop),
        FlussType::Int | FlussType::BigInt | FlussType::Date | FlussType::Time(_) => {
            cursor.varint().map(drop)
        }
        FlussType::Decimal(precision, _) if *precision <= 18 => cursor.varint().map(drop),
        FlussType::Timestamp(precision) | FlussType::TimestampLtz(precision) => {
            cursor.varint()?;
            if *precision > 3 { cursor.varint().map(drop) } else { Ok(()) }
        }
        FlussType::Decimal(..)
        | FlussType::Char(_)
        | FlussType::String
        | FlussType::Binary(_)
        | FlussType::Bytes => cursor.var_bytes().map(drop),
        FlussType::Array(_) | FlussType::Map(..) | FlussType::Row(_) => Err(nested(data_type)),
    }
}

fn nested(data_type: &FlussType) -> Error {
    Error::Unsupported(format!("a column of type {data_type} in the state of a primary-key table"))
}

/// Values of one column; times are kept as the integers of their Arrow type.
enum Builder {
    Boolean(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Date(PrimitiveBuilder<Date32Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Fixed(FixedSizeBinaryBuilder),
}

impl Builder {
    fn new(data_type: &FlussType) -> Result<Self> {
        Ok(match data_type {
            FlussType::Boolean => Self::Boolean(BooleanBuilder::new()),
            FlussType::TinyInt => Self::Int8(PrimitiveBuilder::new()),
            FlussType::SmallInt => Self::Int16(PrimitiveBuilder::new()),
            FlussType::Int => Self::Int32(PrimitiveBuilder::new()),
            FlussType::Time(p) if *p <= 3 => Self::Int32(PrimitiveBuilder::new()),
            FlussType::BigInt
            | FlussType::Time(_)
            | FlussType::Timestamp(_)
            | FlussType::TimestampLtz(_) => Self::Int64(PrimitiveBuilder::new()),
            FlussType::Float => Self::Float32(PrimitiveBuilder::new()),
            FlussType::Double => Self::Float64(PrimitiveBuilder::new()),
            FlussType::Date => Self::Date(PrimitiveBuilder::new()),
            FlussType::Decimal(precision, scale) => Self::Decimal(
                PrimitiveBuilder::new()
                    .with_precision_and_scale(*precision, *scale)
                    .map_err(|e| Error::corrupt(e.to_string()))?,
            ),
            FlussType::Char(_) | FlussType::String => Self::Text(StringBuilder::new()),
            FlussType::Bytes => Self::Bytes(BinaryBuilder::new()),
            FlussType::Binary(length) => {
                let length = i32::try_from(*length);
                let length = length.map_err(|_| Error::corrupt("the length of BINARY"))?;
                Self::Fixed(FixedSizeBinaryBuilder::new(length))
            }
            FlussType::Array(_) | FlussType::Map(..) | FlussType::Row(_) => {
                return Err(nested(data_type));
            }
        })
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Self::Boolean(b) => b.len(),
            Self::Int8(b) => b.len(),
            Self::Int16(b) => b.len(),
            Self::Int32(b) => b.len(),
            Self::Int64(b) => b.len(),
            Self::Float32(b) => b.len(),
            Self::Float64(b) => b.len(),
            Self::Date(b) => b.len(),
            Self::Decimal(b) => b.len(),
            Self::Text(b) => b.len(),
            Self::Bytes(b) => b.len(),
            Self::Fixed(b) => b.len(),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(b) => b.append_null(),
            Self::Int8(b) => b.append_null(),
            Self::Int16(b) => b.append_null(),
            Self::Int32(b) => b.append_null(),
            Self::Int64(b) => b.append_null(),
            Self::Float32(b) => b.append_null(),
            Self::Float64(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Decimal(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
            Self::Bytes(b) => b.append_null(),
            Self::Fixed(b) => b.append_null(),
        }
    }

    fn append(&mut self, data_type: &FlussType, cursor: &mut Cursor<'_>) -> Result<()> {
        match (self, data_type) {
            (Self::Boolean(b), FlussType::Boolean) => b.append_value(cursor.u8()? != 0),
            (Self::Int8(b), FlussType::TinyInt) => b.append_value(cursor.u8()? as i8),
            (Self::Int16(b), FlussType::SmallInt) => b.append_value(cursor.i16()?),
            (Self::Int32(b), FlussType::Int) => b.append_value(int(cursor)?),
            (Self::Int32(b), FlussType::Time(p)) => {
                b.append_value(seconds_or_more(int(cursor)?, *p))
            }
            (Self::Int64(b), FlussType::Time(p)) => b.append_value(finer(int(cursor)?, *p)?),
            (Self::Int64(b), FlussType::BigInt) => b.append_value(cursor.varint()? as i64),
            (Self::Int64(b), FlussType::Timestamp(p) | FlussType::TimestampLtz(p)) => {
                b.append_value(timestamp(cursor, *p)?);
            }
            (Self::Float32(b), FlussType::Float) => b.append_value(cursor.f32()?),
            (Self::Float64(b), FlussType::Double) => b.append_value(cursor.f64()?),
            (Self::Date(b), FlussType::Date) => b.append_value(int(cursor)?),
            (Self::Decimal(b), FlussType::Decimal(precision, _)) => {
                b.append_value(decimal(cursor, *precision)?);
            }
            (Self::Text(b), FlussType::Char(_) | FlussType::String) => {
                let text = std::str::from_utf8(cursor.var_bytes()?);
                b.append_value(text.map_err(|_| Error::corrupt("a string that is not UTF-8"))?);
            }
            (Self::Bytes(b), FlussType::Bytes) => b.append_value(cursor.var_bytes()?),
            (Self::Fixed(b), FlussType::Binary(_)) => {
                let bytes = cursor.var_bytes()?;
                b.append_value(bytes).map_err(|e| Error::corrupt(e.to_string()))?;
            }
            (_, other) => {
                return Err(Error::Unsupported(format!(
                    "a column that changed its type to {other}"
                )));
            }
        }
        Ok(())
    }

    fn finish(self, data_type: &DataType) -> Result<ArrayRef> {
        match self {
            Self::Boolean(mut b) => Ok(Arc::new(b.finish())),
            Self::Int8(mut b) => relabel(&mut b, data_type),
            Self::Int16(mut b) => relabel(&mut b, data_type),
            Self::Int32(mut b) => relabel(&mut b, data_type),
            Self::Int64(mut b) => relabel(&mut b, data_type),
            Self::Float32(mut b) => relabel(&mut b, data_type),
            Self::Float64(mut b) => relabel(&mut b, data_type),
            Self::Date(mut b) => relabel(&mut b, data_type),
            Self::Decimal(mut b) => relabel(&mut b, data_type),
            Self::Text(mut b) => Ok(Arc::new(b.finish())),
            Self::Bytes(mut b) => Ok(Arc::new(b.finish())),
            Self::Fixed(mut b) => Ok(Arc::new(b.finish())),
        }
    }
}

/// Integers as the values of a type that is stored as them.
fn relabel<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let values = builder.finish();
    if values.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    let data = ArrayData::from(values).into_builder().data_type(data_type.clone());
    let data = data.build().map_err(|e| Error::corrupt(e.to_string()))?;
    Ok(arrow::array::make_array(data))
}

fn int(cursor: &mut Cursor<'_>) -> Result<i32> {
    Ok(cursor.varint()? as i32)
}

/// TIME is stored in milliseconds; up to 3 digits the log has seconds or milliseconds.
fn seconds_or_more(milliseconds: i32, precision: u8) -> i32 {
    if precision == 0 { milliseconds / 1000 } else { milliseconds }
}

fn finer(milliseconds: i32, precision: u8) -> Result<i64> {
    let factor = if precision <= 6 { 1_000 } else { 1_000_000 };
    Ok(i64::from(milliseconds) * factor)
}

fn timestamp(cursor: &mut Cursor<'_>, precision: u8) -> Result<i64> {
    let milliseconds = cursor.varint()? as i64;
    let nanoseconds = if precision > 3 { cursor.varint()? as i64 } else { 0 };
    let value = match precision {
        0 => Some(milliseconds.div_euclid(1000)),
        1..=3 => Some(milliseconds),
        4..=6 => milliseconds.checked_mul(1_000).and_then(|v| v.checked_add(nanoseconds / 1_000)),
        _ => milliseconds.checked_mul(1_000_000).and_then(|v| v.checked_add(nanoseconds)),
    };
    value.ok_or_else(|| Error::Unsupported(format!("the timestamp {milliseconds} ms")))
}

fn decimal(cursor: &mut Cursor<'_>, precision: u8) -> Result<i128> {
    if precision <= 18 {
        return Ok(i128::from(cursor.varint()? as i64));
    }
    let bytes = cursor.var_bytes()?;
    if bytes.is_empty() || bytes.len() > 16 {
        return Err(Error::corrupt(format!("a DECIMAL of {} bytes", bytes.len())));
    }
    let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(wide))
}
