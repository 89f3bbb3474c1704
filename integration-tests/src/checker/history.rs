//! What was written: histories that writers extend and readers take windows from.

use super::window::{ABSENT, KeyWindow, WriterWindow};

/// Versions of the keys `0..n` of one table. Version 0 of every key is its absence; a deletion is a version too.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Key>,
    /// Columns that were added to the table.
    added: u16,
    /// How often the table began and ended to be re-created: odd while it is.
    creations: u64,
}

#[derive(Debug, Clone, Default)]
struct Key {
    /// By version, see [`KeyWindow::versions`].
    versions: Vec<i16>,
    acked: u32,
    /// The oldest version that the lake may show.
    lake: u32,
    /// How often the key's partition was dropped. What was known of the key is void then: the lake goes on to show
    /// some version that it had.
    forgotten: u32,
    /// How many versions there were when it was dropped last.
    before_drop: usize,
}

/// The oldest version of each key that an answer may show.
#[derive(Clone, Debug, Default)]
pub(super) struct Floor(Vec<Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    low: u32,
    forgotten: u32,
}

/// Which of a table's two histories an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Everything acknowledged must be there.
    Whole,
    /// The lake lags behind, and never goes back.
    Lake,
}

impl Keys {
    pub(crate) fn new(keys: usize) -> Self {
        let mut this = Self::default();
        (0..keys).for_each(|_| {
            this.push();
        });
        this
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// A further key; its number.
    pub(crate) fn push(&mut self) -> usize {
        self.keys.push(Key { versions: vec![ABSENT], ..Key::default() });
        self.keys.len() - 1
    }

    pub(super) fn is_absent(&self, key: usize) -> bool {
        self.keys[key].versions.last() == Some(&ABSENT)
    }

    /// The last version of a key that was sent.
    pub(super) fn last_sent(&self, key: usize) -> i64 {
        self.keys[key].versions.len() as i64 - 1
    }

    /// The next version is about to be sent; its number.
    pub(super) fn send(&mut self, key: usize, absent: bool) -> i64 {
        let state = if absent { ABSENT } else { self.added as i16 };
        self.keys[key].versions.push(state);
        self.last_sent(key)
    }

    /// All that was sent for these keys is acknowledged.
    pub(super) fn acknowledge(&mut self, keys: impl IntoIterator<Item = usize>) {
        for key in keys {
            self.keys[key].acked = self.keys[key].versions.len() as u32 - 1;
        }
    }

    /// Columns that were added so far.
    pub(crate) fn added(&self) -> u16 {
        self.added
    }

    /// A column was added: every version from now on has it.
    pub(crate) fn add_column(&mut self) {
        self.added += 1;
    }

    /// A partition is about to be dropped: of its keys the lake shows what it has, now and whenever a key is absent in the
    /// new one: what deletes it there leaves no trace in a log that begins with the new partition's state. Their next
    /// version is a row.
    pub(crate) fn forget(&mut self, is_of_partition: impl Fn(usize) -> bool) {
        for (number, key) in self.keys.iter_mut().enumerate() {
            if is_of_partition(number) {
                key.before_drop = key.versions.len();
                key.versions.push(ABSENT);
                key.acked = 0;
                key.forgotten += 1;
            }
        }
    }

    /// The table is about to be dropped, and created again as it was at first: none of its rows comes back, and no column
    /// that was added.
    pub(crate) fn begin_creation(&mut self) {
        self.creations += 1;
        self.added = 0;
        self.keys.iter_mut().for_each(|key| key.versions.push(ABSENT));
    }

    /// The table is there again.
    pub(crate) fn end_creation(&mut self) {
        self.creations += 1;
        for key in &mut self.keys {
            let last = key.versions.len() as u32 - 1;
            (key.acked, key.lake, key.before_drop) = (last, last, 0);
        }
    }

    /// How often the table began and ended to be re-created: odd while it is.
    pub(crate) fn creations(&self) -> u64 {
        self.creations
    }

    /// Nothing older than what is acknowledged now, before a statement begins.
    pub(super) fn raise(&self, side: Side, floor: &mut Floor) {
        floor.0.resize(self.len(), Seen::default());
        for (seen, key) in floor.0.iter_mut().zip(&self.keys) {
            seen.renew(side, key);
            let least = if side == Side::Lake { key.lake } else { key.acked };
            seen.low = seen.low.max(least);
        }
    }

    /// What may be shown of these keys by a statement that has ended and began at the floor.
    pub(super) fn windows(
        &self,
        side: Side,
        floor: &mut Floor,
        keys: std::ops::Range<usize>,
    ) -> Vec<KeyWindow> {
        floor.0.resize(self.len(), Seen::default());
        let window = |number: usize| {
            let (seen, key) = (&mut floor.0[number], &self.keys[number]);
            seen.renew(side, key);
            let versions = key.versions[seen.low as usize..].to_vec();
            let revivable = if versions.contains(&ABSENT) { key.before_drop } else { 0 };
            KeyWindow {
                key: number as i64,
                low: seen.low,
                acked: key.acked,
                versions,
                revivable: key.versions[..revivable].to_vec(),
                is_half_updated: false,
            }
        };
        keys.map(window).collect()
    }
}

impl Seen {
    fn renew(&mut self, side: Side, key: &Key) {
        if side == Side::Whole && self.forgotten != key.forgotten {
            *self = Seen { low: 0, forgotten: key.forgotten };
        }
    }
}

impl Floor {
    /// The session has seen this version of a key: it must not see an older one.
    pub(super) fn learn(&mut self, key: i64, version: u32) {
        let seen = usize::try_from(key).ok().and_then(|key| self.0.get_mut(key));
        if let Some(seen) = seen {
            seen.low = seen.low.max(version);
        }
    }
}

/// Sequences by writer of a log.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    writers: Vec<Sequence>,
}

#[derive(Debug, Default, Clone)]
struct Sequence {
    sent: i64,
    acked: i64,
    failed: bool,
}

/// The least that each writer's rows must reach.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach(Vec<i64>);

impl Sequences {
    /// A new writer's number.
    pub(super) fn begin(&mut self) -> usize {
        self.writers.push(Sequence::default());
        self.writers.len() - 1
    }

    pub(super) fn send(&mut self, writer: usize) -> i64 {
        self.writers[writer].sent += 1;
        self.writers[writer].sent
    }

    pub(super) fn acknowledge(&mut self, writer: usize) {
        self.writers[writer].acked = self.writers[writer].sent;
    }

    pub(super) fn fail(&mut self, writer: usize) {
        self.writers[writer].failed = true;
    }

    pub(super) fn raise(&self, reach: &mut Reach) {
        reach.0.resize(self.writers.len(), 0);
        for (reach, writer) in reach.0.iter_mut().zip(&self.writers) {
            *reach = (*reach).max(writer.acked);
        }
    }

    pub(super) fn windows(&self, reach: &mut Reach) -> Vec<WriterWindow> {
        reach.0.resize(self.writers.len(), 0);
        let window = |(number, writer): (usize, &Sequence)| WriterWindow {
            writer: number as i64,
            low: reach.0[number],
            acked: writer.acked,
            sent: writer.sent,
            failed: writer.failed,
        };
        self.writers.iter().enumerate().map(window).collect()
    }
}

impl Reach {
    pub(super) fn learn(&mut self, writer: i64, reached: i64) {
        let known = usize::try_from(writer).ok().and_then(|writer| self.0.get_mut(writer));
        if let Some(known) = known {
            *known = (*known).max(reached);
        }
    }
}
