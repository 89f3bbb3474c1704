//! What a backend must know of the leaves of a plan: how their work is cut, and how they travel.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;
use union_read::exec::Unit;
use union_read::source::Connections;
use union_read::{UnionReadCodec, UnionReadExec};

/// A kind of leaf operator. There is the union read, and in tests a leaf that fails on demand.
///
/// A leaf with one partition runs in one task, together with all that is in its stage.
pub trait Leaf: Debug + Send + Sync {
    /// The units of work of a leaf of this kind; `None` for every other operator.
    fn units(&self, plan: &dyn ExecutionPlan) -> Option<Vec<Unit>>;

    /// The leaf with some of its units (positions in [`Leaf::units`]), in the same schema and with the same
    /// number of partitions.
    ///
    /// # Errors
    /// The plan is no leaf of this kind.
    fn restrict(
        &self,
        plan: &dyn ExecutionPlan,
        units: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError>;

    /// How the leaf travels between processes.
    fn codec(&self) -> Arc<dyn PhysicalExtensionCodec>;
}

/// Union reads, with the connections that all of them share.
#[derive(Debug, Default)]
pub struct UnionReads {
    connections: Arc<Connections>,
}

impl UnionReads {
    /// Union reads over these connections.
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { connections }
    }
}

impl Leaf for UnionReads {
    fn units(&self, plan: &dyn ExecutionPlan) -> Option<Vec<Unit>> {
        plan.downcast_ref::<UnionReadExec>().map(UnionReadExec::units)
    }

    fn restrict(
        &self,
        plan: &dyn ExecutionPlan,
        units: &[usize],
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match plan.downcast_ref::<UnionReadExec>() {
            Some(leaf) => Ok(Arc::new(leaf.restrict(units))),
            None => datafusion::common::internal_err!("{} is no union read", plan.name()),
        }
    }

    fn codec(&self) -> Arc<dyn PhysicalExtensionCodec> {
        Arc::new(UnionReadCodec::new(Arc::clone(&self.connections)))
    }
}
