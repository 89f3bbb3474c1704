//! FetchLog calls that many scans share.
//!
//! A lane carries what one server is asked of one table in the same columns and with the same filter. It has a few
//! calls under way, so that a server reads for the one while the answer to another travels; buckets that are asked for
//! meanwhile wait, and go out together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::CLIENT;
use crate::messages::{FetchBucket, FetchLog, FetchLogAnswer, FetchTable, FetchedBucket};
use crate::table::Bucket;
use crate::{Error, FlussClient, Result};

/// Calls of one lane that are under way.
const CALLS_MAX: usize = 2;
/// Buckets of one call.
const BUCKETS_MAX: usize = 64;
/// Bytes that one call asks for. The first batch always comes whole.
const CALL_BYTES: usize = 16 << 20;
/// Bytes that one call asks for of one bucket.
const BUCKET_BYTES: usize = 4 << 20;
/// Bytes that all scans of a client together ask for ahead of their need.
const AHEAD_BYTES: usize = 64 << 20;
/// The unit of that budget.
const AHEAD_UNIT: usize = 1 << 10;

/// All lanes of a client.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<Key, Lane>>,
    ahead: Arc<Semaphore>,
}

impl Default for Lanes {
    fn default() -> Self {
        let ahead = Arc::new(Semaphore::new(AHEAD_BYTES / AHEAD_UNIT));
        Self { lanes: Mutex::default(), ahead }
    }
}

/// The server, and the request without its buckets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    server: i32,
    shape: Bytes,
}

#[derive(Debug)]
struct Lane {
    shape: Arc<Shape>,
    queue: VecDeque<Wanted>,
    calls: usize,
}

/// What a lane asks for: a table, columns, a filter.
#[derive(Debug)]
pub(crate) struct Shape {
    table: FetchTable,
    encoded: Bytes,
}

impl Shape {
    pub(crate) fn new(table: FetchTable) -> Self {
        let encoded = table.encode_to_vec().into();
        Self { table, encoded }
    }
}

#[derive(Debug)]
struct Wanted {
    bucket: FetchBucket,
    /// Not together with others, which left nothing for it.
    alone: bool,
    answer: oneshot::Sender<Result<Fetched>>,
}

/// The answer for one bucket.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) bucket: FetchedBucket,
    /// It is empty because the limit of the call went to other buckets.
    pub(crate) starved: bool,
}

/// An answer that is on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The offset that was asked for.
    pub(crate) offset: i64,
    server: i32,
    answer: oneshot::Receiver<Result<Fetched>>,
    /// The share of the budget of one that was asked for ahead.
    _ahead: Option<OwnedSemaphorePermit>,
}

impl Pending {
    /// The answer, `within` at the longest.
    pub(crate) async fn answer(self, within: Duration) -> Result<Fetched> {
        let server = self.server;
        let answer = timeout(within, self.answer).await;
        let answer = answer.map_err(|_| Error::TimedOut {
            what: format!("FetchLog at Fluss server {server}"),
            after: within,
        })?;
        let gone = |_| Error::Unreachable {
            address: format!("server {server}"),
            problem: "the call was given up".into(),
        };
        answer.map_err(gone)?
    }
}

impl FlussClient {
    /// Asks a server for a bucket from an offset on. The call goes out at once or when another one ends, whether the
    /// answer is waited for or not.
    #[allow(clippy::too_many_arguments, reason = "what is asked for, of whom, and how")]
    pub(crate) fn fetch(
        self: &Arc<Self>,
        server: i32,
        shape: &Arc<Shape>,
        bucket: Bucket,
        offset: i64,
        alone: bool,
    ) -> Pending {
        let (sender, answer) = oneshot::channel();
        let max_bytes = to_i32(BUCKET_BYTES.min(self.answer_bytes()));
        let (partition_id, number) = (bucket.partition_id, bucket.bucket);
        let bucket = FetchBucket { partition_id, bucket: number, offset, max_bytes };
        let wanted = Wanted { bucket, alone, answer: sender };
        let key = Key { server, shape: shape.encoded.clone() };
        let mut lanes = self.lanes.lanes.lock();
        let lane = lanes.entry(key.clone()).or_insert_with(|| Lane {
            shape: Arc::clone(shape),
            queue: VecDeque::new(),
            calls: 0,
        });
        lane.queue.push_back(wanted);
        if lane.calls < CALLS_MAX {
            lane.calls += 1;
            tokio::spawn(Arc::clone(self).run_lane(key));
        }
        Pending { offset, server, answer, _ahead: None }
    }

    /// Asks for what a scan will need next, unless all scans together have asked for enough.
    pub(crate) fn fetch_ahead(
        self: &Arc<Self>,
        server: i32,
        shape: &Arc<Shape>,
        bucket: Bucket,
        offset: i64,
    ) -> Option<Pending> {
        let units = u32::try_from(BUCKET_BYTES / AHEAD_UNIT).ok()?;
        let permit = Arc::clone(&self.lanes.ahead).try_acquire_many_owned(units).ok()?;
        let pending = self.fetch(server, shape, bucket, offset, false);
        Some(Pending { _ahead: Some(permit), ..pending })
    }

    /// An answer may be larger than asked for by one batch.
    fn answer_bytes(&self) -> usize {
        self.options().frame_bytes_max / 2
    }

    async fn run_lane(self: Arc<Self>, key: Key) {
        while let Some((shape, wanted)) = self.lanes.take(&key) {
            self.fetch_together(key.server, &shape, wanted).await;
        }
    }

    async fn fetch_together(&self, server: i32, shape: &Shape, wanted: Vec<Wanted>) {
        let answer = self.call(server, shape, &wanted).await;
        match answer {
            // one bucket may have made the whole call fail
            Err(Error::TooLarge(_) | Error::Server { .. }) if wanted.len() > 1 => {
                for wanted in wanted {
                    let alone = vec![wanted];
                    let answer = self.call(server, shape, &alone).await;
                    deal_out(answer, shape, alone);
                }
            }
            answer => deal_out(answer, shape, wanted),
        }
    }

    async fn call(&self, server: i32, shape: &Shape, wanted: &[Wanted]) -> Result<FetchLogAnswer> {
        let buckets = wanted.iter().map(|wanted| wanted.bucket.clone()).collect();
        let table = FetchTable { buckets, ..shape.table.clone() };
        // the server's own long poll is not woken by appends: never wait there
        let request = FetchLog {
            follower_id: CLIENT,
            max_bytes: to_i32(CALL_BYTES.min(self.answer_bytes())),
            tables: vec![table],
            max_wait_ms: Some(0),
            min_bytes: Some(1),
        };
        self.ask_server(server, &request, self.options().request_timeout).await
    }
}

impl Lanes {
    /// What the next call of a lane asks for; `None` ends one of its calls.
    fn take(&self, key: &Key) -> Option<(Arc<Shape>, Vec<Wanted>)> {
        let mut lanes = self.lanes.lock();
        let lane = lanes.get_mut(key)?;
        // scans that ended meanwhile
        lane.queue.retain(|wanted| !wanted.answer.is_closed());
        let mut together = vec![];
        while together.len() < BUCKETS_MAX {
            let clashes = |wanted: &Wanted| {
                let is_there = |other: &Wanted| {
                    (other.bucket.partition_id, other.bucket.bucket)
                        == (wanted.bucket.partition_id, wanted.bucket.bucket)
                };
                wanted.alone || together.iter().any(is_there)
            };
            match lane.queue.front() {
                Some(next) if together.is_empty() || !clashes(next) => {}
                _ => break,
            }
            let Some(next) = lane.queue.pop_front() else { break };
            let alone = next.alone;
            together.push(next);
            if alone {
                break;
            }
        }
        if !together.is_empty() {
            return Some((Arc::clone(&lane.shape), together));
        }
        lane.calls -= 1;
        if lane.calls == 0 {
            lanes.remove(key);
        }
        None
    }
}

fn deal_out(answer: Result<FetchLogAnswer>, shape: &Shape, wanted: Vec<Wanted>) {
    let tables = match answer {
        Ok(answer) => answer.tables,
        Err(error) => {
            for wanted in wanted {
                let _ = wanted.answer.send(Err(error.clone()));
            }
            return;
        }
    };
    let of_table = tables.into_iter().filter(|table| table.table_id == shape.table.table_id);
    let buckets = of_table.flat_map(|table| table.buckets);
    let mut buckets: HashMap<_, _> =
        buckets.map(|bucket| ((bucket.partition_id, bucket.bucket), bucket)).collect();
    let is_empty = |bucket: &FetchedBucket| bucket.records.as_ref().is_none_or(Bytes::is_empty);
    let some_came = buckets.values().any(|bucket| !is_empty(bucket));
    for Wanted { bucket: asked, answer, .. } in wanted {
        let bucket = buckets.remove(&(asked.partition_id, asked.bucket));
        let bucket = bucket.ok_or_else(|| {
            Error::corrupt(format!("no answer for bucket {} of the table", asked.bucket))
        });
        let fetched = bucket.map(|bucket| {
            let there_is_more = bucket.high_watermark.is_some_and(|end| end > asked.offset);
            let starved = some_came
                && there_is_more
                && is_empty(&bucket)
                && bucket.remote.is_none()
                && bucket.filtered_end.is_none();
            Fetched { bucket, starved }
        });
        // a scan that ended meanwhile does not mind
        let _ = answer.send(fetched);
    }
}

fn to_i32(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
