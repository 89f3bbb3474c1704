//! `SET` and `USE`: what changes the session.

use datafusion::scalar::ScalarValue;

use super::metadata::has_database;
use super::statement::{Assignment, SetValue};
use crate::session::Session;
use crate::{Error, Frontend, Result};

/// `SET CATALOG name`.
pub fn set_catalog(frontend: &Frontend, session: &mut Session, name: String) -> Result<()> {
    if !frontend.catalogs().exists(&name)? {
        return Err(Error::UnknownDatabase(format!("Unknown catalog '{name}'")));
    }
    session.catalog = name;
    session.database = None;
    Ok(())
}

/// `USE [catalog.]database`, also the database of a login and of COM_INIT_DB. Drivers quote what they were given as one
/// name, so `catalog.database` is split: no database has a dot in its name.
pub async fn use_database(
    frontend: &Frontend,
    session: &mut Session,
    name: Vec<String>,
) -> Result<()> {
    let (catalog, database) = match &name[..] {
        // StarRocks' USE `catalog name`
        [one] if one.starts_with("catalog ") => {
            let catalog = one.trim_start_matches("catalog ").trim().to_string();
            return set_catalog(frontend, session, catalog);
        }
        [one] => match one.split_once('.') {
            // a login to a catalog alone
            Some((catalog, "")) => return set_catalog(frontend, session, catalog.to_string()),
            Some((catalog, database)) => (catalog.to_string(), database.to_string()),
            None => (session.catalog.clone(), one.clone()),
        },
        [catalog, database] => (catalog.clone(), database.clone()),
        _ => {
            return Err(Error::Syntax("USE takes a database or catalog.database".into()));
        }
    };
    if !has_database(frontend, &catalog, &database).await? {
        return Err(Error::UnknownDatabase(format!("Unknown database '{database}'")));
    }
    session.catalog = catalog;
    session.database = Some(database);
    Ok(())
}

/// `SET …`: all assignments or none.
pub async fn set(
    frontend: &Frontend,
    session: &mut Session,
    assignments: Vec<Assignment>,
) -> Result<()> {
    let mut next = session.clone();
    for assignment in assignments {
        assign(frontend, &mut next, assignment).await?;
    }
    *session = next;
    Ok(())
}

async fn assign(frontend: &Frontend, session: &mut Session, set: Assignment) -> Result<()> {
    match set {
        Assignment::Transaction(sets) => {
            let mut sets = sets.into_iter();
            sets.try_for_each(|(name, value)| {
                session.variables.set(name, Some(ScalarValue::Utf8(Some(value))))
            })
        }
        Assignment::Names { charset, collation } => names(session, &charset, collation),
        Assignment::User { name, value } => {
            let value =
                evaluate(frontend, session, value).await?.unwrap_or(ScalarValue::Utf8(None));
            session.set_user_variable(name, value)
        }
        Assignment::Variable { name, global: true, .. } => Err(Error::Unsupported(format!(
            "SET GLOBAL {name} is not supported: variables belong to a session"
        ))),
        Assignment::Variable { name, value, .. } => {
            let value = evaluate(frontend, session, value).await?;
            session.variables.set(&name, value)
        }
    }
}

/// The value of an assignment; `None` for `DEFAULT`.
async fn evaluate(
    frontend: &Frontend,
    session: &Session,
    value: SetValue,
) -> Result<Option<ScalarValue>> {
    match value {
        SetValue::Default => Ok(None),
        SetValue::Word(word) if word.eq_ignore_ascii_case("null") => Ok(Some(ScalarValue::Null)),
        SetValue::Word(word) => Ok(Some(ScalarValue::Utf8(Some(word)))),
        SetValue::Expression(expr) => frontend.planner().evaluate(session, &expr).await.map(Some),
    }
}

/// `SET NAMES`: results are always UTF-8, of which ASCII and Latin letters in MySQL's `utf8` are a
/// part; another character set is refused rather than answered in bytes it did not ask for.
fn names(session: &mut Session, charset: &str, collation: Option<String>) -> Result<()> {
    if !["utf8mb4", "utf8", "utf8mb3", "default"].contains(&charset) {
        return Err(Error::UnknownCharset(charset.into()));
    }
    let charset = if charset == "default" { "utf8mb4" } else { charset };
    let text = |value: &str| Some(ScalarValue::Utf8(Some(value.to_string())));
    for name in ["character_set_client", "character_set_connection", "character_set_results"] {
        session.variables.set(name, text(charset))?;
    }
    session.variables.set("collation_connection", collation.as_deref().and_then(text))
}
