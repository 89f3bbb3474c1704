//! Sorted runs, walked side by side: which keys of a run are in newer ones.

/// Keys of the runs so far, and the place of the run that is being walked among them.
#[derive(Debug, Default)]
pub(super) struct Walk<K> {
    /// Keys of newer runs, ascending.
    seen: Vec<K>,
    /// The first of `seen` that is not below the keys walked so far.
    at: usize,
    /// The same with those of this run.
    merged: Vec<K>,
    /// The last key of this run so far.
    last: Option<K>,
}

/// How the keys of a run follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    /// A key comes twice.
    Repeated,
    Unsorted,
}

impl<K: Copy + Ord> Walk<K> {
    /// Whether these keys continue the run in ascending order. To be asked about all its keys, once.
    pub(super) fn order(&mut self, keys: &[K]) -> Order {
        let first = self.last.zip(keys.first().copied());
        let Some(last) = keys.last() else {
            return Order::Ascending;
        };
        self.last = Some(*last);
        let ascending = |a: &K, b: &K| a < b;
        if first.is_none_or(|(a, b)| a < b) && keys.is_sorted_by(ascending) {
            return Order::Ascending;
        }
        match first.is_none_or(|(a, b)| a <= b) && keys.is_sorted() {
            true => Order::Repeated,
            false => Order::Unsorted,
        }
    }

    /// Calls `hit` with the position of each key that a newer run holds.
    pub(super) fn look_up(&mut self, keys: &[K], mut hit: impl FnMut(usize)) {
        let seen = self.seen.as_slice();
        let (mut at, mut next) = (self.at, 0);
        while at < seen.len() {
            next += below(&keys[next..], seen[at]);
            let Some(key) = keys.get(next) else { break };
            if *key == seen[at] {
                hit(next);
                next += 1;
                at += 1;
            } else {
                at += below(&seen[at..], *key);
            }
        }
        self.at = at;
    }

    /// The same, and remembers the keys for older runs.
    pub(super) fn merge(&mut self, keys: &[K], mut hit: impl FnMut(usize)) {
        let seen = self.seen.as_slice();
        let mut at = self.at;
        self.merged.reserve(keys.len());
        for (position, key) in keys.iter().enumerate() {
            let newer = below(&seen[at..], *key);
            self.merged.extend_from_slice(&seen[at..at + newer]);
            at += newer;
            if seen.get(at) == Some(key) {
                hit(position);
                at += 1;
            }
            self.merged.push(*key);
        }
        self.at = at;
    }

    /// Whether no newer run holds a key after those walked so far.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.seen.len()
    }

    /// Ends a run whose keys were merged; the next one is older.
    pub(super) fn end_run(&mut self) {
        self.merged.extend_from_slice(&self.seen[self.at..]);
        std::mem::swap(&mut self.seen, &mut self.merged);
        self.merged.clear();
        self.at = 0;
        self.last = None;
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        (self.seen.capacity() + self.merged.capacity()) * size_of::<K>()
    }
}

/// How many of the ascending `keys` are below `key`: the first few one by one, then by doubling strides.
fn below<K: Copy + Ord>(keys: &[K], key: K) -> usize {
    const NEAR: usize = 8;
    let near = keys.iter().take(NEAR).take_while(|other| **other < key).count();
    if near < NEAR {
        return near;
    }
    let mut stride = NEAR;
    while keys.get(stride * 2).is_some_and(|other| *other < key) {
        stride *= 2;
    }
    let end = keys.len().min(stride * 2);
    stride + keys[stride..end].partition_point(|other| *other < key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn random_runs_are_walked_as_sets() {
        let mut random = StdRng::seed_from_u64(3);
        for _ in 0..300 {
            let mut walk = Walk::<u64>::default();
            let mut seen = BTreeSet::new();
            let runs = random.random_range(1..5);
            for run in 0..runs {
                let share = [0.001, 0.05, 0.5, 1.0][random.random_range(0..4)];
                let keys: Vec<u64> = (0..2000).filter(|_| random.random_bool(share)).collect();
                let mut hits = vec![];
                for batch in keys.chunks(random.random_range(1..700)) {
                    assert_eq!(walk.order(batch), Order::Ascending);
                    let hit = |position: usize| hits.push(batch[position]);
                    match run + 1 == runs {
                        true => walk.look_up(batch, hit),
                        false => walk.merge(batch, hit),
                    }
                }
                walk.end_run();
                let expected: Vec<u64> =
                    keys.iter().filter(|key| seen.contains(*key)).copied().collect();
                assert_eq!(hits, expected);
                seen.extend(keys);
            }
        }
    }

    #[test]
    fn disorder_is_seen_within_and_between_batches() {
        for (batches, expected) in [
            (vec![vec![1, 2], vec![3]], Order::Ascending),
            (vec![vec![1, 2], vec![], vec![2]], Order::Repeated),
            (vec![vec![1, 1, 2]], Order::Repeated),
            (vec![vec![1, 3, 2]], Order::Unsorted),
            (vec![vec![5], vec![4]], Order::Unsorted),
            (vec![vec![5, 5, 4]], Order::Unsorted),
        ] {
            let mut walk = Walk::<u64>::default();
            let found: Vec<Order> = batches.iter().map(|batch| walk.order(batch)).collect();
            assert_eq!(found.last(), Some(&expected), "{batches:?}");
        }
        for length in 0..80 {
            let keys: Vec<u64> = (0..length).map(|key| key * 2).collect();
            assert!((0..170).all(|key| {
                below(&keys, key) == keys.iter().filter(|other| **other < key).count()
            }));
        }
    }
}
