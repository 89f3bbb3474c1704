//! System variables: a table of names, defaults and kinds; `SET`, `SHOW VARIABLES` and `@@name`
//! read and write the same values.

use std::collections::HashMap;

use datafusion::scalar::ScalarValue;
use union_read::ReadPath;

use crate::{Error, Result};

/// What a variable does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Can be set; this server acts on it.
    Live,
    /// Can be set and read back; has no effect here.
    Inert,
    /// Cannot be set.
    Fixed,
}
use Kind::{Fixed, Inert, Live};

/// A default as the table below writes it.
#[derive(Debug, Clone, Copy)]
enum Initial {
    Int(i64),
    Text(&'static str),
}
use Initial::{Int, Text};

const SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                        ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";
const COLLATION: &str = "utf8mb4_bin";
/// Larger values are cut to it: StarRocks' bound on `query_timeout`.
const QUERY_TIMEOUT_SECONDS_MAX: i64 = 259_200;

/// Names, kinds and defaults: what clients of MySQL and StarRocks read or set when they connect.
/// Text comparison here is binary, and the collations say so.
const VARIABLES: &[(&str, Kind, Initial)] = &[
    ("auto_increment_increment", Inert, Int(1)),
    ("autocommit", Inert, Int(1)),
    ("character_set_client", Inert, Text("utf8mb4")),
    ("character_set_connection", Inert, Text("utf8mb4")),
    ("character_set_database", Inert, Text("utf8mb4")),
    ("character_set_results", Inert, Text("utf8mb4")),
    ("character_set_server", Inert, Text("utf8mb4")),
    ("character_set_system", Fixed, Text("utf8mb3")),
    ("collation_connection", Inert, Text(COLLATION)),
    ("collation_database", Inert, Text(COLLATION)),
    ("collation_server", Inert, Text(COLLATION)),
    ("default_storage_engine", Inert, Text("MILLRACE")),
    ("default_tmp_storage_engine", Inert, Text("MILLRACE")),
    ("event_scheduler", Inert, Text("OFF")),
    ("foreign_key_checks", Inert, Int(0)),
    ("group_concat_max_len", Inert, Int(1024)),
    ("init_connect", Fixed, Text("")),
    ("interactive_timeout", Inert, Int(28_800)),
    ("keep_read_points", Live, Int(0)),
    ("license", Fixed, Text("Apache License 2.0")),
    ("lower_case_table_names", Fixed, Int(0)),
    ("max_allowed_packet", Fixed, Int(67_108_864)),
    ("max_execution_time", Live, Int(0)),
    ("net_buffer_length", Inert, Int(16_384)),
    ("net_read_timeout", Inert, Int(60)),
    ("net_write_timeout", Live, Int(60)),
    ("performance_schema", Fixed, Int(0)),
    ("protocol_version", Fixed, Int(10)),
    ("query_cache_size", Fixed, Int(0)),
    ("query_cache_type", Fixed, Int(0)),
    ("query_timeout", Live, Int(300)),
    ("read_only", Fixed, Int(1)),
    ("sql_auto_is_null", Inert, Int(0)),
    ("sql_mode", Inert, Text(SQL_MODE)),
    ("sql_safe_updates", Inert, Int(0)),
    ("sql_select_limit", Live, Int(i64::MAX)),
    ("system_time_zone", Fixed, Text("UTC")),
    ("time_zone", Live, Text("SYSTEM")),
    ("transaction_isolation", Inert, Text("REPEATABLE-READ")),
    ("transaction_read_only", Inert, Int(0)),
    ("tx_isolation", Inert, Text("REPEATABLE-READ")),
    ("tx_read_only", Inert, Int(0)),
    ("union_read_path", Live, Text("auto")),
    ("unique_checks", Inert, Int(0)),
    ("version", Fixed, Text(crate::SERVER_VERSION)),
    ("version_comment", Fixed, Text(crate::VERSION_COMMENT)),
    ("wait_timeout", Live, Int(28_800)),
];

/// The variables of one session: the defaults and what the session set.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    set: HashMap<&'static str, ScalarValue>,
}

impl Variables {
    /// The value of a variable, `None` when there is no such variable.
    pub fn get(&self, name: &str) -> Option<ScalarValue> {
        let (name, _, default) = find(name)?;
        Some(self.set.get(name).cloned().unwrap_or_else(|| value(*default)))
    }

    /// A variable as a whole number; texts and unknown names are 0.
    pub fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(ScalarValue::Int64(Some(value))) => value,
            _ => 0,
        }
    }

    /// A variable as text.
    pub fn text(&self, name: &str) -> String {
        self.get(name).map(|value| printed(&value)).unwrap_or_default()
    }

    /// All names and printed values, by name.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        VARIABLES.iter().map(|(name, ..)| (*name, self.text(name))).collect()
    }

    /// Sets a variable, `None`: back to its default.
    pub fn set(&mut self, name: &str, new: Option<ScalarValue>) -> Result<()> {
        let Some((name, kind, default)) = find(name) else {
            return Err(Error::UnknownVariable(name.to_string()));
        };
        if *kind == Fixed {
            return Err(Error::WrongValue(format!("Variable '{name}' is a read only variable")));
        }
        let Some(new) = new else {
            self.set.remove(name);
            return Ok(());
        };
        let converted = match default {
            Int(_) => int(&new),
            Text(_) => Some(ScalarValue::Utf8((!new.is_null()).then(|| printed(&new)))),
        };
        let converted = converted.ok_or_else(|| wrong_value(name, &new))?;
        let checked = check(name, converted).ok_or_else(|| wrong_value(name, &new))?;
        self.set.insert(name, checked);
        Ok(())
    }
}

fn find(name: &str) -> Option<&'static (&'static str, Kind, Initial)> {
    VARIABLES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))
}

fn value(initial: Initial) -> ScalarValue {
    match initial {
        Int(value) => ScalarValue::Int64(Some(value)),
        Text(value) => ScalarValue::Utf8(Some(value.to_string())),
    }
}

/// A value as MySQL prints variables.
pub fn printed(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Boolean(Some(value)) => u8::from(*value).to_string(),
        value if value.is_null() => String::new(),
        value => value.to_string(),
    }
}

/// A whole number from a number or from `ON`, `OFF`, `TRUE`, `FALSE`.
fn int(value: &ScalarValue) -> Option<ScalarValue> {
    let number = match printed(value).to_uppercase().as_str() {
        "ON" | "TRUE" => 1,
        "OFF" | "FALSE" => 0,
        // the default of sql_select_limit as MySQL writes it
        "18446744073709551615" => i64::MAX,
        digits => digits.parse().ok()?,
    };
    Some(ScalarValue::Int64(Some(number)))
}

/// Refuses what a live variable cannot act on.
fn check(name: &str, value: ScalarValue) -> Option<ScalarValue> {
    match (name, &value) {
        ("time_zone", value) => {
            let zone = printed(value);
            (zone == "SYSTEM" || offset_seconds(&zone).is_some()).then_some(value.clone())
        }
        ("query_timeout", ScalarValue::Int64(Some(seconds))) => {
            let seconds = (*seconds > 0).then(|| (*seconds).min(QUERY_TIMEOUT_SECONDS_MAX))?;
            Some(ScalarValue::Int64(Some(seconds)))
        }
        ("keep_read_points", ScalarValue::Int64(n)) => {
            n.is_some_and(|n| n == 0 || n == 1).then_some(value)
        }
        ("union_read_path", value) => {
            let path = ReadPath::parse(&printed(value))?;
            Some(ScalarValue::Utf8(Some(path.name().to_string())))
        }
        ("max_execution_time" | "wait_timeout" | "sql_select_limit", ScalarValue::Int64(n)) => {
            n.is_some_and(|n| n >= 0).then_some(value)
        }
        _ => Some(value),
    }
}

/// Seconds east of UTC of `+08:00`, `-03:30`, `UTC`. Named zones with rules are not supported: a
/// session has one offset.
pub fn offset_seconds(zone: &str) -> Option<i32> {
    if ["SYSTEM", "UTC", "Etc/UTC", "GMT"].iter().any(|utc| utc.eq_ignore_ascii_case(zone)) {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let range = (0..=14).contains(&hours) && (0..60).contains(&minutes);
    range.then_some(sign * (hours * 3600 + minutes * 60))
}

fn wrong_value(name: &str, value: &ScalarValue) -> Error {
    let value = printed(value);
    Error::WrongValue(format!("Variable '{name}' can't be set to the value of '{value}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<ScalarValue> {
        Some(ScalarValue::Utf8(Some(value.into())))
    }

    #[test]
    fn set_values_are_read_back() {
        let mut variables = Variables::default();
        variables.set("AUTOCOMMIT", text("OFF")).unwrap();
        assert_eq!(variables.int("autocommit"), 0);
        variables.set("autocommit", None).unwrap();
        assert_eq!(variables.text("autocommit"), "1");
        variables.set("character_set_results", Some(ScalarValue::Null)).unwrap();
        assert!(variables.get("character_set_results").unwrap().is_null());
    }

    #[test]
    fn union_read_paths_have_one_spelling() {
        let mut variables = Variables::default();
        assert_eq!(variables.text("union_read_path"), "auto");
        variables.set("union_read_path", text("KV_and_Tail")).unwrap();
        assert_eq!(variables.text("union_read_path"), "kv_and_tail");
        for wrong in [text("fastest"), text(""), Some(ScalarValue::Null)] {
            let told = variables.set("union_read_path", wrong);
            assert!(matches!(told, Err(Error::WrongValue(_))), "{told:?}");
        }
        assert_eq!(variables.text("union_read_path"), "kv_and_tail");
        variables.set("union_read_path", None).unwrap();
        assert_eq!(variables.text("union_read_path"), "auto");
    }

    #[test]
    fn wrong_values_are_refused() {
        let mut variables = Variables::default();
        assert_eq!(variables.set("nothing", None), Err(Error::UnknownVariable("nothing".into())));
        for (name, value) in [("version", "9"), ("time_zone", "Mars"), ("query_timeout", "0")] {
            assert!(
                matches!(variables.set(name, text(value)), Err(Error::WrongValue(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(offset_seconds("-03:30"), Some(-12_600));
        assert_eq!(offset_seconds("+14:00"), Some(50_400));
        assert_eq!(offset_seconds("SYSTEM"), Some(0));
        for wrong in ["", "+", "+15:00", "+1", "é1:00", "+01:60"] {
            assert_eq!(offset_seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(VARIABLES.is_sorted_by_key(|(name, ..)| *name));
    }
}
