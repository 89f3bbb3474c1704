//! Writes metadata of snapshots alone: planning opens no data file.
//!
//! Schemas and entries of files are those of a table that Java wrote; which files a snapshot has, how
//! they are spread over manifests and what becomes of its history is up to the test.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paimon::io::FileIO;
use paimon::spec::*;
use paimon_scan::*;

use crate::oracle;
use crate::provider::options_of;

/// A file of a snapshot.
#[derive(Clone)]
pub struct Forged {
    pub bucket: i32,
    pub entry: ManifestEntry,
    /// Rows that a deletion vector hides.
    pub hidden: Option<i64>,
}

impl Forged {
    pub fn name(&self) -> &str {
        &self.entry.file().file_name
    }

    /// The file under the same name at another level.
    pub fn at_level(&self, level: i32) -> Self {
        let mut meta = self.entry.file().clone();
        meta.level = level;
        Self { entry: with_meta(&self.entry, self.bucket, meta), ..self.clone() }
    }
}

fn with_meta(entry: &ManifestEntry, bucket: i32, meta: DataFileMeta) -> ManifestEntry {
    let (partition, total) = (entry.partition().to_vec(), entry.total_buckets());
    ManifestEntry::new(FileKind::Add, partition, bucket, total, meta, 2)
}

/// A snapshot that was written.
#[derive(Clone, Default)]
pub struct Forging {
    pub id: i64,
    pub files: Vec<Forged>,
    manifests: Vec<ManifestFileMeta>,
}

/// A table whose metadata is written by hand.
pub struct Forge {
    pub catalog: LakeCatalog,
    pub folder: tempfile::TempDir,
    name: String,
    io: FileIO,
    templates: Vec<ManifestEntry>,
    serial: usize,
}

impl Forge {
    /// A table with the schema of `name` and no snapshot yet, planned with `cache`.
    pub async fn of(name: &str, cache: PlanCache) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = oracle::warehouse().join("lake.db").join(name);
        let target = folder.path().join("lake.db").join(name);
        for inside in ["schema", "snapshot", "manifest"] {
            fs::create_dir_all(target.join(inside)).unwrap();
        }
        for entry in fs::read_dir(source.join("schema")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), target.join("schema").join(entry.file_name())).unwrap();
        }
        let io = FileIO::from_path("file:/").unwrap().build().unwrap();
        let mut templates = Vec::new();
        let mut manifests: Vec<PathBuf> =
            fs::read_dir(source.join("manifest")).unwrap().map(|e| e.unwrap().path()).collect();
        manifests.sort();
        let name_of = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        manifests.retain(|path| name_of(path).starts_with("manifest-"));
        manifests.retain(|path| !name_of(path).starts_with("manifest-list-"));
        for manifest in manifests {
            let path = format!("file:{}", manifest.display());
            templates.extend(Manifest::read(&io, &path).await.unwrap());
        }
        assert!(!templates.is_empty());
        let catalog = LakeCatalog::open(&options_of(folder.path())).unwrap();
        let catalog = catalog.with_cache(&Arc::new(cache));
        Self { catalog, folder, name: name.to_owned(), io, templates, serial: 0 }
    }

    pub async fn table(&self) -> LakeTable {
        self.catalog.table("lake", &self.name).await.unwrap()
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join("lake.db").join(&self.name).join(inside)
    }

    /// A name that no file had before, not even one of a dropped table.
    fn next(&mut self, what: &str) -> String {
        self.serial += 1;
        format!("{what}-{}", self.serial)
    }

    /// A new file like one of the table's; `pick` chooses which.
    pub fn file(&mut self, pick: usize, bucket: i32) -> Forged {
        let template = self.templates[pick % self.templates.len()].clone();
        let mut meta = template.file().clone();
        meta.file_name = format!("{}.parquet", self.next("data"));
        Forged { bucket, entry: with_meta(&template, bucket, meta), hidden: None }
    }

    async fn manifest(&mut self, entries: &[ManifestEntry], adds: usize) -> ManifestFileMeta {
        let name = self.next("manifest");
        let path = format!("file:{}", self.path("manifest").join(&name).display());
        Manifest::write(&self.io, &path, entries).await.unwrap();
        let stats = self.templates[0].file().key_stats.clone();
        let deletes = (entries.len() - adds) as i64;
        ManifestFileMeta::new(name, 1, adds as i64, deletes, stats, 0)
    }

    async fn list(&mut self, manifests: &[ManifestFileMeta]) -> String {
        let name = self.next("manifest-list");
        let path = format!("file:{}", self.path("manifest").join(&name).display());
        ManifestList::write(&self.io, &path, manifests).await.unwrap();
        name
    }

    /// Writes the snapshot after `before`: its files are `files`. With `merge`, the manifests of the
    /// earlier ones become a single one first, as writers do now and then.
    pub async fn commit(
        &mut self,
        before: &Forging,
        files: Vec<Forged>,
        merge: bool,
        manifest_size: usize,
    ) -> Forging {
        let same = |a: &Forged, b: &Forged| {
            a.name() == b.name() && a.entry.file().level == b.entry.file().level
        };
        let key = |file: &Forged| (file.name().to_owned(), file.entry.file().level);
        let old: HashMap<_, _> = before.files.iter().map(|file| (key(file), file)).collect();
        let new: HashMap<_, _> = files.iter().map(|file| (key(file), file)).collect();
        let gone = before.files.iter().filter(|file| !new.contains_key(&key(file)));
        let come = files.iter().filter(|file| !old.get(&key(file)).is_some_and(|o| same(o, file)));
        let gone: Vec<_> =
            gone.map(|file| file.entry.clone().with_kind(FileKind::Delete)).collect();
        let mut changes: Vec<_> = gone.clone();
        changes.extend(come.map(|file| file.entry.clone()));
        let mut base = before.manifests.clone();
        if merge {
            let all: Vec<_> = before.files.iter().map(|file| file.entry.clone()).collect();
            base = vec![self.manifest(&all, all.len()).await];
        }
        let mut delta = Vec::new();
        for part in changes.chunks(manifest_size) {
            let deletes = part.iter().filter(|entry| gone.contains(entry)).count();
            delta.push(self.manifest(part, part.len() - deletes).await);
        }
        let (base_list, delta_list) = (self.list(&base).await, self.list(&delta).await);
        let rows: i64 = files.iter().map(|file| file.entry.file().row_count).sum();
        let snapshot = Snapshot::builder()
            .version(3)
            .id(before.id + 1)
            .schema_id(0)
            .base_manifest_list(base_list)
            .delta_manifest_list(delta_list)
            .index_manifest(self.index(&files).await)
            .commit_user("forge".to_owned())
            .commit_identifier(before.id)
            .commit_kind(CommitKind::APPEND)
            .time_millis(0)
            .total_record_count(Some(rows))
            .build();
        let id = snapshot.id();
        let text = serde_json::to_string(&snapshot).unwrap();
        fs::write(self.path(&format!("snapshot/snapshot-{id}")), text).unwrap();
        fs::write(self.path("snapshot/LATEST"), id.to_string()).unwrap();
        base.extend(delta);
        Forging { id, files, manifests: base }
    }

    /// One index file for each file that has a deletion vector.
    async fn index(&mut self, files: &[Forged]) -> Option<String> {
        let mut entries = Vec::new();
        for file in files {
            let Some(cardinality) = file.hidden else { continue };
            let vector =
                DeletionVectorMeta { offset: 1, length: 22, cardinality: Some(cardinality) };
            entries.push(IndexManifestEntry {
                version: 1,
                kind: FileKind::Add,
                partition: file.entry.partition().to_vec(),
                bucket: file.bucket,
                index_file: IndexFileMeta {
                    index_type: "DELETION_VECTORS".to_owned(),
                    file_name: format!("index-{}", file.name()),
                    file_size: 31,
                    row_count: 1,
                    deletion_vectors_ranges: Some(
                        [(file.name().to_owned(), vector)].into_iter().collect(),
                    ),
                    external_path: None,
                    global_index_meta: None,
                },
            });
        }
        if entries.is_empty() {
            return None;
        }
        let name = self.next("index-manifest");
        let path = format!("file:{}", self.path("manifest").join(&name).display());
        IndexManifest::write(&self.io, &path, &entries).await.unwrap();
        Some(name)
    }

    pub fn remove_snapshot(&self, id: i64) {
        fs::remove_file(self.path(&format!("snapshot/snapshot-{id}"))).unwrap();
    }

    /// Removes all metadata but snapshots: manifests and their lists.
    pub fn remove_manifests(&self) {
        fs::remove_dir_all(self.path("manifest")).unwrap();
        fs::create_dir_all(self.path("manifest")).unwrap();
    }
}
