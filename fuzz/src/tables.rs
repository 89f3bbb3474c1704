//! Tables that inputs are decoded as.

use std::sync::LazyLock;

use bytes::Bytes;
use fluss_scan::TableInfo;
use fluss_scan::messages::GetTableInfoAnswer;
use prost::Message;

/// The id of every table here.
pub const TABLE_ID: i64 = 3;

/// The table of the recorded answers: sixteen columns, key `id`.
pub static FULL: LazyLock<TableInfo> = LazyLock::new(|| {
    let frame =
        include_bytes!("../../fluss-scan/tests/frames/table_info_pk_plain_tablet.v10.resp.bin");
    let answer = GetTableInfoAnswer::decode(&frame[9..]).expect("a recorded answer");
    described(&answer.json).expect("a recorded table")
});

/// Every type that Fluss has, in every form that a log or a row gives it.
pub static ALL_TYPES: LazyLock<TableInfo> = LazyLock::new(|| {
    let types = [
        r#""BOOLEAN""#,
        r#""TINYINT""#,
        r#""SMALLINT""#,
        r#""INTEGER""#,
        r#""BIGINT""#,
        r#""FLOAT""#,
        r#""DOUBLE""#,
        r#""DECIMAL","precision":18,"scale":3"#,
        r#""DECIMAL","precision":38,"scale":10"#,
        r#""CHAR","length":3"#,
        r#""STRING""#,
        r#""BINARY","length":5"#,
        r#""BYTES""#,
        r#""DATE""#,
        r#""TIME_WITHOUT_TIME_ZONE","precision":0"#,
        r#""TIME_WITHOUT_TIME_ZONE","precision":3"#,
        r#""TIME_WITHOUT_TIME_ZONE","precision":6"#,
        r#""TIME_WITHOUT_TIME_ZONE","precision":9"#,
        r#""TIMESTAMP_WITHOUT_TIME_ZONE","precision":0"#,
        r#""TIMESTAMP_WITHOUT_TIME_ZONE","precision":3"#,
        r#""TIMESTAMP_WITHOUT_TIME_ZONE","precision":6"#,
        r#""TIMESTAMP_WITHOUT_TIME_ZONE","precision":9"#,
        r#""TIMESTAMP_WITH_LOCAL_TIME_ZONE","precision":6"#,
        r#""ARRAY","element_type":{"type":"INTEGER"}"#,
        r#""MAP","key_type":{"type":"STRING","nullable":false},"value_type":{"type":"BIGINT"}"#,
        r#""ROW","fields":[{"name":"a","field_type":{"type":"STRING"},"field_id":101},
            {"name":"b","field_type":{"type":"ARRAY","element_type":{"type":"ROW","fields":[
                {"name":"c","field_type":{"type":"DECIMAL","precision":30,"scale":2},"field_id":103}
            ]}},"field_id":102}]"#,
    ];
    let columns = types.iter().zip(0..).map(|(data_type, id)| {
        format!(r#"{{"name":"c{id}","id":{id},"data_type":{{"type":{data_type}}}}}"#)
    });
    let columns = columns.collect::<Vec<_>>().join(",");
    let json = format!(r#"{{"schema":{{"columns":[{columns}]}},"bucket_count":1}}"#);
    described(json.as_bytes()).expect("a table of all types")
});

/// The same, with a state of INDEXED rows.
pub static ALL_TYPES_INDEXED: LazyLock<TableInfo> = LazyLock::new(|| {
    let mut table = ALL_TYPES.clone();
    table.properties.insert("table.kv.format".into(), "INDEXED".into());
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
