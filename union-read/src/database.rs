//! A database as DataFusion asks it: its tables are looked up one by one, when a statement names them.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;

use crate::{Error, Result};

/// What a catalog of either type answers.
#[async_trait]
pub(crate) trait Tables: Clone + Debug + Send + Sync + 'static {
    /// A table, in the part and at the version that its name asks for.
    async fn table(&self, database: &str, name: &str) -> Result<Arc<dyn TableProvider>>;
}

/// One database of a catalog. Whether it exists shows when a table of it is asked for.
#[derive(Debug)]
pub(crate) struct Database<C> {
    catalog: C,
    name: String,
}

/// The database of this name.
pub(crate) fn database<C: Tables>(catalog: &C, name: &str) -> Option<Arc<dyn SchemaProvider>> {
    Some(Arc::new(Database { catalog: catalog.clone(), name: name.to_string() }))
}

#[async_trait]
impl<C: Tables> SchemaProvider for Database<C> {
    /// Empty: DataFusion asks for names only where it builds its own information schema.
    fn table_names(&self) -> Vec<String> {
        vec![]
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match self.catalog.table(&self.name, name).await {
            Ok(table) => Ok(Some(table)),
            Err(error) => Err(Error::into_datafusion(error)),
        }
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}
