//! Query → physical plan, at a read point of its own.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, CatalogProviderList};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::functions::datetime::now::NowFunc;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::var_provider::VarType;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast;
use union_read::catalog::{Catalog, Points};

use super::{
    assignments, labels, names, origins, proven, session_functions, spelling, time_travel,
};
use crate::catalog::DEFAULT_CATALOG;
use crate::config::FrontendSection;
use crate::information_schema::definition::LABEL;
use crate::information_schema::view::WithInformationSchema;
use crate::information_schema::{InformationSchema, Sources, is_name};
use crate::session::{Session, SessionVariables};
use crate::{Error, Result};

/// The database of a session that chose none; no database can have this name.
const NO_DATABASE: &str = "\u{1}";

/// Makes plans. Holds the one state that each statement's is cloned from.
#[derive(Debug)]
pub struct Planner {
    template: SessionState,
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
        Ok(Self { template, sources, select_list_max: section.select_list_max })
    }

    /// What `information_schema` tells of.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Plans a query of a session.
    pub async fn plan(&self, session: &Session, query: &ast::Query) -> Result<Plan> {
        labels::check_lists(query, self.select_list_max)?;
        let written = query;
        let mut query = query.clone();
        let about_information_schema = names::complete(&mut query);
        labels::make_unique(&mut query);
        if about_information_schema {
            // first: what else is rewritten has no assignments
            assignments::settle(&mut query)?;
        }
        sql_functions::rewrite(&mut query, &modes(session)).map_err(Error::Unsupported)?;
        session_functions::replace(&mut query, session);
        time_travel::resolve(&mut query, &session.zone())?;
        if let Some(name) = session_functions::unknown_variable(&query, session) {
            return Err(Error::UnknownVariable(name));
        }
        let state = self.state(session)?;
        self.check_names(&state, &spelling::statement(&query))?;
        let unlimited = spelling::plan(&state, query).await?;
        let catalog = state.config_options().catalog.clone();
        let origins = (0..unlimited.schema().fields().len())
            .map(|at| origins::origin(&unlimited, at, &catalog))
            .collect::<Vec<_>>();
        let logical = state.optimize(&select_limit(session, unlimited)?)?;
        let physical = state.query_planner().create_physical_plan(&logical, &state).await?;
        let fields = physical.schema();
        let planned: Vec<String> =
            logical.schema().fields().iter().map(|field| planned_label(field)).collect();
        let labels = labels::labels(written, &planned);
        let renamed = fields.fields().iter().zip(labels.into_iter().zip(origins)).map(
            |(field, (label, origin))| {
                origins::marked(field.as_ref().clone().with_name(label), origin)
            },
        );
        let schema =
            Arc::new(datafusion::arrow::datatypes::Schema::new(renamed.collect::<Vec<_>>()));
        let is_constant = is_constant(&physical)?;
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
        let state = self.state(session)?;
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

    fn state(&self, session: &Session) -> Result<SessionState> {
        let mut state = self.template.clone();
        let session = Arc::new(session.clone());
        let options = state.config_mut().options_mut();
        options.catalog.default_catalog = session.catalog.clone();
        options.catalog.default_schema =
            session.database.clone().unwrap_or_else(|| NO_DATABASE.into());
        options.execution.time_zone = Some(session.zone());
        let now = NowFunc::new_with_config(options);
        // the clock of the statement: NOW() is planned as its value
        state.register_udf(Arc::new(ScalarUDF::from(now)))?;
        state.mark_start_execution();
        state.register_catalog_list(Arc::new(StatementCatalogs {
            sources: self.sources.clone(),
            session: Arc::clone(&session),
            points: Points::along(session.union_read_path()),
        }));
        let variables = Arc::new(SessionVariables(session));
        let properties = state.execution_props_mut();
        properties.add_var_provider(VarType::System, Arc::clone(&variables) as _);
        properties.add_var_provider(VarType::UserDefined, variables);
        Ok(state)
    }

    /// Tells what is missing in a client's words before DataFusion tells it in its own.
    fn check_names(&self, state: &SessionState, statement: &DfStatement) -> Result<()> {
        let defaults = &state.config_options().catalog;
        for reference in state.resolve_table_references(statement)? {
            let name = reference.resolve(&defaults.default_catalog, &defaults.default_schema);
            if name.schema.as_ref() == NO_DATABASE {
                return Err(Error::NoDatabase);
            }
            if !self.sources.catalogs.exists(&name.catalog)? {
                return Err(Error::UnknownDatabase(format!("Unknown catalog '{}'", name.catalog)));
            }
            if name.catalog.as_ref() == DEFAULT_CATALOG && !is_name(&name.schema) {
                return Err(Error::UnknownDatabase(format!("Unknown database '{}'", name.schema)));
            }
        }
        Ok(())
    }
}

/// What of a session changes the meaning of a query.
fn modes(session: &Session) -> sql_functions::Modes {
    let sql_mode = session.variables.text("sql_mode").to_uppercase();
    let has = |mode: &str| sql_mode.split(',').any(|set| set.trim() == mode);
    sql_functions::Modes {
        pipes_as_concat: has("PIPES_AS_CONCAT") || has("ANSI"),
        zone: session.zone(),
    }
}

/// The label of a column that a wildcard stands for.
fn planned_label(field: &Field) -> String {
    let label = field.metadata().get(LABEL);
    // an alias keeps the metadata of what it stands for
    let label = label.filter(|label| label.eq_ignore_ascii_case(field.name()));
    label.unwrap_or(field.name()).clone()
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

fn is_constant(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut constant = true;
    plan.apply(|node| {
        if node.is::<union_read::UnionReadExec>() {
            constant = false;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(constant)
}

/// All catalogs in one statement.
#[derive(Debug)]
struct StatementCatalogs {
    sources: Sources,
    session: Arc<Session>,
    points: Points,
}

impl CatalogProviderList for StatementCatalogs {
    fn register_catalog(
        &self,
        _: String,
        _: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let catalogs = &self.sources.catalogs;
        let databases = catalogs.origin(name).ok()?.map(|origin| {
            Catalog::new(origin, Arc::clone(catalogs.connections()), &self.points).provider()
        });
        let (sources, session) = (self.sources.clone(), Arc::clone(&self.session));
        let information = Arc::new(InformationSchema::new(sources, session, name.to_string()));
        Some(Arc::new(WithInformationSchema { information, databases }))
    }
}
