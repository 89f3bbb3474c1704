//! Names in a query → tables and views: the logical plan of a query, not yet optimised.
//!
//! * [`catalogs`]: what DataFusion asks for a name
//! * [`view`]: the plan of a view where it is named

mod catalogs;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::catalog::TableProvider;
use datafusion::execution::session_state::SessionState;
use datafusion::functions::datetime::now::NowFunc;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::var_provider::VarType;
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast;
use parking_lot::Mutex;
use union_read::catalog::Points;

use super::{assignments, labels, names, session_functions, spelling, time_travel};
use crate::catalog::{DEFAULT_CATALOG, ViewName};
use crate::information_schema::definition::LABEL;
use crate::information_schema::{Sources, is_name};
use crate::session::{Session, SessionVariables};
use crate::{Error, Result};
use catalogs::StatementCatalogs;

/// The database of a session that chose none; no database can have this name.
const NO_DATABASE: &str = "\u{1}";

/// What the names of one query stand for: those of a statement, or of a view in it.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    template: Arc<SessionState>,
    sources: Sources,
    session: Arc<Session>,
    select_list_max: usize,
    points: Arc<Points>,
    /// The catalog and database of names that have none.
    catalog: String,
    database: Option<String>,
    sql_mode: String,
    /// The views that the query is in, the outermost first.
    within: Vec<ViewName>,
    /// The views that the statement has named so far, each planned once: names are looked up again whenever a column is spelled otherwise.
    views: Arc<Mutex<HashMap<ViewName, Arc<dyn TableProvider>>>>,
}

impl Resolver {
    /// That of a statement of a session.
    pub(super) fn new(
        template: &Arc<SessionState>,
        sources: &Sources,
        session: &Session,
        select_list_max: usize,
    ) -> Self {
        Self {
            select_list_max,
            template: Arc::clone(template),
            sources: sources.clone(),
            session: Arc::new(session.clone()),
            points: Arc::new(Points::along(session.union_read_path())),
            catalog: session.catalog.clone(),
            database: session.database.clone(),
            sql_mode: session.variables.text("sql_mode"),
            within: vec![],
            views: Arc::default(),
        }
    }

    /// The plan of a query, and the state that it belongs to.
    pub(super) async fn logical(&self, query: &ast::Query) -> Result<(SessionState, LogicalPlan)> {
        labels::check_lists(query, self.select_list_max)?;
        let (session, mut query) = (&self.session, query.clone());
        let about_information_schema = names::complete(&mut query);
        labels::make_unique(&mut query);
        if about_information_schema {
            // first: what else is rewritten has no assignments
            assignments::settle(&mut query)?;
        }
        sql_functions::rewrite(&mut query, &self.modes()).map_err(Error::Unsupported)?;
        session_functions::replace(&mut query, session);
        time_travel::resolve(&mut query, &session.zone().name())?;
        if let Some(name) = session_functions::unknown_variable(&query, session) {
            return Err(Error::UnknownVariable(name));
        }
        let state = self.state()?;
        self.check_names(&state, &spelling::statement(&query))?;
        let plan = spelling::plan(&state, query).await?;
        Ok((state, plan))
    }

    /// The state to plan with.
    pub(super) fn state(&self) -> Result<SessionState> {
        let mut state = self.template.as_ref().clone();
        let options = state.config_mut().options_mut();
        options.catalog.default_catalog = self.catalog.clone();
        options.catalog.default_schema =
            self.database.clone().unwrap_or_else(|| NO_DATABASE.into());
        options.execution.time_zone = Some(self.session.zone().name());
        let now = NowFunc::new_with_config(options);
        // the clock of the statement: NOW() is planned as its value
        state.register_udf(Arc::new(ScalarUDF::from(now)))?;
        state.mark_start_execution();
        state.register_catalog_list(Arc::new(StatementCatalogs { resolver: self.clone() }));
        let variables = Arc::new(SessionVariables(Arc::clone(&self.session)));
        let properties = state.execution_props_mut();
        properties.add_var_provider(VarType::System, Arc::clone(&variables) as _);
        properties.add_var_provider(VarType::UserDefined, variables);
        Ok(state)
    }

    /// What of a `sql_mode` changes the meaning of a query.
    fn modes(&self) -> sql_functions::Modes {
        let sql_mode = self.sql_mode.to_uppercase();
        let has = |mode: &str| sql_mode.split(',').any(|set| set.trim() == mode);
        sql_functions::Modes {
            pipes_as_concat: has("PIPES_AS_CONCAT") || has("ANSI"),
            zone: self.session.zone().name(),
        }
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

/// The label of a column that a wildcard stands for.
pub(super) fn planned_label(field: &Field) -> String {
    let label = field.metadata().get(LABEL);
    // an alias keeps the metadata of what it stands for
    let label = label.filter(|label| label.eq_ignore_ascii_case(field.name()));
    label.unwrap_or(field.name()).clone()
}
