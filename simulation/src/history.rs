//! A table and its past, made from a seed.

use std::path::Path;

use fluss_scan::{Bucket, FlussType, TablePath};
use fluss_sim::cases::{self, CaseResult, Row};
use fluss_sim::{Cluster, TableSpec, Version};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::model::{Kind, Model};

/// A table with its buckets.
#[derive(Debug)]
pub struct History {
    /// Its name.
    pub path: TablePath,
    /// What it does with changes.
    pub kind: Kind,
    /// Whether the column `extra` was added.
    pub evolved: bool,
    /// Whether its batches have statistics.
    pub statistics: bool,
    /// Its partition, where it is partitioned.
    pub partition_id: Option<i64>,
    /// What its buckets must hold.
    pub buckets: Vec<Model>,
}

/// A cluster of random version and size.
pub fn cluster(random: &mut StdRng) -> Cluster {
    let version = *[Version::V0_9, Version::V1_0].choose(random).unwrap_or(&Version::V1_0);
    Cluster::new(version, random.random_range(1..=3), random.random())
}

impl History {
    /// A table with a random past.
    ///
    /// # Errors
    /// None that a past should make.
    pub fn new(cluster: &Cluster, random: &mut StdRng, remote: &Path) -> CaseResult<Self> {
        let kinds = [Kind::Log, Kind::Log, Kind::Full, Kind::Wal, Kind::FirstRow];
        let kind = *kinds.choose(random).unwrap_or(&Kind::Log);
        Self::of_kind(kind, cluster, random, remote)
    }

    /// A table of a kind with a random past.
    ///
    /// # Errors
    /// None that a past should make.
    pub fn of_kind(
        kind: Kind,
        cluster: &Cluster,
        random: &mut StdRng,
        remote: &Path,
    ) -> CaseResult<Self> {
        cluster.set_remote_directory(remote);
        let path = TablePath::new("simulated", "t");
        let has_statistics =
            kind == Kind::Log && cluster.version() == Version::V1_0 && random.random_bool(0.8);
        let (spec, is_partitioned) = spec(kind, has_statistics, random);
        let buckets = spec.buckets;
        let table_id = cluster.create_table(&path, spec)?;
        let partition_id =
            if is_partitioned { Some(cluster.add_partition(&path, &["p"])?) } else { None };
        let bucket = |bucket| Model::new(Bucket { table_id, partition_id, bucket }, kind);
        let mut this = Self {
            path,
            kind,
            evolved: false,
            statistics: has_statistics,
            partition_id,
            buckets: (0..buckets).map(bucket).collect(),
        };
        for _ in 0..random.random_range(1..=10) {
            this.step(cluster, random)?;
        }
        Ok(this)
    }

    fn step(&mut self, cluster: &Cluster, random: &mut StdRng) -> CaseResult {
        let at = random.random_range(0..self.buckets.len());
        match random.random_range(0..100) {
            0..8 if !self.evolved => {
                cluster.add_column(&self.path, "extra", FlussType::Int)?;
                self.evolved = true;
            }
            8..16 if self.buckets[at].end > self.buckets[at].start => {
                let bucket = &self.buckets[at];
                let until = random.random_range(bucket.start..=bucket.end);
                let keeps_local = random.random_bool(0.3);
                // nothing to tier is no reason to stop
                drop(cluster.tier(&self.path, bucket.bucket, until, keeps_local));
            }
            16..22 => {
                let bucket = &mut self.buckets[at];
                let until = random.random_range(bucket.start..=bucket.end);
                bucket.start = cluster.expire(bucket.bucket, until)?;
            }
            22..40 if matches!(self.kind, Kind::Full | Kind::Wal) => {
                self.write(cluster, random, at, true)?;
            }
            _ => self.write(cluster, random, at, false)?,
        }
        Ok(())
    }

    /// Writes one batch of some rows, or deletes their keys, and shows it.
    ///
    /// # Errors
    /// None.
    pub fn write(
        &mut self,
        cluster: &Cluster,
        random: &mut StdRng,
        at: usize,
        deletes: bool,
    ) -> CaseResult {
        self.stage(cluster, random, at, deletes)?;
        cluster.commit(self.buckets[at].bucket)?;
        Ok(())
    }

    /// As [`History::write`], not shown yet.
    ///
    /// # Errors
    /// None.
    pub fn stage(
        &mut self,
        cluster: &Cluster,
        random: &mut StdRng,
        at: usize,
        deletes: bool,
    ) -> CaseResult {
        let rows = self.rows(random, at);
        let schema = cluster.schema(&self.path)?;
        let batch = cases::batch(&rows, &schema)?;
        let model = &mut self.buckets[at];
        match (self.kind, deletes) {
            (Kind::Log, _) => cluster.stage_append(model.bucket, &batch)?,
            (_, false) => cluster.stage_upsert(model.bucket, &batch)?,
            (_, true) => cluster.stage_delete(model.bucket, &batch)?,
        };
        if deletes {
            model.delete(&rows, cluster.clock());
        } else {
            model.write(&rows, cluster.clock());
        }
        Ok(())
    }

    /// Some rows; of keys that are few, in a table that has them.
    pub fn rows(&self, random: &mut StdRng, at: usize) -> Vec<Row> {
        let count = random.random_range(1..=8);
        let from = self.buckets[at].end;
        let rows = (0..count).map(|i| {
            let is_log = self.kind == Kind::Log;
            let id = if is_log { from + i } else { random.random_range(0..12) };
            let extra = self.evolved.then(|| random.random_range(0..9));
            Row { extra, ..Row::new(id, random.random_range(0..100)) }
        });
        rows.collect()
    }
}

fn spec(kind: Kind, has_statistics: bool, random: &mut StdRng) -> (TableSpec, bool) {
    let compressions = ["NONE", "NONE", "LZ4_FRAME", "ZSTD"];
    let compression = compressions.choose(random).copied().unwrap_or("NONE");
    let mut spec = cases::columns()
        .buckets(random.random_range(1..=4))
        .property("table.log.arrow.compression.type", compression);
    if kind != Kind::Log {
        spec = spec.key(&["id"]);
    }
    spec = match kind {
        Kind::Wal => spec.property("table.changelog.image", "WAL"),
        Kind::FirstRow => spec.property("table.merge-engine", "first_row"),
        Kind::Log if has_statistics => spec.property("table.statistics.columns", "*"),
        Kind::Log | Kind::Full => spec,
    };
    // the simulated servers ask nobody for the values of a row: any column names the partition
    let is_partitioned = kind == Kind::Log && random.random_bool(0.2);
    if is_partitioned {
        spec = spec.partitioned(&["name"]);
    }
    (spec, is_partitioned)
}
