//! Panics below a stage head become errors.
//!
//! The library reads a remote stage through tasks whose end it does not look at: a panic in one closes its channel, which
//! is how a stream that is complete ends too. So every head of a stage is a node that catches panics.

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
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    replace_children_if_necessary,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::{FutureExt, StreamExt};

/// Puts guards where stages will be cut: below what gathers partitions, and at the root.
pub(super) fn guard_stage_heads(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let guarded = plan.transform_up(|node| {
        let gathers = node.is::<CoalescePartitionsExec>() || node.is::<SortPreservingMergeExec>();
        let Some(input) = node.children().first().map(|child| Arc::clone(child)) else {
            return Ok(Transformed::no(node));
        };
        if !gathers {
            return Ok(Transformed::no(node));
        }
        let guard: Arc<dyn ExecutionPlan> = Arc::new(PanicGuardExec { input });
        Ok(Transformed::yes(replace_children_if_necessary(
            node,
            vec![guard],
        )?))
    })?;
    let plan = guarded.data;
    Ok(match plan.output_partitioning().partition_count() {
        1 => plan,
        _ => Arc::new(PanicGuardExec { input: plan }),
    })
}

/// Hands on its input, and an error instead of a panic.
#[derive(Debug)]
struct PanicGuardExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for PanicGuardExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PanicGuardExec")
    }
}

impl ExecutionPlan for PanicGuardExec {
    fn name(&self) -> &str {
        "PanicGuardExec"
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
            _ => internal_err!("a panic guard has one input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let guarded = futures::stream::unfold(Some(input), async |input| {
            let mut input = input?;
            match AssertUnwindSafe(input.next()).catch_unwind().await {
                Ok(next) => next.map(|batch| (batch, Some(input))),
                Err(panic) => Some((exec_err!("{}", panic_text(panic.as_ref())), None)),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, guarded)))
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
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
        if node.is::<PanicGuardExec>() {
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
            (Some((&GUARD, [])), [input]) => Ok(Arc::new(PanicGuardExec {
                input: Arc::clone(input),
            })),
            (Some((&LEAF, leaf)), []) => self.leaves.try_decode(leaf, inputs, context, converter),
            _ => Err(exec_datafusion_err!("an operator arrived damaged")),
        }
    }
}
