//! `SHOW …` and `DESC …`: what is asked for.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::parse::{ended, expression};
use super::statement::{Like, Show, Statement};
use super::tokens::Cursor;
use crate::{Error, Result};

/// A list that is the same for everyone: of `information_schema`, or empty because this server has no such objects.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerList {
    /// The words after `SHOW`.
    words: &'static [&'static str],
    /// The columns; `:i` marks whole numbers.
    pub columns: &'static [&'static str],
    /// The table of `information_schema` that has the rows, and which of its columns.
    pub rows: Option<(&'static str, &'static [usize])>,
}

const fn list(
    words: &'static [&'static str],
    columns: &'static [&'static str],
    rows: Option<(&'static str, &'static [usize])>,
) -> ServerList {
    ServerList { words, columns, rows }
}

const ENGINES: &[&str] = &["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"];
const ALL_SIX: &[usize] = &[0, 1, 2, 3, 4, 5];
const CHARSETS: &[&str] = &["Charset", "Description", "Default collation", "Maxlen:i"];
const ROUTINES: &[&str] = &[
    "Db",
    "Name",
    "Type",
    "Definer",
    "Modified",
    "Created",
    "Security_type",
    "Comment",
    "character_set_client",
    "collation_connection",
    "Database Collation",
];
const LOG_STATUS: &[&str] =
    &["File", "Position:i", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"];
const ALTERATIONS: &[&str] = &[
    "JobId",
    "TableName",
    "CreateTime",
    "FinishTime",
    "IndexName",
    "IndexId",
    "OriginIndexId",
    "SchemaVersion",
    "TransactionId",
    "State",
    "Msg",
    "Progress",
    "Timeout",
];

/// Column names as MySQL 8.0 and StarRocks give them.
const LISTS: &[ServerList] = &[
    list(&["ENGINES"], ENGINES, Some(("engines", ALL_SIX))),
    list(&["STORAGE", "ENGINES"], ENGINES, Some(("engines", ALL_SIX))),
    list(&["CHARSET"], CHARSETS, Some(("character_sets", &[0, 2, 1, 3]))),
    list(&["CHARACTER", "SET"], CHARSETS, Some(("character_sets", &[0, 2, 1, 3]))),
    list(
        &["COLLATION"],
        &["Collation", "Charset", "Id:i", "Default", "Compiled", "Sortlen:i", "Pad_attribute"],
        Some(("collations", &[0, 1, 2, 3, 4, 5, 6])),
    ),
    list(&["PLUGINS"], &["Name", "Status", "Type", "Library", "License"], None),
    list(&["PRIVILEGES"], &["Privilege", "Context", "Comment"], None),
    list(&["FUNCTION", "STATUS"], ROUTINES, None),
    list(&["PROCEDURE", "STATUS"], ROUTINES, None),
    list(
        &["TRIGGERS"],
        &[
            "Trigger",
            "Event",
            "Table",
            "Statement",
            "Timing",
            "Created",
            "sql_mode",
            "Definer",
            "character_set_client",
            "collation_connection",
            "Database Collation",
        ],
        None,
    ),
    list(
        &["EVENTS"],
        &[
            "Db",
            "Name",
            "Definer",
            "Time zone",
            "Type",
            "Execute at",
            "Interval value",
            "Interval field",
            "Starts",
            "Ends",
            "Status",
            "Originator:i",
            "character_set_client",
            "collation_connection",
            "Database Collation",
        ],
        None,
    ),
    list(&["OPEN", "TABLES"], &["Database", "Table", "In_use:i", "Name_locked:i"], None),
    list(&["MASTER", "STATUS"], LOG_STATUS, None),
    list(&["BINARY", "LOG", "STATUS"], LOG_STATUS, None),
    list(&["BINARY", "LOGS"], &["Log_name", "File_size:i", "Encrypted"], None),
    list(&["SLAVE", "STATUS"], &["Slave_IO_State", "Master_Host"], None),
    list(&["REPLICA", "STATUS"], &["Replica_IO_State", "Source_Host"], None),
    list(&["PROFILES"], &["Query_ID:i", "Duration", "Query"], None),
    list(&["MATERIALIZED", "VIEWS"], &["id", "database_name", "name", "text"], None),
    list(&["ALTER", "TABLE", "COLUMN"], ALTERATIONS, None),
    list(&["ALTER", "TABLE", "OPTIMIZE"], ALTERATIONS, None),
];

/// Reads what follows `SHOW`.
pub fn parse(c: &mut Cursor<'_>) -> Result<Statement> {
    let asked = c.unexpected("something that can be shown");
    let full = c.take(&["FULL"]);
    let global = !full && c.take(&["GLOBAL"]);
    let _ = !full && !global && (c.take(&["SESSION"]) || c.take(&["LOCAL"]));
    let subject = match subject(c, full, global)? {
        Some(subject) => subject,
        None => return Err(asked),
    };
    limited(c, subject)
}

/// Reads what follows `ADMIN SHOW FRONTEND CONFIG`.
pub fn frontend_config(c: &mut Cursor<'_>) -> Result<Statement> {
    let show = Show::FrontendConfig(like(c)?);
    limited(c, show)
}

/// A `WHERE` over the columns of the answer may follow.
fn limited(c: &mut Cursor<'_>, subject: Show) -> Result<Statement> {
    if c.take(&["WHERE"]) {
        let condition = Box::new(expression(c.rest())?);
        return Ok(Statement::Show(Show::Where(Box::new(subject), condition)));
    }
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

/// The subject, or `None` where nothing is recognised.
fn subject(c: &mut Cursor<'_>, full: bool, global: bool) -> Result<Option<Show>> {
    if let Some(list) = LISTS.iter().find(|list| c.take(list.words)) {
        from(c, 2)?;
        return Ok(Some(Show::Server(list, like(c)?)));
    }
    Ok(Some(if c.take(&["CREATE"]) {
        return create(c);
    } else if c.take(&["CATALOGS"]) {
        Show::Catalogs(like(c)?)
    } else if c.take(&["DATABASES"]) || c.take(&["SCHEMAS"]) {
        Show::Databases(from(c, 1)?, like(c)?)
    } else if c.take(&["TABLES"]) {
        Show::Tables { from: from(c, 2)?, full, like: like(c)? }
    } else if c.take(&["TABLE", "STATUS"]) {
        Show::TableStatus(from(c, 2)?, like(c)?)
    } else if c.take(&["COLUMNS"]) || c.take(&["FIELDS"]) {
        let table = table(c)?;
        Show::Columns { table, full, like: like(c)? }
    } else if ["INDEX", "INDEXES", "KEYS"].iter().any(|word| c.take(&[word])) {
        Show::Index(table(c)?)
    } else if c.take(&["VARIABLES"]) {
        Show::Variables { global, like: like(c)? }
    } else if c.take(&["STATUS"]) {
        Show::Status(like(c)?)
    } else if c.take(&["PROCESSLIST"]) {
        Show::ProcessList { full }
    } else if c.take(&["BACKENDS"]) || c.take(&["COMPUTE", "NODES"]) {
        Show::Backends
    } else if c.take(&["FRONTENDS"]) {
        Show::Frontends
    } else if c.take(&["READ", "POINTS"]) {
        Show::ReadPoints
    } else if c.take(&["GRANTS"]) {
        grants(c)?
    } else {
        return diagnostics(c);
    }))
}

fn create(c: &mut Cursor<'_>) -> Result<Option<Show>> {
    Ok(Some(if c.take(&["TABLE"]) {
        Show::CreateTable(c.names(3)?)
    } else if c.take(&["CATALOG"]) {
        Show::CreateCatalog(c.name()?)
    } else if c.take(&["DATABASE"]) || c.take(&["SCHEMA"]) {
        c.take(&["IF", "NOT", "EXISTS"]);
        Show::CreateDatabase(c.names(2)?)
    } else if c.take(&["VIEW"]) {
        Show::CreateView(c.names(3)?)
    } else {
        return Ok(None);
    }))
}

/// `[COUNT(*)] WARNINGS | ERRORS [LIMIT …]`.
fn diagnostics(c: &mut Cursor<'_>) -> Result<Option<Show>> {
    let count = c.take(&["COUNT"]);
    if count {
        for token in [Token::LParen, Token::Mul, Token::RParen] {
            c.expect_token(&token)?;
        }
    }
    let errors_only = c.take(&["ERRORS"]);
    if !errors_only && !c.take(&["WARNINGS"]) {
        return Ok(None);
    }
    if c.take(&["LIMIT"]) {
        return Err(Error::Unsupported("SHOW WARNINGS with LIMIT is not supported".into()));
    }
    Ok(Some(Show::Warnings { errors_only, count }))
}

/// `GRANTS [FOR CURRENT_USER[()] | FOR root]`: there is one account.
fn grants(c: &mut Cursor<'_>) -> Result<Show> {
    if c.take(&["FOR"]) {
        match c.rest() {
            [one] if super::tokens::is_word(&one.token, "CURRENT_USER") => {
                c.take(&["CURRENT_USER"])
            }
            [one, ..] if super::tokens::is_word(&one.token, "CURRENT_USER") => {
                c.take(&["CURRENT_USER"]);
                c.expect_token(&Token::LParen)?;
                c.take_token(&Token::RParen)
            }
            _ => {
                let user = c.name().or_else(|_| c.string())?;
                if user != "root" {
                    return Err(Error::Unsupported(format!("there is no user '{user}'")));
                }
                while c.next_token().is_some() {}
                true
            }
        };
    }
    Ok(Show::Grants)
}

/// `FROM [[catalog.]database.]table [FROM [catalog.]database]`.
fn table(c: &mut Cursor<'_>) -> Result<Vec<String>> {
    let table = from(c, 3)?;
    if table.is_empty() {
        return Err(c.unexpected("FROM table"));
    }
    let mut name = from(c, 2)?;
    if !name.is_empty() && table.len() > 1 {
        return Err(Error::Syntax("the database is given twice".into()));
    }
    name.extend(table);
    Ok(name)
}

fn from(c: &mut Cursor<'_>, parts: usize) -> Result<Vec<String>> {
    if c.take(&["FROM"]) || c.take(&["IN"]) { c.names(parts) } else { Ok(vec![]) }
}

fn like(c: &mut Cursor<'_>) -> Result<Like> {
    Ok(Like(if c.take(&["LIKE"]) { Some(c.string()?) } else { None }))
}
