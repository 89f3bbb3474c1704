//! What rows store → what the log's Arrow vectors have (Fluss's `Arrow…Writer`): a row that is in both must be the
//! same in both.

use arrow::datatypes::{Decimal128Type, DecimalType};

use crate::{Error, Result};

/// Digits of the largest DECIMAL that is stored as an i64.
const NARROW_DECIMAL: u8 = 18;

/// Whether a DECIMAL is stored as bytes.
pub(super) fn is_wide(precision: u8) -> bool {
    precision > NARROW_DECIMAL
}

/// TIME of up to 3 digits, stored in milliseconds: seconds, or milliseconds.
pub(super) fn coarse_time(milliseconds: i32, precision: u8) -> i32 {
    if precision == 0 { milliseconds / 1_000 } else { milliseconds }
}

/// TIME of more than 3 digits, stored in milliseconds: microseconds, or nanoseconds.
pub(super) fn fine_time(milliseconds: i32, precision: u8) -> i64 {
    i64::from(milliseconds) * if precision <= 6 { 1_000 } else { 1_000_000 }
}

/// TIMESTAMP of up to 3 digits, stored in milliseconds: seconds, or milliseconds. A fraction of a second that does
/// not belong there is cut off toward 1970, as in the log.
pub(super) fn coarse_timestamp(milliseconds: i64, precision: u8) -> i64 {
    if precision == 0 { milliseconds / 1_000 } else { milliseconds }
}

/// TIMESTAMP of more than 3 digits: microseconds, or nanoseconds. The nanoseconds count forward from the
/// millisecond, also before 1970.
pub(super) fn fine_timestamp(
    (milliseconds, nanoseconds): (i64, i32),
    precision: u8,
) -> Result<i64> {
    if !(0..1_000_000).contains(&nanoseconds) {
        return Err(Error::corrupt(format!("{nanoseconds} ns in a millisecond")));
    }
    let (per_millisecond, fraction) = match precision {
        ..=6 => (1_000, nanoseconds / 1_000),
        _ => (1_000_000, nanoseconds),
    };
    let value = milliseconds.checked_mul(per_millisecond);
    let value = value.and_then(|value| value.checked_add(fraction.into()));
    value.ok_or_else(|| Error::Unsupported(format!("the timestamp {milliseconds} ms")))
}

/// A DECIMAL of up to 18 digits.
pub(super) fn narrow_decimal(value: i64, precision: u8) -> Result<i128> {
    checked(i128::from(value), precision)
}

/// A DECIMAL of more than 18 digits: the shortest bytes of its two's complement, big endian.
pub(super) fn wide_decimal(bytes: &[u8], precision: u8) -> Result<i128> {
    let (true, Some(first)) = (bytes.len() <= size_of::<i128>(), bytes.first()) else {
        return Err(Error::corrupt(format!("a DECIMAL of {} bytes", bytes.len())));
    };
    let mut wide = [if first & 0x80 == 0 { 0 } else { 0xff }; size_of::<i128>()];
    wide[size_of::<i128>() - bytes.len()..].copy_from_slice(bytes);
    checked(i128::from_be_bytes(wide), precision)
}

fn checked(value: i128, precision: u8) -> Result<i128> {
    if Decimal128Type::is_valid_decimal_precision(value, precision) {
        Ok(value)
    } else {
        Err(Error::corrupt(format!("the number {value} in a DECIMAL of {precision} digits")))
    }
}

/// Text, which must be UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::corrupt("a string that is not UTF-8"))
}
