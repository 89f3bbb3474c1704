//! Log segments in remote storage, here a directory, and the way back to the server.

use std::path::Path;

use arrow::compute::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt;

use super::log::{offset_of, with_records};
use super::rows::{VER, expected_rows, full_table, keys};
use super::server::{FakeServer, Reply, SERVERS, leads_all, recorded_answer};
use crate::log::{LogBatch, LogScan};
use crate::messages::{FetchLog, ListOffsets, RemoteLog, RemoteSegment};
use crate::{Error, Result};

#[test]
fn recorded_segments_follow_one_another() {
    for server in SERVERS {
        for (name, offset) in [("fetch_remote_start", 0), ("fetch_remote_half", 30007)] {
            let answer = recorded_answer::<FetchLog>(&format!("{name}.{server}.resp"));
            let fetched = &answer.tables[0].buckets[0];
            let remote = fetched.remote.as_ref().unwrap();
            assert!(fetched.records.is_none() && remote.directory.starts_with("file:/"));
            let mut segments = remote.segments.clone();
            segments.sort_by_key(|segment| segment.start);
            assert!(segments[0].start <= offset && offset < segments[0].end);
            assert!(segments.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}

/// The whole batches of a recorded answer with the offsets at which they begin and end.
fn batches() -> Vec<(i64, i64, Bytes)> {
    let answer = recorded_answer::<FetchLog>("fetch_stats_log.v10.resp");
    let mut records = answer.tables[0].buckets[0].records.clone().unwrap();
    let mut found = vec![];
    while records.len() > 12 {
        let base = i64::from_le_bytes(records[..8].try_into().unwrap());
        let length = i32::from_le_bytes(records[8..12].try_into().unwrap()) as usize + 12;
        let count = i32::from_le_bytes(records[44..48].try_into().unwrap());
        found.push((base, base + i64::from(count), records.split_to(length)));
    }
    assert!(found.len() >= 3, "{} batches", found.len());
    found
}

fn segment(directory: &Path, id: &str, batches: &[(i64, i64, Bytes)]) -> RemoteSegment {
    let (start, end) = (batches[0].0, batches[batches.len() - 1].1);
    let bytes: Vec<u8> = batches.iter().flat_map(|(_, _, bytes)| bytes.to_vec()).collect();
    std::fs::create_dir_all(directory.join(id)).unwrap();
    std::fs::write(directory.join(id).join(format!("{start:020}.log")), &bytes).unwrap();
    RemoteSegment { id: id.into(), start, end, bytes: bytes.len() as i32 }
}

/// A server whose first batches are remote, one segment each, and whose last one is its own.
async fn tiered(directory: &Path, first_position: i32) -> FakeServer {
    let all = batches();
    let (local, tiered) = all.split_last().unwrap();
    let segments: Vec<_> = tiered
        .iter()
        .enumerate()
        .map(|(i, batch)| segment(directory, &format!("segment-{i}"), std::slice::from_ref(batch)))
        .collect();
    let remote = RemoteLog {
        directory: format!("file:{}", directory.display()),
        segments,
        first_start_position: Some(first_position),
    };
    let local = local.clone();
    FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| {
            if asked.is::<ListOffsets>() {
                return offset_of(asked, local.0);
            }
            let request: FetchLog = asked.decode();
            let offset = request.tables[0].buckets[0].offset;
            if offset >= local.0 {
                // a server cuts to the columns that are asked for; the whole batch is enough here
                return Reply::message(&with_records(asked, local.2.clone()));
            }
            let mut answer = with_records(asked, Bytes::new());
            let fetched = &mut answer.tables[0].buckets[0];
            (fetched.records, fetched.remote) = (None, Some(remote.clone()));
            Reply::message(&answer)
        })
    })
    .await
}

async fn read(server: &FakeServer, start: i64, end: i64) -> Result<Vec<LogBatch>> {
    let scan = LogScan {
        table: full_table(3),
        partition_id: None,
        bucket: 0,
        start,
        end,
        projection: None,
        filter: None,
    };
    server.client().scan_log(scan).try_collect().await
}

#[tokio::test]
async fn segments_are_read_in_order_and_then_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = tiered(directory.path(), 0).await;
    let end = batches().last().unwrap().1;
    for (start, end) in [(0, end), (7, end), (0, 11), (end - 1, end)] {
        let batches = read(&server, start, end).await.unwrap();
        assert_eq!((batches[0].base_offset, batches.last().unwrap().next_offset), (start, end));
        let rows: Vec<_> = batches.iter().map(|batch| &batch.rows).collect();
        let rows = concat_batches(&rows[0].schema(), rows).unwrap();
        assert_eq!(rows.num_rows() as i64, end - start);
        assert_eq!(rows, expected_rows(&keys(&rows, VER)));
    }
}

#[tokio::test]
async fn a_projection_is_done_here_for_segments() {
    let directory = tempfile::tempdir().unwrap();
    let server = tiered(directory.path(), 0).await;
    let end = batches()[0].1;
    let scan = LogScan {
        table: full_table(3),
        partition_id: None,
        bucket: 0,
        start: 0,
        end,
        projection: Some(vec![0, 3, 15]),
        filter: None,
    };
    let batches: Vec<_> = server.client().scan_log(scan).try_collect().await.unwrap();
    let rows = &batches[0].rows;
    assert_eq!(*rows, expected_rows(&keys(rows, 2)).project(&[0, 3, 15]).unwrap());
}

#[tokio::test]
async fn a_segment_that_was_removed_is_an_offset_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let server = tiered(directory.path(), 0).await;
    std::fs::remove_dir_all(directory.path().join("segment-0")).unwrap();
    let all = batches();
    let error = read(&server, 0, all[0].1).await.unwrap_err();
    let begins = all.last().unwrap().0;
    assert!(
        matches!(error, Error::OffsetOutOfRange { offset: 0, start, .. } if start == begins),
        "{error:?}"
    );
}

#[tokio::test]
async fn damaged_segments_are_found() {
    for damage in
        [|bytes: &mut Vec<u8>| bytes.truncate(2000), |bytes: &mut Vec<u8>| bytes[900] ^= 4]
    {
        let directory = tempfile::tempdir().unwrap();
        let server = tiered(directory.path(), 0).await;
        let file = directory.path().join("segment-0").join(format!("{:020}.log", 0));
        let mut bytes = std::fs::read(&file).unwrap();
        damage(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        let error = read(&server, 0, 5).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    }
}
