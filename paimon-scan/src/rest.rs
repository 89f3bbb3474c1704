//! Catalogs behind a REST server: it names databases and tables, keeps their schemas and latest snapshots, and hands out
//! credentials for their files.
//!
//! Reading order: `server` (one server: questions, deadlines, errors), `load` (a table as the server describes it), `grant`
//! (credentials of one table, renewed before they expire), `store` (files read with them), and [`RestServers`], what
//! a process keeps of all this.
//!
//! Backends ask for credentials themselves, with what the catalog was created with: so a scan may outlive any of them.
//! From the `paimon` crate come requests, signatures and answers; deadlines, retries and pages are bounded here.

mod grant;
mod load;
mod server;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use parking_lot::Mutex;

use crate::error::{LakeError, Result};
use crate::options::LakeOptions;
pub(crate) use grant::Grant;
pub(crate) use load::{Loaded, Served};
pub(crate) use server::RestServer;
pub(crate) use store::GrantedStore;

/// Servers that a process stays connected to.
const SERVERS_MAX: usize = 64;
/// Tables whose credentials and stores a process keeps.
const TABLES_MAX: usize = 1024;

/// The REST servers of all queries of a process, with the credentials of the tables that were read last: an extension of
/// the session (`SessionConfig::with_extension`) of those that scan such tables. Without it every scan asks anew.
#[derive(Default)]
pub struct RestServers {
    servers: Mutex<Recent<LakeOptions, Arc<RestServer>>>,
    grants: Mutex<Recent<LakeOptions, Arc<Grant>>>,
    stores: Mutex<Recent<ObjectStoreUrl, ()>>,
}

impl fmt::Debug for RestServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestServers").finish_non_exhaustive()
    }
}

impl RestServers {
    /// Those of a session.
    pub(crate) fn of(context: &TaskContext) -> Arc<Self> {
        context.session_config().get_extension::<Self>().unwrap_or_default()
    }

    /// The server of a catalog or of one of its tables; asks nothing.
    pub(crate) fn server(&self, options: &LakeOptions) -> Result<Arc<RestServer>> {
        let options = options.of_server();
        let mut servers = self.servers.lock();
        if let Some(server) = servers.get(&options) {
            return Ok(Arc::clone(server));
        }
        let server = Arc::new(RestServer::new(options.clone())?);
        servers.put(options, Arc::clone(&server), SERVERS_MAX);
        Ok(server)
    }

    /// Credentials of the table that the options open; asks nothing yet.
    pub(crate) fn grant(&self, options: &LakeOptions) -> Result<Arc<Grant>> {
        if let Some(grant) = self.grants.lock().get(options) {
            return Ok(Arc::clone(grant));
        }
        let table = options.table().cloned();
        let table = table.ok_or_else(|| LakeError::corrupt("credentials for no table"))?;
        let grant = Arc::new(Grant::new(self.server(options)?, table));
        self.grants.lock().put(options.clone(), Arc::clone(&grant), TABLES_MAX);
        Ok(grant)
    }

    /// A store that is kept in `runtime` until others were used more recently.
    pub(crate) fn store(
        &self,
        url: &ObjectStoreUrl,
        runtime: &RuntimeEnv,
        open: impl FnOnce() -> Result<Arc<dyn ObjectStore>>,
    ) -> Result<Arc<dyn ObjectStore>> {
        let mut stores = self.stores.lock();
        let store = match runtime.object_store(url) {
            Ok(store) => store,
            Err(_) => {
                let store = open()?;
                runtime.register_object_store(url.as_ref(), Arc::clone(&store));
                store
            }
        };
        if stores.get(url).is_none() {
            for old in stores.put(url.clone(), (), TABLES_MAX) {
                // that it is gone already is as good
                let _ = runtime.deregister_object_store(old.as_ref());
            }
        }
        Ok(store)
    }
}

/// What was used most recently.
struct Recent<K, V> {
    entries: HashMap<K, (V, u64)>,
    clock: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), clock: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    fn get(&mut self, key: &K) -> Option<&V> {
        self.clock += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(value)
    }

    /// Adds an entry and gives back the names of those that had to go.
    fn put(&mut self, key: K, value: V, max: usize) -> Vec<K> {
        let mut gone = Vec::new();
        while self.entries.len() >= max.max(1) && !self.entries.contains_key(&key) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.entries.remove(&oldest);
            gone.push(oldest);
        }
        self.clock += 1;
        self.entries.insert(key, (value, self.clock));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut recent = Recent::default();
        assert!(recent.put("a", 1, 2).is_empty());
        assert!(recent.put("b", 2, 2).is_empty());
        assert_eq!(recent.get(&"a"), Some(&1));
        assert_eq!(recent.put("c", 3, 2), ["b"]);
        assert!(recent.put("c", 4, 2).is_empty());
        assert_eq!(recent.get(&"b"), None);
    }

    #[test]
    fn stores_of_tables_do_not_pile_up_in_the_runtime() {
        let (servers, runtime) = (RestServers::default(), RuntimeEnv::default());
        let url = |table: usize| ObjectStoreUrl::parse(format!("s3-{table:x}://bucket")).unwrap();
        let open = || Ok(Arc::new(object_store::memory::InMemory::new()) as Arc<dyn ObjectStore>);
        for table in 0..TABLES_MAX + 7 {
            servers.store(&url(table), &runtime, open).unwrap();
        }
        let kept = |table: usize| runtime.object_store(url(table)).is_ok();
        assert!((0..7).all(|table| !kept(table)) && (7..TABLES_MAX + 7).all(kept));
    }
}
