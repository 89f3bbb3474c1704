//! Reading a file with the position of every row behind its columns, and masking by it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::{FileSource, ParquetSource};
use datafusion::functions::core::file_row_index;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::metrics::Count;
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};

use crate::mask::BitMask;

/// Name of the column with the positions; it is gone before anybody sees it.
const POSITION: &str = "__position";

/// The same source with the position of each row as an additional last column, and the schema without it.
///
/// `None` where rows that are hidden would be looked at before the mask is applied: a condition or an
/// expression over them could fail on a value that nobody is to see.
pub(crate) fn with_positions(
    source: &Arc<dyn FileSource>,
) -> Result<Option<(Arc<dyn FileSource>, SchemaRef)>> {
    let (Some(parquet), Some(projection)) =
        (source.downcast_ref::<ParquetSource>(), source.projection())
    else {
        return Ok(None);
    };
    let filters_rows =
        parquet.filter().is_some() && parquet.table_parquet_options().global.pushdown_filters;
    let is_plain = |expr: &Arc<dyn PhysicalExpr>| expr.is::<Column>() || expr.is::<Literal>();
    if filters_rows || !projection.iter().all(|projected| is_plain(&projected.expr)) {
        return Ok(None);
    }
    let schema = Arc::new(projection.project_schema(source.table_schema().table_schema())?);
    let column = |(position, field): (usize, &Arc<arrow::datatypes::Field>)| {
        ProjectionExpr::new(Arc::new(Column::new(field.name(), position)), field.name())
    };
    let columns = schema.fields().iter().enumerate().map(column);
    let options = Arc::new(ConfigOptions::default());
    let position = ScalarFunctionExpr::try_new(file_row_index(), vec![], &schema, options)?;
    let position = ProjectionExpr::new(Arc::new(position), POSITION);
    let wider = ProjectionExprs::new(columns.chain([position]));
    Ok(source.try_pushdown_projection(&wider)?.map(|source| (source, schema)))
}

/// What masks the batches of a file that is read with positions.
#[derive(Debug, Clone)]
pub(crate) struct Masking {
    pub(crate) mask: Arc<BitMask>,
    /// Of the batches without positions.
    pub(crate) schema: SchemaRef,
    /// Counts the rows that the mask hides.
    pub(crate) masked: Count,
}

impl Masking {
    pub(crate) fn planner(self, inner: Box<dyn MorselPlanner>) -> Box<dyn MorselPlanner> {
        Box::new(MaskedPlanner { inner, masking: self })
    }
}

#[derive(Debug)]
struct MaskedPlanner {
    inner: Box<dyn MorselPlanner>,
    masking: Masking,
}

impl MorselPlanner for MaskedPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Self { inner, masking } = *self;
        let Some(mut plan) = inner.plan()? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter().map(|inner| {
            Box::new(MaskedMorsel { inner, masking: masking.clone() }) as Box<dyn Morsel>
        });
        let planners = plan.take_ready_planners().into_iter();
        let planners = planners.map(|inner| masking.clone().planner(inner));
        let mut masked =
            MorselPlan::new().with_morsels(morsels.collect()).with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            masked.set_pending_planner(
                pending.map(move |planner| planner.map(|inner| masking.planner(inner))),
            );
        }
        Ok(Some(masked))
    }
}

#[derive(Debug)]
struct MaskedMorsel {
    inner: Box<dyn Morsel>,
    masking: Masking,
}

impl Morsel for MaskedMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Masking { mask, schema, masked } = self.masking;
        let visible = self.inner.into_stream().map(move |batch| {
            let batch = batch?;
            let rows = batch.num_rows();
            let visible = mask.apply(batch, &schema)?;
            masked.add(rows - visible.as_ref().map_or(0, RecordBatch::num_rows));
            Ok(visible)
        });
        visible.try_filter_map(async |batch| Ok(batch)).boxed()
    }
}
