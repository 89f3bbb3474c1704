//! The databases and tables of a source, as DataFusion's catalogs: made anew for each statement, so
//! that all of its tables share the statement's read points.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;
use fluss_scan::{FlussClient, TablePath};

pub use fluss_scan::TableInfo;

use crate::read_point::ReadPoints;
use crate::source::{Connections, Source};
use crate::{Error, ReadMode, Result, UnionTable};

/// One catalog in one statement.
#[derive(Debug, Clone)]
pub struct FlussCatalog {
    source: Source,
    connections: Arc<Connections>,
    points: Arc<ReadPoints>,
}

impl FlussCatalog {
    /// The catalog of a source for the statement that `points` belongs to.
    pub fn new(source: Source, connections: Arc<Connections>, points: Arc<ReadPoints>) -> Self {
        Self { source, connections, points }
    }

    fn client(&self) -> Result<Arc<FlussClient>> {
        self.connections.fluss(&self.source)
    }

    /// The names of all databases, sorted.
    pub async fn databases(&self) -> Result<Vec<String>> {
        let mut names = self.client()?.list_databases().await?;
        names.sort();
        Ok(names)
    }

    /// The names of all tables of a database, sorted, without suffixed names.
    pub async fn tables(&self, database: &str) -> Result<Vec<String>> {
        let mut names = self.client()?.list_tables(database).await?;
        names.sort();
        Ok(names)
    }

    /// What Fluss knows about a table; a suffix of the name is ignored.
    pub async fn table_info(&self, database: &str, name: &str) -> Result<TableInfo> {
        let (base, _) = ReadMode::split(name);
        match self.client()?.table_info(&TablePath::new(database, base)).await {
            Ok(info) => Ok(info),
            Err(error) => Err(self.missing(database, error.into()).await),
        }
    }

    /// Fluss says of a table in a database that does not exist that the table does not exist.
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

    /// A table in the read mode that its name asks for.
    pub async fn table(&self, database: &str, name: &str) -> Result<UnionTable> {
        let (base, mode) = ReadMode::split(name);
        let path = TablePath::new(database, base);
        let point = match self.points.of(&self.connections, &self.source, &path).await {
            Ok(point) => point,
            Err(error) => return Err(self.missing(database, error).await),
        };
        Ok(UnionTable::new(point, mode, Arc::clone(&self.connections)))
    }
}

impl CatalogProvider for FlussCatalog {
    /// Empty: DataFusion asks for names only where it builds its own information schema.
    fn schema_names(&self) -> Vec<String> {
        vec![]
    }

    /// A database by name; whether it exists shows when a table of it is asked for.
    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Database { catalog: self.clone(), name: name.to_string() }))
    }
}

#[derive(Debug)]
struct Database {
    catalog: FlussCatalog,
    name: String,
}

#[async_trait]
impl SchemaProvider for Database {
    fn table_names(&self) -> Vec<String> {
        vec![]
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match self.catalog.table(&self.name, name).await {
            Ok(table) => Ok(Some(Arc::new(table))),
            Err(error) => Err(Error::into_datafusion(error)),
        }
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}
