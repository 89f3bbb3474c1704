//! A client of one cluster: which server to ask, and the questions about tables and offsets.

pub(crate) mod lanes;
mod leaders;
mod offsets;
mod servers;
mod spread;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::code;
use crate::messages::{
    GetLakeSnapshot, GetTableInfo, GetTableSchema, ListDatabases, ListPartitionInfos, ListTables,
    Path,
};
use crate::network::{Network, Tcp};
use crate::store::Stores;
use crate::table::{Bucket, LakeSnapshot, PartitionInfo, Schema, TableInfo, TablePath};
use crate::waiting::Wait;
use crate::{ClientOptions, Error, Result};
use lanes::Lanes;
use leaders::Leaders;
use servers::Servers;

pub use offsets::OffsetSpec;
pub(crate) use spread::{OfBucket, Spread};

/// A client of one cluster. Connects when it is first asked something; shared by all statements.
#[derive(Debug)]
pub struct FlussClient {
    options: ClientOptions,
    servers: Servers,
    leaders: Leaders,
    schemas: Mutex<HashMap<(i64, i32), Arc<Schema>>>,
    stores: Stores,
    lanes: Lanes,
}

/// Old schemas that are remembered.
const SCHEMAS_MAX: usize = 10_000;

impl FlussClient {
    /// A client with these options.
    pub fn new(options: ClientOptions) -> Self {
        Self::over(Arc::new(Tcp), options)
    }

    /// A client that reaches its servers over another network.
    pub fn over(network: Arc<dyn Network>, options: ClientOptions) -> Self {
        Self {
            servers: Servers::new(options.clone(), network),
            leaders: Leaders::default(),
            schemas: Mutex::default(),
            stores: Stores::default(),
            lanes: Lanes::default(),
            options,
        }
    }

    /// The client's options.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Names of all databases.
    ///
    /// # Errors
    /// `Unreachable`, `TimedOut`, `Denied`, as every question of this type.
    pub async fn list_databases(&self) -> Result<Vec<String>> {
        Ok(self.servers.ask_any(&ListDatabases {}, self.deadline()).await?.names)
    }

    /// Names of all tables of a database.
    ///
    /// # Errors
    /// `DatabaseNotFound`.
    pub async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        let request = ListTables { database: database.to_string() };
        Ok(self.servers.ask_any(&request, self.deadline()).await?.names)
    }

    /// A table as it is now.
    ///
    /// # Errors
    /// `NotFound`, also of a table that is just being dropped; `DatabaseNotFound`; `Unsupported` for a type that is not known.
    pub async fn table_info(&self, path: &TablePath) -> Result<TableInfo> {
        let request = GetTableInfo { path: wire(path) };
        match self.servers.ask_any(&request, self.deadline()).await {
            // the server reads the table and then its schema, which a drop removes in between
            Err(Error::Server { code: code::SCHEMA_NOT_EXIST, message }) => {
                Err(Error::NotFound(message))
            }
            answer => TableInfo::parse(path.clone(), answer?),
        }
    }

    /// An old or present schema of a table; schemas never change, so they are remembered.
    ///
    /// # Errors
    /// `Server` for an id that no server comes to know.
    pub async fn schema(&self, table: &TableInfo, schema_id: i32) -> Result<Arc<Schema>> {
        let key = (table.table_id, schema_id);
        if let Some(schema) = self.schemas.lock().get(&key) {
            return Ok(Arc::clone(schema));
        }
        let request = GetTableSchema { path: wire(&table.path), schema_id: Some(schema_id) };
        let mut attempts = Attempts::new(self.options.metadata_timeout);
        let answer = loop {
            match self.servers.ask_any(&request, attempts.deadline()).await {
                // servers learn of a new schema a moment after it is written with
                Err(error @ Error::Server { code: code::SCHEMA_NOT_EXIST, .. }) => {
                    attempts.pause(&[]).await.map_err(|_| error)?;
                }
                answer => break answer?,
            }
        };
        let schema = Arc::new(Schema::parse(&answer.json)?);
        let mut schemas = self.schemas.lock();
        if schemas.len() >= SCHEMAS_MAX {
            schemas.clear();
        }
        schemas.insert(key, Arc::clone(&schema));
        Ok(schema)
    }

    /// The partitions of a partitioned table that live in Fluss.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn partitions(&self, path: &TablePath) -> Result<Vec<PartitionInfo>> {
        let request = ListPartitionInfos { path: wire(path) };
        let answer = self.servers.ask_any(&request, self.deadline()).await?;
        answer.partitions.into_iter().map(PartitionInfo::parse).collect()
    }

    /// The lake snapshot that may be read, with its offsets; `None` while there is none.
    ///
    /// "Readable" is asked for: the latest snapshot of a table with deletion vectors is not.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn readable_lake_snapshot(&self, path: &TablePath) -> Result<Option<LakeSnapshot>> {
        let request = GetLakeSnapshot { path: wire(path), readable: Some(true) };
        let answer = match self.servers.ask_any(&request, self.deadline()).await {
            Err(Error::Server { code: code::LAKE_SNAPSHOT_NOT_EXIST, .. }) => return Ok(None),
            answer => answer?,
        };
        let offset = |b: crate::messages::LakeBucket| {
            let offset = b.log_offset.filter(|offset| *offset >= 0)?;
            Some(((b.partition_id, b.bucket), offset))
        };
        Ok(Some(LakeSnapshot {
            table_id: answer.table_id,
            snapshot_id: answer.snapshot_id,
            offsets: answer.buckets.into_iter().filter_map(offset).collect(),
        }))
    }

    /// The store of a remote log directory and the path in it.
    pub(crate) fn open_store(&self, directory: &str) -> Result<(Arc<dyn ObjectStore>, ObjectPath)> {
        self.stores.open(directory, &self.options.remote_storage)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.metadata_timeout
    }
}

fn wire(path: &TablePath) -> Path {
    Path { database: path.database.clone(), table: path.table.clone() }
}

/// The follower id of a client, in requests that followers send too.
pub(crate) const CLIENT: i32 = -1;

/// The error of one bucket in an answer.
pub(crate) fn bucket_error(code: i32, message: &str, bucket: Bucket) -> Error {
    match code {
        code::UNKNOWN_TABLE_OR_BUCKET => Error::NotFound(format!("{bucket} does not exist")),
        code => Error::server(code, message),
    }
}

/// The error that the answer about one bucket carries.
pub(crate) fn check_bucket(code: Option<i32>, message: Option<&str>, bucket: Bucket) -> Result<()> {
    match code {
        None | Some(0) => Ok(()),
        Some(code) => Err(bucket_error(code, message.unwrap_or_default(), bucket)),
    }
}

/// Tries within one deadline, with growing pauses between them.
#[derive(Debug)]
pub(crate) struct Attempts {
    deadline: Instant,
    within: Duration,
    pause: Duration,
    /// How often a server may still fail with an exception of its own.
    exceptions: u32,
    /// No server gets all of the time.
    shares: bool,
    /// What is waited for since the first pause.
    wait: Option<Wait>,
}

/// Servers fail with exceptions of their own at what they answer right after: while they delete a segment that
/// has gone to remote storage, while a table is tiered. One that never ends is not waited for.
const EXCEPTIONS_MAX: u32 = 4;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl Attempts {
    pub(crate) fn new(within: Duration) -> Self {
        let deadline = Instant::now() + within;
        Self {
            deadline,
            within,
            pause: FIRST_PAUSE,
            exceptions: EXCEPTIONS_MAX,
            shares: true,
            wait: None,
        }
    }

    /// All of the time for the first server that is asked: its answer may take long to make.
    pub(crate) fn of_one_server(within: Duration) -> Self {
        Self { shares: false, ..Self::new(within) }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left of the time.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The time for one server: one that hangs leaves some for its successor, until little is left.
    pub(crate) fn share(&mut self) -> Duration {
        let left = self.left();
        self.shares &= left > self.within / 4;
        if self.shares { left / 2 } else { left }
    }

    /// Whether an error may pass, so that it is worth asking again.
    pub(crate) fn may_pass(&mut self, error: &Error) -> bool {
        if matches!(error, Error::TimedOut { .. }) {
            return self.shares;
        }
        if matches!(error, Error::Server { code: code::UNKNOWN_SERVER_ERROR, .. }) {
            let left = self.exceptions.checked_sub(1);
            self.exceptions = left.unwrap_or(0);
            return left.is_some();
        }
        error.is_passing()
    }

    /// Waits after an error that may pass; when the time is up, says what was waited for.
    pub(crate) async fn pause_after(&mut self, error: Error, bucket: Bucket) -> Result<()> {
        let timed_out = self.pause(&[bucket]).await;
        timed_out.map_err(|timed_out| if error.is_leaderless() { timed_out } else { error })
    }

    /// Waits before the next try; an error when the time is up.
    pub(crate) async fn pause(&mut self, waiting_for: &[Bucket]) -> Result<()> {
        let what = match waiting_for.first() {
            Some(bucket) => format!("waiting for a leader of {bucket}"),
            None => "waiting for Fluss".to_string(),
        };
        if self.left() <= self.pause {
            return Err(Error::TimedOut { what, after: self.within });
        }
        self.wait.get_or_insert_with(|| Wait::on(&what));
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
