//! Values as the writer sends them and as the oracle prints them.

use std::fmt;

use chrono::DateTime;
use fluss::row::{Datum, Decimal, GenericRow, Time, TimestampLtz, TimestampNtz};

use crate::error::Result;

/// One value of a row. Arrays, maps and nested rows are absent: tests that need them use `fluss-rs` directly.
///
/// `Display` is the text that [`Cluster::oracle`](crate::Cluster::oracle) gives for the same value, so a model made of values
/// can be compared with Flink's answer.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// TINYINT.
    TinyInt(i8),
    /// SMALLINT.
    SmallInt(i16),
    /// INT.
    Int(i32),
    /// BIGINT.
    BigInt(i64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// STRING or CHAR.
    Text(String),
    /// BYTES or BINARY.
    Bytes(Vec<u8>),
    /// DECIMAL.
    Decimal {
        /// The number without its decimal point.
        unscaled: i128,
        /// Digits in all, as the column says.
        precision: u32,
        /// Digits after the decimal point, as the column says.
        scale: u32,
    },
    /// DATE, in days since 1970-01-01.
    Date(i32),
    /// TIME, in milliseconds since midnight.
    Time(i32),
    /// TIMESTAMP, in microseconds since 1970-01-01. Before that, fluss-rs writes whole milliseconds only.
    Timestamp(i64),
    /// TIMESTAMP_LTZ, in microseconds since the epoch.
    TimestampLtz(i64),
}

impl Value {
    /// A DECIMAL.
    pub fn decimal(unscaled: i128, precision: u32, scale: u32) -> Self {
        Self::Decimal { unscaled, precision, scale }
    }

    fn datum(&self) -> Result<Datum<'_>> {
        Ok(match self {
            Self::Null => Datum::Null,
            Self::Bool(value) => (*value).into(),
            Self::TinyInt(value) => (*value).into(),
            Self::SmallInt(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::BigInt(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Double(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::Bytes(value) => value.as_slice().into(),
            Self::Decimal { unscaled, precision, scale } => {
                Decimal::from_unscaled_bytes(&unscaled.to_be_bytes(), *precision, *scale)?.into()
            }
            Self::Date(days) => fluss::row::Date::new(*days).into(),
            Self::Time(millis) => Time::new(*millis).into(),
            Self::Timestamp(micros) => {
                let (millis, nanos) = split(*micros);
                TimestampNtz::from_millis_nanos(millis, nanos)?.into()
            }
            Self::TimestampLtz(micros) => {
                let (millis, nanos) = split(*micros);
                TimestampLtz::from_millis_nanos(millis, nanos)?.into()
            }
        })
    }
}

/// Milliseconds, and the nanoseconds that remain (never negative).
fn split(micros: i64) -> (i64, i32) {
    // the remainder is below 1000
    (micros.div_euclid(1000), micros.rem_euclid(1000) as i32 * 1000)
}

/// A row in the form `fluss-rs` takes.
pub(crate) fn row(values: &[Value]) -> Result<GenericRow<'_>> {
    let mut row = GenericRow::new(values.len());
    for (position, value) in values.iter().enumerate() {
        row.set_field(position, value.datum()?);
    }
    Ok(row)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("\\N"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::TinyInt(value) => write!(f, "{value}"),
            Self::SmallInt(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::BigInt(value) => write!(f, "{value}"),
            // Debug keeps the ".0" of whole numbers, as Java does
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Double(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(&escape(value)),
            Self::Bytes(value) => value.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Decimal { unscaled, scale, .. } => decimal(f, *unscaled, *scale as usize),
            Self::Date(days) => {
                write!(f, "{}", date(i64::from(*days) * 86_400_000_000, "%Y-%m-%d"))
            }
            Self::Time(millis) => time(f, *millis),
            Self::Timestamp(micros) | Self::TimestampLtz(micros) => {
                f.write_str(&date(*micros, "%Y-%m-%d %H:%M:%S"))?;
                fraction(f, micros.rem_euclid(1_000_000))
            }
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn decimal(f: &mut fmt::Formatter<'_>, unscaled: i128, scale: usize) -> fmt::Result {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    write!(f, "{sign}{whole}{point}{fraction}")
}

fn date(micros: i64, format: &str) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| format!("{micros} us"), |time| time.format(format).to_string())
}

/// As Java's `LocalTime`: seconds and their fraction only where they are not zero.
fn time(f: &mut fmt::Formatter<'_>, millis: i32) -> fmt::Result {
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)?;
    match (rest / 1000, rest % 1000) {
        (0, 0) => Ok(()),
        (seconds, 0) => write!(f, ":{seconds:02}"),
        (seconds, millis) => write!(f, ":{seconds:02}.{millis:03}"),
    }
}

/// As few of 0, 3 or 6 digits as hold the value.
fn fraction(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    match (micros, micros % 1000) {
        (0, _) => Ok(()),
        (_, 0) => write!(f, ".{:03}", micros / 1000),
        _ => write!(f, ".{micros:06}"),
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        })*
    };
}

from!(bool => Bool, i8 => TinyInt, i16 => SmallInt, i32 => Int, i64 => BigInt, f32 => Float, f64 => Double,
    String => Text, Vec<u8> => Bytes);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn values_read_as_flink_prints_them() {
        let cases = [
            (Value::Null, "\\N"),
            (Value::Double(2.0), "2.0"),
            (Value::from("a\tb\\N"), "a\\tb\\\\N"),
            (Value::Bytes(vec![0, 255]), "00ff"),
            (Value::decimal(-5, 10, 2), "-0.05"),
            (Value::decimal(12345, 10, 2), "123.45"),
            (Value::decimal(7, 10, 0), "7"),
            (Value::Date(-1), "1969-12-31"),
            (Value::Time(3_600_000), "01:00"),
            (Value::Time(3_601_001), "01:00:01.001"),
            (Value::Timestamp(-1_000), "1969-12-31 23:59:59.999"),
            (Value::Timestamp(0), "1970-01-01 00:00:00"),
            (Value::TimestampLtz(1_000_001), "1970-01-01 00:00:01.000001"),
        ];
        for (value, text) in cases {
            assert_eq!(value.to_string(), text, "{value:?}");
        }
    }
}
