//! The files of a snapshot, kept so that the next snapshot costs what it changes.
//!
//! A snapshot is a set of manifests, each a list of added and deleted files. A kept snapshot whose
//! manifests are all among those of another one is advanced to it by the rest of them. That needs no
//! trust in snapshot numbers: names of manifests are never used twice. Only buckets that the rest
//! changes are made anew, all others are shared.

mod cache;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::ScalarValue;
use paimon::spec::{DataFileMeta, ManifestEntry};
use prost::Message;

pub use cache::PlanCache;
pub(crate) use cache::{SnapshotFiles, TableId};

use crate::bucket::LakeBucket;
use crate::error::{LakeError, Result};
use crate::file::{ColumnBounds, DeletionVectorRef, LakeFile};
use crate::schema::TableKind;
use crate::section;

/// A bucket of a partition; the partition as manifests have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BucketKey {
    pub(crate) partition: Vec<u8>,
    pub(crate) bucket: i32,
}

/// Deletion vectors by bucket and name of the data file.
pub(crate) type Vectors = HashMap<BucketKey, HashMap<String, DeletionVectorRef>>;

/// An entry of a manifest.
pub(crate) struct Change {
    /// Added, or deleted.
    pub(crate) added: bool,
    pub(crate) bucket: i32,
    pub(crate) entry: ManifestEntry,
}

/// What makes two entries speak of one file. The level is a part of it: a file that moves to another
/// level is deleted and added under one name. So are the files beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileIdentity {
    level: i32,
    name: String,
    beside: Option<Box<Beside>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Beside {
    extra_files: Vec<String>,
    embedded_index: Option<Vec<u8>>,
    external_path: Option<String>,
}

impl FileIdentity {
    pub(crate) fn of(meta: &DataFileMeta) -> Self {
        let alone = meta.extra_files.is_empty()
            && meta.embedded_index.is_none()
            && meta.external_path.is_none();
        let beside = || Beside {
            extra_files: meta.extra_files.clone(),
            embedded_index: meta.embedded_index.clone(),
            external_path: meta.external_path.clone(),
        };
        Self {
            level: meta.level,
            name: meta.file_name.clone(),
            beside: (!alone).then(|| Box::new(beside())),
        }
    }

    fn bytes(&self) -> usize {
        let beside = self.beside.as_ref().map_or(0, |beside| {
            let names = beside.extra_files.iter().map(|name| name.len() + size_of::<String>());
            size_of::<Beside>()
                + names.sum::<usize>()
                + beside.embedded_index.as_ref().map_or(0, Vec::len)
                + beside.external_path.as_ref().map_or(0, String::len)
        });
        size_of::<Self>() + self.name.len() + beside
    }
}

/// A bucket with what later changes are matched with.
#[derive(Debug)]
struct LiveBucket {
    bucket: Arc<LakeBucket>,
    /// One for each file.
    identities: Vec<FileIdentity>,
    bytes: usize,
}

/// The files of a snapshot.
#[derive(Debug)]
pub(crate) struct LiveFiles {
    manifests: HashSet<String>,
    buckets: BTreeMap<BucketKey, Arc<LiveBucket>>,
    /// Physical rows of all files.
    pub(crate) rows: i64,
    /// Memory, shared buckets included.
    pub(crate) bytes: usize,
}

/// What changes are applied to.
pub(crate) enum Before {
    Nothing,
    Kept(Arc<LiveFiles>),
}

impl Before {
    /// What metrics call a plan that begins here.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "manifests",
            Self::Kept(_) => "delta",
        }
    }

    /// Manifests that are not in here yet.
    pub(crate) fn unread<'a>(&self, of: &'a HashSet<String>) -> Vec<&'a str> {
        let unread = |name: &&String| match self {
            Self::Nothing => true,
            Self::Kept(live) => !live.manifests.contains(*name),
        };
        of.iter().filter(unread).map(String::as_str).collect()
    }

    /// Schemas that the files were written with.
    pub(crate) fn schema_ids(&self) -> HashSet<i64> {
        match self {
            Self::Nothing => HashSet::new(),
            Self::Kept(live) => live.schema_ids(),
        }
    }
}

/// Values of a partition's columns.
type PartitionValues<'a> = &'a (dyn Fn(&[u8]) -> Result<Vec<ScalarValue>> + Send + Sync);
/// A file of a partition and bucket, without deletion vector and section.
type FileOf<'a> = &'a (dyn Fn(&[u8], i32, &DataFileMeta) -> Result<LakeFile> + Send + Sync);

/// What is known of the table besides its manifests.
pub(crate) struct Surroundings<'a> {
    pub(crate) kind: TableKind,
    /// Schemas whose files are older than the table's deletion vectors.
    pub(crate) unmarked: &'a HashSet<i64>,
    pub(crate) vectors: &'a Vectors,
    pub(crate) partition: PartitionValues<'a>,
    pub(crate) file: FileOf<'a>,
}

/// The changes of one bucket.
#[derive(Default)]
struct BucketChanges {
    added: Vec<ManifestEntry>,
    /// Whether an added file or one from before was met.
    deleted: HashMap<FileIdentity, bool>,
}

impl LiveFiles {
    /// Buckets in the order of partition and number.
    pub(crate) fn buckets(&self) -> Vec<Arc<LakeBucket>> {
        self.buckets.values().map(|live| Arc::clone(&live.bucket)).collect()
    }

    /// Schemas that the files were written with.
    pub(crate) fn schema_ids(&self) -> HashSet<i64> {
        let files = self.buckets.values().flat_map(|live| &live.bucket.files);
        files.map(|file| file.schema_id).collect()
    }

    /// The files after `changes`, which are those of `manifests` that `before` has not seen.
    ///
    /// `None` when they delete what `before` does not have. From nothing, such deletes are passed over:
    /// the file is not there, as they say.
    pub(crate) fn advance(
        before: Before,
        manifests: &HashSet<String>,
        changes: Vec<Change>,
        around: &Surroundings<'_>,
    ) -> Result<Option<Self>> {
        let (mut buckets, from_nothing) = match &before {
            Before::Nothing => (BTreeMap::new(), true),
            Before::Kept(live) => (live.buckets.clone(), false),
        };
        let mut touched = by_bucket(changes);
        for (key, live) in &buckets {
            if !touched.contains_key(key)
                && !has_vectors(&live.bucket, around.vectors.get(key), live)
            {
                touched.insert(key.clone(), BucketChanges::default());
            }
        }
        for (key, mut changes) in touched {
            let live = rebuild(&key, buckets.get(&key), &mut changes, around)?;
            if !from_nothing && changes.deleted.values().any(|met| !met) {
                return Ok(None);
            }
            match live {
                Some(live) => buckets.insert(key, Arc::new(live)),
                None => buckets.remove(&key),
            };
        }
        let rows = |live: &Arc<LiveBucket>| live.bucket.files.iter().map(|file| file.rows).sum();
        let rows: u64 = buckets.values().map(rows).fold(0, u64::saturating_add);
        let names = manifests.iter().map(|name| name.len() + size_of::<String>());
        let keys = buckets.keys().map(|key| key.partition.len() + size_of::<BucketKey>());
        let bytes = buckets.values().map(|live| live.bytes);
        Ok(Some(Self {
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
            bytes: size_of::<Self>() + names.sum::<usize>() + keys.chain(bytes).sum::<usize>(),
            manifests: manifests.clone(),
            buckets,
        }))
    }
}

fn by_bucket(changes: Vec<Change>) -> BTreeMap<BucketKey, BucketChanges> {
    let mut touched: BTreeMap<BucketKey, BucketChanges> = BTreeMap::new();
    for Change { added, bucket, entry } in changes {
        let key = BucketKey { partition: entry.partition().to_vec(), bucket };
        let of_bucket = touched.entry(key).or_default();
        match added {
            true => of_bucket.added.push(entry),
            false => drop(of_bucket.deleted.insert(FileIdentity::of(entry.file()), false)),
        }
    }
    touched
}

/// Whether the bucket's files have these deletion vectors already.
fn has_vectors(
    bucket: &LakeBucket,
    vectors: Option<&HashMap<String, DeletionVectorRef>>,
    live: &LiveBucket,
) -> bool {
    let wanted = |name: &str| vectors.and_then(|vectors| vectors.get(name));
    let mut files = bucket.files.iter().zip(&live.identities);
    files.all(|(file, identity)| file.deletion_vector.as_ref() == wanted(&identity.name))
}

/// A bucket after its changes; `None` when no file is left.
fn rebuild(
    key: &BucketKey,
    before: Option<&Arc<LiveBucket>>,
    changes: &mut BucketChanges,
    around: &Surroundings<'_>,
) -> Result<Option<LiveBucket>> {
    let deleted = &mut changes.deleted;
    let mut is_deleted = |identity: &FileIdentity| match deleted.get_mut(identity) {
        Some(met) => {
            *met = true;
            true
        }
        None => false,
    };
    let mut files = Vec::new();
    let mut identities = Vec::new();
    let mut total_buckets = None;
    if let Some(before) = before {
        for (file, identity) in before.bucket.files.iter().zip(&before.identities) {
            if !is_deleted(identity) {
                total_buckets = Some(before.bucket.total_buckets);
                files.push(file.clone());
                identities.push(identity.clone());
            }
        }
    }
    for entry in &changes.added {
        let identity = FileIdentity::of(entry.file());
        if !is_deleted(&identity) {
            total_buckets.get_or_insert(entry.total_buckets());
            files.push((around.file)(&key.partition, key.bucket, entry.file())?);
            identities.push(identity);
        }
    }
    let Some(total_buckets) = total_buckets else { return Ok(None) };
    let unique: HashSet<&FileIdentity> = identities.iter().collect();
    if unique.len() < identities.len() {
        return Err(LakeError::corrupt("manifests add a file twice"));
    }
    let vectors = around.vectors.get(key);
    for (file, identity) in files.iter_mut().zip(&identities) {
        file.deletion_vector = vectors.and_then(|vectors| vectors.get(&identity.name)).cloned();
        file.validate()?;
    }
    section::settle(&mut files, around.kind, around.unmarked);
    let bytes =
        files.iter().map(file_bytes).chain(identities.iter().map(FileIdentity::bytes)).sum();
    let partition = match before {
        Some(before) => before.bucket.partition.clone(),
        None => (around.partition)(&key.partition)?,
    };
    let bucket = LakeBucket { partition, bucket: key.bucket, total_buckets, files };
    Ok(Some(LiveBucket { bucket: Arc::new(bucket), identities, bytes }))
}

fn file_bytes(file: &LakeFile) -> usize {
    let range = file.key_range.as_ref().map_or(0, |range| range.min.len() + range.max.len());
    let vector = file.deletion_vector.as_ref().map_or(0, |vector| vector.path.len());
    let bounds = file.bounds.len() * size_of::<ColumnBounds>();
    let foreign = file.foreign.as_ref().map_or(0, Message::encoded_len);
    size_of::<LakeFile>() + file.path.len() + range + vector + bounds + foreign
}
