//! Versions of record batches. Recorded servers write 0 and, with statistics, 1; version 2 is made of these.

use bytes::Bytes;
use futures::TryStreamExt;

use super::log::{recorded_scan, records, with_records};
use super::server::{FakeServer, Reply, leads_all};
use crate::log::{LogBatch, LogScan};
use crate::{Error, Result};

const EPOCH: i32 = 7;
/// Where the epoch goes, and where the statistics' length goes in batches that have none.
const EPOCH_AT: usize = 21;
const STATISTICS_AT: usize = 48;

/// Batches of versions 0 and 1 as version 2 has them.
fn as_version_2(mut batches: &[u8]) -> Bytes {
    let mut converted = vec![];
    while !batches.is_empty() {
        let length = i32::from_le_bytes(batches[8..12].try_into().unwrap());
        let (batch, rest) = batches.split_at(12 + usize::try_from(length).unwrap());
        let magic = batch[12];
        let mut checked = batch[EPOCH_AT + 4..STATISTICS_AT].to_vec();
        if magic == 0 {
            checked.extend(0i32.to_le_bytes());
        }
        checked.extend(&batch[STATISTICS_AT..]);
        let length = i32::try_from(1 + 8 + 4 + 4 + checked.len()).unwrap();
        converted.extend(&batch[..8]);
        converted.extend(length.to_le_bytes());
        converted.push(2);
        converted.extend(&batch[13..EPOCH_AT]);
        converted.extend(EPOCH.to_le_bytes());
        converted.extend(crc32c::crc32c(&checked).to_le_bytes());
        converted.extend(checked);
        batches = rest;
    }
    converted.into()
}

async fn read(bytes: Bytes, scan: LogScan) -> Result<Vec<LogBatch>> {
    let fake = FakeServer::start(move |asked| {
        let answer = || Reply::message(&with_records(asked, bytes.clone()));
        leads_all(asked, "v10").unwrap_or_else(answer)
    })
    .await;
    fake.client().scan_log(scan).try_collect().await
}

#[tokio::test]
async fn version_2_is_read_like_its_forerunners() {
    for name in ["fetch_log_none", "fetch_stats_log", "fetch_pk_plain", "fetch_wal"] {
        let original = records(&format!("{name}.v10"));
        let scan = recorded_scan(name, "v10");
        let expected = read(original.clone(), scan.clone()).await.unwrap();
        let converted = read(as_version_2(&original), scan).await.unwrap();
        assert!(!expected.is_empty());
        assert_eq!(converted.len(), expected.len());
        for (converted, expected) in converted.iter().zip(&expected) {
            assert_eq!(converted.rows, expected.rows, "{name}");
            assert_eq!(converted.change_types, expected.change_types, "{name}");
            assert_eq!(converted.next_offset, expected.next_offset, "{name}");
        }
    }
}

#[tokio::test]
async fn the_checksum_of_version_2_covers_what_follows_it() {
    let bytes = as_version_2(&records("fetch_log_none.v10"));
    // the epoch, the checksum itself, the writer's id, the last byte of the first batch
    let last = 11 + usize::try_from(i32::from_le_bytes(bytes[8..12].try_into().unwrap())).unwrap();
    for (at, is_covered) in [(EPOCH_AT, false), (EPOCH_AT + 4, true), (37, true), (last, true)] {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        match read(changed.into(), recorded_scan("fetch_log_none", "v10")).await {
            Ok(_) => assert!(!is_covered, "byte {at}"),
            Err(Error::Corrupt(what)) => assert!(is_covered && what.contains("checksum"), "{what}"),
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}
