//! ScanKv: a snapshot of a bucket's state, open → next → next → … → close.
//!
//! A scanner lives at the one server that opened it and counts its calls. An answer that was lost cannot be
//! asked for again, so that whatever breaks a scan begins it anew.

use std::sync::Arc;

use bytes::Bytes;

use super::{KvScan, KvState};
use crate::client::{Attempts, bucket_error};
use crate::error::code;
use crate::log::ChangeTypes;
use crate::messages::{ScanKv, ScanKvAnswer, ScanKvBucket};
use crate::table::Bucket;
use crate::{Error, FlussClient, Result};

/// Bytes of one answer: larger ones are slower, smaller ones cost calls.
const ANSWER_BYTES: i32 = 2 << 20;
/// Scans that are begun before the reason of the last failure is the answer.
const SCANS_MAX: usize = 3;

impl FlussClient {
    /// Reads the snapshot, and begins anew where its scanner is lost.
    pub(super) async fn scan_snapshot(
        self: &Arc<Self>,
        scan: &KvScan,
        bucket: Bucket,
    ) -> Result<KvState> {
        for _ in 1..SCANS_MAX {
            match self.scan_once(scan, bucket).await {
                Err(error) if is_lost(&error) => {
                    tracing::debug!(%error, %bucket, "a scan of the state begins anew");
                }
                state => return state,
            }
        }
        self.scan_once(scan, bucket).await
    }

    async fn scan_once(self: &Arc<Self>, scan: &KvScan, bucket: Bucket) -> Result<KvState> {
        let (mut scanner, mut answer) = self.open_scanner(scan, bucket).await?;
        let missing = || Error::corrupt(format!("no offset with the state of {bucket}"));
        let offset = answer.log_offset.ok_or_else(missing)?;
        let (mut parts, mut bytes): (Vec<Bytes>, usize) = (vec![], 0);
        loop {
            let records = answer.records.take().unwrap_or_default();
            bytes += records.len();
            self.check_size(bytes, bucket)?;
            parts.push(records);
            if !answer.more.unwrap_or(false) {
                break;
            }
            answer = scanner.next().await?;
        }
        drop(scanner);
        let rows = self.decode(scan, &parts).await?;
        Ok(KvState { offset, changes: vec![(rows, ChangeTypes::default())] })
    }

    /// Opens a scanner at the leader of a bucket, or its successor.
    async fn open_scanner(
        self: &Arc<Self>,
        scan: &KvScan,
        bucket: Bucket,
    ) -> Result<(Scanner, ScanKvAnswer)> {
        let open = ScanKvBucket {
            table_id: bucket.table_id,
            partition_id: bucket.partition_id,
            bucket: bucket.bucket,
        };
        let request = ScanKv {
            open: Some(open),
            sequence: Some(0),
            batch_bytes: Some(ANSWER_BYTES),
            ..ScanKv::default()
        };
        let mut attempts = Attempts::new(self.options().request_timeout);
        loop {
            let server = self.leader_of(&scan.table, bucket, &mut attempts).await?;
            let mut scanner =
                Scanner { client: Arc::clone(self), server, bucket, id: None, sequence: 0 };
            match scanner.ask(&request).await {
                Err(error) if attempts.may_pass(&error) => {
                    self.forget_leader(bucket);
                    attempts.pause_after(error, bucket).await?;
                }
                // as of every call to a leader: one that is coming back does not know its buckets at first
                Err(error @ Error::NotFound(_)) => {
                    self.forget_leader(bucket);
                    attempts.pause_after(error, bucket).await?;
                }
                answer => return Ok((scanner, answer?)),
            }
        }
    }
}

/// Whether another scanner may succeed where this one failed.
fn is_lost(error: &Error) -> bool {
    let codes = [code::SCANNER_EXPIRED, code::UNKNOWN_SCANNER];
    error.is_passing() || matches!(error, Error::Server { code, .. } if codes.contains(code))
}

/// An open scanner. Closed when it is dropped, however that comes: a server holds few of them.
struct Scanner {
    client: Arc<FlussClient>,
    server: i32,
    bucket: Bucket,
    /// Absent before the first answer, and of an empty bucket.
    id: Option<Bytes>,
    sequence: i32,
}

impl Scanner {
    async fn next(&mut self) -> Result<ScanKvAnswer> {
        if self.id.is_none() {
            return Err(Error::corrupt(format!("more state of {} without a scanner", self.bucket)));
        }
        self.sequence += 1;
        let next = ScanKv {
            scanner_id: self.id.clone(),
            sequence: Some(self.sequence),
            batch_bytes: Some(ANSWER_BYTES),
            ..ScanKv::default()
        };
        self.ask(&next).await
    }

    async fn ask(&mut self, request: &ScanKv) -> Result<ScanKvAnswer> {
        let within = self.client.options().request_timeout;
        let answer = self.client.ask_server(self.server, request, within).await?;
        let message = answer.message.as_deref().unwrap_or_default();
        match answer.code.unwrap_or(0) {
            0 => {}
            code => return Err(bucket_error(code, message, self.bucket)),
        }
        if let Some(id) = answer.scanner_id.clone().filter(|id| !id.is_empty()) {
            self.id = Some(id);
        }
        Ok(answer)
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (client, server, bucket) = (Arc::clone(&self.client), self.server, self.bucket);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // bounded by the call's own deadline
        runtime.spawn(async move {
            let close = ScanKv { scanner_id: Some(id), close: Some(true), ..ScanKv::default() };
            let within = client.options().metadata_timeout;
            if let Err(error) = client.ask_server(server, &close, within).await {
                tracing::debug!(%error, %bucket, "a scanner was not closed");
            }
        });
    }
}
