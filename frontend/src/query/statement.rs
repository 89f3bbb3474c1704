//! Everything that one statement can ask of the server.

use datafusion::sql::sqlparser::ast;

use crate::catalog::CreateCatalog;
pub use crate::like::Like;

/// One parsed statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Rows from tables or from nothing: `SELECT`, `VALUES`, `WITH`, set operations.
    Query(Box<ast::Query>),
    /// `DO expression, …`: evaluated, and the values are not answered.
    Do(Box<ast::Query>),
    /// `EXPLAIN` of a query.
    Explain {
        /// `EXPLAIN ANALYZE`: run the query and show its metrics.
        analyze: bool,
        /// `EXPLAIN VERBOSE`.
        verbose: bool,
        /// What is explained.
        query: Box<ast::Query>,
    },
    /// `CREATE EXTERNAL CATALOG … PROPERTIES (…)`.
    CreateCatalog(CreateCatalog),
    /// `DROP CATALOG [IF EXISTS] name`.
    DropCatalog {
        /// The catalog's name.
        name: String,
        /// No error when there is none.
        if_exists: bool,
    },
    /// `CREATE [OR REPLACE] VIEW`, `ALTER VIEW`.
    CreateView(Box<CreateView>),
    /// `DROP VIEW [IF EXISTS] name, …`.
    DropView {
        /// `[[catalog.]database.]name` of each.
        names: Vec<Vec<String>>,
        /// No error where there is none.
        if_exists: bool,
    },
    /// `SHOW …`, `DESC …`.
    Show(Show),
    /// `SET CATALOG name`.
    SetCatalog(String),
    /// `USE [catalog.]database`.
    Use(Vec<String>),
    /// `SET a = 1, NAMES utf8mb4, …`.
    Set(Vec<Assignment>),
    /// `KILL [CONNECTION | QUERY] id`.
    Kill {
        /// The connection's id.
        connection: u32,
        /// Only its statement, the connection stays.
        statement_only: bool,
    },
    /// `BEGIN` (true), `COMMIT`, `ROLLBACK` (false) …: there is nothing to keep or to undo, and clients send them
    /// around every read.
    Transaction(bool),
    /// `ALTER INSTANCE RELOAD TLS`.
    ReloadTls,
}

/// A view as a statement describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// `[[catalog.]database.]name`.
    pub name: Vec<String>,
    /// What becomes of one that is there.
    pub existing: Existing,
    /// Names and comments of the columns; empty: as the query labels them.
    pub columns: Vec<(String, Option<String>)>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// The query as it is written.
    pub text: String,
    /// The same.
    pub query: Box<ast::Query>,
}

/// What a statement does to a view that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refused,
    /// It stays: `IF NOT EXISTS`.
    Kept,
    /// It is replaced: `OR REPLACE`.
    Replaced,
    /// It is replaced, and must be there: `ALTER VIEW`.
    Altered,
}

/// A subject of `SHOW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// `SHOW CATALOGS`.
    Catalogs(Like),
    /// `SHOW DATABASES [FROM catalog]`.
    Databases(Vec<String>, Like),
    /// `SHOW [FULL] TABLES [FROM [catalog.]database]`.
    Tables {
        /// `[catalog.]database`, empty: the session's.
        from: Vec<String>,
        /// With the type of each table.
        full: bool,
        /// Which tables.
        like: Like,
    },
    /// `SHOW [FULL] COLUMNS FROM table`, `DESC table`.
    Columns {
        /// `[[catalog.]database.]table`.
        table: Vec<String>,
        /// With collation, privileges and comment.
        full: bool,
        /// Which columns.
        like: Like,
    },
    /// `SHOW CREATE TABLE table`.
    CreateTable(Vec<String>),
    /// `SHOW CREATE CATALOG name`.
    CreateCatalog(String),
    /// `SHOW [SESSION | GLOBAL] VARIABLES`.
    Variables {
        /// What sessions begin with.
        global: bool,
        /// Which variables.
        like: Like,
    },
    /// `SHOW [SESSION | GLOBAL] STATUS`.
    Status(Like),
    /// `SHOW WARNINGS`, `SHOW ERRORS`.
    Warnings {
        /// Without warnings.
        errors_only: bool,
        /// `SHOW COUNT(*) …`: how many there were.
        count: bool,
    },
    /// `SHOW INDEX FROM table`.
    Index(Vec<String>),
    /// `SHOW TABLE STATUS [FROM [catalog.]database]`.
    TableStatus(Vec<String>, Like),
    /// `SHOW CREATE DATABASE [catalog.]database`.
    CreateDatabase(Vec<String>),
    /// `SHOW CREATE VIEW name`.
    CreateView(Vec<String>),
    /// `SHOW ENGINES`, `SHOW CHARSET`, `SHOW COLLATION` …: what the server has, whoever asks.
    Server(&'static super::show::ServerList, Like),
    /// `SHOW GRANTS`.
    Grants,
    /// `SHOW FRONTENDS`.
    Frontends,
    /// `ADMIN SHOW FRONTEND CONFIG`.
    FrontendConfig(Like),
    /// `SHOW … WHERE condition` over the columns of the answer.
    Where(Box<Show>, Box<ast::Expr>),
    /// `SHOW [FULL] PROCESSLIST`.
    ProcessList {
        /// With the whole text of each statement.
        full: bool,
    },
    /// `SHOW BACKENDS`, `SHOW COMPUTE NODES`.
    Backends,
    /// `SHOW READ POINTS`: where the session's last query read.
    ReadPoints,
}

/// One part of a `SET`.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    /// `[SESSION | GLOBAL] name = value`, also `@@name`, `@@session.name`.
    Variable {
        /// Lower-cased name.
        name: String,
        /// `GLOBAL`: refused where it would change other sessions.
        global: bool,
        /// The value.
        value: SetValue,
    },
    /// `@name = value`.
    User {
        /// Lower-cased name without `@`.
        name: String,
        /// The value.
        value: SetValue,
    },
    /// `NAMES charset [COLLATE collation]`, `CHARACTER SET charset`.
    Names {
        /// The character set, lower-cased.
        charset: String,
        /// The collation.
        collation: Option<String>,
    },
    /// `TRANSACTION …`: reads are at a read point, whatever the isolation level. The variables that it sets.
    Transaction(Vec<(&'static str, String)>),
}

/// The right side of an assignment.
#[derive(Debug, Clone, PartialEq)]
pub enum SetValue {
    /// `DEFAULT`.
    Default,
    /// A bare word such as `ON` or `utf8mb4`.
    Word(String),
    /// Anything else, evaluated as an expression.
    Expression(Box<ast::Expr>),
}
