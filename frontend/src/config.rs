//! The sections of `conf/frontend.toml` that are this crate's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The sections together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// `[mysql]`.
    pub mysql: Mysql,
    /// `[auth]`.
    pub auth: Auth,
    /// `[frontend]`.
    pub frontend: FrontendSection,
}

/// `[mysql]`: the port for clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mysql {
    /// `host:port`.
    pub listen: String,
    /// Clients at one time; one more is refused with 1040.
    pub connections_max: usize,
    /// The longest packet of a client, bytes. One connection takes up to twice as much memory for what its client sends.
    pub packet_bytes_max: usize,
    /// The longest wait for a login, milliseconds.
    pub login_timeout_ms: u64,
    /// Certificates in a PEM file; empty: one is made at the start, signed by itself.
    pub tls_certificates: PathBuf,
    /// The key of the certificates in a PEM file.
    pub tls_key: PathBuf,
    /// Refuse logins without TLS.
    pub require_tls: bool,
}

impl Default for Mysql {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9030".into(),
            connections_max: 1024,
            packet_bytes_max: 32 << 20,
            login_timeout_ms: 10_000,
            tls_certificates: PathBuf::new(),
            tls_key: PathBuf::new(),
            require_tls: false,
        }
    }
}

/// `[auth]`: who may log in.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The password of `root`. While it is empty, `root` is let in from this machine alone.
    pub root_password: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// `[frontend]`: plans and backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontendSection {
    /// `host:port` of the rpc ports of all backends.
    pub backends: Vec<String>,
    /// Partitions of a plan on each backend. With 1 a query runs at one backend.
    pub target_partitions: usize,
    /// Rows of one batch.
    pub batch_size: usize,
    /// Columns that the list of one SELECT may have, a wildcard counted as one: what a longer list costs grows with its square.
    pub select_list_max: usize,
    /// Prepared statements of one connection.
    pub prepared_statements_max: usize,
    /// Long parameters (COM_STMT_SEND_LONG_DATA) that one connection may have waiting for their executions, bytes.
    pub long_parameter_bytes_max: usize,
    /// Cursors that one connection may have open; each holds its query and a part of its rows.
    pub cursors_max: usize,
    /// Tables whose columns one query of `information_schema` may read.
    pub information_schema_tables_max: usize,
    /// Views that are kept.
    pub views_max: usize,
    /// The longest text of a view, bytes.
    pub view_text_bytes_max: usize,
    /// How deep views may be made of views.
    pub view_depth_max: usize,
    /// Operators in the plan of one view, those of the views in it included.
    pub view_plan_nodes_max: usize,
    /// Lists of the lake's files kept for later statements, bytes.
    pub lake_plan_cache_bytes_max: usize,
    /// How often a statement whose backend or read point was lost before its first row is begun again.
    pub statement_retries_max: u32,
    /// Bytes of an answer that are held back, so that what is lost meanwhile can be begun again unseen. 0: none.
    pub answer_held_bytes_max: usize,
    /// How long its first rows are held back at the most, milliseconds.
    pub answer_held_ms_max: u64,
    /// Buckets and files that a session with `keep_read_points` keeps of its last query.
    pub read_point_files_max: usize,
}

impl Default for FrontendSection {
    fn default() -> Self {
        Self {
            backends: vec!["127.0.0.1:9060".into()],
            target_partitions: 2,
            batch_size: 8192,
            select_list_max: 4096,
            prepared_statements_max: 1000,
            long_parameter_bytes_max: 8 << 20,
            cursors_max: 16,
            information_schema_tables_max: 10_000,
            views_max: 10_000,
            view_text_bytes_max: 64 << 10,
            view_depth_max: 16,
            view_plan_nodes_max: 10_000,
            lake_plan_cache_bytes_max: 256 << 20,
            statement_retries_max: 2,
            answer_held_bytes_max: 4 << 20,
            answer_held_ms_max: 4000,
            read_point_files_max: 10_000,
        }
    }
}
