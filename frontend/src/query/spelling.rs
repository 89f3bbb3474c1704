//! Names of columns in any case, as in MySQL. DataFusion lowers what is not quoted and then wants the very spelling, so a column `UserId`
//! could only be written in backticks. What it does not find is looked for again under the one spelling that there is.

use std::ops::ControlFlow;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, Statement, VisitMut, VisitorMut,
};

use super::functions;
use crate::{Error, Result};

/// Columns of one statement that are looked for again.
const RESPELLED_MAX: usize = 100;

/// A query as DataFusion takes it.
pub fn statement(query: &Query) -> DfStatement {
    DfStatement::Statement(Box::new(Statement::Query(Box::new(query.clone()))))
}

/// The plan of a query whose columns are written in any case.
///
/// # Errors
/// `UnknownColumn`, `UnknownFunction`, and what else cannot be planned.
pub async fn plan(state: &SessionState, mut query: Query) -> Result<LogicalPlan> {
    let mut respelled = 0;
    loop {
        let error = match state.statement_to_plan(statement(&query)).await {
            Ok(plan) => return Ok(plan),
            Err(error) => error,
        };
        if respelled < RESPELLED_MAX && respell(&mut query, &error) {
            respelled += 1;
            continue;
        }
        return Err(match functions::unknown(&query, state) {
            Some(name) => Error::UnknownFunction(name),
            None => error.into(),
        });
    }
}

/// Spells a column that was not found as it is spelled where it is; false if there is none, or more than one.
fn respell(query: &mut Query, error: &DataFusionError) -> bool {
    let DataFusionError::SchemaError(schema, _) = error.find_root() else {
        return false;
    };
    let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else {
        return false;
    };
    let mut spellings: Vec<&str> = valid_fields
        .iter()
        .map(|valid| valid.name.as_str())
        .filter(|valid| valid.eq_ignore_ascii_case(&field.name))
        .collect();
    spellings.dedup();
    match spellings[..] {
        [spelling] if spelling != field.name => {
            let _ = query.visit(&mut Respell { spelling });
            true
        }
        _ => false,
    }
}

struct Respell<'a> {
    spelling: &'a str,
}

impl Respell<'_> {
    fn ident(&self, ident: &mut Ident) {
        if ident.value.eq_ignore_ascii_case(self.spelling) {
            *ident = Ident::with_quote('`', self.spelling);
        }
    }
}

impl VisitorMut for Respell<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.ident(alias);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.ident(ident),
            Expr::CompoundIdentifier(idents) => {
                if let Some(last) = idents.last_mut() {
                    self.ident(last);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;
    use datafusion::common::Column;

    fn respelled(valid: &[&str]) -> Option<String> {
        let sql = "SELECT userid, t.UserID AS x, 'userid' FROM userid t WHERE USERID > 1";
        let Statement::Query(mut query) = parse(sql).unwrap().remove(0) else { panic!("{sql}") };
        let error = SchemaError::FieldNotFound {
            field: Box::new(Column::from_name("userid")),
            valid_fields: valid.iter().map(|name| Column::from_name(*name)).collect(),
        };
        let error = DataFusionError::SchemaError(Box::new(error), Box::new(None));
        respell(&mut query, &error).then(|| query.to_string())
    }

    #[test]
    fn columns_are_found_in_any_case() {
        assert_eq!(
            respelled(&["UserId", "b"]).as_deref(),
            Some("SELECT `UserId`, t.`UserId` AS x, 'userid' FROM userid t WHERE `UserId` > 1")
        );
        assert_eq!(respelled(&["b"]), None);
        assert_eq!(respelled(&["UserId", "USERID"]), None);
        assert_eq!(respelled(&["userid"]), None);
    }
}
