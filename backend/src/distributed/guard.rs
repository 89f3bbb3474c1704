//! Panics below a stage head become errors, and no join runs on without an end.
//!
//! The library reads a remote stage through tasks whose end it does not look at: a panic in one closes its channel, which
//! is how a stream that is complete ends too. So every head of a stage is a node that catches panics.
//!
//! A join makes many batches of one, and what reads them (a join whose filter is never true, an aggregate) asks for the
//! next at once, in one poll: it would neither see that its query is stopped nor let the process's connections breathe.
//! So what is above a join, too, reads it through such a node, which yields and looks at the stop before each batch.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{exec_datafusion_err, exec_err, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode,
};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    replace_children_if_necessary,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::{FutureExt, StreamExt};
use union_read::Error;
use union_read::exec::Stop;

/// Puts guards above joins and where stages will be cut: below what gathers partitions, below what may be broadcast, and
/// at the root.
///
/// The library cuts after this: it swaps the sides of nested-loop joins and puts its broadcasts on build sides, whatever
/// stands there.
pub(super) fn guard_stage_heads(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let guarded = plan.transform_up(|node| {
        let inputs = inputs_to_guard(node.as_ref());
        if inputs.is_empty() && !node.children().into_iter().any(multiplies) {
            return Ok(Transformed::no(node));
        }
        let children = node.children().into_iter().enumerate().map(|(i, child)| {
            let guarded = inputs.contains(&i) || multiplies(child);
            if guarded { guard(Arc::clone(child)) } else { Arc::clone(child) }
        });
        let children = children.collect();
        Ok(Transformed::yes(replace_children_if_necessary(node, children)?))
    })?;
    let plan = guarded.data;
    Ok(match plan.output_partitioning().partition_count() {
        1 => plan,
        _ => guard(plan),
    })
}

/// The inputs of an operator that may become the head of a stage that is read by a coalesce or a broadcast.
fn inputs_to_guard(node: &dyn ExecutionPlan) -> &'static [usize] {
    let collects = |join: &HashJoinExec| *join.partition_mode() == PartitionMode::CollectLeft;
    if node.is::<CoalescePartitionsExec>() || node.is::<SortPreservingMergeExec>() {
        &[0]
    } else if node.is::<NestedLoopJoinExec>() {
        &[0, 1]
    } else if node.is::<CrossJoinExec>()
        || node.downcast_ref::<HashJoinExec>().is_some_and(collects)
    {
        &[0]
    } else {
        &[]
    }
}

/// Whether an operator makes any number of batches of one.
fn multiplies(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<NestedLoopJoinExec>() || node.is::<CrossJoinExec>() || node.is::<HashJoinExec>()
}

fn guard(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if input.is::<GuardExec>() { input } else { Arc::new(GuardExec { input }) }
}

/// Hands on its input, and an error instead of a panic. Yields before each batch, and ends with its query's stop.
#[derive(Debug)]
struct GuardExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for GuardExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardExec")
    }
}

impl ExecutionPlan for GuardExec {
    fn name(&self) -> &str {
        "GuardExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => internal_err!("a guard has one input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let stop = context.session_config().get_extension::<Stop>();
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let guarded = futures::stream::unfold((Some(input), stop), async |(input, stop)| {
            let mut input = input?;
            tokio::task::yield_now().await;
            if stop.as_ref().is_some_and(|stop| stop.0.is_cancelled()) {
                let stopped = Error::Cancelled("the query was stopped".into());
                return Some((Err(stopped.into()), (None, stop)));
            }
            match AssertUnwindSafe(input.next()).catch_unwind().await {
                Ok(next) => next.map(|batch| (batch, (Some(input), stop))),
                Err(panic) => Some((exec_err!("{}", panic_text(panic.as_ref())), (None, stop))),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, guarded)))
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    format!("panic in a query: {said}")
}

/// The codec of guards and, below them, of leaves.
#[derive(Debug)]
pub(super) struct GuardCodec {
    leaves: Arc<dyn PhysicalExtensionCodec>,
}

const GUARD: u8 = 1;
const LEAF: u8 = 2;

impl GuardCodec {
    pub(super) fn new(leaves: Arc<dyn PhysicalExtensionCodec>) -> Self {
        Self { leaves }
    }
}

impl PhysicalExtensionCodec for GuardCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if node.is::<GuardExec>() {
            bytes.push(GUARD);
            return Ok(());
        }
        bytes.push(LEAF);
        self.leaves.try_encode(node, bytes, converter)
    }

    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match (bytes.split_first(), inputs) {
            (Some((&GUARD, [])), [input]) => Ok(Arc::new(GuardExec { input: Arc::clone(input) })),
            (Some((&LEAF, leaf)), []) => self.leaves.try_decode(leaf, inputs, context, converter),
            _ => Err(exec_datafusion_err!("an operator arrived damaged")),
        }
    }
}
