//! System variables: a table of names, defaults and kinds; `SET`, `SHOW VARIABLES` and `@@name`
//! read and write the same values.

use std::collections::HashMap;

use datafusion::scalar::ScalarValue;
use sql_functions::Zone;
use union_read::ReadPath;

use super::warnings::WARNINGS_MAX;
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
    ("big_tables", Inert, Int(0)),
    ("character_set_client", Inert, Text("utf8mb4")),
    ("character_set_connection", Inert, Text("utf8mb4")),
    ("character_set_database", Inert, Text("utf8mb4")),
    ("character_set_filesystem", Fixed, Text("binary")),
    ("character_set_results", Inert, Text("utf8mb4")),
    ("character_set_server", Inert, Text("utf8mb4")),
    ("character_set_system", Fixed, Text("utf8mb3")),
    ("chunk_size", Inert, Int(4096)),
    ("collation_connection", Inert, Text(COLLATION)),
    ("collation_database", Inert, Text(COLLATION)),
    ("collation_server", Inert, Text(COLLATION)),
    ("completion_type", Inert, Text("NO_CHAIN")),
    ("date_format", Fixed, Text("%Y-%m-%d")),
    ("datetime_format", Fixed, Text("%Y-%m-%d %H:%i:%s")),
    ("default_authentication_plugin", Fixed, Text("caching_sha2_password")),
    ("default_storage_engine", Inert, Text("MILLRACE")),
    ("default_tmp_storage_engine", Inert, Text("MILLRACE")),
    ("default_week_format", Inert, Int(0)),
    ("div_precision_increment", Fixed, Int(4)),
    ("enable_profile", Inert, Int(0)),
    ("enable_spill", Inert, Int(0)),
    ("error_count", Fixed, Int(0)),
    ("event_scheduler", Inert, Text("OFF")),
    ("exec_mem_limit", Inert, Int(0)),
    ("explicit_defaults_for_timestamp", Inert, Int(1)),
    ("foreign_key_checks", Inert, Int(0)),
    ("group_concat_max_len", Inert, Int(1024)),
    ("have_openssl", Fixed, Text("YES")),
    ("have_query_cache", Fixed, Text("NO")),
    ("have_ssl", Fixed, Text("YES")),
    ("identity", Inert, Int(0)),
    ("information_schema_stats_expiry", Inert, Int(86_400)),
    ("init_connect", Fixed, Text("")),
    ("innodb_read_only", Fixed, Int(1)),
    ("insert_id", Inert, Int(0)),
    ("interactive_timeout", Inert, Int(28_800)),
    ("keep_read_points", Live, Int(0)),
    ("language", Fixed, Text("english")),
    ("last_insert_id", Inert, Int(0)),
    ("lc_messages", Inert, Text("en_US")),
    ("lc_time_names", Fixed, Text("en_US")),
    ("license", Fixed, Text("Apache License 2.0")),
    ("local_infile", Fixed, Int(0)),
    ("lock_wait_timeout", Inert, Int(31_536_000)),
    ("log_bin", Fixed, Int(0)),
    ("lower_case_file_system", Fixed, Int(0)),
    ("lower_case_table_names", Fixed, Int(0)),
    ("max_allowed_packet", Fixed, Int(33_554_432)),
    ("max_connections", Fixed, Int(1024)),
    ("max_error_count", Fixed, Int(WARNINGS_MAX as i64)),
    ("max_execution_time", Live, Int(0)),
    ("max_heap_table_size", Inert, Int(16_777_216)),
    ("max_join_size", Inert, Int(i64::MAX)),
    ("max_prepared_stmt_count", Fixed, Int(1000)),
    ("net_buffer_length", Inert, Int(16_384)),
    ("net_read_timeout", Inert, Int(60)),
    ("net_write_timeout", Live, Int(60)),
    ("optimizer_switch", Inert, Text("")),
    ("parallel_fragment_exec_instance_num", Inert, Int(1)),
    ("performance_schema", Fixed, Int(0)),
    ("pipeline_dop", Inert, Int(0)),
    ("profiling", Inert, Int(0)),
    ("protocol_version", Fixed, Int(10)),
    ("query_cache_size", Fixed, Int(0)),
    ("query_cache_type", Fixed, Int(0)),
    ("query_mem_limit", Inert, Int(0)),
    ("query_timeout", Live, Int(300)),
    ("read_only", Fixed, Int(1)),
    ("require_secure_transport", Fixed, Int(0)),
    ("server_id", Fixed, Int(1)),
    ("session_track_gtids", Inert, Text("OFF")),
    ("session_track_schema", Inert, Int(0)),
    ("session_track_state_change", Inert, Int(0)),
    ("session_track_system_variables", Inert, Text("")),
    ("session_track_transaction_info", Inert, Text("OFF")),
    ("skip_name_resolve", Fixed, Int(1)),
    ("socket", Fixed, Text("")),
    ("sql_auto_is_null", Inert, Int(0)),
    ("sql_big_selects", Inert, Int(1)),
    ("sql_buffer_result", Inert, Int(0)),
    ("sql_log_bin", Inert, Int(0)),
    ("sql_log_off", Inert, Int(0)),
    ("sql_mode", Inert, Text(SQL_MODE)),
    ("sql_notes", Inert, Int(1)),
    ("sql_quote_show_create", Inert, Int(1)),
    ("sql_safe_updates", Inert, Int(0)),
    ("sql_select_limit", Live, Int(i64::MAX)),
    ("sql_warnings", Inert, Int(0)),
    ("storage_engine", Inert, Text("MILLRACE")),
    ("super_read_only", Fixed, Int(1)),
    ("system_time_zone", Fixed, Text("UTC")),
    ("time_format", Fixed, Text("%H:%i:%s")),
    ("time_zone", Live, Text("SYSTEM")),
    ("tls_version", Fixed, Text("TLSv1.2,TLSv1.3")),
    ("tmp_table_size", Inert, Int(16_777_216)),
    ("transaction_isolation", Inert, Text("REPEATABLE-READ")),
    ("transaction_read_only", Inert, Int(0)),
    ("tx_isolation", Inert, Text("REPEATABLE-READ")),
    ("tx_read_only", Inert, Int(0)),
    ("union_read_path", Live, Text("auto")),
    ("unique_checks", Inert, Int(0)),
    ("version", Fixed, Text(crate::SERVER_VERSION)),
    ("version_comment", Fixed, Text(crate::VERSION_COMMENT)),
    ("version_compile_machine", Fixed, Text(std::env::consts::ARCH)),
    ("version_compile_os", Fixed, Text(std::env::consts::OS)),
    ("wait_timeout", Live, Int(28_800)),
    ("warning_count", Fixed, Int(0)),
];

/// The variables of one session: the defaults, what the server is configured to, and what the session set.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    configured: Vec<(&'static str, i64)>,
    set: HashMap<&'static str, ScalarValue>,
}

impl Variables {
    /// The variables of a server with these limits.
    pub fn configured(limits: &[(&'static str, i64)]) -> Self {
        Self { configured: limits.to_vec(), set: HashMap::new() }
    }

    /// Forgets what the session set.
    pub fn reset(&mut self) {
        self.set.clear();
    }

    /// The value of a variable, `None` when there is no such variable.
    pub fn get(&self, name: &str) -> Option<ScalarValue> {
        let (name, ..) = find(name)?;
        self.set.get(name).cloned().or_else(|| self.default_of(name))
    }

    /// The value that a session begins with, `@@global.name`.
    pub fn default_of(&self, name: &str) -> Option<ScalarValue> {
        let (name, _, default) = find(name)?;
        let configured = self.configured.iter().find(|(known, _)| known == name);
        Some(configured.map_or_else(|| value(*default), |(_, n)| value(Int(*n))))
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

    /// All names and values as `SHOW VARIABLES` prints them, by name.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        VARIABLES.iter().map(|(name, ..)| (*name, shown(name, self.text(name)))).collect()
    }

    /// The same of what a session begins with, `SHOW GLOBAL VARIABLES`.
    pub fn defaults(&self) -> Vec<(&'static str, String)> {
        Self { configured: self.configured.clone(), set: HashMap::new() }.all()
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
            other_name(name).map(|other| self.set.remove(other));
            return Ok(());
        };
        let converted = match default {
            Int(_) => int(&new),
            Text(_) => Some(ScalarValue::Utf8((!new.is_null()).then(|| printed(&new)))),
        };
        let converted = converted.ok_or_else(|| wrong_value(name, &new))?;
        let checked = check(name, converted).ok_or_else(|| match *name {
            "time_zone" => Error::UnknownZone(printed(&new)),
            _ => wrong_value(name, &new),
        })?;
        if let Some(other) = other_name(name) {
            self.set.insert(other, checked.clone());
        }
        self.set.insert(name, checked);
        Ok(())
    }
}

/// Variables that are printed as words where `@@name` gives numbers.
const SWITCHES: &[&str] = &[
    "autocommit",
    "big_tables",
    "foreign_key_checks",
    "innodb_read_only",
    "local_infile",
    "log_bin",
    "performance_schema",
    "profiling",
    "read_only",
    "require_secure_transport",
    "session_track_schema",
    "skip_name_resolve",
    "sql_auto_is_null",
    "sql_big_selects",
    "sql_notes",
    "sql_quote_show_create",
    "sql_safe_updates",
    "sql_warnings",
    "super_read_only",
    "transaction_read_only",
    "tx_read_only",
    "unique_checks",
];

fn shown(name: &str, value: String) -> String {
    match value.as_str() {
        "1" if SWITCHES.contains(&name) => "ON".into(),
        "0" if SWITCHES.contains(&name) => "OFF".into(),
        _ => value,
    }
}

/// Two names of one variable, the old one and the new one.
fn other_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "transaction_isolation" => "tx_isolation",
        "tx_isolation" => "transaction_isolation",
        "transaction_read_only" => "tx_read_only",
        "tx_read_only" => "transaction_read_only",
        _ => return None,
    })
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
            Zone::parse(&zone).map(|_| value.clone())
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
        variables.set("transaction_read_only", text("1")).unwrap();
        assert_eq!(variables.int("tx_read_only"), 1);
        variables.set("tx_read_only", None).unwrap();
        assert_eq!(variables.int("transaction_read_only"), 0);
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
        let unknown = variables.set("time_zone", text("Mars"));
        assert_eq!(unknown, Err(Error::UnknownZone("Mars".into())));
        for (name, value) in [("version", "9"), ("query_timeout", "0")] {
            assert!(
                matches!(variables.set(name, text(value)), Err(Error::WrongValue(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_configured_is_not_forgotten() {
        let mut variables = Variables::configured(&[("max_connections", 7)]);
        variables.set("autocommit", text("0")).unwrap();
        assert_eq!(variables.text("autocommit"), "0");
        assert_eq!(variables.default_of("autocommit"), Some(ScalarValue::Int64(Some(1))));
        assert!(variables.all().contains(&("autocommit", "OFF".into())));
        assert!(variables.defaults().contains(&("autocommit", "ON".into())));
        variables.reset();
        assert_eq!((variables.int("max_connections"), variables.int("autocommit")), (7, 1));
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(VARIABLES.is_sorted_by_key(|(name, ..)| *name));
        assert!(SWITCHES.iter().all(|name| find(name).is_some()));
    }
}
