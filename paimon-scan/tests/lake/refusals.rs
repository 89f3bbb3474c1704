//! What is not read right is refused by name.

use std::process::Command;

use paimon_scan::{LakeCatalog, LakeError};

use crate::oracle;
use crate::provider::*;

#[tokio::test]
async fn options_and_types_that_change_the_rows_are_refused_by_name() {
    let cases = [
        ("postpone", "bucket"),
        ("merge_on_read", "deletion-vectors.merge-on-read"),
        ("record_level", "record-level.expire-time"),
        ("row_tracking", "row-tracking.enabled"),
        ("variant", "VARIANT"),
        ("nano_key", "at"),
    ];
    let catalog = LakeCatalog::open(&options()).unwrap();
    for (table, named) in cases {
        let name = format!("refused_{table}");
        let error = catalog.table("lake", &name).await.err().unwrap_or_else(|| panic!("{name}"));
        assert!(matches!(error, LakeError::Unsupported { .. }), "{name}: {error}");
        let text = error.to_string();
        assert!(text.contains(named) && text.contains(&name), "{text}");
    }
}

#[tokio::test]
async fn files_that_are_not_read_right_are_refused_by_name() {
    let error = table("narrowed").await.plan(None).await.unwrap_err();
    assert!(matches!(error, LakeError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("\"s\""), "{error}");
}

/// Of a kind that a later Paimon may add: what it holds is told by other fields, but the metadata reader knows no such kind.
#[tokio::test]
async fn a_snapshot_of_an_unknown_kind_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("lake.db");
    std::fs::create_dir(&database).unwrap();
    let source = oracle::warehouse().join("lake.db/append_plain");
    let copied = Command::new("cp").arg("-r").arg(source).arg(&database).status().unwrap();
    assert!(copied.success());
    let snapshots = database.join("append_plain/snapshot");
    let latest = std::fs::read_to_string(snapshots.join("LATEST")).unwrap();
    let path = snapshots.join(format!("snapshot-{}", latest.trim()));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"APPEND\"", "\"REWRITE\"")).unwrap();
    let catalog = LakeCatalog::open(&options_of(folder.path())).unwrap();
    let table = catalog.table("lake", "append_plain").await.unwrap();
    let error = table.plan(None).await.unwrap_err().to_string();
    assert!(error.contains("unknown variant `REWRITE`"), "{error}");
}

#[tokio::test]
async fn unknown_names_are_not_found() {
    let catalog = LakeCatalog::open(&options()).unwrap();
    for (database, table) in
        [("lake", "nothing"), ("nothing", "pk_overlap"), ("lake", "pk_overlap$files")]
    {
        let error = catalog.table(database, table).await.err().unwrap();
        assert!(matches!(error, LakeError::NotFound { .. }), "{database}.{table}: {error}");
    }
    let error = catalog.list_tables("nothing").await.unwrap_err();
    assert!(matches!(error, LakeError::NotFound { .. }), "{error}");
}
