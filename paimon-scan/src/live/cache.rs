//! Kept files of snapshots, of all tables that a process plans, bounded by bytes.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use moka::sync::Cache;
use paimon::spec::{Snapshot, TableSchema};
use parking_lot::Mutex;

use super::LiveFiles;
use crate::analyzed::Analysis;
use crate::options::LakeOptions;

/// Snapshots of one table that are kept: statements read the latest one or two, time travel some others.
const SNAPSHOTS_OF_A_TABLE: usize = 4;

/// What is kept for one snapshot beside its files, at least: keeps the list itself short.
const SNAPSHOT_BYTES: usize = 4096;

/// A table as files were planned for it. Another schema makes other files of the same manifests.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TableId {
    pub(crate) lake: Arc<LakeOptions>,
    pub(crate) location: String,
    pub(crate) schema: Arc<TableSchema>,
}

impl Hash for TableId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.location.hash(state);
    }
}

/// What a snapshot consists of, by names that are never used twice.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SnapshotFiles {
    base: String,
    delta: String,
    index: Option<String>,
}

impl SnapshotFiles {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        Self {
            base: snapshot.base_manifest_list().to_owned(),
            delta: snapshot.delta_manifest_list().to_owned(),
            index: snapshot.index_manifest().map(str::to_owned),
        }
    }
}

struct Held {
    names: SnapshotFiles,
    files: Arc<LiveFiles>,
    used: u64,
}

impl Held {
    fn bytes(&self) -> usize {
        self.files.bytes.saturating_add(SNAPSHOT_BYTES)
    }
}

#[derive(Default)]
struct Kept {
    tables: HashMap<TableId, Vec<Held>>,
    bytes: usize,
    clock: u64,
}

/// One that plans the table; the others wait for it.
type Flight = Arc<tokio::sync::Mutex<()>>;

/// Files of snapshots that were planned, kept for the plans of later statements. The least recently
/// used go first.
pub struct PlanCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
    flights: Mutex<HashMap<TableId, Weak<tokio::sync::Mutex<()>>>>,
    /// What ANALYZE left, by table and name of the file.
    pub(crate) analyses: Cache<(TableId, String), Arc<Analysis>>,
}

/// Of the bytes of a cache, the part that what ANALYZE left may take besides.
const ANALYSES_PART: usize = 32;

impl PlanCache {
    /// What a process keeps when nobody says otherwise, bytes.
    pub const BYTES_MAX: usize = 256 << 20;

    /// A cache of at most `bytes_max`; 0 keeps nothing.
    pub fn new(bytes_max: usize) -> Self {
        let weigh = |(table, name): &(TableId, String), analysis: &Arc<Analysis>| {
            let bytes = table.location.len() + name.len() + analysis.bytes();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let analyses_max = (bytes_max / ANALYSES_PART) as u64;
        let analyses = Cache::builder().max_capacity(analyses_max).weigher(weigh).build();
        Self { bytes_max, kept: Mutex::default(), flights: Mutex::default(), analyses }
    }

    /// Bytes that are kept. Files that two snapshots share count for both.
    pub fn bytes(&self) -> usize {
        self.kept.lock().bytes
    }

    pub(crate) fn get(&self, table: &TableId, names: &SnapshotFiles) -> Option<Arc<LiveFiles>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let clock = kept.clock;
        let held = kept.tables.get_mut(table)?.iter_mut().find(|held| held.names == *names)?;
        held.used = clock;
        metrics::counter!("millrace_lake_plans_total", "from" => "cache").increment(1);
        Some(Arc::clone(&held.files))
    }

    /// The kept files that fewest of `manifests` lead away from.
    pub(crate) fn nearest(
        &self,
        table: &TableId,
        manifests: &HashSet<String>,
    ) -> Option<Arc<LiveFiles>> {
        let kept = self.kept.lock();
        let held = kept.tables.get(table)?.iter().map(|held| &held.files);
        let below = held.filter(|files| files.manifests.is_subset(manifests));
        below.max_by_key(|files| files.manifests.len()).cloned()
    }

    pub(crate) fn put(&self, table: TableId, names: SnapshotFiles, files: &Arc<LiveFiles>) {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let held = Held { names, files: Arc::clone(files), used: kept.clock };
        if held.bytes() > self.bytes_max {
            return;
        }
        kept.bytes += held.bytes();
        let of_table = kept.tables.entry(table.clone()).or_default();
        of_table.push(held);
        if of_table.len() > SNAPSHOTS_OF_A_TABLE {
            kept.drop_oldest_of(&table);
        }
        while kept.bytes > self.bytes_max {
            let oldest = |held: &Vec<Held>| held.iter().map(|held| held.used).min();
            let table = kept.tables.iter().min_by_key(|(_, held)| oldest(held));
            let Some(table) = table.map(|(table, _)| table.clone()) else { break };
            kept.drop_oldest_of(&table);
        }
        metrics::gauge!("millrace_lake_plan_cache_bytes").set(kept.bytes as f64);
    }

    /// What whoever reads manifests of the table holds meanwhile.
    pub(crate) fn flight(&self, table: &TableId) -> Flight {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(table).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Flight::default();
        flights.insert(table.clone(), Arc::downgrade(&flight));
        flight
    }
}

impl Default for PlanCache {
    fn default() -> Self {
        Self::new(Self::BYTES_MAX)
    }
}

impl fmt::Debug for PlanCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        f.debug_struct("PlanCache").field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl Kept {
    fn drop_oldest_of(&mut self, table: &TableId) {
        let Some(of_table) = self.tables.get_mut(table) else { return };
        let oldest = of_table.iter().enumerate().min_by_key(|(_, held)| held.used);
        if let Some((oldest, _)) = oldest {
            self.bytes -= of_table.remove(oldest).bytes();
        }
        if of_table.is_empty() {
            self.tables.remove(table);
        }
    }
}
