//! The cluster: its servers, databases and tables, and what a test does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fluss_scan::{Bucket, Column, FlussType, LakeSnapshot, Schema, TablePath};
use parking_lot::{Mutex, MutexGuard};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::api::Version;
use crate::bucket::BucketState;
use crate::fault::Script;
use crate::spec::TableSpec;
use crate::{Error, Result};

/// The id of the coordinator; tablet servers count from 1.
pub const COORDINATOR: i32 = 0;
const PORT: u16 = 9123;
/// When the first batch is written, milliseconds since 1970; each write takes one.
const EPOCH: i64 = 1_700_000_000_000;

/// Bytes of one answer of a scan of a state, whatever is asked for.
const SCAN_BYTES_MAX: usize = 10 << 20;

/// Whether a server works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It does.
    Up,
    /// Connections are taken, nothing is read or answered.
    Frozen,
    /// Connections are broken and refused.
    Down,
}

/// A simulated cluster; clones are the same one.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) version: Version,
    state: Mutex<State>,
    pub(crate) script: Mutex<Script>,
    pub(crate) nodes: BTreeMap<i32, watch::Sender<NodeState>>,
}

/// Everything that calls see.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: i64,
    pub(crate) random: StdRng,
    pub(crate) addresses: BTreeMap<i32, (String, u16)>,
    pub(crate) databases: BTreeSet<String>,
    pub(crate) tables: BTreeMap<TablePath, Table>,
    pub(crate) scanners: BTreeMap<Bytes, Scanner>,
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) remote_directory: Option<PathBuf>,
    pub(crate) scan_bytes_max: usize,
    /// Ids of tables, partitions, scanners, segments and connections are counted together.
    pub(crate) next_id: i64,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: i64,
    pub(crate) spec: TableSpec,
    /// Schema ids count from 1.
    pub(crate) schemas: Vec<Arc<Schema>>,
    pub(crate) partitions: BTreeMap<i64, Vec<String>>,
    pub(crate) buckets: BTreeMap<(Option<i64>, i32), BucketState>,
    pub(crate) lake: Option<LakeSnapshot>,
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

/// An open scan of a state.
#[derive(Debug)]
pub(crate) struct Scanner {
    pub(crate) server: i32,
    pub(crate) bucket: Bucket,
    pub(crate) values: Vec<Bytes>,
    pub(crate) sequence: i32,
}

impl Table {
    pub(crate) fn schema(&self) -> Arc<Schema> {
        self.schemas.last().cloned().unwrap_or_else(|| Arc::new(self.spec.schema()))
    }

    pub(crate) fn schema_id(&self) -> i32 {
        self.schemas.len() as i32
    }

    pub(crate) fn has_key(&self) -> bool {
        !self.spec.primary_key.is_empty()
    }

    fn add_buckets(&mut self, partition_id: Option<i64>, servers: i32) {
        for bucket in 0..self.spec.buckets {
            let leader = Some(1 + bucket % servers.max(1));
            let state = BucketState { leader, ..BucketState::default() };
            self.buckets.insert((partition_id, bucket), state);
        }
    }
}

impl State {
    pub(crate) fn take_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn table(&mut self, path: &TablePath) -> Result<&mut Table> {
        self.tables.get_mut(path).ok_or_else(|| Error::Missing(format!("table {path}")))
    }

    pub(crate) fn table_of(&mut self, bucket: Bucket) -> Result<&mut Table> {
        let mut tables = self.tables.values_mut();
        let table = tables.find(|table| table.id == bucket.table_id);
        table.ok_or_else(|| Error::Missing(format!("table {}", bucket.table_id)))
    }

    pub(crate) fn bucket(&mut self, bucket: Bucket) -> Result<&mut BucketState> {
        let key = (bucket.partition_id, bucket.bucket);
        let found = self.table_of(bucket)?.buckets.get_mut(&key);
        found.ok_or_else(|| Error::Missing(bucket.to_string()))
    }
}

impl Cluster {
    /// A cluster of a coordinator and some tablet servers at `coordinator:9123`, `server-1:9123`, ….
    pub fn new(version: Version, servers: i32, seed: u64) -> Self {
        let name =
            |id| if id == COORDINATOR { "coordinator".into() } else { format!("server-{id}") };
        let state = State {
            clock: EPOCH,
            random: StdRng::seed_from_u64(seed),
            addresses: (COORDINATOR..=servers).map(|id| (id, (name(id), PORT))).collect(),
            databases: BTreeSet::new(),
            tables: BTreeMap::new(),
            scanners: BTreeMap::new(),
            credentials: None,
            remote_directory: None,
            scan_bytes_max: SCAN_BYTES_MAX,
            next_id: 0,
        };
        let nodes = (COORDINATOR..=servers).map(|id| (id, watch::Sender::new(NodeState::Up)));
        let (state, nodes) = (Mutex::new(state), nodes.collect());
        Self { inner: Arc::new(Inner { version, state, script: Mutex::default(), nodes }) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }

    /// The version that it speaks.
    pub fn version(&self) -> Version {
        self.inner.version
    }

    /// Ids of all servers, the coordinator's first.
    pub fn servers(&self) -> Vec<i32> {
        self.inner.nodes.keys().copied().collect()
    }

    /// `host:port` of a server.
    ///
    /// # Errors
    /// `Missing` server.
    pub fn address(&self, server: i32) -> Result<String> {
        let state = self.state();
        let (host, port) = state.addresses.get(&server).ok_or_else(|| no_server(server))?;
        Ok(format!("{host}:{port}"))
    }

    /// Announces a server elsewhere, for tests over real sockets.
    pub fn set_address(&self, server: i32, host: &str, port: u16) {
        self.state().addresses.insert(server, (host.to_string(), port));
    }

    /// Lets a server work, freeze or be down.
    ///
    /// # Errors
    /// `Missing` server.
    pub fn set_node(&self, server: i32, node: NodeState) -> Result<()> {
        self.inner.nodes.get(&server).ok_or_else(|| no_server(server))?.send_replace(node);
        if node == NodeState::Down {
            self.state().scanners.retain(|_, scanner| scanner.server != server);
        }
        Ok(())
    }

    /// Asks every connection for this user and password (SASL PLAIN).
    pub fn require(&self, user: &str, password: &str) {
        self.state().credentials = Some((user.to_string(), password.to_string()));
    }

    /// Where segments are tiered to: an absolute path.
    pub fn set_remote_directory(&self, directory: impl Into<PathBuf>) {
        self.state().remote_directory = Some(directory.into());
    }

    /// Gives the next table or partition this id, and later ones higher ids.
    pub fn set_next_id(&self, id: i64) {
        self.state().next_id = id - 1;
    }

    /// Cuts the answers of scans of states at this size, so that small states take several.
    pub fn set_scan_bytes(&self, bytes_max: usize) {
        self.state().scan_bytes_max = bytes_max;
    }

    /// Creates a table, and its database where that does not exist.
    ///
    /// # Errors
    /// `Refused` for statistics of columns before 1.0, and for a table that exists.
    pub fn create_table(&self, path: &TablePath, mut spec: TableSpec) -> Result<i64> {
        let has_statistics = spec.properties.contains_key("table.statistics.columns");
        if has_statistics && self.inner.version == Version::V0_9 {
            return Err(Error::Refused("table.statistics.columns is not known".into()));
        }
        let servers = self.inner.nodes.len() as i32 - 1;
        let mut state = self.state();
        if state.tables.contains_key(path) {
            return Err(Error::Refused(format!("table {path} exists")));
        }
        if !spec.primary_key.is_empty() {
            spec.properties.entry("table.kv.format-version".into()).or_insert("2".into());
        }
        let (id, created) = (state.take_id(), state.clock);
        let mut table = Table {
            id,
            schemas: vec![Arc::new(spec.schema())],
            partitions: BTreeMap::new(),
            buckets: BTreeMap::new(),
            lake: None,
            created,
            modified: created,
            spec,
        };
        if table.spec.partition_keys.is_empty() {
            table.add_buckets(None, servers);
        }
        state.databases.insert(path.database.clone());
        state.tables.insert(path.clone(), table);
        Ok(id)
    }

    /// The present schema of a table.
    ///
    /// # Errors
    /// `Missing`.
    pub fn schema(&self, path: &TablePath) -> Result<Arc<Schema>> {
        Ok(self.state().table(path)?.schema())
    }

    /// When the last batch was written, milliseconds since 1970.
    pub fn clock(&self) -> i64 {
        self.state().clock
    }

    /// Drops a table.
    ///
    /// # Errors
    /// `Missing`.
    pub fn drop_table(&self, path: &TablePath) -> Result<()> {
        let dropped = self.state().tables.remove(path);
        dropped.map(drop).ok_or_else(|| Error::Missing(format!("table {path}")))
    }

    /// Adds a nullable column behind all others; the id of the new schema.
    ///
    /// # Errors
    /// `Missing`.
    pub fn add_column(&self, path: &TablePath, name: &str, data_type: FlussType) -> Result<i32> {
        let mut state = self.state();
        let table = state.table(path)?;
        let mut schema = Schema::clone(&table.schema());
        let id = schema.columns.iter().map(|column| column.id).max().unwrap_or(-1) + 1;
        let name = name.to_string();
        schema.columns.push(Column { id, name, data_type, nullable: true, comment: None });
        table.schemas.push(Arc::new(schema));
        table.modified += 1;
        Ok(table.schema_id())
    }

    /// Changes a column, which keeps its id; the id of the new schema. Servers of today refuse it, by whatever they are asked.
    ///
    /// # Errors
    /// `Missing` table or column.
    pub fn alter_column(
        &self,
        path: &TablePath,
        name: &str,
        change: impl FnOnce(&mut Column),
    ) -> Result<i32> {
        let mut state = self.state();
        let table = state.table(path)?;
        let mut schema = Schema::clone(&table.schema());
        let column = schema.columns.iter_mut().find(|column| column.name == name);
        change(column.ok_or_else(|| Error::Missing(format!("column {name}")))?);
        table.schemas.push(Arc::new(schema));
        table.modified += 1;
        Ok(table.schema_id())
    }

    /// Creates a partition; its id.
    ///
    /// # Errors
    /// `Missing`.
    pub fn add_partition(&self, path: &TablePath, values: &[&str]) -> Result<i64> {
        let servers = self.inner.nodes.len() as i32 - 1;
        let mut state = self.state();
        let id = state.take_id();
        let table = state.table(path)?;
        table.partitions.insert(id, values.iter().map(|value| (*value).to_string()).collect());
        table.add_buckets(Some(id), servers);
        Ok(id)
    }

    /// Drops a partition and its buckets.
    ///
    /// # Errors
    /// `Missing`.
    pub fn drop_partition(&self, path: &TablePath, partition_id: i64) -> Result<()> {
        let mut state = self.state();
        let table = state.table(path)?;
        table.buckets.retain(|(partition, _), _| *partition != Some(partition_id));
        let dropped = table.partitions.remove(&partition_id);
        dropped.map(drop).ok_or_else(|| Error::Missing(format!("partition {partition_id}")))
    }

    /// Gives a bucket to another server, or to none. Open scans of its state end.
    ///
    /// # Errors
    /// `Missing`.
    pub fn move_leader(&self, bucket: Bucket, leader: Option<i32>) -> Result<()> {
        let mut state = self.state();
        state.bucket(bucket)?.leader = leader;
        state.scanners.retain(|_, scanner| scanner.bucket != bucket);
        Ok(())
    }

    /// The server that leads a bucket.
    ///
    /// # Errors
    /// `Missing`.
    pub fn leader(&self, bucket: Bucket) -> Result<Option<i32>> {
        Ok(self.state().bucket(bucket)?.leader)
    }

    /// Makes a snapshot of the lake the readable one of its table.
    ///
    /// # Errors
    /// `Missing`.
    pub fn set_lake_snapshot(&self, path: &TablePath, snapshot: LakeSnapshot) -> Result<()> {
        self.state().table(path)?.lake = Some(snapshot);
        Ok(())
    }

    /// Ends all scans of states, as their time to live does.
    pub fn expire_scanners(&self) {
        self.state().scanners.clear();
    }
}

fn no_server(server: i32) -> Error {
    Error::Missing(format!("server {server}"))
}
