//! Views: created, dropped, shown. How they are read in a query: [`super::resolve`].
//!
//! * [`parse`]: what is asked for

pub mod parse;

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use tokio_util::sync::CancellationToken;
use union_read::columns::{COMMENT, DECLARED};

use super::dispatch::time_allowed;
use super::metadata::has_database;
use super::names;
use super::statement::{CreateView, Existing};
use crate::catalog::{IN_QUERY, View, ViewName};
use crate::information_schema::described::column_type;
use crate::information_schema::{is_name, objects};
use crate::session::Session;
use crate::{Error, Frontend, Result};

/// Characters of a view's name, as MySQL has it for all names.
const NAME_CHARS_MAX: usize = 64;

/// `CREATE VIEW` and its like: the query is planned, so that what cannot be answered now is refused, and its columns are kept.
pub async fn create(
    frontend: &Frontend,
    session: &Session,
    create: CreateView,
    stop: &CancellationToken,
) -> Result<()> {
    let within = time_allowed(session);
    tokio::select! {
        () = stop.cancelled() => Err(Error::Cancelled),
        created = tokio::time::timeout(within, keep(frontend, session, create)) => {
            created.unwrap_or(Err(Error::TimedOut))
        }
    }
}

async fn keep(frontend: &Frontend, session: &Session, create: CreateView) -> Result<()> {
    let limits = &frontend.planner().sources().views;
    let name = name(session, &create.name)?;
    check_name(&name.name)?;
    if create.text.len() > limits.text_bytes_max {
        return Err(Error::TooLarge(format!(
            "the text of view '{name}' has {} bytes where {} are allowed (frontend.view_text_bytes_max)",
            create.text.len(),
            limits.text_bytes_max
        )));
    }
    let there = frontend.catalogs().view(&name)?;
    match (create.existing, &there) {
        (Existing::Kept, Some(_)) => return Ok(()),
        (Existing::Refused, Some(view)) => return Err(Error::TableExists(view.name.name.clone())),
        (Existing::Altered, None) => return Err(unknown(&name)),
        _ => check_place(frontend, &name).await?,
    }
    let mut view = View {
        name,
        text: create.text,
        columns: Arc::new(Schema::empty()),
        comment: create.comment,
        from_catalog: session.catalog.clone(),
        from_database: session.database.clone(),
        sql_mode: session.variables.text("sql_mode"),
    };
    let planned = frontend.planner().resolver(session).planned(&view).await?;
    view.columns = columns(planned.columns, create.columns)?;
    let replaces = matches!(create.existing, Existing::Replaced | Existing::Altered);
    let kept = frontend.catalogs().keep_view(&view, replaces, limits.views_max)?;
    // another session was faster
    if kept || create.existing == Existing::Kept {
        return Ok(());
    }
    Err(Error::TableExists(view.name.name))
}

/// `DROP VIEW`: all of them, or none where one is not there.
pub fn drop(
    frontend: &Frontend,
    session: &Session,
    names: &[Vec<String>],
    if_exists: bool,
) -> Result<()> {
    let names: Vec<ViewName> =
        names.iter().map(|written| name(session, written)).collect::<Result<_>>()?;
    for name in &names {
        if !if_exists && frontend.catalogs().view(name)?.is_none() {
            return Err(unknown(name));
        }
    }
    for name in &names {
        frontend.catalogs().remove_view(name)?;
    }
    Ok(())
}

/// `CREATE VIEW …` as `SHOW CREATE VIEW` prints it.
pub fn statement(view: &View) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let name = |name: &str| format!("`{}`", name.replace('`', "``"));
    let comment = |comment: Option<&String>| {
        comment.map_or_else(String::new, |comment| format!(" COMMENT {}", quoted(comment)))
    };
    let columns = view.columns.fields().iter();
    let columns: Vec<String> =
        columns.map(|field| name(field.name()) + &comment(field.metadata().get(COMMENT))).collect();
    let place = match &view.from_database {
        Some(database)
            if (&view.from_catalog, database) == (&view.name.catalog, &view.name.database) =>
        {
            String::new()
        }
        Some(database) => format!("/* from {}.{} */ ", name(&view.from_catalog), name(database)),
        None => format!("/* from catalog {} */ ", name(&view.from_catalog)),
    };
    format!(
        "CREATE VIEW {} ({}){} AS {place}{}",
        name(&view.name.name),
        columns.join(", "),
        comment(view.comment.as_ref()),
        view.text
    )
}

fn name(session: &Session, written: &[String]) -> Result<ViewName> {
    let (catalog, database, name) = session.resolve(&names::completed(written.to_vec()))?;
    Ok(ViewName { catalog, database, name })
}

fn unknown(name: &ViewName) -> Error {
    Error::UnknownTable(format!("View '{name}' doesn't exist"))
}

fn check_name(name: &str) -> Result<()> {
    let right = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if right && !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX {
        return Ok(());
    }
    Err(Error::WrongValue(format!(
        "'{name}' is no name for a view: letters, digits, _ and -, {NAME_CHARS_MAX} at the most"
    )))
}

/// A view is in a database that there is, and has no table's name.
async fn check_place(frontend: &Frontend, name: &ViewName) -> Result<()> {
    if is_name(&name.database) {
        return Err(Error::Unsupported(format!("views in {} are not supported", name.database)));
    }
    if !has_database(frontend, &name.catalog, &name.database).await? {
        return Err(Error::UnknownDatabase(format!("Unknown database '{}'", name.database)));
    }
    let Some(catalog) = objects::catalog(&frontend.sources(), &name.catalog)? else {
        return Ok(());
    };
    let tables = catalog.tables(&name.database).await?;
    let of_name = |table: &&String| table.to_lowercase() == name.name.to_lowercase();
    match tables.iter().find(of_name) {
        Some(table) => Err(Error::TableExists(table.clone())),
        None => Ok(()),
    }
}

/// The columns under the names that are given, or their own.
fn columns(planned: Vec<Field>, given: Vec<(String, Option<String>)>) -> Result<SchemaRef> {
    if !given.is_empty() && given.len() != planned.len() {
        return Err(Error::Invalid(format!(
            "the view's list has {} columns and its query {}",
            given.len(),
            planned.len()
        )));
    }
    let mut given = given.into_iter();
    let mut fields: Vec<Field> = vec![];
    for field in planned {
        let (name, comment) = given.next().unwrap_or_else(|| (field.name().clone(), None));
        if fields.iter().any(|field| field.name().to_lowercase() == name.to_lowercase()) {
            return Err(Error::Invalid(format!("Duplicate column name '{name}'")));
        }
        let mut metadata = field.metadata().clone();
        metadata.insert(DECLARED.into(), column_type(&field));
        metadata.insert(IN_QUERY.into(), field.name().clone());
        if let Some(comment) = comment {
            metadata.insert(COMMENT.into(), comment);
        }
        fields.push(field.with_name(name).with_metadata(metadata));
    }
    Ok(Arc::new(Schema::new(fields)))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::DataType;

    use super::*;

    fn planned() -> Vec<Field> {
        vec![Field::new("a", DataType::Int64, false), Field::new("A", DataType::Utf8, true)]
    }

    #[test]
    fn columns_have_names_that_differ() {
        assert!(columns(planned(), vec![]).unwrap_err().to_string().contains("Duplicate"));
        let given = |names: &[&str]| names.iter().map(|name| (name.to_string(), None)).collect();
        assert!(columns(planned(), given(&["x"])).unwrap_err().to_string().contains("1 columns"));
        let named = columns(planned(), given(&["x", "y"])).unwrap();
        assert_eq!(named.field(1).name(), "y");
        assert_eq!(named.field(1).metadata()[DECLARED], "varchar(1048576)");
    }

    #[test]
    fn names() {
        for name in ["v", "Měsíc_1", "a-b", "stg_x__dbt_tmp"] {
            check_name(name).unwrap();
        }
        for name in ["", "a$lake", "a.b", "a b", "a`", "\u{1}", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_view_is_shown_as_the_statement_that_makes_it() {
        let name = ViewName { catalog: "c".into(), database: "d".into(), name: "v".into() };
        let mut view = View {
            name,
            text: "SELECT 1 FROM t".into(),
            columns: columns(
                vec![Field::new("x`", DataType::Int64, false)],
                vec![("x`".into(), Some("it's \"1\"".into()))],
            )
            .unwrap(),
            comment: Some("y".into()),
            from_catalog: "c".into(),
            from_database: Some("d".into()),
            sql_mode: String::new(),
        };
        assert_eq!(
            statement(&view),
            r#"CREATE VIEW `v` (`x``` COMMENT "it's \"1\"") COMMENT "y" AS SELECT 1 FROM t"#
        );
        view.from_database = Some("e".into());
        assert!(statement(&view).ends_with("AS /* from `c`.`e` */ SELECT 1 FROM t"));
    }
}
