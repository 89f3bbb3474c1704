//! What a client is told, one variant per reaction; `mysql/error_code.rs` gives each its number.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no statement.
    #[error("You have an error in your SQL syntax: {0}")]
    Syntax(String),
    /// The text is empty.
    #[error("Query was empty")]
    Empty,
    /// The statement contradicts the tables, types or functions there are.
    #[error("{0}")]
    Invalid(String),
    /// A value that its type cannot hold.
    #[error("{0}")]
    OutOfRange(String),
    /// A function that does not exist.
    #[error("FUNCTION {0} does not exist")]
    UnknownFunction(String),
    /// A column that does not exist.
    #[error("{0}")]
    UnknownColumn(String),
    /// A table that does not exist.
    #[error("{0}")]
    UnknownTable(String),
    /// A table or view of that name exists already.
    #[error("Table '{0}' already exists")]
    TableExists(String),
    /// A view that does not fit what it reads any more, or contains itself.
    #[error("{0}")]
    BrokenView(String),
    /// A table where a view is wanted.
    #[error("{0}")]
    NoView(String),
    /// A database or catalog that does not exist.
    #[error("{0}")]
    UnknownDatabase(String),
    /// No database was chosen.
    #[error("No database selected")]
    NoDatabase,
    /// A system variable that does not exist.
    #[error("Unknown system variable '{0}'")]
    UnknownVariable(String),
    /// A value that a variable or property does not take.
    #[error("{0}")]
    WrongValue(String),
    /// A zone of time that there is not.
    #[error("Unknown or incorrect time zone: '{0}'")]
    UnknownZone(String),
    /// A character set that there is not, or that is not done.
    #[error("Unknown character set: '{0}'")]
    UnknownCharset(String),
    /// A catalog of that name exists already.
    #[error("{0}")]
    Exists(String),
    /// Understood, and not done.
    #[error("{0}")]
    Unsupported(String),
    /// A prepared statement that is not there.
    #[error("Unknown prepared statement handler ({0}) given to EXECUTE")]
    UnknownStatement(u32),
    /// A fetch where no cursor is open.
    #[error("The statement ({0}) has no open cursor.")]
    NoCursor(u32),
    /// `KILL` of a connection that is not there.
    #[error("Unknown thread id: {0}")]
    UnknownConnection(u32),
    /// The statement was killed.
    #[error("Query execution was interrupted")]
    Cancelled,
    /// The statement ran longer than allowed.
    #[error("Query execution was interrupted, maximum statement execution time exceeded")]
    TimedOut,
    /// A limit of this server was reached.
    #[error("{0}")]
    TooLarge(String),
    /// A backend was lost: the same statement may succeed now.
    #[error("{0}; try again")]
    Retry(String),
    /// The read point vanished while the statement ran: it may succeed at a new one.
    #[error("{0}; try again")]
    ReadPointGone(String),
    /// Fluss or the lake's storage does not answer: a later try may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// Fluss or the lake's storage refuses, or holds what cannot be read.
    #[error("{0}")]
    Storage(String),
    /// A defect of this server.
    #[error("{0}")]
    Internal(String),
}

impl From<union_read::Error> for Error {
    fn from(error: union_read::Error) -> Self {
        use union_read::Error as E;
        let message = error.to_string();
        match error {
            E::DatabaseNotFound(_) => Error::UnknownDatabase(message),
            E::TableNotFound(_) => Error::UnknownTable(message),
            E::Unsupported(_) => Error::Unsupported(message),
            E::Properties(_) => Error::WrongValue(message),
            E::ReadPointGone(_) => Error::ReadPointGone(message),
            E::Unavailable(_) => Error::Unavailable(message),
            E::Denied(_) => Error::Storage(message),
            E::TooLarge(_) => Error::TooLarge(message),
            E::Cancelled(_) => Error::Cancelled,
            E::Corrupt(_) => Error::Storage(message),
        }
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        if let Some(ours) = union_read::Error::find(&error) {
            return ours.into();
        }
        let root = error.find_root();
        if let DataFusionError::External(inner) = root
            && let Some(ours) = inner.downcast_ref::<Error>()
        {
            return ours.clone();
        }
        let message = root.strip_backtrace();
        let message = without_kind(&message).to_string();
        match root {
            DataFusionError::SQL(..) => Error::Syntax(message),
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { .. } => Error::UnknownColumn(message),
                _ => Error::Invalid(message),
            },
            DataFusionError::ArrowError(error, _) => match error.as_ref() {
                ArrowError::ArithmeticOverflow(what) => Error::OutOfRange(what.clone()),
                _ => Error::Invalid(message),
            },
            DataFusionError::NotImplemented(_) => Error::Unsupported(message),
            DataFusionError::ResourcesExhausted(_) => Error::TooLarge(message),
            DataFusionError::Plan(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::Execution(_) => Error::Invalid(message),
            _ => Error::Internal(message),
        }
    }
}

/// What DataFusion puts before the text of an error.
const KINDS: [&str; 8] = [
    "Error during planning: ",
    "This feature is not implemented: ",
    "Execution error: ",
    "Schema error: ",
    "SQL error: ",
    "Arrow error: ",
    "Resources exhausted: ",
    "Internal error: ",
];

fn without_kind(message: &str) -> &str {
    KINDS.iter().find_map(|kind| message.strip_prefix(kind)).unwrap_or(message)
}
