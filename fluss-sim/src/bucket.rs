//! The state of one primary-key bucket, as its leader keeps it.
//!
//! A write goes to the log and into a buffer. The leader applies the buffer to the state, and only then shows
//! the new high watermark: a reader may find the state ahead of the watermark, never behind it.

use std::collections::{BTreeMap, VecDeque};

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::log::Log;

/// The last row of a key.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// One row, in the columns of that schema.
    pub(crate) row: RecordBatch,
    /// `schema id i16 | row`.
    pub(crate) bytes: Bytes,
}

/// A change of a key: `None` removes it.
type Change = (Vec<u8>, Option<Value>);

/// State of a bucket by encoded key.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// With everything that was written.
    pub(crate) latest: BTreeMap<Vec<u8>, Value>,
    /// What scans see: the log up to `applied`.
    pub(crate) visible: BTreeMap<Vec<u8>, Value>,
    pub(crate) applied: i64,
    /// Changes that are not applied yet, with the offset behind the record of each.
    pub(crate) pending: VecDeque<(i64, Change)>,
}

impl State {
    pub(crate) fn change(&mut self, next: i64, key: Vec<u8>, value: Option<Value>) {
        match &value {
            Some(value) => self.latest.insert(key.clone(), value.clone()),
            None => self.latest.remove(&key),
        };
        self.pending.push_back((next, (key, value)));
    }

    /// Applies the changes of the log up to an offset.
    pub(crate) fn apply(&mut self, until: i64) {
        while self.pending.front().is_some_and(|(next, _)| *next <= until) {
            let Some((_, (key, value))) = self.pending.pop_front() else { break };
            match value {
                Some(value) => self.visible.insert(key, value),
                None => self.visible.remove(&key),
            };
        }
        self.applied = self.applied.max(until);
    }
}

/// A bucket.
#[derive(Debug, Default)]
pub(crate) struct BucketState {
    /// The server that leads it.
    pub(crate) leader: Option<i32>,
    pub(crate) log: Log,
    /// Of a primary-key table.
    pub(crate) state: State,
}

impl BucketState {
    /// Shows everything up to an offset: the state first, then the watermark.
    pub(crate) fn commit(&mut self, until: i64) {
        self.state.apply(until);
        self.log.high_watermark = self.log.high_watermark.max(until);
    }
}
