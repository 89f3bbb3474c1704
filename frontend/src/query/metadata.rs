//! Answers to `SHOW` and `DESC`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use union_read::catalog::{Catalog, Points};
use union_read::columns::{COMMENT, DECLARED};

use super::statement::{Like, Show};
use super::{Answer, create_table as create_table_of};
use crate::catalog::{DEFAULT_CATALOG, create_statement};
use crate::read_points as read_points_of;
use crate::session::Session;
use crate::{Error, Frontend, Result};

/// Characters of a statement that `SHOW PROCESSLIST` without `FULL` prints.
const INFO_CHARS: usize = 100;

/// Answers one `SHOW`.
pub async fn show(frontend: &Frontend, session: &Session, show: Show) -> Result<Answer> {
    match show {
        Show::Catalogs(like) => catalogs(frontend, &like),
        Show::Databases(from, like) => databases(frontend, session, from, &like).await,
        Show::Tables { from, full, like } => tables(frontend, session, from, full, &like).await,
        Show::Columns { table, full, like } => {
            columns(frontend, session, &table, full, &like).await
        }
        Show::CreateTable(table) => create_table(frontend, session, &table).await,
        Show::CreateCatalog(name) => create_catalog(frontend, &name),
        Show::Variables(like) => Ok(variables(session, &like)),
        Show::Status => Ok(table(&["Variable_name", "Value"], vec![])),
        Show::Warnings => Ok(table(&["Level", "Code", "Message"], vec![])),
        Show::ProcessList { full } => Ok(process_list(frontend, full)),
        Show::Backends => Ok(backends(frontend)),
        Show::ReadPoints => read_points(session),
    }
}

/// A result of texts; a missing one is NULL.
fn table(names: &[&str], rows: Vec<Vec<Option<String>>>) -> Answer {
    let fields = names.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let column = |i: usize| {
        let values = rows.iter().map(|row| row.get(i).cloned().flatten());
        Arc::new(values.collect::<StringArray>()) as ArrayRef
    };
    let columns = (0..names.len()).map(column).collect();
    Answer::rows(schema.clone(), RecordBatch::try_new(schema, columns).map_err(Error::internal))
}

fn text(value: impl Into<String>) -> Option<String> {
    Some(value.into())
}

fn catalogs(frontend: &Frontend, like: &Like) -> Result<Answer> {
    let all = frontend.catalogs().list()?;
    let rows = all.into_iter().filter(|(name, ..)| like.matches(name));
    let rows = rows.map(|(name, kind, comment)| vec![Some(name), Some(kind), comment]).collect();
    Ok(table(&["Catalog", "Type", "Comment"], rows))
}

/// The catalog of that name; `None` for the default one.
fn catalog(frontend: &Frontend, name: &str) -> Result<Option<Catalog>> {
    let origin = frontend.catalogs().origin(name)?;
    let connections = Arc::clone(frontend.catalogs().connections());
    Ok(origin.map(|origin| Catalog::new(origin, connections, &Points::default())))
}

fn tables_of(frontend: &Frontend, name: &str, database: &str) -> Result<Catalog> {
    let unknown = || Error::UnknownDatabase(format!("Unknown database '{database}'"));
    catalog(frontend, name)?.ok_or_else(unknown)
}

/// The databases of a catalog.
pub async fn database_names(frontend: &Frontend, name: &str) -> Result<Vec<String>> {
    match catalog(frontend, name)? {
        Some(catalog) => Ok(catalog.databases().await?),
        None => Ok(vec![]),
    }
}

async fn databases(
    frontend: &Frontend,
    session: &Session,
    from: Vec<String>,
    like: &Like,
) -> Result<Answer> {
    let catalog = from.first().unwrap_or(&session.catalog);
    let names = database_names(frontend, catalog).await?;
    let rows = names.into_iter().filter(|name| like.matches(name)).map(|name| vec![Some(name)]);
    Ok(table(&["Database"], rows.collect()))
}

async fn tables(
    frontend: &Frontend,
    session: &Session,
    from: Vec<String>,
    full: bool,
    like: &Like,
) -> Result<Answer> {
    let (catalog, database) = match &from[..] {
        [] => (session.catalog.clone(), session.database.clone().ok_or(Error::NoDatabase)?),
        [database] => (session.catalog.clone(), database.clone()),
        [catalog, database, ..] => (catalog.clone(), database.clone()),
    };
    let names = tables_of(frontend, &catalog, &database)?.tables(&database).await?;
    let names = names.into_iter().filter(|name| like.matches(name));
    let label = format!("Tables_in_{database}");
    if full {
        let rows = names.map(|name| vec![Some(name), text("BASE TABLE")]).collect();
        return Ok(table(&[&label, "Table_type"], rows));
    }
    Ok(table(&[&label], names.map(|name| vec![Some(name)]).collect()))
}

async fn columns(
    frontend: &Frontend,
    session: &Session,
    name: &[String],
    full: bool,
    like: &Like,
) -> Result<Answer> {
    let (catalog, database, name) = session.resolve(name)?;
    let (_, described) =
        tables_of(frontend, &catalog, &database)?.describe(&database, &name).await?;
    let columns = described.columns;
    let mut rows = vec![];
    for (position, field) in columns.schema.fields().iter().enumerate() {
        if !like.matches(field.name()) {
            continue;
        }
        let declared = field.metadata().get(DECLARED).cloned();
        let null = text(if field.is_nullable() { "YES" } else { "NO" });
        let key = text(if columns.keys.contains(&position) { "PRI" } else { "" });
        let name = text(field.name());
        rows.push(if full {
            let collation = field.data_type().is_string().then(|| "utf8mb4_bin".to_string());
            let comment = field.metadata().get(COMMENT).cloned().or(text(""));
            vec![name, declared, collation, null, key, None, text(""), text("select"), comment]
        } else {
            vec![name, declared, null, key, None, text("")]
        });
    }
    let names: &[&str] = if full {
        &["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"]
    } else {
        &["Field", "Type", "Null", "Key", "Default", "Extra"]
    };
    Ok(table(names, rows))
}

async fn create_table(frontend: &Frontend, session: &Session, name: &[String]) -> Result<Answer> {
    let (catalog, database, name) = session.resolve(name)?;
    let (base, described) =
        tables_of(frontend, &catalog, &database)?.describe(&database, &name).await?;
    let statement = create_table_of::statement(&base, &described);
    Ok(table(&["Table", "Create Table"], vec![vec![text(name), text(statement)]]))
}

fn create_catalog(frontend: &Frontend, name: &str) -> Result<Answer> {
    let statement = if name == DEFAULT_CATALOG {
        return Err(Error::Unsupported(format!("'{name}' was not created by a statement")));
    } else {
        create_statement(&frontend.catalogs().definition(name)?)
    };
    Ok(table(&["Catalog", "Create Catalog"], vec![vec![text(name), text(statement)]]))
}

fn variables(session: &Session, like: &Like) -> Answer {
    let all = session.variables.all().into_iter().filter(|(name, _)| like.matches(name));
    let rows = all.map(|(name, value)| vec![text(name), text(shown(name, value))]);
    table(&["Variable_name", "Value"], rows.collect())
}

/// SHOW VARIABLES prints switches as words where `@@name` gives numbers.
fn shown(name: &str, value: String) -> String {
    match (name, value.as_str()) {
        ("autocommit" | "foreign_key_checks" | "unique_checks" | "read_only", "1") => "ON".into(),
        ("autocommit" | "foreign_key_checks" | "unique_checks" | "read_only", "0") => "OFF".into(),
        _ => value,
    }
}

fn process_list(frontend: &Frontend, full: bool) -> Answer {
    let names = ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"];
    let all = frontend.processes().all();
    let ids: Int64Array = all.iter().map(|p| Some(i64::from(p.id))).collect();
    let times: Int64Array =
        all.iter().map(|p| Some(i64::try_from(p.seconds()).unwrap_or(i64::MAX))).collect();
    let info = |sql: &str| {
        if full { sql.to_string() } else { sql.chars().take(INFO_CHARS).collect() }
    };
    let texts = |f: &dyn Fn(&crate::session::process_list::Process) -> Option<String>| {
        Arc::new(all.iter().map(f).collect::<StringArray>()) as ArrayRef
    };
    let running = |p: &crate::session::process_list::Process| p.statement.is_some();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids),
        texts(&|p| text(&p.user)),
        texts(&|p| text(&p.host)),
        texts(&|p| p.database.clone()),
        texts(&|p| text(if running(p) { "Query" } else { "Sleep" })),
        Arc::new(times),
        texts(&|p| Some(p.state())),
        texts(&|p| p.statement.as_ref().map(|(sql, _)| info(sql))),
    ];
    let fields =
        names.iter().zip(&columns).map(|(n, c)| Field::new(*n, c.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Answer::rows(schema.clone(), RecordBatch::try_new(schema, columns).map_err(Error::internal))
}

fn read_points(session: &Session) -> Result<Answer> {
    let kept = session.read_points.as_deref().ok_or_else(|| {
        Error::Unsupported(
            "no read points were kept: SET keep_read_points = 1 before the query".into(),
        )
    })?;
    let points = kept.as_ref().map_err(Clone::clone)?;
    Ok(table(&read_points_of::LABELS, points.iter().map(read_points_of::row).collect()))
}

fn backends(frontend: &Frontend) -> Answer {
    let states = frontend.backends().states();
    let rows = states.into_iter().map(|state| {
        let alive = text(if state.error.is_none() { "true" } else { "false" });
        vec![text(state.address), alive, text(state.version), text(state.error.unwrap_or_default())]
    });
    table(&["Backend", "Alive", "Version", "ErrMsg"], rows.collect())
}
