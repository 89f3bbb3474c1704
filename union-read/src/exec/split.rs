//! More reads than a table has files: a file that nothing else decides about is read in parts.
//!
//! Paimon writes one row group a file, so without it a small table would be read by one thread.

use crate::bucket_read::BucketRead;

/// A part of fewer bytes is not worth opening its file once more.
const PART_BYTES_MIN: u64 = 4 << 20;

/// The same rows in reads that none is larger than its fair share of one of `partitions`, as far as reads can be
/// cut: those of one file, without a tail.
pub(super) fn split(reads: Vec<BucketRead>, partitions: usize) -> Vec<BucketRead> {
    let bytes: u64 = reads.iter().map(BucketRead::bytes).sum();
    let fair = (bytes / partitions.max(1) as u64).max(PART_BYTES_MIN);
    reads.into_iter().flat_map(|read| cut(read, fair)).collect()
}

fn cut(read: BucketRead, fair: u64) -> Vec<BucketRead> {
    // a remainder of some rows is no part of its own
    let parts = read.bytes().saturating_sub(read.bytes() / 16).div_ceil(fair);
    match (&read.files[..], read.tail) {
        ([file], None) if parts > 1 => {
            let files = file.clone().sliced(parts).into_iter();
            files.map(|file| BucketRead { files: vec![file], ..read.clone() }).collect()
        }
        _ => vec![read],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use datafusion::common::stats::Precision;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionConfig;
    use fluss_scan::TablePath;
    use paimon_scan::{DeletionVectorRef, LakeFile, Section};

    use super::*;
    use crate::bucket_read::{LogRange, Tail};
    use crate::columns::Columns;
    use crate::exec::{TableScan, UnionReadExec};
    use crate::read_mode::ReadMode;

    fn read(megabytes: &[u64]) -> BucketRead {
        let file = |size: &u64| LakeFile {
            path: format!("file:/{size}"),
            size: size << 20,
            rows: size * 1000,
            ..LakeFile::default()
        };
        BucketRead { files: megabytes.iter().map(file).collect(), ..BucketRead::default() }
    }

    #[test]
    fn only_large_reads_of_one_file_are_cut() {
        let mut tail = read(&[100]);
        tail.tail = Some(Tail::Log(LogRange { start: 0, end: 1 }));
        let mut section = read(&[100]);
        section.files[0].section = Some(Section { index: 0, files: 1 });
        let cases = [
            ("one file", vec![read(&[100])], 2, vec![2]),
            ("a small one", vec![read(&[3])], 2, vec![1]),
            ("parts of a size that pays", vec![read(&[20])], 64, vec![5]),
            ("one of two", vec![read(&[90]), read(&[10])], 2, vec![2, 1]),
            ("as many as partitions", vec![read(&[50]), read(&[51])], 2, vec![1, 1]),
            ("several files together", vec![read(&[50, 50])], 2, vec![1]),
            ("with a tail", vec![tail], 2, vec![1]),
            ("to be resolved by key", vec![section], 2, vec![1]),
            ("nothing", vec![], 2, vec![]),
        ];
        for (case, reads, partitions, expected) in cases {
            let rows: u64 = reads.iter().flat_map(|read| &read.files).map(|file| file.rows).sum();
            let mut parts = vec![0; expected.len()];
            let mut read = 0;
            let split = split(reads.clone(), partitions);
            for part in &split {
                let position = reads.iter().position(|whole| {
                    whole.files.iter().map(|f| &f.path).eq(part.files.iter().map(|f| &f.path))
                });
                parts[position.unwrap()] += 1;
                read += part.files.iter().map(LakeFile::rows_to_read).sum::<u64>();
            }
            assert_eq!((parts, read), (expected, rows), "{case}");
        }
    }

    /// Else `count(*)` would read the table once it is large.
    #[test]
    fn a_leaf_of_parts_knows_its_rows_and_some_of_the_parts_do_not() {
        let mut marked = read(&[100]);
        marked.files[0].deletion_vector = Some(DeletionVectorRef {
            path: "file:/index".into(),
            offset: 1,
            length: 40,
            cardinality: Some(7),
        });
        let config = SessionConfig::new().with_target_partitions(2);
        let session = SessionStateBuilder::new().with_config(config).build();
        let (keys, partition_keys) = (vec![], vec![]);
        let columns = Columns { schema: Arc::new(Schema::empty()), keys, partition_keys };
        let path = TablePath::new("lake", "t");
        let scan = TableScan::assemble(path, None, None, ReadMode::Lake, columns);
        let leaf = UnionReadExec::spread(&session, scan, vec![marked], &Arc::default());
        assert_eq!((leaf.groups().len(), leaf.units().len()), (2, 2));
        assert_eq!(leaf.rows(), Precision::Exact(99_993));
        assert_eq!(leaf.restrict(&[1]).rows(), Precision::Inexact(50_000));
        // all of them, but nobody said so
        assert_eq!(leaf.restrict(&[0, 1]).rows(), Precision::Inexact(100_000));
    }
}
