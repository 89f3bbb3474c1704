//! Speaks MySQL to clients, plans, hands plans to backends, answers.
//!
//! * [`config`]: the sections of `conf/frontend.toml`
//! * [`mysql`]: the only code that knows MySQL packets: listener, connection, error numbers
//! * [`session`]: what a connection remembers, variables, the process list
//! * [`query`]: the pipeline of a statement; `query::run` tells the story
//! * [`information_schema`]: what there is, in tables
//! * [`read_points`]: where a query has read, for whoever doubts its answer
//! * [`catalog`]: the catalogs and views that users created
//! * [`cluster`]: which backends there are
//!
//! Absent on purpose: operators over users' data, which run on backends alone, and any knowledge of how a lake or a log is read.

pub mod catalog;
pub mod cluster;
pub mod config;
mod error;
pub mod information_schema;
mod like;
pub mod mysql;
pub mod query;
pub mod read_points;
pub mod session;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use union_read::source::Connections;

use catalog::Catalogs;
use cluster::Backends;
use config::Config;
pub use error::{Error, Result};
use information_schema::Sources;
use mysql::certificate::Certificate;
use mysql::listener::Listener;
use query::plan::Planner;
use session::process_list::ProcessList;
use session::variables::Variables;

/// The version that clients see: what they may ask of MySQL 8.0.33, and who answers.
pub const SERVER_VERSION: &str = concat!("8.0.33-millrace-", env!("CARGO_PKG_VERSION"));
/// `@@version_comment`.
pub const VERSION_COMMENT: &str = concat!("Millrace ", env!("CARGO_PKG_VERSION"));
/// `current_version()`: the StarRocks whose statements are understood, as its clients want to read it.
pub const COMPATIBLE_VERSION: &str = concat!("3.5.0-millrace-", env!("CARGO_PKG_VERSION"));

/// What all connections of a frontend share.
#[derive(Debug)]
pub struct Frontend {
    config: Config,
    catalogs: Arc<Catalogs>,
    planner: Planner,
    processes: Arc<ProcessList>,
    backends: Arc<Backends>,
    certificate: Certificate,
}

impl Frontend {
    /// What `information_schema` tells of.
    pub fn sources(&self) -> Sources {
        self.planner.sources().clone()
    }

    /// The system variables that a session begins with.
    pub fn variables(&self) -> Variables {
        let int = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let (mysql, section) = (&self.config.mysql, &self.config.frontend);
        Variables::configured(&[
            ("max_allowed_packet", int(mysql.packet_bytes_max)),
            ("max_connections", int(mysql.connections_max)),
            ("max_prepared_stmt_count", int(section.prepared_statements_max)),
            ("require_secure_transport", i64::from(mysql.require_tls)),
        ])
    }

    /// Reads the certificates of the MySQL port again; connections that there are keep theirs.
    ///
    /// # Errors
    /// The files cannot be used: the old certificates stay.
    pub fn reload_tls(&self) -> Result<()> {
        self.certificate.reload()
    }

    /// The certificates of the MySQL port.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The catalogs.
    pub fn catalogs(&self) -> &Arc<Catalogs> {
        &self.catalogs
    }

    /// The planner.
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// All sessions.
    pub fn processes(&self) -> &Arc<ProcessList> {
        &self.processes
    }

    /// The backends.
    pub fn backends(&self) -> &Arc<Backends> {
        &self.backends
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// A frontend that serves clients.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Frontend>,
    listener: Listener,
}

impl Running {
    /// Starts to serve at `mysql.listen` until `stop`: then no client is taken, and statements that run may end.
    ///
    /// # Errors
    /// The port, the catalogs or the certificates cannot be had.
    pub async fn start(config: Config, data_dir: &Path, stop: CancellationToken) -> Result<Self> {
        let connections = Connections::new(config.frontend.lake_plan_cache_bytes_max);
        let catalogs = Arc::new(Catalogs::open(data_dir)?.with_connections(connections));
        let processes: Arc<ProcessList> = Arc::default();
        let sources = Sources {
            catalogs: Arc::clone(&catalogs),
            processes: Arc::clone(&processes),
            tables_max: config.frontend.information_schema_tables_max,
            views: (&config.frontend).into(),
        };
        let planner = Planner::new(sources, &config.frontend)?;
        let backends = Backends::watch(config.frontend.backends.clone()).await;
        let certificate = Certificate::of(&config.mysql)?;
        let shared =
            Arc::new(Frontend { config, catalogs, planner, processes, backends, certificate });
        let listener = Listener::start(Arc::clone(&shared), stop).await?;
        Ok(Self { shared, listener })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// What the connections share.
    pub fn shared(&self) -> &Arc<Frontend> {
        &self.shared
    }

    /// Waits until the running statements have ended, `within` at the longest; what is left is cut off.
    pub async fn drain(self, within: Duration) {
        self.listener.drain(within).await;
    }
}
