//! `@x := value` inside of queries of `information_schema`, as MariaDB Connector/ODBC asks for columns: what a later item of the
//! same list reads of `@x` is the value that an earlier one has given it in the same row.
//!
//! The variable itself is not set. In queries of other tables an assignment is refused: what it would leave behind depends
//! on the order in which rows are read.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Query, Select, SelectItem, SetExpr, VisitMut, VisitorMut,
};

use crate::{Error, Result};

/// Replaces assignments by their values, and what reads them too.
///
/// # Errors
/// `Unsupported` for an assignment that is made in some rows alone.
pub fn settle(query: &mut Query) -> Result<()> {
    let _ = query.visit(&mut BinaryTexts);
    match query.body.as_mut() {
        SetExpr::Select(select) => settle_select(select),
        _ => Ok(()),
    }
}

fn settle_select(select: &mut Select) -> Result<()> {
    let mut values = HashMap::new();
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let mut assigned = Assigned::default();
        let _ = expr.visit(&mut assigned);
        if assigned.0.is_empty() && values.is_empty() {
            continue;
        }
        let _ = expr.visit(&mut Reads { values: &values });
        for name in assigned.0 {
            let value = value_of(expr, &name).ok_or_else(|| {
                Error::Unsupported(format!("an assignment to {name} in some rows alone"))
            })?;
            values.insert(name, without_assignments(value));
        }
        *expr = without_assignments(expr.clone());
    }
    Ok(())
}

/// `BINARY 'text'` compares byte by byte, as all texts are here.
struct BinaryTexts;

impl VisitorMut for BinaryTexts {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op: BinaryOperator::Eq, right, .. } = expr
            && let Expr::Cast { expr: text, data_type: DataType::Binary(None), .. } = right.as_ref()
            && matches!(text.as_ref(), Expr::Value(_))
        {
            **right = text.as_ref().clone();
        }
        ControlFlow::Continue(())
    }
}

/// The variables that an expression assigns.
#[derive(Default)]
struct Assigned(Vec<String>);

impl VisitorMut for Assigned {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((name, _)) = assignment(expr)
            && !self.0.contains(&name)
        {
            self.0.push(name);
        }
        ControlFlow::Continue(())
    }
}

/// Puts values in the places of variables that have one; not on the left of an assignment.
struct Reads<'a> {
    values: &'a HashMap<String, Expr>,
}

impl VisitorMut for Reads<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { left, op: BinaryOperator::Assignment, .. } = expr
            && let Some(name) = variable(left)
        {
            // out of the way of what follows
            **left = Expr::Identifier(format!(":{name}").as_str().into());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(value) = variable(expr).and_then(|name| self.values.get(&name)) {
            *expr = Expr::Nested(Box::new(value.clone()));
        }
        ControlFlow::Continue(())
    }
}

fn variable(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) if name.value.starts_with('@') && !name.value.starts_with("@@") => {
            Some(name.value.to_lowercase())
        }
        _ => None,
    }
}

/// The variable and the value of an assignment.
fn assignment(expr: &Expr) -> Option<(String, &Expr)> {
    let Expr::BinaryOp { left, op: BinaryOperator::Assignment, right } = expr else { return None };
    let Expr::Identifier(name) = left.as_ref() else { return None };
    Some((name.value.trim_start_matches(':').to_lowercase(), right))
}

/// The value that an expression gives a variable in every row, if it gives it one in every row.
fn value_of(expr: &Expr, wanted: &str) -> Option<Expr> {
    if let Some((name, value)) = assignment(expr) {
        return if name == wanted { Some(value.clone()) } else { value_of(value, wanted) };
    }
    match expr {
        Expr::Nested(inner) => value_of(inner, wanted),
        Expr::Cast { expr, .. } => value_of(expr, wanted),
        Expr::Function(call) => {
            let [condition, yes, no] = choices(call)?;
            let result = value_of(yes, wanted)?;
            Some(Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition: condition.clone(), result }],
                else_result: Some(Box::new(value_of(no, wanted)?)),
            })
        }
        Expr::Case { case_token, end_token, operand, conditions, else_result } => {
            let conditions = conditions.iter().map(|when| {
                let result = value_of(&when.result, wanted)?;
                Some(CaseWhen { condition: when.condition.clone(), result })
            });
            Some(Expr::Case {
                case_token: case_token.clone(),
                end_token: end_token.clone(),
                operand: operand.clone(),
                conditions: conditions.collect::<Option<_>>()?,
                else_result: Some(Box::new(value_of(else_result.as_deref()?, wanted)?)),
            })
        }
        _ => None,
    }
}

/// The condition and the values of `IF(condition, value, value)`.
fn choices(call: &Function) -> Option<[&Expr; 3]> {
    let FunctionArguments::List(list) = &call.args else { return None };
    let value = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    let values: Option<Vec<&Expr>> = list.args.iter().map(value).collect();
    let is_if = call.name.to_string().eq_ignore_ascii_case("if");
    values.filter(|_| is_if)?.try_into().ok()
}

fn without_assignments(mut expr: Expr) -> Expr {
    struct Strip;
    impl VisitorMut for Strip {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Some((_, value)) = assignment(expr) {
                *expr = Expr::Nested(Box::new(value.clone()));
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expr.visit(&mut Strip);
    expr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    fn settled(sql: &str) -> Result<String> {
        let Statement::Query(mut query) = parse(sql).unwrap().remove(0) else { panic!("{sql}") };
        settle(&mut query).map(|()| query.to_string())
    }

    #[test]
    fn values_of_one_row() {
        assert_eq!(
            settled(
                "SELECT CASE a WHEN 'x' THEN @dt:=1 ELSE @DT:=(-4) END AS t, CAST(@len:=CASE @dt WHEN 1 THEN 2 ELSE b END AS CHAR), @len"
            )
            .unwrap(),
            "SELECT CASE a WHEN 'x' THEN (1) ELSE ((-4)) END AS t, \
             CAST((CASE (CASE a WHEN 'x' THEN 1 ELSE (-4) END) WHEN 1 THEN 2 ELSE b END) AS CHAR), \
             (CASE (CASE a WHEN 'x' THEN 1 ELSE (-4) END) WHEN 1 THEN 2 ELSE b END)"
        );
        assert_eq!(
            settled("SELECT CASE a WHEN 1 THEN if(b, @n:=7, @n:=c) ELSE @n:=2 END AS x, @n")
                .unwrap(),
            "SELECT CASE a WHEN 1 THEN if(b, (7), (c)) ELSE (2) END AS x, \
             (CASE a WHEN 1 THEN CASE WHEN b THEN 7 ELSE c END ELSE 2 END)"
        );
        assert!(settled("SELECT if(a, @b := 2, 3)").is_err());
        assert_eq!(settled("SELECT @a, @@b FROM t").unwrap(), "SELECT @a, @@b FROM t");
        assert_eq!(
            settled("SELECT a FROM t WHERE b = BINARY 'x'").unwrap(),
            "SELECT a FROM t WHERE b = 'x'"
        );
        assert!(settled("SELECT CASE a WHEN 1 THEN @b := 2 END").is_err());
    }
}
