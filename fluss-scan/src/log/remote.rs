//! Log segments that a tablet server has moved to remote storage.
//!
//! A segment is `DIRECTORY/ID/START.log` (the start in twenty digits): whole batches back to back, as they were
//! written, never projected.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::batch::RawBatch;
use crate::messages::{RemoteLog, RemoteSegment};
use crate::{Error, FlussClient, Result};

/// Bytes that are asked of the storage at once.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces that are read ahead of the one in use.
const PIECES_AHEAD: usize = 2;

/// Reads segments one after another, in pieces: memory holds a few of them, and one batch.
pub(super) struct RemoteReader {
    /// Behind a lock that is never taken, for a stream that only one task uses.
    pieces: Mutex<BoxStream<'static, Result<Piece>>>,
    buffer: Buffer,
    frame_bytes_max: usize,
}

/// Bytes of a segment, in order.
struct Piece {
    bytes: Bytes,
    /// No batch goes on behind it.
    is_last: bool,
}

impl RemoteReader {
    /// A reader of the segments that hold the offsets of a range.
    pub(super) fn new(remote: RemoteLog, range: Range<i64>, client: &FlussClient) -> Result<Self> {
        let (store, directory) = client.open_store(&remote.directory)?;
        let mut segments: Vec<RemoteSegment> = remote.segments;
        segments.sort_by_key(|segment| segment.start);
        segments.retain(|segment| segment.start < range.end);
        if segments.first().is_none_or(|first| first.start > range.start) {
            return Err(Error::corrupt(format!("no remote segment holds offset {}", range.start)));
        }
        // the first segment is begun on a batch at or before the offset that was asked for
        let mut first = remote.first_start_position.unwrap_or(0);
        let ranges = segments.into_iter().map(|segment| {
            let start = u64::try_from(std::mem::take(&mut first)).ok();
            let range = start.zip(u64::try_from(segment.bytes).ok());
            let range = range.filter(|(start, end)| start <= end).map(|(start, end)| start..end);
            let file = directory.clone().join(segment.id.as_str());
            let file = file.join(format!("{:020}.log", segment.start));
            range
                .map(|range| (file, range))
                .ok_or_else(|| Error::corrupt(format!("the size of segment {}", segment.id)))
        });
        let ranges = ranges.collect::<Result<Vec<_>>>()?;
        let within = client.options().request_timeout;
        let read = move |(file, range, is_last): (Path, Range<u64>, bool)| {
            let store = Arc::clone(&store);
            async move {
                let read = timeout(within, read(&*store, &file, range)).await;
                let slow = |_| Error::TimedOut { what: format!("reading {file}"), after: within };
                Ok(Piece { bytes: read.map_err(slow)??, is_last })
            }
        };
        let pieces = stream::iter(ranges.into_iter().flat_map(pieces)).map(read);
        Ok(Self {
            pieces: Mutex::new(pieces.buffered(1 + PIECES_AHEAD).boxed()),
            buffer: Buffer::default(),
            frame_bytes_max: client.options().frame_bytes_max,
        })
    }

    /// The next batch; `None` after the last segment.
    pub(super) async fn next(&mut self) -> Result<Option<RawBatch>> {
        loop {
            if let Some(batch) = self.take_batch()? {
                batch.check()?;
                return Ok(Some(batch));
            }
            let Some(piece) = self.pieces.get_mut().try_next().await? else {
                return Ok(None);
            };
            metrics::counter!("millrace_fluss_remote_log_bytes_total")
                .increment(piece.bytes.len() as u64);
            self.buffer.push(piece);
        }
    }

    fn take_batch(&mut self) -> Result<Option<RawBatch>> {
        let length = RawBatch::length(&self.buffer.peek(RawBatch::PREFIX))?;
        if let Some(length) = length.filter(|length| *length > self.frame_bytes_max) {
            return Err(Error::TooLarge(format!("a batch of {length} bytes in a remote segment")));
        }
        match length.and_then(|length| self.buffer.take(length)) {
            Some(bytes) => Ok(RawBatch::split(&bytes)?.map(|(batch, _)| batch)),
            None if self.buffer.ends_here && self.buffer.length > 0 => {
                Err(Error::corrupt("a remote segment ends inside a batch"))
            }
            None => Ok(None),
        }
    }
}

fn pieces((file, range): (Path, Range<u64>)) -> impl Iterator<Item = (Path, Range<u64>, bool)> {
    let starts = range.clone().step_by(PIECE_BYTES);
    starts.map(move |start| {
        let end = range.end.min(start.saturating_add(PIECE_BYTES as u64));
        (file.clone(), start..end, end == range.end)
    })
}

/// A file that is gone was removed by retention: the caller finds out where the log begins now.
async fn read(store: &dyn ObjectStore, file: &Path, range: Range<u64>) -> Result<Bytes> {
    let wanted = range.end - range.start;
    match store.get_range(file, range).await {
        Ok(bytes) if bytes.len() as u64 == wanted => Ok(bytes),
        Ok(bytes) => Err(Error::corrupt(format!(
            "{} bytes of remote log {file} where {wanted} were announced",
            bytes.len()
        ))),
        Err(object_store::Error::NotFound { .. }) => {
            Err(Error::NotFound(format!("no remote log {file}")))
        }
        Err(error) => Err(Error::Unreachable {
            address: format!("remote log {file}"),
            problem: error.to_string().lines().next().unwrap_or_default().to_string(),
        }),
    }
}

/// Pieces, from which batches are taken; copied only where a batch is in two of them.
#[derive(Default)]
struct Buffer {
    pieces: VecDeque<Bytes>,
    length: usize,
    /// The last piece was the last of its segment.
    ends_here: bool,
}

impl Buffer {
    fn push(&mut self, piece: Piece) {
        self.length += piece.bytes.len();
        self.ends_here = piece.is_last;
        self.pieces.push_back(piece.bytes);
    }

    /// The first bytes, fewer where there are fewer.
    fn peek(&self, count: usize) -> Vec<u8> {
        self.pieces.iter().flatten().take(count).copied().collect()
    }

    fn take(&mut self, count: usize) -> Option<Bytes> {
        if count > self.length {
            return None;
        }
        self.length -= count;
        let mut taken = BytesMut::new();
        while let Some(mut first) = self.pieces.pop_front() {
            let missing = count - taken.len();
            let part = first.split_to(missing.min(first.len()));
            if !first.is_empty() {
                self.pieces.push_front(first);
            }
            if part.len() == count {
                return Some(part);
            }
            taken.reserve(count - taken.len());
            taken.extend_from_slice(&part);
            if taken.len() == count {
                break;
            }
        }
        Some(taken.freeze())
    }
}
