//! A lake table behind the engine's own table interface: what a caller of the crate does, in short.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use paimon_scan::*;

use crate::oracle;

/// One way to read; the rows must not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Partitions of the scan, and of everything else.
    pub partitions: usize,
    /// Whether filters reach the decoder, either way.
    pub filter_rows: bool,
    /// Hand the filter to the scan, instead of leaving it to the optimizer.
    pub by_request: bool,
    pub page_index: bool,
}

pub fn all_ways() -> Vec<How> {
    let mut all = Vec::new();
    for bits in 0..16 {
        all.push(How {
            partitions: if bits & 1 == 0 { 1 } else { 3 },
            filter_rows: bits & 2 != 0,
            by_request: bits & 4 != 0,
            page_index: bits & 8 != 0,
        });
    }
    all
}

pub const PLAIN: How =
    How { partitions: 1, filter_rows: false, by_request: false, page_index: true };

impl How {
    pub fn session(&self) -> SessionContext {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.partitions)
            .with_batch_size(64)
            .with_repartition_file_min_size(0);
        let parquet = &mut config.options_mut().execution.parquet;
        parquet.pushdown_filters = self.filter_rows;
        parquet.enable_page_index = self.page_index;
        SessionContext::new_with_config(config)
    }
}

pub fn options_of(warehouse: &std::path::Path) -> LakeOptions {
    LakeOptions::new([("warehouse", format!("file://{}", warehouse.display()))]).unwrap()
}

pub fn options() -> LakeOptions {
    options_of(&oracle::warehouse())
}

pub async fn table(name: &str) -> LakeTable {
    LakeCatalog::open(&options()).unwrap().table("lake", name).await.unwrap()
}

/// Plans a table and sends everything through the wire once, as a backend would get it.
pub async fn plan(name: &str, snapshot: Option<i64>) -> LakePlan {
    through_the_wire(table(name).await.plan(snapshot).await.unwrap())
}

/// The plan as a backend gets it.
pub fn through_the_wire(mut plan: LakePlan) -> LakePlan {
    plan.schema = LakeSchema::from_bytes(&plan.schema.to_bytes().unwrap()).unwrap();
    let buckets = plan.buckets.iter_mut().map(Arc::make_mut);
    for file in buckets.flat_map(|bucket| &mut bucket.files) {
        *file = LakeFile::from_bytes(&file.to_bytes()).unwrap();
    }
    plan
}

/// Resolves what overlaps.
pub async fn masked(
    plan: &LakePlan,
    session: &SessionContext,
) -> Result<Vec<MaskedFile>, LakeError> {
    masked_in(plan, session, &Arc::new(options())).await
}

pub async fn masked_in(
    plan: &LakePlan,
    session: &SessionContext,
    lake: &Arc<LakeOptions>,
) -> Result<Vec<MaskedFile>, LakeError> {
    let mut all = Vec::new();
    for bucket in &plan.buckets {
        let context = session.task_ctx();
        let hidden = derive_deletion_vectors(&bucket.files, &plan.schema, lake, &context).await?;
        assert_eq!(bucket.needs_resolution(), hidden.iter().any(Option::is_some));
        let files = bucket.files.iter().cloned().zip(hidden);
        all.extend(files.map(|(file, hidden)| MaskedFile { file, hidden }));
    }
    Ok(all)
}

#[derive(Debug)]
pub struct LakeProvider {
    pub schema: LakeSchema,
    pub files: Vec<MaskedFile>,
    pub how: How,
    pub lake: Arc<LakeOptions>,
}

#[async_trait]
impl TableProvider for LakeProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, f: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; f.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut groups = vec![Vec::new(); self.how.partitions];
        for (position, file) in self.files.iter().enumerate() {
            groups[position % self.how.partitions].push(file.clone());
        }
        groups.retain(|group| !group.is_empty());
        let filter = match conjunction(filters.to_vec()).filter(|_| self.how.by_request) {
            Some(filter) => {
                let columns = DFSchema::try_from(self.schema())?;
                Some(state.create_physical_expr(filter, &columns)?)
            }
            None => None,
        };
        let request = ScanRequest {
            lake: Arc::clone(&self.lake),
            schema: self.schema.clone(),
            groups,
            projection: projection.cloned(),
            filter,
            filter_rows: self.how.filter_rows,
            limit,
        };
        Ok(scan(request, &state.task_ctx())?)
    }
}

/// A session with the table `name` registered as `t`.
pub async fn session(name: &str, snapshot: Option<i64>, how: How) -> (SessionContext, LakePlan) {
    let session = how.session();
    let plan = plan(name, snapshot).await;
    let files = masked(&plan, &session).await.unwrap();
    let schema = plan.schema.clone();
    let provider = LakeProvider { schema, files, how, lake: Arc::new(options()) };
    session.register_table("t", Arc::new(provider)).unwrap();
    (session, plan)
}

pub async fn sql(session: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    let frame = session.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}
