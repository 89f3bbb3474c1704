//! One bucket's share of a read point: the unit that is planned, placed, sent and read.

use std::hash::{DefaultHasher, Hash, Hasher};

use paimon_scan::LakeFile;

/// What one bucket contributes to the answer.
///
/// ```text
/// log table          files  -            lake rows (one file each: they are independent)
///                    -      Log          tail rows of one bucket
/// primary-key table  files  -            lake rows, overlapping files resolved
///                    files  Log          lake rows that the tail did not touch + live tail rows
///                    -      State        the current state that Fluss holds
/// ```
#[derive(Clone, PartialEq, prost::Message)]
pub struct BucketRead {
    /// Fluss's id of the partition; absent in an unpartitioned table and where the partition lives
    /// in the lake alone.
    #[prost(int64, optional, tag = "1")]
    pub partition_id: Option<i64>,
    /// The partition's name, for people.
    #[prost(string, tag = "2")]
    pub partition: String,
    /// The bucket: Fluss's, or the lake's where only files are read.
    #[prost(int32, tag = "3")]
    pub bucket: i32,
    /// Data files of the lake snapshot.
    #[prost(message, repeated, tag = "4")]
    pub files: Vec<LakeFile>,
    /// What is read from Fluss.
    #[prost(oneof = "Tail", tags = "5, 6")]
    pub tail: Option<Tail>,
}

/// What a bucket read takes from Fluss.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub enum Tail {
    /// The log between two offsets.
    #[prost(message, tag = "5")]
    Log(LogRange),
    /// The state of a primary-key bucket at this offset or a later one.
    #[prost(int64, tag = "6")]
    State(i64),
}

/// Offsets `[start, end)` of a bucket's log.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct LogRange {
    /// The first offset.
    #[prost(int64, tag = "1")]
    pub start: i64,
    /// The first offset that does not belong to it.
    #[prost(int64, tag = "2")]
    pub end: i64,
}

/// A guess at the bytes of one change in the log, for balancing work only.
const LOG_BYTES_PER_OFFSET: u64 = 100;

impl BucketRead {
    /// About how many bytes are read, for balancing work.
    pub fn bytes(&self) -> u64 {
        let files: u64 = self.files.iter().map(LakeFile::bytes_to_read).sum();
        let offsets = match self.tail {
            Some(Tail::Log(range)) => range.end.saturating_sub(range.start),
            Some(Tail::State(end)) => end,
            None => 0,
        };
        files.saturating_add(u64::try_from(offsets).unwrap_or(0) * LOG_BYTES_PER_OFFSET)
    }

    /// A number that is equal for reads of the same data, so that they land where it is cached.
    pub fn affinity(&self, table: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        table.hash(&mut hasher);
        self.partition.hash(&mut hasher);
        self.bucket.hash(&mut hasher);
        if self.tail.is_none()
            && let [file] = &self.files[..]
        {
            file.path.hash(&mut hasher);
            // parts of a file go to several backends, each part to the same one
            file.slice.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The way by which it is answered, as EXPLAIN shows it.
    pub fn way(&self, primary_key: bool) -> &'static str {
        match (primary_key, self.files.is_empty(), self.tail) {
            (_, _, None) => "lake",
            (_, _, Some(Tail::State(_))) => "state",
            (false, _, Some(Tail::Log(_))) => "log",
            (true, true, Some(Tail::Log(_))) => "log-fold",
            (true, false, Some(Tail::Log(_))) => "anti-filter",
        }
    }
}
