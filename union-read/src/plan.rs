//! Read point → bucket reads: which buckets are read, what of them, and by which way.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr_rewriter::unnormalize_col;
use datafusion::logical_expr::utils::conjunction;
use datafusion::scalar::ScalarValue;
use paimon_scan::{LakeBucket, MergeRules};

use crate::bucket_read::{BucketRead, LogRange, Tail};
use crate::columns::Columns;
use crate::read_point::{LakeCut, LogEnds, LogPartition, ReadPoint};
use crate::{Error, ReadMode, ReadPath, Result};

mod path_reads;

/// The bucket reads that answer a table in a mode, a union by this path, those that a filter on partitions excludes left
/// out. Rows are filtered later: a bucket read promises all rows of its bucket.
pub async fn bucket_reads(
    point: &ReadPoint,
    (mode, path): (ReadMode, ReadPath),
    session: &dyn Session,
    filters: &[Expr],
) -> Result<Vec<BucketRead>> {
    if mode == ReadMode::Union && path != ReadPath::Auto {
        path_reads::check_table(point, path).await?;
    }
    if mode == ReadMode::Lake && !point.has_lake() {
        return Err(point.has_no_lake());
    }
    let lake = point.lake_for(mode, path).await?;
    let logs = match mode {
        ReadMode::Lake => &[][..],
        ReadMode::Union | ReadMode::RealTime => &point.log().await?.partitions,
    };
    if mode == ReadMode::Union && matches!(path, ReadPath::KvAndTail | ReadPath::LogReplay) {
        let reads = path_reads::of_fluss(point, path, lake, logs)?;
        let reads = prune(&point.columns, session, filters, reads)?;
        path_reads::check_whole(point, path, &reads)?;
        return Ok(reads);
    }
    let reads = if point.columns.has_primary_key() {
        primary_key_reads(point, (mode, path), lake, logs)?
    } else {
        log_table_reads(point, mode, lake, logs)?
    };
    prune(&point.columns, session, filters, reads)
}

/// A bucket read and the values of its partition.
pub(crate) type Placed = (Vec<ScalarValue>, BucketRead);

/// A log table: the files of the lake and, independent of them, the log after them.
fn log_table_reads(
    point: &ReadPoint,
    mode: ReadMode,
    lake: Option<&LakeCut>,
    logs: &[LogPartition],
) -> Result<Vec<Placed>> {
    let mut reads = vec![];
    if let Some(cut) = lake.filter(|_| mode != ReadMode::RealTime) {
        for bucket in &cut.plan.buckets {
            for file in &bucket.files {
                let read = BucketRead {
                    partition: partition_name(&bucket.partition),
                    bucket: bucket.bucket,
                    files: vec![file.clone()],
                    ..BucketRead::default()
                };
                reads.push((bucket.partition.clone(), read));
            }
        }
    }
    for partition in logs {
        let values = typed_values(point, partition)?;
        for (bucket, ends) in &partition.buckets {
            let tiered = lake.and_then(|cut| cut.offsets.get(&(partition.id(), *bucket)).copied());
            if let Some(range) = log_table_range(point, mode, *bucket, (tiered, *ends))? {
                let read = BucketRead {
                    partition_id: partition.id(),
                    partition: partition_name(&values),
                    bucket: *bucket,
                    tail: Some(Tail::Log(range)),
                    ..BucketRead::default()
                };
                reads.push((values.clone(), read));
            }
        }
    }
    Ok(reads)
}

/// The part of a log table's log that the lake does not have; `None` when it has everything.
fn log_table_range(
    point: &ReadPoint,
    mode: ReadMode,
    bucket: i32,
    (tiered, ends): (Option<i64>, LogEnds),
) -> Result<Option<LogRange>> {
    // A table without a lake keeps what its time-to-live leaves: that is the whole table, and `$rt` is what the log
    // holds. A union must find the rows before the log's start in the snapshot.
    let start = match tiered {
        Some(offset) => offset,
        None if point.has_lake() && mode == ReadMode::Union => 0,
        None => ends.start,
    };
    if start >= ends.end {
        return Ok(None);
    }
    if start < ends.start {
        return Err(Error::ReadPointGone(format!(
            "bucket {bucket} of {}: the log begins at offset {} and the readable lake snapshot ends \
             at {start}; the rows between are in neither",
            point.info.path, ends.start
        )));
    }
    Ok(Some(LogRange { start, end: ends.end }))
}

/// A primary-key table: per bucket the lake files under the tail, or the state alone.
fn primary_key_reads(
    point: &ReadPoint,
    (mode, path): (ReadMode, ReadPath),
    lake: Option<&LakeCut>,
    logs: &[LogPartition],
) -> Result<Vec<Placed>> {
    let mut files: HashMap<(Vec<ScalarValue>, i32), &LakeBucket> = HashMap::new();
    if let Some(cut) = lake.filter(|_| mode != ReadMode::RealTime) {
        if mode == ReadMode::Union {
            check_rules(point, &cut.plan.schema.rules)?;
        }
        for bucket in &cut.plan.buckets {
            let key = (bucket.partition.clone(), bucket.bucket);
            if files.insert(key, bucket).is_some() {
                return Err(Error::Corrupt(format!(
                    "bucket {} of {} is listed twice in the lake's plan",
                    bucket.bucket, point.info.path
                )));
            }
        }
    }
    let mut reads = vec![];
    for partition in logs {
        let values = typed_values(point, partition)?;
        for (bucket, ends) in &partition.buckets {
            let tiered = lake.and_then(|cut| cut.offsets.get(&(partition.id(), *bucket)).copied());
            let files = files.remove(&(values.clone(), *bucket)).map(|b| b.files.clone());
            let mut read = BucketRead {
                partition_id: partition.id(),
                partition: partition_name(&values),
                bucket: *bucket,
                ..BucketRead::default()
            };
            if path == ReadPath::LakeAndTail {
                path_reads::check_continues(point, &read, tiered, *ends)?;
            }
            primary_key_bucket(&mut read, mode, files, tiered, *ends)?;
            if read.tail.is_some() || !read.files.is_empty() {
                reads.push((values.clone(), read));
            }
        }
    }
    // What is left lives in the lake alone: partitions that expired in Fluss.
    for ((values, number), bucket) in files {
        let read = BucketRead {
            partition: partition_name(&values),
            bucket: number,
            files: bucket.files.clone(),
            ..BucketRead::default()
        };
        reads.push((values, read));
    }
    reads.sort_by(|(_, a), (_, b)| (&a.partition, a.bucket).cmp(&(&b.partition, b.bucket)));
    Ok(reads)
}

/// The tail replaces and removes rows by key: that is no continuation of a lake table that decides
/// otherwise between versions.
fn check_rules(point: &ReadPoint, rules: &MergeRules) -> Result<()> {
    match rules.last_write_wins() {
        true => Ok(()),
        false => Err(Error::Unsupported(format!(
            "the lake table of {} does not keep the version that was written last (merge-engine = \
             '{}', sequence.field or ignore-delete): its log cannot continue it; {}$lake can be read",
            point.info.path,
            rules.engine.name(),
            point.info.path
        ))),
    }
}

/// Decides how one primary-key bucket that lives in Fluss is read.
fn primary_key_bucket(
    read: &mut BucketRead,
    mode: ReadMode,
    files: Option<Vec<paimon_scan::LakeFile>>,
    tiered: Option<i64>,
    ends: LogEnds,
) -> Result<()> {
    let log = |start| Some(Tail::Log(LogRange { start, end: ends.end }));
    let state = Some(Tail::State(ends.end));
    match (mode, tiered, files) {
        (ReadMode::RealTime, ..) if ends.end == 0 => {}
        (ReadMode::RealTime, ..) => read.tail = state,
        // The log no longer reaches back to the lake: the state holds every live key.
        (_, Some(offset), _) if offset < ends.end && offset < ends.start => read.tail = state,
        (_, Some(offset), files) => {
            read.files = files.unwrap_or_default();
            if offset < ends.end {
                read.tail = log(offset);
            }
        }
        // Never tiered under this partition id: what Fluss holds is all there is.
        (_, None, None) => {
            if ends.end > 0 {
                read.tail = state;
            }
        }
        // The partition was dropped and created again: the old rows stay in the lake until new ones
        // replace them, which tiering will do with the new partition's whole log.
        (_, None, Some(files)) => {
            read.files = files;
            if ends.start > 0 {
                return Err(Error::ReadPointGone(format!(
                    "bucket {} of partition '{}': the lake holds rows of an earlier partition of \
                     that name and the new log begins at offset {} only",
                    read.bucket, read.partition, ends.start
                )));
            }
            if ends.end > 0 {
                read.tail = log(0);
            }
        }
    }
    Ok(())
}

/// The values of a partition in the types of the table, so that both halves' partitions compare.
pub(crate) fn typed_values(
    point: &ReadPoint,
    partition: &LogPartition,
) -> Result<Vec<ScalarValue>> {
    let Some(info) = &partition.info else {
        return Ok(vec![]);
    };
    let columns = &point.columns;
    if info.values.len() != columns.partition_keys.len() {
        return Err(Error::Corrupt(format!(
            "partition {} of {} has {} values",
            info.name,
            point.info.path,
            info.values.len()
        )));
    }
    let typed = |(value, position): (&String, &usize)| {
        let field = columns.schema.field(*position);
        partition_value(value, field.data_type()).ok_or_else(|| {
            Error::Unsupported(format!(
                "partition value '{value}' of column '{}' of {} is not understood",
                field.name(),
                point.info.path
            ))
        })
    };
    info.values.iter().zip(&columns.partition_keys).map(typed).collect()
}

/// A partition value from Fluss's text of it.
fn partition_value(text: &str, data_type: &DataType) -> Option<ScalarValue> {
    let understood = data_type.is_integer()
        || matches!(data_type, DataType::Utf8View | DataType::Boolean | DataType::Date32);
    if !understood {
        return None;
    }
    let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let value = ScalarValue::try_from_array(&cast(&array, data_type).ok()?, 0).ok()?;
    (!value.is_null()).then_some(value)
}

pub(crate) fn partition_name(values: &[ScalarValue]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("$")
}

/// Leaves out the reads of partitions that no row passing the filters can be in.
pub(crate) fn prune(
    columns: &Columns,
    session: &dyn Session,
    filters: &[Expr],
    reads: Vec<Placed>,
) -> Result<Vec<BucketRead>> {
    let schema = partition_schema(columns);
    let on_partitions = |filter: &&Expr| {
        let columns = filter.column_refs();
        !columns.is_empty()
            && columns.iter().all(|c| schema.index_of(&c.name).is_ok())
            && !filter.is_volatile()
    };
    let Some(filter) = conjunction(filters.iter().filter(on_partitions).cloned()) else {
        return Ok(reads.into_iter().map(|(_, read)| read).collect());
    };
    let batch = partition_batch(&schema, &reads)?;
    let keep = evaluate(session, filter, &batch)?;
    Ok(reads.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|((_, read), _)| read).collect())
}

fn partition_schema(columns: &Columns) -> SchemaRef {
    let field = |position: &usize| columns.schema.field(*position).clone();
    Arc::new(Schema::new(columns.partition_keys.iter().map(field).collect::<Vec<_>>()))
}

fn partition_batch(schema: &SchemaRef, reads: &[Placed]) -> Result<RecordBatch> {
    let column = |(i, field): (usize, &Arc<arrow::datatypes::Field>)| {
        let values = reads.iter().map(|(values, _)| values.get(i).cloned());
        let values = values.map(|v| v.unwrap_or(ScalarValue::Null));
        let array = ScalarValue::iter_to_array(values).map_err(inexact)?;
        cast(&array, field.data_type()).map_err(|e| Error::Corrupt(e.to_string()))
    };
    if reads.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let columns = schema.fields().iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|e| Error::Corrupt(e.to_string()))
}

/// Per row whether the filter holds.
fn evaluate(session: &dyn Session, filter: Expr, batch: &RecordBatch) -> Result<Vec<bool>> {
    let schema = DFSchema::try_from(batch.schema()).map_err(inexact)?;
    let expr = session.create_physical_expr(unnormalize_col(filter), &schema).map_err(inexact)?;
    let value =
        expr.evaluate(batch).and_then(|v| v.into_array(batch.num_rows())).map_err(inexact)?;
    match value.as_boolean_opt() {
        Some(keep) => Ok(keep.iter().map(|keep| keep == Some(true)).collect()),
        None => Ok(vec![true; batch.num_rows()]),
    }
}

fn inexact(error: datafusion::error::DataFusionError) -> Error {
    Error::Unsupported(format!("filter on partitions: {}", error.strip_backtrace()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use paimon_scan::LakeFile;

    fn read(
        mode: ReadMode,
        lake: bool,
        tiered: Option<i64>,
        ends: (i64, i64),
    ) -> Result<BucketRead> {
        let mut read = BucketRead::default();
        let files = lake.then(|| vec![LakeFile::default()]);
        let ends = LogEnds { start: ends.0, end: ends.1 };
        primary_key_bucket(&mut read, mode, files, tiered, ends)?;
        Ok(read)
    }

    fn log(start: i64, end: i64) -> Option<Tail> {
        Some(Tail::Log(LogRange { start, end }))
    }

    #[test]
    fn how_a_primary_key_bucket_is_read() {
        use ReadMode::{RealTime, Union};
        let cases = [
            // lake files, lake offset, log → files, tail
            ("tiered and written since", Union, true, Some(5), (0, 9), 1, log(5, 9)),
            ("all of it is tiered", Union, true, Some(9), (0, 9), 1, None),
            ("tiered, nothing left in the lake", Union, false, Some(5), (0, 9), 0, log(5, 9)),
            (
                "the log lost what follows the lake",
                Union,
                true,
                Some(5),
                (7, 9),
                0,
                Some(Tail::State(9)),
            ),
            ("the log lost only what is tiered", Union, true, Some(5), (4, 9), 1, log(5, 9)),
            ("never tiered", Union, false, None, (0, 9), 0, Some(Tail::State(9))),
            (
                "never tiered, log lost its beginning",
                Union,
                false,
                None,
                (3, 9),
                0,
                Some(Tail::State(9)),
            ),
            ("never written", Union, false, None, (0, 0), 0, None),
            ("partition created again", Union, true, None, (0, 9), 1, log(0, 9)),
            ("partition created again, empty", Union, true, None, (0, 0), 1, None),
            ("real time", RealTime, false, Some(5), (0, 9), 0, Some(Tail::State(9))),
            ("real time, never written", RealTime, false, None, (0, 0), 0, None),
        ];
        for (case, mode, lake, tiered, ends, files, tail) in cases {
            let got = read(mode, lake, tiered, ends).unwrap();
            assert_eq!((got.files.len(), got.tail), (files, tail), "{case}");
        }
        let lost = read(ReadMode::Union, true, None, (3, 9));
        assert!(matches!(lost, Err(Error::ReadPointGone(_))));
    }

    #[test]
    fn partition_values_are_compared_by_type() {
        let value = |text, t: &DataType| partition_value(text, t).map(|v| v.to_string());
        assert_eq!(value("2026-11-24", &DataType::Date32).as_deref(), Some("2026-11-24"));
        assert_eq!(value("007", &DataType::Int32).as_deref(), Some("7"));
        assert_eq!(value("é", &DataType::Utf8View).as_deref(), Some("é"));
        assert_eq!(value("x", &DataType::Int32), None);
        assert_eq!(value("1.5", &DataType::Float64), None);
    }
}
