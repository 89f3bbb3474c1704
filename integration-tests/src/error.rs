//! What can go wrong with the laboratory, one variant per reaction.

use std::path::PathBuf;
use std::time::Duration;

/// Failures of the harness itself.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The jars, the JDK or the oracle could not be prepared: fix the machine, then run again.
    #[error("the lab's artifacts are not ready: {0}")]
    Setup(String),
    /// A process ended by itself; the end of its log says why.
    #[error("{process} has ended; its log ({log}) ends with:\n{tail}", log = log.display())]
    Died {
        /// Name of the process, as its log file is called.
        process: String,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of that log.
        tail: String,
    },
    /// A condition did not become true in time.
    #[error("not reached within {limit:?}: {condition}; last seen: {seen}")]
    Timeout {
        /// What was waited for.
        condition: String,
        /// How long.
        limit: Duration,
        /// The last state or error seen.
        seen: String,
    },
    /// Flink gave no answer in time. It never does on some tables (a partitioned log table without
    /// bucket keys): count such cases instead of failing.
    #[error("Flink did not answer within {0:?}")]
    OracleTimeout(Duration),
    /// Flink refused the statement or failed while running it.
    #[error("Flink failed:\n{0}")]
    Oracle(String),
    /// The verb does not fit the cluster or the row does not fit the table.
    #[error("{0}")]
    Misuse(String),
    /// Fluss answered with an error.
    #[error(transparent)]
    Fluss(#[from] fluss::error::Error),
    /// The operating system refused.
    #[error("{action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Result of the harness.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

/// Names the action an I/O error belongs to.
pub(crate) trait IoContext<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn doing(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| LabError::Io { action: action(), source })
    }
}
