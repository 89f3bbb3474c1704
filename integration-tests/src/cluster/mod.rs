//! A cluster of real processes: ZooKeeper, coordinator, tablet servers and the official tiering job.

mod layout;
mod nodes;
mod options;
mod tables;
mod tiered;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fluss::client::{FlussAdmin, FlussConnection};
use fluss::config::Config;
use parking_lot::Mutex;

use crate::artifacts::Artifacts;
use crate::error::{IoContext, LabError, Result};
use crate::process::Process;
use crate::wait::request;
use crate::watchdog::Watchdog;
use layout::Layout;
pub(crate) use layout::free_port;
pub use options::{ClusterOptions, Credentials};
pub use tables::TableSpec;
pub use tiered::{BucketKey, Offsets, ReadableSnapshot};

/// One process of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// ZooKeeper, which the servers register with.
    ZooKeeper,
    /// The coordinator server: metadata, lake snapshots.
    Coordinator,
    /// A tablet server: data.
    Tablet(usize),
    /// The Flink job that moves rows to the lake.
    Tiering,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZooKeeper => f.write_str("zookeeper"),
            Self::Coordinator => f.write_str("coordinator"),
            Self::Tablet(id) => write!(f, "tablet-{id}"),
            Self::Tiering => f.write_str("tiering"),
        }
    }
}

/// A running cluster. Dropping it ends all its processes; so does the end of this process, however it comes.
///
/// It holds no connection, so it may be shared by tests that each have a runtime of their own.
#[derive(Debug)]
pub struct Cluster {
    artifacts: Artifacts,
    layout: Layout,
    sasl: Option<Credentials>,
    tablets: usize,
    kept: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    processes: BTreeMap<Node, Process>,
    watchdog: Watchdog,
}

/// Time for the servers to come up. A cold machine with two busy cores takes about 10 s.
const START_LIMIT: Duration = Duration::from_secs(120);

impl Cluster {
    /// Starts all servers at once and waits until the coordinator answers and knows every tablet server. The tiering
    /// job is started then and comes up in the background: what it does is waited for where it matters.
    ///
    /// The first start on a machine fetches the artifacts (about a minute).
    pub async fn start(options: ClusterOptions) -> Result<Self> {
        let artifacts = tokio::task::spawn_blocking(Artifacts::ensure)
            .await
            .map_err(|error| LabError::Setup(error.to_string()))??;
        let (root, keep) = directory(&options)?;
        let watchdog = Watchdog::start((!keep).then_some(root.as_path()))?;
        let layout = Layout::create(root.clone(), &options)?;
        let cluster = Self {
            artifacts,
            layout,
            sasl: options.sasl,
            tablets: options.tablet_servers,
            kept: keep.then_some(root),
            state: Mutex::new(State { processes: BTreeMap::new(), watchdog }),
        };
        let tablets = (0..cluster.tablets).map(Node::Tablet);
        for node in [Node::ZooKeeper, Node::Coordinator].into_iter().chain(tablets) {
            cluster.spawn(node)?;
        }
        cluster.wait_ready(START_LIMIT).await?;
        if options.tiering {
            cluster.spawn(Node::Tiering)?;
        }
        Ok(cluster)
    }

    /// `bootstrap.servers`: the coordinator, which answers metadata even when no tablet server is up.
    pub fn bootstrap(&self) -> String {
        self.layout.coordinator()
    }

    /// `host:port` of a tablet server.
    pub fn tablet_address(&self, id: usize) -> Option<String> {
        self.layout.tablet(id)
    }

    /// Directory of the Paimon filesystem warehouse.
    pub fn warehouse(&self) -> PathBuf {
        self.layout.warehouse()
    }

    /// The cluster's own directory: `logs/`, `warehouse/`, `remote/`, one directory per server.
    pub fn directory(&self) -> &Path {
        self.layout.root()
    }

    /// Log file of a process.
    pub fn log(&self, node: Node) -> PathBuf {
        self.layout.log(node)
    }

    /// What clients log in with.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.sasl.as_ref()
    }

    /// A new connection of `fluss-rs`, which lives in the runtime that asks for it.
    pub async fn connect(&self) -> Result<FlussConnection> {
        connect(&self.bootstrap(), self.sasl.as_ref()).await
    }

    pub(crate) async fn admin(&self) -> Result<Arc<FlussAdmin>> {
        Ok(self.connect().await?.get_admin()?)
    }

    pub(crate) fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        for (node, process) in std::mem::take(&mut state.processes).iter_mut().rev() {
            let id = process.id();
            match process.kill().and_then(|()| state.watchdog.forget(id)) {
                Ok(()) => {}
                // the watchdog still knows the process and tries again
                Err(error) => eprintln!("lab: {node}: {error}"),
            }
        }
        state.watchdog.finish();
        if let Some(kept) = &self.kept {
            eprintln!("lab: kept {}", kept.display());
        }
    }
}

/// Connects to a cluster, which may be another process's.
pub async fn connect(bootstrap: &str, sasl: Option<&Credentials>) -> Result<FlussConnection> {
    let mut config = Config { bootstrap_servers: bootstrap.to_owned(), ..Config::default() };
    if let Some(sasl) = sasl {
        config.security_protocol = "sasl".to_owned();
        config.security_sasl_username = sasl.user.clone();
        config.security_sasl_password = sasl.password.clone();
    }
    request("connect", FlussConnection::new(config)).await
}

/// The directory to use and whether it is kept.
fn directory(options: &ClusterOptions) -> Result<(PathBuf, bool)> {
    if let Some(directory) = &options.directory {
        std::fs::create_dir_all(directory).doing(|| format!("create {}", directory.display()))?;
        let directory =
            directory.canonicalize().doing(|| format!("find {}", directory.display()))?;
        let mut entries =
            std::fs::read_dir(&directory).doing(|| format!("read {}", directory.display()))?;
        return match entries.next() {
            None => Ok((directory, true)),
            Some(_) => Err(LabError::Misuse(format!("{} is not empty", directory.display()))),
        };
    }
    let directory = tempfile::Builder::new()
        .prefix("millrace-lab-")
        .tempdir()
        .doing(|| "create a temporary directory".into())?;
    let keep = std::env::var_os("MILLRACE_KEEP").is_some_and(|value| value == "1");
    Ok((directory.keep(), keep))
}
