//! How far a table has come: the ends of its logs, its lake snapshot, its KV snapshots, its remote log segments.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fluss::client::FlussAdmin;
use fluss::error::{Error, FlussError};
use fluss::metadata::TablePath;
use fluss::rpc::message::OffsetSpec;

use super::Cluster;
use crate::error::{IoContext, LabError, Result};
use crate::wait::{self, Progress, request};

/// A bucket of a table: partition id (none in an unpartitioned table) and bucket number.
pub type BucketKey = (Option<i64>, i32);

/// An offset for every bucket that has one.
pub type Offsets = BTreeMap<BucketKey, i64>;

/// The lake snapshot that a union read may start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadableSnapshot {
    /// Paimon snapshot id.
    pub id: i64,
    /// Where each bucket's log goes on after the snapshot; a bucket never tiered is missing.
    pub offsets: Offsets,
}

impl Cluster {
    /// The end of every bucket's log: the offset the next record will have.
    pub async fn log_ends(&self, table: &TablePath) -> Result<Offsets> {
        self.log_offsets(table, || OffsetSpec::Latest).await
    }

    /// The first offset that every bucket's log still holds.
    pub async fn log_starts(&self, table: &TablePath) -> Result<Offsets> {
        self.log_offsets(table, || OffsetSpec::Earliest).await
    }

    async fn log_offsets(
        &self,
        table: &TablePath,
        which: impl Fn() -> OffsetSpec,
    ) -> Result<Offsets> {
        let admin = self.admin().await?;
        let info = request("get table", admin.get_table_info(table)).await?;
        let buckets: Vec<i32> = (0..info.get_num_buckets()).collect();
        let mut ends = Offsets::new();
        if !info.is_partitioned() {
            let offsets = admin.list_offsets(table, &buckets, which());
            let offsets = request("list offsets", offsets).await?;
            ends.extend(offsets.into_iter().map(|(bucket, end)| ((None, bucket), end)));
            return Ok(ends);
        }
        for partition in request("list partitions", admin.list_partition_infos(table)).await? {
            let (id, name) = (partition.get_partition_id(), partition.get_partition_name());
            let offsets = admin.list_partition_offsets(table, &name, &buckets, which());
            let offsets = request("list offsets", offsets).await?;
            ends.extend(offsets.into_iter().map(|(bucket, end)| ((Some(id), bucket), end)));
        }
        Ok(ends)
    }

    /// The readable lake snapshot, if there is one.
    pub async fn lake_snapshot(&self, table: &TablePath) -> Result<Option<ReadableSnapshot>> {
        lake_snapshot(&*self.admin().await?, table).await
    }

    /// Waits until everything that is in the logs now is in the readable lake snapshot.
    pub async fn wait_tiered(
        &self,
        table: &TablePath,
        limit: Duration,
    ) -> Result<ReadableSnapshot> {
        let ends = self.log_ends(table).await?;
        self.wait_tiered_to(table, &ends, limit).await
    }

    /// Waits until the readable lake snapshot has reached the given offsets (0: nothing needed of that bucket).
    pub async fn wait_tiered_to(
        &self,
        table: &TablePath,
        offsets: &Offsets,
        limit: Duration,
    ) -> Result<ReadableSnapshot> {
        let admin = self.admin().await?;
        let (admin, condition) = (admin.as_ref(), format!("{table} is tiered to {offsets:?}"));
        wait::until(&condition, limit, || async {
            self.check()?;
            Ok(match passing(lake_snapshot(admin, table).await)? {
                Some(snapshot) if reached(&snapshot.offsets, offsets) => Progress::Done(snapshot),
                other => Progress::Pending(format!("{other:?}")),
            })
        })
        .await
    }

    /// A number that grows with every lake snapshot of any table.
    pub(crate) fn lake_progress(&self) -> u64 {
        let entries =
            |directory: &Path| std::fs::read_dir(directory).into_iter().flatten().flatten();
        let databases = entries(&self.layout.warehouse());
        let tables = databases.flat_map(|database| entries(&database.path()).collect::<Vec<_>>());
        let latest = |table: std::fs::DirEntry| {
            let text = std::fs::read_to_string(table.path().join("snapshot/LATEST")).ok()?;
            text.trim().parse::<u64>().ok()
        };
        tables.filter_map(latest).sum()
    }

    /// Waits until the latest KV snapshots of a primary-key table hold all that is in its logs now. Needs a short
    /// `kv_snapshot_interval`.
    pub async fn wait_kv_snapshot(&self, table: &TablePath, limit: Duration) -> Result<Offsets> {
        let ends = self.log_ends(table).await?;
        let admin = self.admin().await?;
        let (admin, condition) = (admin.as_ref(), format!("KV snapshots of {table} at {ends:?}"));
        wait::until(&condition, limit, || async {
            self.check()?;
            let snapshots = kv_snapshots(admin, table).await?;
            Ok(match reached(&snapshots, &ends) {
                true => Progress::Done(snapshots),
                false => Progress::Pending(format!("{snapshots:?}")),
            })
        })
        .await
    }

    /// Number of log segments that a table has in remote storage, over all its buckets.
    pub async fn remote_segments(&self, table: &TablePath) -> Result<usize> {
        let info = request("get table", self.admin().await?.get_table_info(table)).await?;
        // remote/log/DATABASE/TABLE-ID/[PARTITION-pID/]BUCKET/SEGMENT-UUID/OFFSET.log
        let name = format!("{}-{}", table.table(), info.get_table_id());
        let directory = self.layout.remote().join("log").join(table.database()).join(name);
        count_segments(&directory)
    }

    /// Waits until remote storage has at least `segments` log segments of the table. Only closed segments are copied:
    /// write more than `segment_bytes` into a bucket for each. Servers keep the newest closed ones (two, unless
    /// `table.log.tiered.local-segments` says otherwise) locally as well.
    pub async fn wait_remote_segments(
        &self,
        table: &TablePath,
        segments: usize,
        limit: Duration,
    ) -> Result<usize> {
        let condition = format!("{segments} remote log segments of {table}");
        wait::until(&condition, limit, || async {
            self.check()?;
            let count = self.remote_segments(table).await?;
            Ok(match count >= segments {
                true => Progress::Done(count),
                false => Progress::Pending(format!("{count}")),
            })
        })
        .await
    }
}

/// Whether every wanted offset has been reached. Buckets without records need nothing.
fn reached(offsets: &Offsets, wanted: &Offsets) -> bool {
    wanted.iter().all(|(bucket, want)| offsets.get(bucket).copied().unwrap_or(0) >= *want)
}

async fn lake_snapshot(admin: &FlussAdmin, table: &TablePath) -> Result<Option<ReadableSnapshot>> {
    let call = async {
        match admin.get_lake_snapshot(table, None, Some(true)).await {
            Err(error) if is(&error, FlussError::LakeSnapshotNotExist) => Ok(None),
            other => other.map(Some),
        }
    };
    Ok(request("get lake snapshot", call).await?.map(|snapshot| ReadableSnapshot {
        id: snapshot.snapshot_id,
        offsets: snapshot
            .bucket_snapshots
            .iter()
            .filter_map(|bucket| {
                Some(((bucket.partition_id, bucket.bucket_id), bucket.log_offset?))
            })
            .collect(),
    }))
}

async fn kv_snapshots(admin: &FlussAdmin, table: &TablePath) -> Result<Offsets> {
    let info = request("get table", admin.get_table_info(table)).await?;
    let partitions: Vec<Option<String>> = if info.is_partitioned() {
        let partitions = request("list partitions", admin.list_partition_infos(table)).await?;
        partitions.iter().map(|partition| Some(partition.get_partition_name())).collect()
    } else {
        vec![None]
    };
    let mut offsets = Offsets::new();
    for partition in partitions {
        let latest = admin.get_latest_kv_snapshots(table, partition.as_deref());
        let latest = request("get KV snapshots", latest).await?;
        offsets.extend(latest.latest_snapshots.iter().filter_map(|bucket| {
            Some(((latest.partition_id, bucket.bucket_id), bucket.log_offset?))
        }));
    }
    Ok(offsets)
}

/// Nothing, where the server failed with an exception of its own: it reads the place of a snapshot's offsets and then
/// the file there, which tiering replaces in between.
fn passing<T>(answer: Result<Option<T>>) -> Result<Option<T>> {
    match answer {
        Err(LabError::Fluss(error)) if is(&error, FlussError::UnknownServerError) => Ok(None),
        answer => answer,
    }
}

fn is(error: &Error, kind: FlussError) -> bool {
    matches!(error, Error::FlussAPIError { api_error } if api_error.code == kind.code())
}

fn count_segments(directory: &Path) -> Result<usize> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        other => other.doing(|| format!("read {}", directory.display()))?,
    };
    let mut count = 0;
    for entry in entries {
        let path = entry.doing(|| format!("read {}", directory.display()))?.path();
        if path.is_dir() {
            count += count_segments(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "log") {
            count += 1;
        }
    }
    Ok(count)
}
