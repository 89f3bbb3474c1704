//! union-read
