//! The databases and tables of a source, as DataFusion's catalogs: made anew for each statement, so
//! that all of its tables share the statement's read points.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use fluss_scan::{FlussClient, TableInfo, TablePath};

use paimon_scan::{LakeOptions, SystemTable};

use crate::columns::Columns;
use crate::database::{Tables, database};
use crate::lake_catalog::{self, PaimonCatalog};
use crate::lake_table::{self, LakeOnlyTable, LakePoints};
use crate::read_point::{ReadPoint, ReadPoints};
use crate::source::{Connections, Source};
use crate::{Error, ReadMode, ReadPath, Result, UnionTable, version};

/// What a catalog stands for, read from its properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `type=fluss`: tables of Fluss and their lake.
    Fluss(Source),
    /// `type=paimon`: a lake without Fluss.
    Paimon(LakeOptions),
}

impl Origin {
    /// Reads the properties of `CREATE EXTERNAL CATALOG … PROPERTIES (…)`.
    ///
    /// # Errors
    /// `Properties` for an unknown type and for everything in them that is not understood.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Self> {
        match properties.get("type").map(String::as_str) {
            Some("fluss") => Ok(Self::Fluss(Source::from_properties(properties)?)),
            Some("paimon") => Ok(Self::Paimon(lake_catalog::options_of(properties)?)),
            Some(other) => Err(Error::Properties(format!(
                "The property type must be 'fluss' or 'paimon', not '{other}': no other catalog is \
                 supported"
            ))),
            None => Err(Error::Properties("The property type must be set.".into())),
        }
    }
}

/// What the catalogs of one statement have pinned so far, and the path of its union reads.
#[derive(Debug, Default)]
pub struct Points {
    path: ReadPath,
    fluss: Arc<ReadPoints>,
    lakes: Arc<LakePoints>,
}

impl Points {
    /// Nothing yet, for a statement whose union reads take this path.
    pub fn along(path: ReadPath) -> Self {
        Self { path, ..Self::default() }
    }
}

/// A table in words, for `DESC` and `SHOW CREATE TABLE`.
#[derive(Debug, Clone)]
pub struct Description {
    /// The columns.
    pub columns: Columns,
    /// Names of the columns that decide the bucket.
    pub bucket_keys: Vec<String>,
    /// How many buckets there are.
    pub bucket_count: i32,
    /// The table's properties; may hold secrets.
    pub properties: BTreeMap<String, String>,
}

/// One catalog of either kind in one statement.
#[derive(Debug, Clone)]
pub enum Catalog {
    /// Tables of Fluss and their lake.
    Fluss(FlussCatalog),
    /// A lake without Fluss.
    Paimon(PaimonCatalog),
}

impl Catalog {
    /// The catalog for the statement that `points` belongs to.
    pub fn new(origin: Origin, connections: Arc<Connections>, points: &Points) -> Self {
        match origin {
            Origin::Fluss(source) => Self::Fluss(FlussCatalog::new(source, connections, points)),
            Origin::Paimon(options) => {
                Self::Paimon(PaimonCatalog::new(options, connections, Arc::clone(&points.lakes)))
            }
        }
    }

    /// The catalog for DataFusion.
    pub fn provider(self) -> Arc<dyn CatalogProvider> {
        match self {
            Self::Fluss(catalog) => Arc::new(catalog),
            Self::Paimon(catalog) => Arc::new(catalog),
        }
    }

    /// The names of all databases, sorted.
    pub async fn databases(&self) -> Result<Vec<String>> {
        match self {
            Self::Fluss(catalog) => catalog.databases().await,
            Self::Paimon(catalog) => catalog.databases().await,
        }
    }

    /// The names of all tables of a database, sorted, without suffixed names.
    pub async fn tables(&self, database: &str) -> Result<Vec<String>> {
        match self {
            Self::Fluss(catalog) => catalog.tables(database).await,
            Self::Paimon(catalog) => catalog.tables(database).await,
        }
    }

    /// A table has system tables where it is and has a lake.
    async fn check_lake(&self, database: &str, name: &str) -> Result<()> {
        match self {
            Self::Fluss(catalog) => {
                let point = catalog.point(&TablePath::new(database, name)).await?;
                point.lake_options()?.map(|_| ()).ok_or_else(|| point.has_no_lake())
            }
            Self::Paimon(catalog) => catalog.lake_table(database, name).await.map(|_| ()),
        }
    }

    /// The table's own name and what is told about it; a suffix of the name is ignored.
    pub async fn describe(&self, database: &str, name: &str) -> Result<(String, Description)> {
        if let Some((base, system)) = SystemTable::split(name) {
            self.check_lake(database, base).await?;
            let columns = Columns::of_system(system);
            let description = Description {
                columns,
                bucket_keys: vec![],
                bucket_count: 0,
                properties: BTreeMap::new(),
            };
            return Ok((name.to_string(), description));
        }
        match self {
            Self::Fluss(catalog) => {
                let info = catalog.table_info(database, name).await?;
                let description = Description {
                    columns: Columns::of(&info)?,
                    bucket_keys: info.bucket_keys,
                    bucket_count: info.bucket_count,
                    properties: info.properties,
                };
                Ok((info.path.table, description))
            }
            Self::Paimon(catalog) => {
                let table = catalog.lake_table(database, name).await?;
                let lake = table.schema();
                let column = |position: &usize| lake.columns.field(*position).name().clone();
                let options = table.options().iter();
                let description = Description {
                    columns: lake_table::columns_of(&table),
                    // without a fixed number there are no buckets to declare
                    bucket_keys: lake
                        .bucket_key
                        .iter()
                        .filter(|_| lake.buckets > 0)
                        .map(column)
                        .collect(),
                    bucket_count: lake.buckets,
                    properties: options.map(|(k, v)| (k.clone(), v.clone())).collect(),
                };
                Ok((name.to_string(), description))
            }
        }
    }
}

/// One catalog of Fluss in one statement.
#[derive(Debug, Clone)]
pub struct FlussCatalog {
    source: Source,
    connections: Arc<Connections>,
    path: ReadPath,
    points: Arc<ReadPoints>,
    lakes: Arc<LakePoints>,
}

impl FlussCatalog {
    /// The catalog of a source for the statement that `points` belongs to.
    pub fn new(source: Source, connections: Arc<Connections>, points: &Points) -> Self {
        let path = points.path;
        let (points, lakes) = (Arc::clone(&points.fluss), Arc::clone(&points.lakes));
        Self { source, connections, path, points, lakes }
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

    async fn point(&self, path: &TablePath) -> Result<Arc<ReadPoint>> {
        match self.points.of(&self.connections, &self.source, path).await {
            Ok(point) => Ok(point),
            Err(error) => Err(self.missing(&path.database, error).await),
        }
    }
}

#[async_trait]
impl Tables for FlussCatalog {
    async fn table(&self, database: &str, name: &str) -> Result<Arc<dyn TableProvider>> {
        let (name, version) = version::split(name)?;
        if let Some((base, system)) = SystemTable::split(name) {
            let path = TablePath::new(database, base);
            let point = self.point(&path).await?;
            let options = point.lake_options()?.ok_or_else(|| point.has_no_lake())?;
            let (from, version) = (&self.connections, version.as_ref());
            let rows = self.lakes.system(from, &options, &path, version, system).await?;
            return lake_catalog::system_table(rows);
        }
        let (base, mode) = ReadMode::split(name);
        let path = TablePath::new(database, base);
        let point = match &version {
            Some(_) if mode != ReadMode::Lake => {
                return Err(Error::Unsupported(format!(
                    "time travel (AS OF) of {path}: only its lake has earlier states, as {path}$lake"
                )));
            }
            _ => self
                .point(&path)
                .await
                .map_err(|error| lake_catalog::with_suffixes(error, name, &["lake", "rt"]))?,
        };
        let connections = Arc::clone(&self.connections);
        let Some(version) = version else {
            return Ok(Arc::new(UnionTable::new(point, mode, self.path, connections)));
        };
        let options = point.lake_options()?.ok_or_else(|| point.has_no_lake())?;
        let lake = self.lakes.of(&connections, &options, &path, Some(&version)).await?;
        Ok(Arc::new(LakeOnlyTable::of_fluss(lake, connections)))
    }
}

impl CatalogProvider for FlussCatalog {
    /// Empty: DataFusion asks for names only where it builds its own information schema.
    fn schema_names(&self) -> Vec<String> {
        vec![]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        database(self, name)
    }
}
