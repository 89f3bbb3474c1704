//! Row counts, from the leaders of the buckets. (A coordinator never answers this call.)

use std::collections::BTreeMap;

use crate::client::{OfBucket, Spread};
use crate::error::code;
use crate::messages::{GetTableStats, GetTableStatsAnswer, StatsBucket};
use crate::table::{Bucket, TableInfo};
use crate::{Error, FlussClient, Result};

impl FlussClient {
    /// The rows of some buckets of a table (see [`TableInfo::buckets`]), of any of its partitions, at about
    /// the same moment.
    ///
    /// In a primary-key table these are the keys that live now; in a log table, the records that the log
    /// still holds. `None`: the server keeps no count, as for change logs without old images and tables of
    /// servers before 0.9. Counts are no part of a snapshot, and a server that is still taking a primary-key
    /// bucket over tells the records of its log instead: good for plans, not for answers.
    ///
    /// # Errors
    /// `Unsupported` where a leader does not serve the call; `NotFound` for a bucket that does not exist;
    /// `TimedOut` for one without a leader.
    pub async fn table_stats(
        &self,
        table: &TableInfo,
        buckets: &[Bucket],
    ) -> Result<BTreeMap<Bucket, Option<u64>>> {
        let mut asked = buckets.to_vec();
        asked.sort_unstable();
        asked.dedup();
        if let Some(bucket) = asked.iter().find(|bucket| bucket.table_id != table.table_id) {
            return Err(Error::Unsupported(format!("{bucket} in table {}", table.path)));
        }
        let mut stats = Stats { table_id: table.table_id, rows: BTreeMap::new() };
        let parts = asked.into_iter().map(|bucket| (bucket, ())).collect();
        self.ask_spread(table, parts, &mut stats).await?;
        Ok(stats.rows)
    }
}

struct Stats {
    table_id: i64,
    rows: BTreeMap<Bucket, Option<u64>>,
}

impl Spread for Stats {
    type Call = GetTableStats;
    type Part = ();
    type Found = Option<i64>;
    const WEIGHT_MAX: usize = 1_000;

    fn weight((): &()) -> usize {
        1
    }

    fn request(&self, parts: &[(Bucket, ())]) -> GetTableStats {
        let bucket = |(bucket, ()): &(Bucket, ())| StatsBucket {
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
        };
        GetTableStats { table_id: self.table_id, buckets: parts.iter().map(bucket).collect() }
    }

    fn by_bucket(&self, answer: GetTableStatsAnswer) -> Vec<OfBucket<Option<i64>>> {
        let of_bucket = |b: crate::messages::StatsOfBucket| {
            let has_count = b.code != Some(code::NO_ROW_COUNT);
            OfBucket {
                partition_id: b.partition_id,
                bucket: b.bucket,
                code: b.code.filter(|_| has_count),
                message: b.message,
                found: b.row_count.filter(|_| has_count),
            }
        };
        answer.buckets.into_iter().map(of_bucket).collect()
    }

    fn take(&mut self, bucket: Bucket, (): (), rows: Option<i64>) -> Result<()> {
        let rows = rows.map(u64::try_from).transpose();
        let rows = rows.map_err(|_| Error::corrupt(format!("a negative count of {bucket}")))?;
        self.rows.insert(bucket, rows);
        Ok(())
    }
}
