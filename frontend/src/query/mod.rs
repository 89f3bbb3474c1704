//! query
pub mod parse;
pub mod show;
pub mod statement;
pub mod tokens;
