//! TIME, seconds since 1970, zones. A TIME that a function makes is a text, `HH:MM:SS`: Arrow's ends at midnight, MySQL's at 838:59:59.

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::exec_err;
use datafusion::error::Result;

use crate::calendar::{SECOND, moment_text, read, read_time, time_text};
use crate::casts::{self, times};
use crate::convert::{digits_of, is_text, micros, unit_of};
use crate::function::{At, Call, Definition, Planned, Returns};
use crate::zone::Zone;

/// The last second of a TIMESTAMP, 3001-01-18 23:59:59 (MySQL 8.0.28).
const SECONDS_MAX: i64 = 32_536_771_199;
/// MySQL's largest TIME, in seconds.
const TIME_MAX: i64 = 838 * 3600 + 59 * 60 + 59;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("sec_to_time", 1..=1, Returns::Text, |call| {
        let values = call.doubles(0)?;
        let digits = digits_of_seconds(call.array(0)?.data_type());
        call.give_texts(|row| {
            let seconds = values.at(row)?.clamp(-TIME_MAX as f64, TIME_MAX as f64);
            Some(time_text((seconds * 1e6).round() as i64, digits))
        })
    }),
    Definition::new("time_to_sec", 1..=1, Returns::Int, |call| {
        let values = times(call, 0)?;
        call.give_ints(|row| Some(values[row]? / SECOND))
    }),
    Definition::new("maketime", 3..=3, Returns::Text, |call| {
        let (hours, minutes, seconds) = (call.ints(0)?, call.ints(1)?, call.doubles(2)?);
        let digits = digits_of_seconds(call.array(2)?.data_type());
        call.give_texts(|row| {
            let (hour, minute, second) = (hours.at(row)?, minutes.at(row)?, seconds.at(row)?);
            if !(0..60).contains(&minute) || !(0.0..60.0).contains(&second) {
                return None;
            }
            let size = hour.unsigned_abs().min(839) as i64 * 3600 + minute * 60;
            let micros = (size * SECOND + (second * 1e6).round() as i64).min(TIME_MAX * SECOND);
            Some(time_text(if hour < 0 { -micros } else { micros }, digits))
        })
    }),
    Definition::new("time", 1..=1, Returns::By(clock_type), casts::time),
    Definition::new("timediff", 2..=2, Returns::Text, timediff),
    Definition::new("addtime", 2..=2, Returns::By(added_type), |call| added(call, 1)),
    Definition::new("subtime", 2..=2, Returns::By(added_type), |call| added(call, -1)),
    Definition::new("unix_timestamp", 2..=3, Returns::By(seconds_type), unix_timestamp),
    Definition::new("from_unixtime", 2..=3, Returns::By(from_type), from_unixtime),
    Definition::new("instant_of", 2..=2, Returns::By(|_| Ok(instant_type())), instant_of),
    Definition::new("unix_clock", 1..=1, Returns::Int, unix_clock),
    Definition::new("utc_clock", 2..=2, Returns::By(|p| casts::moment_type(p, 1)), utc_clock),
    Definition::new("convert_tz", 3..=3, Returns::By(|p| Ok(moment_with(p, 0..1))), convert_tz),
    Definition::new("timestamp", 1..=2, Returns::By(|p| Ok(moment_with(p, 0..2))), |call| {
        let moments = call.moments(0)?;
        let later = if call.len() > 1 { times(call, 1)? } else { vec![Some(0); call.rows] };
        call.give_moments(|row| moments.at(row)?.checked_add(later[row]?))
    }),
];

/// Both are moments or both are times; a DATE and a DATETIME have no difference, as in MySQL.
fn timediff(call: &Call) -> Result<ArrayRef> {
    let is_date = |i: usize| Ok(*call.array(i)?.data_type() == DataType::Date32) as Result<bool>;
    let is_moment = |i: usize| {
        Ok(matches!(call.array(i)?.data_type(), DataType::Timestamp(..))) as Result<bool>
    };
    if (is_date(0)? && is_moment(1)?) || (is_moment(0)? && is_date(1)?) {
        return call.give_texts(|_| None);
    }
    let sides = (0..2).map(|i| side(call, i)).collect::<Result<Vec<_>>>()?;
    call.give_texts(|row| {
        let ((a, a_date), (b, b_date)) = (sides[0][row]?, sides[1][row]?);
        if a_date != b_date {
            return None;
        }
        let micros = (a - b).clamp(-TIME_MAX * SECOND, TIME_MAX * SECOND);
        Some(time_text(micros, if micros % SECOND == 0 { 0 } else { 6 }))
    })
}

/// Microseconds, and whether they are of a date.
fn side(call: &Call, argument: usize) -> Result<Vec<Option<(i64, bool)>>> {
    let array = call.array(argument)?;
    if is_text(array.data_type()) {
        let texts = call.text(argument)?;
        let each = |text: Option<&str>| {
            let text = text?;
            match text.trim_start_matches('-').contains('-') {
                true => Some((read(text)?.micros, true)),
                false => Some((read_time(text)?.0, false)),
            }
        };
        return Ok(texts.iter().map(each).collect());
    }
    match array.data_type() {
        DataType::Time32(_) | DataType::Time64(_) => {
            Ok(times(call, argument)?.into_iter().map(|t| Some((t?, false))).collect())
        }
        _ => Ok(call.moments(argument)?.iter().map(|m| Some((m?, true))).collect()),
    }
}

fn added_type(planned: &Planned) -> Result<DataType> {
    Ok(match &planned.types[0] {
        DataType::Timestamp(..) | DataType::Date32 => moment_with(planned, 0..2),
        _ => DataType::Utf8,
    })
}

fn added(call: &Call, sign: i64) -> Result<ArrayRef> {
    let (left, right) = (side(call, 0)?, times(call, 1)?);
    let sum = |row: usize| left[row]?.0.checked_add(sign * right[row]?);
    if call.returns != DataType::Utf8 {
        return call.give_moments(sum);
    }
    call.give_texts(|row| {
        let micros = sum(row)?;
        let digits = if micros % SECOND == 0 { 0 } else { 6 };
        match left[row]?.1 {
            true => crate::convert::is_in_range(micros).then(|| moment_text(micros, digits)),
            false => Some(time_text(micros.clamp(-TIME_MAX * SECOND, TIME_MAX * SECOND), digits)),
        }
    })
}

/// A DATETIME with as many digits as the arguments have.
fn moment_with(planned: &Planned, arguments: Range<usize>) -> DataType {
    let given = arguments.filter(|argument| *argument < planned.types.len());
    let digits = given.map(|argument| fraction_digits(planned, argument)).max().unwrap_or(0);
    DataType::Timestamp(unit_of(digits), None)
}

/// Digits of the fraction of a second in an argument: of a text that is no constant, as many as there can be.
fn fraction_digits(planned: &Planned, argument: usize) -> u8 {
    match &planned.types[argument] {
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
            digits_of(*unit)
        }
        t if is_text(t) => match planned.text(argument) {
            Some(text) => read_time(text).map_or(0, |(_, digits)| digits),
            None => 6,
        },
        DataType::Decimal128(_, scale) => (*scale).clamp(0, 6) as u8,
        DataType::Float32 | DataType::Float64 => 6,
        _ => 0,
    }
}

/// `TIME(value)` keeps the fraction that a cast would round.
fn clock_type(planned: &Planned) -> Result<DataType> {
    Ok(match unit_of(fraction_digits(planned, 0)) {
        TimeUnit::Second => DataType::Time32(TimeUnit::Second),
        TimeUnit::Millisecond => DataType::Time32(TimeUnit::Millisecond),
        _ => DataType::Time64(TimeUnit::Microsecond),
    })
}

/// Digits of the TIME that so many seconds are.
fn digits_of_seconds(seconds: &DataType) -> u8 {
    match seconds {
        DataType::Decimal128(_, scale) => (*scale).clamp(0, 6) as u8,
        t if t.is_floating() || is_text(t) => 6,
        _ => 0,
    }
}

/// The zone is the first argument of these two: that of the session, put there while the statement is planned.
fn zone(call: &Call) -> Result<Zone> {
    let zones = call.text(0)?;
    zones.iter().next().flatten().map_or(Ok(Zone::UTC), Zone::named)
}

fn seconds_type(planned: &Planned) -> Result<DataType> {
    let is_moment =
        matches!(planned.types[1], DataType::Timestamp(..)) || is_text(&planned.types[1]);
    // with a format it is StarRocks' function, of whole seconds
    Ok(match is_moment && planned.types.len() == 2 {
        true => match unit_of(fraction_digits(planned, 1)) {
            TimeUnit::Second => DataType::Int64,
            TimeUnit::Millisecond => DataType::Decimal128(17, 3),
            _ => DataType::Decimal128(20, 6),
        },
        false => DataType::Int64,
    })
}

fn unix_timestamp(call: &Call) -> Result<ArrayRef> {
    let zone = zone(call)?;
    let of_zone = |moments: Int64Array| moments.unary(|moment| zone.instant(moment));
    let instants = if call.len() > 2 {
        let (texts, formats) = (call.text(1)?, call.text(2)?);
        let parsed = |row: usize| super::format::parsed(texts.at(row)?, formats.at(row)?);
        of_zone((0..call.rows).map(parsed).collect())
    } else {
        // an instant is not read off the clock, which shows some times twice
        match instants(call, 1)? {
            Some(instants) => instants,
            None => of_zone(call.moments(1)?),
        }
    };
    let since = |row: usize| Some(instants.at(row)?.max(0));
    match call.returns {
        DataType::Decimal128(precision, scale) => {
            let unit = 10i64.pow(6 - scale.unsigned_abs() as u32);
            let values: arrow::array::Decimal128Array =
                (0..call.rows).map(|row| Some(i128::from(since(row)? / unit))).collect();
            Ok(std::sync::Arc::new(values.with_precision_and_scale(precision, scale)?))
        }
        _ => call.give_ints(|row| Some(since(row)? / SECOND)),
    }
}

fn from_type(planned: &Planned) -> Result<DataType> {
    Ok(match (planned.types.len(), &planned.types[1]) {
        (3, _) => DataType::Utf8,
        (_, t) if t.is_integer() || t.is_null() => DataType::Timestamp(TimeUnit::Second, None),
        _ => DataType::Timestamp(TimeUnit::Microsecond, None),
    })
}

fn from_unixtime(call: &Call) -> Result<ArrayRef> {
    let zone = zone(call)?;
    let seconds = call.doubles(1)?;
    let micros = |row: usize| {
        let seconds = seconds.at(row).filter(|s| (0.0..=SECONDS_MAX as f64).contains(s))?;
        Some(zone.local((seconds * 1e6).round() as i64))
    };
    if call.len() > 2 {
        let formats = call.text(2)?;
        return call.give_texts(|row| Some(super::format::written(micros(row)?, formats.at(row)?)));
    }
    call.give_moments(micros)
}

/// A moment of no TIMESTAMP stays what it is. An unknown zone is an error: MySQL's NULL is that of a server without its table of zones.
fn convert_tz(call: &Call) -> Result<ArrayRef> {
    let (moments, from, to) = (call.moments(0)?, zones(call, 1)?, zones(call, 2)?);
    call.give_moments(|row| {
        let (moment, from, to) = (moments.at(row)?, from[row]?, to[row]?);
        let instant = from.instant(moment);
        let is_timestamp = (1..=SECONDS_MAX).contains(&instant.div_euclid(SECOND));
        Some(if is_timestamp { to.local(instant) } else { moment })
    })
}

/// The zones of an argument; in most batches they are one, and finding it by name is slow.
fn zones(call: &Call, argument: usize) -> Result<Vec<Option<Zone>>> {
    let mut known: Option<(String, Zone)> = None;
    let texts = call.text(argument)?;
    let mut zone = |text: &str| {
        if let Some((name, zone)) = &known
            && name == text
        {
            return Ok(*zone);
        }
        let zone = Zone::named(text)?;
        known = Some((text.to_string(), zone));
        Ok(zone)
    };
    texts.iter().map(|text| text.map(&mut zone).transpose()).collect()
}

/// Values of a type with a zone as instants, in microseconds; `None` for other types.
fn instants(call: &Call, argument: usize) -> Result<Option<Int64Array>> {
    let array = call.array(argument)?;
    let DataType::Timestamp(unit, Some(_)) = array.data_type() else { return Ok(None) };
    let raw = cast(&array, &DataType::Int64)?;
    let raw = raw.as_primitive::<Int64Type>();
    Ok(Some(raw.iter().map(|value| value.and_then(|value| micros(value, *unit))).collect()))
}

/// As the clock at Greenwich shows an instant.
fn utc_clock(call: &Call) -> Result<ArrayRef> {
    let Some(instants) = instants(call, 0)? else { return exec_err!("no instant") };
    call.give_moments(|row| instants.at(row))
}

/// Whole seconds since 1970 of an instant.
fn unix_clock(call: &Call) -> Result<ArrayRef> {
    let Some(instants) = instants(call, 0)? else { return exec_err!("no instant") };
    call.give_ints(|row| Some(instants.at(row)?.div_euclid(SECOND)))
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The instant at which the clock of a zone shows a local time.
fn instant_of(call: &Call) -> Result<ArrayRef> {
    let (zone, moments) = (zone(call)?, call.moments(1)?);
    let instants: Int64Array = moments.unary(|moment| zone.instant(moment));
    Ok(cast(&instants, &instant_type())?)
}
