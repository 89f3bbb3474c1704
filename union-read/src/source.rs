//! Which Fluss cluster and which lake a catalog stands for, and the connections to them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use fluss_scan::{ClientOptions, FlussClient};
use paimon_scan::{LakeCatalog, LakeOptions, PlanCache};
use parking_lot::Mutex;

use crate::{Error, Result};

const BOOTSTRAP: &str = "bootstrap.servers";
const FLUSS_PREFIX: &str = "fluss.option.";
const DATALAKE_PREFIX: &str = "table.datalake.";
/// Fluss hands the lake's options to clients under this prefix, and a catalog may override them
/// under the same one.
pub const LAKE_PREFIX: &str = "table.datalake.paimon.";

/// The properties of a `type=fluss` catalog, sorted by their reader.
///
/// Travels to backends inside a plan, secrets included, because backends open the same storages;
/// never printed: its `Debug` shows the addresses alone.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
#[prost(skip_debug)]
pub struct Source {
    /// `host:port[,host:port…]` of Fluss servers.
    #[prost(string, tag = "1")]
    pub bootstrap_servers: String,
    /// Options of the Fluss client, without the `fluss.option.` prefix.
    #[prost(btree_map = "string, string", tag = "2")]
    pub fluss_options: BTreeMap<String, String>,
    /// Options of the lake's catalog, without the `table.datalake.paimon.` prefix. They win over
    /// the options that Fluss serves with a table.
    #[prost(btree_map = "string, string", tag = "3")]
    pub lake_options: BTreeMap<String, String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Reads the properties of `CREATE EXTERNAL CATALOG … PROPERTIES (…)` with `type=fluss`.
    ///
    /// The names are StarRocks'. A property that is not understood is an error: a mistyped
    /// credential must not become an anonymous connection.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self> {
        let mut source = Source::default();
        for (key, value) in properties {
            if key == "type" {
                continue;
            } else if key == BOOTSTRAP {
                source.bootstrap_servers = value.trim().to_string();
            } else if let Some(option) = key.strip_prefix(FLUSS_PREFIX) {
                source.fluss_options.insert(option.to_string(), value.clone());
            } else if let Some(option) = key.strip_prefix(LAKE_PREFIX) {
                source.lake_options.insert(option.to_string(), value.clone());
            } else if key == "table.datalake.format" {
                if value != "paimon" {
                    return Err(Error::Properties(format!(
                        "The property {key} must be 'paimon', not '{value}'."
                    )));
                }
            } else if key.starts_with(DATALAKE_PREFIX) {
                return Err(Error::Properties(format!(
                    "Unknown property '{key}': options of the lake begin with '{LAKE_PREFIX}'."
                )));
            } else {
                return Err(Error::Properties(format!("Unknown property '{key}'.")));
            }
        }
        if source.bootstrap_servers.is_empty() {
            return Err(Error::Properties(format!("The property {BOOTSTRAP} must be set.")));
        }
        source.client_options()?;
        Ok(source)
    }

    fn client_options(&self) -> Result<ClientOptions> {
        ClientOptions::new(&self.bootstrap_servers, &self.fluss_options)
            .map_err(|e| Error::Properties(e.to_string()))
    }

    /// The options of the lake of one table: what Fluss serves with it, overridden per key by the
    /// catalog's own.
    pub fn lake_options(&self, table: &BTreeMap<String, String>) -> Result<LakeOptions> {
        let mut options: BTreeMap<String, String> = table
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(LAKE_PREFIX)?.to_string(), v.clone())))
            .collect();
        options.extend(self.lake_options.clone());
        Ok(LakeOptions::new(options)?)
    }
}

/// How many clusters and lakes a process stays connected to.
const CONNECTIONS_MAX: usize = 64;

/// The connections of this process, shared by all statements: at most [`CONNECTIONS_MAX`] clusters
/// and as many lakes, the least recently used is closed first.
#[derive(Debug, Default)]
pub struct Connections {
    fluss: Mutex<Recent<Source, Arc<FlussClient>>>,
    lakes: Mutex<Recent<LakeOptions, Arc<LakeCatalog>>>,
    plans: Arc<PlanCache>,
}

impl Connections {
    /// No connection yet. Of lake tables that are planned, at most `plan_bytes_max` are kept for the
    /// next statement; 0 keeps nothing.
    pub fn new(plan_bytes_max: usize) -> Self {
        Self { plans: Arc::new(PlanCache::new(plan_bytes_max)), ..Self::default() }
    }

    /// The client of a cluster; connects when it is first used.
    pub fn fluss(&self, source: &Source) -> Result<Arc<FlussClient>> {
        self.fluss
            .lock()
            .get_or_open(source, || Ok(Arc::new(FlussClient::new(source.client_options()?))))
    }

    /// The catalog of a lake.
    pub fn lake(&self, options: &LakeOptions) -> Result<Arc<LakeCatalog>> {
        let open = || Ok(Arc::new(LakeCatalog::open(options)?.with_cache(&self.plans)));
        self.lakes.lock().get_or_open(options, open)
    }
}

/// A small list ordered by use, most recent last.
#[derive(Debug)]
struct Recent<K, V> {
    entries: Vec<(K, V)>,
    max: NonZeroUsize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        const { assert!(CONNECTIONS_MAX > 0) };
        Self { entries: vec![], max: NonZeroUsize::MIN.saturating_add(CONNECTIONS_MAX - 1) }
    }
}

impl<K: Clone + PartialEq, V: Clone> Recent<K, V> {
    fn get_or_open(&mut self, key: &K, open: impl FnOnce() -> Result<V>) -> Result<V> {
        let entry = match self.entries.iter().position(|(k, _)| k == key) {
            Some(at) => self.entries.remove(at),
            None => (key.clone(), open()?),
        };
        if self.entries.len() >= self.max.get() {
            self.entries.remove(0);
        }
        let value = entry.1.clone();
        self.entries.push(entry);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn properties_are_sorted_by_their_reader() {
        let source = Source::from_properties(&properties(&[
            ("type", "fluss"),
            ("bootstrap.servers", "h:9123"),
            ("fluss.option.client.security.protocol", "SASL"),
            ("fluss.option.client.security.sasl.mechanism", "PLAIN"),
            ("fluss.option.client.security.sasl.username", "u"),
            ("fluss.option.client.security.sasl.password", "hidden"),
            ("table.datalake.paimon.warehouse", "file:///w"),
        ]))
        .unwrap();
        assert_eq!(source.lake_options["warehouse"], "file:///w");
        assert!(!format!("{source:?}").contains("hidden"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (bad, named) in [("bootstrap.server", "bootstrap.server"), ("fluss.option.x", "x")] {
            let error =
                Source::from_properties(&properties(&[("bootstrap.servers", "h:1"), (bad, "1")]))
                    .unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        let error = Source::from_properties(&properties(&[("type", "fluss")])).unwrap_err();
        assert_eq!(error.to_string(), "The property bootstrap.servers must be set.");
    }

    #[test]
    fn the_least_recently_used_connection_goes_first() {
        let mut recent = Recent { entries: vec![], max: NonZeroUsize::new(2).unwrap() };
        for key in [1, 2, 1, 3] {
            recent.get_or_open(&key, || Ok(key * 10)).unwrap();
        }
        assert_eq!(recent.entries, [(1, 10), (3, 30)]);
    }
}
