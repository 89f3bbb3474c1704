//! The fold of a tail: the last record of a key, by offset, is its state.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use fluss_scan::{ChangeTypes, kept_bytes};
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use crate::columns::Key;
use crate::{Error, Result};

/// Where the live version of a key is: batch and row. `None`: the key was removed.
type Version = Option<(u32, u32)>;

/// Folds the changes of one bucket, in the order of their offsets.
///
/// −D and −U remove, +I and +U set; whether a set came as +I or as +U means nothing, since a change
/// log without old images writes an insert as +U.
#[derive(Debug)]
pub struct Fold {
    key: Key,
    versions: HashMap<Box<[u8]>, Version>,
    batches: Vec<RecordBatch>,
    key_bytes: usize,
}

impl Fold {
    /// An empty fold over batches with this key.
    pub fn new(key: Key) -> Self {
        Self { key, versions: HashMap::new(), batches: vec![], key_bytes: 0 }
    }

    /// Applies one batch; `changes` has one entry per row, empty means that all rows are inserts.
    ///
    /// Returns the bytes that the fold has grown by, for the memory account.
    pub fn apply(&mut self, batch: RecordBatch, changes: &ChangeTypes) -> Result<usize> {
        if !changes.is_empty() && changes.len() != batch.num_rows() {
            return Err(Error::Corrupt(format!(
                "{} change types for {} rows",
                changes.len(),
                batch.num_rows()
            )));
        }
        let batch_index = u32::try_from(self.batches.len())
            .map_err(|_| Error::TooLarge("too many batches in one tail".into()))?;
        let keys = self.key.encode(&batch)?;
        let before = self.key_bytes;
        for (row, key) in keys.iter().enumerate() {
            let version = changes.sets(row).then_some((batch_index, row as u32));
            match self.versions.entry_ref(key.as_ref()) {
                EntryRef::Occupied(mut entry) => *entry.get_mut() = version,
                EntryRef::Vacant(entry) => {
                    self.key_bytes += key.as_ref().len() + ENTRY_BYTES;
                    entry.insert(version);
                }
            }
        }
        let grown = self.key_bytes - before + kept_bytes(&batch);
        self.batches.push(batch);
        Ok(grown)
    }

    /// The folded tail.
    pub fn finish(self) -> Result<Tail> {
        let mut live_rows: Vec<Vec<u32>> = vec![vec![]; self.batches.len()];
        for (batch, row) in self.versions.values().flatten() {
            live_rows[*batch as usize].push(*row);
        }
        let mut live = Vec::with_capacity(self.batches.len());
        for (batch, mut rows) in self.batches.into_iter().zip(live_rows) {
            if rows.is_empty() {
                continue;
            }
            rows.sort_unstable();
            let kept = take_record_batch(&batch, &UInt32Array::from(rows))
                .map_err(|e| Error::Corrupt(format!("tail rows cannot be taken: {e}")))?;
            live.push(kept);
        }
        Ok(Tail { key: self.key, versions: self.versions, live })
    }
}

/// Bytes of a hash table entry beside its key.
const ENTRY_BYTES: usize = size_of::<(Box<[u8]>, Version)>() + 1;

/// A folded tail: every key that the tail touched, and the live rows in the order of their offsets.
#[derive(Debug)]
pub struct Tail {
    /// Encodes the keys that [`Tail::touches`] is asked for.
    pub key: Key,
    versions: HashMap<Box<[u8]>, Version>,
    /// The last state of every key that is not removed.
    pub live: Vec<RecordBatch>,
}

impl Tail {
    /// Whether the tail set or removed this key.
    pub fn touches(&self, key: &[u8]) -> bool {
        self.versions.contains_key(key)
    }

    /// Number of keys that the tail set or removed.
    pub fn keys(&self) -> usize {
        self.versions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use fluss_scan::ChangeType::{self, Delete, Insert, UpdateAfter, UpdateBefore};
    use std::sync::Arc;

    fn key() -> Key {
        let schema = Schema::new(vec![Field::new("k", DataType::Int64, false)]);
        Key::new(&schema, vec![0]).unwrap()
    }

    /// Keys and values, and what each row does.
    type Changes<'a> = (&'a [(i64, i64)], &'a [ChangeType]);

    fn fold(batches: &[Changes<'_>]) -> (Vec<(i64, i64)>, usize) {
        let mut fold = Fold::new(key());
        for (rows, changes) in batches {
            let keys = Int64Array::from_iter_values(rows.iter().map(|r| r.0));
            let values = Int64Array::from_iter_values(rows.iter().map(|r| r.1));
            let batch = RecordBatch::try_from_iter([
                ("k", Arc::new(keys) as _),
                ("v", Arc::new(values) as _),
            ])
            .unwrap();
            assert!(fold.apply(batch, &changes.iter().copied().collect()).unwrap() > 0);
        }
        let tail = fold.finish().unwrap();
        let rows = tail.live.iter().flat_map(|b| {
            let (k, v) = (b.column(0).as_primitive::<Int64Type>(), b.column(1).as_primitive());
            let v: &Int64Array = v;
            k.values().iter().copied().zip(v.values().iter().copied()).collect::<Vec<_>>()
        });
        (rows.collect(), tail.keys())
    }

    #[test]
    fn the_last_record_of_a_key_wins() {
        let (rows, keys) = fold(&[
            (&[(1, 10), (2, 20), (1, 10), (1, 11)], &[Insert, Insert, UpdateBefore, UpdateAfter]),
            (&[(2, 20), (3, 30), (3, 30), (3, 31)], &[Delete, UpdateAfter, Delete, Insert]),
        ]);
        assert_eq!(rows, [(1, 11), (3, 31)]);
        assert_eq!(keys, 3);
    }

    #[test]
    fn a_removed_key_still_touches() {
        let (rows, keys) = fold(&[(&[(7, 1)], &[Delete])]);
        assert_eq!((rows.len(), keys), (0, 1));
    }

    #[test]
    fn change_types_must_cover_the_rows() {
        let batch =
            RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(vec![1, 2])) as _)]);
        let error =
            Fold::new(key()).apply(batch.unwrap(), &[Insert].into_iter().collect()).unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)));
    }
}
