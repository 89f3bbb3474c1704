//! The databases and tables of a Paimon catalog, which has no Fluss.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use fluss_scan::TablePath;
use paimon_scan::{LakeError, LakeOptions, LakeTable, SystemTable};

use crate::database::{Tables, database};
use crate::lake_table::{LakeOnlyTable, LakePoints, open};
use crate::source::Connections;
use crate::{Error, Result, version};

/// Options of the catalog itself; those of storages are checked where they are read.
const KNOWN: [&str; 2] = ["metastore", "warehouse"];

/// Reads the properties of `CREATE EXTERNAL CATALOG … PROPERTIES (…)` with `type=paimon`.
///
/// # Errors
/// `Properties` for a property that is not understood: a mistyped credential must not become an
/// anonymous connection.
pub fn options_of(properties: &BTreeMap<String, String>) -> Result<LakeOptions> {
    let options = properties.iter().filter(|(key, _)| *key != "type");
    let of = |key: &str| properties.get(key).map_or("", String::as_str);
    let known = LakeOptions::known_of_metastore(of("metastore"));
    let of_storage = match of("metastore") {
        // its server tells where tables are
        "rest" => LakeOptions::prefixes_of_storages(),
        _ => LakeOptions::prefixes_of_storage(of("warehouse")).to_vec(),
    };
    for (key, _) in options.clone() {
        // those of a storage that the lake is not on would be ignored, right or mistyped
        let storage = of_storage.iter().any(|prefix| key.starts_with(prefix));
        if !storage && !KNOWN.contains(&key.as_str()) && !known.contains(&key.as_str()) {
            return Err(Error::Properties(format!("Unknown property '{key}'.")));
        }
    }
    if !properties.contains_key("warehouse") {
        return Err(Error::Properties("The property warehouse must be set.".into()));
    }
    Ok(LakeOptions::new(options.map(|(key, value)| (key.as_str(), value.as_str())))?)
}

/// One Paimon catalog in one statement.
#[derive(Debug, Clone)]
pub struct PaimonCatalog {
    options: LakeOptions,
    connections: Arc<Connections>,
    points: Arc<LakePoints>,
}

impl PaimonCatalog {
    /// The catalog for the statement that `points` belongs to.
    pub fn new(
        options: LakeOptions,
        connections: Arc<Connections>,
        points: Arc<LakePoints>,
    ) -> Self {
        Self { options, connections, points }
    }

    /// The names of all databases, sorted.
    pub async fn databases(&self) -> Result<Vec<String>> {
        let mut names = self.connections.lake(&self.options)?.list_databases().await?;
        names.sort();
        Ok(names)
    }

    /// The names of all tables of a database, sorted.
    pub async fn tables(&self, database: &str) -> Result<Vec<String>> {
        let names = self.connections.lake(&self.options)?.list_tables(database).await;
        let mut names = names.map_err(|error| match error {
            LakeError::NotFound { .. } => Error::DatabaseNotFound(database.to_string()),
            error => error.into(),
        })?;
        names.sort();
        Ok(names)
    }

    /// A table by its latest schema.
    pub async fn lake_table(&self, database: &str, name: &str) -> Result<LakeTable> {
        let table = open(&self.connections, &self.options, &TablePath::new(database, name)).await;
        match table {
            Ok(table) => Ok(table),
            Err(error) => Err(self.missing(database, error).await),
        }
    }

    async fn missing(&self, database: &str, error: Error) -> Error {
        if !matches!(error, Error::TableNotFound(_)) {
            return error;
        }
        match self.databases().await {
            Ok(names) if !names.iter().any(|name| name == database) => {
                Error::DatabaseNotFound(database.to_string())
            }
            _ => error,
        }
    }
}

#[async_trait]
impl Tables for PaimonCatalog {
    async fn table(&self, database: &str, name: &str) -> Result<Arc<dyn TableProvider>> {
        let (name, version) = version::split(name)?;
        if let Some((base, system)) = SystemTable::split(name) {
            let path = TablePath::new(database, base);
            let (from, version) = (&self.connections, version.as_ref());
            let rows = self.points.system(from, &self.options, &path, version, system).await;
            return match rows {
                Ok(rows) => system_table(rows),
                Err(error) => Err(self.missing(database, error).await),
            };
        }
        let path = TablePath::new(database, name);
        match self.points.of(&self.connections, &self.options, &path, version.as_ref()).await {
            Ok(point) => Ok(Arc::new(LakeOnlyTable::new(point, Arc::clone(&self.connections)))),
            Err(error) => Err(with_suffixes(self.missing(database, error).await, name, &[])),
        }
    }
}

/// A system table of a table: it is small and a thing of planning, so it runs where it is planned.
pub(crate) fn system_table(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]);
    Ok(Arc::new(table.map_err(|error| Error::Corrupt(error.to_string()))?))
}

/// Tells which names a `$` can make, where one was mistyped.
pub(crate) fn with_suffixes(error: Error, name: &str, modes: &[&str]) -> Error {
    match error {
        Error::TableNotFound(text) if name.contains('$') => {
            let system = SystemTable::ALL.map(SystemTable::suffix);
            let known: Vec<&str> = modes.iter().copied().chain(system).collect();
            Error::TableNotFound(format!("{text}: after '$' come {}", known.join(", ")))
        }
        error => error,
    }
}

impl CatalogProvider for PaimonCatalog {
    /// Empty: DataFusion asks for names only where it builds its own information schema.
    fn schema_names(&self) -> Vec<String> {
        vec![]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        database(self, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_that_are_not_understood_are_refused_by_name() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            options_of(&pairs.collect())
        };
        let right = [("type", "paimon"), ("metastore", "filesystem"), ("warehouse", "/w")];
        assert_eq!(read(&right).unwrap().warehouse(), "/w");
        for (key, value, named) in [
            ("s3.secretkey", "hidden", "s3.secretkey"),
            ("wharehouse", "/w", "wharehouse"),
            ("metastore", "hive", "hive"),
            ("metastore", "rest", "uri"),
            ("uri", "http://h", "uri"),
            ("warehouse", "gs://bucket/w", "gs"),
            ("warehouse", "hdfs://host/w", "hdfs"),
        ] {
            let mut pairs: Vec<_> = right.into_iter().filter(|(given, _)| *given != key).collect();
            pairs.push((key, value));
            let error = read(&pairs).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("hidden"), "{error}");
        }
        assert!(read(&[("type", "paimon")]).unwrap_err().to_string().contains("warehouse"));
        let rest = [
            ("metastore", "rest"),
            ("warehouse", "w"),
            ("uri", "http://h"),
            ("token.provider", "bear"),
            ("token", "hidden"),
        ];
        assert!(read(&rest).unwrap().is_rest());
        for key in ["tokens", "dlf.token-loader", "s3.secretkey", "gs.key"] {
            let error = read(&[rest.as_slice(), &[(key, "hidden")]].concat()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(key) && !error.contains("hidden"), "{error}");
        }
    }
}
