//! A log segment that was moved to remote storage.

use std::path::PathBuf;
use std::sync::LazyLock;

use fluss_scan::messages::{FetchLogAnswer, FetchedBucket, FetchedTable, RemoteLog, RemoteSegment};
use prost::Message;

use crate::client::{log, run, scan_log};
use crate::network::Script;
use crate::records;
use crate::tables::TABLE_ID;

/// Where the segment lies; removed by whoever runs the target.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = std::env::var_os("FUZZ_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = root.join(format!("segments-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("s")).expect("a directory for a segment");
    directory
});

/// Bit of the options: checksums are made right, so that what is behind them is reached.
pub const WITH_CHECKSUMS: u8 = 1;
/// Bit of the options: the segment is announced with other bytes than it has.
const OTHER_SIZE: u8 = 2;

/// `options u8 | first position u16 | start u8 | end u16 | segment`.
pub fn remote_segment(input: &[u8]) {
    let Some(([options, first @ .., start, end_low, end_high], segment)) =
        input.split_first_chunk::<6>()
    else {
        return;
    };
    let mut segment = segment.to_vec();
    if options & WITH_CHECKSUMS != 0 {
        records::make_checksums_right(&mut segment);
    }
    let (start, end) = (i64::from(*start), i64::from(u16::from_le_bytes([*end_low, *end_high])));
    let size = segment.len() as i32 - i32::from(options & OTHER_SIZE);
    std::fs::write(DIRECTORY.join("s").join(format!("{:020}.log", 0)), &segment)
        .expect("a segment");
    let remote = RemoteLog {
        directory: DIRECTORY.display().to_string(),
        segments: vec![RemoteSegment { id: "s".into(), start: 0, end, bytes: size }],
        first_start_position: Some(i32::from(u16::from_le_bytes(*first))),
    };
    let answer = FetchLogAnswer {
        tables: vec![FetchedTable {
            table_id: TABLE_ID,
            buckets: vec![FetchedBucket {
                high_watermark: Some(end),
                log_start: Some(0),
                remote: Some(remote),
                ..FetchedBucket::default()
            }],
        }],
    };
    let message = answer.encode_to_vec();
    let length = u16::try_from(message.len()).expect("a short answer").to_le_bytes();
    let script = [&[0, length[0], length[1]], &message[..]].concat();
    run(Script::after_handshake(&script, crate::client::V1_0), async |client| {
        scan_log(&client, log(start, end, None)).await;
    });
}
