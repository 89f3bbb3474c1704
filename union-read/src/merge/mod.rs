//! The merge of a primary-key table: the tail decides, the lake fills in.
//!
//! * [`key`]: primary keys as comparable bytes, in canonical form
//! * [`fold`]: the tail of a bucket → the last state of each of its keys
//! * [`anti_filter`]: lake rows whose key is in the tail are dropped
//!
//! No order is needed on either side, so it is right over compacted, overlapping and
//! deletion-vector files alike, and idempotent where the tail overlaps the lake.

pub mod anti_filter;
pub mod fold;
pub mod key;
