//! `DATE_FORMAT` and `STR_TO_DATE`: the same codes, written and read.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;

use super::{DAYS, MONTHS, day_of_year, week_of, weekday};
use crate::calendar::{Parts, SECOND, days, time_text, whole_year};
use crate::casts::times;
use crate::function::{At, Call, Definition, Planned, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("date_format", 2..=2, Returns::Text, |call| {
        let (moments, formats) = (call.moments(0)?, call.text(1)?);
        call.give_texts(|row| Some(written(moments.at(row)?, formats.at(row)?)))
    }),
    Definition::new("time_format", 2..=2, Returns::Text, |call| {
        let (times, formats) = (times(call, 0)?, call.text(1)?);
        call.give_texts(|row| Some(time_written(times[row]?, formats.at(row)?)))
    }),
    Definition::new("str_to_date", 2..=2, Returns::By(read_type), str_to_date),
    Definition::new("str2date", 2..=2, Returns::Date, str_to_date),
    Definition::new("get_format", 2..=2, Returns::Text, |call| {
        let (kinds, regions) = (call.text(0)?, call.text(1)?);
        call.give_texts(|row| {
            let region = regions.at(row)?.to_uppercase();
            Some(
                match (kinds.at(row)?.to_uppercase().as_str(), region.as_str()) {
                    ("DATE", "USA") => "%m.%d.%Y",
                    ("DATE", "JIS" | "ISO") => "%Y-%m-%d",
                    ("DATE", "EUR") => "%d.%m.%Y",
                    ("DATE", "INTERNAL") => "%Y%m%d",
                    ("DATETIME" | "TIMESTAMP", "USA" | "EUR") => "%Y-%m-%d %H.%i.%s",
                    ("DATETIME" | "TIMESTAMP", "JIS" | "ISO") => "%Y-%m-%d %H:%i:%s",
                    ("DATETIME" | "TIMESTAMP", "INTERNAL") => "%Y%m%d%H%i%s",
                    ("TIME", "USA") => "%h:%i:%s %p",
                    ("TIME", "JIS" | "ISO") => "%H:%i:%s",
                    ("TIME", "EUR") => "%H.%i.%s",
                    ("TIME", "INTERNAL") => "%H%i%s",
                    _ => return None,
                }
                .to_string(),
            )
        })
    }),
];

/// A moment under a format.
pub(crate) fn written(micros: i64, format: &str) -> String {
    let p = Parts::of(micros);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('a') => out.push_str(&DAYS[weekday(&p) as usize][..3]),
            Some('b') => out.push_str(&MONTHS[p.month as usize - 1][..3]),
            Some('c') => out.push_str(&p.month.to_string()),
            Some('D') => out.push_str(&format!("{}{}", p.day, ordinal(p.day))),
            Some('d') => out.push_str(&format!("{:02}", p.day)),
            Some('e') => out.push_str(&p.day.to_string()),
            Some('j') => out.push_str(&format!("{:03}", day_of_year(&p))),
            Some('M') => out.push_str(MONTHS[p.month as usize - 1]),
            Some('m') => out.push_str(&format!("{:02}", p.month)),
            Some('U') => out.push_str(&format!("{:02}", week_of(&p, 0).1)),
            Some('u') => out.push_str(&format!("{:02}", week_of(&p, 1).1)),
            Some('V') => out.push_str(&format!("{:02}", week_of(&p, 2).1)),
            Some('v') => out.push_str(&format!("{:02}", week_of(&p, 3).1)),
            Some('W') => out.push_str(DAYS[weekday(&p) as usize]),
            Some('w') => out.push_str(&((weekday(&p) + 1) % 7).to_string()),
            Some('X') => out.push_str(&format!("{:04}", week_of(&p, 2).0)),
            Some('x') => out.push_str(&format!("{:04}", week_of(&p, 3).0)),
            Some('Y') => out.push_str(&format!("{:04}", p.year)),
            Some('y') => out.push_str(&format!("{:02}", p.year % 100)),
            Some(code) => clock_code(&mut out, code, (p.hour, p.minute, p.second, p.micro)),
            None => out.push('%'),
        }
    }
    out
}

fn ordinal(day: i64) -> &'static str {
    match (day / 10, day % 10) {
        (1, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}

fn clock_code(out: &mut String, code: char, (hour, minute, second, micro): (i64, i64, i64, i64)) {
    let twelve = (hour + 11) % 12 + 1;
    let half = if hour % 24 < 12 { "AM" } else { "PM" };
    let text = match code {
        'f' => format!("{micro:06}"),
        'H' => format!("{hour:02}"),
        'h' | 'I' => format!("{twelve:02}"),
        'i' => format!("{minute:02}"),
        'k' => hour.to_string(),
        'l' => twelve.to_string(),
        'p' => half.to_string(),
        'r' => format!("{twelve:02}:{minute:02}:{second:02} {half}"),
        'S' | 's' => format!("{second:02}"),
        'T' => format!("{hour:02}:{minute:02}:{second:02}"),
        // what is no code stands for itself
        other => other.to_string(),
    };
    out.push_str(&text);
}

fn time_written(micros: i64, format: &str) -> String {
    let clock = time_text(micros.abs(), 0);
    let hour: i64 = clock.split(':').next().and_then(|h| h.parse().ok()).unwrap_or(0);
    let seconds = micros.abs() / 1_000_000;
    let parts = (hour, seconds / 60 % 60, seconds % 60, micros.abs() % 1_000_000);
    let mut out = String::from(if micros < 0 { "-" } else { "" });
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => match chars.next() {
                // codes of dates are zeros here
                Some('Y') => out.push_str("0000"),
                Some('y' | 'm' | 'd') => out.push_str("00"),
                Some('c' | 'e') => out.push('0'),
                Some(code) => clock_code(&mut out, code, parts),
                None => out.push('%'),
            },
            _ => out.push(c),
        }
    }
    out
}

/// A format with a clock in it reads DATETIMEs, another one DATEs; with a clock alone, a TIME, which is a text here.
fn read_type(planned: &Planned) -> Result<DataType> {
    let has = |codes: &str, format: &str| {
        format.split('%').skip(1).any(|rest| rest.chars().next().is_some_and(|c| codes.contains(c)))
    };
    Ok(match planned.text(1) {
        Some(format) if has("fHhIiklprSsT", format) && !has("YyXxmcMbdeDjVvUuWwa", format) => {
            DataType::Utf8
        }
        Some(format) if has("f", format) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Some(format) if !has("HhIiklprSsT", format) => DataType::Date32,
        _ => DataType::Timestamp(TimeUnit::Second, None),
    })
}

fn str_to_date(call: &Call) -> Result<ArrayRef> {
    let (texts, formats) = (call.text(0)?, call.text(1)?);
    if call.returns == DataType::Utf8 {
        return call.give_texts(|row| {
            let time = Reading::of(texts.at(row)?, formats.at(row)?)?.time()?;
            Some(time_text(time, if time % SECOND == 0 { 0 } else { 6 }))
        });
    }
    call.give_moments(|row| parsed(texts.at(row)?, formats.at(row)?))
}

/// What has been read of a text so far.
#[derive(Default)]
struct Reading {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    of_year: Option<i64>,
    week: Option<i64>,
    weekday: Option<i64>,
    hour: i64,
    half: Option<bool>,
    minute: i64,
    second: i64,
    micro: i64,
}

/// Reads a text under a format.
pub(super) fn parsed(text: &str, format: &str) -> Option<i64> {
    Reading::of(text, format)?.micros()
}

fn digits(rest: &mut &str, max: usize) -> Option<i64> {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count().min(max);
    let value = rest[..count].parse().ok()?;
    *rest = &rest[count..];
    Some(value)
}

/// The place in a list of names whose text begins with one, or with the first three letters of one.
fn named(rest: &mut &str, names: &[&str], short: bool) -> Option<i64> {
    for (i, name) in names.iter().enumerate() {
        let name = if short { &name[..3] } else { name };
        if rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return Some(i as i64);
        }
    }
    None
}

impl Reading {
    fn of(text: &str, format: &str) -> Option<Self> {
        let mut reading = Self::default();
        reading.read(&mut text.trim_start(), format)?;
        Some(reading)
    }

    fn read(&mut self, rest: &mut &str, format: &str) -> Option<()> {
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c.is_whitespace() {
                *rest = rest.trim_start();
                continue;
            }
            if c != '%' {
                *rest = rest.trim_start().strip_prefix(c)?;
                continue;
            }
            *rest = rest.trim_start();
            self.code(rest, chars.next()?)?;
        }
        Some(())
    }

    fn code(&mut self, rest: &mut &str, code: char) -> Option<()> {
        match code {
            'Y' => {
                let before = rest.len();
                let year = digits(rest, 4)?;
                self.year = Some(whole_year(year, before - rest.len()));
            }
            'X' | 'x' => self.year = Some(digits(rest, 4)?),
            'y' => self.year = Some(whole_year(digits(rest, 2)?, 2)),
            'm' | 'c' => self.month = Some(digits(rest, 2)?),
            'M' => self.month = Some(named(rest, &MONTHS, false)? + 1),
            'b' => self.month = Some(named(rest, &MONTHS, true)? + 1),
            'd' | 'e' => self.day = Some(digits(rest, 2)?),
            'D' => {
                self.day = Some(digits(rest, 2)?);
                *rest = rest.get(2..)?;
            }
            'j' => self.of_year = Some(digits(rest, 3)?),
            'V' | 'v' => self.week = Some(digits(rest, 2)?),
            'W' => self.weekday = Some(named(rest, &DAYS, false)?),
            'a' => self.weekday = Some(named(rest, &DAYS, true)?),
            'w' => self.weekday = Some((digits(rest, 1)? + 6) % 7),
            'H' | 'k' => self.hour = digits(rest, 2)?,
            'h' | 'I' | 'l' => {
                self.hour = digits(rest, 2).filter(|h| (1..=12).contains(h))?;
                self.half.get_or_insert(false);
            }
            'i' => self.minute = digits(rest, 2)?,
            'S' | 's' => self.second = digits(rest, 2)?,
            'f' => {
                let before = rest.len();
                let value = digits(rest, 6)?;
                self.micro = value * 10i64.pow(6 - (before - rest.len()) as u32);
            }
            'p' => self.half = Some(named(rest, &["AM", "PM"], false)? == 1),
            'T' => self.read(rest, "%H:%i:%s")?,
            'r' => self.read(rest, "%h:%i:%s %p")?,
            '%' => *rest = rest.strip_prefix('%')?,
            '.' => *rest = rest.trim_start_matches(|c: char| c.is_ascii_punctuation()),
            '@' => *rest = rest.trim_start_matches(|c: char| c.is_alphabetic()),
            '#' => *rest = rest.trim_start_matches(|c: char| c.is_ascii_digit()),
            _ => return None,
        }
        Some(())
    }

    /// Microseconds since midnight.
    fn time(&self) -> Option<i64> {
        let hour = match self.half {
            None => self.hour,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        let Self { minute, second, micro, .. } = *self;
        Parts { year: 1970, month: 1, day: 1, hour, minute, second, micro }.micros()
    }

    fn micros(&self) -> Option<i64> {
        let (year, in_day) = (self.year?, self.time()?);
        let day = match (self.of_year, self.week, self.weekday) {
            (Some(number), ..) if (1..=366).contains(&number) => days(year, 1, 1) + number - 1,
            (Some(_), ..) => return None,
            (None, Some(week), Some(weekday)) => {
                // weeks begin on Monday, week 1 has four days of the year
                let first = days(year, 1, 1);
                let monday = first - (first + 3).rem_euclid(7);
                let start = if (first + 3).rem_euclid(7) < 4 { monday } else { monday + 7 };
                start + (week - 1) * 7 + weekday
            }
            _ => {
                let (month, day) = (self.month?, self.day?);
                Parts { year, month, day, ..Parts::of(0) }.micros()?;
                days(year, month, day)
            }
        };
        Some(day * crate::calendar::DAY + in_day)
    }
}
