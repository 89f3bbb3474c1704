//! `information_schema` as tables of DataFusion: their rows are made when a plan is, and are constants in it.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProvider, SchemaProvider, Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::definition::{self, Definition, Row, Rows};
use super::wanted::Wanted;
use super::{InformationSchema, described, is_name};
use crate::Result;

impl InformationSchema {
    /// The rows of a table that a query wants, and perhaps others.
    pub async fn rows(&self, table: &Definition, wanted: &Wanted) -> Result<Vec<Row>> {
        Ok(match table.rows {
            Rows::None => vec![],
            Rows::Server => self.of_server(table.name)?,
            Rows::Databases => {
                self.databases(&wanted.databases).await?.iter().map(described::schema).collect()
            }
            Rows::Tables => {
                let mut tables = self.tables(wanted).await?;
                let row = match table.name {
                    "partitions" => {
                        tables.retain(|(database, table)| {
                            !database.is_information_schema() && !table.is_view
                        });
                        described::partition
                    }
                    _ => described::table,
                };
                tables.iter().map(|(database, table)| row(database, table)).collect()
            }
            Rows::Views => {
                let views = self.views(wanted).await?;
                views.iter().map(|(database, view)| described::view(database, view)).collect()
            }
            Rows::Described => self.of_columns(table.name, wanted).await?,
        })
    }

    async fn of_columns(&self, table: &str, wanted: &Wanted) -> Result<Vec<Row>> {
        let tables = self.described(wanted).await?;
        let each = |rows: fn(&super::objects::Described) -> Vec<Row>| {
            tables.iter().flat_map(rows).collect::<Vec<_>>()
        };
        Ok(match table {
            "columns" => {
                let mut rows = each(described::columns);
                if wanted.databases.contain(super::NAME) {
                    rows.extend(described::columns_of_server(|name| wanted.tables.contain(name)));
                }
                rows
            }
            "statistics" => each(described::statistics),
            "key_column_usage" => each(described::key_column_usage),
            "table_constraints" => each(described::table_constraints),
            _ => {
                let tables = tables.iter().filter(|table| table.view.is_none());
                tables.map(described::tables_config).collect()
            }
        })
    }
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        definition::DEFINITIONS.iter().map(|table| table.name.to_string()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(table) = definition::find(name) else {
            let told = format!("Unknown table '{}.{name}'", super::NAME);
            return Err(union_read::Error::TableNotFound(told).into_datafusion());
        };
        Ok(Some(Arc::new(View { table, of: self.clone() })))
    }

    fn table_exist(&self, name: &str) -> bool {
        definition::find(name).is_some()
    }
}

/// One table in one statement.
#[derive(Debug)]
struct View {
    table: &'static Definition,
    of: InformationSchema,
}

#[async_trait]
impl TableProvider for View {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let rows = self.of.rows(self.table, &Wanted::of(filters)).await.map_err(external)?;
        let batch = self.table.batch(&rows).map_err(external)?;
        let schema = self.table.schema();
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, projection.cloned())?)
    }
}

fn external(error: crate::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A catalog that has an `information_schema` beside its own databases.
#[derive(Debug)]
pub struct WithInformationSchema {
    /// `information_schema`.
    pub information: Arc<InformationSchema>,
    /// Its own databases; the default catalog has none.
    pub databases: Option<Arc<dyn CatalogProvider>>,
}

impl CatalogProvider for WithInformationSchema {
    /// Empty: DataFusion asks for names only where it builds an information schema of its own.
    fn schema_names(&self) -> Vec<String> {
        vec![]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if is_name(name) {
            return Some(Arc::clone(&self.information) as _);
        }
        self.databases.as_ref()?.schema(name)
    }
}
