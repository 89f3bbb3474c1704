//! Every type in every format, as Fluss's own writers wrote it (`tests/rows`).

use std::path::PathBuf;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;

#[path = "../../tests/rows/values.rs"]
mod values;

use super::log::with_records;
use super::robustness::{assert_mixed, torture};
use super::server::{FakeServer, Reply, leads_all};
use crate::kv::{decode_state, decode_values};
use crate::log::{ChangeType, LogScan, decode_log};
use crate::messages::{FetchLog, GetTableInfoAnswer};
use crate::table::{TableInfo, TablePath};
use crate::{ChangeTypes, Error};
use values::{assert_rows, values};

/// Files of logs, with the formats of their records.
const LOGS: [(&str, &str); 8] = [
    ("log_arrow", "arrow"),
    ("log_arrow_changes", "arrow"),
    ("log_arrow_lz4", "arrow"),
    ("log_arrow_zstd", "arrow"),
    ("log_indexed", "indexed"),
    ("log_indexed_changes", "indexed"),
    ("log_compacted", "compacted"),
    ("log_compacted_changes", "compacted"),
];
const STATES: [&str; 2] = ["indexed", "compacted"];

fn file(name: &str) -> Bytes {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let path = path.join(format!("tests/rows/{name}.bin"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
}

/// The table of the files, whose state is in this format.
fn table(format: &str) -> TableInfo {
    let properties = serde_json::json!({"table.kv.format": format});
    let json = serde_json::json!({
        "schema": values().0, "bucket_count": 1, "properties": properties});
    let json = serde_json::to_vec(&json).unwrap().into();
    let answer = GetTableInfoAnswer { table_id: 3, schema_id: 1, json, ..Default::default() };
    TableInfo::parse(TablePath::new("w", "types"), answer).unwrap()
}

fn all(table: &TableInfo) -> Vec<usize> {
    (0..table.schema.columns.len()).collect()
}

/// All columns, columns of each kind alone, none in front of others.
fn projections(table: &TableInfo) -> Vec<Vec<usize>> {
    let all = all(table);
    let mut projections: Vec<Vec<usize>> = all.iter().map(|column| vec![*column]).collect();
    projections.push(all.iter().copied().step_by(3).collect());
    projections.push(all);
    projections
}

fn project<'a>(
    rows: &'a [Vec<serde_json::Value>],
    columns: &[usize],
) -> Vec<Vec<&'a serde_json::Value>> {
    rows.iter().map(|row| columns.iter().map(|column| &row[*column]).collect()).collect()
}

fn assert_changes(found: &ChangeTypes, name: &str, rows: usize) {
    use ChangeType::{Delete, Insert, UpdateAfter, UpdateBefore};
    if name.ends_with("_changes") {
        let expected = [Insert, UpdateBefore, UpdateAfter, Delete].into_iter().cycle();
        assert!(found.iter().eq(expected.take(rows)), "{name}");
    } else {
        assert!(found.is_empty(), "{name}");
    }
}

#[test]
fn records_of_a_log_have_every_type() {
    let (table, (_, rows)) = (table("COMPACTED"), values());
    for (name, format) in LOGS {
        for kept in projections(&table) {
            let batches = decode_log(&file(name), &table.schema, format, &kept).unwrap();
            let [(found, changes)] = &batches[..] else { panic!("{} batches", batches.len()) };
            assert_rows(found, &project(&rows, &kept), name);
            assert_changes(changes, name, rows.len());
        }
    }
}

#[tokio::test]
async fn servers_are_not_asked_to_cut_rows_to_columns() {
    let (_, rows) = values();
    for (name, format) in LOGS {
        let mut table = table("COMPACTED");
        table.properties.insert("table.log.format".into(), format.to_uppercase());
        let bytes = file(name);
        let fake = FakeServer::start(move |asked| {
            let answer = || Reply::message(&with_records(asked, bytes.clone()));
            leads_all(asked, "v091").unwrap_or_else(answer)
        })
        .await;
        let kept = if format == "arrow" { all(&table) } else { vec![0, 15, 70] };
        let scan = LogScan {
            table,
            partition_id: None,
            bucket: 0,
            start: 3,
            end: 8,
            projection: Some(kept.clone()),
            filter: None,
        };
        let batches: Vec<_> = fake.client().scan_log(scan).try_collect().await.unwrap();
        let [batch] = &batches[..] else { panic!("{} batches", batches.len()) };
        assert_rows(&batch.rows, &project(&rows[3..8], &kept), name);
        assert_eq!((batch.base_offset, batch.next_offset), (3, 8));
        let changes = if name.ends_with("_changes") { 5 } else { 0 };
        assert_eq!(batch.change_types.len(), changes, "{name}");
        assert!(fake.asked::<FetchLog>().iter().all(|fetch| !fetch.tables[0].projected));
    }
}

#[test]
fn rows_of_a_state_have_every_type() {
    let (_, rows) = values();
    for format in STATES {
        let (table, name) = (table(format), format!("state_{format}"));
        for kept in projections(&table) {
            let found = decode_state(&file(&name), &table, &kept).unwrap();
            assert_rows(&found, &project(&rows, &kept), &name);
        }
    }
}

#[test]
fn hostile_records_and_rows() {
    let compacted = table("COMPACTED");
    let all = all(&compacted);
    let few: Vec<usize> = all.iter().copied().step_by(5).collect();
    for kept in [&all, &few] {
        // those without change types are parts of those with them
        for (name, format) in LOGS.into_iter().filter(|(name, _)| name.matches('_').count() > 1) {
            assert_mixed(torture(700, &[&file(name)], |input| {
                decode_log(&input, &compacted.schema, format, kept).is_ok()
            }));
        }
        for format in STATES {
            let (table, state) = (table(format), file(&format!("state_{format}")));
            let decode = |input: Bytes| decode_values(&input, &table, kept).is_ok();
            assert_mixed(torture(1_500, &[&state], decode));
        }
    }
}

/// A state of one row in a table with one column of this type.
fn one_value(data_type: serde_json::Value, format: &str, row: &[u8]) -> crate::Result<RecordBatch> {
    let columns = serde_json::json!([{"name": "c", "id": 0, "data_type": data_type}]);
    let mut table = table(format);
    table.schema = crate::Schema::parse(
        &serde_json::to_vec(&serde_json::json!({"columns": columns})).unwrap(),
    )?;
    let mut batch = vec![0];
    batch.extend(1i32.to_le_bytes());
    batch.extend(i32::try_from(row.len() + 2).unwrap().to_le_bytes());
    batch.extend(1i16.to_le_bytes());
    batch.extend(row);
    let length = i32::try_from(batch.len()).unwrap().to_le_bytes();
    decode_state(&[&length[..], &batch].concat(), &table, &[0])
}

#[test]
fn arrays_cannot_make_much_of_little() {
    // null bits of the row, length, count, null bits, four slots that all hold the same seventeen bytes
    let (slots, text) = (4u32, 17u32);
    let start = 8 + 8 * slots;
    let mut array = slots.to_le_bytes().to_vec();
    array.extend([0; 4]);
    for _ in 0..slots {
        array.extend(text.to_le_bytes());
        array.extend(start.to_le_bytes());
    }
    array.extend([b'x'; 17]);
    let row = [&[0, u8::try_from(array.len()).unwrap()][..], &array].concat();
    let strings = serde_json::json!({"type": "ARRAY", "element_type": {"type": "STRING"}});
    let error = one_value(strings, "COMPACTED", &row).unwrap_err();
    assert!(matches!(&error, Error::Corrupt(what) if what.contains("outside")), "{error}");
}

#[test]
fn values_that_no_writer_writes_are_refused() {
    let timestamp = serde_json::json!({"type": "TIMESTAMP_WITHOUT_TIME_ZONE", "precision": 9});
    let decimal = serde_json::json!({"type": "DECIMAL", "precision": 3, "scale": 0});
    let binary = |length: i64| serde_json::json!({"type": "BINARY", "length": length});
    let nanoseconds = [&[0][..], &0i64.to_le_bytes(), &1_000_000i32.to_le_bytes()].concat();
    let thousand = [&[0][..], &1_000i64.to_le_bytes()].concat();
    for (data_type, format, row) in [
        (&timestamp, "INDEXED", &nanoseconds[..]),
        (&timestamp, "INDEXED", &nanoseconds[..12]),
        (&decimal, "INDEXED", &thousand),
        (&decimal, "COMPACTED", &[0, 0xe8, 0x07]),
        (&serde_json::json!({"type": "STRING"}), "COMPACTED", &[0, 1, 0xff]),
        (&serde_json::json!({"type": "TINYINT"}), "COMPACTED", &[0, 1, 2]),
        (&binary(2), "COMPACTED", &[0, 3, 1, 2, 3]),
        (&binary(i32::MAX.into()), "COMPACTED", &[0, 1, 1]),
        (&binary(i32::MAX.into()), "COMPACTED", &[1]),
    ] {
        let error = one_value(data_type.clone(), format, row).unwrap_err();
        assert!(matches!(error, Error::Corrupt(_) | Error::TooLarge(_)), "{data_type}: {error}");
    }
    // shorter than its length: zero bytes follow, as INDEXED rows have them
    let short = one_value(binary(3), "COMPACTED", &[0, 1, 7]).unwrap();
    assert_rows(&short, &[vec![&serde_json::json!("070000")]], "BINARY(3)");
}

#[test]
fn fractions_of_seconds_are_cut_off_as_in_the_log() {
    for (milliseconds, seconds) in [(-1_500i64, -1_000), (-1, 0), (1_999, 1_000)] {
        let row = [&[0][..], &milliseconds.to_le_bytes()].concat();
        let data_type = serde_json::json!({"type": "TIMESTAMP_WITHOUT_TIME_ZONE", "precision": 0});
        let found = one_value(data_type, "INDEXED", &row).unwrap();
        assert_rows(&found, &[vec![&serde_json::json!([seconds, 0])]], "TIMESTAMP(0)");
    }
}
