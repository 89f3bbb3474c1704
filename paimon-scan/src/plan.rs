//! A pinned snapshot → buckets → files.
//!
//! The `paimon` crate reads manifests and index manifests; what it returns is checked against the
//! snapshot's own count of rows, so that a file it leaves out is an error and not a shorter answer. What it
//! leaves out on purpose: level-0 files of tables with deletion vectors (not compacted yet, hence not
//! marked; Java's reader leaves them out too).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use paimon::spec::{BinaryRow, DataFileMeta, IndexManifest, Snapshot};
use paimon::{DataSplit, DeletionFile};

use crate::catalog::{LakeTable, within};
use crate::error::{LakeError, Result};
use crate::file::{DeletionVectorRef, KeyRange, LakeFile};
use crate::key::KeyEncoder;
use crate::schema::{LakeSchema, TableKind};
use crate::{bounds, evolution, section};

/// How long the storage may take for all manifests of a snapshot.
const PLAN: Duration = Duration::from_secs(60);

/// The files of one table at one snapshot.
#[derive(Debug, Clone)]
pub struct LakePlan {
    /// The snapshot; `None` for a table that never had one.
    pub snapshot_id: Option<i64>,
    /// The schema all files are read as.
    pub schema: LakeSchema,
    /// Buckets with at least one file, ordered by partition and number.
    pub buckets: Vec<LakeBucket>,
}

/// The files of one bucket of one partition. What must be resolved by key is inside one bucket.
#[derive(Debug, Clone)]
pub struct LakeBucket {
    /// Values of the partition columns, in their order, with the types of the schema.
    pub partition: Vec<ScalarValue>,
    /// Number of the bucket; 0 in tables without fixed buckets.
    pub bucket: i32,
    /// Number of buckets that the partition had when the files were written.
    pub total_buckets: i32,
    /// Data files.
    pub files: Vec<LakeFile>,
}

impl LakeBucket {
    /// Whether some files are only right after [`crate::derive_deletion_vectors`].
    pub fn needs_resolution(&self) -> bool {
        self.files.iter().any(|file| file.section.is_some())
    }

    /// Rows, when metadata alone proves their number.
    pub fn exact_rows(&self) -> Option<u64> {
        self.files.iter().map(LakeFile::exact_rows).sum()
    }
}

impl LakePlan {
    /// Rows, when metadata alone proves their number.
    pub fn exact_rows(&self) -> Option<u64> {
        self.buckets.iter().map(LakeBucket::exact_rows).sum()
    }
}

impl LakeTable {
    /// Plans one snapshot, or the latest one.
    ///
    /// # Errors
    /// `SnapshotGone` when it has expired, `Unsupported` for files that are not read right, `Corrupt` when
    /// manifests and snapshot disagree, `Unavailable`.
    pub async fn plan(&self, snapshot_id: Option<i64>) -> Result<LakePlan> {
        within(PLAN, self.plan_snapshot(snapshot_id)).await
    }

    async fn plan_snapshot(&self, snapshot_id: Option<i64>) -> Result<LakePlan> {
        let snapshots = self.table.snapshot_manager();
        let found = match snapshot_id {
            Some(id) => snapshots.get_snapshot(id).await.map(Some),
            None => snapshots.get_latest_snapshot().await,
        };
        let found = found.map_err(|error| self.error(error, snapshot_id))?;
        let mut plan =
            LakePlan { snapshot_id: None, schema: self.schema.clone(), buckets: Vec::new() };
        if let Some(snapshot) = found {
            plan.snapshot_id = Some(snapshot.id());
            plan.buckets = self.buckets(&snapshot).await?;
        }
        Ok(plan)
    }

    async fn buckets(&self, snapshot: &Snapshot) -> Result<Vec<LakeBucket>> {
        self.check_index(snapshot).await?;
        let pinned = self.table.copy_with_pinned_snapshot(snapshot);
        let plan = pinned
            .new_read_builder()
            .new_scan()
            .plan()
            .await
            .map_err(|error| self.error(error, Some(snapshot.id())))?;
        let unmarked = self.check_schemas(plan.splits()).await?;
        self.check_complete(snapshot, plan.splits())?;
        // Splits are cut by size; what belongs together is the bucket.
        let mut buckets: BTreeMap<(Vec<u8>, i32), LakeBucket> = BTreeMap::new();
        for split in plan.splits() {
            let key = (split.partition().to_serialized_bytes(), split.bucket());
            let bucket = match buckets.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(LakeBucket {
                    partition: self.partition(split.partition())?,
                    bucket: split.bucket(),
                    total_buckets: split.total_buckets(),
                    files: Vec::new(),
                }),
            };
            for (position, meta) in split.data_files().iter().enumerate() {
                bucket.files.push(self.file(split, position, meta)?);
            }
        }
        let mut buckets: Vec<LakeBucket> = buckets.into_values().collect();
        for bucket in &mut buckets {
            match self.schema.kind {
                TableKind::Append => {}
                TableKind::Deduplicate => section::mark(&mut bucket.files),
                // nothing marked what such files supersede among themselves
                TableKind::DeletionVectors if unmarked => section::mark(&mut bucket.files),
                TableKind::DeletionVectors => section::mark_deletes(&mut bucket.files),
            }
        }
        Ok(buckets)
    }

    fn file(&self, split: &DataSplit, position: usize, meta: &DataFileMeta) -> Result<LakeFile> {
        let path = split.data_file_path(meta);
        let refuse = |what: String| LakeError::unsupported(&self.name, what);
        if !path.ends_with(".parquet") {
            return Err(refuse(format!("data file {path:?} is not Parquet")));
        }
        if meta.first_row_id.is_some() || meta.write_cols.is_some() {
            return Err(refuse(format!("data file {path:?} holds a part of the columns")));
        }
        if meta.level == 0 && self.schema.kind == TableKind::DeletionVectors {
            return Err(refuse(format!("data file {path:?} is not covered by deletion vectors")));
        }
        let count = |value: i64, what: &str| {
            let wrong = |_| LakeError::corrupt(format!("{what} of {path:?} is {value}"));
            u64::try_from(value).map_err(wrong)
        };
        let vector = split.deletion_file_for_data_file_index(position);
        let file = LakeFile {
            size: count(meta.file_size, "size")?,
            rows: count(meta.row_count, "row count")?,
            schema_id: meta.schema_id,
            level: meta.level,
            min_sequence: meta.min_sequence_number,
            max_sequence: meta.max_sequence_number,
            delete_rows: match (self.schema.kind, meta.delete_row_count) {
                (TableKind::Append, _) => Some(0),
                (_, Some(deletes)) => Some(count(deletes, "delete count")?),
                (_, None) => None,
            },
            key_range: self.key_range(meta)?,
            deletion_vector: vector.map(deletion_vector).transpose()?,
            section: None,
            bounds: bounds::of_file(meta, self.table.schema(), &self.schema),
            path,
        };
        file.validate()?;
        Ok(file)
    }

    fn partition(&self, row: &BinaryRow) -> Result<Vec<ScalarValue>> {
        self.values(row, &self.schema.partition_key)
    }

    /// Decodes a row of Paimon's metadata whose fields are these columns of the table.
    fn values(&self, row: &BinaryRow, columns: &[usize]) -> Result<Vec<ScalarValue>> {
        if usize::try_from(row.arity()).ok() != Some(columns.len()) {
            let (have, want) = (row.arity(), columns.len());
            return Err(LakeError::corrupt(format!("row of {have} values in place of {want}")));
        }
        let value = |(position, column): (usize, &usize)| {
            let paimon = self.table.schema().fields()[*column].data_type();
            let datum = row.get_datum(position, paimon).map_err(|error| self.error(error, None))?;
            bounds::scalar(datum, self.schema.columns.field(*column).data_type())
        };
        columns.iter().enumerate().map(value).collect()
    }

    /// The encoded key range of a file. Floats have none: NaN has no place in Paimon's order, so their
    /// bounds bound nothing.
    fn key_range(&self, meta: &DataFileMeta) -> Result<Option<KeyRange>> {
        let key = self.schema.merge_key();
        let fields = || key.iter().map(|column| self.schema.columns.field(*column));
        if key.is_empty() || fields().any(|field| field.data_type().is_floating()) {
            return Ok(None);
        }
        let encoder = KeyEncoder::new(fields())?;
        let encode = |bytes: &[u8]| -> Result<Vec<u8>> {
            let row =
                BinaryRow::from_serialized_bytes(bytes).map_err(|error| self.error(error, None))?;
            let values = self.values(&row, &key)?;
            let columns: Vec<ArrayRef> =
                values.iter().map(ScalarValue::to_array).collect::<Result<_, _>>()?;
            Ok(encoder.encode(&columns)?.row(0).as_ref().to_vec())
        };
        Ok(Some(KeyRange { min: encode(&meta.min_key)?, max: encode(&meta.max_key)? }))
    }

    /// Files of older schemas must be readable as the current one without losing anything. Says whether
    /// some are older than the table's deletion vectors.
    async fn check_schemas(&self, splits: &[DataSplit]) -> Result<bool> {
        let mut unmarked = false;
        let ids: HashSet<i64> =
            splits.iter().flat_map(|split| split.data_files()).map(|meta| meta.schema_id).collect();
        for id in ids.into_iter().filter(|id| *id != self.schema.id) {
            let old = self.table.schema_manager().schema(id).await;
            let old = old.map_err(|error| self.error(error, None))?;
            evolution::check(&self.name, &old, self.table.schema())?;
            unmarked |= !old.core_options().deletion_vectors_enabled();
        }
        let vectors = self.table.schema().core_options().deletion_vectors_enabled();
        Ok(vectors && unmarked)
    }

    /// Deletion vectors of a table that no longer says it has them would be ignored by the planner.
    async fn check_index(&self, snapshot: &Snapshot) -> Result<()> {
        let Some(name) = snapshot.index_manifest() else {
            return Ok(());
        };
        if self.table.schema().core_options().deletion_vectors_enabled() {
            return Ok(());
        }
        let path = format!("{}/manifest/{name}", self.table.location().trim_end_matches('/'));
        let entries = IndexManifest::read(self.table.file_io(), &path)
            .await
            .map_err(|error| self.error(error, Some(snapshot.id())))?;
        match entries.iter().any(|entry| entry.index_file.deletion_vectors_ranges.is_some()) {
            true => Err(LakeError::unsupported(
                &self.name,
                "deletion vectors in a table whose option deletion-vectors.enabled is off",
            )),
            false => Ok(()),
        }
    }

    /// Every row that the snapshot counts is in a planned file.
    fn check_complete(&self, snapshot: &Snapshot, splits: &[DataSplit]) -> Result<()> {
        let Some(total) = snapshot.total_record_count() else {
            return Ok(());
        };
        let files = splits.iter().flat_map(|split| split.data_files());
        let planned: i64 = files.map(|meta| meta.row_count).fold(0, i64::saturating_add);
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

fn deletion_vector(of: &DeletionFile) -> Result<DeletionVectorRef> {
    let unsigned = |value: i64| {
        let wrong = |_| LakeError::corrupt(format!("deletion vector in {:?}", of.path()));
        u64::try_from(value).map_err(wrong)
    };
    Ok(DeletionVectorRef {
        path: of.path().to_owned(),
        offset: unsigned(of.offset())?,
        length: unsigned(of.length())?,
        cardinality: of.cardinality().map(unsigned).transpose()?,
    })
}
