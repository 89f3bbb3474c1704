//! Tiering: segments of a log in files, as a tablet server leaves them in remote storage.

use std::fs;

use fluss_scan::{Bucket, TablePath};

use crate::cluster::Cluster;
use crate::log::{Log, Segment};
use crate::{Error, Result};

impl Cluster {
    /// Moves the batches before an offset that are not tiered yet into a segment of their own. With
    /// `keeps_local` the leader still serves them itself.
    ///
    /// # Errors
    /// `Refused` without a remote directory or anything to tier; `Io`.
    pub fn tier(
        &self,
        path: &TablePath,
        bucket: Bucket,
        until: i64,
        keeps_local: bool,
    ) -> Result<()> {
        let mut state = self.state();
        let directory = state.remote_directory.clone();
        let directory = directory.ok_or_else(|| Error::Refused("no remote directory".into()))?;
        let id = format!("00000000-0000-4000-8000-{:012x}", state.take_id());
        let directory = directory.join("log").join(&path.database);
        let directory = directory.join(format!("{}-{}", path.table, bucket.table_id));
        let directory = match bucket.partition_id {
            Some(partition) => directory.join(format!("p{partition}")),
            None => directory,
        };
        let directory = directory.join(bucket.bucket.to_string());
        let log = &mut state.bucket(bucket)?.log;
        let (segment, bytes) = cut(log, &id, until)
            .ok_or_else(|| Error::Refused(format!("nothing to tier before {until}")))?;
        let of_segment = directory.join(&id);
        fs::create_dir_all(&of_segment)?;
        fs::write(of_segment.join(format!("{:020}.log", segment.start)), bytes)?;
        // a Hadoop path, with one slash
        log.remote_directory = format!("file:{}", directory.display());
        if !keeps_local {
            log.local_start = segment.end;
        }
        log.segments.push(segment);
        Ok(())
    }

    /// Removes the batches that lie wholly before an offset, from the log and from remote storage; where the
    /// log begins now.
    ///
    /// # Errors
    /// `Io`.
    pub fn expire(&self, bucket: Bucket, until: i64) -> Result<i64> {
        let mut state = self.state();
        let log = &mut state.bucket(bucket)?.log;
        let until = until.clamp(log.start, log.high_watermark);
        let kept = log.batches.iter().position(|batch| batch.next() > until);
        let kept = kept.unwrap_or(log.batches.len());
        log.start = log.batches.get(kept).map_or(until, |batch| batch.base);
        log.batches.drain(..kept);
        log.local_start = log.local_start.max(log.start);
        let directory = log.remote_directory.trim_start_matches("file:").to_string();
        for segment in log.segments.extract_if(.., |segment| segment.end <= log.start) {
            fs::remove_dir_all(format!("{directory}/{}", segment.id))?;
        }
        Ok(log.start)
    }
}

/// A segment of the batches that lie behind the last one and before `until`, and its bytes.
fn cut(log: &Log, id: &str, until: i64) -> Option<(Segment, Vec<u8>)> {
    let tiered = log.segments.last().map_or(log.start, |segment| segment.end);
    let until = until.min(log.high_watermark);
    let batches = log.batches.iter().filter(|b| b.base >= tiered && b.next() <= until);
    let (mut bytes, mut positions, mut end) = (vec![], vec![], tiered);
    for batch in batches {
        positions.push((batch.base, i32::try_from(bytes.len()).unwrap_or(i32::MAX)));
        bytes.extend_from_slice(&batch.bytes);
        end = batch.next();
    }
    let (start, _) = *positions.first()?;
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    Some((Segment { id: id.to_string(), start, end, bytes: length, positions }, bytes))
}
