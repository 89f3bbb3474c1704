//! Paimon's layout of keys: its binary row (`org.apache.paimon.data.BinaryRow`), without NULLs.
//!
//! Kind of change and null bits, in whole words of 8 bytes, all zero; then a word per column, little endian;
//! then what does not fit into a word: bytes, filled up to whole words, whose word is `offset << 32 | length`.

use super::compacted::shortest;
use super::value::Value;

const WORD: usize = 8;
/// Bytes that fit into their word, beside a byte for the length.
const INLINE_MAX: usize = 7;

pub(super) fn encode(values: &[Value<'_>]) -> Vec<u8> {
    // the kind of change takes the place of 8 null bits
    let head = (values.len() + 8).div_ceil(64) * WORD;
    let mut row = vec![0; head + values.len() * WORD];
    for (i, value) in values.iter().enumerate() {
        let word = word(&mut row, value);
        let at = head + i * WORD;
        row[at..at + WORD].copy_from_slice(&word.to_le_bytes());
    }
    row
}

/// The word of a value; what does not fit goes behind the row.
fn word(row: &mut Vec<u8>, value: &Value<'_>) -> u64 {
    match *value {
        Value::Boolean(value) => value.into(),
        // narrow numbers fill their first bytes only: the rest stays zero, also below zero
        Value::TinyInt(value) => (value as u8).into(),
        Value::SmallInt(value) => (value as u16).into(),
        Value::Int(value) => (value as u32).into(),
        Value::BigInt(value) => value as u64,
        Value::Float(value) => value.to_bits().into(),
        Value::Double(value) => value.to_bits(),
        Value::Bytes(value) if value.len() <= INLINE_MAX => {
            let mut word = [0; WORD];
            word[..value.len()].copy_from_slice(value);
            word[INLINE_MAX] = 0x80 | value.len() as u8;
            u64::from_le_bytes(word)
        }
        Value::Bytes(value) => {
            let words = value.len().div_ceil(WORD);
            behind(row, value, words) | value.len() as u64
        }
        // two words, however short the number is
        Value::Decimal(value) => {
            let bytes = value.to_be_bytes();
            let number = shortest(&bytes);
            behind(row, number, 2) | number.len() as u64
        }
        Value::Timestamp { milliseconds, nanoseconds } => {
            behind(row, &milliseconds.to_le_bytes(), 1) | u64::from(nanoseconds as u32)
        }
    }
}

/// Appends bytes, filled up with zeros; their offset in the upper half.
fn behind(row: &mut Vec<u8>, value: &[u8], words: usize) -> u64 {
    let offset = row.len();
    row.extend(value);
    row.resize(offset + words * WORD, 0);
    (offset as u64) << 32
}
