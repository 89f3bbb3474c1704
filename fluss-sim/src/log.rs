//! The log of one bucket.

use bytes::{Bytes, BytesMut};
use fluss_scan::messages::{Predicate, RemoteLog, RemoteSegment};

use crate::batch::StoredBatch;
use crate::encode;
use crate::spec::TableSpec;

/// Stands for the first offset of a log in a fetch.
const EARLIEST: i64 = -2;
/// Servers cut projected answers by what was written rather than by what is sent: they exceed limits by this.
const PROJECTED_SLACK: usize = 512;

/// A tiered segment and where its batches begin.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) id: String,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) bytes: i32,
    /// Base offset and position of each batch.
    pub(crate) positions: Vec<(i64, i32)>,
}

/// All batches that are kept, tiered ones too.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) batches: Vec<StoredBatch>,
    /// The first offset that can be read, tiered segments included.
    pub(crate) start: i64,
    /// The first offset that the leader itself holds.
    pub(crate) local_start: i64,
    /// The first offset that cannot be read yet.
    pub(crate) high_watermark: i64,
    pub(crate) segments: Vec<Segment>,
    /// As Fluss writes it: `file:/x`.
    pub(crate) remote_directory: String,
}

/// A fetch of one bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch<'a> {
    pub(crate) offset: i64,
    pub(crate) bytes_max: usize,
    /// Whether the first batch comes whole whatever the limit.
    pub(crate) whole_first: bool,
    pub(crate) columns: Option<&'a [usize]>,
    pub(crate) predicate: Option<&'a Predicate>,
}

/// What a fetch finds.
#[derive(Debug)]
pub(crate) enum Fetched {
    Records {
        bytes: Bytes,
        filtered_end: Option<i64>,
    },
    Remote(RemoteLog),
    OutOfRange,
    /// Projected columns that a batch does not have; how many it has.
    OutOfBound(usize),
}

impl Log {
    /// The offset that the next record takes.
    pub(crate) fn end(&self) -> i64 {
        self.batches.last().map_or(self.start, StoredBatch::next)
    }

    pub(crate) fn fetch(
        &self,
        fetch: Fetch<'_>,
        spec: &TableSpec,
        overlap: bool,
    ) -> crate::Result<Fetched> {
        let offset = if fetch.offset == EARLIEST { self.start } else { fetch.offset };
        if !(self.start..=self.high_watermark).contains(&offset) {
            return Ok(Fetched::OutOfRange);
        }
        if offset < self.local_start {
            return Ok(self.remote(offset, overlap));
        }
        let visible = |b: &&StoredBatch| b.next() > offset && b.base < self.high_watermark;
        let batches: Vec<&StoredBatch> = self.batches.iter().filter(visible).collect();
        self.read(&batches, fetch, spec)
    }

    fn read(
        &self,
        batches: &[&StoredBatch],
        fetch: Fetch<'_>,
        spec: &TableSpec,
    ) -> crate::Result<Fetched> {
        let compression = encode::compression(spec.option("table.log.arrow.compression.type"));
        let is_soft = fetch.columns.is_some() && (fetch.bytes_max > 0 || fetch.whole_first);
        let slack = if is_soft { PROJECTED_SLACK } else { 0 };
        let mut bytes = BytesMut::new();
        let (mut filtered_end, mut limit) = (None, fetch.bytes_max + slack);
        for batch in batches {
            if bytes.len() >= limit && !(fetch.whole_first && bytes.is_empty()) {
                break;
            }
            let pruned = fetch.predicate.zip(batch.statistics.as_ref());
            if pruned.is_some_and(|(predicate, known)| !known.may_pass(predicate)) {
                filtered_end = Some(batch.next());
                continue;
            }
            filtered_end = None;
            let (Some(columns), Some(rows)) = (fetch.columns, &batch.rows) else {
                bytes.extend_from_slice(&batch.bytes);
                if fetch.whole_first && bytes.len() == batch.bytes.len() {
                    limit = limit.max(bytes.len());
                }
                continue;
            };
            if columns.iter().any(|column| *column >= rows.num_columns()) {
                return Ok(Fetched::OutOfBound(rows.num_columns()));
            }
            bytes.extend_from_slice(&encode::projected(batch, columns, compression)?);
        }
        // batches of a projection or a filter are put together one by one, others are cut out of a file
        if fetch.columns.is_none() && fetch.predicate.is_none() {
            bytes.truncate(limit);
        }
        Ok(Fetched::Records { bytes: bytes.freeze(), filtered_end })
    }

    /// Segments from the one that holds the offset on. With `overlap` the first position lies one batch early.
    fn remote(&self, offset: i64, overlap: bool) -> Fetched {
        let segments: Vec<&Segment> = self.segments.iter().filter(|s| s.end > offset).collect();
        let Some(first) = segments.first().filter(|first| first.start <= offset) else {
            return Fetched::OutOfRange;
        };
        let at = first.positions.iter().rposition(|(base, _)| *base <= offset).unwrap_or(0);
        let at = if overlap { at.saturating_sub(1) } else { at };
        let segment = |s: &&Segment| RemoteSegment {
            id: s.id.clone(),
            start: s.start,
            end: s.end,
            bytes: s.bytes,
        };
        Fetched::Remote(RemoteLog {
            directory: self.remote_directory.clone(),
            segments: segments.iter().map(segment).collect(),
            first_start_position: first.positions.get(at).map(|(_, position)| *position),
        })
    }

    /// The first offset written at this time or later; the end where there is none.
    pub(crate) fn offset_at(&self, timestamp: i64) -> i64 {
        let visible = self.batches.iter().filter(|b| b.base < self.high_watermark);
        let first = visible.filter(|batch| batch.timestamp >= timestamp).map(|b| b.base).next();
        first.unwrap_or(self.high_watermark)
    }

    /// The last whole batches that hold `limit` records.
    pub(crate) fn last(&self, limit: i32) -> Bytes {
        let mut wanted = usize::try_from(limit).unwrap_or(0);
        let mut last = vec![];
        let visible = |b: &&StoredBatch| b.base < self.high_watermark && b.base >= self.local_start;
        for batch in self.batches.iter().filter(visible).rev() {
            if wanted == 0 {
                break;
            }
            wanted = wanted.saturating_sub(batch.count);
            last.push(batch.bytes.clone());
        }
        last.reverse();
        last.concat().into()
    }
}
