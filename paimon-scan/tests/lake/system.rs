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

/// Names, types and NULLs as Paimon's documentation and sources (`table/system/*Table.java`) have them; times with a
/// zone here are times of the server's zone there.
#[test]
fn columns_are_paimons() {
    let expected = [
        (
            SystemTable::Snapshots,
            "snapshot_id bigint!, schema_id bigint!, commit_user string!, commit_identifier bigint!, \
             commit_kind string!, commit_time timestamp(3)!, base_manifest_list string!, \
             delta_manifest_list string!, changelog_manifest_list string, total_record_count bigint, \
             delta_record_count bigint, changelog_record_count bigint, watermark bigint, \
             next_row_id bigint",
        ),
        (
            SystemTable::Schemas,
            "schema_id bigint!, fields string!, partition_keys string!, primary_keys string!, \
             options string!, comment string, update_time timestamp(3)!",
        ),
        (SystemTable::Options, "key string!, value string!"),
        (
            SystemTable::Files,
            "partition string, bucket int!, file_path string!, file_format string!, \
             schema_id bigint!, level int!, record_count bigint!, file_size_in_bytes bigint!, \
             min_key string, max_key string, null_value_counts string!, min_value_stats string!, \
             max_value_stats string!, min_sequence_number bigint, max_sequence_number bigint, \
             creation_time datetime(3), deleteRowCount bigint, file_source string, \
             first_row_id bigint, write_cols array<string>",
        ),
        (
            SystemTable::Partitions,
            "partition string, record_count bigint!, file_size_in_bytes bigint!, \
             file_count bigint!, last_update_time datetime(3)",
        ),
        (
            SystemTable::Tags,
            "tag_name string!, snapshot_id bigint!, schema_id bigint!, commit_time timestamp(3)!, \
             record_count bigint, create_time datetime(3), time_retained string",
        ),
        (SystemTable::Branches, "branch_name string!"),
    ];
    assert_eq!(expected.map(|(of, _)| of), SystemTable::ALL);
    for (of, expected) in expected {
        let (columns, declared) = (of.columns(), of.declared());
        let told = columns.fields().iter().zip(&declared).map(|(field, declared)| {
            let null = if field.is_nullable() { "" } else { "!" };
            format!("{} {}{null}", field.name(), declared.data_type)
        });
        assert_eq!(told.collect::<Vec<_>>().join(", "), expected, "{of:?}");
    }
}

/// Of files of older schemas too: a column that came later is NULL in all of their rows, one that was renamed is itself.
#[tokio::test]
async fn files_tell_statistics_of_the_columns_that_the_table_has_now() {
    let of_pk = [
        ["0", "{id=0, s=0, v=3, w=0}", "{id=1, s=v1, v=null, w=1}", "{id=3, s=v3, v=null, w=3}"],
        ["1", "{id=0, s=1, v=1, w=1}", "{id=2, s=two, v=new, w=22}", "{id=3, s=two, v=new, w=22}"],
    ];
    let of_append = [
        [
            "0",
            "{added=20, d=0, dropped=20, f=0, id=0, n=5, name=0, st=null, ts=0}",
            "{added=null, d=0.00, dropped=null, f=0.10000000149011612, id=0, n=1, name=n0, st=null, \
             ts=2023-11-14T22:13:20.123}",
            "{added=null, d=1.90, dropped=null, f=19.100000381469727, id=19, n=19, name=n9, st=null, \
             ts=2023-11-14T22:13:20.142}",
        ],
        [
            "2",
            "{added=0, d=0, dropped=0, f=0, id=0, n=0, name=0, st=null, ts=0}",
            "{added=added20, d=20.00, dropped=140, f=20.1, id=20, n=20, name=n20, st=null, \
             ts=2023-11-14T22:13:20.123476}",
            "{added=added29, d=29.00, dropped=203, f=29.1, id=29, n=29, name=n29, st=null, \
             ts=2023-11-14T22:13:20.123485}",
        ],
    ];
    for (name, expected) in [("pk_evolution", of_pk), ("evolution", of_append)] {
        let files = system(&table(name).await, SystemTable::Files).await;
        let told = ["schema_id", "null_value_counts", "min_value_stats", "max_value_stats"];
        let told = told.map(|column| cells(&files, column));
        let mut rows: Vec<_> =
            (0..files.num_rows()).map(|row| told.each_ref().map(|of| of[row].clone())).collect();
        rows.sort();
        assert_eq!(rows, expected, "{name}");
        assert!(cells(&files, "file_source").iter().all(|source| source == "APPEND"), "{name}");
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
