//! frontend
mod error;
mod query;
pub use error::{Error, Result};
