//! What a table looks like, what is done to it, and what is asked.

use fluss_sim::Version;
use proptest::collection::vec;
use proptest::prelude::*;

/// Values of the partition column; every table has the column, partitioned ones have these partitions.
pub const PARTITIONS: [&str; 3] = ["a", "b", "c"];
/// Ids count from 0 to here.
const IDS: u8 = 12;

/// What rows are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A log table whose rows go to any bucket.
    Log,
    /// A log table with a bucket key.
    LogByKey,
    /// A primary-key table whose log has old and new rows.
    Full,
    /// One whose log has new rows alone.
    Wal,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Shape {
    pub kind: Kind,
    pub partitioned: bool,
    pub buckets: i32,
    /// The lake table has Fluss's system columns.
    pub legacy: bool,
    pub version: Version,
    pub servers: i32,
}

impl Shape {
    pub fn has_key(&self) -> bool {
        matches!(self.kind, Kind::Full | Kind::Wal)
    }
}

/// Something that happens. What cannot happen, to a bucket that is not there or a partition that is gone, does not.
#[derive(Debug, Clone)]
pub enum Step {
    /// Rows of these ids and versions are written, and shown unless `staged`.
    Write { partition: u8, rows: Vec<(u8, u8)>, staged: bool },
    /// Rows of these ids are deleted.
    Delete { partition: u8, ids: Vec<u8>, staged: bool },
    /// The column `extra` is added; to the lake at once, or when it is next written.
    AddColumn { lake_too: bool },
    /// Buckets of this mask go on in the lake, all but so many of their last batches.
    Tier { buckets: u8, lag: u8 },
    /// Sorted runs of a bucket of the lake are merged: the new ones, or all.
    Compact { bucket: u8, full: bool },
    /// The runs of a bucket are merged, which Fluss does not hear of, and the snapshot that it knows expires.
    ExpireSnapshot { bucket: u8 },
    /// A log loses batches: of those in the lake so many parts of four, or of all.
    Expire { bucket: u8, quarters: u8, beyond: bool },
    /// A log's batches go to remote storage.
    Remote { bucket: u8, keeps_local: bool },
    /// A partition is dropped; what the lake has of it stays.
    DropPartition { partition: u8 },
    /// A question.
    Ask(Question),
}

/// A question.
#[derive(Debug, Clone)]
pub enum Question {
    All,
    /// The columns of a mask.
    Columns(u8),
    /// `id = …`
    Id(u8),
    /// `n > …`
    Above(u8),
    /// `name IS NULL`
    Unnamed,
    /// `p = …`
    Partition(u8),
    /// The number of rows.
    Count,
    /// All of `$lake`.
    Lake,
    /// All of `$rt`.
    RealTime,
}

/// A history.
#[derive(Debug, Clone)]
pub struct History {
    pub shape: Shape,
    pub steps: Vec<Step>,
}

/// All histories that are made up.
pub fn histories() -> impl Strategy<Value = History> {
    (shapes(), vec(steps(), 1..40)).prop_map(|(shape, steps)| History { shape, steps })
}

fn shapes() -> impl Strategy<Value = Shape> {
    let kinds = prop_oneof![
        1 => Just(Kind::Log),
        1 => Just(Kind::LogByKey),
        3 => Just(Kind::Full),
        2 => Just(Kind::Wal)
    ];
    let versions = prop_oneof![Just(Version::V0_9), Just(Version::V1_0)];
    (kinds, any::<bool>(), 1..=3i32, any::<bool>(), versions, 1..=2i32).prop_map(
        |(kind, partitioned, buckets, legacy, version, servers)| Shape {
            kind,
            partitioned,
            buckets,
            legacy,
            version,
            servers,
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    let partition = || 0..PARTITIONS.len() as u8;
    let bucket = || 0..9u8;
    prop_oneof![
        8 => (partition(), vec((0..IDS, any::<u8>()), 1..6), prop::bool::weighted(0.1))
            .prop_map(|(partition, rows, staged)| Step::Write { partition, rows, staged }),
        3 => (partition(), vec(0..IDS, 1..4), prop::bool::weighted(0.1))
            .prop_map(|(partition, ids, staged)| Step::Delete { partition, ids, staged }),
        1 => any::<bool>().prop_map(|lake_too| Step::AddColumn { lake_too }),
        4 => (any::<u8>(), 0..3u8).prop_map(|(buckets, lag)| Step::Tier { buckets, lag }),
        2 => (bucket(), any::<bool>()).prop_map(|(bucket, full)| Step::Compact { bucket, full }),
        1 => bucket().prop_map(|bucket| Step::ExpireSnapshot { bucket }),
        1 => (bucket(), 1..=4u8, prop::bool::weighted(0.3))
            .prop_map(|(bucket, quarters, beyond)| Step::Expire { bucket, quarters, beyond }),
        1 => (bucket(), any::<bool>())
            .prop_map(|(bucket, keeps_local)| Step::Remote { bucket, keeps_local }),
        1 => partition().prop_map(|partition| Step::DropPartition { partition }),
        3 => questions().prop_map(Step::Ask),
    ]
}

fn questions() -> impl Strategy<Value = Question> {
    prop_oneof![
        Just(Question::All),
        (1..32u8).prop_map(Question::Columns),
        (0..IDS).prop_map(Question::Id),
        any::<u8>().prop_map(Question::Above),
        Just(Question::Unnamed),
        (0..PARTITIONS.len() as u8).prop_map(Question::Partition),
        Just(Question::Count),
        Just(Question::Lake),
        Just(Question::RealTime),
    ]
}
