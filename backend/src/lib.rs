//! Runs the fragments that it is given.
//!
//! A frontend hands the physical plan of a query to one backend, the *home backend* of the query, which runs it
//! over all backends that the frontend named.
//!
//! * [`config`]: the sections of `conf/backend.toml`
//! * [`leaf`]: what this crate needs to know of a leaf operator
//! * [`distributed`]: the only code that names datafusion-distributed
//! * [`statements`]: which queries run here, and how they are stopped
//! * [`caches`]: what is kept between queries
//! * [`incoming`]: who connects; [`home`]: the service that frontends call; [`rows`] and [`failure`] below it
//!
//! Absent on purpose: SQL, catalogs, users, a list of the other backends, and anything that outlives a query
//! except caches.

mod caches;
pub mod config;
pub mod distributed;
mod failure;
mod home;
mod incoming;
pub mod leaf;
mod rows;
mod statements;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use proto::client::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, MESSAGE_BYTES_MAX};
use proto::v1::home_server::HomeServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;

use caches::Caches;
use config::{Backend as Section, Rpc};
use distributed::Engine;
use home::HomeService;
use leaf::Leaf;
use statements::Statements;

/// A running backend.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    statements: Arc<Statements>,
    server: AbortOnDropHandle<Result<(), tonic::transport::Error>>,
    _janitor: AbortOnDropHandle<()>,
}

impl Backend {
    /// Starts to serve at `rpc.listen`, until `stop`: then no new query is taken, and those that run may end.
    ///
    /// # Errors
    /// The port cannot be had, the spill directory cannot be made, a cache has a size that cannot be served.
    pub async fn start(
        rpc: &Rpc,
        section: &Section,
        data_dir: &std::path::Path,
        leaf: Arc<dyn Leaf>,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let named = |what: &str, error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("{what}: {error}"))
        };
        let listener = TcpListener::bind(&rpc.listen).await;
        let listener = listener.map_err(|e| named(&format!("rpc.listen {}", rpc.listen), e))?;
        let address = listener.local_addr()?;
        let statements = Arc::new(Statements::default());
        let runtime = runtime(section, data_dir);
        let runtime = runtime.map_err(|e| named(&format!("data_dir {}", data_dir.display()), e))?;
        let caches = Caches::open(section, data_dir).await?;
        let statements_of = Arc::clone(&statements);
        let engine = Arc::new(Engine::new(runtime, caches, leaf, statements_of, section.clone()));
        let home = HomeService::new(Arc::clone(&engine), Arc::clone(&statements), stop.clone());
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_service(engine.worker().into_worker_server())
            .add_service(HomeServer::new(home).max_decoding_message_size(MESSAGE_BYTES_MAX))
            .serve_with_incoming_shutdown(incoming::incoming(listener), stop.cancelled_owned());
        Ok(Self {
            address,
            statements,
            server: AbortOnDropHandle::new(tokio::spawn(server)),
            _janitor: AbortOnDropHandle::new(tokio::spawn(distributed::janitor(engine))),
        })
    }

    /// The address that it serves at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until what runs has ended, `within` at the longest; what is left is stopped.
    pub async fn drain(self, within: Duration) {
        let ended = tokio::time::timeout(within, self.server).await;
        if ended.is_err() {
            tracing::warn!(?within, "queries were stopped by the end of the drain");
            self.statements.stop_all();
        }
    }
}

/// Memory and spill space of all queries of this process.
fn runtime(section: &Section, data_dir: &std::path::Path) -> std::io::Result<Arc<RuntimeEnv>> {
    let spill = data_dir.join("spill");
    std::fs::create_dir_all(&spill)?;
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill]))
        .with_max_temp_directory_size(section.spill_bytes_max);
    RuntimeEnvBuilder::new()
        .with_memory_limit(section.memory_bytes_max, 1.0)
        .with_metadata_cache_limit(section.lake_footer_cache_bytes_max)
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(std::io::Error::other)
}
