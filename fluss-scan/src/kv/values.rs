//! Value batches: rows of a state, each with the id of the schema that it was written with.
//!
//! Little endian: `length i32 | magic u8 0 | count i32 | count × [length i32 | schema id i16 | row]`.

use crate::cursor::Cursor;
use crate::{Error, Result};

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
