//! `SELECT /*+ SET_VAR(query_timeout = 10) */ …`: variables that are set for one statement. Other hints are wishes about plans that
//! there are not here, and are passed over, as MySQL does.

use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Query, SetExpr};

use crate::session::Session;
use crate::{Error, Result};

/// The session as a query's hints have it; `None` where it has none.
pub fn session(session: &Session, query: &Query) -> Result<Option<Session>> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Ok(None);
    };
    let mut hinted: Option<Session> = None;
    for hint in &select.optimizer_hints {
        for (name, value) in assignments(&hint.text)? {
            let hinted = hinted.get_or_insert_with(|| session.clone());
            hinted.variables.set(&name, Some(value))?;
        }
    }
    Ok(hinted)
}

/// What the `SET_VAR`s of a hint assign.
fn assignments(text: &str) -> Result<Vec<(String, ScalarValue)>> {
    let mut all = vec![];
    let mut rest = text;
    while let Some(at) = rest.to_ascii_uppercase().find("SET_VAR") {
        let after = rest[at + "SET_VAR".len()..].trim_start();
        let inside = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        let Some((inside, left)) = inside else {
            return Err(Error::Syntax(format!("a hint is not closed: '{}'", text.trim())));
        };
        for assignment in inside.split(',') {
            let Some((name, value)) = assignment.split_once('=') else {
                return Err(Error::Syntax(format!(
                    "SET_VAR takes 'name = value', not '{assignment}'"
                )));
            };
            all.push((name.trim().to_lowercase(), constant(value.trim())));
        }
        rest = left;
    }
    Ok(all)
}

fn constant(text: &str) -> ScalarValue {
    match text.parse::<i64>() {
        Ok(number) => ScalarValue::Int64(Some(number)),
        Err(_) => ScalarValue::Utf8(Some(text.trim_matches(['\'', '"']).to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    fn hinted(sql: &str) -> Result<Option<Session>> {
        let Statement::Query(query) = parse(sql).unwrap().remove(0) else { panic!("{sql}") };
        session(&Session::new(1, "root".into(), "h".into()), &query)
    }

    #[test]
    fn variables_are_set_for_one_statement() {
        let set = hinted("SELECT /*+ SET_VAR(query_timeout = 7) SET_VAR(sql_mode='ANSI') */ 1");
        let set = set.unwrap().unwrap();
        assert_eq!(set.variables.int("query_timeout"), 7);
        assert_eq!(set.variables.text("sql_mode"), "ANSI");
    }

    #[test]
    fn other_hints_are_passed_over_and_wrong_ones_told() {
        assert!(hinted("SELECT /*+ NO_INDEX(t) */ 1").unwrap().is_none());
        assert!(hinted("SELECT /* SET_VAR(query_timeout = 7) */ 1").unwrap().is_none());
        assert!(hinted("SELECT 1 /*+ SET_VAR(query_timeout = 7) */").unwrap().is_none());
        let unknown = hinted("SELECT /*+ SET_VAR(nothing = 7) */ 1").map(|_| ());
        assert_eq!(unknown, Err(Error::UnknownVariable("nothing".into())));
        let open = hinted("SELECT /*+ SET_VAR(query_timeout = 7 */ 1").map(|_| ());
        assert!(matches!(open, Err(Error::Syntax(_))), "{open:?}");
    }
}
