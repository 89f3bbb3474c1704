//! What a plan consists of: the files of a snapshot, by partition and bucket.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use paimon::spec::{BigIntType, BinaryRow, DataType as PaimonType, Datum, IntType};

use crate::analyzed::Analyzed;
use crate::file::LakeFile;
use crate::schema::LakeSchema;

/// The files of one table at one snapshot.
#[derive(Debug, Clone)]
pub struct LakePlan {
    /// The snapshot; `None` for a table that never had one.
    pub snapshot_id: Option<i64>,
    /// The schema all files are read as.
    pub schema: LakeSchema,
    /// Whether rows are spread over a fixed number of buckets by Paimon's own hash of the bucket key.
    pub hashes_key: bool,
    /// What ANALYZE has left, if it ever ran.
    pub analyzed: Option<Analyzed>,
    /// Buckets with at least one file, ordered by partition and number. Shared with other plans of
    /// the table, whose snapshots have the same files there.
    pub buckets: Vec<Arc<LakeBucket>>,
}

/// The files of one bucket of one partition. What must be resolved by key is inside one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct LakeBucket {
    /// Values of the partition columns, in their order, with the types of the schema.
    pub partition: Vec<ScalarValue>,
    /// Number of the bucket; 0 in tables without fixed buckets.
    pub bucket: i32,
    /// Number of buckets that the partition had when the files were written.
    pub total_buckets: i32,
    /// Data files.
    pub files: Vec<LakeFile>,
}

impl LakeBucket {
    /// Whether some files are only right after [`crate::derive_deletion_vectors`].
    pub fn needs_resolution(&self) -> bool {
        self.files.iter().any(|file| file.section.is_some())
    }

    /// Rows, when metadata alone proves their number.
    pub fn exact_rows(&self) -> Option<u64> {
        self.files.iter().map(LakeFile::exact_rows).sum()
    }
}

impl LakePlan {
    /// The bucket, of `total_buckets`, of rows whose bucket key has these values. `None` where that is not
    /// known: other ways of bucketing, keys that are not INT or BIGINT, values of other types.
    pub fn bucket_of(&self, key: &[ScalarValue], total_buckets: i32) -> Option<i32> {
        let columns = &self.schema.bucket_key;
        if !self.hashes_key || total_buckets < 1 || key.is_empty() || key.len() != columns.len() {
            return None;
        }
        let datum = |(value, column): (&ScalarValue, &usize)| {
            let of = self.schema.columns.field(*column).data_type();
            match (value, of) {
                (ScalarValue::Int32(Some(value)), DataType::Int32) => {
                    Some((Datum::Int(*value), PaimonType::Int(IntType::new())))
                }
                (ScalarValue::Int64(Some(value)), DataType::Int64) => {
                    Some((Datum::Long(*value), PaimonType::BigInt(BigIntType::new())))
                }
                _ => None,
            }
        };
        let key: Vec<_> = key.iter().zip(columns).map(datum).collect::<Option<_>>()?;
        let key: Vec<_> = key.iter().map(|(datum, of)| (Some(datum), of)).collect();
        Some(BinaryRow::compute_bucket_from_datums(&key, total_buckets))
    }

    /// Rows, when metadata alone proves their number.
    pub fn exact_rows(&self) -> Option<u64> {
        self.buckets.iter().map(|bucket| bucket.exact_rows()).sum()
    }
}
