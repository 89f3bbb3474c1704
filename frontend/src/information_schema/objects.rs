//! Databases and tables of catalogs, read when a query wants them.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use union_read::catalog::{Catalog, Description, Points};

use super::definition::DEFINITIONS;
use super::wanted::{Names, Wanted};
use super::{InformationSchema, NAME, Sources, is_name};
use crate::catalog::DEFAULT_CATALOG;
use crate::session::warnings::Warning;
use crate::{Error, Result};

/// Catalogs or tables that are asked about at one time.
const AT_ONCE: usize = 8;

/// A database under the name that it is shown by.
#[derive(Debug, Clone)]
pub struct Database {
    /// `database`, or `catalog.database` outside of its catalog.
    pub shown: String,
    name: String,
    /// Its catalog; `None`: this is `information_schema`, or a database of the default catalog.
    catalog: Option<Catalog>,
}

impl Database {
    fn of_server() -> Self {
        Self { shown: NAME.into(), name: NAME.into(), catalog: None }
    }

    /// Whether this is `information_schema`.
    pub fn is_information_schema(&self) -> bool {
        self.catalog.is_none()
    }

    /// The names of its tables, sorted.
    pub async fn tables(&self) -> Result<Vec<String>> {
        match &self.catalog {
            Some(catalog) => Ok(catalog.tables(&self.name).await?),
            None => Ok(DEFINITIONS.iter().map(|d| d.name.to_uppercase()).collect()),
        }
    }
}

/// A table with its columns.
#[derive(Debug)]
pub struct Described {
    /// The database as it is shown.
    pub database: String,
    /// The table.
    pub name: String,
    /// What is known of it.
    pub description: Description,
}

/// The catalog of this name; `None` for the default one.
pub fn catalog(sources: &Sources, name: &str) -> Result<Option<Catalog>> {
    let origin = sources.catalogs.origin(name)?;
    let connections = Arc::clone(sources.catalogs.connections());
    Ok(origin.map(|origin| Catalog::new(origin, connections, &Points::default())))
}

impl InformationSchema {
    /// The databases that are wanted, by the name that they are shown by.
    ///
    /// # Errors
    /// A catalog that is asked about alone does not answer. Of several, those that do not answer are left out with a
    /// warning.
    pub async fn databases(&self, wanted: &Names) -> Result<Vec<Database>> {
        let mut all = if self.catalog == DEFAULT_CATALOG {
            self.of_all_catalogs(wanted).await?
        } else {
            let mut all = self.of_catalog(&self.catalog, None).await?;
            all.extend(self.of_named_catalogs(wanted).await?);
            all
        };
        all.push(Database::of_server());
        all.retain(|database| wanted.contain(&database.shown));
        all.sort_by(|a, b| a.shown.cmp(&b.shown));
        Ok(all)
    }

    /// The databases of a catalog, shown with a prefix where one is given.
    async fn of_catalog(&self, name: &str, prefix: Option<&str>) -> Result<Vec<Database>> {
        let Some(catalog) = catalog(&self.sources, name)? else { return Ok(vec![]) };
        let names = catalog.databases().await?;
        let shown = |name: &str| prefix.map_or(name.to_string(), |p| format!("{p}.{name}"));
        let database =
            |name: String| Database { shown: shown(&name), name, catalog: Some(catalog.clone()) };
        Ok(names.into_iter().map(database).collect())
    }

    /// The databases of catalogs that a query names, as `catalog.database`.
    async fn of_named_catalogs(&self, wanted: &Names) -> Result<Vec<Database>> {
        let mut catalogs: Vec<&str> = wanted
            .exactly
            .iter()
            .flatten()
            .filter_map(|name| Some(name.split_once('.')?.0))
            .collect();
        catalogs.sort_unstable();
        catalogs.dedup();
        let mut all = vec![];
        for name in catalogs {
            if self.sources.catalogs.exists(name)? {
                all.extend(self.of_catalog(name, Some(name)).await?);
            }
        }
        Ok(all)
    }

    async fn of_all_catalogs(&self, wanted: &Names) -> Result<Vec<Database>> {
        if wanted.exactly.is_some() {
            return self.of_named_catalogs(wanted).await;
        }
        let names: Vec<String> =
            self.sources.catalogs.list()?.into_iter().map(|(name, ..)| name).collect();
        let answers: Vec<_> = stream::iter(names)
            .map(async |name| {
                let answer = self.of_catalog(&name, Some(&name)).await;
                (name, answer)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut all = vec![];
        for (name, answer) in answers {
            match answer {
                Ok(databases) => all.extend(databases),
                Err(error) => {
                    let told = format!("Catalog '{name}' is left out: {error}");
                    self.session.warnings.push(Warning::new(1105, told));
                }
            }
        }
        Ok(all)
    }

    /// The tables that are wanted: their databases and names.
    pub async fn tables(&self, wanted: &Wanted) -> Result<Vec<(Database, String)>> {
        let databases = self.databases(&wanted.databases).await?;
        let tables: Vec<_> = stream::iter(databases)
            .map(async |database| match database.tables().await {
                Ok(tables) => Ok((database, tables)),
                // dropped since it was listed
                Err(Error::UnknownDatabase(_)) => Ok((database, vec![])),
                Err(error) => Err(error),
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut all = vec![];
        for (database, names) in tables {
            let wanted = |name: &String| wanted.tables.contain(name);
            all.extend(names.into_iter().filter(wanted).map(|name| (database.clone(), name)));
        }
        Ok(all)
    }

    /// The tables that are wanted, with their columns; without those of `information_schema`.
    ///
    /// # Errors
    /// `TooLarge` for more than the limit. A table that cannot be described is left out with a warning, unless it is the
    /// only one.
    pub async fn described(&self, wanted: &Wanted) -> Result<Vec<Described>> {
        let mut tables = self.tables(wanted).await?;
        tables.retain(|(database, _)| !is_name(&database.shown));
        let max = self.sources.tables_max;
        if tables.len() > max {
            return Err(Error::TooLarge(format!(
                "the columns of {} tables where {max} are allowed \
                 (frontend.information_schema_tables_max): name TABLE_SCHEMA or TABLE_NAME",
                tables.len()
            )));
        }
        let only = tables.len() == 1;
        let answers: Vec<_> = stream::iter(tables)
            .map(async |(database, name)| {
                let answer = describe(&database, &name).await;
                (database, name, answer)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut all = vec![];
        for (database, name, answer) in answers {
            match answer {
                Ok(description) => {
                    all.push(Described { database: database.shown, name, description });
                }
                // dropped since it was listed
                Err(Error::UnknownTable(_) | Error::UnknownDatabase(_)) => {}
                Err(error) if only => return Err(error),
                Err(error) => {
                    let told = format!("Table '{}.{name}' is left out: {error}", database.shown);
                    self.session.warnings.push(Warning::new(1105, told));
                }
            }
        }
        Ok(all)
    }
}

async fn describe(database: &Database, name: &str) -> Result<Description> {
    let Some(catalog) = &database.catalog else {
        return Err(Error::UnknownTable(name.to_string()));
    };
    Ok(catalog.describe(&database.name, name).await?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalogs, CreateCatalog};
    use crate::session::Session;

    /// `information_schema` of a catalog, of a server with one catalog that nobody answers for.
    fn information(catalog: &str, directory: &std::path::Path) -> InformationSchema {
        let catalogs = Arc::new(Catalogs::open(directory).unwrap());
        let properties = [
            ("type", "fluss"),
            ("bootstrap.servers", "127.0.0.1:1"),
            ("fluss.option.client.connect-timeout", "100ms"),
            ("fluss.option.client.metadata-timeout", "200ms"),
        ];
        let create = CreateCatalog {
            name: "silent".into(),
            if_not_exists: true,
            comment: None,
            properties: properties.map(|(k, v)| (k.to_string(), v.to_string())).into(),
        };
        catalogs.create(create).unwrap();
        let sources = Sources { catalogs, processes: Arc::default(), tables_max: 10 };
        let session = Arc::new(Session::new(1, "root".into(), "h".into()));
        InformationSchema::new(sources, session, catalog.to_string())
    }

    fn shown(databases: Vec<Database>) -> Vec<String> {
        databases.into_iter().map(|database| database.shown).collect()
    }

    #[tokio::test]
    async fn a_catalog_that_does_not_answer_is_left_out_with_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let all = information(DEFAULT_CATALOG, directory.path());
        let listed = all.databases(&Names::default()).await.unwrap();
        assert_eq!(shown(listed), [NAME]);
        let warnings = all.session.warnings.all();
        assert!(
            matches!(&warnings[..], [one] if one.message.contains("'silent' is left out")),
            "{warnings:?}"
        );
    }

    #[tokio::test]
    async fn a_catalog_that_is_asked_for_must_answer() {
        let directory = tempfile::tempdir().unwrap();
        let all = information(DEFAULT_CATALOG, directory.path());
        assert!(all.databases(&Names::only("silent.shop")).await.is_err());
        let own = information("silent", directory.path());
        assert!(own.databases(&Names::default()).await.is_err());
        // what no catalog is asked for
        let listed = all.databases(&Names::only("nowhere.shop")).await.unwrap();
        assert!(listed.is_empty());
        assert_eq!(shown(all.databases(&Names::only(NAME)).await.unwrap()), [NAME]);
    }

    #[tokio::test]
    async fn tables_of_the_server_are_not_described() {
        let directory = tempfile::tempdir().unwrap();
        let all = information(DEFAULT_CATALOG, directory.path());
        let wanted = Wanted { databases: Names::only(NAME), tables: Names::only("TABLES") };
        assert_eq!(all.tables(&wanted).await.unwrap().len(), 1);
        assert!(all.described(&wanted).await.unwrap().is_empty());
    }
}
