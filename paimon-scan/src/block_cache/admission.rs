//! What is worth the disk: anything while there is room, then only what was asked for before.
//!
//! A scan of more than the disk holds would otherwise replace everything that is read again and again by what is read
//! once. A process does not know how much an earlier one has left on disk: it takes the disk for empty.

use std::collections::{HashSet, VecDeque};

/// Blocks that are remembered, at most, whatever the disk holds: 16 MiB of hashes.
const SEEN_MAX: usize = 1 << 20;

/// Decides for one cache.
#[derive(Debug)]
pub(super) struct Admission {
    /// Bytes that may still be written before anything is replaced.
    room: u64,
    /// Hashes of blocks that were fetched and not written, in the order of `order`.
    seen: HashSet<u64>,
    order: VecDeque<u64>,
    seen_max: usize,
}

impl Admission {
    /// For a disk of so many bytes: as many blocks as it holds are remembered.
    pub(super) fn new(disk_bytes: u64, block_bytes: u64) -> Self {
        let seen_max = usize::try_from(disk_bytes / block_bytes).unwrap_or(SEEN_MAX).min(SEEN_MAX);
        Self { room: disk_bytes, seen: HashSet::new(), order: VecDeque::new(), seen_max }
    }

    /// Whether to write a block that was just fetched.
    pub(super) fn admit(&mut self, hash: u64, bytes: u64) -> bool {
        if let Some(room) = self.room.checked_sub(bytes) {
            self.room = room;
            return true;
        }
        if !self.seen.insert(hash) {
            return true;
        }
        self.order.push_back(hash);
        if self.order.len() > self.seen_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_for_what_is_asked_for_again() {
        let mut admission = Admission::new(100, 10);
        assert!((0..10).all(|hash| admission.admit(hash, 10)));
        assert!(!admission.admit(20, 10));
        assert!(admission.admit(20, 10));
        // one scan over more than the disk holds, twice: nothing is replaced
        assert!((100..120).chain(100..120).all(|hash| !admission.admit(hash, 10)));
        assert!(admission.seen.len() <= 10 && admission.order.len() <= 10);
    }
}
