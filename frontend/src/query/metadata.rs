//! Answers to `SHOW` and `DESC` about catalogs, databases and tables; [`server`] has the rest.

mod server;

use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;
use union_read::catalog::Catalog;
use union_read::columns::{COMMENT, DECLARED};

use super::statement::{Like, Show};
use super::{Answer, create_table as create_table_of, names, views};
use crate::catalog::{DEFAULT_CATALOG, ViewName, create_statement};
use crate::information_schema::charset::{CHARSET, COLLATION};
use crate::information_schema::definition::{self, Cell, Row};
use crate::information_schema::objects::{Described, Listed};
use crate::information_schema::wanted::{Names, Wanted};
use crate::information_schema::{InformationSchema, described, is_name, objects};
use crate::session::Session;
use crate::{Error, Frontend, Result};

/// Answers one `SHOW`.
pub async fn show(frontend: &Frontend, session: &Session, show: Show) -> Result<Answer> {
    match show {
        Show::Where(show, condition) => {
            let answer = Box::pin(self::show(frontend, session, *show)).await?;
            filtered(frontend, session, answer, &condition).await
        }
        Show::Catalogs(like) => catalogs(frontend, &like),
        Show::Databases(from, like) => databases(frontend, session, from, &like).await,
        Show::Tables { from, full, like } => tables(frontend, session, from, full, &like).await,
        Show::TableStatus(from, like) => table_status(frontend, session, from, &like).await,
        Show::Columns { table, full, like } => {
            columns(frontend, session, &table, full, &like).await
        }
        Show::Index(table) => index(frontend, session, &table).await,
        Show::CreateTable(table) => create_table(frontend, session, &table).await,
        Show::CreateView(name) => create_view(described_table(frontend, session, &name).await?),
        Show::CreateDatabase(name) => create_database(frontend, session, name).await,
        Show::CreateCatalog(name) => create_catalog(frontend, &name),
        other => server::show(frontend, session, other),
    }
}

/// A result; `:i` at the end of a name marks whole numbers.
fn listing(names: &[&str], rows: Vec<Row>) -> Answer {
    let (mut fields, mut columns) = (vec![], vec![]);
    for (i, name) in names.iter().enumerate() {
        let column = definition::column(&rows, i, name.ends_with(":i"));
        fields.push(Field::new(name.trim_end_matches(":i"), column.data_type().clone(), true));
        columns.push(column);
    }
    let schema = Arc::new(Schema::new(fields));
    Answer::rows(schema.clone(), RecordBatch::try_new(schema, columns).map_err(Error::internal))
}

/// The rows of an answer for which a condition over its columns is true.
async fn filtered(
    frontend: &Frontend,
    session: &Session,
    answer: Answer,
    condition: &ast::Expr,
) -> Result<Answer> {
    let Answer::Rows(rows) = answer else { return Ok(answer) };
    let batches: Vec<RecordBatch> = rows.batches.try_collect().await?;
    let batch = concat_batches(&rows.schema, &batches).map_err(Error::internal)?;
    let kept = frontend.planner().condition(session, &batch, condition)?;
    let batch = filter_record_batch(&batch, &kept).map_err(Error::internal);
    Ok(Answer::rows(rows.schema, batch))
}

fn catalogs(frontend: &Frontend, like: &Like) -> Result<Answer> {
    let all = frontend.catalogs().list()?;
    let rows = all.into_iter().filter(|(name, ..)| like.matches(name));
    let row = |(name, kind, comment): (String, String, Option<String>)| -> Row {
        vec![name.into(), kind.into(), comment.into()]
    };
    Ok(listing(&["Catalog", "Type", "Comment"], rows.map(row).collect()))
}

fn information(frontend: &Frontend, session: &Session, catalog: &str) -> InformationSchema {
    InformationSchema::new(frontend.sources(), Arc::new(session.clone()), catalog.to_string())
}

fn tables_of(frontend: &Frontend, name: &str, database: &str) -> Result<Catalog> {
    objects::catalog(&frontend.sources(), name)?.ok_or_else(|| unknown_database(database))
}

fn unknown_database(database: &str) -> Error {
    Error::UnknownDatabase(format!("Unknown database '{database}'"))
}

/// Whether a catalog has a database, `information_schema` among them.
pub async fn has_database(frontend: &Frontend, catalog: &str, database: &str) -> Result<bool> {
    if is_name(database) {
        return frontend.catalogs().exists(catalog);
    }
    match objects::catalog(&frontend.sources(), catalog)? {
        Some(catalog) => Ok(catalog.databases().await?.iter().any(|name| name == database)),
        None => Ok(false),
    }
}

async fn databases(
    frontend: &Frontend,
    session: &Session,
    from: Vec<String>,
    like: &Like,
) -> Result<Answer> {
    let catalog = from.first().unwrap_or(&session.catalog);
    if !frontend.catalogs().exists(catalog)? {
        return Err(Error::UnknownDatabase(format!("Unknown catalog '{catalog}'")));
    }
    let all = information(frontend, session, catalog).databases(&Names::default()).await?;
    let shown = all.into_iter().map(|database| database.shown);
    let rows = shown.filter(|name| like.matches(name)).map(|name| vec![name.into()]);
    Ok(listing(&["Database"], rows.collect()))
}

/// The catalog and the database that `FROM [catalog.]database` names, or the session's.
fn place(session: &Session, from: Vec<String>) -> Result<(String, String)> {
    let from = match &from[..] {
        [one] => match one.split_once('.') {
            Some((catalog, database)) => vec![catalog.to_string(), database.to_string()],
            None => from,
        },
        _ => from,
    };
    match &from[..] {
        [] => Ok((session.catalog.clone(), session.database.clone().ok_or(Error::NoDatabase)?)),
        [database] => Ok((session.catalog.clone(), database.clone())),
        [catalog, database, ..] => Ok((catalog.clone(), database.clone())),
    }
}

async fn tables(
    frontend: &Frontend,
    session: &Session,
    from: Vec<String>,
    full: bool,
    like: &Like,
) -> Result<Answer> {
    let (catalog, database) = place(session, from)?;
    let (all, kind) = if is_name(&database) {
        let names = definition::DEFINITIONS.iter().map(|table| table.name.to_uppercase());
        (objects::listed(names.collect(), vec![]), "SYSTEM VIEW")
    } else {
        let tables = tables_of(frontend, &catalog, &database)?.tables(&database).await?;
        let views = frontend.catalogs().view_names(&catalog, &database)?;
        (objects::listed(tables, views), described::BASE_TABLE)
    };
    let label = format!("Tables_in_{database}");
    let labels: &[&str] = if full { &[&label, "Table_type"] } else { &[&label] };
    let row = |table: Listed| -> Row {
        let kind = if table.is_view { described::VIEW } else { kind };
        let mut row = vec![table.name.into(), kind.into()];
        row.truncate(labels.len());
        row
    };
    let all = all.into_iter().filter(|table| like.matches(&table.name));
    Ok(listing(labels, all.map(row).collect()))
}

async fn table_status(
    frontend: &Frontend,
    session: &Session,
    from: Vec<String>,
    like: &Like,
) -> Result<Answer> {
    let (catalog, database) = place(session, from)?;
    if !has_database(frontend, &catalog, &database).await? {
        return Err(unknown_database(&database));
    }
    let wanted = Wanted { databases: Names::only(&database), tables: Names::default() };
    let tables = information(frontend, session, &catalog).tables(&wanted).await?;
    let tables = tables.into_iter().filter(|(_, table)| like.matches(&table.name));
    // from the name on as in information_schema.tables, without the type
    let row = |(database, table): (objects::Database, Listed)| {
        let mut row = described::table(&database, &table).split_off(2);
        row.remove(1);
        row
    };
    let labels = [
        "Name",
        "Engine",
        "Version:i",
        "Row_format",
        "Rows:i",
        "Avg_row_length:i",
        "Data_length:i",
        "Max_data_length:i",
        "Index_length:i",
        "Data_free:i",
        "Auto_increment:i",
        "Create_time",
        "Update_time",
        "Check_time",
        "Collation",
        "Checksum:i",
        "Create_options",
        "Comment",
    ];
    Ok(listing(&labels, tables.map(row).collect()))
}

async fn columns(
    frontend: &Frontend,
    session: &Session,
    name: &[String],
    full: bool,
    like: &Like,
) -> Result<Answer> {
    let table = described_table(frontend, session, name).await?;
    let columns = table.description.columns;
    let mut rows = vec![];
    for (position, field) in columns.schema.fields().iter().enumerate() {
        if !like.matches(field.name()) {
            continue;
        }
        let declared = Cell::from(field.metadata().get(DECLARED).cloned());
        let null = Cell::from(if field.is_nullable() { "YES" } else { "NO" });
        let key = Cell::from(if columns.keys.contains(&position) { "PRI" } else { "" });
        let name = Cell::from(field.name().as_str());
        rows.push(if full {
            let collation = field.data_type().is_string().then_some("utf8mb4_bin").into();
            let comment = field.metadata().get(COMMENT).cloned().unwrap_or_default().into();
            let (extra, privileges) = ("".into(), "select".into());
            vec![name, declared, collation, null, key, Cell::Null, extra, privileges, comment]
        } else {
            vec![name, declared, null, key, Cell::Null, "".into()]
        });
    }
    let names: &[&str] = if full {
        &["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"]
    } else {
        &["Field", "Type", "Null", "Key", "Default", "Extra"]
    };
    Ok(listing(names, rows))
}

/// A table or view by its name in a statement, one of `information_schema` too.
pub async fn described_table(
    frontend: &Frontend,
    session: &Session,
    name: &[String],
) -> Result<Described> {
    let (catalog, database, name) = session.resolve(&names::completed(name.to_vec()))?;
    if is_name(&database) {
        let description = definition::description(&name)?;
        return Ok(Described { database, name, description, view: None });
    }
    let at = ViewName { catalog, database, name };
    if let Some(view) = frontend.catalogs().view(&at)? {
        return Ok(Described::of_view(at.database, view));
    }
    let ViewName { catalog, database, name } = at;
    let catalog = tables_of(frontend, &catalog, &database)?;
    let (name, description) = catalog.describe(&database, &name).await?;
    Ok(Described { database, name, description, view: None })
}

async fn index(frontend: &Frontend, session: &Session, name: &[String]) -> Result<Answer> {
    let table = described_table(frontend, session, name).await?;
    // as in information_schema.statistics, without the names of catalog and databases
    let row = |mut row: Row| {
        row.drain(..2);
        row.remove(2);
        row
    };
    let labels = [
        "Table",
        "Non_unique:i",
        "Key_name",
        "Seq_in_index:i",
        "Column_name",
        "Collation",
        "Cardinality:i",
        "Sub_part:i",
        "Packed",
        "Null",
        "Index_type",
        "Comment",
        "Index_comment",
        "Visible",
        "Expression",
    ];
    Ok(listing(&labels, described::statistics(&table).into_iter().map(row).collect()))
}

async fn create_table(frontend: &Frontend, session: &Session, name: &[String]) -> Result<Answer> {
    let table = described_table(frontend, session, name).await?;
    if table.view.is_some() {
        return create_view(table);
    }
    let statement = create_table_of::statement(&table.name, &table.description);
    let asked = name.last().cloned();
    Ok(listing(&["Table", "Create Table"], vec![vec![asked.into(), statement.into()]]))
}

fn create_view(table: Described) -> Result<Answer> {
    let Some(view) = table.view else {
        return Err(Error::NoView(format!("'{}.{}' is not VIEW", table.database, table.name)));
    };
    let statement = views::statement(&view);
    let row = vec![view.name.name.into(), statement.into(), CHARSET.into(), COLLATION.into()];
    let labels = ["View", "Create View", "character_set_client", "collation_connection"];
    Ok(listing(&labels, vec![row]))
}

async fn create_database(
    frontend: &Frontend,
    session: &Session,
    from: Vec<String>,
) -> Result<Answer> {
    let (catalog, database) = place(session, from)?;
    if !has_database(frontend, &catalog, &database).await? {
        return Err(unknown_database(&database));
    }
    let statement = format!("CREATE DATABASE `{}`", database.replace('`', "``"));
    Ok(listing(&["Database", "Create Database"], vec![vec![database.into(), statement.into()]]))
}

fn create_catalog(frontend: &Frontend, name: &str) -> Result<Answer> {
    let statement = if name == DEFAULT_CATALOG {
        return Err(Error::Unsupported(format!("'{name}' was not created by a statement")));
    } else {
        create_statement(&frontend.catalogs().definition(name)?)
    };
    Ok(listing(&["Catalog", "Create Catalog"], vec![vec![name.into(), statement.into()]]))
}
