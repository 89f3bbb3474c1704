//! The only code that names datafusion-distributed.
//!
//! The home backend decodes a plan, puts guards into it and lets the library cut it into stages over the backends
//! of the query. Five behaviours of the library would lose rows or hang; each is closed from outside:
//!
//! * [`guard`]: a panic below a coalesce or a broadcast would end a stream as if it were complete
//! * [`sessions`]: tasks inside the home process would share dynamic filters; options would not travel
//! * [`janitor`]: a cancelled aggregation would keep scanning
//! * [`channels`]: a frozen peer would hang the query, a plan that never arrived be noticed late
//!
//! [`placement`] decides which backend reads what.

mod channels;
mod guard;
mod placement;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{exec_datafusion_err, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_distributed::{
    DistributedExt, DistributedMetricsFormat, ExecuteTaskRequest, ProducerHead,
    SessionStateBuilderExt, TaskKey, Worker, display_plan_ascii,
    rewrite_distributed_plan_with_metrics,
};
use datafusion_proto::bytes::physical_plan_from_bytes_with_proto_converter;
use datafusion_proto::physical_plan::{DeduplicatingProtoConverter, PhysicalExtensionCodec};
use proto::failure::{Failure, Kind};
use proto::v1::Query;
use tokio::sync::mpsc;
use url::Url;

use crate::caches::Caches;
use crate::config::Backend as Section;
use crate::leaf::Leaf;
use crate::statements::Statements;
use channels::{Channels, Lost};
use guard::GuardCodec;
use placement::Placement;
use sessions::{StatementOptions, WorkerSessions};

pub(crate) use guard::panic_text;

/// Runs plans, as the home of some and as one of the backends of others.
pub struct Engine {
    worker: Worker,
    template: SessionState,
    leaf: Arc<dyn Leaf>,
    statements: Arc<Statements>,
    section: Section,
}

impl Engine {
    /// An engine over the memory and disk of `runtime`, and what `caches` keep.
    pub(crate) fn new(
        runtime: Arc<RuntimeEnv>,
        caches: Caches,
        leaf: Arc<dyn Leaf>,
        statements: Arc<Statements>,
        section: Section,
    ) -> Self {
        let codec: Arc<dyn PhysicalExtensionCodec> = Arc::new(GuardCodec::new(leaf.codec()));
        let channels = Channels::default();
        let sessions = WorkerSessions::new(
            Arc::clone(&runtime),
            caches.clone(),
            Arc::clone(&codec),
            channels.clone(),
            Arc::clone(&statements),
        );
        let worker = Worker::from_session_builder(sessions).with_runtime_env(Arc::clone(&runtime));
        // the inner planner first: the distributed one wraps what is there
        let builder = SessionStateBuilder::new_with_default_features();
        let mut builder = sessions::with_functions(builder)
            .with_runtime_env(runtime)
            .with_query_planner(Arc::new(DecodedPlanPlanner))
            .with_distributed_planner()
            .with_distributed_desired_task_count_handler(placement::desired_task_count)
            .with_distributed_scale_up_leaf_node_handler(placement::scale_up)
            .with_distributed_route_tasks_handler(placement::route);
        builder.set_distributed_user_codec_arc(codec);
        builder.set_distributed_channel_resolver(channels);
        let mut template = builder.build();
        caches.extend(template.config_mut());
        Self { worker, template, leaf, statements, section }
    }

    /// What other backends send tasks to.
    pub(crate) fn worker(&self) -> Worker {
        self.worker.clone()
    }

    /// Decodes a query and cuts it into stages over its backends.
    pub(crate) async fn plan(&self, query: Query) -> Result<Run> {
        let urls = query.backends.iter().map(|address| Url::parse(&format!("http://{address}")));
        let urls = urls.collect::<Result<Vec<_>, _>>();
        let urls = urls.map_err(|e| exec_datafusion_err!("address of a backend: {e}"))?;
        let home = urls.first().cloned().ok_or_else(|| exec_datafusion_err!("no backends"))?;
        let plan = physical_plan_from_bytes_with_proto_converter(
            &query.plan,
            &self.template.task_ctx(),
            self.leaf.codec().as_ref(),
            &DeduplicatingProtoConverter::default(),
        )?;
        let plan = guard::guard_stage_heads(plan)?;
        let options = query.options.unwrap_or_default();
        let (lost_sender, lost) = mpsc::channel(1);
        let mut state = self.template.clone();
        let stop = self.statements.join(&query.query_id);
        let config = state.config_mut();
        sessions::apply(
            config,
            &StatementOptions::of(&query.query_id, &options),
            Arc::clone(&stop),
        );
        config.set_distributed_option_extension(StatementOptions::of(&query.query_id, &options));
        config.set_distributed_worker_resolver(placement::Pinned(urls.clone()));
        config.set_distributed_local_worker_context(self.worker.to_local_worker_context(home));
        config.set_distributed_children_isolator_unions(false)?;
        config.set_distributed_metrics_collection(options.profile)?;
        let leaf = Arc::clone(&self.leaf);
        config.set_extension(Arc::new(Placement::new(urls, leaf, self.section.task_bytes_min)));
        config.set_extension(Arc::new(Lost(lost_sender)));
        config.set_extension(Arc::new(DecodedPlan(plan)));
        let planner = Arc::clone(state.query_planner());
        let nothing = LogicalPlanBuilder::empty(false).build()?;
        let plan = planner.create_physical_plan(&nothing, &state).await?;
        Ok(Run { plan, state, lost, profile: options.profile, stop })
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A query at its home. Dropping it ends the query in this process and, through its streams, everywhere.
pub(crate) struct Run {
    plan: Arc<dyn ExecutionPlan>,
    state: SessionState,
    lost: mpsc::Receiver<String>,
    profile: bool,
    stop: Arc<union_read::exec::Stop>,
}

/// The wait for the metrics of tasks after the last row.
const PROFILE_WAIT: Duration = Duration::from_secs(2);

impl Run {
    /// Starts it.
    pub(crate) fn execute(&self) -> Result<SendableRecordBatchStream> {
        execute_stream(Arc::clone(&self.plan), self.state.task_ctx())
    }

    /// The stages and their tasks.
    pub(crate) fn display(&self) -> String {
        display_plan_ascii(self.plan.as_ref(), false)
    }

    /// Resolves when a backend of the query is lost.
    pub(crate) async fn lost(&mut self) -> Failure {
        match self.lost.recv().await {
            Some(what) => Failure::new(Kind::BackendLost, what),
            // the sender lives in the state of this run
            None => std::future::pending().await,
        }
    }

    /// The stages with the metrics of all tasks, where they were asked for and have arrived.
    pub(crate) async fn profile(&self) -> String {
        if !self.profile {
            return String::new();
        }
        let plan = Arc::clone(&self.plan);
        let format = DistributedMetricsFormat::Aggregated;
        let rewritten = rewrite_distributed_plan_with_metrics(plan, format);
        match tokio::time::timeout(PROFILE_WAIT, rewritten).await {
            Ok(Ok(plan)) => display_plan_ascii(plan.as_ref(), true),
            _ => format!("{}\n(metrics of some tasks were lost)", self.display()),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop.0.cancel();
    }
}

/// The plan of a query, for the planner that only hands it on.
struct DecodedPlan(Arc<dyn ExecutionPlan>);

#[derive(Debug)]
struct DecodedPlanPlanner;

#[async_trait]
impl QueryPlanner for DecodedPlanPlanner {
    async fn create_physical_plan(
        &self,
        _: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = session.config().get_extension::<DecodedPlan>();
        let plan = plan.ok_or_else(|| internal_datafusion_err!("no plan in the session"))?;
        Ok(Arc::clone(&plan.0))
    }
}

/// How often finished tasks are swept out.
const SWEEP: Duration = Duration::from_millis(100);

/// Sweeps out what ended. The library keeps tasks in a cache that frees what it forgot only when it is touched;
/// until then a cancelled task, its plan and the tasks below its repartitions live on. So it is touched, with a key
/// that never gets a plan.
pub(crate) async fn janitor(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let request = ExecuteTaskRequest {
            task_key: TaskKey { query_id: uuid::Uuid::nil(), stage_id: 0, task_number: 0 },
            target_partition_start: 0,
            target_partition_end: 0,
            producer_head: ProducerHead::None,
        };
        let touched = engine.worker.execute_task(request);
        let _ = tokio::time::timeout(Duration::ZERO, touched).await;
    }
}
