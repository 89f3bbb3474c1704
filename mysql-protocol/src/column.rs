//! Arrow types as MySQL columns: one table.

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::wire::put_lenenc_bytes;

/// utf8mb4_bin: text is compared byte by byte here.
const UTF8MB4_BIN: u16 = 46;
/// The character set of everything that is no text.
const BINARY: u16 = 63;
/// Bytes of the longest string, as clients are told: 1,048,576 characters of four bytes.
const STRING_BYTES: u32 = 4 << 20;
/// Field metadata that narrows the fractional digits of a time or timestamp.
const PRECISION: &str = "millrace.precision";

/// Flag: no NULLs.
pub const NOT_NULL: u16 = 1;
/// Flag: unsigned number.
pub const UNSIGNED: u16 = 32;
/// Flag: bytes, not text.
pub const BINARY_FLAG: u16 = 128;
/// Flag: a number, for clients that look there.
pub const NUM: u16 = 32768;

/// MySQL's type codes that are sent.
pub mod code {
    #![allow(missing_docs, reason = "the names are MySQL's")]
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const LONGLONG: u8 = 8;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const NEWDECIMAL: u8 = 246;
    pub const VAR_STRING: u8 = 253;
}

/// The description of one column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The label.
    pub name: String,
    /// The database, empty for expressions.
    pub schema: String,
    /// The table by its name in the statement, empty for expressions.
    pub table: String,
    /// The table's own name, empty for expressions.
    pub org_table: String,
    /// The column's own name, empty for expressions.
    pub org_name: String,
    /// MySQL's type code.
    pub code: u8,
    /// The id of the collation; 63 for what is no text.
    pub charset: u16,
    /// Characters that a value takes at the most, times the bytes of one.
    pub length: u32,
    /// Fractional digits; 31: not fixed.
    pub decimals: u8,
    /// Flags.
    pub flags: u16,
}

impl Column {
    /// The description of an Arrow field.
    pub fn from_field(field: &Field) -> Self {
        if let DataType::Dictionary(_, value) = field.data_type() {
            return Self::from_field(&field.clone().with_data_type(value.as_ref().clone()));
        }
        let (code, length, decimals) = shape(field);
        let text = code == code::VAR_STRING && !is_bytes(field.data_type());
        let number = matches!(code, 1..=5 | code::LONGLONG | code::NEWDECIMAL);
        let mut flags = 0;
        if !field.is_nullable() {
            flags |= NOT_NULL;
        }
        if field.data_type().is_unsigned_integer() {
            flags |= UNSIGNED;
        }
        // of the columns of tables, MySQL marks no number as binary; Connector/J would give a BOOLEAN as bytes
        if number {
            flags |= NUM;
        } else if !text {
            flags |= BINARY_FLAG;
        }
        Self {
            name: field.name().clone(),
            schema: String::new(),
            table: String::new(),
            org_table: String::new(),
            org_name: String::new(),
            code,
            charset: if text { UTF8MB4_BIN } else { BINARY },
            length,
            decimals,
            flags,
        }
    }

    /// A parameter, of which nothing is known.
    pub fn parameter() -> Self {
        let field = Field::new("?", DataType::Utf8, true);
        Self::from_field(&field)
    }

    /// Writes the payload of its packet.
    pub fn put(&self, out: &mut Vec<u8>) {
        let Self { schema, table, org_table, name, org_name, .. } = self;
        let parts = ["def", schema, table, org_table, name, org_name];
        for part in parts {
            put_lenenc_bytes(out, part.as_bytes());
        }
        out.push(12);
        out.extend_from_slice(&self.charset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.push(self.code);
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.push(self.decimals);
        out.extend_from_slice(&[0, 0]);
    }
}

/// Type code, length and decimals.
fn shape(field: &Field) -> (u8, u32, u8) {
    let digits = fraction_digits(field);
    let fraction = if digits == 0 { 0 } else { u32::from(digits) + 1 };
    match field.data_type() {
        DataType::Null => (code::NULL, 0, 0),
        DataType::Boolean => (code::TINY, 1, 0),
        DataType::Int8 => (code::TINY, 4, 0),
        DataType::UInt8 => (code::TINY, 3, 0),
        DataType::Int16 => (code::SHORT, 6, 0),
        DataType::UInt16 => (code::SHORT, 5, 0),
        DataType::Int32 => (code::LONG, 11, 0),
        DataType::UInt32 => (code::LONG, 10, 0),
        DataType::Int64 | DataType::UInt64 => (code::LONGLONG, 20, 0),
        DataType::Float32 => (code::FLOAT, 12, 31),
        DataType::Float64 => (code::DOUBLE, 22, 31),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            let scale = u8::try_from(*scale).unwrap_or(0);
            // digits, a sign, a point
            (code::NEWDECIMAL, u32::from(*precision) + 1 + u32::from(scale > 0), scale)
        }
        DataType::Date32 | DataType::Date64 => (code::DATE, 10, 0),
        DataType::Time32(_) | DataType::Time64(_) => (code::TIME, 10 + fraction, digits),
        DataType::Timestamp(..) => (code::DATETIME, 19 + fraction, digits),
        _ => (code::VAR_STRING, STRING_BYTES, 0),
    }
}

/// Fractional digits of a time or timestamp: what its unit holds, six at the most, fewer where the field says so.
pub fn fraction_digits(field: &Field) -> u8 {
    let unit = match field.data_type() {
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Timestamp(unit, _) => unit,
        _ => return 0,
    };
    let held = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond | TimeUnit::Nanosecond => 6,
    };
    let said = field.metadata().get(PRECISION).and_then(|digits| digits.parse().ok());
    said.unwrap_or(held).min(held)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}
