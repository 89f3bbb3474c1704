//! The backends of the configuration, and which of them are alive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::{Error, Result};

/// How often every backend is asked whether it is there.
const CHECK: Duration = Duration::from_secs(1);

/// All backends.
#[derive(Debug)]
pub struct Backends {
    addresses: Vec<String>,
    client: Arc<proto::client::Backends>,
    states: Arc<Mutex<BTreeMap<String, State>>>,
    next_home: AtomicUsize,
    _watch: AbortOnDropHandle<()>,
}

/// What is known of a backend.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// `host:port`.
    pub address: String,
    /// Its version, when it last answered.
    pub version: String,
    /// Why it is not used; `None`: it is alive.
    pub error: Option<String>,
}

impl Backends {
    /// Begins to watch these backends; returns after the first look.
    pub async fn watch(addresses: Vec<String>) -> Arc<Self> {
        let client = Arc::new(proto::client::Backends::default());
        let states = Arc::new(Mutex::new(BTreeMap::new()));
        let look = {
            let (addresses, client, states) =
                (addresses.clone(), Arc::clone(&client), Arc::clone(&states));
            move || look(addresses.clone(), Arc::clone(&client), Arc::clone(&states))
        };
        look().await;
        let watch = tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK).await;
                look().await;
            }
        });
        Arc::new(Self {
            addresses,
            client,
            states,
            next_home: AtomicUsize::new(0),
            _watch: AbortOnDropHandle::new(watch),
        })
    }

    /// The client by which backends are asked.
    pub fn client(&self) -> &Arc<proto::client::Backends> {
        &self.client
    }

    /// The backends of a new query, its home first: all that are alive, each in its turn the home.
    ///
    /// # Errors
    /// `Retry` while none is alive.
    pub fn of_query(&self) -> Result<Vec<String>> {
        let states = self.states.lock();
        let is_alive = |a: &&String| states.get(*a).is_some_and(|state| state.error.is_none());
        let mut alive: Vec<String> = self.addresses.iter().filter(is_alive).cloned().collect();
        if alive.is_empty() {
            return Err(Error::Retry("no backend is alive".into()));
        }
        let home = self.next_home.fetch_add(1, Ordering::Relaxed) % alive.len();
        alive.rotate_left(home);
        Ok(alive)
    }

    /// What is known of all backends, in the order of the configuration.
    pub fn states(&self) -> Vec<State> {
        let states = self.states.lock();
        let state = |a: &String| states.get(a).cloned().unwrap_or_default();
        self.addresses.iter().map(state).collect()
    }

    /// Looks again at once: a query has lost one.
    pub async fn look_again(&self) {
        look(self.addresses.clone(), Arc::clone(&self.client), Arc::clone(&self.states)).await;
    }
}

async fn look(
    addresses: Vec<String>,
    client: Arc<proto::client::Backends>,
    states: Arc<Mutex<BTreeMap<String, State>>>,
) {
    let asked = addresses.into_iter().map(|address| {
        let client = Arc::clone(&client);
        async move {
            match client.status(&address).await {
                Ok(status) => State { address, version: status.version, error: None },
                Err(failure) => {
                    State { address, version: String::new(), error: Some(failure.message) }
                }
            }
        }
    });
    for state in futures::future::join_all(asked).await {
        states.lock().insert(state.address.clone(), state);
    }
}
