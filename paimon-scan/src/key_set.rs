//! Sets of encoded keys, kept compactly: resolving a bucket holds every key of its newer files.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::error::{LakeError, Result};

/// A set of byte strings in one allocation, each with a number in order of insertion.
#[derive(Default)]
pub(crate) struct KeySet {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl KeySet {
    fn at<'s>(bytes: &'s [u8], ends: &[usize], number: u32) -> &'s [u8] {
        let number = number as usize;
        let start = if number == 0 { 0 } else { ends[number - 1] };
        &bytes[start..ends[number]]
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let same = |number: &u32| Self::at(&self.bytes, &self.ends, *number) == key;
        self.table.find(self.hasher.hash_one(key), same).is_some()
    }

    /// The key's number, and whether it was known before.
    pub(crate) fn get_or_insert(&mut self, key: &[u8]) -> (u32, bool) {
        let Self { bytes, ends, table, hasher } = self;
        let same = |number: &u32| Self::at(bytes, ends, *number) == key;
        let rehash = |number: &u32| hasher.hash_one(Self::at(bytes, ends, *number));
        match table.entry(hasher.hash_one(key), same, rehash) {
            Entry::Occupied(entry) => (*entry.get(), true),
            Entry::Vacant(entry) => {
                let number = ends.len() as u32;
                entry.insert(number);
                bytes.extend_from_slice(key);
                ends.push(bytes.len());
                (number, false)
            }
        }
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.ends.capacity() * size_of::<usize>()
            + self.table.allocation_size()
    }
}

/// Where a version of a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// The values of the table's sequence fields, encoded; empty without them.
    pub(crate) order: Box<[u8]>,
    pub(crate) sequence: i64,
    pub(crate) file: u32,
    pub(crate) row: u32,
    pub(crate) delete: bool,
}

/// The newest version of every key met so far.
#[derive(Default)]
pub(crate) struct Winners {
    keys: KeySet,
    versions: Vec<Version>,
    order_bytes: usize,
}

impl Winners {
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter()
    }

    /// Takes a version; returns the one that lost against it or that it lost against.
    pub(crate) fn offer(&mut self, key: &[u8], version: Version) -> Result<Option<Version>> {
        let (number, known) = self.keys.get_or_insert(key);
        if !known {
            self.order_bytes += version.order.len();
            self.versions.push(version);
            return Ok(None);
        }
        let best = &mut self.versions[number as usize];
        let newer = version.order.cmp(&best.order).then(version.sequence.cmp(&best.sequence));
        match newer {
            Ordering::Greater => {
                self.order_bytes += version.order.len();
                self.order_bytes -= best.order.len();
                Ok(Some(std::mem::replace(best, version)))
            }
            Ordering::Less => Ok(Some(version)),
            Ordering::Equal => Err(LakeError::corrupt(format!(
                "two versions of a key with sequence number {}",
                version.sequence
            ))),
        }
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        self.keys.memory() + self.versions.capacity() * size_of::<Version>() + self.order_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again_after_growing() {
        let mut set = KeySet::default();
        let key = |n: u32| n.to_string().into_bytes();
        assert!((0..5000).all(|n| set.get_or_insert(&key(n)) == (n, false)));
        assert!((0..5000).all(|n| set.get_or_insert(&key(n)) == (n, true)));
        assert!(set.contains(b"4999") && !set.contains(b"5000") && !set.contains(b""));
        assert_eq!(set.get_or_insert(b""), (5000, false));
        assert!(set.memory() > 5000 * 4);
    }

    #[test]
    fn the_largest_sequence_number_wins_and_equal_ones_are_refused() {
        let by = |order: &[u8], sequence, row| Version {
            order: order.into(),
            sequence,
            file: 0,
            row,
            delete: false,
        };
        let at = |sequence, row| by(b"", sequence, row);
        let mut winners = Winners::default();
        assert_eq!(winners.offer(b"a", at(5, 0)).unwrap(), None);
        assert_eq!(winners.offer(b"b", at(1, 1)).unwrap(), None);
        assert_eq!(winners.offer(b"a", at(3, 2)).unwrap(), Some(at(3, 2)));
        assert_eq!(winners.offer(b"a", at(9, 3)).unwrap(), Some(at(5, 0)));
        assert!(winners.offer(b"a", at(9, 4)).is_err());
        // the order of the table's own fields comes first
        assert_eq!(winners.offer(b"c", by(b"1", 7, 5)).unwrap(), None);
        assert_eq!(winners.offer(b"c", by(b"2", 6, 6)).unwrap(), Some(by(b"1", 7, 5)));
        assert_eq!(winners.offer(b"c", by(b"2", 8, 7)).unwrap(), Some(by(b"2", 6, 6)));
        assert_eq!(winners.offer(b"c", by(b"1", 9, 8)).unwrap(), Some(by(b"1", 9, 8)));
    }
}
