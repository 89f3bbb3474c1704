//! Functions that a query calls and that do not exist. DataFusion tells of them in a text alone.

use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArguments, Query, Visit, Visitor};

/// What DataFusion's planner takes as a call and has no function for.
const SYNTAX: [&str; 3] = ["make_map", "unnest", "unnest_outer"];

/// The first function of a query, one that could not be planned, that is not there.
pub fn unknown(query: &Query, state: &SessionState) -> Option<String> {
    match query.visit(&mut Unknown { state }) {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    }
}

struct Unknown<'a> {
    state: &'a SessionState,
}

impl Unknown<'_> {
    fn knows(&self, name: &str) -> bool {
        self.state.scalar_functions().contains_key(name)
            || self.state.higher_order_functions().contains_key(name)
            || self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
            || SYNTAX.contains(&name)
    }
}

impl Visitor for Unknown<'_> {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::Function(call) if !is_word(call) && !self.knows(&name(call)) => {
                ControlFlow::Break(call.name.to_string())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether it has no parentheses: a column may be meant.
fn is_word(call: &Function) -> bool {
    matches!(call.args, FunctionArguments::None)
}

/// The name under which the planner looks for it.
fn name(call: &Function) -> String {
    match &call.name.0[..] {
        [part] => match part.as_ident() {
            Some(ident) if ident.quote_style.is_some() => ident.value.clone(),
            Some(ident) => ident.value.to_lowercase(),
            None => call.name.to_string(),
        },
        _ => call.name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateBuilder;

    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    #[test]
    fn what_is_called_and_is_not_there() {
        let state = SessionStateBuilder::new_with_default_features().build();
        for (sql, wanted) in [
            ("SELECT ABS(a), count(*), row_number() OVER () FROM t", None),
            ("SELECT abs(Nothing(a)) FROM t", Some("Nothing")),
            ("SELECT a FROM t WHERE a IN (SELECT nothing(b) FROM u)", Some("nothing")),
            ("SELECT shop.abs(a) FROM t", Some("shop.abs")),
            ("SELECT current_nothing FROM t", None),
        ] {
            let Statement::Query(query) = parse(sql).unwrap().remove(0) else { panic!("{sql}") };
            assert_eq!(unknown(&query, &state).as_deref(), wanted, "{sql}");
        }
    }
}
