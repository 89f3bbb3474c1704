//! Files whose runs follow each other in time: a key seen in a newer run supersedes every later row of that
//! key.
//!
//! Keys of fixed width are compared as integers, run beside run, since files are sorted by key; that they are is
//! verified while walking. Other keys, and files that turn out not to be sorted, go through a set. Keys of the
//! oldest run are only looked up.

use roaring::RoaringBitmap;

use super::packed_key::{self, Packed};
use super::versions::{Versions, Want, is_delete};
use super::walk::{Order, Walk};
use super::{Resolver, Step};
use crate::error::{LakeError, Result};
use crate::key_set::KeySet;

fn repeated() -> LakeError {
    LakeError::corrupt("a sorted run holds a key twice")
}

impl Resolver<'_> {
    /// `runs`: newest first.
    pub(super) async fn by_run(&mut self, mut runs: Vec<Vec<usize>>) -> Result<()> {
        for run in &mut runs {
            // ranges are known where a run has several files
            run.sort_by_key(|file| self.files[*file].key_range.as_ref().map(|range| &range.min));
        }
        let sorted = match packed_key::bits(&self.key) {
            Some(..=64) => self.by_walk::<u64>(&runs).await?,
            Some(..=128) => self.by_walk::<u128>(&runs).await?,
            _ => Step::Stop,
        };
        if sorted == Step::Stop {
            self.hidden.fill(RoaringBitmap::new());
            self.by_set(&runs).await?;
        }
        self.memory.free();
        Ok(())
    }

    /// Says `Stop` when the files are not sorted; what is hidden by then means nothing.
    async fn by_walk<K: Packed>(&mut self, runs: &[Vec<usize>]) -> Result<Step> {
        let mut walk = Walk::<K>::default();
        let mut keys: Vec<K> = Vec::new();
        let last = runs.len() - 1;
        for (age, run) in runs.iter().enumerate() {
            for file in run {
                let mut hidden = RoaringBitmap::new();
                let mut superseded = RoaringBitmap::new();
                let step = self.read(*file, self.want(*file, last > 0), |this, versions| {
                    hide_deletes(versions, &mut hidden);
                    if versions.keys.is_empty() {
                        return Ok(Step::Continue);
                    }
                    if !packed_key::pack(versions.keys, &mut keys) {
                        return Ok(Step::Stop);
                    }
                    match walk.order(&keys) {
                        Order::Ascending => {}
                        Order::Repeated => return Err(repeated()),
                        Order::Unsorted => return Ok(Step::Stop),
                    }
                    let counted = this.keep_counted(versions, &mut keys);
                    let hit = |position: usize| {
                        let offset = counted.as_ref().map_or(position as u32, |c| c[position]);
                        superseded.insert(versions.first_row + offset);
                    };
                    match age < last {
                        true => walk.merge(&keys, hit),
                        false => walk.look_up(&keys, hit),
                    }
                    this.memory.try_resize(walk.memory())?;
                    // nothing that comes after the newest keys is superseded
                    let done = age == last && walk.is_done() && versions.kinds.is_none();
                    Ok(if done { Step::Enough } else { Step::Continue })
                });
                if step.await? == Step::Stop {
                    return Ok(Step::Stop);
                }
                self.hidden[*file] = hidden | superseded;
            }
            if age < last {
                walk.end_run();
            }
        }
        Ok(Step::Continue)
    }

    /// Leaves out the keys of rows that count for nothing; the offsets of those that are left, if not all are.
    fn keep_counted<K: Packed>(
        &self,
        versions: &Versions<'_>,
        keys: &mut Vec<K>,
    ) -> Option<Vec<u32>> {
        let count = keys.len();
        if !(0..count).any(|offset| self.is_ignored(versions, offset)) {
            return None;
        }
        let counted = (0..count).filter(|offset| !self.is_ignored(versions, *offset));
        let counted: Vec<u32> = counted.map(|offset| offset as u32).collect();
        for (position, offset) in counted.iter().enumerate() {
            keys[position] = keys[*offset as usize];
        }
        keys.truncate(counted.len());
        Some(counted)
    }

    fn want(&self, file: usize, keys: bool) -> Want {
        Want { keys, kinds: self.files[file].delete_rows != Some(0), sequences: false }
    }

    async fn by_set(&mut self, runs: &[Vec<usize>]) -> Result<()> {
        let mut seen = KeySet::default();
        let last = runs.len() - 1;
        for (age, run) in runs.iter().enumerate() {
            let newer = seen.len();
            for file in run {
                let mut hidden = RoaringBitmap::new();
                let step = self.read(*file, self.want(*file, last > 0), |this, versions| {
                    let newer = (age < last).then_some(newer);
                    this.supersede(&mut seen, versions, newer, &mut hidden)?;
                    Ok(Step::Continue)
                });
                step.await?;
                self.hidden[*file] = hidden;
            }
        }
        Ok(())
    }

    /// `newer` is the number of keys in newer runs; `None` for the oldest run.
    fn supersede(
        &mut self,
        seen: &mut KeySet,
        versions: &Versions<'_>,
        newer: Option<u32>,
        hidden: &mut RoaringBitmap,
    ) -> Result<()> {
        hide_deletes(versions, hidden);
        if versions.keys.is_empty() {
            return Ok(());
        }
        let keys = self.encoder.encode(versions.keys)?;
        for ((key, row), offset) in keys.iter().zip(versions.first_row..).zip(0..) {
            if self.is_ignored(versions, offset) {
                continue;
            }
            let known = match newer {
                Some(newer) => match seen.get_or_insert(key.as_ref()) {
                    (number, true) if number >= newer => return Err(repeated()),
                    (_, known) => known,
                },
                None => seen.contains(key.as_ref()),
            };
            if known {
                hidden.insert(row);
            }
        }
        self.memory.try_resize(seen.memory())?;
        Ok(())
    }
}

/// Hides the rows that are deletes.
fn hide_deletes(versions: &Versions<'_>, hidden: &mut RoaringBitmap) {
    if let Some(kinds) = versions.kinds {
        let rows = kinds.iter().zip(versions.first_row..);
        hidden.extend(rows.filter(|(kind, _)| is_delete(**kind)).map(|(_, row)| row));
    }
}
