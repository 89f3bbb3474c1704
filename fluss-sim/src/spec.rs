//! What a table looks like, and how servers describe it.

use std::collections::BTreeMap;

use fluss_scan::{Column, FlussType, Schema};
use serde_json::{Map, Value, json};

/// A table to be created.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Columns in order; their ids count from 0.
    pub columns: Vec<Column>,
    /// Names of the primary key columns, empty in a log table.
    pub primary_key: Vec<String>,
    /// Columns that decide the bucket; empty: the key without the partition's columns, or any bucket.
    pub bucket_keys: Vec<String>,
    /// Columns that decide the partition.
    pub partition_keys: Vec<String>,
    /// Buckets per partition.
    pub buckets: i32,
    /// Options of the table (`table.…`).
    pub properties: BTreeMap<String, String>,
}

impl TableSpec {
    /// A log table of one bucket; columns of a name and a type, all nullable.
    pub fn new(columns: &[(&str, FlussType)]) -> Self {
        let columns = columns.iter().zip(0..).map(|((name, data_type), id)| Column {
            id,
            name: (*name).to_string(),
            data_type: data_type.clone(),
            nullable: true,
            comment: None,
        });
        Self {
            columns: columns.collect(),
            primary_key: vec![],
            bucket_keys: vec![],
            partition_keys: vec![],
            buckets: 1,
            properties: BTreeMap::new(),
        }
    }

    /// Makes it a primary-key table.
    #[must_use]
    pub fn key(mut self, columns: &[&str]) -> Self {
        self.primary_key = columns.iter().map(|name| (*name).to_string()).collect();
        for column in &mut self.columns {
            column.nullable &= !self.primary_key.contains(&column.name);
        }
        self
    }

    /// Decides the bucket by these columns.
    #[must_use]
    pub fn bucket_key(mut self, columns: &[&str]) -> Self {
        self.bucket_keys = columns.iter().map(|name| (*name).to_string()).collect();
        self
    }

    /// Partitions it.
    #[must_use]
    pub fn partitioned(mut self, columns: &[&str]) -> Self {
        self.partition_keys = columns.iter().map(|name| (*name).to_string()).collect();
        self
    }

    /// Gives every partition this number of buckets.
    #[must_use]
    pub fn buckets(mut self, buckets: i32) -> Self {
        self.buckets = buckets;
        self
    }

    /// Sets an option.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_string(), value.to_string());
        self
    }

    pub(crate) fn schema(&self) -> Schema {
        Schema { columns: self.columns.clone(), primary_key: self.primary_key.clone() }
    }

    pub(crate) fn option(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }
}

/// The description of a table whose present schema is `schema`.
pub(crate) fn table_json(spec: &TableSpec, schema: &Schema) -> Vec<u8> {
    let bucket_keys = if spec.bucket_keys.is_empty() {
        let key = spec.primary_key.iter();
        key.filter(|name| !spec.partition_keys.contains(name)).cloned().collect()
    } else {
        spec.bucket_keys.clone()
    };
    let json = json!({
        "version": 1,
        "schema": schema_value(schema),
        "partition_key": spec.partition_keys,
        "bucket_key": bucket_keys,
        "bucket_count": spec.buckets,
        "properties": spec.properties,
        "custom_properties": {},
    });
    json.to_string().into_bytes()
}

/// The description of one schema.
pub(crate) fn schema_json(schema: &Schema) -> Vec<u8> {
    schema_value(schema).to_string().into_bytes()
}

fn schema_value(schema: &Schema) -> Value {
    let columns = schema.columns.iter().map(|column| {
        json!({
            "name": column.name,
            "data_type": type_value(&column.data_type, column.nullable),
            "id": column.id,
        })
    });
    json!({
        "version": 1,
        "columns": columns.collect::<Vec<_>>(),
        "primary_key": schema.primary_key,
        "highest_field_id": schema.columns.iter().map(|column| column.id).max(),
    })
}

fn type_value(data_type: &FlussType, nullable: bool) -> Value {
    let (name, more) = match data_type {
        FlussType::Boolean => ("BOOLEAN", json!({})),
        FlussType::TinyInt => ("TINYINT", json!({})),
        FlussType::SmallInt => ("SMALLINT", json!({})),
        FlussType::Int => ("INTEGER", json!({})),
        FlussType::BigInt => ("BIGINT", json!({})),
        FlussType::Float => ("FLOAT", json!({})),
        FlussType::Double => ("DOUBLE", json!({})),
        FlussType::Decimal(precision, scale) => {
            ("DECIMAL", json!({ "precision": precision, "scale": scale }))
        }
        FlussType::Char(length) => ("CHAR", json!({ "length": length })),
        FlussType::String => ("STRING", json!({})),
        FlussType::Binary(length) => ("BINARY", json!({ "length": length })),
        FlussType::Bytes => ("BYTES", json!({})),
        FlussType::Date => ("DATE", json!({})),
        FlussType::Time(p) => ("TIME_WITHOUT_TIME_ZONE", json!({ "precision": p })),
        FlussType::Timestamp(p) => ("TIMESTAMP_WITHOUT_TIME_ZONE", json!({ "precision": p })),
        FlussType::TimestampLtz(p) => ("TIMESTAMP_WITH_LOCAL_TIME_ZONE", json!({ "precision": p })),
        FlussType::Array(element) => {
            ("ARRAY", json!({ "element_type": type_value(element, true) }))
        }
        FlussType::Map(key, value) => (
            "MAP",
            json!({ "key_type": type_value(key, false), "value_type": type_value(value, true) }),
        ),
        FlussType::Row(fields) => {
            let fields = fields.iter().map(|field| {
                json!({
                    "name": field.name,
                    "field_type": type_value(&field.data_type, field.nullable),
                    "field_id": field.id,
                })
            });
            ("ROW", json!({ "fields": fields.collect::<Vec<_>>() }))
        }
    };
    let mut value = Map::new();
    value.insert("type".into(), name.into());
    if !nullable {
        value.insert("nullable".into(), false.into());
    }
    if let Value::Object(more) = more {
        value.extend(more);
    }
    Value::Object(value)
}
