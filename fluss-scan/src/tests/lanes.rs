//! Fetches that many scans share, that go out ahead, and that leave batches out.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;

use super::log::{joined, offset_of, read, recorded_scan};
use super::rows::{VER, expected_rows, full_table, keys};
use super::server::{Asked, FakeServer, Reply, leads_all, recorded_answer, recorded_request};
use crate::messages::{FetchBucket, FetchLog, FetchLogAnswer, FetchedBucket, ListOffsets};
use crate::{Comparison, Error, Filter, FilterValue, LogBatch, LogScan, Result};

/// The batches of a log of four batches of fifty rows, ids 0–199.
fn batches() -> Vec<Bytes> {
    let mut records = records_of(&recorded_answer::<FetchLog>("fetch_filter_all.v10.resp"));
    let mut batches = vec![];
    while !records.is_empty() {
        let length = i32::from_le_bytes(records[8..12].try_into().unwrap()) as usize + 12;
        batches.push(records.split_to(length));
    }
    assert_eq!(batches.len(), 4);
    batches
}

fn records_of(answer: &FetchLogAnswer) -> Bytes {
    answer.tables[0].buckets[0].records.clone().unwrap()
}

fn scan(bucket: i32) -> LogScan {
    LogScan {
        table: full_table(3),
        partition_id: None,
        bucket,
        start: 0,
        end: 200,
        projection: None,
        filter: None,
    }
}

/// What a server has of a bucket: the batch of its offset.
fn one_batch(asked: &FetchBucket) -> FetchedBucket {
    let records = batches()[usize::try_from(asked.offset / 50).unwrap()].clone();
    FetchedBucket { records: Some(records), ..empty(asked) }
}

fn empty(asked: &FetchBucket) -> FetchedBucket {
    FetchedBucket {
        bucket: asked.bucket,
        high_watermark: Some(200),
        log_start: Some(0),
        records: Some(Bytes::new()),
        ..FetchedBucket::default()
    }
}

fn answer(request: &FetchLog, of: impl Fn(usize, &FetchBucket) -> FetchedBucket) -> Reply {
    let mut answer = recorded_answer::<FetchLog>("fetch_at_hw.v10.resp");
    answer.tables[0].table_id = request.tables[0].table_id;
    let buckets = request.tables[0].buckets.iter().enumerate();
    answer.tables[0].buckets = buckets.map(|(i, bucket)| of(i, bucket)).collect();
    Reply::message(&answer)
}

/// Four buckets with the same log, in one process.
async fn serving(
    fetch: impl Fn(&Asked<'_>, &FetchLog) -> Reply + Send + Sync + 'static,
) -> FakeServer {
    FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| match asked.is::<FetchLog>() {
            true => fetch(asked, &asked.decode()),
            false => offset_of(asked, 0),
        })
    })
    .await
}

/// Scans four buckets at once.
async fn scan_all(server: &FakeServer) -> Vec<Result<Vec<LogBatch>>> {
    let client = server.client();
    join_all((0..4).map(|bucket| read(&client, scan(bucket)))).await
}

fn assert_whole(batches: &[LogBatch]) {
    let rows = joined(batches);
    assert_eq!((rows.num_rows(), keys(&rows, VER)[199].0), (200, 199));
    assert_eq!(rows, expected_rows(&keys(&rows, VER)));
}

#[tokio::test]
async fn buckets_of_one_server_are_asked_for_together() {
    let server = serving(|_, request| answer(request, |_, bucket| one_batch(bucket))).await;
    for scanned in scan_all(&server).await {
        assert_whole(&scanned.unwrap());
    }
    assert!(most_together(&server) > 1 && server.count::<FetchLog>() < 16);
}

fn most_together(server: &FakeServer) -> usize {
    let calls = server.asked::<FetchLog>();
    calls.iter().map(|call| call.tables[0].buckets.len()).max().unwrap()
}

#[tokio::test]
async fn a_bucket_that_is_left_out_for_others_is_asked_for_at_once() {
    let server = serving(|_, request| {
        answer(request, |i, bucket| if i == 0 { one_batch(bucket) } else { empty(bucket) })
    })
    .await;
    for scanned in scan_all(&server).await {
        assert_whole(&scanned.unwrap());
    }
    assert!(most_together(&server) > 1);
    assert_eq!(server.count::<ListOffsets>(), 0, "nobody doubts that the offset is there");
}

#[tokio::test]
async fn a_bucket_that_fails_does_not_take_others_with_it() {
    let server = serving(|_, request| {
        if request.tables[0].buckets.iter().any(|bucket| bucket.bucket == 2) {
            return Reply::error(-1, "java.lang.IllegalStateException: bucket 2");
        }
        answer(request, |_, bucket| one_batch(bucket))
    })
    .await;
    for (bucket, scanned) in scan_all(&server).await.into_iter().enumerate() {
        match scanned {
            Ok(scanned) if bucket != 2 => assert_whole(&scanned),
            Err(Error::Server { code: -1, .. }) if bucket == 2 => {}
            other => panic!("bucket {bucket}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_next_batches_are_asked_for_before_they_are_needed() {
    let server = serving(|_, request| answer(request, |_, bucket| one_batch(bucket))).await;
    let mut batches = Box::pin(server.client().scan_log(scan(0)));
    batches.try_next().await.unwrap().unwrap();
    let ahead = async {
        while server.count::<FetchLog>() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ahead).await.unwrap();
    let rest: Vec<_> = batches.try_collect().await.unwrap();
    assert_eq!((rest.len(), rest[2].next_offset), (3, 200));
    assert_eq!(server.count::<FetchLog>(), 4, "nothing is asked for twice, nothing behind the end");
}

/// What was asked for ahead failed: it is asked for again.
#[tokio::test]
async fn a_fetch_ahead_that_fails_is_no_failure() {
    let server = serving(|asked, request| match asked.nth {
        1 => Reply::error(-1, "java.lang.IllegalStateException"),
        _ => answer(request, |_, bucket| one_batch(bucket)),
    })
    .await;
    assert_whole(&read(&server.client(), scan(0)).await.unwrap());
    assert_eq!(server.count::<FetchLog>(), 5);
}

#[tokio::test]
async fn filters_are_sent_as_recorded_and_may_leave_batches_out() {
    let compare = |comparison, value| Filter::Compare(0, comparison, FilterValue::Integer(value));
    for (name, filter, ids) in [
        ("fetch_filter_some", compare(Comparison::GreaterOrEqual, 150), 150..200),
        ("fetch_filter_mid", compare(Comparison::Equal, 55), 50..100),
        ("fetch_filter_none", compare(Comparison::Equal, -5), 0..0),
        ("fetch_filter_all", compare(Comparison::GreaterOrEqual, 0), 0..200),
    ] {
        let mut scan = recorded_scan(name, "v10");
        scan.table.properties.insert("table.statistics.columns".into(), "*".into());
        scan.filter = Some(filter);
        scan.table.schema_id = 1;
        let server = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| Reply::recorded(&format!("{name}.v10")))
        })
        .await;
        let batches = read(&server.client(), scan).await.unwrap();
        let found: Vec<i64> =
            batches.iter().flat_map(|batch| keys(&batch.rows, VER)).map(|(id, _)| id).collect();
        assert_eq!(found, ids.collect::<Vec<_>>(), "{name}");
        let asked = server.asked::<FetchLog>();
        let recorded: FetchLog = recorded_request(&format!("{name}.v10.req"));
        assert_eq!(asked.len(), 1, "{name}");
        let (asked, recorded) = (&asked[0].tables[0], &recorded.tables[0]);
        assert_eq!(asked.predicate, recorded.predicate, "{name}");
        assert_eq!(asked.filter_schema_id, recorded.filter_schema_id, "{name}");
    }
}

#[tokio::test]
async fn without_a_filter_nothing_may_be_left_out() {
    let server = serving(|_, request| {
        answer(request, |_, bucket| {
            one_batch(&FetchBucket { offset: bucket.offset + 50, ..bucket.clone() })
        })
    })
    .await;
    let error = read(&server.client(), scan(0)).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt(why) if why.contains("jumps from 0 to 50")), "{error}");
}

#[tokio::test]
async fn batches_that_overlap_are_not_believed() {
    let server = serving(|_, request| {
        answer(request, |_, bucket| {
            let mut second = batches()[1].to_vec();
            second[..8].copy_from_slice(&40i64.to_le_bytes());
            let records = Some([&batches()[0][..], &second].concat().into());
            FetchedBucket { records, ..empty(bucket) }
        })
    })
    .await;
    let error = read(&server.client(), scan(0)).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt(why) if why.contains("overlaps")), "{error}");
}

#[tokio::test]
async fn a_filter_that_no_server_can_judge_is_refused() {
    let server = serving(|_, request| answer(request, |_, bucket| one_batch(bucket))).await;
    let client = server.client();
    let with = |columns: &str, filter: Filter| {
        let mut scan = LogScan { filter: Some(filter), ..scan(0) };
        scan.table.properties.insert("table.statistics.columns".into(), columns.into());
        read(&client, scan)
    };
    let is_set = Filter::IsNotNull(0);
    assert!(with("id, name", is_set.clone()).await.is_ok());
    for (columns, filter) in [
        ("", is_set.clone()),
        ("name", is_set),
        ("*", Filter::IsNull(99)),
        ("*", Filter::Compare(0, Comparison::Less, FilterValue::Text("a".into()))),
    ] {
        let error = with(columns, filter).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error}");
    }
}

#[tokio::test]
async fn a_log_of_rows_is_not_filtered_by_its_server() {
    let server = serving(|_, request| answer(request, |_, bucket| one_batch(bucket))).await;
    for (format, is_sent) in [("ARROW", true), ("INDEXED", false), ("COMPACTED", false)] {
        let mut scan = LogScan { filter: Some(Filter::IsNotNull(0)), ..scan(0) };
        for (name, value) in [("table.statistics.columns", "*"), ("table.log.format", format)] {
            scan.table.properties.insert(name.into(), value.into());
        }
        // the server answers in ARROW whatever it is asked
        let read = read(&server.client(), scan).await;
        assert_eq!(read.is_ok(), is_sent, "{format}");
        let asked = server.asked::<FetchLog>();
        assert_eq!(asked.last().unwrap().tables[0].predicate.is_some(), is_sent, "{format}");
    }
}
