//! Which tablet server leads which bucket.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Attempts, FlussClient, check_bucket, wire};
use crate::error::code;
use crate::messages::{BucketCall, Call, Metadata, MetadataAnswer};
use crate::table::{Bucket, TableInfo};
use crate::{Error, Result};

/// Buckets whose leader is remembered.
const BUCKETS_MAX: usize = 100_000;

/// Leaders as they were last seen; forgotten when a server says it is none.
#[derive(Debug, Default)]
pub(super) struct Leaders {
    known: Mutex<HashMap<Bucket, i32>>,
}

impl Leaders {
    fn get(&self, bucket: &Bucket) -> Option<i32> {
        self.known.lock().get(bucket).copied()
    }

    pub(super) fn forget(&self, buckets: &[Bucket]) {
        let mut known = self.known.lock();
        for bucket in buckets {
            known.remove(bucket);
        }
    }

    fn learn(&self, table: &TableInfo, answer: &MetadataAnswer) {
        let of_table = answer.tables.iter().filter(|t| t.table_id == table.table_id);
        let of_table = of_table.flat_map(|t| t.buckets.iter().map(|b| (None, b)));
        let of_partitions = answer.partitions.iter().filter(|p| p.table_id == table.table_id);
        let of_partitions =
            of_partitions.flat_map(|p| p.buckets.iter().map(move |b| (Some(p.partition_id), b)));
        let mut known = self.known.lock();
        if known.len() >= BUCKETS_MAX {
            known.clear();
        }
        for (partition_id, bucket) in of_table.chain(of_partitions) {
            if let Some(leader) = bucket.leader.filter(|leader| *leader >= 0) {
                known.insert(table.bucket(partition_id, bucket.bucket), leader);
            }
        }
    }
}

impl FlussClient {
    /// The leaders of buckets, asked for as long as one is missing and there is time.
    pub(super) async fn leaders_of(
        &self,
        table: &TableInfo,
        buckets: &[Bucket],
        attempts: &mut Attempts,
    ) -> Result<BTreeMap<i32, Vec<Bucket>>> {
        loop {
            let mut by_leader: BTreeMap<i32, Vec<Bucket>> = BTreeMap::new();
            let mut without = vec![];
            for bucket in buckets {
                match self.leaders.get(bucket) {
                    Some(leader) => by_leader.entry(leader).or_default().push(*bucket),
                    None => without.push(*bucket),
                }
            }
            if without.is_empty() {
                return Ok(by_leader);
            }
            let listed = self.ask_leaders(table, &without, attempts).await?;
            if let Some(unknown) = without.iter().find(|bucket| !is_listed(&listed, bucket)) {
                return Err(Error::NotFound(format!("{unknown} does not exist")));
            }
            if without.iter().any(|bucket| self.leaders.get(bucket).is_none()) {
                attempts.pause(&without).await?;
            }
        }
    }

    async fn ask_leaders(
        &self,
        table: &TableInfo,
        buckets: &[Bucket],
        attempts: &Attempts,
    ) -> Result<MetadataAnswer> {
        let mut partition_ids: Vec<i64> = buckets.iter().filter_map(|b| b.partition_id).collect();
        partition_ids.sort_unstable();
        partition_ids.dedup();
        let tables = if buckets.iter().any(|b| b.partition_id.is_none()) {
            vec![wire(&table.path)]
        } else {
            vec![]
        };
        let request = Metadata { tables, partition_ids };
        let asks_table = !request.tables.is_empty();
        let answer = match self.servers.ask_any(&request, attempts.deadline()).await {
            // a table that is gone is an unexpected exception to this call, and a clear error to another
            Err(error @ Error::Server { code: code::UNKNOWN_SERVER_ERROR, .. }) => {
                let now = self.table_info(&table.path).await?;
                return Err(if now.table_id == table.table_id { error } else { replaced(table) });
            }
            answer => answer?,
        };
        if asks_table && !answer.tables.iter().any(|t| t.table_id == table.table_id) {
            return Err(replaced(table));
        }
        self.servers.learn(&answer);
        self.leaders.learn(table, &answer);
        Ok(answer)
    }

    /// Asks the leader of a bucket, and its successor when it moved, until the time is up.
    pub(crate) async fn ask_leader<C: BucketCall>(
        &self,
        table: &TableInfo,
        bucket: Bucket,
        request: &C,
        within: Duration,
    ) -> Result<C::Answer> {
        let ask = |server, left| async move {
            let answer = self.servers.ask(server, request, left).await?;
            let (code, message) = C::error_in(&answer);
            check_bucket(code, message, bucket)?;
            Ok(answer)
        };
        self.with_leader(table, bucket, Attempts::of_one_server(within), ask).await
    }

    /// Does something at the leader of a bucket, given its id and the time that is left, and at its successor when it
    /// moved, until the time is up.
    pub(crate) async fn with_leader<T, F>(
        &self,
        table: &TableInfo,
        bucket: Bucket,
        mut attempts: Attempts,
        mut ask: impl FnMut(i32, Duration) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
    {
        loop {
            let server = self.leader_of(table, bucket, &mut attempts).await?;
            match ask(server, attempts.share()).await {
                Err(error) if attempts.may_pass(&error) => {
                    self.leaders.forget(&[bucket]);
                    attempts.pause_after(error, bucket).await?;
                }
                // a server that has just lost the bucket, or is coming back and not yet got it, says that there is
                // none; the metadata, which is asked before the next try, knows better
                Err(error @ Error::NotFound(_)) => {
                    self.leaders.forget(&[bucket]);
                    attempts.pause_after(error, bucket).await?;
                }
                answer => return answer,
            }
        }
    }

    /// The leader of a bucket as it was last seen.
    pub(crate) fn known_leader(&self, bucket: Bucket) -> Option<i32> {
        self.leaders.get(&bucket)
    }

    pub(crate) async fn leader_of(
        &self,
        table: &TableInfo,
        bucket: Bucket,
        attempts: &mut Attempts,
    ) -> Result<i32> {
        let leaders = self.leaders_of(table, &[bucket], attempts).await?;
        leaders.into_keys().next().ok_or_else(|| Error::corrupt(format!("no leader of {bucket}")))
    }

    /// Whether the leader of a bucket lists a call.
    pub(crate) async fn leader_serves<C: Call>(
        &self,
        table: &TableInfo,
        bucket: Bucket,
    ) -> Result<bool> {
        let mut attempts = Attempts::new(self.options.metadata_timeout);
        loop {
            let server = self.leader_of(table, bucket, &mut attempts).await?;
            match self.servers.serves::<C>(server, attempts.share()).await {
                Err(error) if attempts.may_pass(&error) => {
                    self.leaders.forget(&[bucket]);
                    attempts.pause_after(error, bucket).await?;
                }
                answer => return answer,
            }
        }
    }

    pub(crate) fn forget_leader(&self, bucket: Bucket) {
        self.leaders.forget(&[bucket]);
    }

    /// Asks one server what only it can answer, once.
    pub(crate) async fn ask_server<C: Call>(
        &self,
        server: i32,
        request: &C,
        within: Duration,
    ) -> Result<C::Answer> {
        self.servers.ask(server, request, within).await
    }
}

/// Whether a bucket may exist: servers list also those without a leader, and of a new table none at first.
fn is_listed(answer: &MetadataAnswer, bucket: &Bucket) -> bool {
    let listed = match bucket.partition_id {
        None => answer.tables.iter().find(|t| t.table_id == bucket.table_id).map(|t| &t.buckets),
        Some(id) => answer.partitions.iter().find(|p| p.partition_id == id).map(|p| &p.buckets),
    };
    listed.is_none_or(|all| all.is_empty() || all.iter().any(|b| b.bucket == bucket.bucket))
}

fn replaced(table: &TableInfo) -> Error {
    let (path, id) = (&table.path, table.table_id);
    Error::NotFound(format!("table {path} with id {id} does not exist any more"))
}
