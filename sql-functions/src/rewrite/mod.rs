//! A parsed query in words that DataFusion's planner knows, with MySQL's meaning kept.
//!
//! * [`clauses`]: `WITH ROLLUP`, `HAVING` without groups, `STRAIGHT_JOIN`, hints
//! * [`expressions`]: operators and special forms → functions of this crate
//! * [`casts`]: `CAST`, `CONVERT`, typed literals
//! * [`truth`]: numbers and texts where a truth value is wanted
//! * [`words`]: functions that are other words for functions or expressions

mod casts;
mod clauses;
mod expressions;
mod truth;
mod words;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, Select, TableFactor, Value, VisitMut, VisitorMut,
};

/// What of a session's `sql_mode` changes the meaning of a query.
#[derive(Debug, Clone, Default)]
pub struct Modes {
    /// `PIPES_AS_CONCAT`: `||` puts texts together; without it, it is `OR`.
    pub pipes_as_concat: bool,
    /// The session's time zone by its name as [`crate::Zone::name`] gives it.
    pub zone: String,
}

/// Why a query is refused, in words for its author.
pub type Refusal = String;

/// Rewrites a query. What has no equal is refused by name.
pub fn rewrite(query: &mut Query, modes: &Modes) -> Result<(), Refusal> {
    match query.visit(&mut Rewriter { modes }) {
        ControlFlow::Break(refusal) => Err(refusal),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    modes: &'a Modes,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Refusal> {
        flow(clauses::check(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Refusal> {
        flow(clauses::select(select))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Refusal> {
        truth::select(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Refusal> {
        clauses::factor(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Refusal> {
        // before its parts: what is inside of an interval or a cast is no value of its own
        flow(casts::expr(expr).and_then(|()| expressions::before(expr)))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Refusal> {
        let rewritten = words::expr(expr, self.modes)
            .and_then(|()| expressions::after(expr, self.modes))
            .map(|()| truth::expr(expr));
        flow(rewritten)
    }
}

fn flow(result: Result<(), Refusal>) -> ControlFlow<Refusal> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}

/// A call of a function.
fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_string()))
}

fn number(value: impl ToString) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

/// Takes an expression out of its place.
fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

/// The plain arguments of a call; `None` if there are others.
fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let argument = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    list.args.iter().map(argument).collect()
}

/// The name of a function without a database, in lower case.
fn name(function: &Function) -> Option<String> {
    match &function.name.0[..] {
        [part] => part.as_ident().map(|ident| ident.value.to_lowercase()),
        _ => None,
    }
}

/// The text of a literal.
fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
