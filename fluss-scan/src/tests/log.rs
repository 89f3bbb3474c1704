//! Bounded log scans over recorded answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt;

use super::rows::{VER, expected_rows, full_table, keys};
use super::server::{
    Asked, FakeServer, Reply, SERVERS, leads_all, recorded_answer, recorded_request,
};
use crate::kv::KvState;
use crate::log::{ChangeType, LogBatch, LogScan};
use crate::messages::{
    FetchLog, FetchLogAnswer, GetTableSchema, GetTableSchemaAnswer, ListOffsets, Metadata,
};
use crate::table::TableInfo;
use crate::{Error, FlussClient, Result};

pub(super) async fn read(client: &Arc<FlussClient>, scan: LogScan) -> Result<Vec<LogBatch>> {
    client.scan_log(scan).try_collect().await
}

/// One batch of all rows.
pub(super) fn joined(batches: &[LogBatch]) -> RecordBatch {
    let rows: Vec<_> = batches.iter().map(|batch| &batch.rows).collect();
    concat_batches(&rows[0].schema(), rows).unwrap()
}

fn changes(batches: &[LogBatch]) -> Vec<ChangeType> {
    batches.iter().flat_map(|batch| batch.change_types.iter()).collect()
}

fn scan(table_id: i64, start: i64, end: i64, projection: Option<Vec<usize>>) -> LogScan {
    LogScan {
        table: full_table(table_id),
        partition_id: None,
        bucket: 0,
        start,
        end,
        projection,
        filter: None,
    }
}

/// A leader that answers every fetch with a recorded answer.
async fn replaying(name: &'static str, server: &'static str) -> FakeServer {
    FakeServer::start(move |asked| {
        let recorded = || Reply::recorded(&format!("{name}.{server}"));
        leads_all(asked, server).unwrap_or_else(recorded)
    })
    .await
}

/// The scan that a recorded fetch belongs to, up to the high watermark in its answer.
pub(super) fn recorded_scan(name: &str, server: &str) -> LogScan {
    let request: FetchLog = recorded_request(&format!("{name}.{server}.req"));
    let answer = recorded_answer::<FetchLog>(&format!("{name}.{server}.resp"));
    let table = &request.tables[0];
    let end = answer.tables[0].buckets[0].high_watermark.unwrap();
    let projection = table.projected.then(|| table.columns.iter().map(|c| *c as usize).collect());
    scan(table.table_id, table.buckets[0].offset, end, projection)
}

#[tokio::test]
async fn every_value_of_a_log_is_what_was_written() {
    let logs = ["log_zstd", "log_lz4", "log_none"]
        .map(|t| [format!("fetch_{t}"), format!("fetch_{t}_projected")]);
    for name in logs.into_iter().flatten() {
        for server in SERVERS {
            let name: &'static str = name.clone().leak();
            let fake = replaying(name, server).await;
            let scan = recorded_scan(name, server);
            let end = scan.end;
            let projection = scan.projection.clone();
            let batches = read(&fake.client(), scan).await.unwrap();
            let rows = joined(&batches);
            let ver_at = projection.as_ref().map_or(VER, |p| p.len() - 1);
            let keys = keys(&rows, ver_at);
            let ids: BTreeSet<_> = keys.iter().map(|(id, _)| *id).collect();
            assert_eq!((ids.len() as i64, keys.len() as i64), (end, end), "{name} {server}");
            assert!(keys.iter().all(|(id, ver)| (0..300).contains(id) && *ver == 1));
            let all: Vec<usize> = (0..=VER).collect();
            let expected =
                expected_rows(&keys).project(projection.as_ref().unwrap_or(&all)).unwrap();
            assert_eq!(rows, expected, "{name} {server}");
            assert!(changes(&batches).is_empty());
            assert_eq!((batches[0].base_offset, batches.last().unwrap().next_offset), (0, end));

            let asked = &fake.asked::<FetchLog>()[0];
            let recorded: FetchLog = recorded_request(&format!("{name}.{server}.req"));
            assert_eq!(asked.tables[0].columns, recorded.tables[0].columns);
            assert_eq!(asked.tables[0].projected, recorded.tables[0].projected);
            assert_eq!((asked.max_wait_ms, asked.min_bytes), (Some(0), Some(1)));
        }
    }
}

#[tokio::test]
async fn statistics_of_a_batch_are_stepped_over() {
    let fake = replaying("fetch_stats_log", "v10").await;
    let batches = read(&fake.client(), recorded_scan("fetch_stats_log", "v10")).await.unwrap();
    let rows = joined(&batches);
    let ids: Vec<_> = (0..200).map(|id| (id, 1)).collect();
    assert_eq!(rows, expected_rows(&ids));
    assert_eq!(batches.len(), 4);
}

/// What is left of a primary-key table whose even ids were updated and whose tens were deleted.
fn survivor(id: i64) -> Option<i32> {
    if id % 10 == 0 { None } else { Some(if id % 2 == 0 { 2 } else { 1 }) }
}

#[tokio::test]
async fn changes_fold_to_the_state_that_was_written() {
    use ChangeType::{Delete, Insert, UpdateAfter, UpdateBefore};
    for (name, last_id, kinds) in [
        ("fetch_pk_plain", 200, vec![Insert, UpdateBefore, UpdateAfter, Delete]),
        ("fetch_pk_plain_projected", 200, vec![Insert, UpdateBefore, UpdateAfter, Delete]),
        ("fetch_pk_lz4", 40, vec![Insert, UpdateBefore, UpdateAfter, Delete]),
        ("fetch_wal", 200, vec![UpdateAfter, Delete]),
        ("fetch_wal_projected", 200, vec![UpdateAfter, Delete]),
    ] {
        for server in SERVERS {
            let fake = replaying(name, server).await;
            let scan = recorded_scan(name, server);
            let (end, projection) = (scan.end, scan.projection.clone());
            let batches = read(&fake.client(), scan).await.unwrap();
            let all: Vec<usize> = (0..=VER).collect();
            let projection = projection.unwrap_or(all);
            let rows = joined(&batches);
            let written = expected_rows(&keys(&rows, projection.len() - 1));
            assert_eq!(rows, written.project(&projection).unwrap(), "{name} {server}");
            let seen = changes(&batches);
            assert_eq!((seen.len(), seen.len() as i64), (rows.num_rows(), end));
            for kind in kinds.iter().chain(&seen) {
                assert!(kinds.contains(kind) && seen.contains(kind), "{kind:?} in {name}");
            }
            let changes = batches.into_iter().map(|b| (b.rows, b.change_types)).collect();
            let state = KvState { offset: end, changes }.fold(&[0]).unwrap();
            let state: BTreeSet<_> = keys(&state, projection.len() - 1).into_iter().collect();
            assert!(state.iter().all(|(id, ver)| survivor(*id) == Some(*ver)), "{name} {server}");
            let of_one_bucket = !name.contains("pk_plain");
            let survivors = (0..last_id).filter(|id| survivor(*id).is_some()).count();
            assert!(!of_one_bucket || state.len() == survivors, "{name} {server}");
        }
    }
}

#[tokio::test]
async fn rows_outside_of_the_range_are_cut_off() {
    for server in SERVERS {
        let fake = replaying("fetch_middle", server).await;
        let table_id = recorded_scan("fetch_middle", server).table.table_id;
        let client = fake.client();
        let all = read(&client, scan(table_id, 0, 100, None)).await.unwrap();
        let all = joined(&all);
        for (start, end) in [(3, 10), (0, 1), (99, 100), (50, 51), (20, 100)] {
            let part = read(&client, scan(table_id, start, end, None)).await.unwrap();
            assert_eq!((part[0].base_offset, part.last().unwrap().next_offset), (start, end));
            assert_eq!(joined(&part), all.slice(start as usize, (end - start) as usize));
        }
        let before = fake.count::<FetchLog>();
        assert!(read(&client, scan(table_id, 5, 5, None)).await.unwrap().is_empty());
        assert!(read(&client, scan(table_id, 9, 3, None)).await.unwrap().is_empty());
        assert_eq!(fake.count::<FetchLog>(), before, "an empty range is not fetched");
    }
}

#[tokio::test]
async fn empty_batches_take_offsets() {
    for server in SERVERS {
        for (name, end, rows) in [
            ("fetch_empty_empty_tail", 13, 10),
            ("fetch_only_empty_empty_tail", 13, 0),
            ("fetch_only_empty_first_row", 21, 0),
            ("fetch_first_row", 21, 20),
            ("fetch_first_row_projected", 21, 20),
        ] {
            let fake = replaying(name, server).await;
            let scan = recorded_scan(name, server);
            assert_eq!(scan.end, end, "{name}");
            let batches = read(&fake.client(), scan).await.unwrap();
            assert_eq!(batches.iter().map(|b| b.rows.num_rows()).sum::<usize>(), rows, "{name}");
            assert_eq!(fake.count::<FetchLog>(), 1, "{name} {server}");
        }
    }
}

/// The records of a recorded answer.
pub(super) fn records(name: &str) -> Bytes {
    let answer = recorded_answer::<FetchLog>(&format!("{name}.resp"));
    answer.tables[0].buckets[0].records.clone().unwrap()
}

/// An answer to a fetch with these records.
pub(super) fn with_records(asked: &Asked<'_>, records: Bytes) -> FetchLogAnswer {
    let request: FetchLog = asked.decode();
    let mut answer = recorded_answer::<FetchLog>("fetch_at_hw.v10.resp");
    answer.tables[0].table_id = request.tables[0].table_id;
    answer.tables[0].buckets[0].bucket = request.tables[0].buckets[0].bucket;
    answer.tables[0].buckets[0].records = Some(records);
    answer
}

#[tokio::test]
async fn torn_batches_are_asked_for_again() {
    let whole = records("fetch_log_zstd.v10");
    let all = replaying("fetch_log_zstd", "v10").await;
    let expected =
        joined(&read(&all.client(), recorded_scan("fetch_log_zstd", "v10")).await.unwrap());
    let torn = FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| {
            // first only a part of the first batch, then a part more, at the end all
            let shown = [5, 60, whole.len() - 10, whole.len() - 10, whole.len()];
            let shown = shown.get(asked.nth).copied().unwrap_or(whole.len());
            if asked.is::<FetchLog>() {
                Reply::message(&with_records(asked, whole.slice(..shown)))
            } else {
                offset_of(asked, 0)
            }
        })
    })
    .await;
    let batches = read(&torn.client(), recorded_scan("fetch_log_zstd", "v10")).await;
    assert_eq!(joined(&batches.unwrap()), expected);
}

#[tokio::test]
async fn without_progress_a_scan_ends_in_an_error() {
    let fake = FakeServer::start(|asked| {
        let answer = || match asked.is::<FetchLog>() {
            true => Reply::message(&with_records(asked, Bytes::new())),
            false => offset_of(asked, 0),
        };
        leads_all(asked, "v10").unwrap_or_else(answer)
    })
    .await;
    let error = read(&fake.client(), scan(3, 5, 9, None)).await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { what, .. } if what.contains("offset 5")), "{error}");
    assert!(fake.count::<FetchLog>() < 40, "polls back off");
}

/// The answer to ListOffsets: the same offset for each bucket that is asked for.
pub(super) fn offset_of(asked: &Asked<'_>, offset: i64) -> Reply {
    let request: ListOffsets = asked.decode();
    let buckets = request.buckets.into_iter().map(|bucket| crate::messages::OffsetOfBucket {
        bucket,
        offset: Some(offset),
        ..Default::default()
    });
    Reply::message(&crate::messages::ListOffsetsAnswer { buckets: buckets.collect() })
}

#[tokio::test]
async fn an_offset_that_is_gone_is_told_apart() {
    for server in SERVERS {
        let fake = FakeServer::start(move |asked| {
            let answer = || match asked.is::<FetchLog>() {
                true => Reply::recorded(&format!("fetch_past_hw.{server}")),
                false => offset_of(asked, 77),
            };
            leads_all(asked, server).unwrap_or_else(answer)
        })
        .await;
        let table_id = recorded_scan("fetch_at_hw", server).table.table_id;
        let error = read(&fake.client(), scan(table_id, 5, 9, None)).await.unwrap_err();
        assert!(matches!(error, Error::OffsetOutOfRange { offset: 5, start: 77, .. }), "{error:?}");
    }
    // a server may also answer nothing at all for what it has no longer
    let silent = FakeServer::start(|asked| {
        let answer = || match asked.is::<FetchLog>() {
            true => Reply::message(&with_records(asked, Bytes::new())),
            false => offset_of(asked, 6),
        };
        leads_all(asked, "v10").unwrap_or_else(answer)
    })
    .await;
    let error = read(&silent.client(), scan(3, 5, 9, None)).await.unwrap_err();
    assert!(matches!(error, Error::OffsetOutOfRange { offset: 5, start: 6, .. }), "{error:?}");
}

#[tokio::test]
async fn errors_of_a_bucket_keep_their_meaning() {
    for server in SERVERS {
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, server).unwrap_or_else(|| {
                let mut answer =
                    recorded_answer::<FetchLog>(&format!("fetch_bad_bucket.{server}.resp"));
                answer.tables[0].buckets[0].bucket = 0;
                Reply::message(&answer)
            })
        })
        .await;
        let table_id = recorded_scan("fetch_at_hw", server).table.table_id;
        let error = read(&fake.client(), scan(table_id, 0, 9, None)).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(_)), "{error:?}");
        // the metadata lists the bucket: its leader may be coming back
        let (asked, described) = (fake.count::<FetchLog>(), fake.count::<Metadata>());
        assert!((2..20).contains(&asked) && asked == described, "{asked} fetches, {described}");
    }
}

/// `log_lz4` after `extra INT` was added, and the answer for its first schema.
fn evolved(table_id: i64) -> (TableInfo, GetTableSchemaAnswer) {
    let answer =
        recorded_answer::<crate::messages::GetTableInfo>("table_info_pk_plain_tablet.v10.resp");
    let mut json: serde_json::Value = serde_json::from_slice(&answer.json).unwrap();
    let old = serde_json::to_vec(&json["schema"]).unwrap();
    let extra = serde_json::json!({"name": "extra", "data_type": {"type": "INTEGER"}, "id": 16});
    json["schema"]["columns"].as_array_mut().unwrap().push(extra);
    let mut new = answer;
    (new.table_id, new.schema_id) = (table_id, 2);
    new.json = serde_json::to_vec(&json).unwrap().into();
    let table = TableInfo::parse(crate::TablePath::new("w", "log_lz4"), new).unwrap();
    (table, GetTableSchemaAnswer { schema_id: 1, json: old.into() })
}

#[tokio::test]
async fn columns_younger_than_a_batch_are_null() {
    for server in SERVERS {
        let table_id = recorded_scan("fetch_evolved_log_lz4_", server).table.table_id;
        let (table, old) = evolved(table_id);
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, server).unwrap_or_else(|| {
                if asked.is::<GetTableSchema>() {
                    return Reply::message(&old);
                }
                let request: FetchLog = asked.decode();
                let columns: Vec<_> =
                    request.tables[0].columns.iter().map(i32::to_string).collect();
                Reply::recorded(&format!("fetch_evolved_log_lz4_{}.{server}", columns.join("_")))
            })
        })
        .await;
        let client = fake.client();
        let end = recorded_scan("fetch_evolved_log_lz4_", server).end;
        let base = LogScan { table, ..scan(table_id, 0, end, None) };

        let known = LogScan { projection: Some(vec![0, 15]), ..base.clone() };
        let known = joined(&read(&client, known).await.unwrap());
        let keys = keys(&known, 1);
        assert_eq!(known, expected_rows(&keys).project(&[0, 15]).unwrap());

        // refused with the new column, hence cut here
        let young = LogScan { projection: Some(vec![0, 16]), ..base.clone() };
        let young = joined(&read(&client, young).await.unwrap());
        assert_eq!(young.column(0), known.column(0));
        assert_eq!(young.column(1).null_count(), young.num_rows());
        let projected: Vec<_> =
            fake.asked::<FetchLog>().iter().map(|f| f.tables[0].projected).collect();
        assert_eq!(projected, [true, true, false]);

        let all = joined(&read(&client, base).await.unwrap());
        let first: Vec<usize> = (0..=VER).collect();
        assert_eq!(all.project(&first).unwrap(), expected_rows(&keys));
        assert_eq!(all.column(16).null_count(), all.num_rows());
        assert_eq!(fake.count::<GetTableSchema>(), 1, "an old schema is asked for once");
    }
}

#[tokio::test]
async fn positions_that_meant_other_columns_are_not_believed() {
    // the recorded answer was cut to the positions 0, 3 and 15 of its own schema; in the table's present
    // schema `qty` has gone, so that position 3 would be `big`
    let table_id = recorded_scan("fetch_log_none_projected", "v10").table.table_id;
    let (mut table, old) = evolved(table_id);
    table.schema.columns.remove(2);
    let fake = FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| {
            if asked.is::<GetTableSchema>() {
                return Reply::message(&old);
            }
            let request: FetchLog = asked.decode();
            let name = if request.tables[0].projected {
                "fetch_log_none_projected"
            } else {
                "fetch_log_none"
            };
            Reply::recorded(&format!("{name}.v10"))
        })
    })
    .await;
    let end = recorded_scan("fetch_log_none", "v10").end;
    let projection = Some(vec![0, 3, 15]);
    let dropped = LogScan { table, projection, ..scan(table_id, 0, end, None) };
    let rows = joined(&read(&fake.client(), dropped).await.unwrap());
    assert_eq!(rows.schema().field(1).name(), "big");
    let ids: Vec<_> = keys_of(&rows);
    assert_eq!(rows.column(1), expected_rows(&ids).column(4));
}

fn keys_of(rows: &RecordBatch) -> Vec<(i64, i32)> {
    use arrow::array::AsArray;
    let ids = rows.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    ids.values().iter().map(|id| (*id, 1)).collect()
}

#[tokio::test]
async fn changed_bytes_are_found_by_the_checksum() {
    let whole = records("fetch_log_none.v10");
    let fake = FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| {
            let mut changed = whole.to_vec();
            changed[900] ^= 1;
            Reply::message(&with_records(asked, changed.into()))
        })
    })
    .await;
    let error = read(&fake.client(), recorded_scan("fetch_log_none", "v10")).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt(what) if what.contains("checksum")), "{error}");
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    let whole = records("fetch_log_none.v10");
    for magic in [3, 9] {
        let whole = whole.clone();
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| {
                let mut changed = whole.to_vec();
                changed[12] = magic;
                Reply::message(&with_records(asked, changed.into()))
            })
        })
        .await;
        let error = read(&fake.client(), recorded_scan("fetch_log_none", "v10")).await.unwrap_err();
        let named = format!("version {magic}");
        assert!(matches!(&error, Error::Unsupported(what) if what.contains(&named)), "{error}");
    }
    let fake = replaying("fetch_log_none", "v10").await;
    let mut aligned = scan(3, 0, 9, None);
    aligned.table.properties.insert("table.log.format".into(), "ALIGNED".into());
    let error = read(&fake.client(), aligned).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(what) if what.contains("ALIGNED")), "{error}");
    assert_eq!(fake.count::<FetchLog>(), 0);
    let fake = replaying("fetch_log_none", "v10").await;
    for projection in [vec![], vec![3, 0], vec![0, 0], vec![99]] {
        assert!(read(&fake.client(), scan(3, 0, 9, Some(projection))).await.is_err());
    }
}

#[tokio::test]
async fn a_moved_leader_is_followed() {
    for server in SERVERS {
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, server).unwrap_or_else(|| {
                if asked.nth < 2 {
                    let mut answer = with_records(asked, Bytes::new());
                    answer.tables[0].buckets[0].code = Some(12);
                    return Reply::message(&answer);
                }
                Reply::recorded(&format!("fetch_log_zstd.{server}"))
            })
        })
        .await;
        let scan = recorded_scan("fetch_log_zstd", server);
        let end = scan.end;
        let batches = read(&fake.client(), scan).await.unwrap();
        assert_eq!(joined(&batches).num_rows() as i64, end, "no row twice, none lost");
        assert_eq!(fake.count::<Metadata>(), 3);
    }
}

/// An answer whose one bucket failed with an exception of the server: it deleted a segment that was being read,
/// since the segment had gone to remote storage.
fn closed_channel(asked: &Asked<'_>) -> Reply {
    let mut answer = with_records(asked, Bytes::new());
    answer.tables[0].buckets[0].code = Some(-1);
    let message = "java.nio.channels.ClosedChannelException";
    answer.tables[0].buckets[0].message = Some(message.into());
    Reply::message(&answer)
}

#[tokio::test]
async fn a_bucket_that_fails_with_an_exception_is_asked_again_and_not_for_ever() {
    let server = "v091";
    let whole = || Reply::recorded("fetch_log_zstd.v091");
    let fake = FakeServer::start(move |asked| {
        let fails_first = || if asked.nth < 2 { closed_channel(asked) } else { whole() };
        leads_all(asked, server).unwrap_or_else(fails_first)
    })
    .await;
    let scan = recorded_scan("fetch_log_zstd", server);
    let end = scan.end;
    let batches = read(&fake.client(), scan.clone()).await.unwrap();
    assert_eq!(joined(&batches).num_rows() as i64, end);
    let broken = FakeServer::start(move |asked| {
        leads_all(asked, server).unwrap_or_else(|| closed_channel(asked))
    })
    .await;
    let error = read(&broken.client(), scan).await.unwrap_err();
    assert!(error.to_string().contains("ClosedChannelException"), "{error}");
    assert_eq!(broken.count::<FetchLog>(), 5);
}

#[test]
fn a_buffer_that_columns_share_is_counted_once() {
    let shared = arrow::buffer::Buffer::from(Bytes::from(vec![b'x'; 1000]));
    let part = |from: usize| {
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([10]);
        let text = shared.slice_with_length(from, 10);
        Arc::new(arrow::array::StringArray::new(offsets, text, None)) as arrow::array::ArrayRef
    };
    let rows = RecordBatch::try_from_iter([("a", part(0)), ("b", part(500))]).unwrap();
    assert!((1000..1200).contains(&crate::kept_bytes(&rows)), "{}", crate::kept_bytes(&rows));
}
