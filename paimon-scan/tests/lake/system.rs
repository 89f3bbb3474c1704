//! System tables say what the metadata of the tables that Java wrote says.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::util::display::array_value_to_string;
use paimon_scan::*;

use crate::conformance::unpack;
use crate::provider::*;

async fn system(table: &LakeTable, of: SystemTable) -> RecordBatch {
    let rows = table.system(of).await.unwrap();
    assert_eq!(rows.schema(), of.columns());
    rows
}

fn cells(rows: &RecordBatch, column: &str) -> Vec<String> {
    let column = rows.column_by_name(column).unwrap();
    (0..rows.num_rows()).map(|row| array_value_to_string(column, row).unwrap()).collect()
}

fn sum(rows: &RecordBatch, column: &str) -> i64 {
    rows.column_by_name(column).unwrap().as_primitive::<Int64Type>().iter().flatten().sum()
}

#[tokio::test]
async fn every_system_table_of_every_table_agrees_with_its_snapshots() {
    let folder = unpack("1.4.2");
    let matrix = options_of(&folder.path().join("warehouse"));
    for lake in [options(), matrix] {
        let catalog = LakeCatalog::open(&lake).unwrap();
        let mut seen = 0;
        for name in catalog.list_tables("lake").await.unwrap() {
            let Ok(table) = catalog.table("lake", &name).await else { continue };
            for of in SystemTable::ALL {
                system(&table, of).await;
            }
            let snapshots = system(&table, SystemTable::Snapshots).await;
            let totals = snapshots.column_by_name("total_record_count").unwrap();
            let totals = totals.as_primitive::<Int64Type>();
            let ids: Vec<i64> =
                cells(&snapshots, "snapshot_id").iter().map(|id| id.parse().unwrap()).collect();
            for (row, id) in ids.iter().enumerate() {
                let Ok(then) = table.at(&Version::Snapshot(*id)).await else { continue };
                let files = system(&then, SystemTable::Files).await;
                assert_eq!(sum(&files, "record_count"), totals.value(row), "{name} at {id}");
                let partitions = system(&then, SystemTable::Partitions).await;
                for column in ["record_count", "file_size_in_bytes"] {
                    assert_eq!(sum(&partitions, column), sum(&files, column), "{name} at {id}");
                }
                assert_eq!(sum(&partitions, "file_count"), files.num_rows() as i64);
                // every file that is read is listed
                let Ok(plan) = then.plan(None).await else { continue };
                let listed = cells(&files, "file_path");
                for file in plan.buckets.iter().flat_map(|bucket| &bucket.files) {
                    let ends = |path: &String| file.path.ends_with(path.as_str());
                    assert!(listed.iter().any(ends), "{} in {listed:?}", file.path);
                }
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }
}

#[tokio::test]
async fn schemas_options_and_keys_are_told_in_paimons_words() {
    let table = table("pk_evolution").await;
    let schemas = system(&table, SystemTable::Schemas).await;
    let ids = cells(&schemas, "schema_id");
    assert_eq!(ids.last().unwrap(), &table.schema().id.to_string());
    assert!(ids.len() > 1 && cells(&schemas, "fields")[0].starts_with("[{\"id\":0,\"name\":"));
    let options = system(&table, SystemTable::Options).await;
    assert!(cells(&options, "key").contains(&"bucket".to_owned()));
    let files = system(&table, SystemTable::Files).await;
    assert!(cells(&files, "partition").iter().all(|partition| partition == "{}"));
    assert!(cells(&files, "min_key").iter().all(|key| key.starts_with('[') && key.len() > 2));
    assert!(cells(&files, "file_format").iter().all(|format| format == "parquet"));
    assert!(cells(&files, "creation_time").iter().all(|time| time.starts_with("20")));
    let partitioned = crate::provider::table("append_partitioned").await;
    let files = system(&partitioned, SystemTable::Files).await;
    assert!(cells(&files, "partition").iter().all(|partition| partition.len() > 2));
    for empty in [SystemTable::Tags, SystemTable::Branches] {
        assert_eq!(system(&table, empty).await.num_rows(), 0);
    }
}
