//! Earlier states and branches of tables.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use paimon::io::FileIO;
use paimon::table::{BranchManager, SnapshotManager, TagManager};
use paimon_scan::*;

use crate::conformance::unpack;
use crate::oracle;
use crate::provider::*;

async fn table_in(warehouse: &Path, name: &str) -> (LakeTable, Arc<LakeOptions>) {
    let lake = Arc::new(options_of(warehouse));
    let table = LakeCatalog::open(&lake).unwrap().table("lake", name).await.unwrap();
    (table, lake)
}

/// Rows and different keys of a plan.
async fn count(plan: LakePlan, lake: &Arc<LakeOptions>, key: &str) -> (i64, i64) {
    let plan = through_the_wire(plan);
    let session = PLAIN.session();
    let files = masked_in(&plan, &session, lake).await.unwrap();
    let provider = LakeProvider { schema: plan.schema, files, how: PLAIN, lake: Arc::clone(lake) };
    session.register_table("t", Arc::new(provider)).unwrap();
    let counts = sql(&session, &format!("select count(*), count(distinct {key}) from t")).await;
    let value = |column: usize| counts[0].column(column).as_primitive::<Int64Type>().value(0);
    (value(0), value(1))
}

/// Before its deletion vectors a table was merged on read, level 0 included.
#[tokio::test]
async fn deletion_vectors_that_came_later_hide_no_earlier_row() {
    let folder = unpack("1.4.2");
    let warehouse = folder.path().join("warehouse");
    for name in ["vectors_later_overlapping", "vectors_later_clean"] {
        let (table, lake) = table_in(&warehouse, name).await;
        assert_eq!(table.schema().kind, TableKind::DeletionVectors);
        let latest = table.plan(None).await.unwrap().snapshot_id.unwrap();
        let key = table.schema().columns.field(table.schema().primary_key[0]).name().clone();
        let mut earlier = 0;
        for id in 1..=latest {
            let then = table.at(&Version::Snapshot(id)).await.unwrap();
            if then.schema().kind != TableKind::Deduplicate {
                continue;
            }
            let counts = count(then.plan(None).await.unwrap(), &lake, &key).await;
            assert_eq!(counts, (2000, 2000), "{name} at {id}");
            earlier += 1;
        }
        assert!(earlier > 1, "{name}: {earlier}");
    }
}

#[tokio::test]
async fn tags_outlive_their_snapshots_and_branches_have_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let name = "pk_evolution";
    let database = folder.path().join("lake.db");
    std::fs::create_dir(&database).unwrap();
    let source = oracle::warehouse().join("lake.db").join(name);
    let copied = Command::new("cp").arg("-r").arg(source).arg(&database).status().unwrap();
    assert!(copied.success());
    let path = format!("file:{}", database.join(name).display());
    let io = FileIO::from_path("file:/").unwrap().build().unwrap();
    let (table, lake) = table_in(folder.path(), name).await;
    let key = table.schema().columns.field(table.schema().primary_key[0]).name().clone();

    let first = table.at(&Version::Snapshot(1)).await.unwrap();
    assert_ne!(first.schema().id, table.schema().id);
    let told = first.plan(None).await.unwrap();
    assert_eq!(told.snapshot_id, Some(1));
    let rows = count(told.clone(), &lake, &key).await;
    assert!(rows.0 > 0 && rows.0 == rows.1);

    let snapshots = SnapshotManager::new(io.clone(), path.clone());
    let snapshot = snapshots.get_snapshot(1).await.unwrap();
    TagManager::new(io.clone(), path.clone()).create("old", &snapshot).await.unwrap();
    BranchManager::new(io, path).create_branch_from_tag("b1", "old").await.unwrap();
    std::fs::remove_file(database.join(name).join("snapshot/snapshot-1")).unwrap();

    let (table, lake) = table_in(folder.path(), name).await;
    for version in [Version::Tag("old".into()), Version::Branch("b1".into())] {
        let then = table.at(&version).await.unwrap();
        assert_eq!(then.schema().columns, first.schema().columns, "{version}");
        let plan = then.plan(None).await.unwrap();
        assert_eq!(plan.buckets, told.buckets, "{version}");
        assert_eq!(plan.snapshot_id, Some(1));
        assert_eq!(then.plan_anew(None).await.unwrap().buckets.len(), told.buckets.len());
        assert_eq!(count(plan, &lake, &key).await, rows, "{version}");
    }
    for missing in [
        Version::Snapshot(1),
        Version::Time(0),
        Version::Tag("none".into()),
        Version::Tag("../tag-old".into()),
        Version::Branch("none".into()),
        Version::Branch("../branch-b1".into()),
        Version::Branch("".into()),
    ] {
        let error = table.at(&missing).await.unwrap_err();
        assert!(matches!(error, LakeError::NotFound { .. }), "{missing}: {error}");
        assert!(error.to_string().contains(&missing.to_string()), "{error}");
    }
}
