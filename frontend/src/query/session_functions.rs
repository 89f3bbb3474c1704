//! Functions whose value belongs to the session, such as `DATABASE()`: replaced by their value
//! before planning, since a backend knows no session.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, Query, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::session::Session;

/// Replaces the session's functions in a query.
pub fn replace(query: &mut Query, session: &Session) {
    let _ = query.visit(&mut Replacer { session });
}

/// The first system variable of a query that does not exist.
pub fn unknown_variable(query: &Query, session: &Session) -> Option<String> {
    match query.visit(&mut UnknownVariable { session }) {
        ControlFlow::Break(name) => Some(name),
        ControlFlow::Continue(()) => None,
    }
}

/// Whether a query reads a variable, of the system or of the user.
pub fn has_variables(query: &Query) -> bool {
    struct Variables;
    impl Visitor for Variables {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let first = match expr {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.first(),
                _ => None,
            };
            if first.is_some_and(|name| name.quote_style.is_none() && name.value.starts_with('@')) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    query.visit(&mut Variables).is_break()
}

struct UnknownVariable<'a> {
    session: &'a Session,
}

impl Visitor for UnknownVariable<'_> {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let (first, name) = match expr {
            Expr::Identifier(name) => (&name.value, name.value.trim_start_matches("@@")),
            Expr::CompoundIdentifier(names) => match &names[..] {
                [scope, name] => (&scope.value, name.value.as_str()),
                _ => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        if first.starts_with("@@") && self.session.variables.get(name).is_none() {
            return ControlFlow::Break(name.to_string());
        }
        ControlFlow::Continue(())
    }
}

struct Replacer<'a> {
    session: &'a Session,
}

impl VisitorMut for Replacer<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let replaced = match expr {
            Expr::Function(function) if is_bare(function) => {
                value(&function.name.to_string(), self.session)
            }
            // MySQL takes this one without parentheses too
            Expr::Identifier(name) if name.quote_style.is_none() => {
                let is_user = name.value.eq_ignore_ascii_case("current_user");
                is_user.then(|| value(&name.value, self.session)).flatten()
            }
            _ => None,
        };
        if let Some(value) = replaced {
            *expr = Expr::Value(value.into());
        }
        ControlFlow::Continue(())
    }
}

/// Whether a function is called without arguments.
fn is_bare(function: &Function) -> bool {
    match &function.args {
        FunctionArguments::None => true,
        FunctionArguments::List(list) => list.args.is_empty(),
        FunctionArguments::Subquery(_) => false,
    }
}

fn value(name: &str, session: &Session) -> Option<Value> {
    let text = |s: &str| Value::SingleQuotedString(s.to_string());
    let account = || text(&format!("{}@{}", session.user, session.host));
    match name.to_lowercase().as_str() {
        "database" | "schema" => Some(session.database.as_deref().map_or(Value::Null, text)),
        "catalog" => Some(text(&session.catalog)),
        "user" | "session_user" | "system_user" | "current_user" => Some(account()),
        "connection_id" => Some(Value::Number(session.id.to_string(), false)),
        "version" => Some(text(crate::SERVER_VERSION)),
        "current_version" => Some(text(crate::COMPATIBLE_VERSION)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    #[test]
    fn functions_become_values() {
        let mut session = Session::new(7, "root".into(), "h".into());
        let sql = "SELECT database(), CONNECTION_ID(), current_user, user(), version(1) FROM t WHERE x = SCHEMA()";
        let Statement::Query(mut query) = parse(sql).unwrap().remove(0) else { panic!() };
        replace(&mut query, &session);
        assert_eq!(
            query.to_string(),
            "SELECT NULL, 7, 'root@h', 'root@h', version(1) FROM t WHERE x = NULL"
        );
        session.database = Some("it's".into());
        let Statement::Query(mut query) = parse("SELECT schema()").unwrap().remove(0) else {
            panic!()
        };
        replace(&mut query, &session);
        assert_eq!(query.to_string(), "SELECT 'it''s'");
    }
}
