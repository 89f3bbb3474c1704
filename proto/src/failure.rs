//! Errors that cross the contract: a gRPC status whose metadata names the reaction.

use tonic::{Code, Status};

/// The metadata key of the kind.
const KIND: &str = "millrace-failure";
/// The longest message that is sent: it travels in a header.
const MESSAGE_CHARS_MAX: usize = 2000;

/// Why a query failed, by the reaction of the frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The statement cannot be answered; the message says why.
    Statement,
    /// A value of the statement does not fit its type; the message says which.
    OutOfRange,
    /// The read point vanished: pin again.
    ReadPointGone,
    /// A backend was lost or could not be reached.
    BackendLost,
    /// Fluss or the lake's storage does not answer.
    Unavailable,
    /// Fluss or the lake's storage refuses, or holds what cannot be read.
    Storage,
    /// A limit was reached.
    TooLarge,
    /// The query was cancelled.
    Cancelled,
    /// The deadline passed.
    TimedOut,
    /// A defect.
    Internal,
}

const KINDS: [(Kind, &str, Code); 10] = [
    (Kind::Statement, "statement", Code::InvalidArgument),
    (Kind::OutOfRange, "out-of-range", Code::OutOfRange),
    (Kind::ReadPointGone, "read-point-gone", Code::Aborted),
    (Kind::BackendLost, "backend-lost", Code::Unavailable),
    (Kind::Unavailable, "unavailable", Code::FailedPrecondition),
    (Kind::Storage, "storage", Code::FailedPrecondition),
    (Kind::TooLarge, "too-large", Code::ResourceExhausted),
    (Kind::Cancelled, "cancelled", Code::Cancelled),
    (Kind::TimedOut, "timed-out", Code::DeadlineExceeded),
    (Kind::Internal, "internal", Code::Internal),
];

/// A failed query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The reaction that it asks for.
    pub kind: Kind,
    /// What happened, for people.
    pub message: String,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The failure as a status.
    pub fn into_status(self) -> Status {
        let message: String = self.message.chars().take(MESSAGE_CHARS_MAX).collect();
        let (_, name, code) =
            KINDS.iter().find(|(kind, ..)| *kind == self.kind).unwrap_or(&KINDS[KINDS.len() - 1]);
        let mut status = Status::new(*code, message);
        status.metadata_mut().insert(KIND, tonic::metadata::MetadataValue::from_static(name));
        status
    }

    /// The failure in a status. One without a kind did not come from a backend: the way to it is broken.
    pub fn of(status: &Status, backend: &str) -> Self {
        let name = status.metadata().get(KIND).and_then(|value| value.to_str().ok());
        let kind = KINDS.iter().find(|(_, known, _)| Some(*known) == name).map(|(kind, ..)| *kind);
        match kind {
            Some(kind) => Self::new(kind, status.message()),
            None => {
                let message = format!("backend {backend} was lost: {}", status.message());
                Self::new(Kind::BackendLost, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_way() {
        for (kind, ..) in KINDS {
            let failure = Failure::new(kind, "bucket 3");
            assert_eq!(Failure::of(&failure.clone().into_status(), "b"), failure);
        }
        let lost = Failure::of(&Status::unavailable("tcp"), "b:1");
        assert_eq!(lost.kind, Kind::BackendLost);
        assert!(lost.message.contains("b:1"));
    }
}
