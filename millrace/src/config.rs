//! All sections of the configuration. Each belongs to the crate that acts on it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The configuration of a process, whatever its role: sections of other roles are understood and not used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where catalogs, views and spilled data are kept.
    pub data_dir: PathBuf,
    /// `[log]`.
    pub log: Log,
    /// `[admin]`.
    pub admin: Admin,
    /// `[drain]`.
    pub drain: Drain,
    /// `[mysql]`.
    pub mysql: frontend::config::Mysql,
    /// `[auth]`.
    pub auth: frontend::config::Auth,
    /// `[frontend]`.
    pub frontend: frontend::config::FrontendSection,
    /// `[rpc]`.
    pub rpc: backend::config::Rpc,
    /// `[backend]`.
    pub backend: backend::config::Backend,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            log: Log::default(),
            admin: Admin::default(),
            drain: Drain::default(),
            mysql: Default::default(),
            auth: Default::default(),
            frontend: Default::default(),
            rpc: Default::default(),
            backend: Default::default(),
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A level, or a filter such as `info,frontend=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into() }
    }
}

/// `[admin]`: `GET /live`, `/ready`, `/metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// `host:port`.
    pub listen: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8030".into() }
    }
}

/// `[drain]`: the end of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long running statements may go on after SIGTERM, milliseconds.
    pub timeout_ms: u64,
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout_ms: 10_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn keys(prefix: &str, table: &toml::Table, all: &mut Vec<String>) {
        for (key, value) in table {
            let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                toml::Value::Table(inner) => keys(&key, inner, all),
                _ => all.push(key),
            }
        }
    }

    #[test]
    fn the_files_are_complete_and_equal_to_the_defaults() {
        let conf = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../conf");
        let mut written = vec![];
        for name in ["frontend.toml", "backend.toml"] {
            let path = conf.join(name);
            let read: Config = bootstrap::config::load(Some(&path), &[]).unwrap();
            assert_eq!(read, Config::default(), "{name}");
            let text = std::fs::read_to_string(&path).unwrap();
            keys("", &toml::from_str(&text).unwrap(), &mut written);
        }
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        let mut known = vec![];
        keys("", &defaults, &mut known);
        for key in known {
            assert!(written.contains(&key), "{key} is in no file of conf/");
        }
    }
}
