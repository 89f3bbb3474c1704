//! Tests of the whole client against recorded answers and a scripted server.

mod batches;
mod connection;
mod formats;
mod key;
mod keyed;
mod kv;
mod lanes;
mod log;
mod lookup;
mod metadata;
mod nested;
mod remote;
mod robustness;
mod rows;
mod server;
mod stats;
