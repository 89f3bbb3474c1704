//! Databases, tables and partitions.

use std::collections::HashMap;
use std::time::Duration;

use fluss::client::FlussAdmin;
use fluss::metadata::{DataType, PartitionSpec, Schema, TableDescriptor, TablePath};

use super::Cluster;
use crate::error::{LabError, Result};
use crate::wait::{self, Progress, request};

/// Time for every bucket of a new table or partition to get a leader.
const LEADER_LIMIT: Duration = Duration::from_secs(60);

/// Time after which a new table without leaders counts as overlooked, and how often one is created.
const OVERLOOKED: Duration = Duration::from_secs(5);
const CREATIONS: usize = 8;

/// A table as a list of columns, and what else is said about it.
///
/// ```no_run
/// # use std::time::Duration;
/// use fluss::metadata::DataTypes;
/// use integration_tests::TableSpec;
///
/// TableSpec::new("shop", "orders")
///     .column("order_id", DataTypes::bigint())
///     .column("city", DataTypes::string())
///     .primary_key(["order_id"])
///     .buckets(3)
///     .lake(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
pub struct TableSpec {
    path: TablePath,
    columns: Vec<(String, DataType)>,
    primary_key: Vec<String>,
    partition_keys: Vec<String>,
    buckets: i32,
    bucket_keys: Vec<String>,
    properties: HashMap<String, String>,
}

impl TableSpec {
    /// A log table without columns, with one bucket and no lake.
    pub fn new(database: &str, table: &str) -> Self {
        Self {
            path: TablePath::new(database, table),
            columns: Vec::new(),
            primary_key: Vec::new(),
            partition_keys: Vec::new(),
            buckets: 1,
            bucket_keys: Vec::new(),
            properties: HashMap::new(),
        }
    }

    /// Adds a column at the end.
    pub fn column(mut self, name: &str, data_type: DataType) -> Self {
        self.columns.push((name.to_owned(), data_type));
        self
    }

    /// Makes it a primary-key table; the key's columns become NOT NULL.
    pub fn primary_key(mut self, columns: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.primary_key = columns.into_iter().map(|column| column.as_ref().to_owned()).collect();
        self
    }

    /// Partitions the table; in a primary-key table these columns must be part of the key.
    pub fn partitioned_by<const N: usize>(mut self, columns: [&str; N]) -> Self {
        self.partition_keys = columns.map(str::to_owned).to_vec();
        self
    }

    /// Number of buckets (of each partition).
    pub fn buckets(mut self, buckets: i32) -> Self {
        self.buckets = buckets;
        self
    }

    /// Columns that choose the bucket; without them a log table spreads rows freely and a primary-key table uses its key.
    pub fn bucket_keys(mut self, columns: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.bucket_keys = columns.into_iter().map(|column| column.as_ref().to_owned()).collect();
        self
    }

    /// Tiers the table to the lake, at most `freshness` behind.
    pub fn lake(self, freshness: Duration) -> Self {
        self.property("table.datalake.enabled", "true")
            .property("table.datalake.freshness", &format!("{}ms", freshness.as_millis()))
    }

    /// Sets any table property; one without the prefix `table.` is a custom one.
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Database and table.
    pub fn path(&self) -> &TablePath {
        &self.path
    }

    /// What `fluss-rs` creates the table from.
    pub fn descriptor(&self) -> Result<TableDescriptor> {
        let mut schema = Schema::builder();
        for (name, data_type) in &self.columns {
            schema = schema.column(name, data_type.clone());
        }
        if !self.primary_key.is_empty() {
            schema = schema.primary_key(&self.primary_key)?;
        }
        let (properties, custom): (HashMap<_, _>, HashMap<_, _>) =
            self.properties.clone().into_iter().partition(|(key, _)| key.starts_with("table."));
        Ok(TableDescriptor::builder()
            .schema(schema.build()?)
            .partitioned_by(self.partition_keys.clone())
            .distributed_by(Some(self.buckets), self.bucket_keys.clone())
            .properties(properties)
            .custom_properties(custom)
            .build()?)
    }

    /// Creates database and table where they are missing.
    pub async fn create(&self, admin: &FlussAdmin) -> Result<()> {
        let descriptor = self.descriptor()?;
        let database = admin.create_database(self.path.database(), None, true);
        request("create database", database).await?;
        request("create table", admin.create_table(&self.path, &descriptor, true)).await
    }

    /// Creates the table, and the database where it is missing; an error if the table is there already.
    pub async fn create_new(&self, admin: &FlussAdmin) -> Result<()> {
        let descriptor = self.descriptor()?;
        let database = admin.create_database(self.path.database(), None, true);
        request("create database", database).await?;
        request("create table", admin.create_table(&self.path, &descriptor, false)).await
    }

    /// Adds a partition, given as (column, value) pairs, if it is missing.
    pub async fn add_partition(&self, admin: &FlussAdmin, values: &[(&str, &str)]) -> Result<()> {
        let partition = partition(values);
        request("add partition", admin.create_partition(&self.path, &partition, true)).await
    }
}

impl Cluster {
    /// Creates database and table where they are missing and waits until every bucket has a leader.
    ///
    /// A coordinator of 0.9.1 can overlook a new table for ever: its cache of ZooKeeper tells of a node with data
    /// where it expects one without, and a change later. Such a table is dropped and created anew.
    pub async fn create_table(&self, table: &TableSpec) -> Result<()> {
        let (admin, path) = (self.admin().await?, table.path());
        let is_new = !request("table exists", admin.table_exists(path)).await?;
        table.create(&admin).await?;
        for _ in 1..if is_new { CREATIONS } else { 1 } {
            match self.wait_leaders_within(path, OVERLOOKED).await {
                Err(LabError::Timeout { .. }) => {
                    self.drop_table(path).await?;
                    table.create(&admin).await?;
                }
                waited => return waited,
            }
        }
        self.wait_leaders(path).await
    }

    /// Drops a table if it exists. Its lake table stays.
    pub async fn drop_table(&self, table: &TablePath) -> Result<()> {
        request("drop table", self.admin().await?.drop_table(table, true)).await
    }

    /// Adds a partition, given as (column, value) pairs, if it is missing, and waits for its leaders.
    pub async fn add_partition(&self, table: &TablePath, values: &[(&str, &str)]) -> Result<()> {
        let admin = self.admin().await?;
        request("add partition", admin.create_partition(table, &partition(values), true)).await?;
        self.wait_leaders(table).await
    }

    /// Drops a partition if it exists. What the lake has of it stays there.
    pub async fn drop_partition(&self, table: &TablePath, values: &[(&str, &str)]) -> Result<()> {
        let admin = self.admin().await?;
        request("drop partition", admin.drop_partition(table, &partition(values), true)).await
    }

    /// Waits until every bucket of a table answers, as after a restart of its server.
    pub async fn wait_leaders(&self, table: &TablePath) -> Result<()> {
        self.wait_leaders_within(table, LEADER_LIMIT).await
    }

    async fn wait_leaders_within(&self, table: &TablePath, limit: Duration) -> Result<()> {
        wait::until(&format!("every bucket of {table} has a leader"), limit, || async {
            self.check()?;
            Ok(match self.log_ends(table).await {
                Ok(_) => Progress::Done(()),
                Err(error) => Progress::Pending(error.to_string()),
            })
        })
        .await
    }
}

fn partition(values: &[(&str, &str)]) -> PartitionSpec {
    PartitionSpec::new(values.iter().copied().collect::<HashMap<_, _>>())
}
