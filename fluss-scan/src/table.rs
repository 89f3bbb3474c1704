//! What Fluss says about a table, its partitions and its lake.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;

use bytes::Bytes;
use prost::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::messages::{GetTableInfoAnswer, Partition};
use crate::types::NO_ID;
use crate::{Column, Error, Result};

/// The name of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TablePath {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

impl TablePath {
    /// `database.table`.
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// One bucket of one partition of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    /// The table's id.
    pub table_id: i64,
    /// The partition's id; `None` in an unpartitioned table.
    pub partition_id: Option<i64>,
    /// The number of the bucket.
    pub bucket: i32,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {} of table {}", self.bucket, self.table_id)?;
        match self.partition_id {
            Some(id) => write!(f, " partition {id}"),
            None => Ok(()),
        }
    }
}

/// The columns and the key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Names of the primary key columns, empty in a log table.
    pub primary_key: Vec<String>,
}

impl Schema {
    pub(crate) fn from_json(json: &Value) -> Result<Self> {
        let columns = json["columns"].as_array().ok_or_else(|| Error::corrupt("no columns"))?;
        let columns = columns.iter().map(|column| Column::from_json(column, 0));
        let columns = with_ids(columns.collect::<Result<_>>()?)?;
        Ok(Self { columns, primary_key: names(json, "primary_key")? })
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        Self::from_json(&json(bytes)?)
    }
}

/// Columns are matched by their ids between schemas, so that each must have one of its own. Tables of old
/// servers have none: there a column's id is its position, as it is for Fluss itself.
fn with_ids(mut columns: Vec<Column>) -> Result<Vec<Column>> {
    if columns.iter().all(|column| column.id == NO_ID) {
        for (column, id) in columns.iter_mut().zip(0..) {
            column.id = id;
        }
        return Ok(columns);
    }
    let mut seen = HashSet::new();
    match columns.iter().find(|column| column.id < 0 || !seen.insert(column.id)) {
        Some(column) => {
            Err(Error::corrupt(format!("column '{}' has no id of its own", column.name)))
        }
        None => Ok(columns),
    }
}

/// A table as it is when asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    /// Its name.
    pub path: TablePath,
    /// Its id: another one after the table was dropped and created again.
    pub table_id: i64,
    /// The id of its present schema.
    pub schema_id: i32,
    /// Its present schema.
    pub schema: Schema,
    /// Buckets of the table, and of each partition created from now on: [`TableInfo::buckets_of`] tells
    /// those of a partition.
    pub bucket_count: i32,
    /// Columns that decide the bucket; empty: any bucket.
    pub bucket_keys: Vec<String>,
    /// Columns that decide the partition; empty: not partitioned.
    pub partition_keys: Vec<String>,
    /// Options of the table and, under `table.datalake.*`, of its lake. Fluss keeps secrets back.
    pub properties: BTreeMap<String, String>,
    /// What the table's owner noted on it; means nothing to Fluss.
    pub custom_properties: BTreeMap<String, String>,
    /// When it was created, milliseconds since 1970.
    pub created: i64,
    /// When it was last changed, milliseconds since 1970.
    pub modified: i64,
    json: Bytes,
}

#[derive(Message)]
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
    #[prost(int64, tag = "6")]
    created: i64,
    #[prost(int64, tag = "7")]
    modified: i64,
}

/// Bucket counts that are believed; the most is more than Fluss allows to configure.
const BUCKETS: RangeInclusive<i64> = 1..=1 << 20;

impl TableInfo {
    /// Reads a server's answer about the table.
    ///
    /// # Errors
    /// `Corrupt`, and `Unsupported` for types that are not known.
    pub fn parse(path: TablePath, answer: GetTableInfoAnswer) -> Result<Self> {
        let GetTableInfoAnswer { table_id, schema_id, json: bytes, created, modified } = answer;
        let value = json(&bytes)?;
        let buckets = value["bucket_count"].as_i64().filter(|n| BUCKETS.contains(n));
        let buckets = buckets.ok_or_else(|| Error::corrupt(format!("bucket count of {path}")))?;
        Ok(Self {
            schema: Schema::from_json(&value["schema"])?,
            bucket_count: i32::try_from(buckets).map_err(|_| Error::corrupt("bucket count"))?,
            bucket_keys: names(&value, "bucket_key")?,
            partition_keys: names(&value, "partition_key")?,
            properties: properties(&value, "properties")?,
            custom_properties: properties(&value, "custom_properties")?,
            created,
            modified,
            path,
            table_id,
            schema_id,
            json: bytes,
        })
    }

    /// How many buckets a partition has (`None`: an unpartitioned table).
    pub fn buckets_of(&self, partition: Option<&PartitionInfo>) -> i32 {
        partition.and_then(|partition| partition.bucket_count).unwrap_or(self.bucket_count)
    }

    /// Names of the columns by which Fluss finds a row in its partition: the primary key without the
    /// partition keys, in the order of the primary key.
    pub fn physical_key(&self) -> Vec<&str> {
        let names = self.schema.primary_key.iter();
        names.filter(|name| !self.partition_keys.contains(name)).map(String::as_str).collect()
    }

    /// The buckets of a partition (`None`: of an unpartitioned table).
    pub fn buckets(&self, partition: Option<&PartitionInfo>) -> impl Iterator<Item = Bucket> {
        let id = partition.map(|partition| partition.id);
        (0..self.buckets_of(partition)).map(move |bucket| self.bucket(id, bucket))
    }

    /// The bucket of this table with this number.
    pub fn bucket(&self, partition_id: Option<i64>, bucket: i32) -> Bucket {
        Bucket { table_id: self.table_id, partition_id, bucket }
    }

    /// The description as bytes, for another process.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (database, table) = (self.path.database.clone(), self.path.table.clone());
        let Self { table_id, schema_id, created, modified, .. } = *self;
        let json = self.json.clone();
        Wire { database, table, table_id, schema_id, json, created, modified }.encode_to_vec()
    }

    /// Reads what [`TableInfo::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Corrupt` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire = Wire::decode(bytes).map_err(|e| Error::corrupt(format!("table: {e}")))?;
        let Wire { database, table, table_id, schema_id, json, created, modified } = wire;
        let answer = GetTableInfoAnswer { table_id, schema_id, json, created, modified };
        Self::parse(TablePath::new(database, table), answer)
    }
}

fn json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|e| Error::corrupt(format!("JSON of a table: {e}")))
}

fn names(json: &Value, key: &str) -> Result<Vec<String>> {
    match &json[key] {
        Value::Null => Ok(vec![]),
        value => Vec::deserialize(value).map_err(|e| Error::corrupt(format!("{key}: {e}"))),
    }
}

fn properties(json: &Value, key: &str) -> Result<BTreeMap<String, String>> {
    match &json[key] {
        Value::Null => Ok(BTreeMap::new()),
        value => BTreeMap::deserialize(value).map_err(|e| Error::corrupt(format!("{key}: {e}"))),
    }
}

/// A partition that lives in Fluss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its id: another one after the partition was dropped and created again.
    pub id: i64,
    /// The values joined by `$`, as Fluss names it.
    pub name: String,
    /// The values of the partition keys, in their order.
    pub values: Vec<String>,
    /// Its own number of buckets, where the server says one: partitions keep theirs when the table's is
    /// changed. See [`TableInfo::buckets_of`].
    pub bucket_count: Option<i32>,
}

impl PartitionInfo {
    pub(crate) fn parse(partition: Partition) -> Result<Self> {
        let values: Vec<String> = partition.spec.values.into_iter().map(|v| v.value).collect();
        let name = values.join("$");
        if let Some(count) = partition.bucket_count.filter(|n| !BUCKETS.contains(&i64::from(*n))) {
            return Err(Error::corrupt(format!("{count} buckets of partition '{name}'")));
        }
        Ok(Self { id: partition.id, name, values, bucket_count: partition.bucket_count })
    }
}

/// A lake snapshot and the log offsets that it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeSnapshot {
    /// The table that it belongs to.
    pub table_id: i64,
    /// The lake's id of the snapshot.
    pub snapshot_id: i64,
    /// Per partition id and bucket: the log up to here (exclusive) is in the snapshot. A bucket that was
    /// never tiered has no entry.
    pub offsets: HashMap<(Option<i64>, i32), i64>,
}
