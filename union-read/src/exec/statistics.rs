//! What a leaf tells the optimizer, known from metadata when the plan is made and not sent anywhere.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use paimon_scan::LakeFile;

use super::TableScan;
use crate::bucket_read::{BucketRead, Tail};

/// Statistics of whole reads: parts of a file do not know theirs.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The number of rows, where it is proven.
    rows: Option<usize>,
    /// No more rows than these, by analysis.
    rows_max: Option<u64>,
    /// Of the columns of the output.
    columns: Option<Arc<[ColumnStatistics]>>,
}

impl Known {
    /// What is known of these reads of a scan.
    pub(super) fn of(scan: &TableScan, reads: &[BucketRead]) -> Self {
        let with_tail = reads.iter().any(|read| read.tail.is_some());
        let analyzed = scan.lake.as_ref().and_then(|lake| lake.analyzed.as_ref());
        Self {
            rows: exact_rows(reads.iter()),
            rows_max: analyzed.and_then(|analyzed| analyzed.rows).filter(|_| !with_tail),
            columns: columns(scan, reads, with_tail),
        }
    }

    /// The same for a leaf that may leave out some of the rows.
    pub(super) fn of_fewer(&self) -> Self {
        let inexact = |of: &ColumnStatistics| of.clone().to_inexact();
        let columns = self.columns.as_ref().map(|all| all.iter().map(inexact).collect());
        Self { rows: None, columns, ..*self }
    }

    /// Rows of these reads, those that were asked for or parts of them.
    pub(super) fn rows<'a>(
        &self,
        reads: impl Iterator<Item = &'a BucketRead> + Clone,
        filtered: bool,
    ) -> Precision<usize> {
        let exact = self.rows.or_else(|| exact_rows(reads.clone()));
        if let Some(rows) = exact.filter(|_| !filtered) {
            return Precision::Exact(rows);
        }
        let rows = reads.map(rows).sum::<u64>();
        match usize::try_from(rows.min(self.rows_max.unwrap_or(u64::MAX))) {
            Ok(rows) => Precision::Inexact(rows),
            Err(_) => Precision::Absent,
        }
    }

    /// Adds what is known of columns.
    pub(super) fn tell(&self, statistics: &mut Statistics) {
        if let Some(columns) = &self.columns
            && columns.len() == statistics.column_statistics.len()
        {
            statistics.column_statistics = columns.to_vec();
        }
    }
}

/// Of columns that the lake has in the same type; nothing of all others.
fn columns(
    scan: &TableScan,
    reads: &[BucketRead],
    with_tail: bool,
) -> Option<Arc<[ColumnStatistics]>> {
    let lake = scan.lake.as_ref()?;
    let in_lake = scan.columns.in_lake(&lake.schema);
    let position = |column: &usize| {
        let position = in_lake.get(*column).copied().flatten()?;
        let ours = scan.columns.schema.field(*column).data_type();
        (ours == lake.schema.columns.field(position).data_type()).then_some(position)
    };
    let positions: Vec<Option<usize>> = scan.projection.iter().map(position).collect();
    let wanted: Vec<usize> = positions.iter().flatten().copied().collect();
    let files: Vec<&LakeFile> = reads.iter().flat_map(|read| &read.files).collect();
    let analyzed = lake.analyzed.as_ref();
    let found = paimon_scan::column_statistics(&lake.schema, &wanted, &files, with_tail, analyzed);
    let mut found = found.into_iter();
    let column = |position: &Option<usize>| {
        let of = position.and_then(|_| found.next()).unwrap_or_default();
        // with a limit, a partition may deliver fewer rows
        if scan.limit.is_some() { of.to_inexact() } else { of }
    };
    Some(positions.iter().map(column).collect())
}

/// Whether the number of rows is proven by metadata alone: files without overlaps and deletes.
fn is_exact(read: &BucketRead) -> bool {
    read.tail.is_none() && matches!(&read.files[..], [file] if file.exact_rows().is_some())
}

/// The number of rows, where it is proven.
fn exact_rows<'a>(reads: impl Iterator<Item = &'a BucketRead> + Clone) -> Option<usize> {
    if !reads.clone().all(is_exact) {
        return None;
    }
    usize::try_from(reads.map(rows).sum::<u64>()).ok()
}

fn rows(read: &BucketRead) -> u64 {
    let rows_of = |file: &LakeFile| file.exact_rows().unwrap_or_else(|| file.rows_to_read());
    let files: u64 = read.files.iter().map(rows_of).sum();
    let tail = match read.tail {
        Some(Tail::Log(range)) => range.end.saturating_sub(range.start),
        Some(Tail::State(end)) => end,
        None => 0,
    };
    files.saturating_add(u64::try_from(tail).unwrap_or(0))
}
