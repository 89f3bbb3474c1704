//! Tables with keys, for tests of keys and lookups.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::{Value, json};

use crate::messages::GetTableInfoAnswer;
use crate::table::{TableInfo, TablePath};

/// How a table is keyed.
#[derive(Clone, Copy)]
pub(super) struct Keyed<'a> {
    pub(super) table_id: i64,
    pub(super) primary: &'a [&'a str],
    pub(super) bucket: &'a [&'a str],
    pub(super) partition: &'a [&'a str],
    pub(super) properties: &'a [(&'a str, &'a str)],
}

/// Properties of a table in a cluster with a lake, and in one without.
pub(super) const LAKE: &[(&str, &str)] =
    &[("table.datalake.format", "paimon"), ("table.kv.format-version", "2")];
pub(super) const NO_LAKE: &[(&str, &str)] = &[("table.kv.format-version", "2")];

impl Keyed<'_> {
    /// The table with three buckets and these columns, as names and types in Fluss's JSON.
    pub(super) fn table(&self, columns: &[(&str, Value)]) -> TableInfo {
        let column = |(id, (name, data_type)): (usize, &(&str, Value))| json!({"name": name, "id": id, "data_type": data_type});
        let columns: Vec<Value> = columns.iter().enumerate().map(column).collect();
        let properties: serde_json::Map<String, Value> =
            self.properties.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
        let table = json!({
            "version": 1, "bucket_count": 3,
            "bucket_key": self.bucket, "partition_key": self.partition,
            "properties": properties, "custom_properties": {},
            "schema": {"version": 1, "columns": columns, "primary_key": self.primary},
        });
        let json = serde_json::to_vec(&table).unwrap().into();
        let table_id = self.table_id;
        let answer = GetTableInfoAnswer { table_id, schema_id: 1, json, created: 0, modified: 0 };
        TableInfo::parse(TablePath::new("w", "keyed"), answer).unwrap()
    }

    /// The table with the columns of the recorded tables `pk2_*` and `pre_*`.
    pub(super) fn names(&self) -> TableInfo {
        let (text, long) = (json!({"type": "STRING"}), json!({"type": "BIGINT"}));
        self.table(&[("name", text), ("id", long.clone()), ("v", long)])
    }
}

/// Keys `(id)`.
pub(super) fn ids(ids: &[i64]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    RecordBatch::try_from_iter([("id", ids)]).unwrap()
}

/// Keys `(name, id)`, the columns the other way round.
pub(super) fn names_and_ids(keys: &[(&str, i64)]) -> RecordBatch {
    let names: StringArray = keys.iter().map(|(name, _)| Some(*name)).collect();
    let ids: Int64Array = keys.iter().map(|(_, id)| Some(*id)).collect();
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("name", Arc::new(names))];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Prefixes `(name)`.
pub(super) fn names(names: &[&str]) -> RecordBatch {
    let names: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
    RecordBatch::try_from_iter([("name", names)]).unwrap()
}
