//! Fluss's own layout of keys: the values one after another, as in a COMPACTED row without its null bits.
//!
//! Each value tells its own length, so that the bytes of some first columns begin the bytes of every key that
//! has these values, and of no other.

use super::value::Value;

pub(super) fn encode(values: &[Value<'_>]) -> Vec<u8> {
    let mut key = vec![];
    for value in values {
        write(&mut key, value);
    }
    key
}

fn write(key: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Boolean(value) => key.push(value.into()),
        Value::TinyInt(value) => key.extend(value.to_le_bytes()),
        Value::SmallInt(value) => key.extend(value.to_le_bytes()),
        // LEB128 of the two's complement at the type's own width
        Value::Int(value) => varint(key, u64::from(value as u32)),
        Value::BigInt(value) => varint(key, value as u64),
        Value::Float(value) => key.extend(value.to_le_bytes()),
        Value::Double(value) => key.extend(value.to_le_bytes()),
        Value::Decimal(value) => bytes(key, shortest(&value.to_be_bytes())),
        Value::Bytes(value) => bytes(key, value),
        Value::Timestamp { milliseconds, nanoseconds } => {
            varint(key, milliseconds as u64);
            varint(key, u64::from(nanoseconds as u32));
        }
    }
}

fn bytes(key: &mut Vec<u8>, value: &[u8]) {
    varint(key, value.len() as u64);
    key.extend(value);
}

fn varint(key: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        key.push(value as u8 | 0x80);
        value >>= 7;
    }
    key.push(value as u8);
}

/// The shortest two's complement, big endian, that is the same number; one byte at least.
pub(super) fn shortest(number: &[u8; 16]) -> &[u8] {
    let sign = if number[0] & 0x80 == 0 { 0 } else { 0xff };
    let is_filler = |pair: &[u8]| pair[0] == sign && (pair[1] ^ sign) & 0x80 == 0;
    let fillers = number.windows(2).take_while(|pair| is_filler(pair)).count();
    &number[fillers..]
}
