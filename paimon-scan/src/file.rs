//! The unit that travels to a backend: one data file with everything needed to read it right.

use prost::Message;

use crate::error::{LakeError, Result};
use crate::written_names::FieldName;

/// One data file of a bucket. Encodes with [`LakeFile::to_bytes`].
#[derive(Clone, PartialEq, Message)]
pub struct LakeFile {
    /// Full path as Paimon's metadata gives it (`file:/…`, `s3://…`), taken literally.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Bytes.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// Physical rows, those that a mask hides included.
    #[prost(uint64, tag = "3")]
    pub rows: u64,
    /// Paimon schema the file was written with.
    #[prost(int64, tag = "4")]
    pub schema_id: i64,
    /// Level in the bucket's LSM tree; 0 for files as they were written.
    #[prost(int32, tag = "5")]
    pub level: i32,
    /// Smallest sequence number of its rows.
    #[prost(int64, tag = "6")]
    pub min_sequence: i64,
    /// Largest sequence number of its rows.
    #[prost(int64, tag = "7")]
    pub max_sequence: i64,
    /// Rows that are deletes (−D, −U); `None` when the writer did not say.
    #[prost(uint64, optional, tag = "8")]
    pub delete_rows: Option<u64>,
    /// Smallest and largest key in the order of [`crate::KeyEncoder`]; `None` when not comparable.
    #[prost(message, optional, tag = "9")]
    pub key_range: Option<KeyRange>,
    /// Rows that Paimon itself has marked as deleted.
    #[prost(message, optional, tag = "10")]
    pub deletion_vector: Option<DeletionVectorRef>,
    /// Set when the file's rows are only right after [`crate::derive_deletion_vectors`].
    #[prost(message, optional, tag = "11")]
    pub section: Option<Section>,
    /// What the writer counted: bounds of fixed-width columns, for pruning whole files, and nulls.
    #[prost(message, repeated, tag = "12")]
    pub bounds: Vec<ColumnBounds>,
    /// The rows to read, by position; all when `None`.
    #[prost(message, optional, tag = "13")]
    pub slice: Option<Slice>,
    /// Set when the file is read by the `paimon` crate's own reader.
    #[prost(message, optional, tag = "14")]
    pub foreign: Option<Foreign>,
    /// What its columns are called in it, where the names of now would be other columns. Counts only if the
    /// file has no field ids.
    #[prost(message, repeated, tag = "15")]
    pub names: Vec<FieldName>,
}

/// Rows `first..end` of a file: what is read of it in one place. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub struct Slice {
    /// The first row.
    #[prost(uint64, tag = "1")]
    pub first: u64,
    /// The first row that does not belong to it.
    #[prost(uint64, tag = "2")]
    pub end: u64,
}

/// How the `paimon` crate's own reader finds a file.
#[derive(Clone, PartialEq, Message)]
pub struct Foreign {
    /// A split of this file alone, without its deletion vector, as Paimon serialises it.
    #[prost(bytes = "vec", tag = "1")]
    pub split: Vec<u8>,
    /// Database of the table.
    #[prost(string, tag = "2")]
    pub database: String,
    /// Its name.
    #[prost(string, tag = "3")]
    pub table: String,
    /// Where its metadata is.
    #[prost(string, tag = "4")]
    pub location: String,
    /// Checksum of what its schema says of merging.
    #[prost(uint32, tag = "5")]
    pub rules: u32,
}

/// Encoded keys, both inclusive, compared as bytes.
#[derive(Clone, PartialEq, Message)]
pub struct KeyRange {
    /// Smallest key.
    #[prost(bytes = "vec", tag = "1")]
    pub min: Vec<u8>,
    /// Largest key.
    #[prost(bytes = "vec", tag = "2")]
    pub max: Vec<u8>,
}

/// Where a deletion vector is.
#[derive(Clone, PartialEq, Message)]
pub struct DeletionVectorRef {
    /// The index file that holds it.
    #[prost(string, tag = "1")]
    pub path: String,
    /// First byte of its length prefix.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
    /// Length as the index manifest gives it (version 1 leaves out prefix and checksum).
    #[prost(uint64, tag = "3")]
    pub length: u64,
    /// Number of rows it hides, when known.
    #[prost(uint64, optional, tag = "4")]
    pub cardinality: Option<u64>,
}

/// Files of one bucket whose key ranges overlap, directly or through others.
#[derive(Clone, PartialEq, Message)]
pub struct Section {
    /// Number of the section inside its bucket.
    #[prost(uint32, tag = "1")]
    pub index: u32,
    /// How many files belong to it: resolving fewer of them would be wrong.
    #[prost(uint32, tag = "2")]
    pub files: u32,
}

/// What is known of the values of one column in one file, rows that a mask hides included.
#[derive(Clone, PartialEq, Message)]
pub struct ColumnBounds {
    /// Field id of the column.
    #[prost(int32, tag = "1")]
    pub field_id: i32,
    /// Smallest value, as the integer that its Arrow type stores. Exact; `None` for types that have no such, and
    /// without values.
    #[prost(int64, optional, tag = "2")]
    pub min: Option<i64>,
    /// Largest value.
    #[prost(int64, optional, tag = "3")]
    pub max: Option<i64>,
    /// Nulls, when counted.
    #[prost(uint64, optional, tag = "4")]
    pub nulls: Option<u64>,
}

impl Slice {
    fn rows(self) -> u64 {
        self.end.saturating_sub(self.first)
    }
}

impl LakeFile {
    /// Encodes the file for another process.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Decodes and checks what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `Corrupt` for other bytes or contradictory values.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let file = Self::decode(bytes)
            .map_err(|error| LakeError::corrupt(format!("lake file on the wire: {error}")))?;
        file.validate()?;
        Ok(file)
    }

    /// Rows left by Paimon's own deletion vector; `None` when overlapping files or uncounted deletes
    /// make that unknown without reading.
    pub fn exact_rows(&self) -> Option<u64> {
        if self.section.is_some() {
            return None;
        }
        match (&self.deletion_vector, &self.slice) {
            (None, slice) => slice.map_or(Some(self.rows), |slice| Some(slice.rows())),
            (Some(vector), None) => self.rows.checked_sub(vector.cardinality?),
            (Some(_), Some(_)) => None,
        }
    }

    /// Physical rows to read.
    pub fn rows_to_read(&self) -> u64 {
        self.slice.map_or(self.rows, Slice::rows)
    }

    /// About how many bytes are read.
    pub fn bytes_to_read(&self) -> u64 {
        let share = |slice: Slice| {
            let bytes = u128::from(self.size) * u128::from(slice.rows());
            u64::try_from(bytes / u128::from(self.rows.max(1))).unwrap_or(self.size)
        };
        self.slice.map_or(self.size, share)
    }

    /// The same rows as `parts` files of about the same length, each a slice of this one. Fewer where there are
    /// not so many rows; the file itself where it cannot be read in parts: with others, or as a part already.
    pub fn sliced(self, parts: u64) -> Vec<Self> {
        let parts = parts.min(self.rows);
        if parts < 2 || self.section.is_some() || self.slice.is_some() || self.foreign.is_some() {
            return vec![self];
        }
        let bound = |part: u64| {
            // cannot overflow: rows and parts are below 2³²
            self.rows * part / parts
        };
        let slice = |part| Some(Slice { first: bound(part), end: bound(part + 1) });
        (0..parts).map(|part| Self { slice: slice(part), ..self.clone() }).collect()
    }

    /// Checks what every reader relies on.
    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |what: &str| Err(LakeError::corrupt(format!("file {:?}: {what}", self.path)));
        if self.path.is_empty() {
            return wrong("no path");
        }
        // row positions in bitmaps are 32 bits wide
        if self.rows > u64::from(u32::MAX) {
            return wrong("more than 4294967295 rows");
        }
        if self.delete_rows.is_some_and(|deletes| deletes > self.rows) {
            return wrong("more deletes than rows");
        }
        if self.key_range.as_ref().is_some_and(|range| range.min > range.max) {
            return wrong("smallest key above largest key");
        }
        if self.section.as_ref().is_some_and(|section| section.files == 0) {
            return wrong("section without files");
        }
        let is_part = |slice: &Slice| slice.first < slice.end && slice.end <= self.rows;
        if self.slice.as_ref().is_some_and(|slice| !is_part(slice) || self.section.is_some()) {
            return wrong("a slice that is not a part of it");
        }
        match &self.deletion_vector {
            Some(vector) if vector.offset.checked_add(vector.length).is_none() => {
                wrong("deletion vector beyond the address space")
            }
            Some(vector) if vector.cardinality.is_some_and(|hidden| hidden > self.rows) => {
                wrong("more deleted rows than rows")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> LakeFile {
        LakeFile {
            path: "file:/lake/f.parquet".into(),
            size: 10,
            rows: 100,
            delete_rows: Some(0),
            deletion_vector: Some(DeletionVectorRef {
                path: "file:/lake/index".into(),
                offset: 1,
                length: 20,
                cardinality: Some(3),
            }),
            bounds: vec![ColumnBounds { field_id: 1, min: Some(-5), max: Some(7), nulls: None }],
            ..LakeFile::default()
        }
    }

    #[test]
    fn the_wire_keeps_everything_and_checks_it() {
        let file = file();
        assert_eq!(LakeFile::from_bytes(&file.to_bytes()).unwrap(), file);
        assert_eq!(file.exact_rows(), Some(97));
        let mut wrong = file.clone();
        wrong.delete_rows = Some(101);
        assert!(LakeFile::from_bytes(&wrong.to_bytes()).is_err());
        let mut wrong = file.clone();
        wrong.path.clear();
        assert!(LakeFile::from_bytes(&wrong.to_bytes()).is_err());
        let mut overlapping = file;
        overlapping.section = Some(Section { index: 0, files: 2 });
        assert_eq!(overlapping.exact_rows(), None);
    }

    #[test]
    fn slices_are_the_file_once() {
        let plain = LakeFile { deletion_vector: None, ..file() };
        for (parts, expected) in [(0, 1), (1, 1), (3, 3), (100, 100), (u64::MAX, 100)] {
            let slices = plain.clone().sliced(parts);
            assert_eq!(slices.len(), expected);
            let mut next = 0;
            for slice in slices.iter().filter_map(|file| file.slice) {
                assert_eq!(slice.first, next);
                next = slice.end;
            }
            assert_eq!(next, if expected > 1 { 100 } else { 0 });
            assert_eq!(slices.iter().filter_map(LakeFile::exact_rows).sum::<u64>(), 100);
            assert_eq!(slices.iter().map(LakeFile::rows_to_read).sum::<u64>(), 100);
            assert!(slices.iter().map(LakeFile::bytes_to_read).sum::<u64>() <= plain.size);
            for slice in slices {
                assert_eq!(LakeFile::from_bytes(&slice.to_bytes()).unwrap(), slice);
                if expected > 1 {
                    assert_eq!(slice.clone().sliced(2), [slice]);
                }
            }
        }
        // how many of its hidden rows are in a slice is not known
        assert!(file().sliced(2).iter().all(|slice| slice.exact_rows().is_none()));
        let section = Some(Section { index: 0, files: 2 });
        assert_eq!(LakeFile { section, ..file() }.sliced(2).len(), 1);
        for (first, end) in [(3, 3), (5, 4), (0, 101)] {
            let wrong = LakeFile { slice: Some(Slice { first, end }), ..file() };
            assert!(LakeFile::from_bytes(&wrong.to_bytes()).is_err());
        }
    }
}
