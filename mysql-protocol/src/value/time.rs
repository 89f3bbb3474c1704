//! Dates and times without a calendar library in the way of each row.

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use super::Clock;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A column of times as microseconds since midnight.
pub(super) fn time_micros(array: &ArrayRef) -> Result<PrimitiveArray<Int64Type>, ArrowError> {
    let micros = cast(array, &DataType::Time64(TimeUnit::Microsecond))?;
    Ok(cast(&micros, &DataType::Int64)?.as_primitive().clone())
}

/// A column of timestamps as microseconds since 1970, or as a clock shows them.
pub(super) fn timestamp_micros(
    array: &ArrayRef,
    clock: Option<&Clock>,
) -> Result<PrimitiveArray<Int64Type>, ArrowError> {
    let DataType::Timestamp(unit, _) = array.data_type() else {
        return Err(ArrowError::CastError("no timestamp".into()));
    };
    let raw = cast(array, &DataType::Int64)?;
    let raw = raw.as_primitive::<Int64Type>();
    let micros = |value: i64| match unit {
        TimeUnit::Second => value.saturating_mul(SECOND),
        TimeUnit::Millisecond => value.saturating_mul(1_000),
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value.div_euclid(1_000),
    };
    Ok(match clock {
        Some(clock) => raw.unary(|value| (clock.0)(micros(value))),
        None => raw.unary(micros),
    })
}

/// Year, month and day of a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u8, day as u8)
}

fn put_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits);
}

/// The two digits of a number below 100.
fn two(value: u8) -> [u8; 2] {
    [b'0' + value / 10, b'0' + value % 10]
}

pub(super) fn put_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    let ([c, d], [e, f]) = (two(month), two(day));
    if let Ok(year @ 0..=9999) = u16::try_from(year) {
        let ([a, b], [y, z]) = (two((year / 100) as u8), two((year % 100) as u8));
        return out.extend_from_slice(&[a, b, y, z, b'-', c, d, b'-', e, f]);
    }
    if year < 0 {
        out.push(b'-');
    }
    put_padded(out, year.unsigned_abs(), 4);
    out.extend_from_slice(&[b'-', c, d, b'-', e, f]);
}

/// `[-]HH:MM:SS[.ffffff]`; hours may have more than two digits.
pub(super) fn put_time(out: &mut Vec<u8>, micros: i64, digits: u8) {
    if micros < 0 {
        out.push(b'-');
    }
    let micros = micros.unsigned_abs();
    let seconds = micros / 1_000_000;
    put_padded(out, seconds / 3600, 2);
    out.push(b':');
    let ([a, b], [c, d]) = (two((seconds / 60 % 60) as u8), two((seconds % 60) as u8));
    out.extend_from_slice(&[a, b, b':', c, d]);
    if digits > 0 {
        out.push(b'.');
        let cut = 10u64.pow(6 - u32::from(digits.min(6)));
        put_padded(out, micros % 1_000_000 / cut, usize::from(digits.min(6)));
    }
}

pub(super) fn put_timestamp(out: &mut Vec<u8>, micros: i64, digits: u8) {
    put_date(out, micros.div_euclid(DAY));
    out.push(b' ');
    put_time(out, micros.rem_euclid(DAY), digits);
}

/// Whether a day since 1970 is in a year that MySQL has.
pub(super) fn has_year(days: i64) -> bool {
    (0..=9999).contains(&civil(days).0)
}

/// The same for microseconds since 1970.
pub(super) fn has_year_of_micros(micros: i64) -> bool {
    has_year(micros.div_euclid(DAY))
}

/// Microseconds without what is finer than `digits`.
pub(super) fn cut(micros: i64, digits: u8) -> i64 {
    let finest = 10i64.pow(6 - u32::from(digits.min(6)));
    micros.div_euclid(finest) * finest
}

/// Days whose year [`has_year`].
fn put_binary_day(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    let year = u16::try_from(year).unwrap_or(9999);
    out.extend_from_slice(&year.to_le_bytes());
    out.extend_from_slice(&[month, day]);
}

pub(super) fn put_binary_date(out: &mut Vec<u8>, days: i64) {
    out.push(4);
    put_binary_day(out, days);
}

pub(super) fn put_binary_timestamp(out: &mut Vec<u8>, micros: i64) {
    let in_day = micros.rem_euclid(DAY);
    let fraction = (in_day % SECOND) as u32;
    let seconds = in_day / SECOND;
    out.push(if fraction == 0 { 7 } else { 11 });
    put_binary_day(out, micros.div_euclid(DAY));
    out.extend_from_slice(&[
        (seconds / 3600) as u8,
        (seconds / 60 % 60) as u8,
        (seconds % 60) as u8,
    ]);
    if fraction != 0 {
        out.extend_from_slice(&fraction.to_le_bytes());
    }
}

pub(super) fn put_binary_time(out: &mut Vec<u8>, micros: i64) {
    let (negative, size) = (micros < 0, micros.unsigned_abs());
    let (seconds, fraction) = (size / 1_000_000, (size % 1_000_000) as u32);
    out.push(if fraction == 0 { 8 } else { 12 });
    out.push(u8::from(negative));
    out.extend_from_slice(&u32::try_from(seconds / 86_400).unwrap_or(u32::MAX).to_le_bytes());
    let in_day = seconds % 86_400;
    out.extend_from_slice(&[(in_day / 3600) as u8, (in_day / 60 % 60) as u8, (in_day % 60) as u8]);
    if fraction != 0 {
        out.extend_from_slice(&fraction.to_le_bytes());
    }
}
