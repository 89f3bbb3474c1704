//! The lake rows of one bucket read.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Field, SchemaRef};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use paimon_scan::{LakeFile, MaskedFile, ScanRequest, derive_deletion_vectors};

use super::run::PartitionRun;
use super::table_scan::LakeSide;
use crate::columns::conform;
use crate::{Error, Result};

impl PartitionRun {
    /// The lake rows of some files, versions resolved and deletes applied.
    pub(super) async fn open_lake(
        &self,
        files: &[LakeFile],
        columns: &[usize],
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        if files.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let Some(lake) = &self.scan.lake else {
            return Err(Error::Corrupt("lake files without a lake".into()));
        };
        let in_lake = self.scan.columns.in_lake(&lake.schema);
        let found: Vec<Option<usize>> = columns.iter().map(|c| in_lake[*c]).collect();
        let plan = self.plan_lake(lake, files, found.iter().flatten().copied().collect()).await?;
        let rows = execute_stream(Arc::clone(&plan), Arc::clone(&self.context));
        let rows = rows.map_err(|e| Error::running(&e))?;
        let (counts, schema) = (self.counts.clone(), self.scan.schema_of(columns));
        let rows = rows.map(move |batch| {
            let batch = batch.map_err(|e| Error::running(&e))?;
            counts.lake_rows.add(batch.num_rows());
            with_absent(&batch, &found, &schema)
        });
        let lake_bytes = self.counts.lake_bytes.clone();
        Ok(on_end(rows.boxed(), move || lake_bytes.add(scanned_bytes(plan.as_ref()))))
    }

    async fn plan_lake(
        &self,
        lake: &LakeSide,
        files: &[LakeFile],
        projection: Vec<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let hidden =
            derive_deletion_vectors(files, &lake.schema, &lake.options, &self.context).await?;
        let masked = files.iter().cloned().zip(hidden);
        let request = ScanRequest {
            lake: Arc::clone(&lake.options),
            schema: lake.schema.clone(),
            groups: vec![masked.map(|(file, hidden)| MaskedFile { file, hidden }).collect()],
            projection: Some(projection),
            filter: self.lake_filter(lake),
            filter_rows: false,
            limit: None,
        };
        Ok(paimon_scan::scan(request, &self.context)?)
    }

    /// The filters that the lake can prune by: those over columns that it has in the same type.
    fn lake_filter(&self, lake: &LakeSide) -> Option<Arc<dyn PhysicalExpr>> {
        let same = |column: &Column| {
            let ours = self.scan.columns.schema.field_with_name(column.name());
            let theirs = lake.schema.columns.field_with_name(column.name());
            matches!((ours, theirs), (Ok(a), Ok(b)) if a.data_type() == b.data_type())
        };
        let usable = self.filters.iter().filter(|f| collect_columns(f).iter().all(same));
        let over_lake = usable.filter_map(|filter| {
            reassign_expr_columns(Arc::clone(filter), &lake.schema.columns).ok()
        });
        conjunction_opt(over_lake)
    }
}

/// A lake batch with NULLs for the columns that the lake does not have, in the table's types.
fn with_absent(
    batch: &RecordBatch,
    found: &[Option<usize>],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let mut lake = batch.columns().iter();
    let column = |(found, field): (&Option<usize>, &Arc<Field>)| match found {
        Some(_) => lake.next().map(Arc::clone).ok_or("fewer columns than asked for"),
        None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
        None => Err("a column that may not be NULL is not in the lake"),
    };
    let columns = found.iter().zip(schema.fields()).map(column).collect::<Result<Vec<_>, _>>();
    let columns = columns.map_err(|what| Error::Corrupt(format!("lake batch: {what}")))?;
    conform(&columns, batch.num_rows(), schema)
}

/// Runs `end` when the stream has ended well.
fn on_end(
    rows: BoxStream<'static, Result<RecordBatch>>,
    end: impl FnOnce() + Send + 'static,
) -> BoxStream<'static, Result<RecordBatch>> {
    let last = stream::once(async move { end() }).filter_map(async |()| None);
    rows.chain(last).boxed()
}

fn scanned_bytes(plan: &dyn ExecutionPlan) -> usize {
    plan.metrics()
        .and_then(|metrics| metrics.sum_by_name("bytes_scanned"))
        .map_or(0, |bytes| bytes.as_usize())
}
