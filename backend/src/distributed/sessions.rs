//! The session in which one task runs.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::{extensions_options, internal_datafusion_err};
use datafusion::config::ConfigExtension;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use datafusion_distributed::{
    DistributedCodec, DistributedExt, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse,
    WorkerQueryContext, WorkerSessionBuilder,
};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::{DeduplicatingProtoConverter, PhysicalExtensionCodec};
use proto::v1::Options;
use union_read::exec::Stop;

use super::channels::Channels;
use crate::caches::Caches;
use crate::statements::Statements;

extensions_options! {
    /// What every task of a query must know. DataFusion's own options do not travel, so they are carried here.
    pub(super) struct StatementOptions {
        pub(super) query_id: String, default = String::new()
        pub(super) batch_size: usize, default = 0
        pub(super) target_partitions: usize, default = 0
    }
}

impl ConfigExtension for StatementOptions {
    const PREFIX: &'static str = "millrace";
}

impl StatementOptions {
    pub(super) fn of(query_id: &str, options: &Options) -> Self {
        Self {
            query_id: query_id.to_string(),
            batch_size: options.batch_size as usize,
            target_partitions: options.target_partitions as usize,
        }
    }
}

/// Rows of a batch and partitions of a task where a query does not say.
const BATCH_SIZE: usize = 8192;
const TARGET_PARTITIONS: usize = 2;
/// Beyond these a query is refused its wish, not served it.
const BATCH_SIZE_MAX: usize = 1 << 17;
const TARGET_PARTITIONS_MAX: usize = 256;

/// Puts the options of a query into the configuration of a session.
pub(super) fn apply(config: &mut SessionConfig, options: &StatementOptions, stop: Arc<Stop>) {
    let or = |value: usize, default: usize, max: usize| {
        if value == 0 { default } else { value.min(max) }
    };
    let taken = std::mem::take(config)
        .with_batch_size(or(options.batch_size, BATCH_SIZE, BATCH_SIZE_MAX))
        .with_target_partitions(or(
            options.target_partitions,
            TARGET_PARTITIONS,
            TARGET_PARTITIONS_MAX,
        ));
    *config = taken;
    config.set_extension(stop);
}

/// Builds the sessions of tasks: a template, cloned, with the options of the query.
#[derive(Clone)]
pub(super) struct WorkerSessions {
    template: Arc<SessionState>,
    caches: Caches,
    codec: Arc<dyn PhysicalExtensionCodec>,
    channels: Channels,
    statements: Arc<Statements>,
}

impl WorkerSessions {
    pub(super) fn new(
        runtime: Arc<RuntimeEnv>,
        caches: Caches,
        codec: Arc<dyn PhysicalExtensionCodec>,
        channels: Channels,
        statements: Arc<Statements>,
    ) -> Self {
        let template = with_functions(
            SessionStateBuilder::new_with_default_features().with_runtime_env(runtime),
        );
        Self { template: Arc::new(template.build()), caches, codec, channels, statements }
    }
}

#[async_trait]
impl WorkerSessionBuilder for WorkerSessions {
    async fn build_session_state(&self, mut context: WorkerQueryContext) -> Result<SessionState> {
        // it carries what the library knows of the task
        let config = context.builder.config().take();
        let mut config =
            config.ok_or_else(|| internal_datafusion_err!("a task without a session"))?;
        config
            .set_distributed_option_extension_from_headers::<StatementOptions>(&context.headers)?;
        let options = config.options().extensions.get::<StatementOptions>().cloned();
        let options = options.unwrap_or_default();
        let stop = self.statements.join(&options.query_id);
        apply(&mut config, &options, stop);
        self.caches.extend(&mut config);
        config.set_distributed_user_codec_arc(Arc::clone(&self.codec));
        config.set_distributed_channel_resolver(self.channels.clone());
        config.set_distributed_worker_plan_rewrite_handler(detach);
        let mut state = SessionState::clone(&self.template);
        *state.config_mut() = config;
        Ok(state)
    }
}

/// Adds the functions that plans name and DataFusion lacks or has otherwise.
pub(super) fn with_functions(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    // later ones of a name replace earlier ones
    builder.scalar_functions().get_or_insert_default().extend(sql_functions::functions());
    builder
}

/// A copy of a task's plan that shares nothing with others. Tasks in the home process are handed the home's own plan objects:
/// two of one stage would fill one dynamic filter.
fn detach(event: WorkerPlanRewriteEvent) -> Result<WorkerPlanRewriteEventResponse> {
    let codec = DistributedCodec::new_combined_with_user(event.session_config);
    let bytes = physical_plan_to_bytes_with_proto_converter(
        event.plan,
        &codec,
        &DeduplicatingProtoConverter::default(),
    )?;
    let state = with_functions(SessionStateBuilder::new_with_default_features())
        .with_config(event.session_config.clone())
        .build();
    let plan = physical_plan_from_bytes_with_proto_converter(
        &bytes,
        &state.task_ctx(),
        &codec,
        &DeduplicatingProtoConverter::default(),
    )?;
    Ok(WorkerPlanRewriteEventResponse::new(plan))
}
