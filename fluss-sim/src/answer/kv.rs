//! States, lookups, row counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use fluss_scan::Bucket;
use fluss_scan::messages::{
    GetTableStats, GetTableStatsAnswer, LimitScan, LimitScanAnswer, LookedUpBucket, LookedUpValue,
    LookedUpValues, Lookup, LookupAnswer, LookupBucket, PrefixLookedUpBucket, PrefixLookup,
    PrefixLookupAnswer, PrefixLookupBucket, ScanKv, ScanKvAnswer, ScanKvBucket, StatsOfBucket,
};

use super::{Asking, Failure, code, led, name};
use crate::bucket::Value;
use crate::cluster::{Scanner, State, Table};
use crate::encode::value_batch;

/// Open scans of one bucket.
const SCANNERS_MAX: usize = 8;

/// The rows that scans of a bucket see; an error for a log table.
fn rows(table: &Table, bucket: Bucket) -> Result<&BTreeMap<Vec<u8>, Value>, Failure> {
    if !table.has_key() {
        let message = format!("the primary key table not exists for {}", name(bucket));
        return Err((code::NO_KEY, message));
    }
    Ok(&table.buckets[&(bucket.partition_id, bucket.bucket)].state.visible)
}

pub(super) fn limit_scan(state: &mut State, asking: Asking, call: &LimitScan) -> LimitScanAnswer {
    let LimitScan { table_id, partition_id, bucket, limit } = *call;
    let bucket = Bucket { table_id, partition_id, bucket };
    let table = match led(state, asking, bucket) {
        Ok(table) => table,
        Err((code, message)) => {
            let (code, message) = (Some(code), Some(message));
            return LimitScanAnswer { code, message, ..Default::default() };
        }
    };
    let records = match rows(table, bucket) {
        Ok(rows) if rows.is_empty() => Bytes::new(),
        Ok(rows) => {
            let limit = usize::try_from(limit).unwrap_or(0);
            value_batch(rows.values().take(limit).map(|value| &value.bytes))
        }
        Err(_) => table.buckets[&(partition_id, bucket.bucket)].log.last(limit),
    };
    let (is_log, records) = (Some(!table.has_key()), Some(records));
    LimitScanAnswer { is_log, records, ..Default::default() }
}

pub(super) fn scan(state: &mut State, asking: Asking, call: &ScanKv) -> ScanKvAnswer {
    scanned(state, asking, call).unwrap_or_else(|(code, message)| ScanKvAnswer {
        code: Some(code),
        message: Some(message),
        ..Default::default()
    })
}

fn scanned(state: &mut State, asking: Asking, call: &ScanKv) -> Result<ScanKvAnswer, Failure> {
    if call.close == Some(true) {
        if let Some(id) = &call.scanner_id {
            state.scanners.remove(id);
        }
        let (scanner_id, more) = (call.scanner_id.clone(), Some(false));
        return Ok(ScanKvAnswer { scanner_id, more, ..Default::default() });
    }
    let bad = |what: &str| Err((code::BAD_SCAN, what.to_string()));
    if call.scanner_id.is_none() && call.open.is_none() {
        return bad("ScanKvRequest must have either bucket_scan_req (new scan) or scanner_id.");
    }
    let Some(sequence) = call.sequence else {
        return bad("call_seq_id is required for ScanKV requests to ensure in-order processing.");
    };
    let Some(batch_bytes) = call.batch_bytes else {
        return bad("batch_size_bytes is required for data-fetching scan requests.");
    };
    let out_of_order = |expected: i32| {
        let what =
            format!("Out-of-order scan request: expected callSeqId={expected} but got {sequence}.");
        (code::BAD_SCAN, what)
    };
    let wanted = usize::try_from(batch_bytes).unwrap_or(1).min(state.scan_bytes_max);
    if let Some(id) = &call.scanner_id {
        let unknown = "Unknown scanner ID. The session may have expired or never existed.";
        let scanner = state.scanners.get_mut(id).filter(|s| s.server == asking.server);
        let scanner = scanner.ok_or_else(|| (code::UNKNOWN_SCANNER, unknown.to_string()))?;
        if let Some(forced) = asking.forced {
            return Err((forced, "as scripted".into()));
        }
        scanner.sequence += 1;
        let expected = scanner.sequence;
        if sequence != expected {
            // and is destroyed by it
            state.scanners.remove(id);
            return Err(out_of_order(expected));
        }
        return Ok(next(state, id.clone(), wanted, None));
    }
    if sequence != 0 {
        return Err(out_of_order(0));
    }
    let open = call.open.clone().unwrap_or_default();
    open_scanner(state, asking, &open, wanted)
}

/// Opens a scan. What was written is applied and shown first, under the lock of the bucket.
fn open_scanner(
    state: &mut State,
    asking: Asking,
    open: &ScanKvBucket,
    wanted: usize,
) -> Result<ScanKvAnswer, Failure> {
    let ScanKvBucket { table_id, partition_id, bucket } = *open;
    let bucket = Bucket { table_id, partition_id, bucket };
    let open_ones = state.scanners.values().filter(|scanner| scanner.bucket == bucket).count();
    let table = led(state, asking, bucket)?;
    rows(table, bucket)?;
    if open_ones >= SCANNERS_MAX {
        let what = format!("Too many open scanners of {}", name(bucket));
        return Err((code::TOO_MANY_SCANNERS, what));
    }
    if let Some(found) = table.buckets.get_mut(&(partition_id, bucket.bucket)) {
        let applied = found.state.applied;
        let ends = found.log.batches.iter().map(crate::batch::StoredBatch::next);
        let shown = ends.filter(|end| *end >= applied).min();
        found.commit(shown.unwrap_or(applied));
    }
    let values = rows(table, bucket)?.values().rev().map(|value| value.bytes.clone()).collect();
    let found = &table.buckets[&(partition_id, bucket.bucket)];
    let offset = found.log.high_watermark;
    if found.state.visible.is_empty() {
        let (more, log_offset) = (Some(false), Some(offset));
        return Ok(ScanKvAnswer { more, log_offset, ..Default::default() });
    }
    let id = Bytes::from(format!("{:032x}", state.take_id()));
    let scanner = Scanner { server: asking.server, bucket, values, sequence: 0 };
    state.scanners.insert(id.clone(), scanner);
    Ok(next(state, id, wanted, Some(offset)))
}

/// The next rows: as many as reach the wanted size, one at least.
fn next(state: &mut State, id: Bytes, wanted: usize, log_offset: Option<i64>) -> ScanKvAnswer {
    let (mut values, mut size, mut more) = (vec![], 0, false);
    if let Some(scanner) = state.scanners.get_mut(&id) {
        while let Some(value) = scanner.values.pop() {
            size += value.len() + 4;
            values.push(value);
            if size >= wanted {
                break;
            }
        }
        more = !scanner.values.is_empty();
    }
    if !more {
        state.scanners.remove(&id);
    }
    let records = Some(value_batch(values.iter()));
    let (scanner_id, more) = (Some(id), Some(more));
    ScanKvAnswer { scanner_id, more, records, log_offset, ..Default::default() }
}

pub(super) fn lookup(state: &mut State, asking: Asking, call: &Lookup) -> LookupAnswer {
    let answer = |asked: &LookupBucket| {
        let LookupBucket { partition_id, bucket, keys, .. } = asked;
        let found = find(state, asking, bucket_of(call.table_id, *partition_id, *bucket), |rows| {
            let value = |key: &Bytes| LookedUpValue {
                bytes: rows.get(key.as_ref()).map(|value| value.bytes.clone()),
            };
            keys.iter().map(value).collect::<Vec<_>>()
        });
        let (values, failure) = split(found);
        let (partition_id, bucket) = (*partition_id, *bucket);
        let (code, message) = failure;
        LookedUpBucket { partition_id, bucket, code, message, values: values.unwrap_or_default() }
    };
    LookupAnswer { buckets: call.buckets.iter().map(answer).collect() }
}

pub(super) fn prefix_lookup(
    state: &mut State,
    asking: Asking,
    call: &PrefixLookup,
) -> PrefixLookupAnswer {
    let answer = |asked: &PrefixLookupBucket| {
        let bucket = bucket_of(call.table_id, asked.partition_id, asked.bucket);
        let found = find(state, asking, bucket, |rows| {
            let values = |prefix: &Bytes| {
                let from = rows.range(prefix.to_vec()..);
                let of_prefix = from.take_while(|(key, _)| key.starts_with(prefix));
                LookedUpValues { values: of_prefix.map(|(_, value)| value.bytes.clone()).collect() }
            };
            asked.prefixes.iter().map(values).collect::<Vec<_>>()
        });
        let (lists, (code, message)) = split(found);
        let (partition_id, bucket) = (asked.partition_id, asked.bucket);
        let lists = lists.unwrap_or_default();
        PrefixLookedUpBucket { partition_id, bucket, code, message, lists }
    };
    PrefixLookupAnswer { buckets: call.buckets.iter().map(answer).collect() }
}

fn bucket_of(table_id: i64, partition_id: Option<i64>, bucket: i32) -> Bucket {
    Bucket { table_id, partition_id, bucket }
}

fn find<T>(
    state: &mut State,
    asking: Asking,
    bucket: Bucket,
    find: impl FnOnce(&BTreeMap<Vec<u8>, Value>) -> T,
) -> Result<T, Failure> {
    let table = led(state, asking, bucket)?;
    let spec = &table.spec;
    let has_prefix = !spec.bucket_keys.is_empty() && spec.bucket_keys != spec.primary_key;
    if has_prefix && spec.option("table.datalake.format") == "paimon" && asking.version == 0 {
        let what =
            "Client API version 0 is not supported: the table uses new key encoding strategy";
        return Err((code::UNSUPPORTED_VERSION, what.into()));
    }
    Ok(find(rows(table, bucket)?))
}

type Parts = (Option<i32>, Option<String>);

fn split<T>(found: Result<T, Failure>) -> (Option<T>, Parts) {
    match found {
        Ok(found) => (Some(found), (None, None)),
        Err((code, message)) => (None, (Some(code), Some(message))),
    }
}

pub(super) fn table_stats(
    state: &mut State,
    asking: Asking,
    call: &GetTableStats,
) -> GetTableStatsAnswer {
    let answer = |asked: &fluss_scan::messages::StatsBucket| {
        let (partition_id, number) = (asked.partition_id, asked.bucket);
        let bucket = Bucket { table_id: call.table_id, partition_id, bucket: number };
        let count = led(state, asking, bucket).and_then(|table| count(table, bucket));
        let (row_count, (code, message)) = split(count);
        StatsOfBucket { code, message, partition_id, bucket: number, row_count }
    };
    GetTableStatsAnswer { buckets: call.buckets.iter().map(answer).collect() }
}

fn count(table: &Table, bucket: Bucket) -> Result<i64, Failure> {
    if !table.has_key() {
        let log = &table.buckets[&(bucket.partition_id, bucket.bucket)].log;
        return Ok(log.high_watermark - log.start);
    }
    if table.spec.option("table.changelog.image").eq_ignore_ascii_case("wal") {
        return Err((code::NO_ROW_COUNT, "Row count is disabled for this table".into()));
    }
    Ok(rows(table, bucket)?.len() as i64)
}
