//! All integration tests: one binary, so that they share one cluster.

mod cluster;
mod faults;
mod union_read;
