//! What is asked, and how an answer is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fluss_scan::kv::KvScan;
use fluss_scan::{ChangeType, Error, Filter, FlussClient, LogScan, OffsetSpec, TableInfo};
use fluss_sim::cases::{self, Row};
use futures::TryStreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, timeout};

use crate::condition::{filter, passes};
use crate::history::History;
use crate::model::{Kind, Model};
use crate::network::{METADATA, REQUEST};

/// A statement ends this long after its deadline at the latest.
const SLACK: Duration = Duration::from_secs(1);

/// One question about one bucket.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Part of the log.
    Scan {
        /// Which bucket.
        at: usize,
        /// From here.
        start: i64,
        /// To here.
        end: i64,
        /// Columns; `None`: all.
        projection: Option<Vec<usize>>,
        /// Batches may be left out by it.
        filter: Option<Filter>,
    },
    /// The state.
    State {
        /// Which bucket.
        at: usize,
        /// Columns, the key among them.
        projection: Vec<usize>,
    },
    /// Offsets of all buckets.
    Offsets(OffsetSpec),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Records, with the error that ended them.
    Records(Vec<(i64, ChangeType, Row)>, Option<Error>),
    /// A state at an offset, sorted.
    State(i64, Vec<Row>),
    /// Offsets by bucket.
    Offsets(BTreeMap<i32, i64>),
    /// No answer.
    Failed(Error),
    /// It did not end in time.
    Hung(Duration),
    /// Something no answer may be.
    Wrong(String),
}

/// Whether an answer is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Exactly what the model says.
    Right,
    /// An error that the run's faults explain.
    Explained(String),
}

impl Ask {
    /// A random question about a table.
    pub fn random(history: &History, random: &mut StdRng) -> Self {
        let at = random.random_range(0..history.buckets.len());
        let columns = if history.evolved { 4 } else { 3 };
        match random.random_range(0..10) {
            0..2 => {
                let times = history.buckets[at].batches.iter().map(|(time, _)| *time);
                let some = times.collect::<Vec<_>>().choose(random).copied();
                let timestamp =
                    OffsetSpec::Timestamp(some.unwrap_or(0) + random.random_range(0..2));
                let all = [OffsetSpec::Earliest, OffsetSpec::Latest, timestamp];
                Self::Offsets(*all.choose(random).unwrap_or(&timestamp))
            }
            2..5 if history.kind != Kind::Log => {
                let mut projection = projection(columns, random).unwrap_or((0..columns).collect());
                projection.retain(|column| *column != 0);
                projection.insert(0, 0);
                Self::State { at, projection }
            }
            _ => {
                let Model { start, end, .. } = history.buckets[at];
                let (a, b) = (random.random_range(start..=end), random.random_range(start..=end));
                let (mut start, mut end) =
                    if random.random_bool(0.5) { (start, end) } else { (a, b) };
                if start > end {
                    (start, end) = (end, start);
                }
                let filter =
                    history.statistics.then(|| filter(random)).filter(|_| random.random_bool(0.6));
                Self::Scan { at, start, end, projection: projection(columns, random), filter }
            }
        }
    }

    /// Asks, and sees to it that an end comes.
    pub async fn ask(&self, client: &Arc<FlussClient>, history: &History) -> Answer {
        let started = Instant::now();
        let table = match timeout(METADATA + SLACK, client.table_info(&history.path)).await {
            Ok(Ok(table)) => table,
            Ok(Err(error)) => return Answer::Failed(error),
            Err(_) => return Answer::Hung(started.elapsed()),
        };
        match self {
            Self::Scan { at, start, end, projection, filter } => {
                let bucket = history.buckets[*at].bucket;
                let (partition_id, bucket) = (bucket.partition_id, bucket.bucket);
                let (start, end, projection) = (*start, *end, projection.clone());
                let filter = filter.clone();
                let scan_of =
                    LogScan { table, partition_id, bucket, start, end, projection, filter };
                scan(client, scan_of).await
            }
            Self::State { at, projection } => {
                let bucket = history.buckets[*at].bucket;
                state(client, table, bucket, projection.clone()).await
            }
            Self::Offsets(spec) => {
                let buckets: Vec<i32> = history.buckets.iter().map(|b| b.bucket.bucket).collect();
                let asked = client.offsets(&table, history.partition_id, &buckets, *spec);
                match timeout(REQUEST + SLACK, asked).await {
                    Ok(Ok(offsets)) => Answer::Offsets(offsets),
                    Ok(Err(error)) => Answer::Failed(error),
                    Err(_) => Answer::Hung(started.elapsed()),
                }
            }
        }
    }
}

fn projection(columns: usize, random: &mut StdRng) -> Option<Vec<usize>> {
    let some: Vec<usize> = (0..columns).filter(|_| random.random_bool(0.5)).collect();
    (!some.is_empty()).then_some(some)
}

/// A scan must make progress: every batch, and its end, has the deadline of one request.
async fn scan(client: &Arc<FlussClient>, scan: LogScan) -> Answer {
    let range = scan.start..scan.end;
    let mut stream = pin!(client.scan_log(scan));
    let mut batches = vec![];
    let error = loop {
        let started = Instant::now();
        match timeout(REQUEST + SLACK, stream.try_next()).await {
            Ok(Ok(Some(batch))) => batches.push(batch),
            Ok(Ok(None)) => break None,
            Ok(Err(error)) => break Some(error),
            Err(_) => return Answer::Hung(started.elapsed()),
        }
    };
    match cases::records(&batches, range) {
        Ok(records) => Answer::Records(records, error),
        Err(wrong) => Answer::Wrong(wrong.to_string()),
    }
}

/// The longest that a state may take: three scanners of two answers, or two offsets around a scan and its window.
const STATE: Duration = Duration::from_millis(
    (METADATA.as_millis() * 3 + REQUEST.as_millis() * 6 + SLACK.as_millis()) as u64,
);

pub(crate) async fn state(
    client: &Arc<FlussClient>,
    table: TableInfo,
    bucket: fluss_scan::Bucket,
    projection: Vec<usize>,
) -> Answer {
    let (partition_id, bucket) = (bucket.partition_id, bucket.bucket);
    let scan = KvScan { table, partition_id, bucket, projection };
    let started = Instant::now();
    let state = match timeout(STATE, client.scan_kv(scan)).await {
        Ok(Ok(state)) => state,
        Ok(Err(error)) => return Answer::Failed(error),
        Err(_) => return Answer::Hung(started.elapsed()),
    };
    match state.fold(&[0]) {
        Ok(rows) => {
            let mut rows = cases::rows(&rows);
            rows.sort();
            Answer::State(state.offset, rows)
        }
        Err(error) => Answer::Wrong(error.to_string()),
    }
}

/// What the run did to a bucket that a reader may see.
#[derive(Debug, Clone, Default)]
pub struct Happened {
    /// Something went wrong at all.
    pub faults: bool,
    /// Where the log began after each time that its beginning moved during the run.
    pub expired: Vec<i64>,
    /// The partition was dropped.
    pub dropped: bool,
    /// Rows were appended behind what the model knows.
    pub written: bool,
}

/// Judges an answer.
///
/// # Errors
/// What is wrong with it.
pub fn judge(
    ask: &Ask,
    answer: &Answer,
    history: &History,
    happened: &[Happened],
) -> Result<Verdict, String> {
    let all = (0..3 + usize::from(history.evolved)).collect::<Vec<_>>();
    match (ask, answer) {
        (Ask::Scan { at, start, end, projection, filter }, Answer::Records(found, error)) => {
            let all_rows = history.buckets[*at].range(*start, *end);
            let came: BTreeSet<i64> = found.iter().map(|(offset, ..)| *offset).collect();
            // rows that do not pass may come or not; what came is compared all the same
            let must = all_rows.into_iter().filter(|(offset, _, row)| {
                came.contains(offset) || filter.as_ref().is_none_or(|filter| passes(filter, row))
            });
            let columns = projection.as_ref().unwrap_or(&all);
            let must = must.map(|(offset, change, row)| {
                (offset, change, cases::cut(std::slice::from_ref(&row), columns).remove(0))
            });
            let must: Vec<_> = must.collect();
            let whole = error.is_some() || found.len() == must.len();
            if !whole || !must.starts_with(found) {
                return Err(format!("rows are\n{found:?}\nand must be\n{must:?}"));
            }
            match error {
                None => Ok(Verdict::Right),
                Some(error) => explain(error, &happened[*at]),
            }
        }
        (Ask::State { at, projection }, Answer::State(offset, found)) => {
            let model = &history.buckets[*at];
            if *offset != model.end {
                return Err(format!("a state at {offset}, not at {}", model.end));
            }
            let must = cases::cut(&model.state_at(*offset), projection);
            if *found != must {
                return Err(format!("the state is\n{found:?}\nand must be\n{must:?}"));
            }
            Ok(Verdict::Right)
        }
        (Ask::Offsets(spec), Answer::Offsets(found)) => {
            for (model, happened) in history.buckets.iter().zip(happened) {
                let bucket = model.bucket.bucket;
                let found = found.get(&bucket).copied();
                let starts = happened.expired.iter().chain([&model.start]);
                let right: Vec<i64> = starts
                    .map(|start| match spec {
                        OffsetSpec::Earliest => *start,
                        OffsetSpec::Latest | OffsetSpec::LogEnd => model.end,
                        OffsetSpec::Timestamp(time) => model.offset_at(*time, *start),
                    })
                    .collect();
                let is_later = happened.written
                    && *spec == OffsetSpec::Latest
                    && found.is_some_and(|found| found >= model.end);
                if !is_later && !found.is_some_and(|found| right.contains(&found)) {
                    return Err(format!("offset {found:?} of bucket {bucket}, not {right:?}"));
                }
            }
            Ok(Verdict::Right)
        }
        (Ask::Scan { at, .. } | Ask::State { at, .. }, Answer::Failed(error)) => {
            explain(error, &happened[*at])
        }
        (Ask::Offsets(_), Answer::Failed(error)) => {
            let dropped = happened.iter().any(|one| one.dropped);
            let faults = happened.iter().any(|one| one.faults);
            explain(error, &Happened { faults, dropped, ..Default::default() })
        }
        (_, answer) => Err(format!("{answer:?}")),
    }
}

/// Whether a fault of the run explains an error.
///
/// # Errors
/// Where none does.
pub fn explain(error: &Error, happened: &Happened) -> Result<Verdict, String> {
    let explained = match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } => happened.faults,
        // exceptions of servers, buckets that moved, scanners that moved with them
        Error::Server { code: -1 | 12 | 44 | 66 | 67, .. } => happened.faults,
        Error::OffsetOutOfRange { start, .. } => happened.expired.contains(start),
        Error::NotFound(_) => happened.dropped,
        _ => false,
    };
    if explained { Ok(Verdict::Explained(error.to_string())) } else { Err(format!("{error:?}")) }
}
