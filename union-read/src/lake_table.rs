//! A table of a Paimon catalog: the lake alone, at one snapshot that is pinned once per statement.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use fluss_scan::TablePath;
use paimon_scan::{LakeBucket, LakeError, LakeOptions, LakePlan, LakeTable, SystemTable, Version};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::bucket_key::BucketKeys;
use crate::bucket_read::BucketRead;
use crate::columns::Columns;
use crate::exec::{LakeSide, TableScan, UnionReadExec};
use crate::plan::{Placed, partition_name, prune};
use crate::source::Connections;
use crate::{Error, ReadMode, Result};

/// The files of one lake table at one snapshot.
#[derive(Debug)]
pub struct LakePoint {
    path: TablePath,
    columns: Columns,
    options: Arc<LakeOptions>,
    plan: LakePlan,
}

/// The columns of a lake table, with what people are told about each.
pub fn columns_of(table: &LakeTable) -> Columns {
    Columns::of_lake(table.schema()).with_declared(&table.declared())
}

/// Finds a table of a lake. Its name comes from the user, so that a missing one is the user's to know.
pub async fn open(
    connections: &Connections,
    options: &LakeOptions,
    path: &TablePath,
) -> Result<LakeTable> {
    let table = connections.lake(options)?.table(&path.database, &path.table).await;
    table.map_err(|error| match error {
        LakeError::NotFound { .. } => Error::TableNotFound(format!("Unknown table '{path}'")),
        error => error.into(),
    })
}

/// The table at a version, which comes from the user as its name does.
pub(crate) async fn at(table: &LakeTable, version: &Version) -> Result<LakeTable> {
    table.at(version).await.map_err(|error| match error {
        LakeError::NotFound { .. } => Error::TableNotFound(error.to_string()),
        error => error.into(),
    })
}

impl LakePoint {
    async fn pin(path: &TablePath, table: &LakeTable) -> Result<Self> {
        let plan = table.plan(None).await?;
        Ok(Self {
            path: path.clone(),
            columns: columns_of(table),
            options: Arc::clone(table.lake()),
            plan,
        })
    }

    /// The reads of all files that can hold rows of the filters' bucket keys. Buckets of a key stay whole; files without one are independent.
    fn reads(&self, filters: &[Expr]) -> Vec<Placed> {
        let mut keys = BucketKeys::of(&self.plan, &self.columns.schema, filters);
        let whole = self.columns.has_primary_key();
        let of_bucket = |bucket: &Arc<LakeBucket>| -> Vec<Placed> {
            let read = |files: &[paimon_scan::LakeFile]| BucketRead {
                partition: partition_name(&bucket.partition),
                bucket: bucket.bucket,
                files: files.to_vec(),
                ..BucketRead::default()
            };
            let parts = if whole { bucket.files.len().max(1) } else { 1 };
            let placed = |files| (bucket.partition.clone(), read(files));
            bucket.files.chunks(parts).map(placed).collect()
        };
        let mut may_hold =
            |bucket: &&Arc<LakeBucket>| keys.as_mut().is_none_or(|keys| keys.may_hold(bucket));
        self.plan.buckets.iter().filter(|bucket| may_hold(bucket)).flat_map(of_bucket).collect()
    }
}

/// What is pinned: a table of a lake, at its latest snapshot or an earlier one.
type Key = (LakeOptions, TablePath, Option<Version>);

/// Values that are made once per statement.
#[derive(Debug)]
struct Pinned<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Pinned<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Pinned<K, V> {
    /// The value of a key, made when it is first asked for. An error is not kept.
    async fn get(&self, key: K, make: impl Future<Output = Result<V>>) -> Result<V> {
        let cell = Arc::clone(self.0.lock().entry(key).or_default());
        cell.get_or_try_init(|| make).await.cloned()
    }
}

/// The snapshots that one statement reads at: every mention of a table, and of what is known of it, reads the same one.
#[derive(Debug, Default)]
pub struct LakePoints {
    tables: Pinned<Key, LakeTable>,
    points: Pinned<Key, Arc<LakePoint>>,
    systems: Pinned<(Key, SystemTable), RecordBatch>,
}

impl LakePoints {
    /// The snapshot of a table, pinned when it is first asked for.
    pub async fn of(
        &self,
        connections: &Connections,
        options: &LakeOptions,
        path: &TablePath,
        version: Option<&Version>,
    ) -> Result<Arc<LakePoint>> {
        let key = (options.clone(), path.clone(), version.cloned());
        let pin = async {
            let table = self.table(connections, &key).await?;
            Ok(Arc::new(LakePoint::pin(path, &table).await?))
        };
        self.points.get(key.clone(), pin).await
    }

    /// The rows of a system table of a table, read when they are first asked for.
    pub async fn system(
        &self,
        connections: &Connections,
        options: &LakeOptions,
        path: &TablePath,
        version: Option<&Version>,
        of: SystemTable,
    ) -> Result<RecordBatch> {
        let key = (options.clone(), path.clone(), version.cloned());
        let read = async { Ok(self.table(connections, &key).await?.system(of).await?) };
        self.systems.get((key.clone(), of), read).await
    }

    async fn table(&self, connections: &Connections, key: &Key) -> Result<LakeTable> {
        let (options, path, version) = key;
        let pin = async {
            let latest = open(connections, options, path).await?;
            let table = match version {
                None => latest,
                Some(version) => at(&latest, version).await?,
            };
            Ok(table.at_latest().await?)
        };
        self.tables.get(key.clone(), pin).await
    }
}

/// A lake table at its pinned snapshot, as DataFusion sees it.
#[derive(Debug)]
pub struct LakeOnlyTable {
    point: Arc<LakePoint>,
    columns: Columns,
    connections: Arc<Connections>,
}

impl LakeOnlyTable {
    /// The table at a pinned snapshot.
    pub fn new(point: Arc<LakePoint>, connections: Arc<Connections>) -> Self {
        Self { columns: point.columns.clone(), point, connections }
    }

    /// The table as the lake half of a table of Fluss, whose own columns it shows alone.
    pub fn of_fluss(point: Arc<LakePoint>, connections: Arc<Connections>) -> Self {
        let columns = match point.plan.schema.system_columns() {
            Some(system) => point.columns.clone().first(system.bucket),
            None => point.columns.clone(),
        };
        Self { columns, ..Self::new(point, connections) }
    }
}

#[async_trait]
impl TableProvider for LakeOnlyTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters help to leave out partitions, files and pages; whoever gave them filters again.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let point = &self.point;
        let reads = prune(&self.columns, session, filters, point.reads(filters))?;
        let all = || (0..self.columns.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let limit = limit.filter(|_| filters.is_empty());
        let lake = LakeSide {
            options: Arc::clone(&point.options),
            schema: point.plan.schema.clone(),
            snapshot_id: point.plan.snapshot_id,
            analyzed: point.plan.analyzed.clone(),
        };
        let (path, columns) = (point.path.clone(), self.columns.clone());
        let scan = TableScan::assemble(path, None, Some(lake), ReadMode::Lake, columns)
            .with(projection, limit)?;
        Ok(Arc::new(UnionReadExec::spread(session, scan, reads, &self.connections)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const BEFORE: i64 = 4;
    const AFTER: i64 = 7;

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let from = entry.unwrap().path();
            let to = to.join(from.file_name().unwrap());
            match from.is_dir() {
                true => copy(&from, &to),
                false => drop(std::fs::copy(&from, &to).unwrap()),
            }
        }
    }

    fn point_to(snapshots: &Path, id: i64) {
        for hint in ["LATEST", "EARLIEST"] {
            std::fs::write(snapshots.join(hint), id.to_string()).unwrap();
        }
    }

    /// A snapshot that is committed while a statement is planned is in none of its mentions.
    #[tokio::test]
    async fn rows_and_system_tables_of_one_statement_are_of_one_snapshot() {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
        let written = Path::new(&package).join("../paimon-scan/tests/warehouse");
        let written = written.join("lake.db/pk_compacted");
        let folder = tempfile::tempdir().unwrap();
        copy(&written, &folder.path().join("lake.db/pk_compacted"));
        let snapshots = folder.path().join("lake.db/pk_compacted/snapshot");
        for id in (1..10).filter(|id| *id != BEFORE) {
            let _ = std::fs::remove_file(snapshots.join(format!("snapshot-{id}")));
        }
        point_to(&snapshots, BEFORE);
        let warehouse = folder.path().to_str().unwrap();
        let options = LakeOptions::new([("warehouse", warehouse)]).unwrap();
        let (connections, path) = (Connections::default(), TablePath::new("lake", "pk_compacted"));
        let points = LakePoints::default();
        let files = async |points: &LakePoints| {
            points.system(&connections, &options, &path, None, SystemTable::Files).await.unwrap()
        };
        let before = files(&points).await;
        let name = format!("snapshot-{AFTER}");
        std::fs::copy(written.join("snapshot").join(&name), snapshots.join(&name)).unwrap();
        point_to(&snapshots, AFTER);
        assert_eq!(files(&points).await, before);
        let point = points.of(&connections, &options, &path, None).await.unwrap();
        assert_eq!(point.plan.snapshot_id, Some(BEFORE));
        // the next statement
        let next = LakePoints::default();
        let point = next.of(&connections, &options, &path, None).await.unwrap();
        assert_eq!(point.plan.snapshot_id, Some(AFTER));
        assert_ne!(files(&next).await, before);
    }
}
