//! The cases that real clusters pass too, over simulated ones of both versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use fluss_scan::{Bucket, ClientOptions, FlussClient, FlussType, TablePath};
use fluss_sim::cases::{self, CaseResult, Row, World, key_cases, log_cases};
use fluss_sim::network::InProcess;
use fluss_sim::{Cluster, TableSpec, Version};

/// A simulated cluster of two tablet servers.
struct Simulated {
    cluster: Cluster,
    client: Arc<FlussClient>,
    _remote: tempfile::TempDir,
}

impl Simulated {
    fn new(version: Version) -> CaseResult<Self> {
        let cluster = Cluster::new(version, 2, 7);
        let remote = tempfile::tempdir()?;
        cluster.set_remote_directory(remote.path());
        let options = ClientOptions::new("coordinator:9123", &BTreeMap::new())?;
        let client = FlussClient::over(Arc::new(InProcess(cluster.clone())), options);
        Ok(Self { cluster, client: Arc::new(client), _remote: remote })
    }

    async fn bucket(&self, path: &TablePath) -> CaseResult<Bucket> {
        Ok(self.client.table_info(path).await?.bucket(None, 0))
    }
}

impl World for Simulated {
    fn client(&self) -> Arc<FlussClient> {
        Arc::clone(&self.client)
    }

    async fn create(&self, name: &str, spec: TableSpec) -> CaseResult<TablePath> {
        let path = TablePath::new("cases", name);
        self.cluster.create_table(&path, spec)?;
        Ok(path)
    }

    async fn write(&self, path: &TablePath, rows: &[Row]) -> CaseResult {
        let table = self.client.table_info(path).await?;
        let (bucket, batch) = (table.bucket(None, 0), cases::batch(rows, &table.schema)?);
        if table.schema.primary_key.is_empty() {
            self.cluster.append(bucket, &batch)?;
        } else {
            self.cluster.upsert(bucket, &batch)?;
        }
        Ok(())
    }

    async fn delete(&self, path: &TablePath, rows: &[Row]) -> CaseResult {
        let table = self.client.table_info(path).await?;
        self.cluster.delete(table.bucket(None, 0), &cases::batch(rows, &table.schema)?)?;
        Ok(())
    }

    async fn add_extra(&self, path: &TablePath) -> CaseResult {
        self.cluster.add_column(path, "extra", FlussType::Int)?;
        Ok(())
    }

    async fn tier(&self, path: &TablePath) -> CaseResult<bool> {
        let bucket = self.bucket(path).await?;
        let batches = self.cluster.batch_offsets(bucket)?;
        let (third, half) = (batches[batches.len() / 3], batches[batches.len() / 2]);
        self.cluster.tier(path, bucket, third, false)?;
        self.cluster.tier(path, bucket, half, false)?;
        Ok(true)
    }
}

/// One test per case and version.
macro_rules! cases {
    ($($name:ident($world:ident) => $case:expr;)*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_0_9() {
                let $world = &Simulated::new(Version::V0_9).unwrap();
                $case.await.unwrap();
            }

            #[tokio::test]
            async fn on_1_0() {
                let $world = &Simulated::new(Version::V1_0).unwrap();
                $case.await.unwrap();
            }
        }
    )* };
}

cases! {
    parts_none(world) => log_cases::parts(world, "NONE");
    parts_lz4(world) => log_cases::parts(world, "LZ4_FRAME");
    parts_zstd(world) => log_cases::parts(world, "ZSTD");
    evolved(world) => log_cases::evolved(world);
    out_of_range(world) => log_cases::out_of_range(world);
    remote(world) => log_cases::remote(world, 20, 12);
    changelog(world) => key_cases::changelog(world, false);
    changelog_wal(world) => key_cases::changelog(world, true);
    empty_batches(world) => key_cases::empty_batches(world);
    first_row(world) => key_cases::first_row(world);
    evolved_state(world) => key_cases::evolved_state(world);
    state_under_writes(world) => key_cases::state_under_writes(world, 30);
}
