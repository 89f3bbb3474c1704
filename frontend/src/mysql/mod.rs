//! The only code that knows MySQL packets.
//!
//! * [`listener`]: who may connect, and how many
//! * [`connection`]: one client: commands in, answers out
//! * [`prepared`]: prepared statements
//! * [`error_code`]: errors as MySQL numbers

pub mod connection;
pub mod error_code;
pub mod listener;
pub mod prepared;
