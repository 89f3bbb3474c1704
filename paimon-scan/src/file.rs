//! The unit that travels to a backend: one data file with everything needed to read it right.

use prost::Message;

use crate::error::{LakeError, Result};

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
    /// Exact bounds of fixed-width columns, for pruning whole files.
    #[prost(message, repeated, tag = "12")]
    pub bounds: Vec<ColumnBounds>,
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

/// Exact bounds of one column, as the integer that its Arrow type stores.
#[derive(Clone, PartialEq, Message)]
pub struct ColumnBounds {
    /// Field id of the column.
    #[prost(int32, tag = "1")]
    pub field_id: i32,
    /// Smallest value.
    #[prost(int64, tag = "2")]
    pub min: i64,
    /// Largest value.
    #[prost(int64, tag = "3")]
    pub max: i64,
    /// Nulls, when counted.
    #[prost(uint64, optional, tag = "4")]
    pub nulls: Option<u64>,
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
        let hidden = match &self.deletion_vector {
            None => 0,
            Some(vector) => vector.cardinality?,
        };
        self.rows.checked_sub(hidden)
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
            bounds: vec![ColumnBounds { field_id: 1, min: -5, max: 7, nulls: None }],
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
}
