//! Result labels as MySQL gives them: an expression without an alias is labelled with its own text.
//!
//! DataFusion labels `SELECT a+1` as `t.a + Int64(1)`. The labels are corrected on the way out, so
//! that planning never sees them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, Visit, VisitMut, Visitor,
    VisitorMut,
};

use crate::{Error, Result};

/// Refuses lists that are too long to be planned in a reasonable time.
///
/// # Errors
/// `TooLarge` for a list of more than `max` columns.
pub fn check_lists(query: &Query, max: usize) -> Result<()> {
    match query.visit(&mut LongList { max }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(columns) => Err(Error::TooLarge(format!(
            "a list of {columns} columns where {max} are allowed (frontend.select_list_max)"
        ))),
    }
}

struct LongList {
    max: usize,
}

impl Visitor for LongList {
    type Break = usize;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<usize> {
        match select.projection.len() {
            columns if columns > self.max => ControlFlow::Break(columns),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Labels for the output columns of a query whose planner named them `planned`.
pub fn labels(query: &Query, planned: &[String]) -> Vec<String> {
    let mut labels = planned.to_vec();
    let Some(items) = items(&query.body) else {
        return labels;
    };
    // A wildcard stands for a number of columns that only the planner knows: items before the first
    // one are counted from the front, items after the last one from the back.
    let (front, back) =
        match (items.iter().position(is_wildcard), items.iter().rposition(is_wildcard)) {
            (Some(first), Some(last)) => (&items[..first], &items[last + 1..]),
            _ => (items, &items[items.len()..]),
        };
    if front.len() + back.len() > labels.len() {
        return labels;
    }
    for (label, item) in labels.iter_mut().zip(front) {
        relabel(label, item);
    }
    for (label, item) in labels.iter_mut().rev().zip(back.iter().rev()) {
        relabel(label, item);
    }
    labels
}

/// Gives the expressions of a query's lists aliases, so that `SELECT 1, 1` can be planned: DataFusion wants names
/// that differ. Clients see [`labels`] of the query as it was.
pub fn make_unique(query: &mut Query) {
    let _ = query.visit(&mut Derived);
    unique_in(&mut query.body);
}

/// Names the expressions of derived tables and of common table expressions by their text, as MySQL does: they can be asked
/// for, `` t.`count(*)` ``, and `SELECT *` labels them so.
struct Derived;

impl VisitorMut for Derived {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            name_items(&mut table.query.body);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, .. } = factor {
            name_items(&mut subquery.body);
        }
        ControlFlow::Continue(())
    }
}

fn name_items(body: &mut SetExpr) {
    match body {
        SetExpr::Query(query) => name_items(&mut query.body),
        SetExpr::SetOperation { left, .. } => name_items(left),
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) = item
                    && !is_name(expr)
                    && let text = expr.to_string()
                    && !reads_like_a_name(&text)
                {
                    let alias = Ident::with_quote('`', text);
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        _ => {}
    }
}

fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// An alias that reads like a column could stand for one in GROUP BY.
fn reads_like_a_name(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "_'\"`".contains(c))
}

fn unique_in(body: &mut SetExpr) {
    match body {
        SetExpr::Query(query) => unique_in(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            unique_in(left);
            unique_in(right);
        }
        SetExpr::Select(select) => {
            let mut seen = HashSet::new();
            for (i, item) in select.projection.iter_mut().enumerate() {
                let SelectItem::UnnamedExpr(expr) = item else {
                    continue;
                };
                let text = expr.to_string();
                let is_new = seen.insert(text.clone());
                if is_name(expr) && is_new {
                    continue;
                }
                let alias =
                    if is_new && !reads_like_a_name(&text) { text } else { format!("{text}:{i}") };
                let (expr, alias) = (expr.clone(), Ident::with_quote('`', alias));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
        _ => {}
    }
}

/// The items of the first `SELECT`: it names the columns of a set operation.
fn items(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::Query(query) => items(&query.body),
        SetExpr::SetOperation { left, .. } => items(left),
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn relabel(label: &mut String, item: &SelectItem) {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => *label = name.value.clone(),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => {
            // `@@session.x` is a variable and is labelled whole; `t.a` is labelled `a`
            let variable = names.first().is_some_and(|n| n.value.starts_with('@'));
            *label = match names.last() {
                Some(last) if !variable => last.value.clone(),
                _ => names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>().join("."),
            };
        }
        SelectItem::UnnamedExpr(Expr::Value(value)) => {
            *label = match value.value.clone().into_string() {
                Some(text) => text,
                None => value.to_string(),
            };
        }
        SelectItem::UnnamedExpr(expr) => *label = expr.to_string(),
        SelectItem::ExprWithAlias { alias, .. } => *label = alias.value.clone(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    fn labelled(sql: &str, planned: &[&str]) -> Vec<String> {
        let Statement::Query(query) = parse(sql).unwrap().remove(0) else { panic!("{sql}") };
        labels(&query, &planned.iter().map(|s| s.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn long_lists_are_refused_wherever_they_are() {
        for sql in
            ["SELECT 1, 2, 3", "SELECT 1 WHERE 1 IN (SELECT 1 UNION (SELECT a, b, c FROM t))"]
        {
            let Statement::Query(query) = parse(sql).unwrap().remove(0) else { panic!("{sql}") };
            assert_eq!(check_lists(&query, 3), Ok(()));
            let told = check_lists(&query, 2).unwrap_err().to_string();
            assert!(told.starts_with("a list of 3 columns where 2 are allowed"), "{told}");
        }
    }

    #[test]
    fn texts_become_labels() {
        let sql = "SELECT a+1, count(*), t.B, @@session.x, @@version, 'x', 1, a AS Z FROM t";
        let want = ["a + 1", "count(*)", "B", "@@session.x", "@@version", "x", "1", "Z"];
        assert_eq!(labelled(sql, &["?"; 8]), want);
    }

    #[test]
    fn wildcards_keep_the_names_of_columns() {
        assert_eq!(
            labelled("SELECT a+1, t.*, b+1 FROM t", &["?", "a", "b", "?"]),
            ["a + 1", "a", "b", "b + 1"]
        );
        assert_eq!(labelled("(SELECT a A FROM t) UNION SELECT b FROM t", &["?"]), ["A"]);
        assert_eq!(labelled("VALUES (1)", &["column1"]), ["column1"]);
    }
}
