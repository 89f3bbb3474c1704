//! mysql-protocol
