//! The values of one column, and of what is nested in it.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayData, ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder,
    ListArray, MapArray, NullBufferBuilder, PrimitiveBuilder, StringBuilder, StructArray,
    make_array, new_empty_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type,
};
use arrow::error::ArrowError;

use super::RowFormat;
use super::array::{Elements, split_map};
use super::scalar::{
    coarse_time, coarse_timestamp, fine_time, fine_timestamp, is_wide, narrow_decimal, text,
    wide_decimal,
};
use super::source::{Compacted, Indexed, Shape, Source, is_null};
use crate::{Error, FlussType, Result};

/// Values of one column or of what is nested in it. Dates and times are kept as the integers of their Arrow type.
pub(super) struct Builder {
    data_type: FlussType,
    values: Values,
}

enum Values {
    Boolean(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Fixed(FixedSizeBinaryBuilder),
    Lists(Box<Lists>),
    Maps(Box<(Lists, Builder)>),
    Rows(Box<Rows>),
}

/// Lists of elements, or of a map's keys.
struct Lists {
    /// Where each list begins among the elements, and where the last one ends.
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    elements: Builder,
}

struct Rows {
    shape: Shape,
    nulls: NullBufferBuilder,
    fields: Vec<Builder>,
}

/// Bytes that the values of one BINARY column may take: NULL and short values take as many as long ones.
const FIXED_BYTES_MAX: usize = 1 << 30;

impl Builder {
    pub(super) fn new(data_type: &FlussType) -> Result<Self> {
        let values = match data_type {
            FlussType::Boolean => Values::Boolean(BooleanBuilder::new()),
            FlussType::TinyInt => Values::Int8(PrimitiveBuilder::new()),
            FlussType::SmallInt => Values::Int16(PrimitiveBuilder::new()),
            FlussType::Int | FlussType::Date | FlussType::Time(0..=3) => {
                Values::Int32(PrimitiveBuilder::new())
            }
            FlussType::BigInt
            | FlussType::Time(_)
            | FlussType::Timestamp(_)
            | FlussType::TimestampLtz(_) => Values::Int64(PrimitiveBuilder::new()),
            FlussType::Float => Values::Float32(PrimitiveBuilder::new()),
            FlussType::Double => Values::Float64(PrimitiveBuilder::new()),
            FlussType::Decimal(..) => Values::Decimal(PrimitiveBuilder::new()),
            FlussType::Char(_) | FlussType::String => Values::Text(StringBuilder::new()),
            FlussType::Bytes => Values::Bytes(BinaryBuilder::new()),
            FlussType::Binary(length) => {
                let length = i32::try_from(*length).map_err(|_| Error::corrupt("BINARY"))?;
                // the length is the server's: nothing is allocated for it in advance
                Values::Fixed(FixedSizeBinaryBuilder::with_capacity(0, length))
            }
            FlussType::Array(element) => Values::Lists(Box::new(Lists::new(element)?)),
            FlussType::Map(key, value) => {
                Values::Maps(Box::new((Lists::new(key)?, Self::new(value)?)))
            }
            FlussType::Row(fields) => {
                let types: Vec<_> = fields.iter().map(|field| field.data_type.clone()).collect();
                let fields = types.iter().map(Self::new).collect::<Result<_>>()?;
                let nulls = NullBufferBuilder::new(0);
                Values::Rows(Box::new(Rows { shape: Shape::new(types), nulls, fields }))
            }
        };
        Ok(Self { data_type: data_type.clone(), values })
    }

    pub(super) fn append_null(&mut self) -> Result<()> {
        match &mut self.values {
            Values::Boolean(b) => b.append_null(),
            Values::Int8(b) => b.append_null(),
            Values::Int16(b) => b.append_null(),
            Values::Int32(b) => b.append_null(),
            Values::Int64(b) => b.append_null(),
            Values::Float32(b) => b.append_null(),
            Values::Float64(b) => b.append_null(),
            Values::Decimal(b) => b.append_null(),
            Values::Text(b) => b.append_null(),
            Values::Bytes(b) => b.append_null(),
            Values::Fixed(b) => {
                check_room(b, &self.data_type)?;
                b.append_null();
            }
            Values::Lists(lists) => lists.append_null(),
            Values::Maps(maps) => maps.0.append_null(),
            Values::Rows(rows) => {
                rows.nulls.append_null();
                return rows.fields.iter_mut().try_for_each(Self::append_null);
            }
        }
        Ok(())
    }

    /// Appends the next value of a row of this format, or of an array in one.
    pub(super) fn append<'a>(
        &mut self,
        source: &mut impl Source<'a>,
        format: RowFormat,
    ) -> Result<()> {
        match (&mut self.values, &self.data_type) {
            (Values::Boolean(b), _) => b.append_value(source.i8()? != 0),
            (Values::Int8(b), _) => b.append_value(source.i8()?),
            (Values::Int16(b), _) => b.append_value(source.i16()?),
            (Values::Int32(b), FlussType::Time(p)) => {
                b.append_value(coarse_time(source.i32()?, *p));
            }
            (Values::Int32(b), _) => b.append_value(source.i32()?),
            (Values::Int64(b), FlussType::Time(p)) => b.append_value(fine_time(source.i32()?, *p)),
            (Values::Int64(b), FlussType::Timestamp(p) | FlussType::TimestampLtz(p)) => {
                b.append_value(match p {
                    0..=3 => coarse_timestamp(source.i64()?, *p),
                    _ => fine_timestamp(source.fine_timestamp()?, *p)?,
                });
            }
            (Values::Int64(b), _) => b.append_value(source.i64()?),
            (Values::Float32(b), _) => b.append_value(source.f32()?),
            (Values::Float64(b), _) => b.append_value(source.f64()?),
            (Values::Decimal(b), FlussType::Decimal(p, _)) => b.append_value(match is_wide(*p) {
                true => wide_decimal(source.wide_decimal()?, *p)?,
                false => narrow_decimal(source.i64()?, *p)?,
            }),
            (Values::Text(b), FlussType::Char(length)) => {
                b.append_value(text(source.char(*length)?)?);
            }
            (Values::Text(b), _) => b.append_value(text(source.bytes()?)?),
            (Values::Bytes(b), _) => b.append_value(source.bytes()?),
            (Values::Fixed(b), FlussType::Binary(length)) => {
                check_room(b, &self.data_type)?;
                append_filled(b, source.binary(*length)?, *length)?;
            }
            (Values::Lists(lists), _) => lists.append(source.bytes()?, format).map(drop)?,
            (Values::Maps(maps), _) => {
                let (keys, values) = split_map(source.bytes()?)?;
                let count = maps.0.append(keys, format)?;
                if maps.1.append_elements(values, format)? != count {
                    return Err(Error::corrupt("a map with more keys than values, or fewer"));
                }
            }
            (Values::Rows(rows), _) => rows.append(source.bytes()?, format)?,
            (_, other) => return Err(Error::corrupt(format!("a value of {other}"))),
        }
        Ok(())
    }

    /// Appends all elements of an array; their number.
    fn append_elements(&mut self, array: &[u8], format: RowFormat) -> Result<usize> {
        let mut elements = Elements::open(array, &self.data_type)?;
        for position in 0..elements.count() {
            if elements.is_null(position) {
                elements.skip_null()?;
                self.append_null()?;
            } else {
                self.append(&mut elements, format)?;
            }
        }
        Ok(elements.count())
    }

    pub(super) fn finish(self, data_type: &DataType) -> Result<ArrayRef> {
        match (self.values, data_type) {
            (Values::Boolean(mut b), _) => Ok(Arc::new(b.finish())),
            (Values::Int8(b), _) => relabel(b, data_type),
            (Values::Int16(b), _) => relabel(b, data_type),
            (Values::Int32(b), _) => relabel(b, data_type),
            (Values::Int64(b), _) => relabel(b, data_type),
            (Values::Float32(b), _) => relabel(b, data_type),
            (Values::Float64(b), _) => relabel(b, data_type),
            (Values::Decimal(b), _) => relabel(b, data_type),
            (Values::Text(mut b), _) => Ok(Arc::new(b.finish())),
            (Values::Bytes(mut b), _) => Ok(Arc::new(b.finish())),
            (Values::Fixed(mut b), _) => Ok(Arc::new(b.finish())),
            (Values::Lists(mut lists), DataType::List(element)) => {
                let offsets = OffsetBuffer::new(lists.offsets.into());
                let elements = lists.elements.finish(element.data_type())?;
                let nulls = lists.nulls.finish();
                let lists = ListArray::try_new(Arc::clone(element), offsets, elements, nulls);
                Ok(Arc::new(lists.map_err(corrupt)?))
            }
            (Values::Maps(maps), DataType::Map(entry, sorted)) => {
                let DataType::Struct(fields) = entry.data_type() else {
                    return Err(Error::corrupt("a map without entries"));
                };
                let [key, value] = &fields[..] else {
                    return Err(Error::corrupt("a map without keys or values"));
                };
                let (mut keys, values) = *maps;
                let offsets = OffsetBuffer::new(keys.offsets.into());
                let columns =
                    vec![keys.elements.finish(key.data_type())?, values.finish(value.data_type())?];
                let entries = StructArray::try_new(fields.clone(), columns, None);
                let entries = entries.map_err(corrupt)?;
                let nulls = keys.nulls.finish();
                let maps = MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted);
                Ok(Arc::new(maps.map_err(corrupt)?))
            }
            (Values::Rows(mut rows), DataType::Struct(fields)) => {
                let length = rows.nulls.len();
                let columns = rows.fields.into_iter().zip(fields);
                let columns = columns.map(|(builder, field)| builder.finish(field.data_type()));
                let columns = columns.collect::<Result<Vec<_>>>()?;
                let nulls = rows.nulls.finish();
                let rows = StructArray::try_new_with_length(fields.clone(), columns, nulls, length);
                Ok(Arc::new(rows.map_err(corrupt)?))
            }
            (_, other) => Err(Error::corrupt(format!("a column of {other}"))),
        }
    }
}

impl Lists {
    fn new(element: &FlussType) -> Result<Self> {
        let elements = Builder::new(element)?;
        Ok(Self { offsets: vec![0], nulls: NullBufferBuilder::new(0), elements })
    }

    fn append_null(&mut self) {
        self.nulls.append_null();
        self.offsets.push(self.end());
    }

    fn end(&self) -> i32 {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Appends an array; the number of its elements.
    fn append(&mut self, array: &[u8], format: RowFormat) -> Result<usize> {
        let count = self.elements.append_elements(array, format)?;
        let end = i32::try_from(count).ok().and_then(|count| self.end().checked_add(count));
        let end = end.ok_or_else(|| Error::TooLarge("more elements than Arrow counts".into()))?;
        self.nulls.append_non_null();
        self.offsets.push(end);
        Ok(count)
    }
}

impl Rows {
    fn append(&mut self, row: &[u8], format: RowFormat) -> Result<()> {
        match format {
            RowFormat::Compacted => {
                let (nulls, source) = Compacted::open(row, &self.shape)?;
                self.append_fields(nulls, source, format)
            }
            RowFormat::Indexed => {
                let (nulls, source) = Indexed::open(row, &self.shape)?;
                self.append_fields(nulls, source, format)
            }
        }
    }

    fn append_fields<'a>(
        &mut self,
        nulls: &[u8],
        mut source: impl Source<'a>,
        format: RowFormat,
    ) -> Result<()> {
        for (i, field) in self.fields.iter_mut().enumerate() {
            if is_null(nulls, i) {
                field.append_null()?;
            } else {
                field.append(&mut source, format)?;
            }
        }
        self.nulls.append_non_null();
        source.end()
    }
}

fn check_room(values: &FixedSizeBinaryBuilder, data_type: &FlussType) -> Result<()> {
    let FlussType::Binary(length) = data_type else { return Ok(()) };
    let length = usize::try_from(*length).unwrap_or(usize::MAX);
    if values.len().saturating_add(1).saturating_mul(length) <= FIXED_BYTES_MAX {
        return Ok(());
    }
    Err(Error::TooLarge(format!("values of {data_type} of more than {FIXED_BYTES_MAX} bytes")))
}

/// BINARY, with zero bytes up to its length: COMPACTED rows do not have them.
fn append_filled(values: &mut FixedSizeBinaryBuilder, bytes: &[u8], length: u32) -> Result<()> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if bytes.len() >= length {
        return values.append_value(bytes).map_err(corrupt);
    }
    let mut filled = bytes.to_vec();
    filled.resize(length, 0);
    values.append_value(filled).map_err(corrupt)
}

/// Integers as the values of a type that is stored as them.
fn relabel<T: ArrowPrimitiveType>(
    mut builder: PrimitiveBuilder<T>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let values = builder.finish();
    if values.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    let data = ArrayData::from(values).into_builder().data_type(data_type.clone());
    Ok(make_array(data.build().map_err(corrupt)?))
}

fn corrupt(error: ArrowError) -> Error {
    Error::corrupt(error.to_string())
}
