//! Ways to get wrong rows that were found by running; each has a name in the design notes.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::datasource::source::DataSourceExec;
use datafusion_proto::bytes::physical_plan_to_bytes;
use paimon_scan::*;

use crate::provider::*;

async fn ids(table: &str, condition: &str) -> Vec<Vec<i32>> {
    let mut answers = Vec::new();
    for how in all_ways() {
        let (session, _) = session(table, None, how).await;
        let query = format!("select arrow_cast(id, 'Int32') from t where {condition} order by id");
        let batches = sql(&session, &query).await;
        let ids =
            batches.iter().flat_map(|b| b.column(0).as_primitive::<Int32Type>().values().to_vec());
        answers.push(ids.collect());
    }
    answers
}

async fn same(table: &str, condition: &str, expected: &[i32]) {
    for answer in ids(table, condition).await {
        assert_eq!(answer, expected, "{table}: {condition}");
    }
}

/// T1: a conjunct on a nested column was accepted and then dropped when the file's filter was built.
#[tokio::test]
async fn t1_conjuncts_on_nested_columns_are_applied() {
    same("evolution", "st['z'] = 3 and id < 10", &[3]).await;
    same("evolution", "st['extra'] is not null and id < 22", &[20, 21]).await;
    same("all_types", "ro['x'] = 2", &[2]).await;
}

/// Re-added and renamed columns by name would show old values or nulls.
#[tokio::test]
async fn columns_go_by_id() {
    same("evolution", "dropped is not null", &(20..30).collect::<Vec<_>>()).await;
    same("evolution", "name is not null and id in (1, 25)", &[1, 25]).await;
}

/// T2: INT96 outside 1677–2262 wraps when read as nanoseconds.
#[tokio::test]
async fn t2_nanosecond_timestamps_keep_their_year() {
    for (year, expected) in [("1", 3), ("9999", 4), ("1675", 5)] {
        same("timestamp_nine", &format!("date_part('year', ts) = {year}"), &[expected]).await;
    }
    // the engine's own timestamp literals end in 2262
    let at = |text: &str| format!("arrow_cast('{text}', 'Timestamp(µs)')");
    same("timestamp_nine", &format!("ts < {}", at("0001-01-02")), &[3]).await;
    same("timestamp_nine", &format!("ts > {}", at("9999-12-31")), &[4]).await;
    same("timestamp_nine", &format!("lz < {}", at("1700-01-01")), &[3, 5]).await;
}

/// T8: the engine compares its time literals with Time64(ns) only.
#[tokio::test]
async fn t8_times_compare_with_literals() {
    same("all_types", "ti0 = time '00:00:05.007'", &[5]).await;
    same("all_types", "ti0 < time '00:00:02'", &[0, 1]).await;
}

/// T9: a map with view keys cannot be looked into.
#[tokio::test]
async fn t9_maps_are_looked_into() {
    same("all_types", "mp['m'] = 4", &[4]).await;
}

/// T12: a widening moved from the column to the literal would cut the literal.
#[tokio::test]
async fn t12_widened_columns_compare_with_all_digits() {
    same("evolution", "ts = timestamp '2023-11-14 22:13:20.124'", &[1]).await;
    same("evolution", "ts = timestamp '2023-11-14 22:13:20.124500'", &[]).await;
    same("evolution", "f = 3.1 and id < 20", &[]).await;
    same("evolution", "id = 3000000000", &[]).await;
}

/// A plain Parquet scan would travel without its masks; ours does not travel at all.
#[tokio::test]
async fn datafusion_proto_refuses_the_scan() {
    let plan = plan("pk_dv", None).await;
    let session = PLAIN.session();
    let request = ScanRequest {
        lake: Arc::new(options()),
        schema: plan.schema.clone(),
        groups: vec![masked(&plan, &session).await.unwrap()],
        projection: None,
        filter: None,
        filter_rows: false,
        limit: None,
    };
    let scan = scan(request, &session.task_ctx()).unwrap();
    assert!(physical_plan_to_bytes(Arc::clone(&scan)).is_err());
}

/// A file whose lake part got lost on the way is not read.
#[tokio::test]
async fn a_file_without_its_lake_part_is_an_error() {
    let plan = plan("append_plain", None).await;
    let session = PLAIN.session();
    let request = ScanRequest {
        lake: Arc::new(options()),
        schema: plan.schema.clone(),
        groups: vec![masked(&plan, &session).await.unwrap()],
        projection: None,
        filter: None,
        filter_rows: false,
        limit: None,
    };
    let scan = scan(request, &session.task_ctx()).unwrap();
    let exec = scan.downcast_ref::<DataSourceExec>().unwrap();
    let (config, _) = exec.downcast_to_file_source::<LakeSource>().unwrap();
    let mut bare = config.clone();
    for group in &mut bare.file_groups {
        let strip = |file: &datafusion::datasource::listing::PartitionedFile| {
            datafusion::datasource::listing::PartitionedFile::new_from_meta(
                file.object_meta.clone(),
            )
        };
        *group = datafusion::datasource::physical_plan::FileGroup::new(
            group.files().iter().map(strip).collect(),
        );
    }
    let bare = DataSourceExec::from_data_source(bare);
    let error = datafusion::physical_plan::collect(bare, session.task_ctx()).await.unwrap_err();
    assert!(error.to_string().contains("without its lake part"), "{error}");
}

/// Nested strings stay plain, top-level ones are views.
#[tokio::test]
async fn strings_are_views_at_the_top_only() {
    let schema = table("all_types").await.schema().columns.clone();
    let of = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(of("st"), DataType::Utf8View);
    assert_eq!(of("by"), DataType::BinaryView);
    assert!(format!("{}", of("ar")).contains("Utf8") && !format!("{}", of("ar")).contains("View"));
    assert!(!format!("{}{}", of("mp"), of("ro")).contains("View"));
}
