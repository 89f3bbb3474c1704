//! What a bucket must hold, by plain rules.

use std::collections::BTreeMap;

use fluss_scan::{Bucket, ChangeType};
use fluss_sim::cases::Row;

/// What a table does with changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows are appended.
    Log,
    /// Changes are written with old and new rows.
    Full,
    /// Changes are written with new rows alone.
    Wal,
    /// The first row of a key stays.
    FirstRow,
}

/// A bucket as it must be.
#[derive(Debug, Clone)]
pub struct Model {
    /// The bucket.
    pub bucket: Bucket,
    kind: Kind,
    /// Offset, change and row of every record, the ones that were removed too.
    pub records: Vec<(i64, ChangeType, Row)>,
    /// The first offset that is kept.
    pub start: i64,
    /// The offset behind everything that was written.
    pub end: i64,
    /// When each batch was written, and its first offset.
    pub batches: Vec<(i64, i64)>,
    state: BTreeMap<i64, Row>,
    /// What each change made of its key, with the offset behind it.
    changes: Vec<(i64, i64, Option<Row>)>,
}

impl Model {
    /// An empty bucket.
    pub fn new(bucket: Bucket, kind: Kind) -> Self {
        Self {
            bucket,
            kind,
            records: vec![],
            start: 0,
            end: 0,
            batches: vec![],
            state: BTreeMap::new(),
            changes: vec![],
        }
    }

    /// One batch of rows: appended, or set by their keys.
    pub fn write(&mut self, rows: &[Row], time: i64) {
        let base = self.end;
        self.batches.push((time, base));
        for row in rows {
            let old = self.state.get(&row.id).cloned();
            match (self.kind, old) {
                (Kind::Log, _) => self.add(ChangeType::Append, row),
                (Kind::FirstRow, Some(_)) => continue,
                (Kind::Wal, _) => self.add(ChangeType::UpdateAfter, row),
                (Kind::Full, Some(old)) => {
                    self.add(ChangeType::UpdateBefore, &old);
                    self.add(ChangeType::UpdateAfter, row);
                }
                (Kind::Full | Kind::FirstRow, None) => self.add(ChangeType::Insert, row),
            }
            self.set(row.id, Some(row.clone()));
        }
        self.end = self.end.max(base + 1);
    }

    /// One batch that removes keys.
    pub fn delete(&mut self, rows: &[Row], time: i64) {
        let base = self.end;
        self.batches.push((time, base));
        for row in rows {
            if let Some(old) = self.state.get(&row.id).cloned() {
                self.add(ChangeType::Delete, &old);
                self.set(row.id, None);
            }
        }
        self.end = self.end.max(base + 1);
    }

    fn add(&mut self, change: ChangeType, row: &Row) {
        self.records.push((self.end, change, row.clone()));
        self.end += 1;
    }

    fn set(&mut self, id: i64, row: Option<Row>) {
        if self.kind == Kind::Log {
            return;
        }
        match &row {
            Some(row) => self.state.insert(id, row.clone()),
            None => self.state.remove(&id),
        };
        self.changes.push((self.end, id, row));
    }

    /// The records of a range.
    pub fn range(&self, start: i64, end: i64) -> Vec<(i64, ChangeType, Row)> {
        let inside = self.records.iter().filter(|(offset, ..)| (start..end).contains(offset));
        inside.cloned().collect()
    }

    /// The rows by key after the log up to an offset.
    pub fn state_at(&self, offset: i64) -> Vec<Row> {
        let mut state = BTreeMap::new();
        for (_, id, row) in self.changes.iter().filter(|(next, ..)| *next <= offset) {
            match row {
                Some(row) => state.insert(*id, row.clone()),
                None => state.remove(id),
            };
        }
        state.into_values().collect()
    }

    /// The first offset of what was written at a time or later, in a log that begins at `start`.
    pub fn offset_at(&self, time: i64, start: i64) -> i64 {
        let kept = self.batches.iter().filter(|(_, base)| *base >= start);
        let first = kept.filter(|(written, _)| *written >= time).map(|(_, base)| *base).next();
        first.unwrap_or(self.end)
    }
}
