//! Offsets of logs, from the leaders of the buckets.

use std::collections::BTreeMap;

use super::{CLIENT, FlussClient, OfBucket, Spread};
use crate::messages::{ListOffsets, ListOffsetsAnswer, OffsetOfBucket};
use crate::table::{Bucket, TableInfo};
use crate::{Error, Result};

/// Who asks as a follower; no server has that id, and for offsets none is looked up.
const FOLLOWER: i32 = i32::MAX;

/// Which offset of a log is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first one that can be read, tiered segments included.
    Earliest,
    /// The high watermark: the first one that cannot be read yet.
    Latest,
    /// Behind the last record that the leader wrote, replicated and shown or not: what it tells its followers.
    LogEnd,
    /// The first one written at this time (milliseconds since 1970) or later.
    Timestamp(i64),
}

impl FlussClient {
    /// Offsets of some buckets of one partition, from their leaders.
    ///
    /// # Errors
    /// `NotFound` for a bucket that does not exist; `TimedOut` for one without a leader.
    pub async fn offsets(
        &self,
        table: &TableInfo,
        partition_id: Option<i64>,
        buckets: &[i32],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<i32, i64>> {
        let mut buckets = buckets.to_vec();
        buckets.sort_unstable();
        buckets.dedup();
        let part = |bucket: i32| (table.bucket(partition_id, bucket), ());
        let parts = buckets.into_iter().map(part).collect();
        let mut offsets =
            Offsets { table_id: table.table_id, partition_id, spec, found: BTreeMap::new() };
        self.ask_spread(table, parts, &mut offsets).await?;
        Ok(offsets.found)
    }
}

struct Offsets {
    table_id: i64,
    partition_id: Option<i64>,
    spec: OffsetSpec,
    found: BTreeMap<i32, i64>,
}

impl Spread for Offsets {
    type Call = ListOffsets;
    type Part = ();
    type Found = Option<i64>;
    const WEIGHT_MAX: usize = 10_000;

    fn weight((): &()) -> usize {
        1
    }

    fn request(&self, parts: &[(Bucket, ())]) -> ListOffsets {
        let (kind, timestamp) = match self.spec {
            OffsetSpec::Earliest => (0, None),
            OffsetSpec::Latest | OffsetSpec::LogEnd => (1, None),
            OffsetSpec::Timestamp(milliseconds) => (2, Some(milliseconds)),
        };
        ListOffsets {
            follower_id: if self.spec == OffsetSpec::LogEnd { FOLLOWER } else { CLIENT },
            kind,
            table_id: self.table_id,
            partition_id: self.partition_id,
            buckets: parts.iter().map(|(bucket, ())| bucket.bucket).collect(),
            timestamp,
        }
    }

    fn by_bucket(&self, answer: ListOffsetsAnswer) -> Vec<OfBucket<Option<i64>>> {
        let of_bucket = |b: OffsetOfBucket| OfBucket {
            partition_id: self.partition_id,
            bucket: b.bucket,
            code: b.code,
            message: b.message,
            found: b.offset,
        };
        answer.buckets.into_iter().map(of_bucket).collect()
    }

    fn take(&mut self, bucket: Bucket, (): (), offset: Option<i64>) -> Result<()> {
        let offset = offset.ok_or_else(|| Error::corrupt(format!("no offset of {bucket}")))?;
        self.found.insert(bucket.bucket, offset);
        Ok(())
    }
}
