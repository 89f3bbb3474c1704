//! What the optimizer is told of columns is what their rows are, in every table that Java wrote.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue};
use paimon_scan::*;

use crate::conformance::{VERSIONS, unpack};
use crate::oracle;
use crate::provider::*;

/// Statistics of all columns of a plan's files.
fn told(plan: &LakePlan) -> Vec<ColumnStatistics> {
    let files: Vec<&LakeFile> = plan.buckets.iter().flat_map(|bucket| &bucket.files).collect();
    let columns: Vec<usize> = (0..plan.schema.columns.fields().len()).collect();
    column_statistics(&plan.schema, &columns, &files, false, plan.analyzed.as_ref())
}

async fn planned(warehouse: &Path, name: &str) -> Result<LakePlan, LakeError> {
    LakeCatalog::open(&options_of(warehouse))?.table("lake", name).await?.plan(None).await
}

async fn rows(warehouse: &Path, plan: &LakePlan) -> Result<Vec<RecordBatch>, LakeError> {
    let lake = Arc::new(options_of(warehouse));
    let plan = through_the_wire(plan.clone());
    let session = PLAIN.session();
    let files = masked_in(&plan, &session, &lake).await?;
    let provider = LakeProvider { schema: plan.schema, files, how: PLAIN, lake };
    Ok(session.read_table(Arc::new(provider))?.collect().await?)
}

/// The smallest and largest of the values that are no nulls.
fn extremes(batches: &[RecordBatch], column: usize) -> Option<(ScalarValue, ScalarValue)> {
    let arrays = batches.iter().map(|batch| batch.column(column));
    let values = arrays.flat_map(|array| {
        (0..array.len()).map(|row| ScalarValue::try_from_array(array, row).unwrap())
    });
    values.filter(|value| !value.is_null()).fold(None, |found, value| match found {
        None => Some((value.clone(), value)),
        Some((min, max)) if value < min => Some((value, max)),
        Some((min, max)) if value > max => Some((min, value)),
        found => found,
    })
}

#[derive(Default)]
struct Checked {
    exact: usize,
    outer: usize,
    nulls: usize,
}

fn check(at: &str, batches: &[RecordBatch], told: &[ColumnStatistics], checked: &mut Checked) {
    for (column, told) in told.iter().enumerate() {
        let at = format!("{at} column {column}");
        match (&told.min_value, &told.max_value) {
            (Precision::Absent, Precision::Absent) => {}
            (Precision::Exact(min), Precision::Exact(max)) => {
                checked.exact += 1;
                let found = extremes(batches, column);
                assert_eq!(found, Some((min.clone(), max.clone())), "{at}");
            }
            (Precision::Inexact(min), Precision::Inexact(max)) => {
                checked.outer += 1;
                let found = extremes(batches, column);
                let inside = found.is_none_or(|(a, b)| a >= *min && b <= *max);
                assert!(inside, "{at}");
            }
            other => panic!("{at}: {other:?}"),
        }
        if let Precision::Exact(nulls) = told.null_count {
            checked.nulls += 1;
            let found: usize = batches.iter().map(|batch| batch.column(column).null_count()).sum();
            assert_eq!(found, nulls, "{at}");
        }
        assert_eq!(told.distinct_count.is_exact().filter(|exact| *exact), None, "{at}");
    }
}

#[tokio::test]
async fn what_is_told_of_columns_is_true_of_every_table() {
    let mut checked = Checked::default();
    let mut tables = 0;
    for (version, _) in VERSIONS {
        let folder = unpack(version);
        let warehouse = folder.path().join("warehouse");
        for entry in std::fs::read_dir(warehouse.join("lake.db")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Ok(plan) = planned(&warehouse, &name).await else { continue };
            let Ok(batches) = rows(&warehouse, &plan).await else { continue };
            tables += 1;
            check(&format!("{version} {name}"), &batches, &told(&plan), &mut checked);
        }
    }
    for entry in std::fs::read_dir(oracle::warehouse().join("lake.db")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Ok(plan) = planned(&oracle::warehouse(), &name).await else { continue };
        let Ok(batches) = rows(&oracle::warehouse(), &plan).await else { continue };
        tables += 1;
        check(&name, &batches, &told(&plan), &mut checked);
    }
    let Checked { exact, outer, nulls } = checked;
    assert!(
        tables > 150 && exact > 100 && outer > 100 && nulls > 200,
        "{tables} {exact} {outer} {nulls}"
    );
}

async fn of(name: &str, column: &str) -> ColumnStatistics {
    let plan = planned(&oracle::warehouse(), name).await.unwrap();
    let position = plan.schema.columns.index_of(column).unwrap();
    told(&plan)[position].clone()
}

#[tokio::test]
async fn nothing_is_exact_that_is_not_proven() {
    let is_exact = |of: &ColumnStatistics| {
        of.min_value.is_exact() == Some(true) || of.max_value.is_exact() == Some(true)
    };
    // plain files, with a partition column
    assert!(is_exact(&of("append_plain", "id").await));
    assert_eq!(of("append_plain", "name").await.null_count, Precision::Exact(18));
    assert!(is_exact(&of("append_partitioned", "day").await));
    // hidden and superseded rows bound, and no more
    for (table, column) in [("pk_dv", "id"), ("pk_dv64", "id"), ("pk_overlap", "id")] {
        let found = of(table, column).await;
        assert!(found.min_value.is_exact() == Some(false), "{table}: {found:?}");
        assert!(found.null_count.is_exact() != Some(true), "{table}: {found:?}");
    }
    // cut strings, floats with NaN and both zeros, columns of files of several schemas
    for (table, column) in [
        ("append_plain", "name"),
        ("append_plain", "v"),
        ("append_partitioned", "region"),
        ("pk_float", "k"),
    ] {
        let found = of(table, column).await;
        let bounds = (found.min_value, found.max_value);
        assert_eq!(bounds, (Precision::Absent, Precision::Absent), "{table}.{column}");
    }
    let evolved = planned(&oracle::warehouse(), "evolution").await.unwrap();
    assert!(told(&evolved).iter().all(|of| of.min_value == Precision::Absent));
    assert!(told(&evolved).iter().all(|of| of.null_count == Precision::Absent));
    // rows from elsewhere may be beyond all files
    let plan = planned(&oracle::warehouse(), "append_plain").await.unwrap();
    let files: Vec<&LakeFile> = plan.buckets.iter().flat_map(|bucket| &bucket.files).collect();
    let with_others = column_statistics(&plan.schema, &[0], &files, true, None);
    assert_eq!(with_others[0].min_value, Precision::Absent);
    assert_eq!(with_others[0].null_count, Precision::Inexact(0));
    // a part of a file, and no file at all
    let part = LakeFile { slice: Some(Slice { first: 0, end: 1 }), ..files[0].clone() };
    let part = column_statistics(&plan.schema, &[0], &[&part], false, None);
    assert!(!is_exact(&part[0]) && part[0].null_count == Precision::Inexact(0));
    let none = column_statistics(&plan.schema, &[0], &[], false, None);
    assert_eq!(none[0].min_value, Precision::Absent);
}

/// The file was written by Java Paimon.
#[tokio::test]
async fn what_analyze_left_is_an_estimate_of_its_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let source = oracle::warehouse().join("lake.db");
    let copied = Command::new("cp").arg("-r").arg(source).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let kept = Arc::new(PlanCache::default());
    let table = async || {
        let catalog = LakeCatalog::open(&options_of(folder.path())).unwrap().with_cache(&kept);
        catalog.table("lake", "analyzed_facts").await.unwrap()
    };
    let plan = table().await.plan(None).await.unwrap();
    assert_eq!(plan.analyzed.as_ref().unwrap().rows, Some(200));
    let [k, v, s] = told(&plan).try_into().unwrap();
    let distinct = [k, v, s].map(|of| of.distinct_count);
    assert_eq!(distinct, [Precision::Inexact(4), Precision::Inexact(180), Precision::Absent]);
    assert!(table().await.plan(Some(2)).await.unwrap().analyzed.is_none(), "not analysed yet");

    // commits since: the number of rows is no longer known, the rest is still a good guess
    let snapshots = folder.path().join("lake.db/analyzed_facts/snapshot");
    let snapshot = std::fs::read_to_string(snapshots.join("snapshot-3")).unwrap();
    let later = snapshot.replace("\"id\" : 3", "\"id\" : 4").replace("ANALYZE", "APPEND");
    std::fs::write(snapshots.join("snapshot-4"), later).unwrap();
    let plan = table().await.plan(Some(4)).await.unwrap();
    assert_eq!(plan.analyzed.as_ref().unwrap().rows, None);
    assert_eq!(told(&plan)[0].distinct_count, Precision::Inexact(4));

    // broken or gone, it costs no more than the estimate
    let statistics = folder.path().join("lake.db/analyzed_facts/statistics");
    let file = std::fs::read_dir(&statistics).unwrap().next().unwrap().unwrap().path();
    for broken in [Some("{\"snapshotId\":"), None] {
        match broken {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let kept = planned(folder.path(), "analyzed_facts").await.unwrap();
        assert!(kept.analyzed.is_none() && kept.exact_rows() == Some(200));
        // what was read once is kept
        assert!(table().await.plan(None).await.unwrap().analyzed.is_some());
    }
}
