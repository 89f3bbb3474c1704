//! Offsets and fetches.

use fluss_scan::Bucket;
use fluss_scan::messages::{
    FetchBucket, FetchLog, FetchLogAnswer, FetchTable, FetchedBucket, FetchedTable, ListOffsets,
    ListOffsetsAnswer, OffsetOfBucket,
};
use rand::seq::SliceRandom;

use super::{Asking, Failure, code, exception, has_filters, led, name};
use crate::api::Version;
use crate::cluster::State;
use crate::log::{Fetch, Fetched};

pub(super) fn list_offsets(
    state: &mut State,
    asking: Asking,
    call: &ListOffsets,
) -> ListOffsetsAnswer {
    let mut buckets = call.buckets.clone();
    buckets.shuffle(&mut state.random);
    let mut answer = |number: &i32| {
        let bucket =
            Bucket { table_id: call.table_id, partition_id: call.partition_id, bucket: *number };
        let offset = led(state, asking, bucket).map(|table| {
            let log = table.buckets.get(&(bucket.partition_id, *number)).map(|b| &b.log);
            log.map_or(0, |log| match call.kind {
                0 => log.start,
                1 if call.follower_id >= 0 => log.end(),
                1 => log.high_watermark,
                _ => log.offset_at(call.timestamp.unwrap_or(0)),
            })
        });
        match offset {
            Ok(offset) => {
                OffsetOfBucket { bucket: *number, offset: Some(offset), ..Default::default() }
            }
            Err((code, message)) => OffsetOfBucket {
                bucket: *number,
                code: Some(code),
                message: Some(message),
                offset: None,
            },
        }
    };
    ListOffsetsAnswer { buckets: buckets.iter().map(&mut answer).collect() }
}

pub(super) fn fetch(
    state: &mut State,
    version: Version,
    asking: Asking,
    call: &FetchLog,
) -> Result<FetchLogAnswer, Failure> {
    let is_lost = |t: &FetchTable| t.predicate.is_some() && t.filter_schema_id.is_none();
    if has_filters(version) && call.tables.iter().any(is_lost) {
        let what =
            "java.lang.IllegalArgumentException: Filter predicate is set without a schema id";
        return Err(exception(what));
    }
    let mut answer = FetchLogAnswer::default();
    let left = usize::try_from(call.max_bytes).unwrap_or(0);
    let mut budget = Budget { left, is_first: true };
    if asking.starves {
        budget = Budget { left: 0, is_first: false };
    }
    for table in &call.tables {
        let mut asked: Vec<&FetchBucket> = table.buckets.iter().collect();
        asked.shuffle(&mut state.random);
        let buckets = asked.into_iter().map(|bucket| {
            let found = fetch_bucket(state, version, asking, (table, bucket), &mut budget);
            found.unwrap_or_else(|(code, message)| FetchedBucket {
                partition_id: bucket.partition_id,
                bucket: bucket.bucket,
                code: Some(code),
                message: Some(message),
                ..Default::default()
            })
        });
        let buckets = buckets.collect();
        answer.tables.push(FetchedTable { table_id: table.table_id, buckets });
    }
    Ok(answer)
}

/// Bytes of one answer.
struct Budget {
    left: usize,
    is_first: bool,
}

fn fetch_bucket(
    state: &mut State,
    version: Version,
    asking: Asking,
    (asked, from): (&FetchTable, &FetchBucket),
    budget: &mut Budget,
) -> Result<FetchedBucket, Failure> {
    let FetchBucket { partition_id, bucket, offset, max_bytes } = *from;
    let of_table = Bucket { table_id: asked.table_id, partition_id, bucket };
    let table = led(state, asking, of_table)?;
    let columns = asked.projected.then(|| projection(asked, version)).transpose()?;
    let log = &table.buckets[&(partition_id, bucket)].log;
    let fetch = Fetch {
        offset,
        bytes_max: budget.left.min(usize::try_from(max_bytes).unwrap_or(0)),
        whole_first: budget.is_first,
        columns: columns.as_deref(),
        predicate: asked.predicate.as_ref().filter(|_| has_filters(version)),
    };
    let found = log.fetch(fetch, &table.spec, version == Version::V0_9);
    let found = found.map_err(|error| exception(&error.to_string()))?;
    let mut answer = FetchedBucket {
        partition_id,
        bucket,
        high_watermark: Some(log.high_watermark),
        log_start: Some(log.start),
        ..Default::default()
    };
    match found {
        Fetched::Records { bytes, filtered_end } => {
            budget.left = budget.left.saturating_sub(bytes.len());
            budget.is_first &= bytes.is_empty();
            answer.records = Some(bytes);
            answer.filtered_end = filtered_end;
        }
        Fetched::Remote(remote) => answer.remote = Some(remote),
        Fetched::OutOfRange => {
            let (from, to) = (log.start, log.high_watermark);
            let message = format!(
                "Received request for offset {offset} for table bucket {}, but we only have log \
                 segments from offset {from} up to {to}.",
                name(of_table)
            );
            return Err((code::OUT_OF_RANGE, message));
        }
        Fetched::OutOfBound(fields) => {
            let message = format!(
                "Projected fields {:?} is out of bound for schema with {fields} fields.",
                asked.columns
            );
            return Err((code::PROJECTION, message));
        }
    }
    Ok(answer)
}

/// The columns of a projection: in order, each once, at least one.
fn projection(asked: &FetchTable, version: Version) -> Result<Vec<usize>, Failure> {
    let wrong = |what: &str| Err((code::PROJECTION, format!("{what}, but is {:?}", asked.columns)));
    let columns = &asked.columns;
    if columns.is_empty() && version == Version::V0_9 {
        return Err(exception("java.lang.IllegalStateException: Invalid projection"));
    }
    if columns.is_empty() {
        return wrong("Empty projection is not supported");
    }
    for pair in columns.windows(2) {
        if pair[0] == pair[1] {
            return wrong("The projection indexes should not contain duplicated fields");
        }
        if pair[0] > pair[1] {
            return wrong("The projection indexes should be in field order");
        }
    }
    // a negative one is out of bound as well
    Ok(columns.iter().map(|column| usize::try_from(*column).unwrap_or(usize::MAX)).collect())
}
