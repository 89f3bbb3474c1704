//! The contract between frontend and backend.
//!
//! * [`v1`]: the generated messages and services of `proto/millrace/v1/home.proto`
//! * [`client`]: how a frontend asks, and what it takes for an answer
//! * [`failure`]: errors that cross the contract

pub mod client;
pub mod failure;

/// Generated from `proto/millrace/v1/home.proto`.
#[allow(missing_docs, clippy::all, reason = "generated; documented in the .proto file")]
pub mod v1 {
    tonic::include_proto!("millrace.v1");
}
