//! The one binary: `millrace frontend | backend | standalone`. Wires the rooms together and does nothing else.
//!
//! * [`config`]: all sections of the configuration
//! * [`role`]: what is started, and how it ends

pub mod config;
pub mod role;
