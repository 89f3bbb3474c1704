//! Bucket reads of a union whose path the session chose, and what a path cannot answer.
//!
//! A path that cannot give all rows is refused: which one answered is what the caller wants to know.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::scalar::ScalarValue;
use paimon_scan::LakeBucket;

use super::{Placed, partition_name, typed_values};
use crate::bucket_read::{BucketRead, LogRange, Tail};
use crate::read_point::{LakeCut, LogEnds, LogPartition, ReadPoint};
use crate::{Error, ReadPath, Result};

/// Refuses what no bucket of the table can be read by.
pub(super) async fn check_table(point: &ReadPoint, path: ReadPath) -> Result<()> {
    match path {
        ReadPath::LakeAndTail if !point.has_lake() => Err(point.has_no_lake()),
        ReadPath::LakeAndTail if point.lake().await?.is_none() => {
            Err(refused(point, path, "no snapshot of its lake is readable yet"))
        }
        ReadPath::KvAndTail if !point.columns.has_primary_key() => {
            Err(refused(point, path, "a log table has no state by key"))
        }
        _ => Ok(()),
    }
}

fn refused(point: &ReadPoint, path: ReadPath, why: &str) -> Error {
    let table = &point.info.path;
    Error::Unsupported(format!("union_read_path = {path} cannot answer {table}: {why}"))
}

/// A primary-key bucket whose log no longer reaches back to the lake: a later snapshot may mend that,
/// the state is another path.
pub(super) fn check_continues(
    point: &ReadPoint,
    read: &BucketRead,
    tiered: Option<i64>,
    ends: LogEnds,
) -> Result<()> {
    match tiered {
        Some(offset) if offset < ends.end && offset < ends.start => {
            Err(Error::ReadPointGone(format!(
                "{} of {}: the log begins at offset {} and the readable lake snapshot ends at \
                 {offset}: union_read_path = {} cannot answer it",
                bucket_name(read),
                point.info.path,
                ends.start,
                ReadPath::LakeAndTail
            )))
        }
        _ => Ok(()),
    }
}

/// Every bucket from Fluss, and the lake's buckets that Fluss does not hold: these are to be refused
/// where a filter leaves them.
pub(super) fn of_fluss(
    point: &ReadPoint,
    path: ReadPath,
    lake: Option<&LakeCut>,
    logs: &[LogPartition],
) -> Result<Vec<Placed>> {
    let mut reads = vec![];
    let mut held = HashSet::new();
    for partition in logs {
        let values = typed_values(point, partition)?;
        for (bucket, ends) in &partition.buckets {
            let tiered = lake.is_some_and(|l| l.offsets.contains_key(&(partition.id(), *bucket)));
            if tiered {
                held.insert(place(point, &values, *bucket));
            }
            let read = BucketRead {
                partition_id: partition.id(),
                partition: partition_name(&values),
                bucket: *bucket,
                tail: tail(path, *ends),
                ..BucketRead::default()
            };
            if read.tail.is_some() {
                reads.push((values.clone(), read));
            }
        }
    }
    let buckets = lake.map_or(&[][..], |cut| &cut.plan.buckets);
    let is_alone = |bucket: &&Arc<LakeBucket>| {
        !bucket.files.is_empty() && !held.contains(&place(point, &bucket.partition, bucket.bucket))
    };
    reads.extend(buckets.iter().filter(is_alone).map(|bucket| {
        let read = BucketRead {
            partition: partition_name(&bucket.partition),
            bucket: bucket.bucket,
            files: bucket.files.clone(),
            ..BucketRead::default()
        };
        (bucket.partition.clone(), read)
    }));
    Ok(reads)
}

/// Where rows of the lake and of Fluss meet: in a bucket; of log tables in a partition, since their
/// lake may have other buckets.
fn place(
    point: &ReadPoint,
    values: &[ScalarValue],
    bucket: i32,
) -> (Vec<ScalarValue>, Option<i32>) {
    (values.to_vec(), point.columns.has_primary_key().then_some(bucket))
}

/// `None` for a bucket that was never written. A log whose beginning is lost shows it by its start.
fn tail(path: ReadPath, ends: LogEnds) -> Option<Tail> {
    let tail = match path {
        ReadPath::LogReplay => Tail::Log(LogRange { start: ends.start, end: ends.end }),
        _ => Tail::State(ends.end),
    };
    (ends.end > 0).then_some(tail)
}

/// Refuses reads that are not the whole of their bucket.
pub(super) fn check_whole(point: &ReadPoint, path: ReadPath, reads: &[BucketRead]) -> Result<()> {
    match reads.iter().find_map(|read| missing(read)) {
        Some(why) => Err(refused(point, path, &why)),
        None => Ok(()),
    }
}

fn missing(read: &BucketRead) -> Option<String> {
    match read.tail {
        None => {
            Some(format!("{} has rows in the lake that Fluss does not hold", bucket_name(read)))
        }
        Some(Tail::Log(LogRange { start, .. })) if start > 0 => {
            Some(format!("the log of {} begins at offset {start}, not at 0", bucket_name(read)))
        }
        Some(_) => None,
    }
}

fn bucket_name(read: &BucketRead) -> String {
    match read.partition.as_str() {
        "" => format!("bucket {}", read.bucket),
        partition => format!("bucket {} of partition '{partition}'", read.bucket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_read_whole_or_refused() {
        let ends = |start, end| LogEnds { start, end };
        let read = |path, ends| BucketRead {
            partition: "eu".into(),
            bucket: 2,
            tail: tail(path, ends),
            ..BucketRead::default()
        };
        let log = |end| Some(Tail::Log(LogRange { start: 0, end }));
        let cases = [
            ("state", ReadPath::KvAndTail, ends(0, 9), Some(Tail::State(9)), None),
            ("state, log cut off", ReadPath::KvAndTail, ends(4, 9), Some(Tail::State(9)), None),
            ("log", ReadPath::LogReplay, ends(0, 9), log(9), None),
        ];
        for (case, path, ends, tail, told) in cases {
            let read = read(path, ends);
            assert_eq!((read.tail, missing(&read)), (tail, told), "{case}");
        }
        for path in [ReadPath::KvAndTail, ReadPath::LogReplay] {
            assert_eq!(tail(path, ends(0, 0)), None, "never written");
        }
        // also where nothing is left of it: there were rows
        for lost in [ends(4, 9), ends(9, 9)] {
            let told = missing(&read(ReadPath::LogReplay, lost)).unwrap();
            let offset = format!("offset {},", lost.start);
            assert!(
                told.contains("bucket 2 of partition 'eu'") && told.contains(&offset),
                "{told}"
            );
        }
        let alone = missing(&BucketRead { bucket: 3, ..BucketRead::default() }).unwrap();
        assert!(alone.starts_with("bucket 3 has rows in the lake"), "{alone}");
    }
}
