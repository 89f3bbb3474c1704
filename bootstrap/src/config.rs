//! Configuration: defaults ← TOML file ← environment ← command line.
//!
//! `MILLRACE_<SECTION>__<KEY>` and `--set section.key=value` take a TOML value, or a text where it is none.
//! What is not known is an error that names the key and where it stands.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The prefix of environment variables that are configuration.
const PREFIX: &str = "MILLRACE_";
/// Variables with the prefix that belong to tools, not to the server.
const NOT_CONFIGURATION: [&str; 2] = ["LAB_HOME", "KEEP"];

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        problem: String,
    },
    /// `--set` without `=`.
    #[error("--set {0}: expected KEY=VALUE")]
    Assignment(String),
    /// Unknown keys, wrong types and values.
    #[error("configuration: {0}")]
    Value(String),
}

/// Reads a configuration. `T` refuses unknown keys (`serde(deny_unknown_fields)`).
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn load<T>(file: Option<&Path>, assignments: &[String]) -> Result<T, ConfigError>
where
    T: Serialize + DeserializeOwned + Default,
{
    let mut figment = Figment::from(Serialized::defaults(T::default()));
    if let Some(path) = file {
        if let Err(error) = std::fs::metadata(path) {
            let (path, problem) = (path.display().to_string(), error.to_string());
            return Err(ConfigError::File { path, problem });
        }
        figment = figment.merge(Toml::file_exact(path));
    }
    figment = figment.merge(Env::prefixed(PREFIX).ignore(&NOT_CONFIGURATION).split("__"));
    for assignment in assignments {
        let (key, value) = assignment
            .split_once('=')
            .ok_or_else(|| ConfigError::Assignment(assignment.clone()))?;
        figment = figment.merge(Serialized::default(key.trim(), parse(value.trim())));
    }
    figment.extract().map_err(|errors| {
        let all: Vec<String> = errors.into_iter().map(|error| error.to_string()).collect();
        ConfigError::Value(all.join("; "))
    })
}

/// A TOML value, or the text itself.
fn parse(text: &str) -> Value {
    let document: Result<toml::Table, _> = toml::from_str(&format!("value = {text}"));
    let value = document.ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| toml::Value::String(text.to_string()));
    Value::serialize(value).unwrap_or_else(|_| Value::from(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        name: String,
        rpc: Rpc,
    }

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Rpc {
        listen: String,
        peers: Vec<String>,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { name: "n".into(), rpc: Rpc::default() }
        }
    }

    impl Default for Rpc {
        fn default() -> Self {
            Self { listen: "a:1".into(), peers: vec![] }
        }
    }

    #[test]
    fn later_sources_win() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "name = 'f'\n[rpc]\nlisten = 'b:2'").unwrap();
        let sets = ["rpc.listen=c:3".to_string(), r#"rpc.peers=["x:1","y:2"]"#.to_string()];
        let config: Config = load(Some(file.path()), &sets).unwrap();
        assert_eq!((config.name.as_str(), config.rpc.listen.as_str()), ("f", "c:3"));
        assert_eq!(config.rpc.peers, ["x:1", "y:2"]);
    }

    #[test]
    fn what_is_not_known_is_named() {
        let error = load::<Config>(None, &["rpc.listn=1".into()]).unwrap_err().to_string();
        assert!(error.contains("listn"), "{error}");
        let error = load::<Config>(None, &["rpc.listen".into()]).unwrap_err().to_string();
        assert!(error.contains("KEY=VALUE"), "{error}");
        let error = load::<Config>(Some(Path::new("nowhere.toml")), &[]).unwrap_err().to_string();
        assert!(error.contains("nowhere.toml"), "{error}");
        let error = load::<Config>(None, &["rpc.peers=1".into()]).unwrap_err().to_string();
        assert!(error.contains("peers"), "{error}");
    }
}
