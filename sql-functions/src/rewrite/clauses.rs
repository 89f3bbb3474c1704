//! Clauses of a query that DataFusion drops, refuses or spells otherwise.

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, GroupByWithModifier, Ident, JoinConstraint, JoinOperator, Query,
    Select, SelectItem, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use std::ops::ControlFlow;

use super::{Refusal, name};

/// What a query says beyond its body and is not done.
pub(super) fn check(query: &Query) -> Result<(), Refusal> {
    if !query.locks.is_empty() {
        return Err(
            "SELECT … FOR UPDATE and FOR SHARE are not supported: nothing is written here".into()
        );
    }
    if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() {
        return Err("FOR, SETTINGS and FORMAT after a query are not supported".into());
    }
    Ok(())
}

/// Rewrites the clauses of one `SELECT`.
pub(super) fn select(select: &mut Select) -> Result<(), Refusal> {
    if select.into.is_some() {
        return Err("SELECT … INTO is not supported".into());
    }
    if let Some(modifiers) = select.select_modifiers.take()
        && modifiers.sql_calc_found_rows
    {
        return Err("SQL_CALC_FOUND_ROWS is not supported: ask for count(*)".into());
    }
    dual(select);
    label(select);
    group_by(select)?;
    joins(select);
    having(select);
    Ok(())
}

/// `FROM DUAL` is no table.
fn dual(select: &mut Select) {
    let is_dual = |factor: &TableFactor| match factor {
        TableFactor::Table { name, .. } => match &name.0[..] {
            [part] => part
                .as_ident()
                .is_some_and(|i| i.quote_style.is_none() && i.value.eq_ignore_ascii_case("dual")),
            _ => false,
        },
        _ => false,
    };
    if let [table] = &select.from[..]
        && table.joins.is_empty()
        && is_dual(&table.relation)
    {
        select.from.clear();
    }
}

/// Names an expression by its text, as MySQL does: DataFusion would name it by the functions that it is rewritten to.
fn label(select: &mut Select) {
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)) {
            continue;
        }
        let alias = Ident::with_quote('`', expr.to_string());
        let expr = std::mem::replace(expr, Expr::value(Value::Null));
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

fn group_by(select: &mut Select) -> Result<(), Refusal> {
    let GroupByExpr::Expressions(exprs, modifiers) = &mut select.group_by else {
        return Ok(());
    };
    match &modifiers[..] {
        [] => Ok(()),
        [GroupByWithModifier::Rollup] => {
            let sets =
                std::mem::take(exprs).into_iter().map(|e| vec![positional(e, &select.projection)]);
            *exprs = vec![Expr::Rollup(sets.collect())];
            modifiers.clear();
            Ok(())
        }
        [other, ..] => Err(format!("GROUP BY {other} is not supported")),
    }
}

/// The item of a list that a position in `GROUP BY` stands for: inside of a ROLLUP DataFusion takes it for a number.
fn positional(expr: Expr, projection: &[SelectItem]) -> Expr {
    let position = match &expr {
        Expr::Value(value) => value.value.to_string().parse::<usize>().ok(),
        _ => None,
    };
    let item = position.and_then(|p| projection.get(p.checked_sub(1)?));
    match item {
        Some(SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }) => {
            item.clone()
        }
        _ => expr,
    }
}

/// `STRAIGHT_JOIN` is a join with a wish about its order.
fn joins(select: &mut Select) {
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        if let JoinOperator::StraightJoin(constraint) = &join.join_operator {
            join.join_operator = match constraint {
                JoinConstraint::None => JoinOperator::CrossJoin(JoinConstraint::None),
                other => JoinOperator::Inner(other.clone()),
            };
        }
    }
}

/// `USE INDEX` and its like are wishes; there are no indexes to use.
pub(super) fn factor(factor: &mut TableFactor) {
    if let TableFactor::Table { index_hints, .. } = factor {
        index_hints.clear();
    }
}

/// Without groups and aggregates `HAVING` is a filter over the list's aliases.
fn having(select: &mut Select) {
    let has_groups = !matches!(&select.group_by, GroupByExpr::Expressions(e, _) if e.is_empty());
    let Some(condition) = &select.having else {
        return;
    };
    if has_groups
        || matches!(select.distinct, Some(Distinct::On(_)))
        || has_aggregate(condition)
        || select.projection.iter().any(has_aggregate)
    {
        return;
    }
    let mut condition = condition.clone();
    let aliases = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            Some((alias.value.to_lowercase(), expr.clone()))
        }
        _ => None,
    });
    let _ = VisitMut::visit(&mut condition, &mut Aliases(aliases.collect()));
    select.having = None;
    let condition = Expr::Nested(Box::new(condition));
    select.selection = Some(match select.selection.take() {
        None => condition,
        Some(filter) => Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(filter))),
            op: datafusion::sql::sqlparser::ast::BinaryOperator::And,
            right: Box::new(condition),
        },
    });
}

struct Aliases(Vec<(String, Expr)>);

impl VisitorMut for Aliases {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            let found = self.0.iter().find(|(alias, _)| *alias == ident.value.to_lowercase());
            if let Some((_, value)) = found {
                *expr = Expr::Nested(Box::new(value.clone()));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Aggregates by name: the planner's registry is not at hand here.
const AGGREGATES: &[&str] = &[
    "any_value",
    "approx_count_distinct",
    "approx_distinct",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "count_if",
    "covar_pop",
    "covar_samp",
    "first_value",
    "group_concat",
    "grouping",
    "json_arrayagg",
    "json_objectagg",
    "last_value",
    "max",
    "max_by",
    "median",
    "min",
    "min_by",
    "multi_distinct_count",
    "multi_distinct_sum",
    "ndv",
    "percentile_approx",
    "percentile_cont",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    "variance_pop",
    "variance_samp",
];

fn has_aggregate<T: Visit>(part: &T) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(f)
                    if f.over.is_some()
                        || name(f).is_some_and(|n| AGGREGATES.contains(&n.as_str())) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    part.visit(&mut Search).is_break()
}
