//! Where the columns of a result are from. Of a plain column of a table MySQL tells the database, the table by the statement's name for
//! it and by its own, and the column's own name; of what a derived table computes the names in the statement; of an expression nothing.
//! It travels in the metadata of a result's fields.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::Field;
use datafusion::common::config::CatalogOptions;
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::logical_plan::{Distinct, Join};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::sql::sqlparser::ast::{Query, TableFactor, Visit, Visitor};
use union_read::version::SEPARATOR;

use super::resolve::planned_label;
use crate::information_schema::definition::LABEL;

const DATABASE: &str = "millrace.origin.database";
const TABLE: &str = "millrace.origin.table";
const ORG_TABLE: &str = "millrace.origin.org_table";
const ORG_NAME: &str = "millrace.origin.org_name";

/// Where a column is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The database, `catalog.database` outside of the session's catalog; empty for what a derived table computes.
    pub database: String,
    /// The table as the statement calls it.
    pub table: String,
    /// The table's own name, or empty.
    pub org_table: String,
    /// The column's own name.
    pub org_name: String,
}

impl Origin {
    /// The origin that [`marked`] put into a field.
    pub fn of(field: &Field) -> Option<Self> {
        let part = |key| field.metadata().get(key).cloned();
        Some(Self {
            database: part(DATABASE)?,
            table: part(TABLE)?,
            org_table: part(ORG_TABLE)?,
            org_name: part(ORG_NAME)?,
        })
    }
}

/// A field with its origin, where it has one.
pub fn marked(field: Field, origin: Option<Origin>) -> Field {
    let Some(Origin { database, table, org_table, org_name }) = origin else { return field };
    let mut metadata = field.metadata().clone();
    let parts =
        [(DATABASE, database), (TABLE, table), (ORG_TABLE, org_table), (ORG_NAME, org_name)];
    metadata.extend(parts.map(|(key, value)| (key.to_string(), value)));
    field.with_metadata(metadata)
}

/// The origin of a column of a plan, one that no optimizer has changed.
pub fn origin(plan: &LogicalPlan, column: usize, session: &CatalogOptions) -> Option<Origin> {
    let mut named = None;
    let of_table = plain(plan, column, session, &mut named);
    of_table.or_else(|| {
        let (table, org_name) = named?;
        Some(Origin { database: String::new(), table, org_table: String::new(), org_name })
    })
}

/// The names that a query gives to tables, as they are written, by those that plans have.
pub fn written(query: &Query) -> HashMap<String, String> {
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    names.0
}

#[derive(Default)]
struct Names(HashMap<String, String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. } = factor
        {
            let written = &alias.name.value;
            self.0.entry(written.to_lowercase()).or_insert_with(|| written.clone());
        }
        ControlFlow::Continue(())
    }
}

/// The origin of a plain column of a table. `named` becomes the outermost name of a table, which is what the statement's list sees, and
/// the column's name in it.
fn plain(
    plan: &LogicalPlan,
    column: usize,
    session: &CatalogOptions,
    named: &mut Option<(String, String)>,
) -> Option<Origin> {
    let (mut plan, mut at) = (plan, column);
    loop {
        plan = match plan {
            LogicalPlan::Projection(projection) => {
                at = position(projection.expr.get(at)?, projection.input.schema())?;
                &projection.input
            }
            LogicalPlan::Aggregate(aggregate) => {
                at = position(aggregate.group_expr.get(at)?, aggregate.input.schema())?;
                &aggregate.input
            }
            LogicalPlan::Window(window) if at < width(&window.input) => &window.input,
            LogicalPlan::SubqueryAlias(alias) => {
                let name = planned_label(alias.schema.field(at));
                named.get_or_insert_with(|| (alias.alias.table().to_string(), name));
                &alias.input
            }
            LogicalPlan::Join(join) => {
                let (side, of_side) = side(join, at)?;
                at = of_side;
                side
            }
            LogicalPlan::Distinct(Distinct::All(input)) => input,
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::Sort(sort) => &sort.input,
            LogicalPlan::Limit(limit) => &limit.input,
            LogicalPlan::TableScan(scan) => {
                let table = named.as_ref().map(|(table, _)| table.clone());
                return scanned(scan, at, table, session);
            }
            _ => return None,
        };
    }
}

/// Where the column that an expression is stands in a schema; `None` where it is more than a column.
fn position(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => position(&alias.expr, schema),
        Expr::Column(column) => schema.index_of_column(column).ok(),
        _ => None,
    }
}

fn width(plan: &LogicalPlan) -> usize {
    plan.schema().fields().len()
}

/// The side of a join that has a column, and the column's place there.
fn side(join: &Join, at: usize) -> Option<(&LogicalPlan, usize)> {
    let left = width(&join.left);
    match join.join_type {
        JoinType::RightSemi | JoinType::RightAnti => Some((&join.right, at)),
        _ if at < left => Some((&join.left, at)),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            Some((&join.right, at - left))
        }
        _ => None,
    }
}

fn scanned(
    scan: &TableScan,
    at: usize,
    table: Option<String>,
    session: &CatalogOptions,
) -> Option<Origin> {
    let (_, field) = scan.projected_schema.iter().nth(at)?;
    let name = scan.table_name.clone();
    let name = name.resolve(&session.default_catalog, &session.default_schema);
    let database = if *name.catalog == session.default_catalog {
        name.schema.to_string()
    } else {
        format!("{}.{}", name.catalog, name.schema)
    };
    let org_table = name.table.split(SEPARATOR).next().unwrap_or_default().to_string();
    Some(Origin {
        database,
        table: table.unwrap_or_else(|| org_table.clone()),
        org_table,
        org_name: field.metadata().get(LABEL).unwrap_or(field.name()).clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{DataType, Schema};
    use datafusion::datasource::MemTable;
    use datafusion::prelude::SessionContext;
    use datafusion::sql::sqlparser::ast;
    use datafusion::sql::sqlparser::parser::Parser;
    use sql_functions::dialect::MillraceDialect;

    use super::*;

    /// The origins of a query's columns as `database.table/org_table.org_name`, `-` for none.
    async fn origins(sql: &str) -> Vec<String> {
        let context = SessionContext::new();
        let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        for name in ["t", "u"] {
            let table = MemTable::try_new(Arc::clone(&schema), vec![vec![]]).unwrap();
            context.register_table(name, Arc::new(table)).unwrap();
        }
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        let state = context.state();
        let session = &state.config_options().catalog;
        let shown = |at| match origin(&plan, at, session) {
            Some(of) => format!("{}.{}/{}.{}", of.database, of.table, of.org_table, of.org_name),
            None => "-".into(),
        };
        (0..width(&plan)).map(shown).collect()
    }

    #[tokio::test]
    async fn columns_have_an_origin_and_expressions_none() {
        for (sql, wanted) in [
            ("SELECT a, b AS x, a + 1, 1 FROM t", &["public.t/t.a", "public.t/t.b", "-", "-"][..]),
            ("SELECT * FROM t AS v LIMIT 1", &["public.v/t.a", "public.v/t.b"]),
            (
                "SELECT t.a, v.b FROM t LEFT JOIN u v ON t.a = v.a ORDER BY 1",
                &["public.t/t.a", "public.v/u.b"],
            ),
            (
                "SELECT d.x, d.n FROM (SELECT a AS x, count(*) AS n FROM t GROUP BY a) d WHERE n > 1",
                &["public.d/t.a", ".d/.n"],
            ),
            ("SELECT one, one + 1 FROM (SELECT 1 AS one) AS a", &[".a/.one", "-"]),
            ("SELECT * FROM (SELECT a FROM t UNION ALL SELECT b FROM u) v", &[".v/.a"]),
            (
                "WITH c AS (SELECT a, a + 1 AS p FROM t) SELECT p, a FROM c",
                &[".c/.p", "public.c/t.a"],
            ),
            ("SELECT DISTINCT b, row_number() OVER () FROM t", &["public.t/t.b", "-"]),
            ("SELECT a FROM t WHERE a IN (SELECT b FROM u)", &["public.t/t.a"]),
            ("SELECT a FROM t UNION ALL SELECT b FROM u", &["-"]),
            ("SELECT a FROM t GROUP BY ROLLUP (a)", &["-"]),
        ] {
            assert_eq!(origins(sql).await, wanted, "{sql}");
        }
    }

    #[test]
    fn names_are_told_as_they_are_written() {
        let sql = "SELECT * FROM (SELECT 1 FROM orders AS Inner1) AS Outer1 JOIN t AS `A b` ON 1";
        let ast::Statement::Query(query) =
            Parser::parse_sql(&MillraceDialect, sql).unwrap().remove(0)
        else {
            panic!()
        };
        let mut names: Vec<_> = written(&query).into_iter().collect();
        names.sort();
        let wanted = [("a b", "A b"), ("inner1", "Inner1"), ("outer1", "Outer1")];
        assert_eq!(names, wanted.map(|(name, written)| (name.to_string(), written.to_string())));
    }

    #[test]
    fn fields_carry_it() {
        let field = || Field::new("x", DataType::Int64, true);
        let origin = Origin {
            database: "shop".into(),
            table: "o".into(),
            org_table: "orders".into(),
            org_name: "id".into(),
        };
        assert_eq!(Origin::of(&marked(field(), Some(origin.clone()))), Some(origin));
        assert_eq!(Origin::of(&marked(field(), None)), None);
    }
}
