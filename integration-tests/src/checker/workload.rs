//! The checker's tables, and what they are created from.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fluss::metadata::{DataTypes, TablePath};
use parking_lot::Mutex;

use super::Options;
use super::case::{Further, LOG};
use super::history::{Keys, Sequences};
use super::writer::TableWriter;
use crate::cluster::{TableSpec, connect};
use crate::error::Result;
use crate::holes;

/// Keys of each primary-key table that are written at one time.
pub(super) const KEYS: usize = 400;
/// How far the lake may lag behind: short, so that its snapshots change under the readers.
const FRESHNESS: Duration = Duration::from_secs(1);

/// A primary-key table, what was written into it, and who may change its shape.
#[derive(Clone)]
pub(crate) struct KeyTable {
    pub(crate) name: &'static str,
    pub(crate) spec: TableSpec,
    pub(crate) keys: Arc<Mutex<Keys>>,
    /// Number of partitions: key `k` is in partition `k % n`.
    pub(crate) partitions: Option<i64>,
    /// Held by a round of writing (shared) and by a change of the table's shape (alone).
    pub(crate) gate: Arc<tokio::sync::RwLock<()>>,
}

/// Which tables a run has.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Beside the plain ones, a partitioned table and one that is there to be re-created.
    pub changing: bool,
    /// Properties of all tables.
    pub properties: Vec<(String, String)>,
}

/// Histories that writers extend and readers judge by.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) tables: Vec<KeyTable>,
    pub(super) events: Arc<Mutex<Sequences>>,
    pub(super) log: TablePath,
    log_spec: TableSpec,
}

/// What others do to the servers while the checker runs.
#[derive(Default)]
pub struct Surroundings {
    /// How often the frontend was taken away or came back: odd while it is away.
    frontend: AtomicU64,
    over: AtomicBool,
    /// Where the remote logs of Fluss are, for who wants to know whether they have holes.
    remote_logs: Option<PathBuf>,
}

impl Surroundings {
    /// Of a cluster whose remote logs can be looked at.
    pub fn with_remote_logs(directory: PathBuf) -> Self {
        Self { remote_logs: Some(directory), ..Self::default() }
    }

    /// Whether an error tells of rows that Fluss itself has lost, as its own lists of segments show.
    pub(super) fn is_lost_upstream(&self, error: &str) -> bool {
        self.remote_logs.as_ref().is_some_and(|remote| holes::explains(remote, error))
    }

    /// The frontend is about to go, or is back.
    pub fn frontend_moves(&self) {
        self.frontend.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn frontend(&self) -> u64 {
        self.frontend.load(Ordering::SeqCst)
    }

    /// Ends the run.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

fn keyed(database: &str, table: &str, partitions: Option<i64>) -> TableSpec {
    let spec = TableSpec::new(database, table)
        .column("k", DataTypes::bigint())
        .column("ver", DataTypes::bigint())
        .column("a", DataTypes::int())
        .column("b", DataTypes::int())
        .column("h", DataTypes::bigint())
        .lake(FRESHNESS);
    match partitions {
        None => spec.primary_key(["k"]).buckets(3),
        Some(_) => spec
            .column("p", DataTypes::int())
            .primary_key(["k", "p"])
            .partitioned_by(["p"])
            .buckets(2),
    }
}

fn log(database: &str) -> TableSpec {
    TableSpec::new(database, LOG)
        .column("writer", DataTypes::int())
        .column("seq", DataTypes::bigint())
        .column("h", DataTypes::bigint())
        .buckets(3)
        .bucket_keys(["writer"])
        .lake(FRESHNESS)
}

impl Workload {
    /// The tables of a run, and what is known of them: nothing was written.
    pub(super) fn new(database: &str, tables: &Tables) -> Self {
        let with = |spec: TableSpec| {
            tables.properties.iter().fold(spec, |spec, (key, value)| spec.property(key, value))
        };
        let mut kinds = vec![("accounts", None), ("orders", None)];
        if tables.changing {
            kinds.extend([("parted", Some(4)), ("again", None)]);
        }
        let table = |(name, partitions): (&'static str, Option<i64>)| KeyTable {
            name,
            spec: with(keyed(database, name, partitions)),
            keys: Arc::new(Mutex::new(Keys::new(KEYS))),
            partitions,
            gate: Arc::default(),
        };
        let log_spec = with(log(database));
        Self {
            tables: kinds.into_iter().map(table).collect(),
            events: Arc::default(),
            log: log_spec.path().clone(),
            log_spec,
        }
    }

    /// Creates what is missing. Tables that are there already are another run's: an error.
    pub(super) async fn create(&self, options: &Options) -> Result<()> {
        let connection = connect(&options.bootstrap, options.sasl.as_ref()).await?;
        let admin = connection.get_admin()?;
        for spec in self.tables.iter().map(|table| &table.spec).chain([&self.log_spec]) {
            spec.create_new(&admin).await?;
        }
        for table in &self.tables {
            for partition in 0..table.partitions.unwrap_or(0) {
                table.spec.add_partition(&admin, &[("p", &partition.to_string())]).await?;
            }
        }
        Ok(())
    }

    /// All tables.
    pub(crate) fn paths(&self) -> Vec<TablePath> {
        self.tables.iter().map(|table| table.spec.path()).chain([&self.log]).cloned().collect()
    }

    pub(super) fn writers(&self, options: &Options) -> Vec<TableWriter> {
        let writer = |path: &TablePath| TableWriter::new(options, path.clone());
        let keyed = self.tables.iter().map(|t| writer(t.spec.path()).of_keys(t.clone()));
        let log = writer(&self.log).of_log(Arc::clone(&self.events));
        keyed.chain([log]).collect()
    }
}

impl KeyTable {
    /// The columns after the first five that every statement from now on can ask for.
    pub(super) fn further(&self) -> Vec<Further> {
        let partition = self.partitions.map(Further::Partition);
        partition.into_iter().chain((0..self.keys.lock().added()).map(Further::Added)).collect()
    }

    /// Their names, each after a comma.
    pub(super) fn names(further: &[Further]) -> String {
        let name = |column: &Further| match column {
            Further::Partition(_) => ", p".to_owned(),
            Further::Added(n) => format!(", {}", added_column(*n)),
        };
        further.iter().map(name).collect()
    }
}

/// The name of the n-th column that is added to a table.
pub(crate) fn added_column(n: u16) -> String {
    format!("x{n}")
}

/// Where violations are written.
pub(super) fn default_evidence() -> PathBuf {
    PathBuf::from("checker-violations")
}
