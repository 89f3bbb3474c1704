//! Errors by reaction, and their passage through DataFusion and between processes.

use datafusion::error::DataFusionError;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, one variant per reaction of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database does not exist.
    #[error("Unknown database '{0}'")]
    DatabaseNotFound(String),
    /// The table, partition or column does not exist.
    #[error("{0}")]
    TableNotFound(String),
    /// What was asked for cannot be answered right, so it is not answered.
    #[error("{0}")]
    Unsupported(String),
    /// The properties of a catalog are wrong.
    #[error("{0}")]
    Properties(String),
    /// The read point no longer exists (log expired, lake files removed): pin again, once.
    #[error("{0}")]
    ReadPointGone(String),
    /// Fluss or the lake's storage does not answer; a later try may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// Fluss or the storage refuses the credentials.
    #[error("{0}")]
    Denied(String),
    /// A limit on memory or size was reached.
    #[error("{0}")]
    TooLarge(String),
    /// The statement was cancelled.
    #[error("{0}")]
    Cancelled(String),
    /// Bytes that contradict their format or a broken invariant.
    #[error("{0}")]
    Corrupt(String),
}

impl Error {
    /// The word by which the variant travels between processes.
    pub fn code(&self) -> &'static str {
        match self {
            Error::DatabaseNotFound(_) => "DatabaseNotFound",
            Error::TableNotFound(_) => "TableNotFound",
            Error::Unsupported(_) => "Unsupported",
            Error::Properties(_) => "Properties",
            Error::ReadPointGone(_) => "ReadPointGone",
            Error::Unavailable(_) => "Unavailable",
            Error::Denied(_) => "Denied",
            Error::TooLarge(_) => "TooLarge",
            Error::Cancelled(_) => "Cancelled",
            Error::Corrupt(_) => "Corrupt",
        }
    }

    fn message(&self) -> &str {
        match self {
            Error::DatabaseNotFound(m)
            | Error::TableNotFound(m)
            | Error::Unsupported(m)
            | Error::Properties(m)
            | Error::ReadPointGone(m)
            | Error::Unavailable(m)
            | Error::Denied(m)
            | Error::TooLarge(m)
            | Error::Cancelled(m)
            | Error::Corrupt(m) => m,
        }
    }

    /// Finds an error of ours inside a DataFusion error, also after it crossed processes.
    ///
    /// Only the text of an error survives more than one hop, so the code travels as a prefix of the
    /// text (`[ReadPointGone] …`).
    pub fn find(error: &DataFusionError) -> Option<Self> {
        if let DataFusionError::External(inner) = error.find_root()
            && let Some(found) = inner.downcast_ref::<Error>()
        {
            return Some(found.clone());
        }
        Self::parse(&error.to_string())
    }

    /// Finds an error of ours in a text written by [`Error::into_datafusion`].
    pub fn parse(text: &str) -> Option<Self> {
        VARIANTS.iter().find_map(|(code, variant)| {
            let start = text.find(&format!("[{code}] "))?;
            Some(variant(text[start + code.len() + 3..].to_string()))
        })
    }

    /// The form in which an error leaves a running operator.
    pub fn into_datafusion(self) -> DataFusionError {
        DataFusionError::Execution(format!("[{}] {}", self.code(), self.message()))
    }
}

type Variant = fn(String) -> Error;
const VARIANTS: [(&str, Variant); 10] = [
    ("DatabaseNotFound", Error::DatabaseNotFound),
    ("TableNotFound", Error::TableNotFound),
    ("Unsupported", Error::Unsupported),
    ("Properties", Error::Properties),
    ("ReadPointGone", Error::ReadPointGone),
    ("Unavailable", Error::Unavailable),
    ("Denied", Error::Denied),
    ("TooLarge", Error::TooLarge),
    ("Cancelled", Error::Cancelled),
    ("Corrupt", Error::Corrupt),
];

impl From<fluss_scan::Error> for Error {
    fn from(error: fluss_scan::Error) -> Self {
        use fluss_scan::Error as E;
        let message = error.to_string();
        match error {
            E::Option { .. } => Error::Properties(message),
            E::Unreachable { .. } | E::TimedOut { .. } | E::Server { .. } => {
                Error::Unavailable(message)
            }
            E::Denied(_) => Error::Denied(message),
            E::DatabaseNotFound(name) => Error::DatabaseNotFound(name),
            E::NotFound(_) => Error::TableNotFound(message),
            E::Unsupported(_) => Error::Unsupported(message),
            E::OffsetOutOfRange { .. } => Error::ReadPointGone(message),
            E::TooLarge(_) => Error::TooLarge(message),
            E::Corrupt(_) => Error::Corrupt(message),
        }
    }
}

impl From<paimon_scan::LakeError> for Error {
    fn from(error: paimon_scan::LakeError) -> Self {
        use paimon_scan::LakeError as E;
        if error.is_expired() {
            return Error::ReadPointGone(error.to_string());
        }
        if let E::Execution(inner) = &error {
            return Error::running(inner);
        }
        let message = error.to_string();
        match error {
            E::Unsupported { .. } => Error::Unsupported(message),
            E::Option { .. } => Error::Properties(message),
            E::Denied(_) => Error::Denied(message),
            // Fluss names the snapshot, so a table that the lake does not have is the lake's fault
            E::NotFound { .. } | E::Corrupt { .. } => Error::Corrupt(message),
            _ => Error::Unavailable(message),
        }
    }
}

impl Error {
    /// What stopped a scan of the lake while it ran.
    pub fn running(error: &DataFusionError) -> Self {
        if let Some(lake) = paimon_scan::LakeError::find(error) {
            let message = lake.to_string();
            return match lake {
                lake if lake.is_expired() => Error::ReadPointGone(message),
                paimon_scan::LakeError::Unsupported { .. } => Error::Unsupported(message),
                paimon_scan::LakeError::Unavailable(_) => Error::Unavailable(message),
                paimon_scan::LakeError::Denied(_) => Error::Denied(message),
                _ => Error::Corrupt(message),
            };
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(message) => Error::TooLarge(message.clone()),
            DataFusionError::ObjectStore(error) => Error::Unavailable(error.to_string()),
            _ => Error::find(error).unwrap_or_else(|| Error::Corrupt(error.strip_backtrace())),
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        error.into_datafusion()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_datafusion_texts() {
        for (code, variant) in VARIANTS {
            let error = variant("bucket 3 is gone".into());
            assert_eq!(error.code(), code);
            let travelled = DataFusionError::Context(
                "stage 2".into(),
                Box::new(error.clone().into_datafusion()),
            );
            assert_eq!(Error::find(&travelled), Some(error));
        }
        assert_eq!(Error::find(&DataFusionError::Execution("[Nothing] x".into())), None);
    }
}
