//! What a cluster is made of.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// User and password of SASL PLAIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name; a super user of the cluster.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Shape and options of a cluster. The default has one tablet server, tiering, and intervals short enough for tests.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Number of tablet servers, ids 0…N-1. Tables have one replica unless they say otherwise.
    pub tablet_servers: usize,
    /// Whether the tiering job runs.
    pub tiering: bool,
    /// Whether the servers know a lake. In a cluster that knows none (and where no tiering job can run), all tables
    /// keep their keys in Fluss's own layout and spread them by its own function.
    pub lake: bool,
    /// How often the tablet servers snapshot the state of primary-key tables (`kv.snapshot.interval`).
    pub kv_snapshot_interval: Duration,
    /// Size at which a log segment is closed, in bytes (`log.segment.file-size`).
    pub segment_bytes: u64,
    /// How often closed segments are copied to remote storage (`remote.log.task-interval-duration`).
    pub remote_log_interval: Duration,
    /// The servers' heaps are this many times smaller than usual.
    pub heap_divisor: u32,
    /// Clients must log in with these; the servers and the tiering job keep a plain listener of their own.
    pub sasl: Option<Credentials>,
    /// Further lines of every `server.yaml`; they win over the harness's own.
    pub server_options: Vec<(String, String)>,
    /// Where the cluster lives; must be empty or absent, and is kept. Without it: a temporary directory, removed in
    /// the end unless `MILLRACE_KEEP=1`.
    pub directory: Option<PathBuf>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            tablet_servers: 1,
            tiering: true,
            lake: true,
            kv_snapshot_interval: Duration::from_secs(2),
            segment_bytes: 1 << 20,
            remote_log_interval: Duration::from_secs(1),
            heap_divisor: 1,
            sasl: None,
            server_options: Vec::new(),
            directory: None,
        }
    }
}
