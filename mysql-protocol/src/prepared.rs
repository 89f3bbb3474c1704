//! Parameters of prepared statements, in binary form.

use std::collections::HashMap;

use bytes::Bytes;

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
    Bytes(Bytes),
    /// DATE, DATETIME or TIMESTAMP: year, month, day, hour, minute, second, microsecond.
    DateTime([u32; 7]),
    /// TIME: negative, hours (days included), minute, second, microsecond.
    Time(bool, [u32; 4]),
}

/// A type as a client binds it: MySQL's type code, and whether it is unsigned.
pub type BoundType = (u8, bool);

/// What a client has bound to the parameters of one prepared statement, between its executions.
#[derive(Debug, Default)]
pub struct Bindings {
    types: Vec<BoundType>,
    long: HashMap<u16, Vec<u8>>,
    /// A piece of a long parameter was too much: told when the statement is run.
    too_long: bool,
}

impl Bindings {
    /// Bytes of the long parameters.
    pub fn long_bytes(&self) -> usize {
        self.long.values().map(Vec::len).sum()
    }

    /// Takes a piece of a long parameter, of which `room` bytes may be taken yet. There is no answer to it: what is too much is
    /// an error of the execution.
    pub fn push_long(&mut self, parameter: u16, piece: &[u8], room: usize) {
        if piece.len() > room {
            self.long.clear();
            self.too_long = true;
        } else if !self.too_long {
            self.long.entry(parameter).or_default().extend_from_slice(piece);
        }
    }

    /// Forgets the long parameters.
    pub fn reset(&mut self) {
        self.long = HashMap::new();
        self.too_long = false;
    }

    /// Reads the parameters of COM_STMT_EXECUTE. Types are those of the last execution where the client sends no new ones.
    ///
    /// # Errors
    /// `TooMuchLongData`; `Command` for a packet that ends early, a type that is not known, parameters whose types were never
    /// sent.
    pub fn bind(&mut self, payload: &Bytes, count: u16) -> Result<Vec<Parameter>> {
        let mut long = std::mem::take(&mut self.long);
        if std::mem::take(&mut self.too_long) {
            return Err(Error::TooMuchLongData);
        }
        parameters(payload, count, &mut self.types, |i| long.remove(&i))
    }
}

/// The parameters of a payload; `long` gives the value of one that came in pieces.
fn parameters(
    payload: &Bytes,
    count: u16,
    types: &mut Vec<BoundType>,
    mut long: impl FnMut(u16) -> Option<Vec<u8>>,
) -> Result<Vec<Parameter>> {
    if count == 0 {
        return Ok(vec![]);
    }
    let mut reader = Reader::new(payload);
    let nulls = reader.take(usize::from(count).div_ceil(8))?;
    if reader.u8()? == 1 {
        let bound = (0..count).map(|_| {
            let code = reader.u8()?;
            Ok((code, reader.u8()? & 0x80 != 0))
        });
        *types = bound.collect::<Result<_>>()?;
    }
    let value = |i: u16| {
        let at = usize::from(i);
        if let Some(data) = long(i) {
            return Ok(Parameter::Bytes(data.into()));
        }
        if nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1) {
            return Ok(Parameter::Null);
        }
        // Connector/J sends no types while all values are NULL
        let bound = types
            .get(at)
            .ok_or_else(|| Error::command("the types of the parameters were not sent"))?;
        read(payload, &mut reader, *bound)
    };
    (0..count).map(value).collect()
}

fn read(payload: &Bytes, reader: &mut Reader<'_>, bound: BoundType) -> Result<Parameter> {
    let (code, unsigned) = bound;
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
        // where they lie: a packet may be long
        0 | 15 | 16 | 245..=255 => Parameter::Bytes(payload.slice_ref(reader.lenenc_bytes()?)),
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

    fn bind(bindings: &mut Bindings, payload: &[u8], count: u16) -> Result<Vec<Parameter>> {
        bindings.bind(&Bytes::copy_from_slice(payload), count)
    }

    fn bytes(text: &'static str) -> Parameter {
        Parameter::Bytes(text.as_bytes().into())
    }

    #[test]
    fn types_are_remembered() {
        let mut all = Bindings::default();
        // two parameters, the second NULL; BIGINT −1 and VARCHAR
        let payload = [0b10, 1, 8, 0, 253, 0, 255, 255, 255, 255, 255, 255, 255, 255];
        let read = bind(&mut all, &payload, 2).unwrap();
        assert_eq!(read, [Parameter::Int(-1), Parameter::Null]);
        let payload = [0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'];
        assert_eq!(bind(&mut all, &payload, 2).unwrap(), [Parameter::Int(7), bytes("hi")]);
        assert!(bind(&mut all, &payload, 3).is_err());
        assert!(bind(&mut all, &[0, 1, 200, 0], 1).is_err());
    }

    #[test]
    fn long_parameters_come_in_pieces_and_serve_once() {
        let mut all = Bindings::default();
        let payload = [0, 1, 253, 0, 253, 0, 1, b'a'];
        all.push_long(1, b"lo", 10);
        all.push_long(1, b"ng", 8);
        assert_eq!(all.long_bytes(), 4);
        assert_eq!(bind(&mut all, &payload, 2).unwrap(), [bytes("a"), bytes("long")]);
        assert_eq!(all.long_bytes(), 0);
        // of one that was too much nothing is kept, and the next execution tells so
        all.push_long(1, b"abc", 3);
        all.push_long(1, b"d", 0);
        all.push_long(1, b"e", 3);
        assert_eq!(all.long_bytes(), 0);
        assert!(matches!(bind(&mut all, &payload, 2), Err(Error::TooMuchLongData)));
        assert!(matches!(bind(&mut all, &payload, 2), Err(Error::Command(_))));
        all.push_long(0, b"d", 0);
        all.reset();
        assert!(matches!(bind(&mut all, &payload, 2), Err(Error::Command(_))));
    }

    #[test]
    fn nulls_need_no_types() {
        let mut all = Bindings::default();
        let read = bind(&mut all, &[0b11, 0], 2).unwrap();
        assert_eq!(read, [Parameter::Null, Parameter::Null]);
        assert!(bind(&mut all, &[0b01, 0, 1], 2).is_err());
    }

    #[test]
    fn times() {
        let payload = [
            0, 1, 12, 0, 11, 0, 11, 0xea, 7, 11, 24, 10, 20, 30, 1, 0, 0, 0, 8, 1, 1, 0, 0, 0, 2,
            3, 4,
        ];
        let read = bind(&mut Bindings::default(), &payload, 2).unwrap();
        assert_eq!(read[0], Parameter::DateTime([2026, 11, 24, 10, 20, 30, 1]));
        assert_eq!(read[1], Parameter::Time(true, [26, 3, 4, 0]));
    }
}
