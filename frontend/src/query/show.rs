//! `SHOW …` and `DESC …`: what is asked for.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parse::ended;
use super::statement::{Like, Show, Statement};
use super::tokens::Cursor;
use crate::{Error, Result};

/// Reads what follows `SHOW`.
pub fn parse(c: &mut Cursor<'_>) -> Result<Statement> {
    let asked = c.unexpected("something that can be shown");
    if c.take(&["CREATE", "TABLE"]) {
        let table = c.names(3)?;
        return ended(c, Statement::Show(Show::CreateTable(table)));
    }
    if c.take(&["CREATE", "CATALOG"]) {
        let name = c.name()?;
        return ended(c, Statement::Show(Show::CreateCatalog(name)));
    }
    let full = c.take(&["FULL"]);
    let _ = !full && (c.take(&["SESSION"]) || c.take(&["GLOBAL"]));
    let subject = subject(c, full).map_err(|e| e.unwrap_or(asked))?;
    ended(c, Statement::Show(subject))
}

/// Reads what follows `DESC`, `DESCRIBE` or `EXPLAIN` when it is no query: a table, a column
/// pattern.
pub fn describe(c: &mut Cursor<'_>) -> Result<Statement> {
    let table = c.names(3)?;
    let like = match c.peek() {
        None => Like(None),
        Some(Token::Word(_)) => Like(Some(c.name()?)),
        Some(_) => Like(Some(c.string()?)),
    };
    ended(c, Statement::Show(Show::Columns { table, full: false, like }))
}

/// The subject, or `None` as the error where nothing is recognised.
fn subject(c: &mut Cursor<'_>, full: bool) -> Result<Show, Option<Error>> {
    if c.take(&["CATALOGS"]) {
        return Ok(Show::Catalogs(like(c)?));
    }
    if c.take(&["DATABASES"]) || c.take(&["SCHEMAS"]) {
        return Ok(Show::Databases(from(c, 1)?, like(c)?));
    }
    if c.take(&["TABLES"]) {
        return Ok(Show::Tables { from: from(c, 2)?, full, like: like(c)? });
    }
    if c.take(&["COLUMNS"]) || c.take(&["FIELDS"]) {
        return columns(c, full).map_err(Some);
    }
    if c.take(&["VARIABLES"]) {
        return Ok(Show::Variables(like(c)?));
    }
    if c.take(&["STATUS"]) {
        like(c)?;
        return Ok(Show::Status);
    }
    if c.take(&["WARNINGS"]) || c.take(&["ERRORS"]) {
        return Ok(Show::Warnings);
    }
    if c.take(&["PROCESSLIST"]) {
        return Ok(Show::ProcessList { full });
    }
    if c.take(&["BACKENDS"]) || c.take(&["COMPUTE", "NODES"]) {
        return Ok(Show::Backends);
    }
    if c.take(&["READ", "POINTS"]) {
        return Ok(Show::ReadPoints);
    }
    Err(None)
}

/// `FROM [[catalog.]database.]table [FROM [catalog.]database]`.
fn columns(c: &mut Cursor<'_>, full: bool) -> Result<Show> {
    let table = from(c, 3)?;
    if table.is_empty() {
        return Err(c.unexpected("FROM table"));
    }
    let mut name = from(c, 2)?;
    if !name.is_empty() && table.len() > 1 {
        return Err(Error::Syntax("the database is given twice".into()));
    }
    name.extend(table);
    Ok(Show::Columns { table: name, full, like: like(c)? })
}

fn from(c: &mut Cursor<'_>, parts: usize) -> Result<Vec<String>> {
    if c.take(&["FROM"]) || c.take(&["IN"]) { c.names(parts) } else { Ok(vec![]) }
}

fn like(c: &mut Cursor<'_>) -> Result<Like> {
    Ok(Like(if c.take(&["LIKE"]) { Some(c.string()?) } else { None }))
}
