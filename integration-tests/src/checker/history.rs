//! What was written, and which answers are right.

use std::collections::HashMap;
use std::fmt;

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The statement.
    pub sql: String,
    /// What is wrong with its answer.
    pub what: String,
    /// The statement's plan just after, which names the read point of that moment.
    pub plan: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {}\n  {}", self.sql, self.what, self.plan)
    }
}

/// What a row of a key says besides its version, for the judge to find mixtures of two versions.
pub(super) fn mix(key: i64, version: i64) -> i64 {
    let mut mixed = (key as u64) ^ (version as u64).rotate_left(32);
    // splitmix64
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as i64
}

/// Part of a row that the judge adds up with its counterpart.
pub(super) fn part(key: i64, version: i64) -> i32 {
    (mix(version, key).rem_euclid(2001) - 500) as i32
}

/// Versions of the keys `0..n` of one table. Version 0 of every key is its absence; a deletion is a version too.
#[derive(Debug)]
pub(super) struct Keys {
    /// By key, by version: whether the key is absent then.
    absent: Vec<Vec<bool>>,
    acked: Vec<u32>,
}

/// The oldest version of each key that an answer may show.
#[derive(Clone, Debug)]
pub(super) struct Floor(Vec<u32>);

/// A row of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: i64,
    pub(super) version: i64,
    pub(super) a: i64,
    pub(super) b: i64,
    pub(super) hash: i64,
}

/// An interval, ends included.
pub(super) type Bounds = (i64, i64);

impl Keys {
    pub(super) fn new(keys: usize) -> Self {
        Self { absent: vec![vec![true]; keys], acked: vec![0; keys] }
    }

    pub(super) fn len(&self) -> usize {
        self.acked.len()
    }

    pub(super) fn is_absent(&self, key: usize) -> bool {
        self.absent[key].last().is_some_and(|absent| *absent)
    }

    /// The next version is about to be sent; its number.
    pub(super) fn send(&mut self, key: usize, absent: bool) -> i64 {
        self.absent[key].push(absent);
        self.absent[key].len() as i64 - 1
    }

    /// All that was sent for these keys is acknowledged.
    pub(super) fn acknowledge(&mut self, keys: impl IntoIterator<Item = usize>) {
        for key in keys {
            self.acked[key] = self.absent[key].len() as u32 - 1;
        }
    }

    pub(super) fn lowest(&self) -> Floor {
        Floor(vec![0; self.len()])
    }

    /// Nothing older than what is acknowledged now.
    pub(super) fn raise(&self, floor: &mut Floor) {
        for (floor, acked) in floor.0.iter_mut().zip(&self.acked) {
            *floor = (*floor).max(*acked);
        }
    }

    /// Judges an answer with all rows of the keys in `keys`, and raises the floor to what it showed.
    pub(super) fn judge_rows(
        &self,
        floor: &mut Floor,
        keys: std::ops::Range<usize>,
        rows: &[Seen],
    ) -> Result<(), String> {
        let mut found: HashMap<usize, &Seen> = HashMap::new();
        for row in rows {
            let key = usize::try_from(row.key).ok().filter(|key| keys.contains(key));
            let Some(key) = key else { return Err(format!("a key nobody asked for: {row:?}")) };
            if let Some(other) = found.insert(key, row) {
                return Err(format!("a key twice: {other:?} and {row:?}"));
            }
        }
        for key in keys {
            let seen = self.judge_key(floor.0[key], key, found.get(&key).copied())?;
            floor.0[key] = seen;
        }
        Ok(())
    }

    /// The version that was seen.
    fn judge_key(&self, low: u32, key: usize, row: Option<&Seen>) -> Result<u32, String> {
        let versions = &self.absent[key];
        let window = || format!("versions {low} to {} could be there", versions.len() - 1);
        let Some(row) = row else {
            let missing = (low as usize..versions.len()).find(|version| versions[*version]);
            return match missing {
                Some(version) => Ok(version as u32),
                None => Err(format!("key {key} is missing, {}", window())),
            };
        };
        let version = usize::try_from(row.version).unwrap_or(usize::MAX);
        match versions.get(version) {
            None => return Err(format!("{row:?} was never written, {}", window())),
            Some(true) => return Err(format!("{row:?} is deleted, {}", window())),
            Some(false) if version < low as usize => {
                return Err(format!("{row:?} is too old, {}", window()));
            }
            Some(false) => {}
        }
        let is_whole = row.a + row.b == 1000
            && row.a == i64::from(part(row.key, row.version))
            && row.hash == mix(row.key, row.version);
        match is_whole {
            true => Ok(version as u32),
            false => Err(format!("{row:?} is a mixture")),
        }
    }

    /// Bounds of the number of rows and of the sum of their versions.
    pub(super) fn bounds(&self, floor: &Floor) -> (Bounds, Bounds) {
        let (mut count, mut sum) = ((0, 0), (0, 0));
        for (low, versions) in floor.0.iter().zip(&self.absent) {
            let window = &versions[*low as usize..];
            let may_be_absent = window.contains(&true);
            let first = window.iter().position(|absent| !absent).map(|offset| offset as i64);
            let last = window.iter().rposition(|absent| !absent).map(|offset| offset as i64);
            let (Some(first), Some(last)) = (first, last) else { continue };
            count.1 += 1;
            sum.1 += i64::from(*low) + last;
            if !may_be_absent {
                count.0 += 1;
                sum.0 += i64::from(*low) + first;
            }
        }
        (count, sum)
    }
}

/// Whether a number lies where it may.
pub(super) fn within(what: &str, value: i64, bounds: Bounds) -> Result<(), String> {
    match (bounds.0..=bounds.1).contains(&value) {
        true => Ok(()),
        false => Err(format!("{what} is {value}, must be {} to {}", bounds.0, bounds.1)),
    }
}

/// Sequences 1, 2, 3, … by writer. The rows of a writer are all in one bucket, so they come in order.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    writers: Vec<Sequence>,
}

#[derive(Debug, Default, Clone)]
struct Sequence {
    sent: i64,
    acked: i64,
    /// Writing failed: of what was not acknowledged any part may be there.
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
        reach.0.resize(self.writers.len().max(reach.0.len()), 0);
        for (reach, writer) in reach.0.iter_mut().zip(&self.writers) {
            *reach = (*reach).max(writer.acked);
        }
    }

    /// Judges one writer's rows by their number, largest sequence number and sum, and raises its reach.
    pub(super) fn judge(
        &self,
        reach: &mut Reach,
        counts: &HashMap<i64, (i64, i64, i64)>,
    ) -> Result<(), String> {
        if let Some(unknown) = counts.keys().find(|w| **w < 0 || **w >= self.writers.len() as i64) {
            return Err(format!("rows of writer {unknown}, who never wrote"));
        }
        reach.0.resize(self.writers.len().max(reach.0.len()), 0);
        for (number, writer) in self.writers.iter().enumerate() {
            let (count, last, sum) = counts.get(&(number as i64)).copied().unwrap_or_default();
            let low = reach.0[number];
            let what = || format!("writer {number}: {count} rows up to {last}, their sum {sum}");
            if last > writer.sent {
                return Err(format!("{}, but {} were sent", what(), writer.sent));
            }
            if last < low {
                return Err(format!("{}, but {low} must be there", what()));
            }
            let whole = |n: i64| n * (n + 1) / 2;
            let is_exact = count == last && sum == whole(last);
            // what came after the last acknowledged row is any part of what was sent, each once
            let rest = last - writer.acked;
            let may_be = count >= writer.acked
                && count - writer.acked <= rest
                && sum >= whole(writer.acked)
                && sum <= whole(last);
            if !(is_exact || writer.failed && rest > 0 && may_be) {
                return Err(format!("{}: not 1 to {last}, each once", what()));
            }
            reach.0[number] = if is_exact { last } else { low };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: i64, version: i64) -> Seen {
        let a = i64::from(part(key, version));
        Seen { key, version, a, b: 1000 - a, hash: mix(key, version) }
    }

    /// Key 0 has versions 1 and 2, of which 1 is acknowledged; key 1 was written and deleted.
    fn keys() -> Keys {
        let mut keys = Keys::new(3);
        keys.send(0, false);
        keys.send(1, false);
        keys.acknowledge([0, 1]);
        keys.send(0, false);
        keys.send(1, true);
        keys
    }

    fn judged(rows: &[Seen]) -> Result<(), String> {
        let keys = keys();
        let mut floor = keys.lowest();
        keys.raise(&mut floor);
        keys.judge_rows(&mut floor, 0..3, rows)
    }

    #[test]
    fn every_version_in_the_window_is_right() {
        for rows in [&[row(0, 1), row(1, 1)][..], &[row(1, 1), row(0, 2)], &[row(0, 2)]] {
            assert_eq!(judged(rows), Ok(()), "{rows:?}");
        }
    }

    #[test]
    fn everything_else_is_wrong_and_says_why() {
        let mixture = Seen { hash: 7, ..row(0, 1) };
        let swapped = Seen { a: row(0, 2).a, b: row(0, 2).b, ..row(0, 1) };
        for (rows, why) in [
            (&[row(1, 1)][..], "missing"),
            (&[row(0, 1), row(0, 1)], "twice"),
            (&[row(0, 3)], "never written"),
            (&[row(0, 0)], "deleted"),
            (&[row(0, 1), row(1, 2)], "deleted"),
            (&[row(0, 1), row(2, 1)], "never written"),
            (&[row(9, 1)], "nobody asked"),
            (&[mixture], "mixture"),
            (&[swapped], "mixture"),
        ] {
            let error = judged(rows).unwrap_err();
            assert!(error.contains(why), "{rows:?}: {error}");
        }
    }

    #[test]
    fn a_session_does_not_go_back() {
        let keys = keys();
        let mut floor = keys.lowest();
        keys.judge_rows(&mut floor, 0..3, &[row(0, 2)]).unwrap();
        let back = keys.judge_rows(&mut floor, 0..3, &[row(0, 1)]).unwrap_err();
        assert!(back.contains("too old"), "{back}");
        // key 1 was seen absent before its first version, so it may still come
        keys.judge_rows(&mut floor, 1..2, &[row(1, 1)]).unwrap();
    }

    #[test]
    fn bounds_hold_every_right_answer() {
        let keys = keys();
        let mut floor = keys.lowest();
        assert_eq!(keys.bounds(&floor), ((0, 2), (0, 3)));
        keys.raise(&mut floor);
        assert_eq!(keys.bounds(&floor), ((1, 2), (1, 3)));
        assert!(within("count", 3, (1, 2)).unwrap_err().contains("count is 3"));
    }

    #[test]
    fn sequences_are_whole_up_to_somewhere() {
        let mut log = Sequences::default();
        let writer = log.begin();
        (0..3).for_each(|_| {
            log.send(writer);
        });
        log.acknowledge(writer);
        (0..2).for_each(|_| {
            log.send(writer);
        });
        let judge = |log: &Sequences, count, last, sum| {
            let mut reach = Reach::default();
            log.raise(&mut reach);
            log.judge(&mut reach, &HashMap::from([(0, (count, last, sum))]))
        };
        assert_eq!(judge(&log, 3, 3, 6), Ok(()));
        assert_eq!(judge(&log, 5, 5, 15), Ok(()));
        for (count, last, sum) in
            [(2, 2, 3), (4, 3, 9), (4, 5, 11), (6, 6, 21), (3, 3, 7), (0, 0, 0)]
        {
            assert!(judge(&log, count, last, sum).is_err(), "{count} {last} {sum}");
        }
        // row 4 may be lost once writing failed, row 3 may not
        log.fail(writer);
        assert_eq!(judge(&log, 4, 5, 11), Ok(()));
        assert!(judge(&log, 4, 3, 9).is_err());
        assert!(judge(&log, 2, 5, 11).is_err());
    }
}
