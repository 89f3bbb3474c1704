//! DataFusion errors → failures that a frontend reacts to.

use datafusion::error::DataFusionError;
use proto::failure::{Failure, Kind};
use union_read::Error;

/// Words in the text of an error that crossed a hop and was a broken connection.
const LOST: [&str; 6] = [
    "transport error",
    "tcp connect error",
    "connection refused",
    "h2 protocol error",
    "keep-alive timed out",
    "broken pipe",
];

/// The failure that an error asks for.
pub(crate) fn failure(error: &DataFusionError) -> Failure {
    if let Some(ours) = Error::find(error) {
        let kind = match ours {
            Error::ReadPointGone(_) => Kind::ReadPointGone,
            Error::Unavailable(_) | Error::Denied(_) | Error::Corrupt(_) => Kind::Storage,
            Error::TooLarge(_) => Kind::TooLarge,
            Error::Cancelled(_) => Kind::Cancelled,
            _ => Kind::Statement,
        };
        return Failure::new(kind, ours.to_string());
    }
    let root = error.find_root();
    let text = error.to_string();
    let lower = text.to_lowercase();
    if LOST.iter().any(|word| lower.contains(word)) {
        return Failure::new(Kind::BackendLost, "a backend was lost while the query ran");
    }
    match root {
        DataFusionError::ResourcesExhausted(message) => {
            Failure::new(Kind::TooLarge, message.lines().next().unwrap_or_default())
        }
        DataFusionError::Internal(_) => Failure::new(Kind::Internal, root.strip_backtrace()),
        _ if lower.contains("panic") => Failure::new(Kind::Internal, root.strip_backtrace()),
        _ => Failure::new(Kind::Statement, root.strip_backtrace()),
    }
}
