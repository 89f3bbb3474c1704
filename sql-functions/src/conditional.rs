//! `IF(condition, a, b)` and `ISNULL(a)`: other words for `CASE` and `IS NULL`.
//!
//! Source: MySQL 8.0 Reference Manual, 14.5 "Flow Control Functions".

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, VisitMut,
    VisitorMut,
};

/// Replaces both in a query.
pub fn rewrite(query: &mut Query) {
    let _ = query.visit(&mut Rewriter);
}

struct Rewriter;

impl VisitorMut for Rewriter {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(plain) = plain(function)
        {
            *expr = plain;
        }
        ControlFlow::Continue(())
    }
}

fn plain(function: &Function) -> Option<Expr> {
    let args = arguments(function)?;
    match (function.name.to_string().to_lowercase().as_str(), &args[..]) {
        ("if", [condition, then, otherwise]) => Some(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen { condition: condition.clone(), result: then.clone() }],
            else_result: Some(Box::new(otherwise.clone())),
        }),
        ("isnull", [value]) => Some(Expr::IsNull(Box::new(value.clone()))),
        _ => None,
    }
}

fn arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let argument = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(argument).collect()
}
