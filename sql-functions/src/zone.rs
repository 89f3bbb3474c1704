//! Zones of time: `+02:00`, and those of the IANA database by their names.
//!
//! A local time that a zone has twice is its first instant; one that it skips is the instant of the skip, as in MySQL (8.0 Reference
//! Manual, 14.7, `UNIX_TIMESTAMP`).

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;

use crate::calendar::SECOND;

/// A zone. Instants and local times are microseconds since 1970, at Greenwich and by the clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Seconds east of Greenwich.
    Offset(i64),
    Named(Tz),
}

impl Zone {
    /// The zone at Greenwich.
    pub const UTC: Zone = Zone(Kind::Offset(0));

    /// Reads `+08:00`, `Europe/Paris` in any case, `UTC`; `SYSTEM`, the servers' own, is UTC too.
    pub fn parse(text: &str) -> Option<Self> {
        if ["UTC", "Etc/UTC", "GMT", "SYSTEM"].iter().any(|utc| utc.eq_ignore_ascii_case(text)) {
            return Some(Self::UTC);
        }
        let (sign, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            _ => {
                let named = TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(text));
                return named.map(|tz| Self(Kind::Named(*tz)));
            }
        };
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        let known = (0..=14).contains(&hours) && (0..60).contains(&minutes);
        known.then_some(Self(Kind::Offset(sign * (hours * 3600 + minutes * 60))))
    }

    /// As [`Zone::parse`].
    ///
    /// # Errors
    /// That there is no such zone.
    pub(crate) fn named(text: &str) -> Result<Self> {
        Self::parse(text)
            .ok_or_else(|| exec_datafusion_err!("Unknown or incorrect time zone: '{text}'"))
    }

    /// The name that Arrow and [`Zone::parse`] read: `+08:00`, `Europe/Paris`.
    pub fn name(&self) -> String {
        match self.0 {
            Kind::Offset(seconds) => {
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Kind::Named(tz) => tz.name().to_string(),
        }
    }

    /// What the clock shows at an instant.
    pub fn local(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset(instant) * SECOND)
    }

    /// The instant at which the clock shows a time.
    pub fn instant(&self, local: i64) -> i64 {
        let tz = match self.0 {
            Kind::Offset(seconds) => return local.saturating_sub(seconds * SECOND),
            Kind::Named(tz) => tz,
        };
        let Some(shown) = naive(local) else { return local };
        match tz.offset_from_local_datetime(&shown).earliest() {
            Some(offset) => local - i64::from(offset.fix().local_minus_utc()) * SECOND,
            None => self.skip(local),
        }
    }

    /// The instant at which a clock jumps over a local time.
    fn skip(&self, local: i64) -> i64 {
        // no zone is further from Greenwich, and none jumps twice in so few hours
        const FURTHEST: i64 = 26 * 3600;
        let seconds = local.div_euclid(SECOND);
        let (mut before, mut after) = (seconds - FURTHEST, seconds + FURTHEST);
        let jumped = self.offset(after * SECOND);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            match self.offset(middle * SECOND) == jumped {
                true => after = middle,
                false => before = middle,
            }
        }
        after * SECOND
    }

    /// Seconds east of Greenwich at an instant.
    fn offset(&self, instant: i64) -> i64 {
        match self.0 {
            Kind::Offset(seconds) => seconds,
            Kind::Named(tz) => naive(instant).map_or(0, |at| {
                i64::from(tz.offset_from_utc_datetime(&at).fix().local_minus_utc())
            }),
        }
    }
}

fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|at| at.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{moment_text, read};

    #[test]
    fn offsets() {
        for (text, name) in
            [("-03:30", "-03:30"), ("+14:00", "+14:00"), ("SYSTEM", "+00:00"), ("-0:05", "-00:05")]
        {
            assert_eq!(Zone::parse(text).unwrap().name(), name);
        }
        for wrong in ["", "+", "+15:00", "+1", "é1:00", "+01:60", "Mars", "Europe"] {
            assert_eq!(Zone::parse(wrong), None, "{wrong}");
        }
    }

    /// Clocks that go back, that go on, that jump over a whole day, and that are half an hour apart.
    #[test]
    fn clocks_are_turned() {
        let micros = |text: &str| read(text).unwrap().micros;
        for (zone, local, instant) in [
            ("europe/berlin", "2024-01-01 12:00:00", "2024-01-01 11:00:00"),
            ("Europe/Berlin", "2024-03-31 02:00:00", "2024-03-31 01:00:00"),
            ("Europe/Berlin", "2024-03-31 02:30:00.5", "2024-03-31 01:00:00"),
            ("Europe/Berlin", "2024-03-31 03:00:00", "2024-03-31 01:00:00"),
            ("Europe/Berlin", "2024-10-27 02:30:00", "2024-10-27 00:30:00"),
            ("Europe/Berlin", "2024-10-27 03:00:00", "2024-10-27 02:00:00"),
            ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30 10:00:00"),
            ("Australia/Lord_Howe", "2024-10-06 02:15:00", "2024-10-05 15:30:00"),
            ("-02:00", "2024-01-01 00:00:00", "2024-01-01 02:00:00"),
        ] {
            let found = Zone::parse(zone).unwrap().instant(micros(local));
            assert_eq!(moment_text(found, 0), instant, "{local} in {zone}");
        }
    }

    #[test]
    fn clocks_show_what_they_are_read_as() {
        for tz in TZ_VARIANTS {
            let zone = Zone::parse(tz.name()).unwrap();
            assert_eq!(Zone::parse(&zone.name()).unwrap(), zone);
            // a step that meets every hour of a day
            for instant in (0..5_000).map(|i| i * 97 * 3600 * SECOND) {
                let again = zone.instant(zone.local(instant));
                // the second of two equal times is read as the first
                assert!(
                    again == instant || zone.local(again) == zone.local(instant) && again < instant
                );
            }
        }
    }
}
