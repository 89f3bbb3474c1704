//! DataFusion errors → failures that a frontend reacts to.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use proto::failure::{Failure, Kind};
use union_read::Error;

/// Words in the text of an error that crossed a hop and was a broken connection.
const LOST: [&str; 7] = [
    "transport error",
    // as `Debug` writes it, inside the text of a status
    "tonic::transport::error",
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
            Error::Unavailable(_) => Kind::Unavailable,
            Error::Denied(_) | Error::Corrupt(_) => Kind::Storage,
            Error::TooLarge(_) => Kind::TooLarge,
            Error::Cancelled(_) => Kind::Cancelled,
            _ => Kind::Statement,
        };
        return Failure::new(kind, ours.to_string());
    }
    let root = error.find_root();
    if let DataFusionError::ArrowError(error, _) = root
        && let ArrowError::ArithmeticOverflow(what) = error.as_ref()
    {
        return Failure::new(Kind::OutOfRange, what.as_str());
    }
    let text = error.to_string();
    let lower = text.to_lowercase();
    if LOST.iter().any(|word| lower.contains(word)) {
        let cause = root.strip_backtrace();
        let cause = cause.lines().next().unwrap_or_default();
        let message = format!("a backend was lost while the query ran: {cause}");
        return Failure::new(Kind::BackendLost, message);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as they arrive when a peer is frozen, killed, or not there.
    #[test]
    fn broken_connections_are_lost_backends() {
        for text in [
            "code: 'The service is currently unavailable', message: \"http2 error\", source: \
             tonic::transport::Error(Transport, hyper::Error(Http2, KeepAliveTimedOut))",
            "code: 'Unknown error', message: \"h2 protocol error: error reading a body\"",
            "transport error",
            "tcp connect error: Connection refused (os error 111)",
        ] {
            let failure = failure(&DataFusionError::Execution(text.into()));
            assert_eq!(failure.kind, Kind::BackendLost, "{text}");
            assert!(failure.message.contains(text), "the cause is told: {failure:?}");
        }
        let other = failure(&DataFusionError::Execution("Divide by zero error".into()));
        assert_eq!(other.kind, Kind::Statement);
    }

    #[test]
    fn what_does_not_fit_its_type_is_told_without_the_words_of_libraries() {
        let told = "BIGINT value is out of range in '+'";
        let error = DataFusionError::from(ArrowError::ArithmeticOverflow(told.into()));
        let failure = failure(&error.context("stage 2"));
        assert_eq!(failure, Failure::new(Kind::OutOfRange, told));
    }
}
