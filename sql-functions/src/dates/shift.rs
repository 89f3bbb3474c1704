//! Intervals added to moments, and differences of moments.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;

use crate::calendar::{DAY, Parts, SECOND, days, days_in_month, read};
use crate::convert::is_text;
use crate::function::{At, Call, Definition, Planned, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("date_add_unit", 3..=3, Returns::By(shifted_type), |call| shifted(call, 1)),
    Definition::new("date_sub_unit", 3..=3, Returns::By(shifted_type), |call| shifted(call, -1)),
    Definition::new("datediff", 2..=2, Returns::Int, |call| {
        let (left, right) = (call.moments(0)?, call.moments(1)?);
        call.give_ints(|row| Some(left.at(row)?.div_euclid(DAY) - right.at(row)?.div_euclid(DAY)))
    }),
    Definition::new("timestampdiff", 3..=3, Returns::Int, |call| difference(call, None, 1, 2)),
    Definition::new("years_diff", 2..=2, Returns::Int, |call| difference(call, Some("YEAR"), 1, 0)),
    Definition::new("months_diff", 2..=2, Returns::Int, |call| {
        difference(call, Some("MONTH"), 1, 0)
    }),
    Definition::new("weeks_diff", 2..=2, Returns::Int, |call| difference(call, Some("WEEK"), 1, 0)),
    Definition::new("days_diff", 2..=2, Returns::Int, |call| difference(call, Some("DAY"), 1, 0)),
    Definition::new("hours_diff", 2..=2, Returns::Int, |call| difference(call, Some("HOUR"), 1, 0)),
    Definition::new("minutes_diff", 2..=2, Returns::Int, |call| {
        difference(call, Some("MINUTE"), 1, 0)
    }),
    Definition::new("seconds_diff", 2..=2, Returns::Int, |call| {
        difference(call, Some("SECOND"), 1, 0)
    }),
    Definition::new("milliseconds_diff", 2..=2, Returns::Int, |call| {
        difference(call, Some("MILLISECOND"), 1, 0)
    }),
    Definition::new("years_add", 2..=2, Returns::By(at_least_seconds), |call| by(call, "YEAR", 1)),
    Definition::new("years_sub", 2..=2, Returns::By(at_least_seconds), |call| by(call, "YEAR", -1)),
    Definition::new("quarters_add", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "QUARTER", 1)
    }),
    Definition::new("quarters_sub", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "QUARTER", -1)
    }),
    Definition::new("months_add", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "MONTH", 1)
    })
    .or(&["add_months"]),
    Definition::new("months_sub", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "MONTH", -1)
    }),
    Definition::new("weeks_add", 2..=2, Returns::By(at_least_seconds), |call| by(call, "WEEK", 1)),
    Definition::new("weeks_sub", 2..=2, Returns::By(at_least_seconds), |call| by(call, "WEEK", -1)),
    Definition::new("days_add", 2..=2, Returns::By(at_least_seconds), |call| by(call, "DAY", 1)),
    Definition::new("days_sub", 2..=2, Returns::By(at_least_seconds), |call| by(call, "DAY", -1)),
    Definition::new("hours_add", 2..=2, Returns::By(at_least_seconds), |call| by(call, "HOUR", 1)),
    Definition::new("hours_sub", 2..=2, Returns::By(at_least_seconds), |call| by(call, "HOUR", -1)),
    Definition::new("minutes_add", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "MINUTE", 1)
    }),
    Definition::new("minutes_sub", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "MINUTE", -1)
    }),
    Definition::new("seconds_add", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "SECOND", 1)
    }),
    Definition::new("seconds_sub", 2..=2, Returns::By(at_least_seconds), |call| {
        by(call, "SECOND", -1)
    }),
    Definition::new("date_trunc", 2..=2, Returns::By(|p| truncated_type(p, 1)), |call| {
        truncated(call, 0, 1)
    }),
];

/// A date stays one where the unit is a day or more; a text stays a text.
fn shifted_type(planned: &Planned) -> Result<DataType> {
    let Some(unit) = planned.text(2) else {
        return plan_err!("the unit of an INTERVAL is a word: INTERVAL 1 DAY");
    };
    if amount("1", unit).is_none() {
        return plan_err!("INTERVAL … {unit} is not supported");
    }
    let fine = unit.contains("MICROSECOND");
    let has_clock = ["HOUR", "MINUTE", "SECOND"].iter().any(|u| unit.contains(u));
    Ok(match &planned.types[0] {
        DataType::Date32 if fine => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Date32 if has_clock => DataType::Timestamp(TimeUnit::Second, None),
        DataType::Date32 => DataType::Date32,
        DataType::Timestamp(..) if fine => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        t if is_text(t) || t.is_null() || t.is_numeric() => DataType::Utf8,
        other => return plan_err!("an INTERVAL is not added to {other}"),
    })
}

/// What is added: months, and microseconds.
#[derive(Clone, Copy)]
struct Amount {
    months: i64,
    micros: i64,
}

/// Reads an amount of a unit; `None` for a unit that there is not.
fn amount(text: &str, unit: &str) -> Option<Amount> {
    let only = |months: i64, micros: i64| Some(Amount { months, micros });
    let whole = || crate::convert::leading_number(text).round_ties_even() as i64;
    let times = |n: i64| whole().checked_mul(n);
    match unit.trim_end_matches('S') {
        "YEAR" => only(times(12)?, 0),
        "QUARTER" => only(times(3)?, 0),
        "MONTH" => only(whole(), 0),
        "WEEK" => only(0, times(7 * DAY)?),
        "DAY" => only(0, times(DAY)?),
        "HOUR" => only(0, times(3600 * SECOND)?),
        "MINUTE" => only(0, times(60 * SECOND)?),
        "SECOND" => {
            let seconds = crate::convert::leading_number(text);
            only(0, (seconds * 1e6).round() as i64)
        }
        "MILLISECOND" => only(0, times(1_000)?),
        "MICROSECOND" => only(0, whole()),
        compound => compounded(text, compound),
    }
}

/// `'1 12:30'` DAY_MINUTE: numbers for the units from the first to the last, the missing ones are the first.
fn compounded(text: &str, unit: &str) -> Option<Amount> {
    let (units, is_months): (&[i64], bool) = match unit {
        "YEAR_MONTH" => (&[12, 1], true),
        "DAY_HOUR" => (&[DAY, 3600 * SECOND], false),
        "DAY_MINUTE" => (&[DAY, 3600 * SECOND, 60 * SECOND], false),
        "DAY_SECOND" => (&[DAY, 3600 * SECOND, 60 * SECOND, SECOND], false),
        "DAY_MICROSECOND" => (&[DAY, 3600 * SECOND, 60 * SECOND, SECOND, 1], false),
        "HOUR_MINUTE" => (&[3600 * SECOND, 60 * SECOND], false),
        "HOUR_SECOND" => (&[3600 * SECOND, 60 * SECOND, SECOND], false),
        "HOUR_MICROSECOND" => (&[3600 * SECOND, 60 * SECOND, SECOND, 1], false),
        "MINUTE_SECOND" => (&[60 * SECOND, SECOND], false),
        "MINUTE_MICROSECOND" => (&[60 * SECOND, SECOND, 1], false),
        "SECOND_MICROSECOND" => (&[SECOND, 1], false),
        _ => return None,
    };
    let text = text.trim();
    let negative = text.starts_with('-');
    let parts = text.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty());
    let parts: Vec<&str> = parts.collect();
    let skipped = units.len().saturating_sub(parts.len());
    let mut sum = 0i64;
    for (part, unit) in parts.iter().zip(&units[skipped..]) {
        let mut value: i64 = part.parse().ok()?;
        if *unit == 1 && !is_months && part.len() < 6 {
            // a fraction: .5 is half a second
            value *= 10i64.pow(6 - part.len() as u32);
        }
        sum = sum.checked_add(value.checked_mul(*unit)?)?;
    }
    let sum = if negative { -sum } else { sum };
    Some(if is_months {
        Amount { months: sum, micros: 0 }
    } else {
        Amount { months: 0, micros: sum }
    })
}

impl Amount {
    /// The moment later by it; the 31st becomes the last day of a shorter month.
    fn after(self, micros: i64) -> Option<i64> {
        let mut micros = micros;
        if self.months != 0 {
            let parts = Parts::of(micros);
            let months = (parts.year * 12 + parts.month - 1).checked_add(self.months)?;
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            if !(0..=9999).contains(&year) {
                return None;
            }
            let day = parts.day.min(days_in_month(year, month));
            micros = days(year, month, day) * DAY + micros.rem_euclid(DAY);
        }
        micros.checked_add(self.micros)
    }

    fn signed(self, sign: i64) -> Self {
        Self { months: self.months.saturating_mul(sign), micros: self.micros.saturating_mul(sign) }
    }
}

fn shifted(call: &Call, sign: i64) -> Result<ArrayRef> {
    let (moments, amounts, units) = (call.moments(0)?, call.text(1)?, call.text(2)?);
    let later = |row: usize| {
        let amount = amount(amounts.at(row)?, units.at(row)?)?;
        amount.signed(sign).after(moments.at(row)?)
    };
    if call.returns != DataType::Utf8 {
        return call.give_moments(later);
    }
    // a text keeps its shape: with a time if it had one or the unit has
    let texts = call.text(0)?;
    call.give_texts(|row| {
        let unit = units.at(row)?;
        let micros = later(row).filter(|m| crate::convert::is_in_range(*m))?;
        let has_clock = ["HOUR", "MINUTE", "SECOND"].iter().any(|u| unit.contains(u));
        let had_time = read(texts.at(row)?).is_some_and(|read| read.has_time);
        let digits = if micros.rem_euclid(SECOND) == 0 { 0 } else { 6 };
        Some(match has_clock || had_time {
            true => crate::calendar::moment_text(micros, digits),
            false => crate::calendar::date_text(micros.div_euclid(DAY)),
        })
    })
}

/// StarRocks' `days_add` and its like give a DATETIME, of the argument's digits.
fn at_least_seconds(planned: &Planned) -> Result<DataType> {
    Ok(match &planned.types[0] {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        _ => DataType::Timestamp(TimeUnit::Second, None),
    })
}

fn by(call: &Call, unit: &str, sign: i64) -> Result<ArrayRef> {
    let (moments, amounts) = (call.moments(0)?, call.text(1)?);
    call.give_moments(|row| amount(amounts.at(row)?, unit)?.signed(sign).after(moments.at(row)?))
}

/// Whole units from one moment to another.
fn difference(call: &Call, unit: Option<&str>, from: usize, to: usize) -> Result<ArrayRef> {
    let units = if unit.is_none() { Some(call.text(0)?) } else { None };
    let (from, to) = (call.moments(from)?, call.moments(to)?);
    if let Some(unknown) =
        units.iter().flat_map(|u| u.iter().flatten()).find(|u| units_between(u, 0, 0).is_none())
    {
        return exec_err!("TIMESTAMPDIFF in {unknown} is not supported");
    }
    call.give_ints(|row| {
        let unit = match &units {
            Some(units) => units.at(row)?,
            None => unit?,
        };
        units_between(unit, from.at(row)?, to.at(row)?)
    })
}

fn units_between(unit: &str, from: i64, to: i64) -> Option<i64> {
    let size = |size: i64| Some((to - from) / size);
    match unit.to_uppercase().trim_end_matches('S') {
        "YEAR" => Some(months_between(from, to) / 12),
        "QUARTER" => Some(months_between(from, to) / 3),
        "MONTH" => Some(months_between(from, to)),
        "WEEK" => size(7 * DAY),
        "DAY" => size(DAY),
        "HOUR" => size(3600 * SECOND),
        "MINUTE" => size(60 * SECOND),
        "SECOND" => size(SECOND),
        "MILLISECOND" => size(1_000),
        "MICROSECOND" => Some(to - from),
        _ => None,
    }
}

fn months_between(from: i64, to: i64) -> i64 {
    if to < from {
        return -months_between(to, from);
    }
    let (a, b) = (Parts::of(from), Parts::of(to));
    let months = (b.year - a.year) * 12 + b.month - a.month;
    let rest = |p: &Parts, micros: i64| (p.day, micros.rem_euclid(DAY));
    months - i64::from(rest(&b, to) < rest(&a, from))
}

/// The type of a moment cut to a unit.
fn truncated_type(planned: &Planned, moment: usize) -> Result<DataType> {
    Ok(match &planned.types[moment] {
        DataType::Date32 => DataType::Date32,
        _ => DataType::Timestamp(TimeUnit::Second, None),
    })
}

fn truncated(call: &Call, unit: usize, moment: usize) -> Result<ArrayRef> {
    let (units, moments) = (call.text(unit)?, call.moments(moment)?);
    if let Some(unknown) = units.iter().flatten().find(|u| start_of(u, 0).is_none()) {
        return exec_err!("date_trunc to '{unknown}' is not supported");
    }
    call.give_moments(|row| start_of(units.at(row)?, moments.at(row)?))
}

fn start_of(unit: &str, micros: i64) -> Option<i64> {
    let parts = Parts::of(micros);
    let day = |year: i64, month: i64, day: i64| Some(days(year, month, day) * DAY);
    let cut = |size: i64| Some(micros.div_euclid(size) * size);
    match unit.to_lowercase().as_str() {
        "year" => day(parts.year, 1, 1),
        "quarter" => day(parts.year, (parts.month - 1) / 3 * 3 + 1, 1),
        "month" => day(parts.year, parts.month, 1),
        "week" => Some(micros.div_euclid(DAY) * DAY - super::weekday(&parts) * DAY),
        "day" => cut(DAY),
        "hour" => cut(3600 * SECOND),
        "minute" => cut(60 * SECOND),
        "second" => cut(SECOND),
        _ => None,
    }
}
