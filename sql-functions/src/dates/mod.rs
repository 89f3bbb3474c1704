//! Dates and times.
//!
//! * this file: parts of a moment, calendars
//! * [`shift`]: intervals added, differences
//! * [`format`]: moments as text and read from text
//! * [`clock`]: TIME, seconds since 1970, zones
//!
//! A date that is no date gives NULL. Source: MySQL 8.0 Reference Manual, 14.7 "Date and Time Functions"; StarRocks' date functions.

pub(crate) mod clock;
pub(crate) mod format;
pub(crate) mod shift;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;

use crate::calendar::{DAY, Parts, days, days_in_month};
use crate::casts::times;
use crate::convert::is_text;
use crate::function::{At, Call, Definition, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("year", 1..=1, Returns::Int, |call| part(call, |p| p.year)),
    Definition::new("quarter", 1..=1, Returns::Int, |call| part(call, |p| (p.month + 2) / 3)),
    Definition::new("month", 1..=1, Returns::Int, |call| part(call, |p| p.month)),
    Definition::new("dayofmonth", 1..=1, Returns::Int, |call| part(call, |p| p.day)).or(&["day"]),
    Definition::new("dayofyear", 1..=1, Returns::Int, |call| part(call, |p| day_of_year(&p))),
    Definition::new("dayofweek", 1..=1, Returns::Int, |call| {
        part(call, |p| (weekday(&p) + 1) % 7 + 1)
    }),
    Definition::new("dayofweek_iso", 1..=1, Returns::Int, |call| part(call, |p| weekday(&p) + 1)),
    Definition::new("weekday", 1..=1, Returns::Int, |call| part(call, |p| weekday(&p))),
    Definition::new("hour", 1..=1, Returns::Int, |call| {
        clock_part(call, |t| t.abs() / 3_600_000_000)
    }),
    Definition::new("minute", 1..=1, Returns::Int, |call| {
        clock_part(call, |t| t.abs() / 60_000_000 % 60)
    }),
    Definition::new("second", 1..=1, Returns::Int, |call| {
        clock_part(call, |t| t.abs() / 1_000_000 % 60)
    }),
    Definition::new("microsecond", 1..=1, Returns::Int, |call| {
        clock_part(call, |t| t.abs() % 1_000_000)
    }),
    Definition::new("week", 1..=2, Returns::Int, week),
    Definition::new("weekofyear", 1..=1, Returns::Int, |call| part(call, |p| week_of(&p, 3).1))
        .or(&["week_iso"]),
    Definition::new("yearweek", 1..=2, Returns::Int, yearweek),
    Definition::new("dayname", 1..=1, Returns::Text, |call| {
        name(call, |p| DAYS[weekday(&p) as usize])
    }),
    Definition::new("monthname", 1..=1, Returns::Text, |call| {
        name(call, |p| MONTHS[p.month as usize - 1])
    }),
    Definition::new("last_day", 1..=1, Returns::Date, last_day),
    Definition::new("to_days", 1..=1, Returns::Int, |call| {
        part(call, |p| days(p.year, p.month, p.day) + DAYS_TO_1970)
    }),
    Definition::new("to_seconds", 1..=1, Returns::Int, |call| {
        let values = call.moments(0)?;
        call.give_ints(|row| Some(values.at(row)?.div_euclid(1_000_000) + DAYS_TO_1970 * 86_400))
    }),
    Definition::new("from_days", 1..=1, Returns::Date, |call| {
        let values = call.ints(0)?;
        // before the year 1 MySQL gives a date of zeros, which there is none of here
        let days = |row: usize| values.at(row).filter(|day| (366..3_652_500).contains(day));
        call.give_moments(|row| (days(row)? - DAYS_TO_1970).checked_mul(DAY))
    }),
    Definition::new("makedate", 2..=2, Returns::Date, |call| {
        let (years, numbers) = (call.ints(0)?, call.ints(1)?);
        call.give_moments(|row| {
            let year = years.at(row).filter(|y| (0..=9999).contains(y))?;
            let year = crate::calendar::whole_year(year, if year < 100 { 2 } else { 4 });
            let number = numbers.at(row).filter(|n| (1..=3_700_000).contains(n))?;
            (days(year, 1, 1) + number - 1).checked_mul(DAY)
        })
    }),
    Definition::new("period_add", 2..=2, Returns::Int, |call| {
        let (periods, months) = (call.ints(0)?, call.ints(1)?);
        check_periods(&periods)?;
        call.give_ints(|row| {
            let months = months_of(periods.at(row)?)?.checked_add(months.at(row)?)?;
            Some(months.div_euclid(12) * 100 + months.rem_euclid(12) + 1)
        })
    }),
    Definition::new("period_diff", 2..=2, Returns::Int, |call| {
        let (left, right) = (call.ints(0)?, call.ints(1)?);
        check_periods(&left)?;
        check_periods(&right)?;
        call.give_ints(|row| Some(months_of(left.at(row)?)? - months_of(right.at(row)?)?))
    }),
    Definition::new("extract_unit", 2..=2, Returns::Int, extract),
];

const DAYS_TO_1970: i64 = 719_528;

pub(crate) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn part(call: &Call, f: fn(Parts) -> i64) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    call.give_ints(|row| Some(f(Parts::of(values.at(row)?))))
}

fn clock_part(call: &Call, f: fn(i64) -> i64) -> Result<ArrayRef> {
    let values = times(call, 0)?;
    call.give_ints(|row| Some(f(values[row]?)))
}

fn name(call: &Call, f: fn(Parts) -> &'static str) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    call.give_texts(|row| Some(f(Parts::of(values.at(row)?)).into()))
}

/// 0 is Monday.
pub(crate) fn weekday(parts: &Parts) -> i64 {
    (days(parts.year, parts.month, parts.day) + 3).rem_euclid(7)
}

pub(crate) fn day_of_year(parts: &Parts) -> i64 {
    days(parts.year, parts.month, parts.day) - days(parts.year, 1, 1) + 1
}

/// Year and week of a mode of `WEEK()`: 1: weeks begin on Monday; 2: weeks 1 to 53, those before belong to the last year;
/// 4: week 1 is the first that begins in the year (the other way round where they begin on Monday).
pub(crate) fn week_of(parts: &Parts, mode: i64) -> (i64, i64) {
    let monday = mode & 1 != 0;
    let mut is_year = mode & 2 != 0;
    // the mode's bit, turned over where weeks begin on Sunday
    let first_weekday = (mode & 4 != 0) == monday;
    let day = days(parts.year, parts.month, parts.day);
    let mut first = days(parts.year, 1, 1);
    let weekday_of =
        |day: i64| if monday { (day + 3).rem_euclid(7) } else { (day + 4).rem_euclid(7) };
    let mut weekday = weekday_of(first);
    let mut year = parts.year;
    if parts.month == 1 && parts.day <= 7 - weekday {
        let is_zero = (first_weekday && weekday != 0) || (!first_weekday && weekday >= 4);
        if !is_year && is_zero {
            return (year, 0);
        }
        if is_zero {
            is_year = true;
            year -= 1;
            let length = first - days(year, 1, 1);
            first -= length;
            weekday = (weekday + 53 * 7 - length).rem_euclid(7);
        }
    }
    let begins_later = (first_weekday && weekday != 0) || (!first_weekday && weekday >= 4);
    let since = if begins_later { day - (first + (7 - weekday)) } else { day - (first - weekday) };
    if is_year && since >= 52 * 7 {
        let length = days(year + 1, 1, 1) - days(year, 1, 1);
        let weekday = (weekday + length).rem_euclid(7);
        if (!first_weekday && weekday < 4) || (first_weekday && weekday == 0) {
            return (year + 1, 1);
        }
    }
    (year, since / 7 + 1)
}

fn week(call: &Call) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    let modes = if call.len() > 1 { call.ints(1)? } else { vec![0; call.rows].into() };
    call.give_ints(|row| Some(week_of(&Parts::of(values.at(row)?), modes.at(row)?).1))
}

fn yearweek(call: &Call) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    let modes = if call.len() > 1 { call.ints(1)? } else { vec![0; call.rows].into() };
    call.give_ints(|row| {
        let (year, week) = week_of(&Parts::of(values.at(row)?), modes.at(row)? | 2);
        Some(year * 100 + week)
    })
}

fn last_day(call: &Call) -> Result<ArrayRef> {
    let values = call.moments(0)?;
    call.give_moments(|row| {
        let parts = Parts::of(values.at(row)?);
        Some(days(parts.year, parts.month, days_in_month(parts.year, parts.month)) * DAY)
    })
}

/// Months since year 0 of `YYYYMM` or `YYMM`.
fn months_of(period: i64) -> Option<i64> {
    let (year, month) = (period / 100, period % 100);
    let year = if year < 100 { crate::calendar::whole_year(year, 2) } else { year };
    (period > 0 && (1..=12).contains(&month)).then(|| year * 12 + month - 1)
}

fn check_periods(periods: &arrow::array::Int64Array) -> Result<()> {
    match periods.iter().flatten().find(|p| months_of(*p).is_none()) {
        Some(wrong) => exec_err!("Incorrect period: {wrong}"),
        None => Ok(()),
    }
}

/// `EXTRACT(unit FROM moment)`; of two units their digits one after the other.
fn extract(call: &Call) -> Result<ArrayRef> {
    let units = call.text(0)?;
    let array = call.array(1)?;
    let has_date = |unit: &str| {
        ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFWEEK", "DOW", "DAYOFYEAR", "DOY"]
            .iter()
            .any(|u| unit.starts_with(u))
    };
    let with_date = units.iter().flatten().any(has_date);
    let is_clock = matches!(array.data_type(), DataType::Time32(_) | DataType::Time64(_))
        || (is_text(array.data_type()) && !with_date);
    let moments: Vec<Option<i64>> =
        if is_clock { times(call, 1)? } else { call.moments(1)?.iter().collect() };
    if let Some(unknown) =
        units.iter().flatten().find(|u| extract_of(u, &Parts::of(0), 0).is_none())
    {
        return exec_err!("EXTRACT({unknown} FROM …) is not supported");
    }
    call.give_ints(|row| {
        let moment = moments[row]?;
        let clock = if is_clock { moment } else { moment.rem_euclid(DAY) };
        extract_of(units.at(row)?, &Parts::of(if is_clock { 0 } else { moment }), clock)
    })
}

fn extract_of(unit: &str, p: &Parts, clock: i64) -> Option<i64> {
    let (sign, size) = (clock.signum(), clock.abs());
    let (hour, minute, second, micro) =
        (size / 3_600_000_000, size / 60_000_000 % 60, size / 1_000_000 % 60, size % 1_000_000);
    let date = match unit {
        "YEAR" | "YEARS" => p.year,
        "QUARTER" => (p.month + 2) / 3,
        "YEAR_MONTH" => p.year * 100 + p.month,
        "MONTH" | "MONTHS" => p.month,
        "WEEK" | "WEEKS" => week_of(p, 0).1,
        "DAY" | "DAYS" => p.day,
        "DAYOFWEEK" | "DOW" => (weekday(p) + 1) % 7 + 1,
        "DAYOFYEAR" | "DOY" => day_of_year(p),
        "DAY_HOUR" => p.day * 100 + hour,
        "DAY_MINUTE" => p.day * 10_000 + hour * 100 + minute,
        "DAY_SECOND" => p.day * 1_000_000 + hour * 10_000 + minute * 100 + second,
        "DAY_MICROSECOND" => {
            (p.day * 1_000_000 + hour * 10_000 + minute * 100 + second) * 1_000_000 + micro
        }
        _ => {
            let size = match unit {
                "HOUR" | "HOURS" => hour,
                "MINUTE" | "MINUTES" => minute,
                "SECOND" | "SECONDS" => second,
                "MICROSECOND" | "MICROSECONDS" => micro,
                "HOUR_MINUTE" => hour * 100 + minute,
                "HOUR_SECOND" => hour * 10_000 + minute * 100 + second,
                "HOUR_MICROSECOND" => (hour * 10_000 + minute * 100 + second) * 1_000_000 + micro,
                "MINUTE_SECOND" => minute * 100 + second,
                "MINUTE_MICROSECOND" => (minute * 100 + second) * 1_000_000 + micro,
                "SECOND_MICROSECOND" => second * 1_000_000 + micro,
                _ => return None,
            };
            return Some(if sign < 0 { -size } else { size });
        }
    };
    Some(date)
}
