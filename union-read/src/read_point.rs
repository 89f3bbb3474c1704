//! The cut that a statement reads at: one lake snapshot and the log offsets that continue it.
//!
//! Pinned once per statement and table, in this order: table → readable lake snapshot (the snapshot
//! and all its offsets come in one answer) → partitions → ends of the logs. The ends come last, so
//! that a client sees what it wrote before it asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fluss_scan::{FlussClient, LakeSnapshot, OffsetSpec, PartitionInfo, TableInfo, TablePath};
use paimon_scan::{LakeOptions, LakePlan};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::columns::Columns;
use crate::source::{Connections, Source};
use crate::{Error, ReadMode, ReadPath, Result};

/// The cut of one table.
#[derive(Debug)]
pub struct ReadPoint {
    /// The table as it was when the statement began.
    pub info: TableInfo,
    /// Its columns.
    pub columns: Columns,
    source: Source,
    client: Arc<FlussClient>,
    connections: Arc<Connections>,
    /// Kept also where it failed: a later try would be another cut.
    lake: OnceCell<Result<Option<LakeCut>>>,
    log: OnceCell<LogCut>,
}

/// The lake's side of the cut.
#[derive(Debug)]
pub struct LakeCut {
    /// What opens the table's files in the lake.
    pub options: Arc<LakeOptions>,
    /// The snapshot.
    pub snapshot_id: i64,
    /// Its files.
    pub plan: Arc<LakePlan>,
    /// Per partition (Fluss's id) and bucket: the log up to here (exclusive) is in the snapshot.
    pub offsets: HashMap<(Option<i64>, i32), i64>,
}

/// Fluss's side of the cut.
#[derive(Debug)]
pub struct LogCut {
    /// The partitions that live in Fluss; one without a name in an unpartitioned table.
    pub partitions: Vec<LogPartition>,
}

/// One partition in Fluss.
#[derive(Debug)]
pub struct LogPartition {
    /// Its id and values; `None` stands for the whole of an unpartitioned table.
    pub info: Option<PartitionInfo>,
    /// Per bucket the first offset that its log still holds and its end.
    pub buckets: BTreeMap<i32, LogEnds>,
}

/// The log of one bucket when the statement began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnds {
    /// The first offset that can still be read.
    pub start: i64,
    /// The high watermark.
    pub end: i64,
}

impl LogPartition {
    /// Fluss's id of the partition.
    pub fn id(&self) -> Option<i64> {
        self.info.as_ref().map(|partition| partition.id)
    }
}

impl ReadPoint {
    /// Begins a read point: reads the table. The halves are pinned when they are first asked for.
    pub async fn begin(
        connections: &Arc<Connections>,
        source: &Source,
        path: &TablePath,
    ) -> Result<Self> {
        let client = connections.fluss(source)?;
        let info = client.table_info(path).await?;
        let columns = Columns::of(&info)?;
        Ok(Self {
            info,
            columns,
            source: source.clone(),
            client,
            connections: Arc::clone(connections),
            lake: OnceCell::new(),
            log: OnceCell::new(),
        })
    }

    /// The source of the table.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether Fluss tiers the table into a lake.
    pub fn has_lake(&self) -> bool {
        self.property("table.datalake.enabled") == Some("true")
    }

    /// What is told to whoever asks for the lake of a table without one.
    pub(crate) fn has_no_lake(&self) -> Error {
        Error::Unsupported(format!(
            "table {} has no lake: 'table.datalake.enabled' is not set",
            self.info.path
        ))
    }

    fn property(&self, key: &str) -> Option<&str> {
        self.info.properties.get(key).map(String::as_str)
    }

    /// The lake's side; `None` while nothing is readable there.
    ///
    /// # Errors
    /// `ReadPointGone` where there is another table of the name by now.
    pub async fn lake(&self) -> Result<Option<&LakeCut>> {
        match self.lake.get_or_init(|| self.of_this_table(self.pin_lake())).await {
            Ok(cut) => Ok(cut.as_ref()),
            Err(error) => Err(error.clone()),
        }
    }

    /// The lake's side for a read of this mode along this path: `None` also where it cannot be had and is
    /// not needed, since the state that Fluss holds by key is the answer or as good a one.
    pub async fn lake_for(&self, mode: ReadMode, path: ReadPath) -> Result<Option<&LakeCut>> {
        let has_key = self.columns.has_primary_key();
        match (self.lake().await, mode) {
            (Err(_), ReadMode::RealTime) if has_key => Ok(None),
            // rows of partitions that have expired in Fluss are nowhere else
            (Err(Error::ReadPointGone(_)), ReadMode::Union)
                if has_key && path == ReadPath::Auto && self.columns.partition_keys.is_empty() =>
            {
                Ok(None)
            }
            (lake, _) => lake,
        }
    }

    /// Where the table's lake is; `None` without one.
    pub(crate) fn lake_options(&self) -> Result<Option<LakeOptions>> {
        if !self.has_lake() {
            return Ok(None);
        }
        if let Some(format) = self.property("table.datalake.format")
            && format != "paimon"
        {
            return Err(Error::Unsupported(format!(
                "the lake of table {} is in format '{format}': only 'paimon' is supported",
                self.info.path
            )));
        }
        Ok(Some(self.source.lake_options(&self.info.properties)?))
    }

    async fn pin_lake(&self) -> Result<Option<LakeCut>> {
        let Some(options) = self.lake_options()? else {
            return Ok(None);
        };
        let Some(snapshot) = self.client.readable_lake_snapshot(&self.info.path).await? else {
            return Ok(None);
        };
        let LakeSnapshot { table_id, snapshot_id, offsets } = snapshot;
        if table_id != self.info.table_id {
            return Err(self.recreated());
        }
        let catalog = self.connections.lake(&options)?;
        let table = catalog.table(&self.info.path.database, &self.info.path.table).await?;
        let plan = Arc::new(table.plan(Some(snapshot_id)).await?);
        self.columns
            .check_lake(&plan.schema)
            .map_err(|why| Error::Unsupported(format!("table {}: {why}", self.info.path)))?;
        let options = Arc::clone(table.lake());
        Ok(Some(LakeCut { options, snapshot_id, plan, offsets }))
    }

    /// Fluss's side, pinned after the lake's, whose failure is for those who need the lake.
    ///
    /// # Errors
    /// `ReadPointGone` where there is another table of the name by now.
    pub async fn log(&self) -> Result<&LogCut> {
        drop(self.lake().await);
        self.log.get_or_try_init(async || self.of_this_table(self.pin_log()).await).await
    }

    async fn pin_log(&self) -> Result<LogCut> {
        if self.info.partition_keys.is_empty() {
            let whole = self.pin_partition(None).await?;
            return Ok(LogCut { partitions: whole.into_iter().collect() });
        }
        let all = self.client.partitions(&self.info.path).await?;
        let asked = all.into_iter().map(|info| self.pin_partition(Some(info)));
        // they were asked for by the name of the table, and another one may have fewer of them
        let (partitions, ()) = tokio::try_join!(concurrently(asked), self.check_is_same())?;
        Ok(LogCut { partitions: partitions.into_iter().flatten().collect() })
    }

    /// What was asked of this table, unless it is gone and there is another one of its name: that one is read at a new read
    /// point. What is not found of a table that is there is at a server that does not serve it yet.
    async fn of_this_table<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        match asked.await {
            Err(Error::TableNotFound(what)) => {
                self.check_is_same().await?;
                Err(Error::Unavailable(format!("{what} at the server that is to serve it")))
            }
            answer => answer,
        }
    }

    /// Checks that the name is still that of this table: so were, then, the answers of before that are given by name.
    async fn check_is_same(&self) -> Result<()> {
        let now = self.client.table_info(&self.info.path).await?;
        if now.table_id == self.info.table_id { Ok(()) } else { Err(self.recreated()) }
    }

    fn recreated(&self) -> Error {
        Error::ReadPointGone(format!(
            "table {} was re-created while the statement began",
            self.info.path
        ))
    }

    /// A partition that is dropped meanwhile has no rows in Fluss any more: `None`.
    async fn pin_partition(&self, info: Option<PartitionInfo>) -> Result<Option<LogPartition>> {
        match self.pin_buckets(info.as_ref()).await {
            Ok(buckets) => Ok(Some(LogPartition { info, buckets })),
            Err(error) => match info {
                Some(partition) if self.is_dropped(&partition).await? => Ok(None),
                _ => Err(error),
            },
        }
    }

    async fn is_dropped(&self, partition: &PartitionInfo) -> Result<bool> {
        let now = self.client.partitions(&self.info.path).await?;
        self.check_is_same().await?;
        Ok(now.iter().all(|p| p.id != partition.id))
    }

    async fn pin_buckets(
        &self,
        partition: Option<&PartitionInfo>,
    ) -> Result<BTreeMap<i32, LogEnds>> {
        let buckets: Vec<i32> = (0..self.info.buckets_of(partition)).collect();
        let id = partition.map(|partition| partition.id);
        let ask = |spec| self.client.offsets(&self.info, id, &buckets, spec);
        let starts = ask(OffsetSpec::Earliest).await?;
        let ends = ask(OffsetSpec::Latest).await?;
        let both = |bucket: i32| {
            let (start, end) = (starts.get(&bucket), ends.get(&bucket));
            let ends = start.zip(end).map(|(start, end)| LogEnds { start: *start, end: *end });
            ends.map(|ends| (bucket, ends)).ok_or_else(|| {
                Error::Corrupt(format!("no offsets for bucket {bucket} of {}", self.info.path))
            })
        };
        buckets.iter().map(|bucket| both(*bucket)).collect()
    }
}

/// How many partitions are asked at once.
const PARTITIONS_AT_ONCE: usize = 16;

async fn concurrently<T>(
    tasks: impl Iterator<Item = impl Future<Output = Result<T>>>,
) -> Result<Vec<T>> {
    use futures::{StreamExt, TryStreamExt};
    futures::stream::iter(tasks).buffered(PARTITIONS_AT_ONCE).try_collect().await
}

/// A read point that may still be on its way.
type Pinned = Arc<OnceCell<Arc<ReadPoint>>>;

/// The read points of one statement: every name of a table in it, with or without a suffix, reads
/// at the same cut.
#[derive(Debug, Default)]
pub struct ReadPoints {
    pinned: Mutex<HashMap<(Source, TablePath), Pinned>>,
}

impl ReadPoints {
    /// The read point of a table, begun when it is first asked for.
    pub async fn of(
        &self,
        connections: &Arc<Connections>,
        source: &Source,
        path: &TablePath,
    ) -> Result<Arc<ReadPoint>> {
        let cell = {
            let mut pinned = self.pinned.lock();
            Arc::clone(pinned.entry((source.clone(), path.clone())).or_default())
        };
        let begin = async || Ok(Arc::new(ReadPoint::begin(connections, source, path).await?));
        cell.get_or_try_init(begin).await.cloned()
    }
}
