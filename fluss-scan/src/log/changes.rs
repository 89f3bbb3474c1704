//! What the records of a log do.

use std::ops::Range;

use bytes::Bytes;

use crate::{Error, Result};

/// What a record of a log does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeType {
    /// `+A`: a row of a log table.
    Append,
    /// `+I`: a new key.
    Insert,
    /// `-U`: the state that an update replaces.
    UpdateBefore,
    /// `+U`: the state after an update; without old images an insert too.
    UpdateAfter,
    /// `-D`: the key is removed; carries the last state.
    Delete,
}

impl ChangeType {
    /// Whether the record sets its key, rather than removing it.
    pub fn sets(self) -> bool {
        !matches!(self, Self::UpdateBefore | Self::Delete)
    }

    /// Reads the byte that Fluss writes (its `ChangeType`).
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Append,
            1 => Self::Insert,
            2 => Self::UpdateBefore,
            3 => Self::UpdateAfter,
            4 => Self::Delete,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            Self::Append => 0,
            Self::Insert => 1,
            Self::UpdateBefore => 2,
            Self::UpdateAfter => 3,
            Self::Delete => 4,
        }
    }
}

/// The change types of some records in their order, one byte each as Fluss writes them. Empty where all records
/// are appended, as in a log table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeTypes(Bytes);

impl ChangeTypes {
    /// Reads the bytes that Fluss writes. They are copied: what they come from is the answer of a server, a
    /// thousand times as large.
    ///
    /// # Errors
    /// `Corrupt` for a byte that is no change type.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        match bytes.iter().find(|byte| ChangeType::from_byte(**byte).is_none()) {
            None => Ok(Self(Bytes::copy_from_slice(bytes))),
            Some(byte) => Err(Error::corrupt(format!("the change type {byte}"))),
        }
    }

    /// The number of records; 0 where all are appended.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all records are appended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the record at a position does; `None` beyond the last, and where all are appended.
    pub fn get(&self, position: usize) -> Option<ChangeType> {
        self.0.get(position).copied().and_then(ChangeType::from_byte)
    }

    /// Whether the record at a position sets its key: it does where all are appended.
    pub fn sets(&self, position: usize) -> bool {
        self.get(position).is_none_or(ChangeType::sets)
    }

    /// What each record does, in their order.
    pub fn iter(&self) -> impl Iterator<Item = ChangeType> + '_ {
        self.0.iter().copied().filter_map(ChangeType::from_byte)
    }

    /// Some of the records that follow one another; shares the bytes. Positions that are not there are left out.
    pub fn slice(&self, positions: Range<usize>) -> Self {
        let end = positions.end.min(self.len());
        Self(self.0.slice(positions.start.min(end)..end))
    }
}

impl FromIterator<ChangeType> for ChangeTypes {
    fn from_iter<I: IntoIterator<Item = ChangeType>>(changes: I) -> Self {
        Self(changes.into_iter().map(ChangeType::byte).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChangeType::{Append, Delete, Insert, UpdateAfter, UpdateBefore};

    #[test]
    fn bytes_are_read_and_written_as_fluss_has_them() {
        let all = ChangeTypes::new(&[0, 1, 2, 3, 4]).unwrap();
        let expected = [Append, Insert, UpdateBefore, UpdateAfter, Delete];
        assert!(all.iter().eq(expected));
        assert_eq!(expected.into_iter().collect::<ChangeTypes>(), all);
        assert!(matches!(ChangeTypes::new(&[1, 5]), Err(Error::Corrupt(_))));
    }

    #[test]
    fn slices_stay_within_their_records() {
        let all = ChangeTypes::new(&[1, 2, 3, 4]).unwrap();
        assert!(all.slice(1..3).iter().eq([UpdateBefore, UpdateAfter]));
        assert_eq!(all.slice(3..9).len(), 1);
        assert!(all.slice(7..9).is_empty());
        assert_eq!((all.get(3), all.get(4)), (Some(Delete), None));
        assert_eq!((all.sets(0), all.sets(1), ChangeTypes::default().sets(0)), (true, false, true));
    }
}
