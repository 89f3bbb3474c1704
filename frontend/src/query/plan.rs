//! Query → physical plan, at a read point of its own.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast;

use super::resolve::{Resolver, planned_label};
use super::{constant, labels, names, origins, proven};
use crate::config::FrontendSection;
use crate::information_schema::Sources;
use crate::session::Session;
use crate::{Error, Result};

/// Makes plans. Holds the one state that each statement's is cloned from.
#[derive(Debug)]
pub struct Planner {
    template: Arc<SessionState>,
    sources: Sources,
    select_list_max: usize,
}

/// A planned query.
#[derive(Debug)]
pub struct Plan {
    /// What runs.
    pub physical: Arc<dyn ExecutionPlan>,
    /// The optimised logical plan, for EXPLAIN.
    pub logical: LogicalPlan,
    /// The columns of the result, labelled as the client wrote them.
    pub schema: SchemaRef,
    /// Whether it reads no table, and so needs no backend.
    pub is_constant: bool,
    /// The state to run constant plans with.
    pub state: SessionState,
}

impl Planner {
    /// A planner with the limits of a configuration.
    pub fn new(sources: Sources, section: &FrontendSection) -> Result<Self> {
        let mut config = SessionConfig::new()
            .with_target_partitions(section.target_partitions)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        let options = config.options_mut();
        sql_functions::configure(options);
        // A plan with this operator cannot be sent: a scalar subquery would be left without its
        // surroundings.
        options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        let builder = SessionStateBuilder::new_with_default_features().with_config(config);
        let builder = builder.with_analyzer_rules(sql_functions::analyzer_rules());
        let mut template = builder.with_physical_optimizer_rules(proven::rules()).build();
        sql_functions::register(&mut template)?;
        template.register_udf(Arc::new(constant::sleep()))?;
        let select_list_max = section.select_list_max;
        Ok(Self { template: Arc::new(template), sources, select_list_max })
    }

    /// What `information_schema` tells of.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What names in a statement of a session stand for.
    pub(super) fn resolver(&self, session: &Session) -> Resolver {
        Resolver::new(&self.template, &self.sources, session, self.select_list_max)
    }

    /// Plans a query of a session.
    pub async fn plan(&self, session: &Session, query: &ast::Query) -> Result<Plan> {
        let resolver = self.resolver(session);
        let (mut state, unlimited) = resolver.logical(query).await?;
        let catalog = state.config_options().catalog.clone();
        let written = origins::written(query);
        let origin = |at| {
            let mut origin = origins::origin(&unlimited, at, &catalog)?;
            if let Some(table) = written.get(&origin.table) {
                origin.table.clone_from(table);
            }
            Some(origin)
        };
        let origins: Vec<_> = (0..unlimited.schema().fields().len()).map(origin).collect();
        let logical = state.optimize(&select_limit(session, unlimited)?)?;
        if constant::scans_nothing(&logical)? {
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        let mut physical = state.query_planner().create_physical_plan(&logical, &state).await?;
        let is_constant = constant::is_constant(&physical)?;
        if is_constant {
            physical = constant::in_order(physical)?;
        } else if constant::waits(&physical)? {
            return Err(Error::Unsupported("SLEEP in a query over tables is not supported".into()));
        }
        let fields = physical.schema();
        let planned: Vec<String> =
            logical.schema().fields().iter().map(|field| planned_label(field)).collect();
        let labels = labels::labels(query, &planned);
        let renamed = fields.fields().iter().zip(labels.into_iter().zip(origins)).map(
            |(field, (label, origin))| {
                origins::marked(field.as_ref().clone().with_name(label), origin)
            },
        );
        let schema =
            Arc::new(datafusion::arrow::datatypes::Schema::new(renamed.collect::<Vec<_>>()));
        Ok(Plan { physical, logical, schema, is_constant, state })
    }

    /// Evaluates an expression that reads no table.
    pub async fn evaluate(
        &self,
        session: &Session,
        expr: &ast::Expr,
    ) -> Result<datafusion::scalar::ScalarValue> {
        let sql = format!("SELECT {expr}");
        let mut statements = super::parse::parse(&sql)?;
        let Some(super::statement::Statement::Query(query)) = statements.pop() else {
            return Err(Error::Syntax(format!("'{expr}' is no value")));
        };
        let plan = self.plan(session, &query).await?;
        if !plan.is_constant {
            return Err(Error::Unsupported("a value cannot come from a table".into()));
        }
        let batches =
            datafusion::physical_plan::collect(plan.physical, plan.state.task_ctx()).await?;
        match batches.iter().find(|batch| batch.num_rows() > 0) {
            Some(batch) => Ok(datafusion::scalar::ScalarValue::try_from_array(batch.column(0), 0)?),
            None => Ok(datafusion::scalar::ScalarValue::Null),
        }
    }

    /// For which rows of a batch that is at hand a condition over its columns is true (`SHOW … WHERE`).
    pub fn condition(
        &self,
        session: &Session,
        batch: &RecordBatch,
        condition: &ast::Expr,
    ) -> Result<BooleanArray> {
        let lower = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_name(field.name().to_lowercase()))
            .collect::<Vec<_>>();
        let lower = Arc::new(Schema::new(lower));
        let mut condition = condition.clone();
        names::lower_columns(&mut condition, lower.fields().iter().map(|field| field.name()));
        let schema = DFSchema::try_from(Arc::clone(&lower))?;
        let state = self.resolver(session).state()?;
        let expr = state.create_logical_expr(&condition.to_string(), &schema)?;
        let physical = state.create_physical_expr(expr, &schema)?;
        let batch =
            RecordBatch::try_new(lower, batch.columns().to_vec()).map_err(Error::internal)?;
        let values = physical.evaluate(&batch)?.into_array(batch.num_rows())?;
        match values.as_boolean_opt() {
            Some(values) => Ok(values.clone()),
            None => Err(Error::Invalid(format!("'{condition}' is neither true nor false"))),
        }
    }
}

/// `SET sql_select_limit = n` limits every query of the session.
fn select_limit(session: &Session, plan: LogicalPlan) -> Result<LogicalPlan> {
    let limit = session.variables.int("sql_select_limit");
    match usize::try_from(limit) {
        Ok(limit) if limit < i64::MAX as usize => {
            Ok(LogicalPlanBuilder::from(plan).limit(0, Some(limit))?.build()?)
        }
        _ => Ok(plan),
    }
}
