//! The whole client before a server that says anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use fluss_scan::{
    ClientOptions, Comparison, Filter, FilterValue, FlussClient, KeyLookup, KvScan, LogBatch,
    LogScan, OffsetSpec, TableInfo, TablePath,
};
use futures::StreamExt;
use tokio::time::{Instant, timeout};

use crate::network::{Script, Scripted};
use crate::tables::{FULL, PREFIXED, WITH_STATISTICS};

/// What each version serves, as recorded.
const V0_9: &[u8] =
    include_bytes!("../../fluss-scan/tests/frames/api_versions_tablet.v091.resp.bin");
pub const V1_0: &[u8] =
    include_bytes!("../../fluss-scan/tests/frames/api_versions_tablet.v10.resp.bin");

/// Deadlines of the client; time is simulated.
const CONNECT: Duration = Duration::from_millis(100);
const METADATA: Duration = Duration::from_millis(400);
const REQUEST: Duration = Duration::from_millis(400);
/// Longer than any call may take, progress of a scan included: an input has room for few replies.
const TOO_LONG: Duration = Duration::from_secs(600);

/// Frames of a server, its handshake included: replies as [`crate::network::Reply`] has them.
pub fn connection(input: &[u8]) {
    run(Script::raw(input), async |client| {
        let started = Instant::now();
        let _ = client.table_info(&path()).await;
        assert_ends(started, METADATA);
    });
}

/// Which call is made. In an input: `call u8 | start u8 | end u16 | replies`.
pub mod call {
    pub const LIST_DATABASES: u8 = 0;
    pub const LIST_TABLES: u8 = 1;
    pub const TABLE_INFO: u8 = 2;
    pub const SCHEMA: u8 = 3;
    pub const PARTITIONS: u8 = 4;
    pub const LAKE_SNAPSHOT: u8 = 5;
    pub const OFFSETS: u8 = 6;
    pub const SCAN_LOG: u8 = 7;
    pub const SCAN_LOG_PROJECTED: u8 = 8;
    pub const LIMIT_SCAN: u8 = 9;
    pub const SCAN_KV: u8 = 10;
    pub const LOOKUP: u8 = 11;
    pub const PREFIX_LOOKUP: u8 = 12;
    pub const STATS: u8 = 13;
    pub const SCAN_LOG_FILTERED: u8 = 14;
    pub const COUNT: u8 = 15;
}

/// Answers to every call.
pub fn calls(input: &[u8]) {
    let Some(([choice, start, end @ ..], replies)) = input.split_first_chunk::<4>() else { return };
    let (start, end) = (i64::from(*start), i64::from(u16::from_le_bytes(*end)));
    let choice = choice % call::COUNT;
    let versions = if choice == call::LIMIT_SCAN { V0_9 } else { V1_0 };
    run(Script::after_handshake(replies, versions), async |client| {
        let started = Instant::now();
        match choice {
            call::LIST_DATABASES => drop(client.list_databases().await),
            call::LIST_TABLES => drop(client.list_tables("w").await),
            call::TABLE_INFO => {
                if let Ok(table) = client.table_info(&path()).await {
                    assert_eq!(TableInfo::from_bytes(&table.to_bytes()), Ok(table));
                }
            }
            call::SCHEMA => drop(client.schema(&FULL, 2).await),
            call::PARTITIONS => drop(client.partitions(&path()).await),
            call::LAKE_SNAPSHOT => drop(client.readable_lake_snapshot(&path()).await),
            call::OFFSETS => {
                let buckets = [0, 1, 2];
                let offsets = client.offsets(&FULL, None, &buckets, OffsetSpec::Latest).await;
                if let Ok(offsets) = offsets {
                    assert!(offsets.keys().eq(&buckets), "other buckets than were asked for");
                }
            }
            call::SCAN_LOG | call::SCAN_LOG_PROJECTED => {
                let projection = (choice == call::SCAN_LOG_PROJECTED).then(|| vec![0, 3, 15]);
                return scan_log(&client, log(start, end, projection)).await;
            }
            call::SCAN_LOG_FILTERED => {
                let value = FilterValue::Integer(55);
                let filter = Some(Filter::Compare(0, Comparison::GreaterOrEqual, value));
                let table = WITH_STATISTICS.clone();
                return scan_log(&client, LogScan { table, filter, ..log(start, end, None) }).await;
            }
            call::LOOKUP | call::PREFIX_LOOKUP => look_up(&client, choice).await,
            call::STATS => {
                let buckets: Vec<_> = FULL.buckets(None).collect();
                if let Ok(counts) = client.table_stats(&FULL, &buckets).await {
                    assert!(counts.keys().eq(&buckets), "other buckets than were asked for");
                }
            }
            _ => {
                let projection = vec![0, 1, 3, 4, 6];
                let scan =
                    KvScan { table: FULL.clone(), partition_id: None, bucket: 0, projection };
                if let Ok(state) = client.scan_kv(scan).await {
                    for (rows, change_types) in &state.changes {
                        assert_valid(rows);
                        assert!(change_types.is_empty() || change_types.len() == rows.num_rows());
                    }
                    if let Ok(rows) = state.fold(&[0]) {
                        assert_valid(&rows);
                    }
                }
                // several calls of this deadline
                return;
            }
        }
        assert_ends(started, METADATA);
    });
}

/// Looks two keys up.
async fn look_up(client: &FlussClient, choice: u8) {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "longer than a slot"]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, -7]));
    let mut keys = vec![("name", names)];
    if choice == call::LOOKUP {
        keys.push(("id", ids));
    }
    let keys = RecordBatch::try_from_iter(keys).expect("keys");
    let table = PREFIXED.clone();
    let lookup = KeyLookup { table, partition: None, keys, projection: vec![0, 1, 2] };
    let found = match choice {
        call::LOOKUP => client.lookup(&lookup).await,
        _ => client.prefix_lookup(&lookup).await,
    };
    if let Ok(found) = found {
        assert_eq!(found.rows.num_rows(), found.keys.len(), "rows and keys");
        assert!(found.keys.is_sorted() && found.keys.iter().all(|key| *key < 2), "keys");
        assert_valid(&found.rows);
    }
}

/// A scan of bucket 0.
pub fn log(start: i64, end: i64, projection: Option<Vec<usize>>) -> LogScan {
    LogScan {
        table: FULL.clone(),
        partition_id: None,
        bucket: 0,
        start,
        end,
        projection,
        filter: None,
    }
}

/// Reads a log to its end or to an error: the records must be those of the range, in order.
pub async fn scan_log(client: &Arc<FlussClient>, scan: LogScan) {
    let (mut position, end) = (scan.start, scan.end);
    let mut batches = std::pin::pin!(client.scan_log(scan));
    while let Some(Ok(batch)) = batches.next().await {
        let LogBatch { rows, change_types, base_offset, next_offset, .. } = &batch;
        let count = rows.num_rows();
        assert!(change_types.is_empty() || change_types.len() == count, "change types");
        assert!(*base_offset >= position, "{base_offset} after {position}");
        assert!(*next_offset >= base_offset + count as i64, "{count} rows to {next_offset}");
        assert!(*next_offset <= end, "{next_offset} after the end {end}");
        assert_valid(rows);
        position = *next_offset;
    }
}

/// Whether arrays hold what Arrow promises of them, text and offsets included.
pub fn assert_valid(rows: &RecordBatch) {
    for column in rows.columns() {
        if let Err(error) = column.to_data().validate_full() {
            panic!("an array that is none: {error}");
        }
    }
}

fn assert_ends(started: Instant, within: Duration) {
    let took = started.elapsed();
    assert!(took <= within + Duration::from_secs(1), "{took:?} where {within:?} were given");
}

/// Runs something with a client of scripted servers, in simulated time.
pub fn run(script: Script, act: impl AsyncFnOnce(Arc<FlussClient>)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut options = ClientOptions::new("server:1", &BTreeMap::new()).expect("an address");
        options.connect_timeout = CONNECT;
        options.metadata_timeout = METADATA;
        options.request_timeout = REQUEST;
        options.frame_bytes_max = 1 << 20;
        options.state_bytes_max = 1 << 20;
        let client = FlussClient::over(Arc::new(Scripted::new(script)), options);
        let acted = timeout(TOO_LONG, act(Arc::new(client))).await;
        assert!(acted.is_ok(), "no end after {TOO_LONG:?}");
    });
}

fn path() -> TablePath {
    TablePath::new("w", "t")
}
