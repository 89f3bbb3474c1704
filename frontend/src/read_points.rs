//! `SHOW READ POINTS`: where the session's last query read, bucket by bucket.
//!
//! `EXPLAIN` plans anew and so names a later read point; whoever doubts an answer needs the one of that very answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;
use union_read::UnionReadExec;
use union_read::bucket_read::{BucketRead, Tail};
use union_read::exec::TableScan;

use crate::{Error, Result};

/// The read points of one query, or why they were not kept.
pub type Kept = Result<Vec<BucketPoint>>;

/// One bucket of a table as a query read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPoint {
    /// `database.table`.
    pub table: String,
    /// `union`, `lake` or `rt`.
    pub mode: String,
    /// The lake snapshot.
    pub snapshot: Option<i64>,
    /// The partition's name; empty in an unpartitioned table.
    pub partition: String,
    /// Fluss's id of the partition.
    pub partition_id: Option<i64>,
    /// The bucket's number.
    pub bucket: i32,
    /// The ways by which it was read, as `EXPLAIN` names them.
    pub ways: BTreeSet<&'static str>,
    /// The first offset of the log that was read; `None`: no log, or the state instead.
    pub log_start: Option<i64>,
    /// The end of the log; of a state the offset that it had reached at least.
    pub log_end: Option<i64>,
    /// The data files of the lake.
    pub files: BTreeSet<String>,
}

type Key = (String, String, String, Option<i64>, i32);

/// The read points in a plan, by table and bucket.
///
/// # Errors
/// `TooLarge` for more than `files_max` files and buckets: a session keeps them until its next query.
pub fn of(plan: &Arc<dyn ExecutionPlan>, files_max: usize) -> Kept {
    let mut points: BTreeMap<Key, BucketPoint> = BTreeMap::new();
    let mut entries = 0_usize;
    plan.apply(|node| {
        if let Some(leaf) = node.downcast_ref::<UnionReadExec>() {
            for read in leaf.groups().iter().flatten() {
                entries += 1 + read.files.len();
                if entries > files_max {
                    return Ok(TreeNodeRecursion::Stop);
                }
                add(&mut points, leaf.scan(), read);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if entries > files_max {
        return Err(Error::TooLarge(format!(
            "the query read more than {files_max} buckets and files (frontend.read_point_files_max): \
             its read points were not kept"
        )));
    }
    Ok(points.into_values().collect())
}

fn add(points: &mut BTreeMap<Key, BucketPoint>, scan: &TableScan, read: &BucketRead) {
    let (table, mode) = (scan.path.to_string(), scan.mode.to_string());
    let key = (table.clone(), mode.clone(), read.partition.clone(), read.partition_id, read.bucket);
    let point = points.entry(key).or_insert_with(|| BucketPoint {
        table,
        mode,
        snapshot: scan.lake.as_ref().and_then(|lake| lake.snapshot_id),
        partition: read.partition.clone(),
        partition_id: read.partition_id,
        bucket: read.bucket,
        ways: BTreeSet::new(),
        log_start: None,
        log_end: None,
        files: BTreeSet::new(),
    });
    point.ways.insert(read.way(scan.has_primary_key()));
    point.files.extend(read.files.iter().map(|file| file.path.clone()));
    match read.tail {
        Some(Tail::Log(range)) => {
            (point.log_start, point.log_end) = (Some(range.start), Some(range.end));
        }
        Some(Tail::State(end)) => point.log_end = Some(end),
        None => {}
    }
}

/// The labels of [`row`].
pub const LABELS: [&str; 10] = [
    "Table",
    "Mode",
    "Snapshot",
    "Partition",
    "Partition_id",
    "Bucket",
    "Way",
    "Log_start",
    "Log_end",
    "Files",
];

/// A bucket as `SHOW READ POINTS` prints it; the paths of files are a JSON array.
pub fn row(point: &BucketPoint) -> Vec<Option<String>> {
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let ways: Vec<&str> = point.ways.iter().copied().collect();
    vec![
        Some(point.table.clone()),
        Some(point.mode.clone()),
        number(point.snapshot),
        Some(point.partition.clone()),
        number(point.partition_id),
        Some(point.bucket.to_string()),
        Some(ways.join(", ")),
        number(point.log_start),
        number(point.log_end),
        Some(serde_json::json!(point.files).to_string()),
    ]
}
