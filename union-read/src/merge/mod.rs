//! The merge of a primary-key table: the tail decides, the lake fills in.
//!
//! * [`fold`]: the tail of a bucket → the last state of each of its keys
//! * [`anti_filter`]: lake rows whose key is in the tail are dropped
//!
//! Keys are compared as `paimon_scan::KeyEncoder` encodes them, the same for lake and tail: both arrive in
//! the table's own types ([`crate::columns`]), which settles decimal scale and timestamp precision.
//!
//! No order is needed on either side, so it is right over compacted, overlapping and
//! deletion-vector files alike, and idempotent where the tail overlaps the lake.

pub mod anti_filter;
pub mod fold;
