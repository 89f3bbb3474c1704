//! The values of a row in their order.

use super::scalar::is_wide;
use crate::cursor::Cursor;
use crate::{Error, FlussType, Result};

/// Values one after another; whoever reads them knows their types. NULL is not among them.
pub(super) trait Source<'a> {
    /// BOOLEAN and TINYINT.
    fn i8(&mut self) -> Result<i8>;
    /// SMALLINT.
    fn i16(&mut self) -> Result<i16>;
    /// INT, DATE, TIME.
    fn i32(&mut self) -> Result<i32>;
    /// BIGINT and DECIMAL up to 18 digits.
    fn i64(&mut self) -> Result<i64>;
    /// FLOAT.
    fn f32(&mut self) -> Result<f32>;
    /// DOUBLE.
    fn f64(&mut self) -> Result<f64>;
    /// Bytes as long as the value: STRING, BYTES, ARRAY, MAP and ROW.
    fn bytes(&mut self) -> Result<&'a [u8]>;
    /// CHAR of this length.
    fn char(&mut self, length: u32) -> Result<&'a [u8]>;
    /// BINARY of this length; may be shorter where it ended in zero bytes.
    fn binary(&mut self, length: u32) -> Result<&'a [u8]>;
    /// DECIMAL of more than 18 digits, big endian.
    fn wide_decimal(&mut self) -> Result<&'a [u8]>;
    /// TIMESTAMP of more than 3 digits: milliseconds, and nanoseconds of the millisecond.
    fn fine_timestamp(&mut self) -> Result<(i64, i32)>;
    /// Refuses bytes that belong to no value.
    fn end(self) -> Result<()>;
}

/// The types of a row's columns and what follows from them for its bytes.
pub(super) struct Shape {
    pub(super) types: Vec<FlussType>,
    /// Bytes of the lengths in an INDEXED row: also of columns that are NULL.
    lengths: usize,
}

impl Shape {
    pub(super) fn new(types: Vec<FlussType>) -> Self {
        let lengths = size_of::<i32>() * types.iter().filter(|t| has_length(t)).count();
        Self { types, lengths }
    }

    fn null_bytes(&self) -> usize {
        self.types.len().div_ceil(8)
    }
}

/// Whether an INDEXED row has a length for a column of this type.
fn has_length(data_type: &FlussType) -> bool {
    match data_type {
        FlussType::Decimal(precision, _) => is_wide(*precision),
        FlussType::String
        | FlussType::Bytes
        | FlussType::Array(_)
        | FlussType::Map(..)
        | FlussType::Row(_) => true,
        _ => false,
    }
}

/// Whether a bit in a row's or an array's null bits is set.
pub(super) fn is_null(nulls: &[u8], position: usize) -> bool {
    nulls.get(position / 8).is_some_and(|byte| byte >> (position % 8) & 1 == 1)
}

/// Steps over a value that nobody wants.
pub(super) fn skip<'a>(source: &mut impl Source<'a>, data_type: &FlussType) -> Result<()> {
    match data_type {
        FlussType::Boolean | FlussType::TinyInt => source.i8().map(drop),
        FlussType::SmallInt => source.i16().map(drop),
        FlussType::Int | FlussType::Date | FlussType::Time(_) => source.i32().map(drop),
        FlussType::BigInt => source.i64().map(drop),
        FlussType::Float => source.f32().map(drop),
        FlussType::Double => source.f64().map(drop),
        FlussType::Decimal(precision, _) if is_wide(*precision) => source.wide_decimal().map(drop),
        FlussType::Decimal(..) => source.i64().map(drop),
        FlussType::Timestamp(precision) | FlussType::TimestampLtz(precision) => match precision {
            0..=3 => source.i64().map(drop),
            _ => source.fine_timestamp().map(drop),
        },
        FlussType::Char(length) => source.char(*length).map(drop),
        FlussType::Binary(length) => source.binary(*length).map(drop),
        FlussType::String
        | FlussType::Bytes
        | FlussType::Array(_)
        | FlussType::Map(..)
        | FlussType::Row(_) => source.bytes().map(drop),
    }
}

/// A COMPACTED row: `null bits | values`. Whole numbers from INT on and lengths are LEB128 of the two's
/// complement (a negative INT of its 32 bits).
pub(super) struct Compacted<'a> {
    values: Cursor<'a>,
}

impl<'a> Compacted<'a> {
    /// The null bits of a row, and its values.
    pub(super) fn open(row: &'a [u8], shape: &Shape) -> Result<(&'a [u8], Self)> {
        let mut values = Cursor::new(row);
        let nulls = values.take(shape.null_bytes())?;
        Ok((nulls, Self { values }))
    }
}

impl<'a> Source<'a> for Compacted<'a> {
    fn i8(&mut self) -> Result<i8> {
        self.values.i8()
    }

    fn i16(&mut self) -> Result<i16> {
        self.values.i16()
    }

    fn i32(&mut self) -> Result<i32> {
        let bits = self.values.varint()?;
        let bits = u32::try_from(bits).map_err(|_| Error::corrupt("an INT of over 32 bits"))?;
        Ok(bits.cast_signed())
    }

    fn i64(&mut self) -> Result<i64> {
        Ok(self.values.varint()?.cast_signed())
    }

    fn f32(&mut self) -> Result<f32> {
        self.values.f32()
    }

    fn f64(&mut self) -> Result<f64> {
        self.values.f64()
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        self.values.var_bytes()
    }

    fn char(&mut self, _: u32) -> Result<&'a [u8]> {
        self.values.var_bytes()
    }

    fn binary(&mut self, _: u32) -> Result<&'a [u8]> {
        self.values.var_bytes()
    }

    fn wide_decimal(&mut self) -> Result<&'a [u8]> {
        self.values.var_bytes()
    }

    fn fine_timestamp(&mut self) -> Result<(i64, i32)> {
        Ok((self.i64()?, self.i32()?))
    }

    fn end(self) -> Result<()> {
        nothing_left(&self.values)
    }
}

/// An INDEXED row: `null bits | lengths i32 | values`. There is room for the length of every column that can have
/// one; those of the columns that are not NULL come first.
pub(super) struct Indexed<'a> {
    lengths: Cursor<'a>,
    values: Cursor<'a>,
}

impl<'a> Indexed<'a> {
    /// The null bits of a row, and its values.
    pub(super) fn open(row: &'a [u8], shape: &Shape) -> Result<(&'a [u8], Self)> {
        let mut values = Cursor::new(row);
        let nulls = values.take(shape.null_bytes())?;
        let lengths = Cursor::new(values.take(shape.lengths)?);
        Ok((nulls, Self { lengths, values }))
    }
}

impl<'a> Source<'a> for Indexed<'a> {
    fn i8(&mut self) -> Result<i8> {
        self.values.i8()
    }

    fn i16(&mut self) -> Result<i16> {
        self.values.i16()
    }

    fn i32(&mut self) -> Result<i32> {
        self.values.i32()
    }

    fn i64(&mut self) -> Result<i64> {
        self.values.i64()
    }

    fn f32(&mut self) -> Result<f32> {
        self.values.f32()
    }

    fn f64(&mut self) -> Result<f64> {
        self.values.f64()
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.lengths.length()?;
        self.values.take(length)
    }

    fn char(&mut self, length: u32) -> Result<&'a [u8]> {
        // filled up with zero bytes
        let text = self.binary(length)?;
        let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(&text[..end])
    }

    fn binary(&mut self, length: u32) -> Result<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| Error::corrupt("a length"))?;
        self.values.take(length)
    }

    fn wide_decimal(&mut self) -> Result<&'a [u8]> {
        self.bytes()
    }

    fn fine_timestamp(&mut self) -> Result<(i64, i32)> {
        Ok((self.values.i64()?, self.values.i32()?))
    }

    fn end(self) -> Result<()> {
        nothing_left(&self.values)
    }
}

fn nothing_left(values: &Cursor<'_>) -> Result<()> {
    match values.remaining() {
        0 => Ok(()),
        bytes => Err(Error::corrupt(format!("{bytes} bytes behind a row"))),
    }
}
