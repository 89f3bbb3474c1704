//! ARRAY, MAP and ROW: from a table's JSON to the values in its log. No answer with them was recorded, so the
//! batches are written here by Arrow's own writer, under a header like Fluss's.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int32Builder, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
    StringArray, StringBuilder, StructArray,
};
use arrow::datatypes::{Field, FieldRef};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{CompressionType, MetadataVersion};
use bytes::Bytes;
use futures::TryStreamExt;
use serde_json::json;

use super::log::with_records;
use super::robustness::{assert_mixed, torture};
use super::server::{FakeServer, Reply, leads_all};
use crate::log::{LogScan, decode_batches};
use crate::messages::GetTableInfoAnswer;
use crate::table::{TableInfo, TablePath};

fn table() -> TableInfo {
    let int = json!({"type": "INTEGER"});
    let columns = json!([
        {"name": "id", "id": 0, "data_type": {"type": "INTEGER", "nullable": false}},
        {"name": "tags", "id": 1, "data_type": {"type": "ARRAY", "element_type": {"type": "STRING"}}},
        {"name": "counts", "id": 2, "data_type":
            {"type": "MAP", "key_type": {"type": "STRING", "nullable": false}, "value_type": int}},
        {"name": "place", "id": 5, "data_type": {"type": "ROW", "fields": [
            {"name": "x", "field_type": int, "field_id": 3},
            {"name": "y", "field_type": {"type": "CHAR", "length": 2}, "field_id": 4}]}},
    ]);
    let json = json!({"schema": {"columns": columns}, "bucket_count": 1});
    let json = serde_json::to_vec(&json).unwrap().into();
    let answer = GetTableInfoAnswer { table_id: 3, schema_id: 1, json, ..Default::default() };
    TableInfo::parse(TablePath::new("w", "nested"), answer).unwrap()
}

fn rows(table: &TableInfo) -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(Field::new(
        "element",
        arrow::datatypes::DataType::Utf8,
        true,
    ));
    tags.append_value([Some("a"), None]);
    tags.append_null();
    tags.append_value(Vec::<Option<&str>>::new());
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut counts = MapBuilder::new(Some(names), StringBuilder::new(), Int32Builder::new());
    counts.keys().append_value("k");
    counts.values().append_value(7);
    counts.append(true).unwrap();
    counts.append(true).unwrap();
    counts.append(false).unwrap();
    let fields: Vec<FieldRef> =
        table.schema.columns.iter().map(|c| Arc::new(c.arrow().with_nullable(true))).collect();
    let arrow::datatypes::DataType::Struct(place) = fields[3].data_type() else { panic!() };
    let x: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let y: ArrayRef = Arc::new(StringArray::from(vec![Some("no"), Some("so"), None]));
    let nulls = vec![true, true, false].into();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        Arc::new(tags.finish()),
        Arc::new(counts.finish()),
        Arc::new(StructArray::new(place.clone(), vec![x, y], Some(nulls))),
    ];
    let schema = arrow::datatypes::Schema::new(fields);
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// A batch of an append-only log at offset 0.
fn batch(rows: &RecordBatch, compression: Option<CompressionType>) -> Bytes {
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5).unwrap();
    let options = options.try_with_compression(compression).unwrap();
    let mut context = IpcWriteContext::default();
    let mut tracker = DictionaryTracker::new(false);
    let (_, encoded) =
        IpcDataGenerator::default().encode(rows, &mut tracker, &options, &mut context).unwrap();
    let mut message = encoded.ipc_message;
    message.resize(message.len().next_multiple_of(8), 0);
    let length = i32::try_from(message.len()).unwrap().to_le_bytes();
    let arrow = [&[0xff; 4][..], &length, &message, &encoded.arrow_data].concat();
    let count = i32::try_from(rows.num_rows()).unwrap();
    // schema id, attributes (append only), last offset delta, writer, sequence, count
    let mut checked = vec![1, 0, 1];
    checked.extend((count - 1).to_le_bytes());
    checked.extend([0; 12]);
    checked.extend(count.to_le_bytes());
    checked.extend(arrow);
    let length = i32::try_from(1 + 8 + 4 + checked.len()).unwrap();
    let checksum = crc32c::crc32c(&checked);
    let mut bytes = 0i64.to_le_bytes().to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend([0; 9]);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend(checked);
    bytes.into()
}

#[tokio::test]
async fn nested_values_come_as_they_were_written() {
    let table = table();
    let types: Vec<_> = table.schema.columns.iter().map(|c| c.data_type.to_string()).collect();
    assert_eq!(types, ["int", "array<string>", "map<string,int>", "struct<x:int,y:char(2)>"]);
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let written = rows(&table);
        let bytes = batch(&written, compression);
        let fake = FakeServer::start(move |asked| {
            let answer = || Reply::message(&with_records(asked, bytes.clone()));
            leads_all(asked, "v10").unwrap_or_else(answer)
        })
        .await;
        let scan = LogScan {
            table: table.clone(),
            partition_id: None,
            bucket: 0,
            start: 0,
            end: 3,
            projection: None,
            filter: None,
        };
        let batches: Vec<_> = fake.client().scan_log(scan).try_collect().await.unwrap();
        assert_eq!(batches[0].rows, written);
    }
}

#[test]
fn hostile_nested_batches() {
    let table = table();
    let bytes = [None, Some(CompressionType::LZ4_FRAME)].map(|c| batch(&rows(&table), c));
    let valid: Vec<&[u8]> = bytes.iter().map(|bytes| &bytes[..]).collect();
    let columns = [0, 1, 2, 3];
    assert_mixed(torture(20_000, &valid, |input| {
        decode_batches(&input, &table.schema, &columns).is_ok()
    }));
}
