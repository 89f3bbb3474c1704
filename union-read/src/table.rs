//! A table of a Fluss catalog as DataFusion sees it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::exec::{TableScan, UnionReadExec};
use crate::plan::bucket_reads;
use crate::read_point::ReadPoint;
use crate::source::Connections;
use crate::{ReadMode, ReadPath};

/// One table in one read mode, at the read point of one statement.
#[derive(Debug)]
pub struct UnionTable {
    point: Arc<ReadPoint>,
    mode: ReadMode,
    path: ReadPath,
    connections: Arc<Connections>,
}

impl UnionTable {
    /// The table at a read point. The path is that of its union; `$lake` and `$rt` name themselves
    /// what they read.
    pub fn new(
        point: Arc<ReadPoint>,
        mode: ReadMode,
        path: ReadPath,
        connections: Arc<Connections>,
    ) -> Self {
        Self { point, mode, path, connections }
    }

    /// The read point that the statement reads at.
    pub fn read_point(&self) -> &Arc<ReadPoint> {
        &self.point
    }
}

#[async_trait]
impl TableProvider for UnionTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.point.columns.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Every filter may help to leave out partitions, files and pages, and none is applied to the
    /// last row.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let way = (self.mode, self.path);
        let reads = bucket_reads(&self.point, way, session, filters).await?;
        let all = || (0..self.point.columns.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let limit = limit.filter(|_| filters.is_empty());
        let scan = TableScan::new(&self.point, way, projection, limit).await?;
        Ok(Arc::new(UnionReadExec::spread(session, scan, reads, &self.connections)))
    }
}
