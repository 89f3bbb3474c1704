//! Dates and times of MySQL as numbers, and how they are read from text.
//!
//! Source: MySQL 8.0 Reference Manual, 11.1.3 "Date and Time Literals".

/// Microseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// A moment in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) micro: i64,
}

/// Days since 1970 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day since 1970.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

impl Parts {
    pub(crate) fn of(micros: i64) -> Self {
        let (year, month, day) = civil(micros.div_euclid(DAY));
        let in_day = micros.rem_euclid(DAY);
        let seconds = in_day / SECOND;
        Self {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micro: in_day % SECOND,
        }
    }

    /// Microseconds since 1970, if there is such a moment in years 0 to 9999.
    pub(crate) fn micros(&self) -> Option<i64> {
        let valid = (0..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        let in_day = (self.hour * 60 + self.minute) * 60 + self.second;
        valid.then(|| days(self.year, self.month, self.day) * DAY + in_day * SECOND + self.micro)
    }
}

/// Two digits of a year: 70 to 99 are of the last century.
pub(crate) fn whole_year(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (3.., _) => year,
        (_, 70..) => 1900 + year,
        _ => 2000 + year,
    }
}

/// A moment read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) micros: i64,
    /// Whether the text says a time of the day.
    pub(crate) has_time: bool,
    /// Digits of the fraction of a second.
    pub(crate) digits: u8,
}

/// Reads `2026-01-31`, `2026-01-31 12:30:00.5`, `20260131`, `20260131123000` and their like. As in MySQL, any punctuation may be between
/// the parts, and what follows them is not looked at.
pub(crate) fn read(text: &str) -> Option<Read> {
    let text = text.trim_start();
    let leading = text.bytes().take_while(u8::is_ascii_digit).count();
    if leading >= 6 && (leading != text.len() || leading != 7) {
        return read_compact(text, leading);
    }
    let mut rest = text;
    let mut parts = [0i64; 6];
    let mut found = 0;
    let mut year_digits = 0;
    for (i, part) in parts.iter_mut().enumerate() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = digits.min(if i == 0 { 4 } else { 2 });
        if digits == 0 {
            break;
        }
        if i == 0 {
            year_digits = digits;
        }
        *part = rest[..digits].parse().ok()?;
        found = i + 1;
        rest = &rest[digits..];
        if i == 5 {
            break;
        }
        let between = rest.chars().next();
        let separates = between.is_some_and(|c| {
            c.is_ascii_punctuation() || (i == 2 && (c == 'T' || c.is_ascii_whitespace()))
        });
        if !separates {
            break;
        }
        rest = if i == 2 { rest[1..].trim_start() } else { &rest[1..] };
    }
    if found < 3 {
        return None;
    }
    let (micro, digits) = if found == 6 { fraction(rest) } else { (0, 0) };
    finish(parts, year_digits, found > 3, micro, digits)
}

fn read_compact(text: &str, leading: usize) -> Option<Read> {
    let year_digits = if leading == 8 || leading >= 14 { 4 } else { 2 };
    let mut parts = [0i64; 6];
    let mut at = 0;
    let mut found = 0;
    for (i, part) in parts.iter_mut().enumerate() {
        let width = if i == 0 { year_digits } else { 2 };
        if at + width > leading {
            break;
        }
        *part = text[at..at + width].parse().ok()?;
        at += width;
        found = i + 1;
    }
    let (micro, digits) = if found == 6 { fraction(&text[at..]) } else { (0, 0) };
    finish(parts, year_digits, found > 3, micro, digits)
}

fn finish(
    [year, month, day, hour, minute, second]: [i64; 6],
    year_digits: usize,
    has_time: bool,
    micro: i64,
    digits: u8,
) -> Option<Read> {
    let year = whole_year(year, year_digits);
    let parts = Parts { year, month, day, hour, minute, second, micro: 0 };
    Some(Read { micros: parts.micros()? + micro, has_time, digits })
}

/// Microseconds and digits of `.5…` at the start of a text; more than six digits are rounded.
pub(crate) fn fraction(text: &str) -> (i64, u8) {
    let Some(digits) = text.strip_prefix('.') else {
        return (0, 0);
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let kept = count.min(6);
    let value: i64 = digits[..kept].parse().unwrap_or(0);
    let round = i64::from(count > 6 && digits.as_bytes()[6] >= b'5');
    (value * 10i64.pow(6 - kept as u32) + round, kept as u8)
}

/// Reads a TIME: `[-][D ]HH:MM[:SS[.f]]`, `HHMMSS`, or the time of a moment. Beyond 838:59:59 it is cut to that.
pub(crate) fn read_time(text: &str) -> Option<(i64, u8)> {
    const MAX: i64 = (838 * 3600 + 59 * 60 + 59) * SECOND;
    let text = text.trim();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.contains('-')
        || (rest.len() >= 12 && rest.bytes().take_while(u8::is_ascii_digit).count() >= 12)
    {
        let moment = read(text)?;
        return Some((moment.micros.rem_euclid(DAY), moment.digits));
    }
    let (days, clock) = match rest.split_once(' ') {
        // more days than a TIME has, but not so many that they cannot be reckoned with
        Some((days, clock)) => (days.parse::<i64>().ok()?.clamp(0, 99), clock),
        None => (0, rest),
    };
    let (whole, point) = clock.split_at(clock.find('.').unwrap_or(clock.len()));
    let (micro, digits) = fraction(point);
    let numbers: Option<Vec<i64>> = whole
        .split(':')
        .map(|part| {
            (!part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())
                .flatten()
        })
        .collect();
    let (hours, minutes, seconds) = match numbers?[..] {
        [compact] if days == 0 => (compact / 10_000, compact / 100 % 100, compact % 100),
        [hours] => (hours, 0, 0),
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let size = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * SECOND + micro;
    let size = size.min(MAX);
    Some((if negative { -size } else { size }, digits))
}

/// `HH:MM:SS[.ffffff]`, with a sign; hours may have more than two digits.
pub(crate) fn time_text(micros: i64, digits: u8) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let size = micros.unsigned_abs();
    let seconds = size / 1_000_000;
    let clock = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match digits {
        0 => clock,
        _ => {
            let cut = 10u64.pow(6 - u32::from(digits.min(6)));
            format!("{clock}.{:0width$}", size % 1_000_000 / cut, width = usize::from(digits))
        }
    }
}

pub(crate) fn date_text(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

pub(crate) fn moment_text(micros: i64, digits: u8) -> String {
    format!("{} {}", date_text(micros.div_euclid(DAY)), time_text(micros.rem_euclid(DAY), digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_back() {
        for day in [-719_528, -1, 0, 59, 60, 11_016, 20_512, 2_932_896] {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
    }

    #[test]
    fn texts_are_read() {
        let text = |t: &str| read(t).map(|r| moment_text(r.micros, 6));
        let same = ["2026-01-31 12:30:05.250000", "2026-1-31T12:30:5.25", "20260131123005.25"];
        for t in same {
            assert_eq!(text(t).as_deref(), Some("2026-01-31 12:30:05.250000"), "{t}");
        }
        assert_eq!(text("260131").as_deref(), Some("2026-01-31 00:00:00.000000"));
        assert_eq!(text("70-1-1").as_deref(), Some("1970-01-01 00:00:00.000000"));
        for wrong in
            ["", "x", "2026-02-30", "2026-13-01", "2026", "0000-00-00", "2026-01-01 25:00:00"]
        {
            assert_eq!(text(wrong), None, "{wrong}");
        }
        assert_eq!(
            read_time("-1 02:03:04.5").map(|(m, d)| time_text(m, d)).as_deref(),
            Some("-26:03:04.5")
        );
        assert_eq!(read_time("101112").map(|(m, d)| time_text(m, d)).as_deref(), Some("10:11:12"));
    }
}
