//! The lake files of a wrong answer, and whether they alone explain it: read here without any of the server's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Int8Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::error::{IoContext, Result};

/// Bytes of the lake that are copied for one violation.
const LAKE_BYTES_MAX: u64 = 64 << 20;
/// Snapshots that are looked through for the one that tiering has written last.
const SNAPSHOTS_MAX: u64 = 16;
/// `_VALUE_KIND` of the old row of an update (Paimon's `RowKind`).
const UPDATE_BEFORE: i8 = 1;
/// Where a violation's directory keeps copies of the lake.
const COPIES: &str = "lake";

/// A key whose last record in the lake is the old row of an update: Paimon's readers leave such a key out. The new row is
/// the next record of the log, where tiering has ended its snapshot (`docs/upstream/fluss-half-update-in-lake.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfUpdate {
    /// The table, without its database.
    pub table: String,
    /// The key.
    pub key: i64,
    /// The bucket.
    pub bucket: i32,
    /// Offset of the old row in the log.
    pub offset: i64,
}

impl fmt::Display for HalfUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, bucket, offset } = self;
        write!(
            f,
            "the lake of {table} ends inside of an update of key {key}: its -U has the offset {offset} of bucket {bucket}, \
             and Fluss tiered the log up to just there"
        )
    }
}

/// Copies the lake files of a read point, and what tiering says of the snapshot, as far as they are on this machine.
pub(super) fn copy(directory: &Path, read_point: &[Vec<String>]) -> Result<()> {
    let copies = directory.join(COPIES);
    std::fs::create_dir_all(&copies).doing(|| format!("create {}", copies.display()))?;
    let mut left = LAKE_BYTES_MAX;
    let mut listed = vec![];
    for bucket in read_point.iter().filter_map(|row| Bucket::of(row)) {
        for file in &bucket.files {
            let to = copy_of(directory, file);
            listed.push(format!("{}\t{}", file.display(), copy_file(file, &to, &mut left)));
        }
        if let Some(tiered) = bucket.tiered_up_to() {
            let path = bucket.offsets_copy(directory);
            std::fs::write(&path, tiered.to_string())
                .doing(|| format!("write {}", path.display()))?;
        }
    }
    let path = directory.join("lake-files.txt");
    std::fs::write(&path, listed.join("\n")).doing(|| format!("write {}", path.display()))
}

fn copy_of(directory: &Path, file: &Path) -> PathBuf {
    directory.join(COPIES).join(file.file_name().unwrap_or_default())
}

fn copy_file(file: &Path, to: &Path, left: &mut u64) -> String {
    if !file.is_absolute() {
        return "not on this machine".into();
    }
    let size = match std::fs::metadata(file) {
        Ok(metadata) => metadata.len(),
        Err(error) => return error.to_string(),
    };
    if size > *left {
        return format!("not copied: {size} bytes are too much");
    }
    *left -= size;
    match std::fs::copy(file, to) {
        Ok(bytes) => format!("{bytes} bytes"),
        Err(error) => error.to_string(),
    }
}

/// The updates that the lake of a read point has the first half of, by the copies in a violation's directory. Where a copy
/// is missing nothing is claimed.
pub(super) fn half_updates(directory: &Path, read_point: &[Vec<String>]) -> Vec<HalfUpdate> {
    let buckets = read_point.iter().filter_map(|row| Bucket::of(row));
    buckets.filter_map(|bucket| bucket.half_update(directory)).collect()
}

/// A row of `SHOW READ POINTS` with the lake files of one bucket.
struct Bucket {
    database_and_table: String,
    snapshot: u64,
    number: i32,
    files: BTreeSet<PathBuf>,
}

impl Bucket {
    fn of(row: &[String]) -> Option<Self> {
        let [table, _, snapshot, _, _, number, .., files] = row else { return None };
        let files: Vec<String> = serde_json::from_str(files).ok()?;
        Some(Self {
            database_and_table: table.clone(),
            snapshot: snapshot.parse().ok()?,
            number: number.parse().ok()?,
            files: files.iter().map(|file| local(file)).collect(),
        })
    }

    /// Named after a data file, whose name no other bucket has.
    fn offsets_copy(&self, directory: &Path) -> PathBuf {
        let first = self.files.first().map(|file| copy_of(directory, file));
        first.unwrap_or_default().with_extension("tiered-up-to")
    }

    /// Where the log of this bucket goes on behind the snapshot, as tiering wrote it down; of a partition: of any partition
    /// with that bucket, since the file knows them by ids.
    fn tiered_up_to(&self) -> Option<Value> {
        let table = self.files.first()?.ancestors().find(|path| path.join("snapshot").is_dir())?;
        let snapshots = (0..SNAPSHOTS_MAX).filter_map(|n| self.snapshot.checked_sub(n));
        let path = snapshots.map(|id| table.join(format!("snapshot/snapshot-{id}")));
        let offsets = path.filter_map(|path| json(&path)).find_map(|snapshot| {
            Some(snapshot["properties"]["fluss-offsets"].as_str()?.to_owned())
        })?;
        json(&local(&offsets))
    }

    fn half_update(&self, directory: &Path) -> Option<HalfUpdate> {
        let tiered = json(&self.offsets_copy(directory))?;
        let mut last = BTreeMap::new();
        for file in &self.files {
            for record in records(&copy_of(directory, file))? {
                let of_key = last.entry(record.key).or_insert(record);
                *of_key = (*of_key).max(record);
            }
        }
        let end = last.values().map(|record| record.offset).max()?;
        let half = last.values().find(|last| last.kind == UPDATE_BEFORE && last.offset == end)?;
        ends(&tiered, self.number).contains(&(end + 1)).then(|| HalfUpdate {
            table: self.database_and_table.rsplit('.').next().unwrap_or_default().to_owned(),
            key: half.key,
            bucket: self.number,
            offset: end,
        })
    }
}

/// A record of a primary-key table's data file; the greater comes later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LakeRecord {
    sequence: i64,
    offset: i64,
    kind: i8,
    key: i64,
}

fn records(file: &Path) -> Option<Vec<LakeRecord>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).ok()?).ok()?;
    let mut all = vec![];
    for batch in reader.build().ok()? {
        let batch = batch.ok()?;
        let keys = column::<Int64Type>(&batch, "_KEY_k")?;
        let sequences = column::<Int64Type>(&batch, "_SEQUENCE_NUMBER")?;
        let kinds = column::<Int8Type>(&batch, "_VALUE_KIND")?;
        let offsets = column::<Int64Type>(&batch, "__offset")?;
        for row in 0..batch.num_rows() {
            let (sequence, offset, kind) = (sequences[row], offsets[row], kinds[row]);
            all.push(LakeRecord { sequence, offset, kind, key: keys[row] });
        }
    }
    Some(all)
}

fn column<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str) -> Option<Vec<T::Native>> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<T>()?;
    Some(column.values().to_vec())
}

/// The ends of this bucket in an offsets file of Fluss, which lists them by partition or for the whole table.
fn ends(offsets: &Value, bucket: i32) -> Vec<i64> {
    let parts = offsets["partition_offsets"].as_array();
    let lists = parts.into_iter().flatten().chain([offsets]);
    let at = |list: &Value| list["bucket_offsets"][usize::try_from(bucket).ok()?].as_i64();
    lists.filter_map(at).collect()
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// A path of this machine from what may be a URL.
fn local(url: &str) -> PathBuf {
    PathBuf::from(url.trim_start_matches("file:").replacen("///", "/", 1))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int8Array, Int64Array};
    use parquet::arrow::ArrowWriter;

    use super::*;

    /// A table `t` in the directory whose bucket 1 has these `(key, offset, kind)`, tiered up to `end`; its read point.
    fn lake(directory: &Path, records: &[(i64, i64, i8)], end: i64) -> Vec<Vec<String>> {
        let table = directory.join("warehouse/db.db/t");
        for folder in ["bucket-1", "snapshot"] {
            std::fs::create_dir_all(table.join(folder)).unwrap();
        }
        let numbers = |of: fn(&(i64, i64, i8)) -> i64| -> ArrayRef {
            Arc::new(records.iter().map(of).collect::<Int64Array>())
        };
        let kinds: ArrayRef = Arc::new(records.iter().map(|r| r.2).collect::<Int8Array>());
        let columns = [
            ("_KEY_k", numbers(|r| r.0)),
            ("_SEQUENCE_NUMBER", numbers(|r| r.1 - 10)),
            ("_VALUE_KIND", kinds),
            ("__offset", numbers(|r| r.1)),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = table.join("bucket-1/data-1.parquet");
        let mut writer =
            ArrowWriter::try_new(File::create(&file).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let offsets = directory.join("a.offsets");
        let tiered = serde_json::json!({"version": 1, "bucket_offsets": [-1, end]});
        std::fs::write(&offsets, tiered.to_string()).unwrap();
        let snapshot = serde_json::json!({"properties": {"fluss-offsets": offsets}});
        std::fs::write(table.join("snapshot/snapshot-4"), snapshot.to_string()).unwrap();
        // 5 is a compaction's, which says nothing of offsets
        std::fs::write(table.join("snapshot/snapshot-5"), "{}").unwrap();
        let files = serde_json::json!([format!("file://{}", file.display())]).to_string();
        let row = ["db.t", "lake", "5", "", "NULL", "1", "lake", "NULL", "NULL", &files];
        vec![row.map(str::to_owned).to_vec()]
    }

    fn found(records: &[(i64, i64, i8)], end: i64) -> Vec<(i64, i64)> {
        let directory = tempfile::tempdir().unwrap();
        let read_point = lake(directory.path(), records, end);
        copy(directory.path(), &read_point).unwrap();
        std::fs::remove_dir_all(directory.path().join("warehouse")).unwrap();
        let halves = half_updates(directory.path(), &read_point);
        halves.iter().map(|half| (half.key, half.offset)).collect()
    }

    #[test]
    fn only_an_old_row_that_the_snapshot_ends_with_is_half_an_update() {
        assert_eq!(found(&[(1, 20, 0), (2, 21, 0), (1, 22, 1)], 23), [(1, 22)]);
        assert_eq!(found(&[(1, 20, 0), (1, 22, 1), (1, 23, 2)], 24), [], "whole");
        assert_eq!(found(&[(1, 20, 0), (1, 22, 1), (2, 23, 0)], 24), [], "there is more behind it");
        assert_eq!(found(&[(1, 20, 0), (1, 22, 1)], 24), [], "tiered with its new row");
        assert_eq!(found(&[(1, 20, 0), (1, 22, 3)], 23), [], "deleted");
    }
}
