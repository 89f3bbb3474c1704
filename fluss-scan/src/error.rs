//! What can go wrong, one variant per reaction of the caller.

use std::time::Duration;

use crate::table::Bucket;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An option is missing, unknown or has a value that it does not take.
    #[error("option '{name}': {problem}")]
    Option {
        /// The option, without a prefix. Its value may be a secret and is not shown.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// No server can be reached, or the connection broke.
    #[error("Fluss server {address} cannot be reached: {problem}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What happened.
        problem: String,
    },
    /// The server refuses the credentials or the access.
    #[error("Fluss refuses access: {0}")]
    Denied(String),
    /// The database does not exist.
    #[error("Unknown database '{0}'")]
    DatabaseNotFound(String),
    /// The table or partition does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The server, the table's format or a type is not one that can be read right.
    #[error("{0}")]
    Unsupported(String),
    /// The log does not hold this offset (any more).
    #[error("the log of {bucket} does not hold offset {offset}: it begins at {start}")]
    OffsetOutOfRange {
        /// The bucket.
        bucket: Bucket,
        /// The offset that was asked for.
        offset: i64,
        /// The first offset that the log holds, as far as the server said.
        start: i64,
    },
    /// A deadline passed.
    #[error("{what} took longer than {after:?}")]
    TimedOut {
        /// What did not happen.
        what: String,
        /// The deadline.
        after: Duration,
    },
    /// More bytes than a limit allows.
    #[error("{0}")]
    TooLarge(String),
    /// Bytes that contradict the protocol.
    #[error("Fluss sent bytes that are not understood: {0}")]
    Corrupt(String),
    /// Another error of the server.
    #[error("Fluss error {code}: {message}")]
    Server {
        /// Fluss's error code.
        code: i32,
        /// Its message, one line.
        message: String,
    },
}

/// Error codes of Fluss that are acted on (`fluss-rpc/…/protocol/Errors.java`).
pub(crate) mod code {
    pub(crate) const UNKNOWN_SERVER_ERROR: i32 = -1;
    pub(crate) const DATABASE_NOT_EXIST: i32 = 4;
    pub(crate) const TABLE_NOT_EXIST: i32 = 7;
    pub(crate) const SCHEMA_NOT_EXIST: i32 = 9;
    pub(crate) const NOT_LEADER: i32 = 12;
    /// To GetTableStats: the server keeps no count.
    pub(crate) const NO_ROW_COUNT: i32 = 15;
    pub(crate) const LOG_OFFSET_OUT_OF_RANGE: i32 = 19;
    pub(crate) const UNKNOWN_TABLE_OR_BUCKET: i32 = 21;
    pub(crate) const INVALID_COLUMN_PROJECTION: i32 = 34;
    pub(crate) const PARTITION_NOT_EXISTS: i32 = 36;
    pub(crate) const LEADER_NOT_AVAILABLE: i32 = 44;
    pub(crate) const AUTHENTICATE: i32 = 46;
    pub(crate) const AUTHORIZATION: i32 = 48;
    pub(crate) const LAKE_SNAPSHOT_NOT_EXIST: i32 = 53;
    pub(crate) const SCANNER_EXPIRED: i32 = 66;
    pub(crate) const UNKNOWN_SCANNER: i32 = 67;
}

/// The longest server message that is kept: unexpected exceptions come with a whole stack trace.
const MESSAGE_CHARS_MAX: usize = 300;

impl Error {
    /// The error for a code and message of a server.
    pub(crate) fn server(code: i32, message: &str) -> Self {
        let line = message.lines().next().unwrap_or_default();
        let message: String = line.chars().take(MESSAGE_CHARS_MAX).collect();
        match code {
            code::DATABASE_NOT_EXIST => Error::DatabaseNotFound(message),
            code::TABLE_NOT_EXIST | code::PARTITION_NOT_EXISTS => Error::NotFound(message),
            code::AUTHENTICATE | code::AUTHORIZATION => Error::Denied(message),
            _ => Error::Server { code, message },
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Error::Corrupt(what.into())
    }

    /// Whether another server, or the same one a moment later, may answer.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            error => error.is_leaderless(),
        }
    }

    /// Whether the server that was asked does not lead the bucket.
    pub(crate) fn is_leaderless(&self) -> bool {
        let codes = [code::NOT_LEADER, code::LEADER_NOT_AVAILABLE];
        matches!(self, Error::Server { code, .. } if codes.contains(code))
    }
}
