//! The batches of a bucket's log, one after another, from its leader or from remote segments.
//!
//! It ends when the *consumed* offset reaches the end: empty batches consume offsets, an answer may end in a
//! torn batch, and an answer without records is not the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::RawBatch;
use super::remote::RemoteReader;
use crate::client::lanes::{Fetched, Pending, Shape};
use crate::client::{Attempts, check_bucket};
use crate::error::code;
use crate::messages::{FetchTable, FetchedBucket, Predicate};
use crate::table::{Bucket, TableInfo};
use crate::{Error, FlussClient, OffsetSpec, Result};

const FIRST_POLL: Duration = Duration::from_millis(2);
const LONGEST_POLL: Duration = Duration::from_millis(200);

/// Where a scan of one bucket is.
pub(super) struct Source {
    client: Arc<FlussClient>,
    table: TableInfo,
    bucket: Bucket,
    shape: Arc<Shape>,
    /// Positions that the server is asked for; `None`: it sends all columns.
    pushed: Option<Vec<usize>>,
    filter: Option<Predicate>,
    /// The first offset that is not consumed.
    position: i64,
    /// A batch ended at the position, so that the next one begins there: no checksum covers where batches begin.
    is_boundary: bool,
    end: i64,
    fetched: VecDeque<RawBatch>,
    /// Behind the fetched batches, and behind what a filter left out after them.
    fetched_until: i64,
    /// What was asked for before it is needed.
    ahead: Option<Pending>,
    remote: Option<RemoteReader>,
    patience: Patience,
    /// The last answer was empty for the sake of other buckets.
    starved: bool,
}

impl Source {
    #[allow(clippy::too_many_arguments, reason = "what a scan is made of, taken apart once")]
    pub(super) fn new(
        client: Arc<FlussClient>,
        table: TableInfo,
        bucket: Bucket,
        range: std::ops::Range<i64>,
        pushed: Option<Vec<usize>>,
        filter: Option<Predicate>,
    ) -> Self {
        let shape = Arc::new(shape(&table, pushed.as_deref(), filter.as_ref()));
        let patience = Patience::new(client.options().request_timeout);
        let (position, end) = (range.start, range.end);
        Self {
            client,
            table,
            bucket,
            shape,
            pushed,
            filter,
            position,
            is_boundary: false,
            end,
            fetched: VecDeque::new(),
            fetched_until: position,
            ahead: None,
            remote: None,
            patience,
            starved: false,
        }
    }

    /// The first offset that is not consumed.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// The positions by which the batch that came last was cut to columns; `None`: it has all of its columns.
    pub(super) fn projection(&self) -> Option<&[usize]> {
        if self.remote.is_some() { None } else { self.pushed.as_deref() }
    }

    /// The batch with the record at the position, or with the first one behind it that a filter left; `None` at the
    /// end. It comes again until it is consumed.
    pub(super) async fn next(&mut self) -> Result<Option<RawBatch>> {
        while self.position < self.end {
            let Some(raw) = self.next_raw().await? else {
                continue;
            };
            // a batch may begin before the position: it comes whole; so may others, in a remote segment
            if raw.next_offset <= self.position {
                continue;
            }
            if raw.base_offset > self.position {
                if self.filter.is_none() || self.remote.is_some() {
                    return Err(Error::corrupt(format!(
                        "the log of {} jumps from {} to {}",
                        self.bucket, self.position, raw.base_offset
                    )));
                }
                self.consumed(raw.base_offset);
            }
            if self.is_boundary && raw.base_offset < self.position {
                return Err(Error::corrupt(format!(
                    "the batch at {} of {} overlaps the one that ends at {}",
                    raw.base_offset, self.bucket, self.position
                )));
            }
            if raw.count == 0 {
                self.consumed(raw.next_offset);
                continue;
            }
            if self.position < self.end {
                return Ok(Some(raw));
            }
        }
        Ok(None)
    }

    /// Notes that everything before an offset, at which a batch ends or begins, is done with.
    pub(super) fn consumed(&mut self, until: i64) {
        self.position = self.position.max(until.min(self.end));
        self.is_boundary = true;
        self.patience = Patience::new(self.client.options().request_timeout);
    }

    /// From here on servers are asked for all columns; what was fetched is fetched again.
    pub(super) fn stop_projecting(&mut self) {
        self.pushed = None;
        self.shape = Arc::new(shape(&self.table, None, self.filter.as_ref()));
        self.fetched.clear();
        self.fetched_until = self.position;
        self.ahead = None;
    }

    async fn next_raw(&mut self) -> Result<Option<RawBatch>> {
        if let Some(raw) = self.fetched.pop_front() {
            return Ok(Some(raw));
        }
        if let Some(remote) = &mut self.remote {
            match remote.next().await {
                Ok(Some(raw)) => return Ok(Some(raw)),
                Ok(None) => self.remote = None,
                // the segment was removed after it was listed
                Err(Error::NotFound(_)) => return Err(self.out_of_range().await?),
                Err(error) => return Err(error),
            }
        }
        if self.fetched_until > self.position && self.filter.is_some() {
            self.consumed(self.fetched_until);
            return Ok(None);
        }
        self.fetch().await?;
        Ok(None)
    }

    async fn fetch(&mut self) -> Result<()> {
        let fetched = match self.ask().await {
            Err(Error::Server { code: code::INVALID_COLUMN_PROJECTION, .. })
                if self.pushed.is_some() =>
            {
                // a column younger than the batches: they are cut to columns here
                self.stop_projecting();
                return Ok(());
            }
            Err(Error::Server { code: code::LOG_OFFSET_OUT_OF_RANGE, .. }) => {
                return Err(self.out_of_range().await?);
            }
            answer => answer?,
        };
        let Fetched { bucket: fetched, starved } = fetched;
        self.starved = starved;
        if let Some(start) = fetched.log_start.filter(|start| *start > self.position) {
            return Err(self.gone(start));
        }
        if let Some(remote) = fetched.remote {
            self.remote = Some(RemoteReader::new(remote, self.position..self.end, &self.client)?);
            return Ok(());
        }
        if self.take(fetched)? {
            self.ask_ahead();
            return Ok(());
        }
        // not a word about this bucket: it is asked for again by itself
        if starved { Ok(()) } else { self.nothing_came().await }
    }

    /// Asks the leader for the position, unless that was done ahead.
    async fn ask(&mut self) -> Result<Fetched> {
        let (bucket, position, alone) = (self.bucket, self.position, self.starved);
        if let Some(ahead) = self.ahead.take().filter(|ahead| ahead.offset == position)
            && let Ok(fetched) = ahead.answer(self.patience.left()).await
            && check(&fetched, bucket).is_ok()
        {
            return Ok(fetched);
        }
        let (client, shape) = (&self.client, &self.shape);
        let attempts = Attempts::new(self.patience.left());
        let asked = client.with_leader(&self.table, bucket, attempts, |server, left| {
            let asked = client.fetch(server, shape, bucket, position, alone);
            async move {
                let fetched = asked.answer(left).await?;
                check(&fetched, bucket)?;
                Ok(fetched)
            }
        });
        asked.await
    }

    fn ask_ahead(&mut self) {
        if self.fetched_until >= self.end {
            return;
        }
        let Some(server) = self.client.known_leader(self.bucket) else { return };
        let (bucket, offset) = (self.bucket, self.fetched_until);
        self.ahead = self.client.fetch_ahead(server, &self.shape, bucket, offset);
    }

    /// Takes the batches of an answer; whether it says how the log goes on.
    fn take(&mut self, fetched: FetchedBucket) -> Result<bool> {
        let before = self.position;
        self.fetched_until = before;
        let mut records = fetched.records.unwrap_or_default();
        metrics::counter!("millrace_fluss_log_bytes_total").increment(records.len() as u64);
        while let Some((raw, rest)) = RawBatch::split(&records)? {
            if self.pushed.is_none() {
                raw.check()?;
            }
            records = rest;
            self.fetched_until = raw.next_offset;
            self.fetched.push_back(raw);
        }
        if self.filter.is_some() {
            self.fetched_until = self.fetched_until.max(fetched.filtered_end.unwrap_or(before));
        }
        Ok(!self.fetched.is_empty() || self.fetched_until > before)
    }

    /// An answer without records says nothing: the offset may be gone, or the server may not have it yet.
    async fn nothing_came(&mut self) -> Result<()> {
        if !self.patience.is_first() {
            let start = self.earliest().await?;
            if start > self.position {
                return Err(self.gone(start));
            }
        }
        if self.patience.wait().await {
            return Ok(());
        }
        let what = format!("reading {} at offset {}", self.bucket, self.position);
        Err(Error::TimedOut { what, after: self.patience.within })
    }

    async fn out_of_range(&self) -> Result<Error> {
        let start = self.earliest().await?;
        Ok(self.gone(start))
    }

    fn gone(&self, start: i64) -> Error {
        Error::OffsetOutOfRange { bucket: self.bucket, offset: self.position, start }
    }

    async fn earliest(&self) -> Result<i64> {
        let Bucket { partition_id, bucket, .. } = self.bucket;
        let spec = OffsetSpec::Earliest;
        let offsets = self.client.offsets(&self.table, partition_id, &[bucket], spec).await?;
        Ok(offsets.get(&bucket).copied().unwrap_or(0))
    }
}

fn check(fetched: &Fetched, bucket: Bucket) -> Result<()> {
    check_bucket(fetched.bucket.code, fetched.bucket.message.as_deref(), bucket)
}

fn shape(table: &TableInfo, pushed: Option<&[usize]>, filter: Option<&Predicate>) -> Shape {
    let columns = pushed.into_iter().flatten().filter_map(|c| i32::try_from(*c).ok()).collect();
    Shape::new(FetchTable {
        table_id: table.table_id,
        projected: pushed.is_some(),
        columns,
        buckets: vec![],
        predicate: filter.cloned(),
        filter_schema_id: filter.map(|_| table.schema_id),
    })
}

/// How long nothing may come.
struct Patience {
    deadline: Instant,
    within: Duration,
    poll: Duration,
}

impl Patience {
    fn new(within: Duration) -> Self {
        Self { deadline: Instant::now() + within, within, poll: FIRST_POLL }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn is_first(&self) -> bool {
        self.poll == FIRST_POLL
    }

    /// Waits before the next try; not when the time is up.
    async fn wait(&mut self) -> bool {
        if self.left() <= self.poll {
            return false;
        }
        tokio::time::sleep(self.poll).await;
        self.poll = (self.poll * 2).min(LONGEST_POLL);
        true
    }
}
