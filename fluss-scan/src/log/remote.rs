//! Log segments that a tablet server has moved to remote storage.
//!
//! A segment is `DIRECTORY/ID/START.log` (the start in twenty digits): whole batches back to back, as they were
//! written, never projected.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::batch::RawBatch;
use crate::messages::{RemoteLog, RemoteSegment};
use crate::{ClientOptions, Error, FlussClient, Result};

/// Reads segments one after another, in chunks: memory holds one batch and one chunk.
pub(super) struct RemoteReader {
    options: ClientOptions,
    store: Arc<dyn ObjectStore>,
    directory: Path,
    segments: VecDeque<RemoteSegment>,
    /// Where the first segment is begun: on a batch at or before the offset that was asked for.
    first_position: u64,
    /// Behind a lock that is never taken, for a stream that only one task uses.
    chunks: Option<Mutex<BoxStream<'static, object_store::Result<Bytes>>>>,
    buffer: BytesMut,
}

impl RemoteReader {
    /// A reader of the segments that hold `offset` and what follows it.
    pub(super) fn new(remote: RemoteLog, offset: i64, client: &FlussClient) -> Result<Self> {
        let (store, directory) = client.open_store(&remote.directory)?;
        let mut segments: Vec<RemoteSegment> = remote.segments;
        segments.sort_by_key(|segment| segment.start);
        let position = remote.first_start_position.unwrap_or(0);
        if segments.first().is_none_or(|first| first.start > offset) {
            return Err(Error::corrupt(format!("no remote segment holds offset {offset}")));
        }
        Ok(Self {
            options: client.options().clone(),
            store,
            directory,
            segments: segments.into(),
            first_position: u64::try_from(position)
                .map_err(|_| Error::corrupt(format!("position {position} in a segment")))?,
            chunks: None,
            buffer: BytesMut::new(),
        })
    }

    /// The next batch; `None` after the last segment.
    pub(super) async fn next(&mut self) -> Result<Option<RawBatch>> {
        loop {
            if let Some(batch) = self.take_batch()? {
                batch.check()?;
                return Ok(Some(batch));
            }
            let Some(chunk) = self.next_chunk().await? else {
                if !self.buffer.is_empty() {
                    return Err(Error::corrupt("a remote segment ends inside a batch"));
                }
                if !self.open_next().await? {
                    return Ok(None);
                }
                continue;
            };
            metrics::counter!("millrace_fluss_remote_log_bytes_total")
                .increment(chunk.len() as u64);
            self.buffer.extend_from_slice(&chunk);
        }
    }

    fn take_batch(&mut self) -> Result<Option<RawBatch>> {
        let Some(length) = RawBatch::length(&self.buffer)? else {
            return Ok(None);
        };
        if length > self.options.frame_bytes_max {
            return Err(Error::TooLarge(format!("a batch of {length} bytes in a remote segment")));
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let bytes = self.buffer.split_to(length).freeze();
        Ok(RawBatch::split(&bytes)?.map(|(batch, _)| batch))
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(chunks) = &mut self.chunks else {
            return Ok(None);
        };
        let within = self.options.request_timeout;
        let what = || "reading a remote log segment".to_string();
        let chunk = timeout(within, chunks.get_mut().next()).await;
        let chunk = chunk.map_err(|_| Error::TimedOut { what: what(), after: within })?;
        chunk.transpose().map_err(|e| unreachable(&self.directory, &e))
    }

    async fn open_next(&mut self) -> Result<bool> {
        let Some(segment) = self.segments.pop_front() else {
            return Ok(false);
        };
        let file = self.directory.clone().join(segment.id.as_str());
        let file = file.join(format!("{:020}.log", segment.start));
        let range = Some(GetRange::Offset(std::mem::take(&mut self.first_position)));
        let options = GetOptions { range, ..GetOptions::default() };
        let within = self.options.request_timeout;
        let opened = timeout(within, self.store.get_opts(&file, options)).await;
        let opened = opened
            .map_err(|_| Error::TimedOut { what: format!("opening {file}"), after: within })?;
        let opened = opened.map_err(|e| unreachable(&file, &e))?;
        self.chunks = Some(Mutex::new(opened.into_stream()));
        Ok(true)
    }
}

/// A file that is gone was removed by retention: the caller finds out where the log begins now.
fn unreachable(file: &Path, error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound(format!("no remote log {file}")),
        _ => Error::Unreachable {
            address: format!("remote log {file}"),
            problem: error.to_string().lines().next().unwrap_or_default().to_string(),
        },
    }
}
