//! Tables that inputs are decoded as.

use std::sync::LazyLock;

use bytes::Bytes;
use fluss_scan::TableInfo;
use fluss_scan::messages::GetTableInfoAnswer;
use prost::Message;
use serde_json::{Value, json};

/// The id of every table here.
pub const TABLE_ID: i64 = 3;

/// The table of the recorded answers: sixteen columns, key `id`.
pub static FULL: LazyLock<TableInfo> = LazyLock::new(|| {
    let frame =
        include_bytes!("../../fluss-scan/tests/frames/table_info_pk_plain_tablet.v10.resp.bin");
    let answer = GetTableInfoAnswer::decode(&frame[9..]).expect("a recorded answer");
    described(&answer.json).expect("a recorded table")
});

/// Every type that Fluss has: the table of `fluss-scan/tests/rows`.
pub static ALL_TYPES: LazyLock<TableInfo> = LazyLock::new(|| {
    let values = include_str!("../../fluss-scan/tests/rows/values.json");
    let values: Value = serde_json::from_str(values).expect("values of all types");
    let json = json!({"schema": values["schema"], "bucket_count": 1});
    described(json.to_string().as_bytes()).expect("a table of all types")
});

/// The same, with a state of INDEXED rows.
pub static ALL_TYPES_INDEXED: LazyLock<TableInfo> = LazyLock::new(|| {
    let mut table = ALL_TYPES.clone();
    table.properties.insert("table.kv.format".into(), "INDEXED".into());
    table
});

/// The recorded table with statistics of all its columns, so that filters are understood.
pub static WITH_STATISTICS: LazyLock<TableInfo> = LazyLock::new(|| {
    let mut table = FULL.clone();
    table.properties.insert("table.statistics.columns".into(), "*".into());
    table
});

/// A table whose bucket key begins its key: `name` of `(name, id)`.
pub static PREFIXED: LazyLock<TableInfo> = LazyLock::new(|| {
    let json = br#"{"schema":{"columns":[{"name":"name","id":0,"data_type":{"type":"STRING","nullable":false}},
        {"name":"id","id":1,"data_type":{"type":"BIGINT","nullable":false}},
        {"name":"v","id":2,"data_type":{"type":"INTEGER"}}],"primary_key":["name","id"]},
        "bucket_key":["name"],"bucket_count":1}"#;
    described(json).expect("a table with a prefix")
});

/// The bytes of [`TableInfo::to_bytes`].
#[derive(Clone, PartialEq, Message)]
struct Wire {
    #[prost(string, tag = "1")]
    database: String,
    #[prost(string, tag = "2")]
    table: String,
    #[prost(int64, tag = "3")]
    table_id: i64,
    #[prost(int32, tag = "4")]
    schema_id: i32,
    #[prost(bytes = "bytes", tag = "5")]
    json: Bytes,
}

/// The table that a server describes so.
pub fn described(json: &[u8]) -> fluss_scan::Result<TableInfo> {
    let wire = Wire {
        database: "w".into(),
        table: "t".into(),
        table_id: TABLE_ID,
        schema_id: 1,
        json: Bytes::copy_from_slice(json),
    };
    TableInfo::from_bytes(&wire.encode_to_vec())
}
