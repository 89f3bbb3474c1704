//! Files whose sequence numbers interleave, or come after sequence fields of the table.

use arrow::row::Rows;

use super::versions::{Versions, Want, is_delete};
use super::{Resolver, Step};
use crate::error::{LakeError, Result};
use crate::key_set::{Version, Winners};

impl Resolver<'_> {
    /// Sequence numbers interleave or come second: the version with the largest one wins, row by row.
    pub(super) async fn by_sequence(&mut self) -> Result<()> {
        let mut winners = Winners::default();
        for file in 0..self.files.len() {
            let kinds = self.files[file].delete_rows != Some(0);
            let want = Want { keys: true, kinds, sequences: true };
            self.read(file, want, |this, versions| {
                let keys = this.encoder.encode(versions.keys)?;
                let orders = this.orders(versions)?;
                for (offset, key) in keys.iter().enumerate() {
                    let row = versions.first_row + offset as u32;
                    if this.is_ignored(versions, offset) {
                        this.hidden[file].insert(row);
                        continue;
                    }
                    let order = orders.as_ref().map(|orders| orders.row(offset));
                    let version = Version {
                        order: order.map_or_else(Box::default, |order| order.as_ref().into()),
                        sequence: versions.sequences.map_or(0, |sequences| sequences[offset]),
                        file: file as u32,
                        row,
                        delete: versions.kinds.is_some_and(|kinds| is_delete(kinds[offset])),
                    };
                    if let Some(loser) = winners.offer(key.as_ref(), version)? {
                        this.hidden[loser.file as usize].insert(loser.row);
                    }
                }
                this.memory.try_resize(winners.memory())?;
                Ok(Step::Continue)
            })
            .await?;
        }
        for version in winners.versions().filter(|version| version.delete) {
            self.hidden[version.file as usize].insert(version.row);
        }
        self.memory.free();
        Ok(())
    }

    fn orders(&self, versions: &Versions<'_>) -> Result<Option<Rows>> {
        if versions.order.is_empty() {
            return Ok(None);
        }
        let rows = self.order_encoder.convert_columns(versions.order);
        rows.map(Some).map_err(|error| LakeError::corrupt(format!("sequence fields: {error}")))
    }
}
