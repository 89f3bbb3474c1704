//! A pinned snapshot → buckets → files.
//!
//! The snapshot itself is read each time: it is small, says whether it is still there, and names its
//! manifests, whose names are never used twice. What these say is kept (see [`crate::live`]) and found
//! again by their names, so that neither an expired snapshot nor one of another table, branch or
//! history with the same number is answered from what is kept.
//!
//! Every plan is checked against the snapshot's own count of rows, so that a file that is left out is
//! an error and not a shorter answer. What is left out on purpose: level-0 files of tables with deletion
//! vectors (not compacted yet, hence not marked; Java's reader leaves them out too).

mod analysis;
mod convert;
mod direct;
mod folder;
mod manifest;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use paimon::spec::{BinaryRow, DataFileMeta, Snapshot};

use crate::bucket::LakePlan;
use crate::catalog::{LakeTable, within};
use crate::error::{LakeError, Result};
use crate::evolution;
use crate::file::LakeFile;
use crate::foreign;
use crate::live::{Before, LiveFiles, SnapshotFiles, Surroundings, TableId};
use crate::schema::TableKind;
use crate::written_names;
use convert::StaleNames;
pub(crate) use folder::Folders;

/// How long the storage may take for all manifests of a snapshot.
const PLAN: Duration = Duration::from_secs(60);

impl LakeTable {
    /// Plans one snapshot, or the one that [`LakeTable::at`] chose, or the latest one. Manifests that an earlier plan has read are not read again.
    ///
    /// # Errors
    /// `SnapshotGone` when it has expired, `Unsupported` for files that are not read right, `Corrupt` when
    /// manifests and snapshot disagree, `Unavailable`.
    pub async fn plan(&self, snapshot_id: Option<i64>) -> Result<LakePlan> {
        within(PLAN, self.plan_as(snapshot_id, false)).await
    }

    /// Plans as [`Self::plan`] does, with all manifests read anew by the `paimon` crate.
    ///
    /// # Errors
    /// Those of [`Self::plan`].
    pub async fn plan_anew(&self, snapshot_id: Option<i64>) -> Result<LakePlan> {
        within(PLAN, self.plan_as(snapshot_id, true)).await
    }

    async fn plan_as(&self, snapshot_id: Option<i64>, anew: bool) -> Result<LakePlan> {
        let snapshots = self.table.snapshot_manager();
        let found = match (snapshot_id, &self.pinned) {
            (Some(id), _) => {
                let found = snapshots.get_snapshot(id).await;
                Some(found.map_err(|error| self.error(error, snapshot_id))?)
            }
            (None, Some(pinned)) => Some(pinned.as_ref().clone()),
            (None, None) => self.latest().await?,
        };
        let function = self.options().get("bucket-function.type");
        let mut plan = LakePlan {
            snapshot_id: None,
            schema: self.schema.clone(),
            hashes_key: self.schema.buckets > 0
                && function.is_none_or(|name| name.eq_ignore_ascii_case("default")),
            analyzed: None,
            buckets: Vec::new(),
        };
        if let Some(snapshot) = found {
            plan.snapshot_id = Some(snapshot.id());
            plan.analyzed = self.analyzed(&snapshot).await;
            plan.buckets = match Folders::of(self.table.location(), self.table.schema()) {
                Some(folders) if !anew => self.live(&snapshot, &folders).await?.buckets(),
                _ => self.read_all(&snapshot).await?,
            };
            // in the plan's own copy: what is kept serves other snapshots, with other overlaps
            for bucket in &mut plan.buckets {
                if bucket
                    .files
                    .iter()
                    .any(|file| file.foreign.is_some() || !file.path.ends_with(".parquet"))
                {
                    let files = &mut Arc::make_mut(bucket).files;
                    foreign::settle(&self.table, &self.schema, files)?;
                }
            }
        }
        Ok(plan)
    }

    /// The files of a snapshot: kept ones, or the nearest kept ones and what other manifests add to them.
    async fn live(&self, snapshot: &Snapshot, folders: &Folders<'_>) -> Result<Arc<LiveFiles>> {
        let table = self.id();
        let names = SnapshotFiles::of(snapshot);
        if let Some(kept) = self.kept.get(&table, &names) {
            self.check_complete(snapshot, kept.rows)?;
            return Ok(kept);
        }
        // others that ask for this table meanwhile wait and find what is read now
        let flight = self.kept.flight(&table);
        let _guard = flight.lock().await;
        let live = match self.kept.get(&table, &names) {
            Some(kept) => kept,
            None => {
                let live = Arc::new(self.advance(snapshot, &table, folders).await?);
                self.check_schemas(live.schema_ids()).await?;
                self.check_complete(snapshot, live.rows)?;
                self.kept.put(table.clone(), names, &live);
                return Ok(live);
            }
        };
        self.check_complete(snapshot, live.rows)?;
        Ok(live)
    }

    /// What is kept of the table is kept under this.
    fn id(&self) -> TableId {
        TableId {
            lake: Arc::clone(&self.options),
            location: self.table.location().to_owned(),
            schema: Arc::new(self.table.schema().clone()),
        }
    }

    async fn advance(
        &self,
        snapshot: &Snapshot,
        table: &TableId,
        folders: &Folders<'_>,
    ) -> Result<LiveFiles> {
        let manifests = self.manifests(snapshot).await?;
        let vectors = self.vectors(snapshot, folders).await?;
        let nearest = self.kept.nearest(table, &manifests).map(Before::Kept);
        for before in nearest.into_iter().chain([Before::Nothing]) {
            let changes = self.changes(snapshot, &before.unread(&manifests)).await?;
            let added = changes.iter().map(|change| change.entry.file().schema_id);
            let schemas: HashSet<i64> = before.schema_ids().into_iter().chain(added).collect();
            let stale = self.stale_names(&schemas).await?;
            let around = Surroundings {
                kind: self.schema.kind,
                unmarked: &self.unmarked(schemas).await?,
                vectors: &vectors,
                partition: &|partition| self.partition(&self.row(partition)?),
                file: &|partition, bucket, meta| {
                    self.file_in(folders, partition, bucket, meta, &stale)
                },
            };
            let from = before.name();
            if let Some(live) = LiveFiles::advance(before, &manifests, changes, &around)? {
                metrics::counter!("millrace_lake_plans_total", "from" => from).increment(1);
                return Ok(live);
            }
        }
        Err(LakeError::corrupt("deletes of files that were never added"))
    }

    fn file_in(
        &self,
        folders: &Folders<'_>,
        partition: &[u8],
        bucket: i32,
        meta: &DataFileMeta,
        stale: &StaleNames,
    ) -> Result<LakeFile> {
        let partition = self.row(partition)?;
        let folder = folders.bucket(&partition, bucket)?;
        let place = foreign::Place { partition: &partition, bucket, folder: &folder };
        self.file(meta.data_file_path(&folder), meta, &place, stale)
    }

    pub(crate) fn row(&self, bytes: &[u8]) -> Result<BinaryRow> {
        BinaryRow::from_serialized_bytes(bytes).map_err(|error| self.error(error, None))
    }

    /// Files of older schemas must be readable as the current one without losing anything.
    async fn check_schemas(&self, ids: HashSet<i64>) -> Result<()> {
        for id in ids.into_iter().filter(|id| *id != self.schema.id) {
            let old = self.table.schema_manager().schema(id).await;
            let old = old.map_err(|error| self.error(error, None))?;
            evolution::check(&self.name, &old, self.table.schema())?;
        }
        Ok(())
    }

    /// Names of columns in those of these schemas that called one otherwise than the schema of now.
    async fn stale_names(&self, ids: &HashSet<i64>) -> Result<StaleNames> {
        let now = written_names::of(self.table.schema().fields());
        let mut stale = StaleNames::new();
        for id in ids.iter().filter(|id| **id != self.schema.id) {
            let old = self.table.schema_manager().schema(*id).await;
            let old = written_names::of(old.map_err(|error| self.error(error, None))?.fields());
            if written_names::are_stale(&old, &now) {
                stale.insert(*id, old);
            }
        }
        Ok(stale)
    }

    /// Of these schemas those whose files are older than the deletion vectors that the table has now.
    async fn unmarked(&self, mut ids: HashSet<i64>) -> Result<HashSet<i64>> {
        if !self.table.schema().core_options().deletion_vectors_enabled() {
            return Ok(HashSet::new());
        }
        ids.remove(&self.schema.id);
        let mut unmarked = HashSet::new();
        for id in ids {
            let old = self.table.schema_manager().schema(id).await;
            let old = old.map_err(|error| self.error(error, None))?;
            if !old.core_options().deletion_vectors_enabled() {
                unmarked.insert(id);
            }
        }
        Ok(unmarked)
    }

    /// Every row that the snapshot counts is in a planned file.
    fn check_complete(&self, snapshot: &Snapshot, planned: i64) -> Result<()> {
        let Some(total) = snapshot.total_record_count() else {
            return Ok(());
        };
        let complete = match self.schema.kind {
            TableKind::Append | TableKind::Deduplicate => planned == total,
            // level 0 is left out
            TableKind::DeletionVectors => planned <= total,
        };
        match complete {
            true => Ok(()),
            false => Err(LakeError::corrupt(format!(
                "snapshot {} of {} counts {total} rows, its files hold {planned}",
                snapshot.id(),
                self.name
            ))),
        }
    }

    fn error(&self, error: paimon::Error, snapshot_id: Option<i64>) -> LakeError {
        LakeError::from_paimon(error, &self.name, snapshot_id)
    }
}
