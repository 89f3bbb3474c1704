//! Names → tables.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use paimon::catalog::{Catalog, Identifier};
use paimon::spec::Snapshot;
use paimon::{FileSystemCatalog, Options};

use crate::declared::Declared;
use crate::error::{LakeError, Result};
use crate::live::PlanCache;
use crate::options::LakeOptions;
use crate::options::storage;
use crate::refusal;
use crate::schema::LakeSchema;

/// How long the storage may take to name databases and tables, which it is asked for one by one.
const LIST: Duration = Duration::from_secs(30);
/// How long it may take to find one table's schema.
pub(crate) const LOOK_UP: Duration = Duration::from_secs(10);

/// Waits for the metadata reader, which has no deadlines of its own.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || LakeError::Unavailable(format!("no answer within {limit:?}").into());
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(late()))
}

/// A Paimon catalog on a file system or object store. Cheap to clone.
#[derive(Clone)]
pub struct LakeCatalog {
    catalog: Arc<FileSystemCatalog>,
    options: Arc<LakeOptions>,
    kept: Arc<PlanCache>,
}

/// One table as one of its schemas defines it, the latest one unless [`LakeTable::at`] chose another. Plans
/// made from it use that schema for every snapshot.
#[derive(Clone)]
pub struct LakeTable {
    pub(crate) table: paimon::Table,
    pub(crate) name: String,
    pub(crate) schema: LakeSchema,
    pub(crate) options: Arc<LakeOptions>,
    pub(crate) kept: Arc<PlanCache>,
    /// The snapshot that is read in place of the latest one.
    pub(crate) pinned: Option<Arc<Snapshot>>,
}

impl LakeCatalog {
    /// Opens the catalog; touches no storage.
    ///
    /// # Errors
    /// `Option` when Paimon does not take the options.
    pub fn open(options: &LakeOptions) -> Result<Self> {
        let mut paimon = Options::new();
        for (key, value) in storage::defaults(options)?.into_iter().chain(options.iter()) {
            paimon.set(key, value);
        }
        let catalog = FileSystemCatalog::new(paimon)
            .map_err(|error| LakeError::from_paimon(error, "catalog", None))?;
        let options = Arc::new(options.clone());
        Ok(Self { catalog: Arc::new(catalog), options, kept: Arc::default() })
    }

    /// Keeps plans in a cache that other catalogs use too.
    #[must_use]
    pub fn with_cache(mut self, cache: &Arc<PlanCache>) -> Self {
        self.kept = Arc::clone(cache);
        self
    }

    /// How the metadata reader reaches files.
    pub(crate) fn files(&self) -> &paimon::io::FileIO {
        self.catalog.file_io()
    }

    /// Databases of the lake.
    ///
    /// # Errors
    /// `Unavailable` when the storage does not answer.
    pub async fn list_databases(&self) -> Result<Vec<String>> {
        within(LIST, async {
            let names = self.catalog.list_databases().await;
            names.map_err(|error| LakeError::from_paimon(error, "catalog", None))
        })
        .await
    }

    /// Tables of a database, those that are refused when opened included.
    ///
    /// # Errors
    /// `NotFound` for an unknown database, `Unavailable` when the storage does not answer.
    pub async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        within(LIST, async {
            let names = self.catalog.list_tables(database).await;
            names.map_err(|error| LakeError::from_paimon(error, database, None))
        })
        .await
    }

    /// Loads the latest schema of a table.
    ///
    /// # Errors
    /// `NotFound`; `Unsupported` for everything that is not read right, named; `Unavailable`.
    pub async fn table(&self, database: &str, name: &str) -> Result<LakeTable> {
        let full = format!("{database}.{name}");
        // Paimon reads `t$branch_x` as a branch and `t$files` as a system table
        if name.contains('$') {
            return Err(LakeError::NotFound { what: format!("table {full}") });
        }
        let table = within(LOOK_UP, async {
            let table = self.catalog.get_table(&Identifier::new(database, name)).await;
            table.map_err(|error| LakeError::from_paimon(error, &full, None))
        });
        let table = table.await?;
        let kind = refusal::kind_of(&full, table.schema())?;
        let schema = LakeSchema::of(&full, table.schema(), kind)?;
        let (options, kept) = (Arc::clone(&self.options), Arc::clone(&self.kept));
        Ok(LakeTable { table, name: full, schema, options, kept, pinned: None })
    }
}

impl fmt::Debug for LakeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LakeCatalog").field(&self.options).finish()
    }
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LakeTable").field(&self.name).finish()
    }
}

impl LakeTable {
    /// `database.table`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema.
    pub fn schema(&self) -> &LakeSchema {
        &self.schema
    }

    /// Options of the table; Fluss stores its own definition here as `fluss.*`.
    pub fn options(&self) -> &HashMap<String, String> {
        self.table.schema().options()
    }

    /// The columns as they are declared, in the order of the schema.
    pub fn declared(&self) -> Vec<Declared> {
        self.table.schema().fields().iter().map(Declared::of).collect()
    }

    /// Where the table's files are opened.
    pub fn lake(&self) -> &Arc<LakeOptions> {
        &self.options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_is_an_error() {
        let silence = std::future::pending::<Result<()>>();
        let error = within(Duration::from_millis(1), silence).await.unwrap_err();
        assert!(matches!(error, LakeError::Unavailable(_)), "{error}");
        assert_eq!(within(LIST, std::future::ready(Ok(7))).await.unwrap(), 7);
    }
}
