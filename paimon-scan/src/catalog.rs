//! Names → tables.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use paimon::FileSystemCatalog;
use paimon::catalog::{Catalog, Identifier};
use paimon::spec::Snapshot;

use crate::declared::Declared;
use crate::error::{LakeError, Result};
use crate::live::PlanCache;
use crate::options::LakeOptions;
use crate::options::storage;
use crate::refusal;
use crate::rest::{Loaded, RestServers, Served};
use crate::schema::LakeSchema;

/// How long the storage may take to name databases and tables, which it is asked for one by one.
const LIST: Duration = Duration::from_secs(30);
/// How long it may take to find one table's schema.
pub(crate) const LOOK_UP: Duration = Duration::from_secs(10);
/// The same where a server is asked, each question of which has a deadline of its own.
const ASK: Duration = Duration::from_secs(60);

/// Waits for the metadata reader, which has no deadlines of its own.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || LakeError::Unavailable(format!("no answer within {limit:?}").into());
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(late()))
}

/// A Paimon catalog on a file system or object store, or behind a REST server. Cheap to clone.
#[derive(Clone)]
pub struct LakeCatalog {
    metastore: Metastore,
    options: Arc<LakeOptions>,
    kept: Arc<PlanCache>,
}

/// Who names the tables.
#[derive(Clone)]
enum Metastore {
    Files(Arc<FileSystemCatalog>),
    Rest(Arc<RestServers>),
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
    /// Where the latest snapshot is asked for, if a server knows it.
    pub(crate) served: Option<Served>,
}

impl LakeCatalog {
    /// Opens the catalog; touches no storage and asks no server.
    ///
    /// # Errors
    /// `Option` when Paimon does not take the options.
    pub fn open(options: &LakeOptions) -> Result<Self> {
        let metastore = match options.is_rest() {
            true => Metastore::Rest(Arc::default()),
            false => Metastore::Files(Arc::new(file_system(options)?)),
        };
        Ok(Self { metastore, options: Arc::new(options.clone()), kept: Arc::default() })
    }

    /// Keeps plans in a cache that other catalogs use too.
    #[must_use]
    pub fn with_cache(mut self, cache: &Arc<PlanCache>) -> Self {
        self.kept = Arc::clone(cache);
        self
    }

    /// Databases of the lake.
    ///
    /// # Errors
    /// `Unavailable` when the storage does not answer.
    pub async fn list_databases(&self) -> Result<Vec<String>> {
        within(LIST, async {
            match &self.metastore {
                Metastore::Rest(servers) => servers.server(&self.options)?.databases().await,
                Metastore::Files(catalog) => {
                    let names = catalog.list_databases().await;
                    names.map_err(|error| LakeError::from_paimon(error, "catalog", None))
                }
            }
        })
        .await
    }

    /// Tables of a database, those that are refused when opened included.
    ///
    /// # Errors
    /// `NotFound` for an unknown database, `Unavailable` when the storage does not answer.
    pub async fn list_tables(&self, database: &str) -> Result<Vec<String>> {
        within(LIST, async {
            match &self.metastore {
                Metastore::Rest(servers) => servers.server(&self.options)?.tables(database).await,
                Metastore::Files(catalog) => {
                    let names = catalog.list_tables(database).await;
                    names.map_err(|error| LakeError::from_paimon(error, database, None))
                }
            }
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
        let (table, options, served) = match &self.metastore {
            Metastore::Rest(servers) => {
                let loaded = within(ASK, servers.load(&self.options, database, name)).await?;
                let Loaded { table, options, served } = loaded;
                (table, options, Some(served))
            }
            Metastore::Files(catalog) => {
                let table = within(LOOK_UP, async {
                    let table = catalog.get_table(&Identifier::new(database, name)).await;
                    table.map_err(|error| LakeError::from_paimon(error, &full, None))
                });
                (table.await?, Arc::clone(&self.options), None)
            }
        };
        let kind = refusal::kind_of(&full, table.schema())?;
        let schema = LakeSchema::of(&full, table.schema(), kind)?;
        let kept = Arc::clone(&self.kept);
        Ok(LakeTable { table, name: full, schema, options, kept, pinned: None, served })
    }
}

/// The metadata reader's own catalog.
pub(crate) fn file_system(options: &LakeOptions) -> Result<FileSystemCatalog> {
    let mut paimon = options.to_paimon();
    if let Some((key, value)) = storage::defaults(options)? {
        paimon.set(key, value);
    }
    FileSystemCatalog::new(paimon).map_err(|error| LakeError::from_paimon(error, "catalog", None))
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

    /// What opens the table's files; of a REST server's table not what opens the catalog.
    pub fn lake(&self) -> &Arc<LakeOptions> {
        &self.options
    }

    /// The latest snapshot; `None` before the first commit.
    pub(crate) async fn latest(&self) -> Result<Option<Snapshot>> {
        if let Some(served) = &self.served {
            return served.snapshot().await;
        }
        let found = self.table.snapshot_manager().get_latest_snapshot().await;
        found.map_err(|error| LakeError::from_paimon(error, &self.name, None))
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
