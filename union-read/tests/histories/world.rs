//! A simulated Fluss behind real sockets, its lake, and the model that follows both.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::prelude::SessionContext;
use fluss_scan::{Bucket, FlussType, LakeSnapshot, TablePath};
use fluss_sim::{COORDINATOR, Cluster, TableSpec, Version, arrow_schema};
use paimon::spec::{BigIntType, BinaryRow, DataType, Datum};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use union_read::Source;
use union_read::source::Connections;

use crate::history::{Kind, PARTITIONS, Shape, Step};
use crate::lake::Lake;
use crate::model::{BucketModel, Change, ChangeKind, Model, Row};

pub const DATABASE: &str = "histories";
pub const TABLE: &str = "t";

type Error = Box<dyn std::error::Error>;

pub struct World {
    pub model: Model,
    pub source: Source,
    /// What one process keeps between statements.
    pub connections: Arc<Connections>,
    pub session: SessionContext,
    cluster: Cluster,
    path: TablePath,
    table_id: i64,
    partitions: HashMap<u8, i64>,
    lake: Lake,
    servers: Vec<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    pub async fn new(shape: &Shape) -> Result<Self, Error> {
        let directory = tempfile::tempdir()?;
        let warehouse = directory.path().join("warehouse");
        let cluster = Cluster::new(shape.version, shape.servers, 1);
        cluster.set_remote_directory(directory.path().join("remote"));
        let path = TablePath::new(DATABASE, TABLE);
        let table_id = cluster.create_table(&path, spec(shape))?;
        let mut partitions = HashMap::new();
        if shape.partitioned {
            for (number, value) in (0..).zip(PARTITIONS) {
                partitions.insert(number, cluster.add_partition(&path, &[value])?);
            }
        }
        let mut places: Vec<(u8, Option<i64>)> =
            partitions.iter().map(|(number, id)| (*number, Some(*id))).collect();
        if places.is_empty() {
            places.push((0, None));
        }
        places.sort_unstable();
        let bucket = |(partition, partition_id): (u8, Option<i64>)| {
            (0..shape.buckets).map(move |bucket| {
                BucketModel::new(Bucket { table_id, partition_id, bucket }, partition)
            })
        };
        let buckets: Vec<BucketModel> = places.into_iter().flat_map(bucket).collect();
        let in_lake = vec![false; buckets.len()];
        let shape_of = shape.clone();
        let (evolved, readable, expired) = (false, false, false);
        let model = Model { shape: shape_of, evolved, buckets, readable, expired, in_lake };
        let lake = Lake::new(&warehouse, (DATABASE, TABLE), shape).await?;
        let servers = serve(&cluster).await?;
        let properties = [
            ("type", "fluss".to_owned()),
            ("bootstrap.servers", cluster.address(COORDINATOR)?),
            // nothing is late here but by a busy machine
            ("fluss.option.client.connect-timeout", "600s".to_owned()),
            ("fluss.option.client.metadata-timeout", "600s".to_owned()),
            ("fluss.option.client.request-timeout", "600s".to_owned()),
            ("table.datalake.paimon.metastore", "filesystem".to_owned()),
            ("table.datalake.paimon.warehouse", format!("file:{}", warehouse.display())),
        ];
        let properties: BTreeMap<String, String> =
            properties.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let source = Source::from_properties(&properties)?;
        Ok(Self {
            model,
            source,
            connections: Arc::new(Connections::new(1 << 20)),
            session: SessionContext::new(),
            cluster,
            path,
            table_id,
            partitions,
            lake,
            servers,
            _directory: directory,
        })
    }

    /// Lets a step happen.
    pub async fn apply(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Write { partition, rows, staged } => {
                let evolved = self.model.evolved;
                let rows = rows.iter().map(|row| Row::new(*partition, *row, evolved));
                self.write(rows.collect(), false, *staged)
            }
            Step::Delete { partition, ids, staged } if self.model.shape.has_key() => {
                let evolved = self.model.evolved;
                let rows = ids.iter().map(|id| Row::new(*partition, (*id, 0), evolved));
                self.write(rows.collect(), true, *staged)
            }
            Step::AddColumn { lake_too } if !self.model.evolved => {
                self.cluster.add_column(&self.path, "extra", FlussType::Int)?;
                self.model.evolved = true;
                if *lake_too { self.lake.add_column().await } else { Ok(()) }
            }
            Step::Tier { buckets, lag } => self.tier(*buckets, (*lag).into()).await,
            Step::Compact { bucket, full } => self.compact((*bucket).into(), *full).await,
            Step::ExpireSnapshot { bucket } => self.expire_snapshot((*bucket).into()).await,
            Step::Expire { bucket, quarters, beyond } => {
                self.expire((*bucket).into(), (*quarters).into(), *beyond)
            }
            Step::Remote { bucket, keeps_local } => {
                let Some(model) = self.live((*bucket).into()) else { return Ok(()) };
                let bucket = model.bucket;
                let until = model.shown as i64;
                match self.cluster.tier(&self.path, bucket, until, *keeps_local) {
                    // there may be nothing that is not there yet
                    Ok(()) | Err(fluss_sim::Error::Refused(_)) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            Step::DropPartition { partition } => self.drop_partition(*partition),
            Step::Delete { .. } | Step::AddColumn { .. } | Step::Ask(_) => Ok(()),
        }
    }

    fn live(&mut self, at: usize) -> Option<&mut BucketModel> {
        let at = at % self.model.buckets.len();
        self.model.buckets.get_mut(at).filter(|bucket| !bucket.dropped)
    }

    /// The position of a row's bucket, where its partition is there.
    fn place(&self, row: &Row) -> Option<usize> {
        let shape = &self.model.shape;
        let bucket = match shape.kind {
            Kind::Log => row.id as i32 % shape.buckets,
            _ => {
                let id = Datum::Long(row.id);
                let id = [(Some(&id), &DataType::BigInt(BigIntType::new()))];
                BinaryRow::compute_bucket_from_datums(&id, shape.buckets)
            }
        };
        let is_there = |b: &BucketModel| {
            !b.dropped
                && b.bucket.bucket == bucket
                && (!shape.partitioned || b.partition == row.partition)
        };
        self.model.buckets.iter().position(is_there)
    }

    /// Shows what was written to keys: a state is read together with all that its leader has, once that is shown.
    pub fn show_what_states_wait_for(&mut self) -> Result<(), Error> {
        for model in self.model.buckets.iter_mut().filter(|model| !model.dropped) {
            if self.model.shape.has_key() {
                model.shown = self.cluster.commit(model.bucket)? as usize;
            }
        }
        Ok(())
    }

    /// Writes rows in one batch per bucket.
    fn write(&mut self, rows: Vec<Row>, deletes: bool, staged: bool) -> Result<(), Error> {
        // servers of 1.0 show what was written when somebody scans the state
        let shape = &self.model.shape;
        let staged = staged && !(shape.has_key() && shape.version == Version::V1_0);
        let mut by_bucket: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
        for row in rows {
            if let Some(at) = self.place(&row) {
                by_bucket.entry(at).or_default().push(row);
            }
        }
        for (at, rows) in by_bucket {
            let batch = self.batch(&rows)?;
            let kind = self.model.shape.kind;
            let has_key = self.model.shape.has_key();
            let model = &mut self.model.buckets[at];
            let base = match (has_key, deletes) {
                (false, _) => self.cluster.stage_append(model.bucket, &batch)?,
                (true, false) => self.cluster.stage_upsert(model.bucket, &batch)?,
                (true, true) => self.cluster.stage_delete(model.bucket, &batch)?,
            };
            assert_eq!(base as usize, model.log.len(), "the model's log ends elsewhere");
            changes(kind, model, rows, deletes);
            model.batches.push(model.log.len());
            if !staged {
                model.shown = self.cluster.commit(model.bucket)? as usize;
            }
            assert_eq!(self.cluster.log_end(model.bucket)? as usize, model.log.len());
        }
        Ok(())
    }

    fn batch(&self, rows: &[Row]) -> Result<RecordBatch, Error> {
        let schema = self.cluster.schema(&self.path)?;
        let partition = |row: &Row| PARTITIONS[usize::from(row.partition)];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(partition))),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.name.clone()))),
            Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.n))),
        ];
        if self.model.evolved {
            columns.push(Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.extra))));
        }
        Ok(RecordBatch::try_new(arrow_schema(&schema), columns)?)
    }

    /// Buckets of the mask go on in the lake; the snapshot that comes of it is readable.
    async fn tier(&mut self, mask: u8, lag: usize) -> Result<(), Error> {
        let mut parts = vec![];
        for (at, model) in self.model.buckets.iter_mut().enumerate() {
            let from = model.tiered.unwrap_or(0);
            let mut ends: Vec<usize> = model.batches.clone();
            ends.retain(|end| *end > from && *end <= model.shown);
            ends.truncate(ends.len().saturating_sub(lag));
            let Some(until) = ends.last().copied() else { continue };
            // a tiering service reads what the log still has
            if model.dropped || mask & (1 << (at % 8)) == 0 || from < model.start {
                continue;
            }
            model.tiered = Some(until);
            parts.push((at, model.bucket.bucket, from, model.log[from..until].to_vec()));
        }
        if parts.is_empty() {
            return Ok(());
        }
        if self.model.evolved {
            self.lake.add_column().await?;
        }
        self.lake.write(&parts).await?;
        self.publish().await
    }

    async fn compact(&mut self, at: usize, full: bool) -> Result<(), Error> {
        let at = at % self.model.buckets.len();
        if self.lake.compact(at, full).await? {
            self.publish().await?;
        }
        Ok(())
    }

    async fn expire_snapshot(&mut self, at: usize) -> Result<(), Error> {
        let at = at % self.model.buckets.len();
        let Some(known) = self.lake.snapshot().await?.filter(|_| !self.model.expired) else {
            return Ok(());
        };
        if self.lake.compact(at, true).await? {
            self.lake.expire(known)?;
            self.model.expired = true;
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Error> {
        let Some(snapshot_id) = self.lake.snapshot().await? else { return Ok(()) };
        let offset = |b: &BucketModel| {
            let offset = b.tiered? as i64;
            Some(((b.bucket.partition_id, b.bucket.bucket), offset))
        };
        let offsets = self.model.buckets.iter().filter_map(offset).collect();
        let snapshot = LakeSnapshot { table_id: self.table_id, snapshot_id, offsets };
        self.cluster.set_lake_snapshot(&self.path, snapshot)?;
        (self.model.readable, self.model.expired) = (true, false);
        for (at, bucket) in self.model.buckets.iter().enumerate() {
            let has_key = self.model.shape.has_key();
            self.model.in_lake[at] =
                if has_key { self.lake.has_files(at) } else { bucket.tiered.is_some() };
        }
        Ok(())
    }

    fn expire(&mut self, at: usize, quarters: usize, beyond: bool) -> Result<(), Error> {
        let cluster = self.cluster.clone();
        let Some(model) = self.live(at) else { return Ok(()) };
        let until = if beyond { model.shown } else { model.tiered.unwrap_or(0) };
        model.start = cluster.expire(model.bucket, (until * quarters / 4) as i64)? as usize;
        Ok(())
    }

    fn drop_partition(&mut self, partition: u8) -> Result<(), Error> {
        let Some(id) = self.partitions.remove(&partition) else { return Ok(()) };
        self.cluster.drop_partition(&self.path, id)?;
        for model in self.model.buckets.iter_mut().filter(|b| b.partition == partition) {
            model.dropped = true;
        }
        Ok(())
    }
}

/// What a write adds to a log, as Fluss's servers do.
fn changes(kind: Kind, model: &mut BucketModel, rows: Vec<Row>, deletes: bool) {
    let before = model.log.len();
    let mut state = model.state(before);
    let nothing = Change { kind: ChangeKind::Nothing, row: rows[0].clone() };
    for row in rows {
        let old = state.remove(&row.id);
        let mut add = |kind, row| model.log.push(Change { kind, row });
        match (kind, old, deletes) {
            (Kind::Log | Kind::LogByKey, ..) => add(ChangeKind::Append, row),
            (_, None, true) => {}
            (_, Some(old), true) => add(ChangeKind::Delete, old),
            (Kind::Full, Some(old), false) => {
                add(ChangeKind::Before, old);
                add(ChangeKind::After, row.clone());
                state.insert(row.id, row);
            }
            (Kind::Full, None, false) => {
                add(ChangeKind::Insert, row.clone());
                state.insert(row.id, row);
            }
            (Kind::Wal, _, false) => {
                add(ChangeKind::After, row.clone());
                state.insert(row.id, row);
            }
        }
    }
    if model.log.len() == before {
        model.log.push(nothing);
    }
}

fn spec(shape: &Shape) -> TableSpec {
    let columns = [
        ("id", FlussType::BigInt),
        ("p", FlussType::String),
        ("name", FlussType::String),
        ("n", FlussType::Int),
    ];
    let mut spec = TableSpec::new(&columns)
        .buckets(shape.buckets)
        .property("table.datalake.enabled", "true")
        .property("table.datalake.format", "paimon");
    if shape.partitioned {
        spec = spec.partitioned(&["p"]);
    }
    if shape.kind == Kind::LogByKey {
        spec = spec.bucket_key(&["id"]);
    }
    if shape.kind == Kind::Wal {
        spec = spec.property("table.changelog.image", "wal");
    }
    match (shape.has_key(), shape.partitioned) {
        (true, true) => spec.key(&["id", "p"]),
        (true, false) => spec.key(&["id"]),
        (false, _) => spec,
    }
}

/// Puts every server behind a socket.
async fn serve(cluster: &Cluster) -> Result<Vec<JoinHandle<()>>, Error> {
    let mut servers = vec![];
    for server in cluster.servers() {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        cluster.set_address(server, "127.0.0.1", listener.local_addr()?.port());
        let cluster = cluster.clone();
        servers.push(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let cluster = cluster.clone();
                tokio::spawn(async move { cluster.serve(stream, server).await });
            }
        }));
    }
    Ok(servers)
}
