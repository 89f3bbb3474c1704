//! Parameters of prepared statements, in binary form.

use crate::wire::Reader;
use crate::{Error, Result};

/// A value that was bound to a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A FLOAT.
    Float(f32),
    /// A DOUBLE.
    Double(f64),
    /// Text or bytes, DECIMAL too.
    Bytes(Vec<u8>),
    /// DATE, DATETIME or TIMESTAMP: year, month, day, hour, minute, second, microsecond.
    DateTime([u32; 7]),
    /// TIME: negative, hours (days included), minute, second, microsecond.
    Time(bool, [u32; 4]),
}

/// A type as a client binds it: MySQL's type code, and whether it is unsigned.
pub type BoundType = (u8, bool);

/// Reads the parameters of COM_STMT_EXECUTE.
///
/// `types` are those of the last execution, and are replaced where the client sends new ones. `long` gives the value of a
/// parameter that came in pieces.
///
/// # Errors
/// `Command` for a packet that ends early, a type that is not known, parameters whose types were never sent.
pub fn parameters(
    payload: &[u8],
    count: usize,
    types: &mut Vec<BoundType>,
    mut long: impl FnMut(usize) -> Option<Vec<u8>>,
) -> Result<Vec<Parameter>> {
    if count == 0 {
        return Ok(vec![]);
    }
    let mut reader = Reader::new(payload);
    let nulls = reader.take(count.div_ceil(8))?;
    if reader.u8()? == 1 {
        let bound = (0..count).map(|_| {
            let code = reader.u8()?;
            Ok((code, reader.u8()? & 0x80 != 0))
        });
        *types = bound.collect::<Result<_>>()?;
    }
    let value = |i| {
        if let Some(data) = long(i) {
            return Ok(Parameter::Bytes(data));
        }
        if nulls.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1) {
            return Ok(Parameter::Null);
        }
        // Connector/J sends no types while all values are NULL
        let bound = types
            .get(i)
            .ok_or_else(|| Error::command("the types of the parameters were not sent"))?;
        read(&mut reader, *bound)
    };
    (0..count).map(value).collect()
}

fn read(reader: &mut Reader<'_>, (code, unsigned): BoundType) -> Result<Parameter> {
    let int = |value: u64, signed: i64| {
        if unsigned { Parameter::UInt(value) } else { Parameter::Int(signed) }
    };
    Ok(match code {
        6 => Parameter::Null,
        1 => reader.u8().map(|v| int(u64::from(v), i64::from(v as i8)))?,
        2 | 13 => reader.u16().map(|v| int(u64::from(v), i64::from(v as i16)))?,
        3 | 9 => reader.u32().map(|v| int(u64::from(v), i64::from(v as i32)))?,
        8 => reader.uint(8).map(|v| int(v, v as i64))?,
        4 => Parameter::Float(f32::from_bits(reader.u32()?)),
        5 => Parameter::Double(f64::from_bits(reader.uint(8)?)),
        7 | 10 | 12 => date_time(reader)?,
        11 => time(reader)?,
        0 | 15 | 16 | 245..=255 => Parameter::Bytes(reader.lenenc_bytes()?.to_vec()),
        other => return Err(Error::command(format!("a parameter of type {other}"))),
    })
}

fn date_time(reader: &mut Reader<'_>) -> Result<Parameter> {
    let length = reader.u8()?;
    let mut parts = [0; 7];
    if !matches!(length, 0 | 4 | 7 | 11) {
        return Err(Error::command(format!("a date of {length} bytes")));
    }
    if length >= 4 {
        parts[0] = u32::from(reader.u16()?);
        parts[1] = u32::from(reader.u8()?);
        parts[2] = u32::from(reader.u8()?);
    }
    if length >= 7 {
        for part in &mut parts[3..6] {
            *part = u32::from(reader.u8()?);
        }
    }
    if length == 11 {
        parts[6] = reader.u32()?;
    }
    Ok(Parameter::DateTime(parts))
}

fn time(reader: &mut Reader<'_>) -> Result<Parameter> {
    let length = reader.u8()?;
    if !matches!(length, 0 | 8 | 12) {
        return Err(Error::command(format!("a time of {length} bytes")));
    }
    if length == 0 {
        return Ok(Parameter::Time(false, [0; 4]));
    }
    let negative = reader.u8()? == 1;
    let days = reader.u32()?;
    let hours = u32::from(reader.u8()?);
    let (minute, second) = (u32::from(reader.u8()?), u32::from(reader.u8()?));
    let micros = if length == 12 { reader.u32()? } else { 0 };
    let hours = days.checked_mul(24).and_then(|h| h.checked_add(hours));
    let hours = hours.ok_or_else(|| Error::command("a time of too many days"))?;
    Ok(Parameter::Time(negative, [hours, minute, second, micros]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_remembered() {
        let mut types = vec![];
        // two parameters, the second NULL; BIGINT −1 and VARCHAR
        let payload = [0b10, 1, 8, 0, 253, 0, 255, 255, 255, 255, 255, 255, 255, 255];
        let read = parameters(&payload, 2, &mut types, |_| None).unwrap();
        assert_eq!(read, [Parameter::Int(-1), Parameter::Null]);
        let payload = [0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'];
        let read = parameters(&payload, 2, &mut types, |_| None).unwrap();
        assert_eq!(read, [Parameter::Int(7), Parameter::Bytes(b"hi".to_vec())]);
        let read = parameters(&payload[..10], 2, &mut types, |i| (i == 1).then(|| b"x".to_vec()));
        assert_eq!(read.unwrap()[1], Parameter::Bytes(b"x".to_vec()));
        assert!(parameters(&payload, 3, &mut types, |_| None).is_err());
        assert!(parameters(&[0, 1, 200, 0], 1, &mut types, |_| None).is_err());
    }

    #[test]
    fn nulls_need_no_types() {
        let mut types = vec![];
        let read = parameters(&[0b11, 0], 2, &mut types, |_| None).unwrap();
        assert_eq!(read, [Parameter::Null, Parameter::Null]);
        assert!(parameters(&[0b01, 0, 1], 2, &mut types, |_| None).is_err());
    }

    #[test]
    fn times() {
        let mut types = vec![];
        let payload = [
            0, 1, 12, 0, 11, 0, 11, 0xea, 7, 11, 24, 10, 20, 30, 1, 0, 0, 0, 8, 1, 1, 0, 0, 0, 2,
            3, 4,
        ];
        let read = parameters(&payload, 2, &mut types, |_| None).unwrap();
        assert_eq!(read[0], Parameter::DateTime([2026, 11, 24, 10, 20, 30, 1]));
        assert_eq!(read[1], Parameter::Time(true, [26, 3, 4, 0]));
    }
}
