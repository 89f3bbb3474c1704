//! Every table's rows are those of Paimon's reader.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use paimon_scan::{LakeCatalog, LakeOptions, TableKind};

use crate::oracle::{expected, render};
use crate::provider::*;

const TABLES: [&str; 17] = [
    "append_plain",
    "append_partitioned",
    "pk_overlap",
    "pk_overlap@2",
    "pk_composite",
    "pk_partitioned",
    "pk_compacted",
    "pk_compacted@5",
    "pk_sequence_overlap",
    "pk_float",
    "pk_dv",
    "pk_dv64",
    "evolution",
    "pk_evolution",
    "all_types",
    "timestamp_nine",
    "legacy_log",
];

fn split(name: &str) -> (&str, Option<i64>) {
    match name.split_once('@') {
        Some((table, snapshot)) => (table, Some(snapshot.parse().unwrap())),
        None => (name, None),
    }
}

#[tokio::test]
async fn rows_are_those_of_java_in_every_way_to_read() {
    for name in TABLES {
        let (names, rows) = expected(name);
        assert!(!rows.is_empty());
        let (table, snapshot) = split(name);
        for how in all_ways() {
            let (session, plan) = session(table, snapshot, how).await;
            let columns = plan.schema.columns.fields().iter().map(|field| field.name());
            assert!(columns.eq(&names), "{name}");
            let read = render(&sql(&session, "select * from t").await);
            match name {
                "timestamp_nine" => equal_but_for_nanoseconds(&read, &rows),
                _ => assert_eq!(read, rows, "{name} {how:?}"),
            }
        }
    }
}

/// Cut to microseconds, an instant before 1970 may come out one of them late (see `schema`).
fn equal_but_for_nanoseconds(read: &[String], expected: &[String]) {
    let parse = |row: &String| serde_json::from_str::<Vec<Option<String>>>(row).unwrap();
    let number = |cell: &Option<String>| cell.as_ref().map(|cell| cell.parse::<i64>().unwrap());
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().map(parse).zip(expected.iter().map(parse)) {
        for (read, expected) in read.iter().map(number).zip(expected.iter().map(number)) {
            let late = expected.is_some_and(|e| e < 0) && read == expected.map(|e| e + 1);
            assert!(read == expected || late, "{read:?} {expected:?}");
        }
    }
}

#[tokio::test]
async fn counts_from_metadata_are_right_and_absent_when_not_proven() {
    for name in TABLES {
        let (table, snapshot) = split(name);
        let rows = expected(name).1.len() as u64;
        let (session, plan) = session(table, snapshot, PLAIN).await;
        let count = sql(&session, "select count(*) from t").await;
        let count = count[0].column(0).as_primitive::<Int64Type>().value(0);
        assert_eq!(count as u64, rows, "{name}");
        let dirty = plan.buckets.iter().any(|bucket| bucket.needs_resolution());
        assert_eq!(plan.exact_rows(), (!dirty).then_some(rows), "{name}");
    }
    // of the tables above, these must not need a merge
    for name in ["append_plain", "pk_compacted@5", "pk_dv", "pk_dv64", "legacy_log"] {
        let (table, snapshot) = split(name);
        assert!(plan(table, snapshot).await.exact_rows().is_some(), "{name}");
    }
}

#[tokio::test]
async fn only_overlapping_files_are_resolved() {
    let plan = plan("pk_overlap", None).await;
    let files: Vec<_> = plan.buckets.iter().flat_map(|bucket| &bucket.files).collect();
    // one that overlaps with none, but whose deletes nobody has counted
    assert!(files.iter().any(|file| file.section.as_ref().is_some_and(|s| s.files == 1)));
    assert!(files.iter().any(|file| file.section.as_ref().is_some_and(|s| s.files > 2)));
    for marked in ["pk_dv", "pk_dv64"] {
        let plan = self::plan(marked, None).await;
        let mut files = plan.buckets.iter().flat_map(|bucket| &bucket.files);
        assert!(files.any(|file| file.section.is_none()), "{marked}");
    }
}

#[tokio::test]
async fn schemas_tell_keys_partitions_kinds_and_system_columns() {
    let schema = |name| async move { table(name).await.schema().clone() };
    let partitioned = schema("pk_partitioned").await;
    assert_eq!(partitioned.kind, TableKind::Deduplicate);
    assert_eq!(
        (partitioned.primary_key.as_slice(), partitioned.merge_key()),
        (&[0, 1][..], vec![1])
    );
    assert_eq!(partitioned.partition_key, [0]);
    assert_eq!(partitioned.buckets, 1);
    assert_eq!(schema("pk_dv").await.kind, TableKind::DeletionVectors);
    assert_eq!(schema("append_plain").await.kind, TableKind::Append);
    assert!(schema("append_plain").await.system_columns().is_none());
    assert_eq!(schema("legacy_log").await.system_columns().unwrap().offset, 2);
    let composite = schema("pk_composite").await;
    assert_eq!(composite.primary_key, [1, 2, 3]);
}

#[tokio::test]
async fn partitions_are_typed_values_whatever_their_folders_are_called() {
    let plan = plan("append_partitioned", None).await;
    let mut partitions: Vec<String> =
        plan.buckets.iter().map(|bucket| format!("{:?}", bucket.partition)).collect();
    partitions.sort();
    partitions.dedup();
    assert_eq!(partitions.len(), 10);
    assert!(partitions.iter().any(|p| p.contains("a/b:c%25=d?e#f")), "{partitions:?}");
    assert!(partitions.iter().any(|p| p.contains("Utf8View(NULL), Date32(\"2024-10-04\")")));
}

#[tokio::test]
async fn databases_and_tables_are_listed() {
    let catalog = LakeCatalog::open(&options()).unwrap();
    assert_eq!(catalog.list_databases().await.unwrap(), ["lake"]);
    let tables = catalog.list_tables("lake").await.unwrap();
    assert!(
        tables.contains(&"pk_overlap".to_owned()) && tables.contains(&"refused_orc".to_owned())
    );
    let (session, empty) = session("empty", None, PLAIN).await;
    assert_eq!((empty.snapshot_id, empty.exact_rows()), (None, Some(0)));
    assert!(render(&sql(&session, "select * from t").await).is_empty());
}

#[tokio::test]
async fn a_warehouse_may_be_spelled_in_three_ways() {
    let path = crate::oracle::warehouse();
    for spelling in ["", "file:", "file://"] {
        let lake = LakeOptions::new([("warehouse", format!("{spelling}{}", path.display()))]);
        let lake = std::sync::Arc::new(lake.unwrap());
        let table = LakeCatalog::open(&lake).unwrap().table("lake", "pk_dv").await.unwrap();
        let (plan, context) = (table.plan(None).await.unwrap(), PLAIN.session());
        let files = masked_in(&plan, &context, &lake).await.unwrap();
        let provider = LakeProvider { schema: plan.schema, files, how: PLAIN, lake };
        let frame = context.read_table(std::sync::Arc::new(provider)).unwrap();
        assert_eq!(render(&frame.collect().await.unwrap()), expected("pk_dv").1, "{spelling:?}");
    }
}
