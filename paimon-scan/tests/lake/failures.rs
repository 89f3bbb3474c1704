//! What is gone or damaged is an error of its own kind, never fewer rows.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use paimon_scan::*;

use crate::conformance::unpack;
use crate::oracle;
use crate::provider::*;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => fs::copy(entry.path(), target).map(|_| ()).unwrap(),
        }
    }
}

/// A private copy of one table, its plan, and a session.
struct Copy {
    folder: tempfile::TempDir,
    lake: Arc<LakeOptions>,
    plan: LakePlan,
    session: SessionContext,
}

impl Copy {
    async fn of(table: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inside = Path::new("lake.db").join(table);
        copy(&oracle::warehouse().join(&inside), &folder.path().join(&inside));
        let lake = options_of(folder.path());
        Self::opened(folder, lake, table).await
    }

    async fn opened(folder: tempfile::TempDir, lake: LakeOptions, table: &str) -> Self {
        let table = LakeCatalog::open(&lake).unwrap().table("lake", table).await.unwrap();
        let plan = table.plan(None).await.unwrap();
        Self { folder, lake: Arc::new(lake), plan, session: PLAIN.session() }
    }

    async fn read(&self, files: Vec<MaskedFile>) -> Result<usize, DataFusionError> {
        let (schema, lake) = (self.plan.schema.clone(), Arc::clone(&self.lake));
        let provider = LakeProvider { schema, files, how: PLAIN, lake };
        let frame = self.session.read_table(Arc::new(provider)).unwrap();
        Ok(frame.collect().await?.iter().map(|batch| batch.num_rows()).sum())
    }

    async fn files(&self) -> Vec<MaskedFile> {
        masked_in(&self.plan, &self.session, &self.lake).await.unwrap()
    }
}

fn on_disk(path: &str) -> &str {
    path.trim_start_matches("file:")
}

#[tokio::test]
async fn a_gone_data_file_is_file_gone_with_and_without_a_cached_footer() {
    for cached in [false, true] {
        let copy = Copy::of("append_plain").await;
        let files = copy.files().await;
        if cached {
            copy.read(files.clone()).await.unwrap();
        }
        fs::remove_file(on_disk(&files[1].file.path)).unwrap();
        let error = copy.read(files).await.unwrap_err();
        let found = LakeError::find(&error);
        assert!(matches!(found, Some(LakeError::FileGone { .. })), "{error:?}");
    }
}

/// Files that the other reader reads: of other formats, and those that are merged value by value.
#[tokio::test]
async fn a_gone_file_of_another_format_or_of_merged_values_is_file_gone() {
    for table in ["append_mixed_orc", "append_mixed_avro", "agg_mixed_parquet", "dedup_mixed_orc"] {
        let folder = unpack("1.4.2");
        let lake = options_of(&folder.path().join("warehouse"));
        let copy = Copy::opened(folder, lake, table).await;
        let files = copy.files().await;
        assert!(files.iter().any(|masked| masked.file.foreign.is_some()), "{table}");
        assert!(copy.read(files.clone()).await.unwrap() > 0, "{table}");
        let foreign = files.iter().find(|masked| masked.file.foreign.is_some()).unwrap();
        fs::remove_file(on_disk(&foreign.file.path)).unwrap();
        let error = copy.read(files).await.unwrap_err();
        assert!(LakeError::find(&error).is_some_and(LakeError::is_expired), "{table}: {error:?}");
    }
}

/// A format is of a file, whatever the table says now.
#[tokio::test]
async fn files_of_several_formats_are_one_table() {
    let copy = Copy::of("refused_mixed_format").await;
    let files = copy.files().await;
    assert!(files.iter().all(|masked| masked.file.path.ends_with(".avro")));
    assert_eq!(copy.read(files.clone()).await.unwrap(), 1);
    // with Parquet files of another table of the same column in between
    let parquet = Copy::of("append_plain").await;
    let [avro, plain] = [files, parquet.files().await];
    let first = &copy.plan.schema.columns.fields()[0];
    let of_plain = &parquet.plan.schema.columns.fields()[0];
    assert_eq!(first.data_type(), of_plain.data_type());
    let both = [&avro[..], &plain[..]].concat();
    let rows = parquet.read(plain).await.unwrap();
    assert_eq!(copy.read(both).await.unwrap(), rows + 1);
}

#[tokio::test]
async fn a_gone_deletion_vector_is_file_gone() {
    let copy = Copy::of("pk_dv").await;
    let files = copy.files().await;
    let vector = files.iter().find_map(|masked| masked.file.deletion_vector.clone()).unwrap();
    fs::remove_file(on_disk(&vector.path)).unwrap();
    let error = copy.read(files).await.unwrap_err();
    assert!(LakeError::find(&error).is_some_and(LakeError::is_expired), "{error:?}");
}

#[tokio::test]
async fn resolving_a_gone_file_is_file_gone() {
    let copy = Copy::of("pk_overlap").await;
    let dirty = copy.plan.buckets.iter().flat_map(|bucket| &bucket.files);
    let dirty = dirty.clone().find(|file| file.section.is_some()).unwrap();
    fs::remove_file(on_disk(&dirty.path)).unwrap();
    let error = masked_in(&copy.plan, &copy.session, &copy.lake).await.unwrap_err();
    assert!(error.is_expired(), "{error:?}");
}

#[tokio::test]
async fn an_expired_snapshot_is_snapshot_gone() {
    let error = table("pk_overlap").await.plan(Some(4711)).await.unwrap_err();
    assert!(matches!(error, LakeError::SnapshotGone { snapshot_id: 4711, .. }), "{error}");
    // expiry removes manifests first
    let copy = Copy::of("append_plain").await;
    let folder = copy.folder.path().join("lake.db/append_plain/manifest");
    fs::remove_dir_all(&folder).unwrap();
    let table = LakeCatalog::open(&copy.lake).unwrap().table("lake", "append_plain").await.unwrap();
    let error = table.plan(Some(1)).await.unwrap_err();
    assert!(matches!(error, LakeError::SnapshotGone { snapshot_id: 1, .. }), "{error:?}");
}

/// Expiry while a statement runs, of a snapshot whose plan is kept: the plan is not handed out again,
/// and reading what was planned fails instead of leaving out rows.
#[tokio::test]
async fn a_kept_plan_does_not_outlive_its_snapshot() {
    let copy = Copy::of("append_plain").await;
    let table = LakeCatalog::open(&copy.lake).unwrap().table("lake", "append_plain").await.unwrap();
    let rows = copy.read(copy.files().await).await.unwrap();
    let planned = table.plan(Some(2)).await.unwrap();
    let files = masked_in(&planned, &copy.session, &copy.lake).await.unwrap();
    let folder = copy.folder.path().join("lake.db/append_plain");
    for file in &files {
        fs::rename(on_disk(&file.file.path), format!("{}.gone", on_disk(&file.file.path))).unwrap();
    }
    fs::remove_file(folder.join("snapshot/snapshot-2")).unwrap();
    let error = copy.read(files.clone()).await.unwrap_err();
    assert!(LakeError::find(&error).is_some_and(LakeError::is_expired), "{error:?}");
    let error = table.plan(Some(2)).await.unwrap_err();
    assert!(matches!(error, LakeError::SnapshotGone { snapshot_id: 2, .. }), "{error:?}");
    // planned again, the statement reads the newer snapshot whole
    for file in &files {
        fs::rename(format!("{}.gone", on_disk(&file.file.path)), on_disk(&file.file.path)).unwrap();
    }
    let again = table.plan(None).await.unwrap();
    assert_eq!(again.snapshot_id, Some(3));
    let files = masked_in(&again, &copy.session, &copy.lake).await.unwrap();
    assert_eq!(copy.read(files).await.unwrap(), rows);
}

#[tokio::test]
async fn damaged_bytes_are_errors() {
    let copy = Copy::of("pk_dv").await;
    let files = copy.files().await;
    let vector = files.iter().find_map(|masked| masked.file.deletion_vector.clone()).unwrap();
    let path = on_disk(&vector.path);
    let good = fs::read(path).unwrap();
    for at in (0..vector.length as usize + 8).step_by(5) {
        let mut bad = good.clone();
        bad[vector.offset as usize + at] ^= 0x41;
        fs::write(path, &bad).unwrap();
        assert!(copy.read(files.clone()).await.is_err(), "byte {at}");
    }
    fs::write(path, &good).unwrap();
    let rows = copy.read(files.clone()).await.unwrap();
    // another cardinality than the manifest's
    let mut other = files;
    for masked in &mut other {
        if let Some(vector) = &mut masked.file.deletion_vector {
            vector.cardinality = Some(1);
        }
    }
    assert!(copy.read(other).await.is_err());
    assert_eq!(rows, oracle::expected("pk_dv").1.len());
}

#[tokio::test]
async fn overlapping_files_are_not_read_unresolved_nor_resolved_in_part() {
    let plan = plan("pk_overlap", None).await;
    let bucket = plan.buckets.iter().find(|bucket| bucket.needs_resolution()).unwrap();
    let session = PLAIN.session();
    let request = ScanRequest {
        lake: Arc::new(options()),
        schema: plan.schema.clone(),
        groups: vec![
            bucket
                .files
                .iter()
                .map(|file| MaskedFile { file: file.clone(), hidden: None })
                .collect(),
        ],
        projection: None,
        filter: None,
        filter_rows: false,
        limit: None,
    };
    assert!(matches!(scan(request, &session.task_ctx()), Err(LakeError::Corrupt { .. })));
    let part = bucket.files.iter().position(|f| f.section.as_ref().is_some_and(|s| s.files > 1));
    let mut files = bucket.files.clone();
    files.remove(part.unwrap());
    let lake = Arc::new(options());
    let error = derive_deletion_vectors(&files, &plan.schema, &lake, &session.task_ctx()).await;
    assert!(matches!(error, Err(LakeError::Corrupt { .. })), "{error:?}");
}

#[tokio::test]
async fn keys_beyond_the_memory_limit_are_an_error() {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(512, 1.0).build_arc().unwrap();
    let session = SessionContext::new_with_config_rt(SessionConfig::new(), runtime);
    let plan = plan("pk_overlap", None).await;
    let error = masked(&plan, &session).await.unwrap_err();
    let LakeError::Execution(error) = error else { panic!("{error}") };
    assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
}

/// Replaces text in a metadata file of a copy.
fn edit(copy: &Copy, file: &str, from: &str, to: &str) {
    let path = copy.folder.path().join("lake.db").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_plan_that_does_not_hold_all_rows_of_its_snapshot_is_an_error() {
    let copy = Copy::of("append_plain").await;
    edit(
        &copy,
        "append_plain/snapshot/snapshot-3",
        "\"totalRecordCount\" : 120",
        "\"totalRecordCount\" : 121",
    );
    let table = LakeCatalog::open(&copy.lake).unwrap().table("lake", "append_plain").await.unwrap();
    let error = table.plan(Some(3)).await.unwrap_err();
    assert!(
        matches!(error, LakeError::Corrupt { .. }) && error.to_string().contains("121"),
        "{error}"
    );
}

#[tokio::test]
async fn deletion_vectors_that_the_options_deny_are_refused() {
    let copy = Copy::of("pk_dv").await;
    let option = "\"deletion-vectors.enabled\" : ";
    edit(
        &copy,
        "pk_dv/schema/schema-0",
        &format!("{option}\"true\""),
        &format!("{option}\"false\""),
    );
    let table = LakeCatalog::open(&copy.lake).unwrap().table("lake", "pk_dv").await.unwrap();
    let error = table.plan(None).await.unwrap_err();
    assert!(matches!(error, LakeError::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn footers_are_read_once() {
    let copy = Copy::of("append_plain").await;
    let files = copy.files().await;
    copy.read(files.clone()).await.unwrap();
    let cache = copy.session.runtime_env().cache_manager.get_file_metadata_cache();
    assert_eq!(cache.list_entries().len(), files.len());
}

#[tokio::test]
async fn deletion_vectors_are_read_once_and_checked_each_time() {
    let copy = Copy::of("pk_dv").await;
    let cache = Arc::new(DeletionVectorCache::new(1 << 20));
    copy.session.state_ref().write().config_mut().set_extension(cache);
    let mut files = copy.files().await;
    let rows = copy.read(files.clone()).await.unwrap();
    for vector in files.iter().filter_map(|masked| masked.file.deletion_vector.as_ref()) {
        // one index file holds the vectors of several files
        fs::remove_file(on_disk(&vector.path)).ok();
    }
    assert_eq!(copy.read(files.clone()).await.unwrap(), rows);
    let vectors = files.iter_mut().filter_map(|masked| masked.file.deletion_vector.as_mut());
    for vector in vectors {
        vector.cardinality = Some(1);
    }
    assert!(copy.read(files).await.is_err());
}

/// Errors of the metadata reader come with contexts and backtraces of many lines.
#[tokio::test]
async fn a_store_that_is_not_there_is_an_error_of_one_line() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lake = LakeOptions::new([
        ("warehouse", "s3://lake/wh"),
        ("s3.endpoint", &format!("http://{closed}")),
        ("s3.access-key", "AKID"),
        ("s3.secret-key", "SECRET"),
        ("s3.path-style-access", "true"),
    ]);
    let error = LakeCatalog::open(&lake.unwrap()).unwrap().table("lake", "t").await.unwrap_err();
    assert!(matches!(error, LakeError::Unavailable(_)), "{error}");
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("SECRET") && !text.contains("AKID"), "{text}");
}
