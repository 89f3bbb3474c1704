//! The elements of an array (Fluss's `BinaryArray`), in rows of every format.
//!
//! `count i32 | null bits, a multiple of four bytes | one slot per element | what does not fit into its slot`. A slot is
//! as wide as its type, and eight bytes where the value is elsewhere: the offset from the array's start in the upper
//! half, the length in the lower one. Up to seven bytes of text stay in their slot: then its highest bit is set, and
//! seven more bits are the length. A NULL has a slot as well.

use super::source::{Source, is_null};
use crate::cursor::Cursor;
use crate::{Error, FlussType, Result};

/// The elements of one array.
pub(super) struct Elements<'a> {
    array: &'a [u8],
    nulls: &'a [u8],
    slots: Cursor<'a>,
    width: usize,
    count: usize,
    /// Bytes outside of the slots that elements may still take: no two of them share any, so that a small array
    /// cannot become a large one.
    spare: usize,
}

/// A slot that holds its value, and the seven bits with its length.
const IN_SLOT: u64 = 1 << 63;
const LENGTH_IN_SLOT: u32 = 56;
const IN_SLOT_MAX: usize = 7;

impl<'a> Elements<'a> {
    /// The elements of an array of this type.
    pub(super) fn open(array: &'a [u8], element: &FlussType) -> Result<Self> {
        let mut cursor = Cursor::new(array);
        let count = cursor.length()?;
        let nulls = cursor.take(count.div_ceil(32).saturating_mul(4))?;
        let width = width(element);
        let slots = Cursor::new(cursor.take(count.saturating_mul(width))?);
        Ok(Self { array, nulls, slots, width, count, spare: cursor.remaining() })
    }

    /// The number of elements.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether the element at a position is NULL.
    pub(super) fn is_null(&self, position: usize) -> bool {
        is_null(self.nulls, position)
    }

    /// Steps over the slot of a NULL.
    pub(super) fn skip_null(&mut self) -> Result<()> {
        self.slots.take(self.width).map(drop)
    }

    /// Bytes elsewhere in the array.
    fn elsewhere(&mut self, offset: u64, length: usize) -> Result<&'a [u8]> {
        let outside = || Error::corrupt("an element outside of its array");
        let start = usize::try_from(offset).map_err(|_| outside())?;
        self.spare = self.spare.checked_sub(length).ok_or_else(outside)?;
        let end = start.checked_add(length).ok_or_else(outside)?;
        self.array.get(start..end).ok_or_else(outside)
    }

    fn slot(&mut self) -> Result<u64> {
        Ok(self.slots.i64()?.cast_unsigned())
    }
}

/// The lower half of a slot.
fn lower(slot: u64) -> u64 {
    slot & u64::from(u32::MAX)
}

impl<'a> Source<'a> for Elements<'a> {
    fn i8(&mut self) -> Result<i8> {
        self.slots.i8()
    }

    fn i16(&mut self) -> Result<i16> {
        self.slots.i16()
    }

    fn i32(&mut self) -> Result<i32> {
        self.slots.i32()
    }

    fn i64(&mut self) -> Result<i64> {
        self.slots.i64()
    }

    fn f32(&mut self) -> Result<f32> {
        self.slots.f32()
    }

    fn f64(&mut self) -> Result<f64> {
        self.slots.f64()
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let mut in_slot = self.slots;
        let slot = self.slot()?;
        if slot & IN_SLOT == 0 {
            let length = usize::try_from(lower(slot)).unwrap_or(usize::MAX);
            return self.elsewhere(slot >> 32, length);
        }
        let length = usize::try_from((slot & !IN_SLOT) >> LENGTH_IN_SLOT).unwrap_or(usize::MAX);
        if length > IN_SLOT_MAX {
            return Err(Error::corrupt(format!("{length} bytes in a slot of an array")));
        }
        in_slot.take(length)
    }

    fn char(&mut self, _: u32) -> Result<&'a [u8]> {
        self.bytes()
    }

    fn binary(&mut self, _: u32) -> Result<&'a [u8]> {
        self.bytes()
    }

    fn wide_decimal(&mut self) -> Result<&'a [u8]> {
        let slot = self.slot()?;
        self.elsewhere(slot >> 32, usize::try_from(lower(slot)).unwrap_or(usize::MAX))
    }

    fn fine_timestamp(&mut self) -> Result<(i64, i32)> {
        let slot = self.slot()?;
        let milliseconds = Cursor::new(self.elsewhere(slot >> 32, size_of::<i64>())?).i64()?;
        let nanoseconds = i32::try_from(lower(slot));
        Ok((milliseconds, nanoseconds.map_err(|_| Error::corrupt("nanoseconds"))?))
    }

    fn end(self) -> Result<()> {
        Ok(())
    }
}

/// Bytes of a slot.
fn width(element: &FlussType) -> usize {
    match element {
        FlussType::Boolean | FlussType::TinyInt => 1,
        FlussType::SmallInt => 2,
        FlussType::Int | FlussType::Float | FlussType::Date | FlussType::Time(_) => 4,
        _ => 8,
    }
}

/// The keys and the values of a map (Fluss's `BinaryMap`): `bytes of the keys i32 | array of keys | array of values`.
pub(super) fn split_map(map: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut cursor = Cursor::new(map);
    let keys = cursor.length()?;
    let keys = cursor.take(keys)?;
    Ok((keys, cursor.take(cursor.remaining())?))
}
