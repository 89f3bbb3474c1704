//! The only code that knows MySQL packets.
//!
//! * [`listener`]: who may connect, and how many
//! * [`connection`]: one client: commands in, answers out
//! * `statements`, `cursor`: how its statements are answered
//! * [`prepared`]: prepared statements
//! * [`error_code`]: errors as MySQL numbers
//! * [`certificate`]: TLS of the port

pub mod certificate;
pub mod connection;
mod cursor;
pub mod error_code;
pub mod listener;
pub mod prepared;
mod statements;
