//! Hidden rows of a file, in the form in which leaving them out costs least.
//!
//! | hidden rows | form | cost |
//! |---|---|---|
//! | few, or in long runs | row selection: they are not decoded | one step of the decoder per run |
//! | many and scattered | [`BitMask`] over the decoded rows | one copy of the rows that stay |
//!
//! A bit mask has to know which row of the file each decoded row is, whatever was pruned before; so it goes by
//! the row numbers that the Parquet reader gives, never by counting rows. See [`crate::positions`].

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use roaring::RoaringBitmap;

/// Rows of a file for one run of hidden rows, below which a bit mask is cheaper than a row selection.
///
/// Measured with `bench/lake`: a run costs the decoder as much as copying some hundred rows of a few columns.
const ROWS_PER_RUN: u64 = 128;

/// How to leave out rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mask {
    /// By reading the other rows only.
    Selection(RowSelection),
    /// After decoding.
    Bits(BitMask),
}

impl Mask {
    /// The cheaper form for the rows `part` of a file with `rows` rows; a selection where positions are not to be
    /// had. A selection leaves out the rows beside `part` as well, bits do not.
    pub(crate) fn of(
        hidden: &RoaringBitmap,
        part: &Range<u64>,
        rows: u64,
        positions: bool,
    ) -> Self {
        match positions && is_scattered(hidden, part) {
            true => Self::Bits(BitMask::new(hidden, rows)),
            false => Self::Selection(selection(&(hidden | outside(part, rows)), rows)),
        }
    }
}

/// Rows of a page as Paimon's writer makes it, at most.
const PAGE_ROWS: usize = 20_000;

/// Whether a selection may leave out whole pages.
pub(crate) fn leaves_out_pages(selection: &RowSelection) -> bool {
    selection.iter().any(|selector| selector.skip && selector.row_count >= PAGE_ROWS)
}

/// The rows of a file beside `part`.
fn outside(part: &Range<u64>, rows: u64) -> RoaringBitmap {
    let mut outside = RoaringBitmap::new();
    // positions have 32 bits
    outside.insert_range(0..part.start as u32);
    if part.end < rows {
        outside.insert_range(part.end as u32..=(rows - 1) as u32);
    }
    outside
}

/// Whether the hidden rows of `part` are many runs.
fn is_scattered(hidden: &RoaringBitmap, part: &Range<u64>) -> bool {
    let few = part.end.saturating_sub(part.start) / ROWS_PER_RUN;
    let mut ranges = hidden.range(part.start as u32..=part.end.saturating_sub(1) as u32);
    let mut runs = 0;
    while ranges.next_range().is_some() {
        runs += 1;
        if runs > few {
            return true;
        }
    }
    false
}

/// A selection over exactly `rows` rows that skips the hidden ones.
pub(crate) fn selection(hidden: &RoaringBitmap, rows: u64) -> RowSelection {
    let mut selectors = Vec::new();
    let mut next = 0;
    let mut skip_from = 0;
    // `skip_from..next` is the run of hidden rows being collected
    let mut ranges = hidden.iter();
    while let Some(range) = ranges.next_range() {
        let (first, end) = (u64::from(*range.start()), (u64::from(*range.end()) + 1).min(rows));
        if first >= rows {
            break;
        }
        if first != next {
            push(&mut selectors, RowSelector::skip((next - skip_from) as usize));
            push(&mut selectors, RowSelector::select((first - next) as usize));
            skip_from = first;
        }
        next = end;
    }
    push(&mut selectors, RowSelector::skip((next - skip_from) as usize));
    push(&mut selectors, RowSelector::select((rows - next) as usize));
    RowSelection::from(selectors)
}

/// A selection of `part`, over exactly `rows` rows: the reader refuses a file that has another number.
pub(crate) fn only(part: &Range<u64>, rows: u64) -> RowSelection {
    selection(&outside(part, rows), rows)
}

fn push(selectors: &mut Vec<RowSelector>, selector: RowSelector) {
    if selector.row_count > 0 {
        selectors.push(selector);
    }
}

/// One bit per row of a file: whether it stays.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BitMask {
    keep: BooleanBuffer,
}

impl BitMask {
    fn new(hidden: &RoaringBitmap, rows: u64) -> Self {
        let mut words = vec![u64::MAX; rows.div_ceil(64) as usize];
        for row in hidden {
            if let Some(word) = words.get_mut(row as usize / 64) {
                *word &= !(1 << (row % 64));
            }
        }
        // Arrow's bits are little-endian, as those of every platform this is built for
        let words = words.into_iter().map(u64::to_le).collect::<Vec<_>>();
        Self { keep: BooleanBuffer::new(words.into(), 0, rows as usize) }
    }

    /// The rows that stay of a batch whose last column is the row's position in the file, without that column:
    /// the columns of `schema`. `None` when none stays.
    pub(crate) fn apply(
        &self,
        batch: RecordBatch,
        schema: &SchemaRef,
    ) -> Result<Option<RecordBatch>> {
        let rows = batch.num_rows();
        let (_, mut columns, _) = batch.into_parts();
        let keep = match columns.pop() {
            Some(positions) => self.of(&positions)?,
            None => return exec_err!("a masked batch without row positions"),
        };
        let kept = keep.count_set_bits();
        if kept == 0 {
            return Ok(None);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options)?;
        if kept == rows {
            return Ok(Some(batch));
        }
        Ok(Some(filter_record_batch(&batch, &BooleanArray::new(keep, None))?))
    }

    /// The bits of the rows at `positions`.
    fn of(&self, positions: &ArrayRef) -> Result<BooleanBuffer> {
        let positions = positions.as_primitive_opt::<Int64Type>();
        let Some(positions) = positions.filter(|positions| positions.null_count() == 0) else {
            return exec_err!("row positions that are not numbers");
        };
        let positions = positions.values();
        let Some(first) = positions.first().copied() else {
            return Ok(BooleanBuffer::new_unset(0));
        };
        // no early end, so that the loop is vectorised
        let consecutive = positions
            .iter()
            .zip(0..)
            .fold(true, |all, (row, offset)| all & (row.wrapping_sub(first) == offset));
        let beyond =
            |row: i64| exec_datafusion_err!("row {row} of a file with {}", self.keep.len());
        if consecutive {
            let start = usize::try_from(first).map_err(|_| beyond(first))?;
            let end = start.checked_add(positions.len()).filter(|end| *end <= self.keep.len());
            end.ok_or_else(|| beyond(first))?;
            return Ok(self.keep.slice(start, positions.len()));
        }
        let length = self.keep.len() as u64;
        match positions.iter().find(|row| (**row as u64) >= length) {
            Some(row) => Err(beyond(*row)),
            None => Ok(BooleanBuffer::collect_bool(positions.len(), |i| {
                self.keep.value(positions[i] as usize)
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn a_selection_covers_every_row_once() {
        for (hidden, rows) in [
            (vec![], 5),
            (vec![0], 5),
            (vec![4], 5),
            (vec![0, 1, 4], 5),
            (vec![0, 1, 2, 3, 4], 5),
            (vec![2, 3, 700], 1000),
            // runs that go on in the next part of the bitmap
            ((65_500..65_600).collect(), 70_000),
            ((0..140_000).collect(), 140_001),
        ] {
            let hidden: RoaringBitmap = hidden.into_iter().collect();
            let selectors: Vec<RowSelector> = selection(&hidden, rows).into();
            let mut row = 0u32;
            for selector in selectors {
                for _ in 0..selector.row_count {
                    assert_eq!(selector.skip, hidden.contains(row));
                    row += 1;
                }
            }
            assert_eq!(u64::from(row), rows);
        }
    }

    #[test]
    fn scattered_rows_become_bits_where_positions_are_known() {
        let form =
            |hidden: RoaringBitmap, positions| Mask::of(&hidden, &(0..100_000), 100_000, positions);
        let every = |step: usize| (0..100_000).step_by(step).collect::<RoaringBitmap>();
        assert!(matches!(form(every(5), true), Mask::Bits(_)));
        assert!(matches!(form(every(5), false), Mask::Selection(_)));
        assert!(matches!(form(every(1000), true), Mask::Selection(_)));
        // a part without hidden rows
        let half = Mask::of(&(0..50_000).step_by(5).collect(), &(50_000..100_000), 100_000, true);
        assert!(matches!(half, Mask::Selection(_)));
        // pages are left out by long runs alone
        let pages = |hidden| leaves_out_pages(&selection(&hidden, 100_000));
        assert!(pages((10_000..30_000).collect()));
        assert!(!pages((0..100_000).filter(|row| row / 5000 % 2 == 0).collect()));
        // one run, however long
        assert!(matches!(form((10..90_000).collect(), true), Mask::Selection(_)));
    }

    fn batch(positions: &[i64]) -> (RecordBatch, SchemaRef) {
        let value = Field::new("v", DataType::Int64, false);
        let schema = Arc::new(Schema::new(vec![value.clone()]));
        let position = Field::new("position", DataType::Int64, true);
        let both = Arc::new(Schema::new(vec![value, position]));
        let column: ArrayRef = Arc::new(Int64Array::from(positions.to_vec()));
        (RecordBatch::try_new(both, vec![Arc::clone(&column), column]).unwrap(), schema)
    }

    #[test]
    fn bits_go_by_position_whatever_was_left_out_before() {
        let mut random = StdRng::seed_from_u64(5);
        let hidden: RoaringBitmap = (0..1000).filter(|_| random.random_bool(0.3)).collect();
        let mask = BitMask::new(&hidden, 1000);
        for _ in 0..200 {
            let first = random.random_range(0..1000);
            let share = [0.05, 0.5, 1.0][random.random_range(0..3)];
            let mut positions: Vec<i64> =
                (first..1000).filter(|_| random.random_bool(share)).take(100).collect();
            if random.random_bool(0.2) {
                positions.reverse();
            }
            let (batch, schema) = batch(&positions);
            positions.retain(|row| !hidden.contains(*row as u32));
            let kept = mask.apply(batch, &schema).unwrap();
            let kept = kept.map_or(vec![], |kept| {
                assert_eq!(kept.num_columns(), 1);
                kept.column(0).as_primitive::<Int64Type>().values().to_vec()
            });
            assert_eq!(kept, positions);
        }
    }

    #[test]
    fn rows_that_the_file_does_not_have_are_errors() {
        let mask = BitMask::new(&RoaringBitmap::from([3]), 10);
        for positions in [&[8, 9, 10][..], &[-1, 0], &[2, 10], &[-3, 5], &[i64::MAX, i64::MIN]] {
            let (batch, schema) = batch(positions);
            assert!(mask.apply(batch, &schema).is_err(), "{positions:?}");
        }
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        assert!(mask.apply(nothing, &Arc::new(Schema::empty())).is_err());
    }
}
