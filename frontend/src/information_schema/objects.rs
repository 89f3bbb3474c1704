//! Databases, tables and views of catalogs, read when a query wants them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use union_read::catalog::{Catalog, Description, Points};
use union_read::columns::Columns;

use super::definition::DEFINITIONS;
use super::wanted::{Names, Wanted};
use super::{InformationSchema, NAME, Sources, is_name};
use crate::catalog::{Catalogs, DEFAULT_CATALOG, View, ViewName};
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
    catalog: Option<Named>,
}

/// A catalog, with its name and the views that are kept.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    catalog: Catalog,
    catalogs: Arc<Catalogs>,
}

/// The name of a table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
}

/// The tables and views of a database, by name. What is both is listed as the view, which says so when it is read.
pub fn listed(tables: Vec<String>, views: Vec<String>) -> Vec<Listed> {
    let keys: HashSet<String> = views.iter().map(|name| name.to_lowercase()).collect();
    let tables = tables.into_iter().filter(|name| !keys.contains(&name.to_lowercase()));
    let mut all: Vec<Listed> = tables
        .map(|name| Listed { name, is_view: false })
        .chain(views.into_iter().map(|name| Listed { name, is_view: true }))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

impl Database {
    fn of_server() -> Self {
        Self { shown: NAME.into(), name: NAME.into(), catalog: None }
    }

    /// Whether this is `information_schema`.
    pub fn is_information_schema(&self) -> bool {
        self.catalog.is_none()
    }

    /// Its tables and views, by name.
    pub async fn tables(&self) -> Result<Vec<Listed>> {
        let Some(Named { name, catalog, catalogs }) = &self.catalog else {
            let tables = DEFINITIONS.iter().map(|d| d.name.to_uppercase());
            return Ok(listed(tables.collect(), vec![]));
        };
        let tables = catalog.tables(&self.name).await?;
        Ok(listed(tables, catalogs.view_names(name, &self.name)?))
    }

    /// Its views, by name.
    pub fn views(&self) -> Result<Vec<View>> {
        match &self.catalog {
            Some(of) => of.catalogs.views(&of.name, &self.name),
            None => Ok(vec![]),
        }
    }
}

/// A table or view with its columns.
#[derive(Debug)]
pub struct Described {
    /// The view, where it is one.
    pub view: Option<View>,
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

impl Described {
    /// A view of a database that is shown under this name.
    pub fn of_view(database: String, view: View) -> Self {
        let columns =
            Columns { schema: Arc::clone(&view.columns), keys: vec![], partition_keys: vec![] };
        let description = Description {
            columns,
            bucket_keys: vec![],
            bucket_count: 0,
            properties: BTreeMap::new(),
        };
        Self { database, name: view.name.name.clone(), description, view: Some(view) }
    }
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
        let catalogs = Arc::clone(&self.sources.catalogs);
        let of = Named { name: name.to_string(), catalog, catalogs };
        let database =
            |name: String| Database { shown: shown(&name), name, catalog: Some(of.clone()) };
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

    /// The tables and views that are wanted: their databases and names.
    pub async fn tables(&self, wanted: &Wanted) -> Result<Vec<(Database, Listed)>> {
        let databases = self.databases(&wanted.databases).await?;
        let tables: Vec<_> = stream::iter(databases)
            .map(|database| async move {
                match database.tables().await {
                    Ok(tables) => Ok((database, tables)),
                    // dropped since it was listed
                    Err(Error::UnknownDatabase(_)) => Ok((database, vec![])),
                    Err(error) => Err(error),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut all = vec![];
        for (database, names) in tables {
            let wanted = |table: &Listed| wanted.tables.contain(&table.name);
            all.extend(names.into_iter().filter(wanted).map(|table| (database.clone(), table)));
        }
        Ok(all)
    }

    /// The views that are wanted, each with the name that its database is shown by.
    pub async fn views(&self, wanted: &Wanted) -> Result<Vec<(String, View)>> {
        let mut all = vec![];
        for database in self.databases(&wanted.databases).await? {
            let views = database.views()?.into_iter();
            let views = views.filter(|view| wanted.tables.contain(&view.name.name));
            all.extend(views.map(|view| (database.shown.clone(), view)));
        }
        Ok(all)
    }

    /// The tables and views that are wanted, with their columns; without those of `information_schema`.
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
            .map(async |(database, table)| {
                let answer = describe(&database, &table).await;
                (database, table.name, answer)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut all = vec![];
        for (database, name, answer) in answers {
            match answer {
                Ok(described) => all.push(described),
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

async fn describe(database: &Database, table: &Listed) -> Result<Described> {
    let name = table.name.clone();
    let Some(Named { name: catalog_name, catalog, catalogs }) = &database.catalog else {
        return Err(Error::UnknownTable(name));
    };
    if table.is_view {
        let (catalog, database_name) = (catalog_name.clone(), database.name.clone());
        let at = ViewName { catalog, database: database_name, name };
        let view = catalogs.view(&at)?.ok_or(Error::UnknownTable(at.name))?;
        return Ok(Described::of_view(database.shown.clone(), view));
    }
    let description = catalog.describe(&database.name, &name).await?.1;
    Ok(Described { database: database.shown.clone(), name, description, view: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CreateCatalog;
    use crate::config::FrontendSection;
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
        let views = (&FrontendSection::default()).into();
        let sources = Sources { catalogs, processes: Arc::default(), tables_max: 10, views };
        let session = Arc::new(Session::new(1, "root".into(), "h".into()));
        InformationSchema::new(sources, session, catalog.to_string())
    }

    fn shown(databases: Vec<Database>) -> Vec<String> {
        databases.into_iter().map(|database| database.shown).collect()
    }

    #[test]
    fn tables_and_views_are_listed_once() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let all = listed(names(&["b", "Both", "d"]), names(&["a", "both"]));
        let told: Vec<_> = all.iter().map(|table| (table.name.as_str(), table.is_view)).collect();
        assert_eq!(told, [("a", true), ("b", false), ("both", true), ("d", false)]);
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
