//! What resolving reads of a batch.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int8Type, Int64Type};
use arrow::record_batch::RecordBatch;

use crate::error::{LakeError, Result};

/// Row kinds: 0 +I, 1 −U, 2 +U, 3 −D.
const KINDS: std::ops::Range<i8> = 0..4;

pub(super) fn is_delete(kind: i8) -> bool {
    kind == 1 || kind == 3
}

/// What to read of a file.
#[derive(Clone, Copy)]
pub(super) struct Want {
    pub(super) keys: bool,
    pub(super) kinds: bool,
    /// Sequence numbers, and the table's sequence fields before them.
    pub(super) sequences: bool,
}

/// One batch of a file being resolved.
pub(super) struct Versions<'a> {
    pub(super) first_row: u32,
    pub(super) keys: &'a [ArrayRef],
    pub(super) kinds: Option<&'a [i8]>,
    pub(super) sequences: Option<&'a [i64]>,
    pub(super) order: &'a [ArrayRef],
}

/// `widths`: numbers of key columns and of sequence fields.
pub(super) fn versions(
    batch: &RecordBatch,
    want: Want,
    widths: (usize, usize),
    first_row: u32,
) -> Result<Versions<'_>> {
    let (keys, rest) = batch.columns().split_at(if want.keys { widths.0 } else { 0 });
    let (order, rest) = rest.split_at(if want.sequences { widths.1 } else { 0 });
    let mut rest = rest.iter();
    let missing = || LakeError::corrupt("row kinds or sequence numbers are missing");
    let kinds = match want.kinds {
        true => {
            let column = rest.next().and_then(|c| c.as_primitive_opt::<Int8Type>());
            let kinds = column.ok_or_else(missing)?.values().as_ref();
            if let Some(kind) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
                return Err(LakeError::corrupt(format!("row kind {kind}")));
            }
            Some(kinds)
        }
        false => None,
    };
    let sequences = match want.sequences {
        true => {
            let column = rest.next().and_then(|c| c.as_primitive_opt::<Int64Type>());
            Some(column.ok_or_else(missing)?.values().as_ref())
        }
        false => None,
    };
    Ok(Versions { first_row, keys, kinds, sequences, order })
}
