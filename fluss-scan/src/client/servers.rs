//! The servers of a cluster and the connections to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::error::code;
use crate::messages::{Call, MetadataAnswer};
use crate::network::Network;
use crate::{ClientOptions, Error, Result};

/// Addresses that are remembered; a cluster has fewer servers.
const SERVERS_MAX: usize = 4096;
/// How often all servers are asked before the answer is that none is there.
const ROUNDS: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// One connection per address, opened when needed, opened anew when broken.
#[derive(Debug)]
pub(super) struct Servers {
    options: ClientOptions,
    network: Arc<dyn Network>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    known: Mutex<Known>,
}

type Slot = AsyncMutex<Option<Arc<Connection>>>;

/// What the cluster last said about itself.
#[derive(Debug, Default)]
struct Known {
    coordinator: Option<String>,
    tablet_servers: BTreeMap<i32, String>,
    /// The address that answered last: asked first the next time.
    answered: Option<String>,
}

impl Servers {
    pub(super) fn new(options: ClientOptions, network: Arc<dyn Network>) -> Self {
        Self { options, network, slots: Mutex::default(), known: Mutex::default() }
    }

    /// Remembers the servers of an answer.
    pub(super) fn learn(&self, metadata: &MetadataAnswer) {
        let address = |node: &crate::messages::ServerNode| format!("{}:{}", node.host, node.port);
        let mut known = self.known.lock();
        known.coordinator = metadata.coordinator.as_ref().map(address);
        let servers = metadata.tablet_servers.iter().take(SERVERS_MAX);
        known.tablet_servers = servers.map(|node| (node.id, address(node))).collect();
    }

    /// Asks what every server can answer, and all of them again after a pause where none did: a server that
    /// was restarted breaks the connections to it, and its port is closed for a moment. Servers were also seen to fail
    /// at such a call with an exception of their own (while a table is tiered, while they lose a connection), and to
    /// answer it right after.
    pub(super) async fn ask_any<C: Call>(
        &self,
        request: &C,
        deadline: Instant,
    ) -> Result<C::Answer> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ROUNDS {
            match self.ask_each(request, deadline).await {
                Err(
                    Error::Unreachable { .. }
                    | Error::Server { code: code::UNKNOWN_SERVER_ERROR, .. },
                ) if Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 4).min(LONGEST_PAUSE);
                }
                answer => return answer,
            }
        }
        self.ask_each(request, deadline).await
    }

    /// Asks the server that answered last, then the bootstrap addresses, then all others, until one does.
    async fn ask_each<C: Call>(&self, request: &C, deadline: Instant) -> Result<C::Answer> {
        let mut last = None;
        let candidates = self.candidates();
        let others = candidates.len() - 1;
        for (i, address) in candidates.into_iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // a server that hangs leaves time for the next one
            let within = if i < others { left / 2 } else { left };
            match self.ask_address(&address, request, within).await {
                Err(error @ (Error::Unreachable { .. } | Error::TimedOut { .. })) => {
                    last = Some(error);
                }
                answer => {
                    self.known.lock().answered = Some(address);
                    return answer;
                }
            }
        }
        let after = self.options.metadata_timeout;
        Err(last.unwrap_or(Error::TimedOut { what: C::NAME.into(), after }))
    }

    /// Asks one tablet server.
    pub(super) async fn ask<C: Call>(
        &self,
        server: i32,
        request: &C,
        within: Duration,
    ) -> Result<C::Answer> {
        self.ask_address(&self.address(server)?, request, within).await
    }

    /// Whether a tablet server lists a call.
    pub(super) async fn serves<C: Call>(&self, server: i32, within: Duration) -> Result<bool> {
        let address = self.address(server)?;
        Ok(self.connection_within(&address, within).await?.serves::<C>())
    }

    fn address(&self, server: i32) -> Result<String> {
        let address = self.known.lock().tablet_servers.get(&server).cloned();
        address.ok_or_else(|| Error::Unreachable {
            address: format!("tablet server {server}"),
            problem: "its address is not known".into(),
        })
    }

    async fn ask_address<C: Call>(
        &self,
        address: &str,
        request: &C,
        within: Duration,
    ) -> Result<C::Answer> {
        let started = Instant::now();
        let connection = self.connection_within(address, within).await?;
        let left = within.saturating_sub(started.elapsed());
        connection.call(request, left.min(self.options.request_timeout)).await
    }

    async fn connection_within(&self, address: &str, within: Duration) -> Result<Arc<Connection>> {
        let connection = tokio::time::timeout(within, self.connection(address)).await;
        connection.map_err(|_| Error::Unreachable {
            address: address.to_string(),
            problem: format!("no connection within {within:?}"),
        })?
    }

    async fn connection(&self, address: &str) -> Result<Arc<Connection>> {
        let slot = {
            let mut slots = self.slots.lock();
            if slots.len() >= SERVERS_MAX {
                slots.clear();
            }
            Arc::clone(slots.entry(address.to_string()).or_default())
        };
        // whoever comes second waits for the connection that is being opened
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_broken()) {
            return Ok(Arc::clone(connection));
        }
        let opened = Arc::new(Connection::open(address, &*self.network, &self.options).await?);
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn candidates(&self) -> Vec<String> {
        let known = self.known.lock();
        let mut all: Vec<String> = known.answered.iter().cloned().collect();
        all.extend(self.options.bootstrap.iter().cloned());
        all.extend(known.coordinator.clone());
        all.extend(known.tablet_servers.values().cloned());
        let mut seen = std::collections::HashSet::new();
        all.retain(|address| seen.insert(address.clone()));
        all
    }
}
