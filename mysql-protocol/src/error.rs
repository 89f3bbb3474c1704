//! Errors of the wire, and errors that are sent over it.

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a connection cannot go on, or why one command cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The client sent what the protocol does not allow; the connection is of no more use.
    #[error("{0}")]
    Protocol(String),
    /// A packet beyond the limit.
    #[error("a packet of {bytes} bytes where {max} are allowed")]
    TooLarge {
        /// Its announced length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// One command is malformed; the session goes on.
    #[error("{0}")]
    Command(String),
    /// A text that is not UTF-8; the session goes on.
    #[error("Invalid utf8mb4 character string")]
    NotUtf8,
    /// Long parameters of prepared statements beyond what the caller had room for; the session goes on.
    #[error("long parameters beyond the limit")]
    TooMuchLongData,
    /// The login was refused, and the client was told.
    #[error("login refused: {0}")]
    Refused(String),
    /// The client did not log in in time.
    #[error("no login within the time allowed")]
    LoginTimedOut,
}

impl Error {
    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Error::Protocol(what.into())
    }

    pub(crate) fn command(what: impl Into<String>) -> Self {
        Error::Command(what.into())
    }
}

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// MySQL's error number.
    pub errno: u16,
    /// Five characters.
    pub sqlstate: [u8; 5],
    /// The message.
    pub message: String,
}

impl ServerError {
    /// An error with this number, state and message.
    pub fn new(errno: u16, sqlstate: &[u8; 5], message: impl Into<String>) -> Self {
        Self { errno, sqlstate: *sqlstate, message: message.into() }
    }

    /// `ER_UNKNOWN_COM_ERROR`, for commands that are not served.
    pub fn unknown_command() -> Self {
        Self::new(1047, b"08S01", "Unknown command")
    }
}
