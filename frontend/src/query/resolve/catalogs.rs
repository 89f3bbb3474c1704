//! Catalogs, databases, tables and views as DataFusion asks for them, one by one as a query names them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::DataFusionError;
use union_read::catalog::Catalog;
use union_read::version::SEPARATOR;

use super::Resolver;
use crate::catalog::{View, ViewName};
use crate::information_schema::InformationSchema;
use crate::information_schema::view::WithInformationSchema;
use crate::{Error, Result};

/// All catalogs in one query.
#[derive(Debug)]
pub(super) struct StatementCatalogs {
    pub resolver: Resolver,
}

impl CatalogProviderList for StatementCatalogs {
    fn register_catalog(
        &self,
        _: String,
        _: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let Resolver { sources, session, points, .. } = &self.resolver;
        let catalogs = &sources.catalogs;
        let databases = catalogs.origin(name).ok()?.map(|origin| {
            let of = Catalog::new(origin, Arc::clone(catalogs.connections()), points);
            Arc::new(WithViews { of, name: name.to_string(), resolver: self.resolver.clone() }) as _
        });
        let (sources, session) = (sources.clone(), Arc::clone(session));
        let information = Arc::new(InformationSchema::new(sources, session, name.to_string()));
        Some(Arc::new(WithInformationSchema { information, databases }))
    }
}

/// A catalog with the views that were created in it.
#[derive(Debug, Clone)]
struct WithViews {
    of: Catalog,
    name: String,
    resolver: Resolver,
}

impl CatalogProvider for WithViews {
    /// Empty: DataFusion asks for names only where it builds an information schema of its own.
    fn schema_names(&self) -> Vec<String> {
        vec![]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let tables = self.of.clone().provider().schema(name)?;
        Some(Arc::new(DatabaseWithViews { tables, name: name.to_string(), catalog: self.clone() }))
    }
}

/// One database of it.
#[derive(Debug)]
struct DatabaseWithViews {
    tables: Arc<dyn SchemaProvider>,
    name: String,
    catalog: WithViews,
}

impl DatabaseWithViews {
    fn view_name(&self, name: &str) -> ViewName {
        let (catalog, database) = (self.catalog.name.clone(), self.name.clone());
        ViewName { catalog, database, name: name.to_string() }
    }

    fn kept(&self, name: &str) -> Result<Option<View>> {
        self.catalog.resolver.sources.catalogs.view(&self.view_name(name))
    }

    /// The view of this name. One that is a table's too stands for neither, and one has no parts and no versions.
    async fn view(&self, name: &str) -> Result<Option<View>> {
        let Some(view) = self.kept(name)? else {
            let base = name.split([SEPARATOR, '$']).next().unwrap_or_default();
            if base != name && self.kept(base)?.is_some() {
                let told = format!("'{base}' is a view: '$…' and AS OF are for tables");
                return Err(Error::Unsupported(told));
            }
            return Ok(None);
        };
        let tables = self.catalog.of.tables(&self.name).await?;
        if tables.iter().any(|table| table.to_lowercase() == view.name.name.to_lowercase()) {
            return Err(Error::BrokenView(format!(
                "'{}' is a view, and a table of that name has been created since: DROP VIEW, or drop the table",
                view.name
            )));
        }
        Ok(Some(view))
    }
}

#[async_trait]
impl SchemaProvider for DatabaseWithViews {
    /// Empty: DataFusion asks for names only where it builds an information schema of its own.
    fn table_names(&self) -> Vec<String> {
        vec![]
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let resolver = &self.catalog.resolver;
        if let Some(planned) = resolver.views.lock().get(&self.view_name(name)) {
            return Ok(Some(Arc::clone(planned)));
        }
        let Some(view) = self.view(name).await.map_err(external)? else {
            return self.tables.table(name).await;
        };
        let table = resolver.table_of(&view).await.map_err(external)?;
        resolver.views.lock().insert(view.name, Arc::clone(&table));
        Ok(Some(table))
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}
