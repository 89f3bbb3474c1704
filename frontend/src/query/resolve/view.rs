//! Views in a query. A view is planned where it is named, as the text that it is: with the catalog, the database and the `sql_mode` of
//! its creation, at the read points of the statement, and with the session's time zone and functions.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::Column;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast;
use union_read::columns::PRECISION;

use super::{Resolver, planned_label};
use crate::catalog::{IN_QUERY, View, ViewName};
use crate::information_schema::described::column_type;
use crate::query::statement::Statement;
use crate::query::{hints, labels, parse, session_functions};
use crate::{Error, Result};

/// The plan of a view's query.
pub(in crate::query) struct Planned {
    plan: LogicalPlan,
    /// Its columns, labelled as a client sees them.
    pub columns: Vec<Field>,
}

impl Resolver {
    /// The plan of the query of a view, which is about to be created (its columns are not looked at) or is there.
    pub(in crate::query) async fn planned(&self, view: &View) -> Result<Planned> {
        let limits = &self.sources.views;
        if self.within.contains(&view.name) {
            return Err(Error::BrokenView(format!("'{}' contains itself", view.name)));
        }
        if self.within.len() >= limits.depth_max {
            return Err(Error::TooLarge(format!(
                "views of views, more than {} deep (frontend.view_depth_max)",
                limits.depth_max
            )));
        }
        let query = query_of(&view.text)?;
        if hints::session(&self.session, &query)?.is_some() {
            return Err(Error::Unsupported("SET_VAR in a view is not supported".into()));
        }
        if session_functions::has_variables(&query) {
            return Err(Error::Unsupported("variables in a view are not supported".into()));
        }
        let (state, plan) = self.inside(view).logical(&query).await?;
        if nodes(&plan)? > limits.plan_nodes_max {
            return Err(Error::TooLarge(format!(
                "the plan of view '{}' has more than {} operators (frontend.view_plan_nodes_max)",
                view.name, limits.plan_nodes_max
            )));
        }
        // types that a set operation or a function has only then
        let analyzed =
            state.analyzer().execute_and_check(plan.clone(), state.config_options(), |_, _| {})?;
        let fields = analyzed.schema().fields();
        let labels: Vec<String> = fields.iter().map(|field| planned_label(field)).collect();
        let labels = labels::labels(&query, &labels);
        let columns = fields.iter().zip(labels).map(|(field, label)| {
            let precision = field.metadata().get_key_value(PRECISION);
            let metadata = precision.map(|(key, value)| (key.clone(), value.clone()));
            Field::new(label, field.data_type().clone(), field.is_nullable())
                .with_metadata(metadata.into_iter().collect())
        });
        Ok(Planned { columns: columns.collect(), plan })
    }

    /// The resolver of the names in a view.
    fn inside(&self, view: &View) -> Self {
        let mut within = self.within.clone();
        within.push(view.name.clone());
        Self {
            catalog: view.from_catalog.clone(),
            database: view.from_database.clone(),
            sql_mode: view.sql_mode.clone(),
            within,
            ..self.clone()
        }
    }

    /// A view as the table that it is for the rest of a statement.
    pub(super) async fn table_of(&self, view: &View) -> Result<Arc<dyn TableProvider>> {
        let in_view = |error| of_view(error, &view.name);
        let planned = self.planned(view).await.map_err(in_view)?;
        check_columns(view, &planned.columns)?;
        let plan = planned.under(&view.columns).map_err(|error| in_view(error.into()))?;
        Ok(Arc::new(ViewTable::new(plan, Some(view.text.clone()))))
    }
}

impl Planned {
    /// The plan with other names for its columns, which are so many.
    fn under(self, names: &Schema) -> Result<LogicalPlan, DataFusionError> {
        let schema = Arc::clone(self.plan.schema());
        let columns = schema.iter().zip(names.fields());
        let columns =
            columns.map(|(column, name)| Expr::Column(Column::from(column)).alias(name.name()));
        LogicalPlanBuilder::from(self.plan).project(columns.collect::<Vec<_>>())?.build()
    }
}

/// Names and types of a view's columns were told when it was created, and are kept: a table that was created again may have others in
/// their places.
fn check_columns(view: &View, now: &[Field]) -> Result<()> {
    let then = view.columns.fields();
    let in_query = |field: &Field| field.metadata().get(IN_QUERY).unwrap_or(field.name()).clone();
    let then: Vec<_> = then.iter().map(|field| (in_query(field), column_type(field))).collect();
    let now: Vec<_> = now.iter().map(|field| (field.name().clone(), column_type(field))).collect();
    if then == now {
        return Ok(());
    }
    let told = |columns: Vec<(String, String)>| {
        let columns = columns.into_iter().map(|(name, kind)| format!("{name} {kind}"));
        columns.collect::<Vec<_>>().join(", ")
    };
    Err(Error::BrokenView(format!(
        "View '{}' was created over the columns ({}), and its query gives ({}) now: CREATE OR REPLACE it",
        view.name,
        told(then),
        told(now)
    )))
}

/// What a view's query lacks is told with the view's name; what may succeed later stays what it is.
fn of_view(error: Error, view: &ViewName) -> Error {
    match error {
        Error::Syntax(told)
        | Error::Invalid(told)
        | Error::UnknownColumn(told)
        | Error::UnknownTable(told)
        | Error::UnknownDatabase(told)
        | Error::Unsupported(told)
        | Error::BrokenView(told) => {
            Error::BrokenView(format!("View '{view}' cannot be answered: {told}"))
        }
        other => other,
    }
}

fn query_of(text: &str) -> Result<Box<ast::Query>> {
    match &mut parse::parse(text)?[..] {
        [Statement::Query(query)] => Ok(query.clone()),
        _ => Err(Error::Syntax("the text of a view is one query".into())),
    }
}

fn nodes(plan: &LogicalPlan) -> Result<usize> {
    let mut count = 0;
    plan.apply_with_subqueries(|_| {
        count += 1;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(count)
}
