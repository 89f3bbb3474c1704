//! A plan made by the `paimon` crate, which reads all manifests of the snapshot each time.
//!
//! The way of tables whose folders [`super::folder`] does not know, and what plans from kept files are
//! compared with.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use paimon::DeletionFile;
use paimon::spec::Snapshot;

use crate::bucket::LakeBucket;
use crate::catalog::LakeTable;
use crate::error::{LakeError, Result};
use crate::file::DeletionVectorRef;
use crate::foreign;
use crate::section;

impl LakeTable {
    pub(super) async fn read_all(&self, snapshot: &Snapshot) -> Result<Vec<Arc<LakeBucket>>> {
        self.index_entries(snapshot).await?;
        let pinned = self.table.copy_with_pinned_snapshot(snapshot);
        let plan = pinned
            .new_read_builder()
            .new_scan()
            .plan()
            .await
            .map_err(|error| self.error(error, Some(snapshot.id())))?;
        let metas = || plan.splits().iter().flat_map(|split| split.data_files());
        let schemas: HashSet<i64> = metas().map(|meta| meta.schema_id).collect();
        self.check_schemas(schemas.clone()).await?;
        let stale = self.stale_names(&schemas).await?;
        let unmarked = self.unmarked(schemas).await?;
        self.check_complete(
            snapshot,
            metas().map(|meta| meta.row_count).fold(0, i64::saturating_add),
        )?;
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
                let place = foreign::Place {
                    partition: split.partition(),
                    bucket: split.bucket(),
                    folder: split.bucket_path(),
                };
                let mut file = self.file(split.data_file_path(meta), meta, &place, &stale)?;
                let vector = split.deletion_file_for_data_file_index(position);
                file.deletion_vector = vector.map(deletion_vector).transpose()?;
                file.validate()?;
                bucket.files.push(file);
            }
        }
        let mut buckets: Vec<LakeBucket> = buckets.into_values().collect();
        for bucket in &mut buckets {
            section::settle(&mut bucket.files, self.schema.kind, &unmarked);
        }
        Ok(buckets.into_iter().map(Arc::new).collect())
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
