//! The MySQL wire, on the server's side.
//!
//! Read in this order:
//!
//! * [`packet`], [`wire`], [`compress`]: frames, the values inside of them, and compressed frames around them
//! * [`capability`], [`greeting`], [`auth`]: the way to a session
//! * [`command`], [`prepared`]: what a client asks
//! * [`column`], [`value`]: Arrow columns and values as MySQL's
//! * [`connection`]: all of it over a stream, with TLS from [`tls`]; [`serve`]: a connection's life behind its login
//!
//! Everything but `connection`, `serve` and `tls` is without I/O. Lengths are checked before they are allocated; nothing that a
//! client sends can panic.
//!
//! Absent on purpose: SQL, sessions, users, LOCAL INFILE.
//!
//! Source: MySQL 8.0 "Client/Server Protocol" (MySQL Server Doxygen documentation).

pub mod auth;
pub mod capability;
pub mod column;
pub mod command;
pub mod compress;
pub mod connection;
mod error;
pub mod greeting;
pub mod packet;
pub mod prepared;
pub mod serve;
pub mod tls;
pub mod value;
pub mod wire;

pub use auth::Verifier;
pub use bytes;
pub use column::Column;
pub use command::Command;
pub use connection::{Accounts, Connection, Login, Ok, ServerOptions, accept, refuse};
pub use error::{Error, Result, ServerError};
pub use serve::{Answering, Service, serve};
pub use value::{Clock, RowFormat};
