//! The checks of queries.json in the order that all clients keep, for the clients of Rust.
//!
//! A client is a [`Client`]. Everything is printed as lines of JSON, in the form that tests/it/clients.rs reads.

mod run;

use std::fmt::Display;

pub use run::main;

/// A value of a row in the one text that all clients give it; `None` is NULL.
pub type Cell = Option<String>;

/// Rows, or why there are none.
pub type Answer = Result<Vec<Vec<Cell>>, Failure>;

/// Why a check has no rows.
#[derive(Debug)]
pub enum Failure {
    /// The server sent an error of this number.
    Server(u16, String),
    /// The client cannot do it; says why.
    Unsupported(&'static str),
    /// Neither: the check fails.
    Broken(String),
}

impl Failure {
    /// Anything that is no error of the server.
    pub fn broken(error: impl Display) -> Self {
        Self::Broken(error.to_string())
    }
}

/// How to log in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The port; the host is that of the arguments.
    pub port: u16,
    /// The password of `root`.
    pub password: String,
    /// The database, where one is wanted at login.
    pub database: Option<String>,
    /// Whether the connection must be encrypted, by whatever certificate.
    pub tls: bool,
    /// Whether the password must be given as `mysql_native_password` wants it.
    pub native: bool,
    /// Whether packets are compressed.
    pub compress: bool,
}

/// A parameter of a prepared statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    Null,
    Int(i64),
    Double(f64),
    Text(String),
    /// A decimal number as its digits.
    Decimal(String),
    Date(chrono::NaiveDate),
    Timestamp(chrono::NaiveDateTime),
}

/// One client.
#[allow(async_fn_in_trait, reason = "one thread runs all of it")]
pub trait Client {
    /// A connection.
    type Connection;

    /// Logs in to a host.
    async fn connect(&self, host: &str, login: &Login) -> Result<Self::Connection, Failure>;

    /// The rows of one statement.
    async fn query(&self, connection: &mut Self::Connection, sql: &str) -> Answer;

    /// The rows of all results of several statements in one text.
    async fn several(&self, connection: &mut Self::Connection, sql: &str) -> Answer;

    /// The rows of all executions of one statement that the server has prepared.
    async fn prepared(
        &self,
        connection: &mut Self::Connection,
        sql: &str,
        executions: &[Vec<Parameter>],
    ) -> Answer;

    /// Asks whether the server is there.
    async fn ping(&self, connection: &mut Self::Connection) -> Result<(), Failure>;

    /// Brings the session back to how it began.
    async fn reset(&self, connection: &mut Self::Connection) -> Result<(), Failure>;

    /// Says good-bye.
    async fn close(&self, connection: Self::Connection) -> Result<(), Failure>;
}

/// A time without the zeros that end its fraction.
pub fn trimmed(text: &str) -> String {
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    text.to_string()
}

/// Bytes in hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("0x{digits}")
}
