//! Keys as Fluss stores them, and the buckets in which they lie.
//!
//! Two layouts: [`compacted`], Fluss's own, and [`binary_row`], that of the lake. Which one a table's primary key
//! has follows from its lake format and the version of its key-value format. The bucket is always computed
//! from the lake's layout, so that both storages agree about it ([`bucketing`]).

mod binary_row;
mod bucketing;
mod compacted;
mod value;

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::table::TableInfo;
use crate::{Column, Error, FlussType, Result};
use bucketing::Bucketing;
use value::{KeyColumn, Value};

pub(crate) use bucketing::Candidates;

/// How the values of a key become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Compacted,
    Paimon,
}

impl Layout {
    fn encode(self, values: &[Value<'_>]) -> Bytes {
        match self {
            Self::Compacted => compacted::encode(values),
            Self::Paimon => binary_row::encode(values),
        }
        .into()
    }
}

/// How the keys of one table are stored and spread over its buckets.
#[derive(Debug)]
pub(crate) struct KeyFormat<'a> {
    table: &'a TableInfo,
    /// The primary key without the partition keys.
    key: Vec<&'a Column>,
    key_layout: Layout,
    bucket_key: Vec<&'a Column>,
    bucket_layout: Layout,
    bucketing: Bucketing,
}

/// An encoded key, or a prefix of keys, and where it may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedKey {
    pub(crate) bytes: Bytes,
    pub(crate) buckets: Candidates,
}

impl<'a> KeyFormat<'a> {
    /// The format of a table's keys (Fluss's `KeyEncoder` and `BucketingFunction`).
    ///
    /// # Errors
    /// `Unsupported` for a log table, a lake other than Paimon, an unknown version, a type that cannot be a
    /// key; `Corrupt` for a key of columns that are not there.
    pub(crate) fn of(table: &'a TableInfo) -> Result<Self> {
        let path = &table.path;
        if table.schema.primary_key.is_empty() {
            return Err(Error::Unsupported(format!("table {path} has no primary key to look up")));
        }
        let property = |key: &str| table.properties.get(key).map(|value| value.to_lowercase());
        // set on every table of a cluster that has a lake, whether or not the table is tiered
        let (lake, bucketing) = match property("table.datalake.format").as_deref() {
            None => (Layout::Compacted, Bucketing::Fluss),
            Some("paimon") => (Layout::Paimon, Bucketing::Paimon),
            Some(other) => {
                return Err(Error::Unsupported(format!(
                    "keys of table {path}: the lake format '{other}' is not known"
                )));
            }
        };
        let physical = table.physical_key();
        // from version 2 on, a key that is longer than the bucket key begins with its bytes
        let key_layout = match property("table.kv.format-version").as_deref() {
            None | Some("1") => lake,
            Some("2") if table.bucket_keys == physical => lake,
            Some("2") => Layout::Compacted,
            Some(other) => {
                return Err(Error::Unsupported(format!(
                    "keys of table {path}: version {other} of the key-value format is not known"
                )));
            }
        };
        let key = columns(table, &physical)?;
        let bucket_key = columns(table, &table.bucket_keys)?;
        if key.is_empty() || bucket_key.is_empty() {
            return Err(Error::corrupt(format!("an empty key of table {path}")));
        }
        if let Some(name) = table.bucket_keys.iter().find(|n| !physical.contains(&n.as_str())) {
            return Err(Error::corrupt(format!("the bucket key '{name}' of {path} is no key")));
        }
        Ok(Self { table, key, key_layout, bucket_key, bucket_layout: lake, bucketing })
    }

    /// Encodes whole keys: the columns of the primary key without the partition keys.
    ///
    /// # Errors
    /// `Unsupported` for other columns or types, a NULL, a value that no key can have.
    pub(crate) fn keys(&self, batch: &RecordBatch, buckets: i32) -> Result<Vec<EncodedKey>> {
        self.encode(&self.key, batch, buckets)
    }

    /// Encodes prefixes of keys: the columns of the bucket key.
    ///
    /// # Errors
    /// As [`KeyFormat::keys`], and `Unsupported` where the bytes of a prefix do not begin those of all its
    /// keys: the server would find some rows and miss others without a word.
    pub(crate) fn prefixes(&self, batch: &RecordBatch, buckets: i32) -> Result<Vec<EncodedKey>> {
        let is_prefix = self.key.len() > self.bucket_key.len()
            && self.key.iter().zip(&self.bucket_key).all(|(key, prefix)| key.id == prefix.id);
        if !is_prefix || self.key_layout != Layout::Compacted {
            let (path, keys) = (&self.table.path, self.table.bucket_keys.join(", "));
            return Err(Error::Unsupported(format!(
                "lookups by a prefix in table {path}: its bucket key ({keys}) does not begin its stored keys"
            )));
        }
        self.encode(&self.bucket_key, batch, buckets)
    }

    fn encode(
        &self,
        columns: &[&'a Column],
        batch: &RecordBatch,
        buckets: i32,
    ) -> Result<Vec<EncodedKey>> {
        let known = |name: &String| columns.iter().any(|column| column.name == *name);
        if let Some(field) = batch.schema_ref().fields().iter().find(|f| !known(f.name())) {
            let (path, name) = (&self.table.path, field.name());
            return Err(Error::Unsupported(format!("column '{name}' in a key of table {path}")));
        }
        let arrays = |columns: &[&'a Column]| -> Result<Vec<KeyColumn<'_>>> {
            columns.iter().map(|column| KeyColumn::of(column, batch)).collect()
        };
        let (key, bucket_key) = (arrays(columns)?, arrays(&self.bucket_key)?);
        let is_same = self.key_layout == self.bucket_layout
            && columns.iter().map(|c| c.id).eq(self.bucket_key.iter().map(|c| c.id));
        let encode = |layout: Layout, columns: &[KeyColumn<'_>], row: usize| -> Result<Bytes> {
            let values = columns.iter().map(|column| column.value(row));
            Ok(layout.encode(&values.collect::<Result<Vec<_>>>()?))
        };
        let one = |row: usize| {
            let bytes = encode(self.key_layout, &key, row)?;
            let bucket_bytes = match is_same {
                true => bytes.clone(),
                false => encode(self.bucket_layout, &bucket_key, row)?,
            };
            Ok(EncodedKey { bytes, buckets: self.bucketing.buckets(&bucket_bytes, buckets) })
        };
        (0..batch.num_rows()).map(one).collect()
    }
}

/// Columns of a key by their names.
fn columns<'a>(table: &'a TableInfo, names: &[impl AsRef<str>]) -> Result<Vec<&'a Column>> {
    let column = |name: &str| {
        let column = table.schema.columns.iter().find(|column| column.name == name);
        let column = column.ok_or_else(|| Error::corrupt(format!("no key column '{name}'")))?;
        match &column.data_type {
            FlussType::Array(_) | FlussType::Map(..) | FlussType::Row(_) => {
                Err(Error::Unsupported(format!("a key of type {}: '{name}'", column.data_type)))
            }
            _ => Ok(column),
        }
    };
    names.iter().map(|name| column(name.as_ref())).collect()
}
