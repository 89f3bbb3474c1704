//! The state of a primary-key bucket, both ways.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::log::offset_of;
use super::rows::{VER, expected_rows, full_table, keys};
use super::server::{
    Asked, FakeServer, Reply, SERVERS, leads_all, recorded_answer, recorded_request,
};
use crate::kv::{KvScan, KvState};
use crate::messages::{FetchLog, LimitScan, LimitScanAnswer, ListOffsets, ScanKv, ScanKvAnswer};
use crate::{Error, FlussType, Result};

fn scan(table_id: i64, bucket: i32, projection: &[usize]) -> KvScan {
    let table = full_table(table_id);
    KvScan { table, partition_id: None, bucket, projection: projection.to_vec() }
}

fn all_columns() -> Vec<usize> {
    (0..=VER).collect()
}

/// The folded state in all columns, each value compared with what was written.
fn written_state(state: &KvState) -> BTreeSet<(i64, i32)> {
    let rows: RecordBatch = state.fold(&[0]).unwrap();
    let keys = keys(&rows, VER);
    assert_eq!(rows, expected_rows(&keys));
    keys.into_iter().collect()
}

/// A server without ScanKv that shows these ends of the log one after another.
async fn window_server(scan: &'static str, log: &'static str, ends: [i64; 2]) -> FakeServer {
    FakeServer::start(move |asked| {
        leads_all(asked, "v091").unwrap_or_else(|| match asked.api {
            api if api == <ListOffsets as crate::messages::Call>::API => {
                offset_of(asked, ends[asked.nth.min(1)])
            }
            api if api == <LimitScan as crate::messages::Call>::API => limit_scan(scan),
            _ => Reply::recorded(&format!("{log}.v091")),
        })
    })
    .await
}

fn limit_scan(name: &str) -> Reply {
    if name == "nothing" {
        return Reply::message(&LimitScanAnswer {
            records: Some(Bytes::new()),
            ..Default::default()
        });
    }
    Reply::recorded(&format!("{name}.v091"))
}

#[tokio::test]
async fn rows_of_a_limit_scan_are_what_was_written() {
    for (name, table_rows) in [
        ("limit_scan_pk_plain", None),
        ("limit_scan_wal", Some(180)),
        ("limit_scan_first_row", Some(20)),
    ] {
        let request: LimitScan = recorded_request(&format!("{name}.v091.req"));
        let server = window_server(name, "fetch_wal", [40, 40]).await;
        let state =
            server.client().scan_kv(scan(request.table_id, 0, &all_columns())).await.unwrap();
        assert_eq!((state.offset, state.changes.len()), (40, 1));
        let rows = written_state(&state);
        assert!(table_rows.is_none_or(|expected| rows.len() == expected), "{name}");
        assert!(
            name.contains("first_row")
                || rows
                    .iter()
                    .all(|(id, ver)| { id % 10 != 0 && *ver == if id % 2 == 0 { 2 } else { 1 } })
        );
        assert_eq!(server.asked::<LimitScan>(), [LimitScan { limit: i32::MAX, ..request }]);
        assert_eq!(server.count::<ScanKv>(), 0, "a call that is not listed is never sent");
    }
}

#[tokio::test]
async fn the_window_of_the_log_is_applied_over_the_rows() {
    let request: LimitScan = recorded_request("limit_scan_pk_plain.v091.req");
    let fetch: FetchLog = recorded_request("fetch_pk_plain.v091.req");
    assert_eq!(fetch.tables[0].table_id, request.table_id);
    let log = recorded_answer::<FetchLog>("fetch_pk_plain.v091.resp");
    let end = log.tables[0].buckets[0].high_watermark.unwrap();
    let mut states = vec![];
    // whatever part of the log fell into the window, the state at its end is the same
    for (rows, start) in [
        ("limit_scan_pk_plain", end),
        ("limit_scan_pk_plain", end - 9),
        ("limit_scan_pk_plain", 0),
        ("nothing", 0),
    ] {
        let server = window_server(rows, "fetch_pk_plain", [start, end]).await;
        let state =
            server.client().scan_kv(scan(request.table_id, 0, &all_columns())).await.unwrap();
        assert_eq!(state.offset, end);
        states.push(written_state(&state));
    }
    assert!(states[0].len() > 30);
    assert!(states.iter().all(|state| *state == states[0]));
}

#[tokio::test]
async fn a_projection_steps_over_all_other_columns() {
    let request: LimitScan = recorded_request("limit_scan_wal.v091.req");
    let server = window_server("limit_scan_wal", "fetch_wal", [9, 9]).await;
    let client = server.client();
    let all = client.scan_kv(scan(request.table_id, 0, &all_columns())).await.unwrap();
    for column in 1..=VER {
        let two = client.scan_kv(scan(request.table_id, 0, &[0, column])).await.unwrap();
        assert_eq!(two.changes[0].0, all.changes[0].0.project(&[0, column]).unwrap());
    }
}

/// A server with ScanKv: the recorded scan of a bucket in two answers, then its end.
fn scan_kv(asked: &Asked<'_>) -> Reply {
    let request: ScanKv = asked.decode();
    match (request.close, request.sequence) {
        (Some(true), _) => Reply::recorded("scan_kv_close.v10"),
        (_, Some(0)) => Reply::recorded("scan_kv_1000_open.v10"),
        (_, Some(1)) => Reply::recorded("scan_kv_1000_next.v10"),
        (_, sequence) => {
            assert_eq!(sequence, Some(2));
            Reply::message(&ScanKvAnswer { more: Some(false), ..ScanKvAnswer::default() })
        }
    }
}

async fn until(condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(5), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test]
async fn a_scanner_gives_all_rows_and_is_closed() {
    let server =
        FakeServer::start(|asked| leads_all(asked, "v10").unwrap_or_else(|| scan_kv(asked))).await;
    let recorded: ScanKv = recorded_request("scan_kv_1000_open.v10.req");
    let table_id = recorded.open.unwrap().table_id;
    let state = server.client().scan_kv(scan(table_id, 0, &all_columns())).await.unwrap();
    assert_eq!((state.offset, written_state(&state).len()), (142, 14 + 13));
    until(|| server.asked::<ScanKv>().last().is_some_and(|call| call.close == Some(true))).await;
    let sequences: Vec<_> = server.asked::<ScanKv>().iter().map(|call| call.sequence).collect();
    assert_eq!(sequences, [Some(0), Some(1), Some(2), None]);
    assert_eq!(server.count::<LimitScan>(), 0);
}

#[tokio::test]
async fn scans_in_one_answer() {
    for (name, offset, rows) in [
        ("scan_kv_empty_open", 0, 0),
        ("scan_kv_empty_tail_open", 13, 10),
        ("scan_kv_1073741824_open", 143, 61),
    ] {
        let server = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| Reply::recorded(&format!("{name}.v10")))
        })
        .await;
        let recorded: ScanKv = recorded_request(&format!("{name}.v10.req"));
        let open = recorded.open.unwrap();
        let state = server
            .client()
            .scan_kv(scan(open.table_id, open.bucket, &all_columns()))
            .await
            .unwrap();
        assert_eq!((state.offset, written_state(&state).len()), (offset, rows), "{name}");
    }
}

#[tokio::test]
async fn a_lost_scanner_begins_anew_and_not_for_ever() {
    let server = |losses: usize| {
        FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| {
                let call: ScanKv = asked.decode();
                let lost = call.sequence == Some(1) && asked.nth < 2 * losses;
                if lost { Reply::recorded("scan_kv_after_wrong_seq.v10") } else { scan_kv(asked) }
            })
        })
    };
    let once = server(1).await;
    let state = once.client().scan_kv(scan(3, 0, &all_columns())).await;
    assert_eq!(state.unwrap().changes[0].0.num_rows(), 27, "no row of the lost scan is kept");
    let always = server(100).await;
    let error = always.client().scan_kv(scan(3, 0, &all_columns())).await.unwrap_err();
    assert!(matches!(error, Error::Server { code: 67, .. }), "{error:?}");
    let opened = always.asked::<ScanKv>().iter().filter(|call| call.open.is_some()).count();
    assert_eq!(opened, 3);
}

#[tokio::test]
async fn a_missing_bucket_is_not_found() {
    let server = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| Reply::recorded("scan_kv_bad_bucket.v10"))
    })
    .await;
    let error = server.client().scan_kv(scan(3, 0, &[0])).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

#[tokio::test]
async fn limits_name_the_bucket() {
    for version in SERVERS {
        let server = FakeServer::start(move |asked| {
            leads_all(asked, version).unwrap_or_else(|| match asked.is::<ScanKv>() {
                true => scan_kv(asked),
                false if asked.is::<ListOffsets>() => offset_of(asked, 9),
                false => limit_scan("limit_scan_wal"),
            })
        })
        .await;
        let small_state = server.client_with(|options| options.state_bytes_max = 900);
        let error = small_state.scan_kv(scan(3, 0, &[0])).await.unwrap_err();
        assert!(
            matches!(&error, Error::TooLarge(what) if what.contains("bucket 0 of table 3")),
            "{error}"
        );
    }
    let server = window_server("limit_scan_wal", "fetch_wal", [9, 9]).await;
    let small_frames = server.client_with(|options| options.frame_bytes_max = 5000);
    let error = small_frames.scan_kv(scan(3, 0, &[0])).await.unwrap_err();
    assert!(
        matches!(&error, Error::TooLarge(what) if what.contains("bucket 0 of table 3")),
        "{error}"
    );
    assert_eq!(server.count::<LimitScan>(), 1, "what is too large is not asked for again");
}

#[tokio::test]
async fn what_cannot_be_read_right_is_refused() {
    let server = window_server("limit_scan_wal", "fetch_wal", [9, 9]).await;
    let client = server.client();
    let refused = async |change: fn(&mut KvScan)| -> Result<KvState> {
        let mut changed = scan(3, 0, &[0, 5]);
        change(&mut changed);
        client.scan_kv(changed).await
    };
    let aligned = refused(|s| {
        s.table.properties.insert("table.kv.format".into(), "ALIGNED".into());
    });
    assert!(matches!(aligned.await, Err(Error::Unsupported(what)) if what.contains("ALIGNED")));
    // rows of the other format are no rows of this one
    let indexed = refused(|s| {
        s.table.properties.insert("table.kv.format".into(), "INDEXED".into());
    });
    assert!(matches!(indexed.await, Err(Error::Corrupt(_))));
    let missing = refused(|s| s.projection = vec![0, 99]);
    assert!(matches!(missing.await, Err(Error::Unsupported(_))));
    let log = window_server("limit_scan_log", "fetch_wal", [9, 9]).await;
    let log = log.client().scan_kv(scan(3, 0, &[0])).await;
    assert!(matches!(log, Err(Error::Corrupt(what)) if what.contains("log records")));
}

#[tokio::test]
async fn another_precision_is_not_read_as_this_one() {
    // rows of schema 1 with TIMESTAMP(6), in a table that now says TIMESTAMP(3)
    let old =
        recorded_answer::<crate::messages::GetTableInfo>("table_info_pk_plain_tablet.v10.resp");
    let json: serde_json::Value = serde_json::from_slice(&old.json).unwrap();
    let old = Bytes::from(serde_json::to_vec(&json["schema"]).unwrap());
    let server = FakeServer::start(move |asked| {
        leads_all(asked, "v091").unwrap_or_else(|| match asked.is::<ListOffsets>() {
            true => offset_of(asked, 9),
            false if asked.is::<LimitScan>() => limit_scan("limit_scan_wal"),
            false => Reply::message(&crate::messages::GetTableSchemaAnswer {
                schema_id: 1,
                json: old.clone(),
            }),
        })
    })
    .await;
    let mut changed = scan(3, 0, &[0, 5]);
    changed.table.schema_id = 2;
    changed.table.schema.columns[5].data_type = FlussType::Timestamp(3);
    let client: Arc<_> = server.client();
    let error = client.scan_kv(changed).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(what) if what.contains("'ts'")), "{error}");
}
