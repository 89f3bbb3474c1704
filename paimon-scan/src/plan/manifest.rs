//! Manifest lists, manifests and index manifests of a snapshot, read by name.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use paimon::spec::{FileKind, IndexManifest, IndexManifestEntry, Manifest, ManifestList, Snapshot};

use super::folder::Folders;
use crate::catalog::LakeTable;
use crate::error::{LakeError, Result};
use crate::file::DeletionVectorRef;
use crate::live::{BucketKey, Change, FileIdentity, Vectors};
use crate::schema::TableKind;

/// How many manifests are read at once.
const AT_ONCE: usize = 8;

/// The type of index files that hold deletion vectors.
const DELETION_VECTORS: &str = "DELETION_VECTORS";

impl LakeTable {
    fn manifest_path(&self, name: &str) -> String {
        format!("{}/manifest/{name}", self.table.location().trim_end_matches('/'))
    }

    /// Names of all manifests whose changes, taken together, are the files of the snapshot.
    pub(super) async fn manifests(&self, snapshot: &Snapshot) -> Result<HashSet<String>> {
        let list = async |name: &str| {
            if name.is_empty() {
                return Ok(Vec::new());
            }
            let list = ManifestList::read(self.table.file_io(), &self.manifest_path(name)).await;
            list.map_err(|error| self.error(error, Some(snapshot.id())))
        };
        let (base, delta) = futures::try_join!(
            list(snapshot.base_manifest_list()),
            list(snapshot.delta_manifest_list())
        )?;
        let mut names = HashSet::new();
        for manifest in base.iter().chain(&delta) {
            if !names.insert(manifest.file_name().to_owned()) {
                return Err(LakeError::corrupt(format!(
                    "snapshot {} of {} lists manifest {} twice",
                    snapshot.id(),
                    self.name,
                    manifest.file_name()
                )));
            }
        }
        Ok(names)
    }

    /// The files of a snapshot, those included that no reader looks at.
    pub(crate) async fn live_entries(&self, of: &Snapshot) -> Result<Vec<Change>> {
        let manifests = self.manifests(of).await?;
        let paths: Vec<String> = manifests.iter().map(|name| self.manifest_path(name)).collect();
        let reads = stream::iter(paths).map(|path| self.manifest(of, path)).buffered(AT_ONCE);
        let all: Vec<Vec<Change>> = reads.try_collect().await?;
        let key = |change: &Change| {
            let partition = change.entry.partition().to_vec();
            (partition, change.bucket, FileIdentity::of(change.entry.file()))
        };
        let (added, deleted): (Vec<Change>, Vec<Change>) =
            all.into_iter().flatten().partition(|change| change.added);
        let deleted: HashSet<_> = deleted.iter().map(key).collect();
        let mut live: Vec<Change> =
            added.into_iter().filter(|change| !deleted.contains(&key(change))).collect();
        live.sort_by_cached_key(|change| {
            let name = change.entry.file().file_name.clone();
            (change.entry.partition().to_vec(), change.bucket, name)
        });
        Ok(live)
    }

    /// What these manifests add and delete, without what no reader of the table looks at.
    pub(super) async fn changes(&self, of: &Snapshot, names: &[&str]) -> Result<Vec<Change>> {
        metrics::counter!("millrace_lake_manifests_read_total").increment(names.len() as u64);
        let paths: Vec<String> = names.iter().map(|name| self.manifest_path(name)).collect();
        let reads = stream::iter(paths).map(|path| self.manifest(of, path)).buffered(AT_ONCE);
        let all: Vec<Vec<Change>> = reads.try_collect().await?;
        Ok(all.into_iter().flatten().filter(|change| self.is_visible(change)).collect())
    }

    async fn manifest(&self, of: &Snapshot, path: String) -> Result<Vec<Change>> {
        // the entries do not show their kinds and buckets
        let mut heads = Vec::new();
        let entries = Manifest::read_filtered(
            self.table.file_io(),
            &path,
            &mut Default::default(),
            &mut |kind: FileKind, _: &[u8], bucket: i32, _: i32| {
                heads.push((kind, bucket));
                true
            },
        )
        .await
        .map_err(|error| self.error(error, Some(of.id())))?;
        if entries.len() != heads.len() {
            return Err(LakeError::corrupt(format!("manifest {path:?} is not understood")));
        }
        let changes = entries.into_iter().zip(heads);
        Ok(changes
            .map(|(entry, (kind, bucket))| Change { added: kind == FileKind::Add, bucket, entry })
            .collect())
    }

    fn is_visible(&self, change: &Change) -> bool {
        match self.schema.kind {
            TableKind::Append => true,
            TableKind::Deduplicate => change.bucket >= 0,
            // not compacted yet, hence not covered by deletion vectors
            TableKind::DeletionVectors => change.bucket >= 0 && change.entry.file().level != 0,
        }
    }

    /// The entries of the snapshot's index manifest.
    ///
    /// # Errors
    /// `Unsupported` for deletion vectors of a table that no longer says it has them: they would be
    /// left out.
    pub(super) async fn index_entries(&self, of: &Snapshot) -> Result<Vec<IndexManifestEntry>> {
        let Some(name) = of.index_manifest().filter(|name| !name.is_empty()) else {
            return Ok(Vec::new());
        };
        let entries = IndexManifest::read(self.table.file_io(), &self.manifest_path(name))
            .await
            .map_err(|error| self.error(error, Some(of.id())))?;
        let has_vectors =
            entries.iter().any(|entry| entry.index_file.deletion_vectors_ranges.is_some());
        match has_vectors && !self.table.schema().core_options().deletion_vectors_enabled() {
            true => Err(LakeError::unsupported(
                &self.name,
                "deletion vectors in a table whose option deletion-vectors.enabled is off",
            )),
            false => Ok(entries),
        }
    }

    /// Deletion vectors of the snapshot, by bucket and name of the data file.
    pub(super) async fn vectors(&self, of: &Snapshot, folders: &Folders<'_>) -> Result<Vectors> {
        let beside_data = self.table.schema().core_options().index_file_in_data_file_dir();
        let mut vectors: Vectors = HashMap::new();
        for entry in self.index_entries(of).await? {
            let file = &entry.index_file;
            let (true, DELETION_VECTORS) = (entry.kind == FileKind::Add, file.index_type.as_str())
            else {
                continue;
            };
            let path = match &file.external_path {
                Some(path) => path.clone(),
                None if beside_data => {
                    let folder = folders.bucket(&self.row(&entry.partition)?, entry.bucket)?;
                    format!("{folder}/{}", file.file_name)
                }
                None => format!("{}/{}", folders.index_folder(), file.file_name),
            };
            let key = BucketKey { partition: entry.partition, bucket: entry.bucket };
            let of_bucket = vectors.entry(key).or_default();
            for (data_file, vector) in file.deletion_vectors_ranges.iter().flatten() {
                let wrong = |_| LakeError::corrupt(format!("deletion vector in {path:?}"));
                let vector = DeletionVectorRef {
                    path: path.clone(),
                    offset: vector.offset.try_into().map_err(wrong)?,
                    length: vector.length.try_into().map_err(wrong)?,
                    cardinality: vector
                        .cardinality
                        .map(u64::try_from)
                        .transpose()
                        .map_err(wrong)?,
                };
                of_bucket.insert(data_file.clone(), vector);
            }
        }
        Ok(vectors)
    }
}
