//! Errors as MySQL's numbers and SQLSTATEs: the only translation.
//!
//! What may succeed when it is tried again has SQLSTATE 40001, as databases say it.

use mysql_protocol::ServerError;

use crate::Error;

/// The number that a reader of Fluss or the lake gives: `ER_CONNECT_TO_FOREIGN_DATA_SOURCE`.
const FOREIGN: u16 = 1429;

/// The error as a client sees it.
pub fn server_error(error: &Error) -> ServerError {
    let (errno, state): (u16, &[u8; 5]) = match error {
        Error::Syntax(_) => (1064, b"42000"),
        Error::Empty => (1065, b"42000"),
        Error::Invalid(_) => (1105, b"HY000"),
        Error::OutOfRange(_) => (1690, b"22003"),
        Error::UnknownFunction(_) => (1305, b"42000"),
        Error::UnknownColumn(_) => (1054, b"42S22"),
        Error::UnknownTable(_) => (1146, b"42S02"),
        Error::TableExists(_) => (1050, b"42S01"),
        Error::BrokenView(_) => (1356, b"HY000"),
        Error::NoView(_) => (1347, b"HY000"),
        Error::UnknownDatabase(_) => (1049, b"42000"),
        Error::NoDatabase => (1046, b"3D000"),
        Error::UnknownVariable(_) => (1193, b"HY000"),
        Error::WrongValue(_) => (1231, b"42000"),
        Error::UnknownZone(_) => (1298, b"HY000"),
        Error::UnknownCharset(_) => (1115, b"42000"),
        Error::Exists(_) => (1007, b"HY000"),
        Error::Unsupported(_) => (1235, b"42000"),
        Error::UnknownStatement(_) => (1243, b"HY000"),
        Error::NoCursor(_) => (1421, b"HY000"),
        Error::UnknownConnection(_) => (1094, b"HY000"),
        Error::Cancelled => (1317, b"70100"),
        Error::TimedOut => (3024, b"HY000"),
        Error::TooLarge(_) => (1041, b"HY000"),
        Error::Retry(_) | Error::ReadPointGone(_) => (1213, b"40001"),
        Error::Unavailable(_) => (FOREIGN, b"40001"),
        Error::Storage(_) => (FOREIGN, b"HY000"),
        Error::Internal(_) => (1815, b"HY000"),
    };
    ServerError::new(errno, state, error.to_string())
}
