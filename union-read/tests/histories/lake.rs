//! The tiering stepper: writes parts of logs into a Paimon table, as Fluss's tiering service does, and merges its sorted runs, as
//! Paimon's compaction does.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array_58::{
    ArrayRef, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use paimon::catalog::{Catalog, Identifier};
use paimon::spec::{
    BigIntType, ColumnMove, DataFileMeta, DataType, IntType, LocalZonedTimestampType, Schema,
    SchemaChange, VarCharType,
};
use paimon::table::CommitMessage;
use paimon::{CatalogOptions, FileSystemCatalog, Options, Table};

use crate::history::{Kind, PARTITIONS, Shape};
use crate::model::{Change, ChangeKind, Row};

type Error = Box<dyn std::error::Error>;

/// The level of runs that hold all older ones, and of those between them and the new ones.
const TOP: i32 = 5;
const MIDDLE: i32 = 4;
/// `_VALUE_KIND` of a delete.
const DELETED: i8 = 3;
/// `file_source` of files that compaction wrote.
const BY_COMPACTION: i32 = 1;

/// A sorted run of one bucket.
#[derive(Debug)]
struct Run {
    level: i32,
    files: Vec<DataFileMeta>,
    /// The last change of each key in it.
    latest: BTreeMap<i64, (i8, Row)>,
}

/// What the lake has of one bucket of Fluss; oldest runs first.
#[derive(Debug)]
struct Runs {
    partition: Vec<u8>,
    bucket: i32,
    runs: Vec<Run>,
}

/// The lake of one table.
pub struct Lake {
    catalog: FileSystemCatalog,
    name: Identifier,
    snapshots: PathBuf,
    shape: Shape,
    evolved: bool,
    /// By the model's position of the bucket; primary-key tables alone.
    runs: HashMap<usize, Runs>,
}

impl Lake {
    pub async fn new(warehouse: &Path, name: (&str, &str), shape: &Shape) -> Result<Self, Error> {
        let mut options = Options::new();
        options.set(CatalogOptions::WAREHOUSE, format!("file:{}", warehouse.display()));
        let catalog = FileSystemCatalog::new(options)?;
        catalog.create_database(name.0, true, HashMap::new()).await?;
        let snapshots = warehouse.join(format!("{}.db/{}/snapshot", name.0, name.1));
        let name = Identifier::new(name.0, name.1);
        catalog.create_table(&name, schema(shape)?, false).await?;
        let shape = shape.clone();
        Ok(Self { catalog, name, snapshots, shape, evolved: false, runs: HashMap::new() })
    }

    async fn table(&self) -> Result<Table, Error> {
        Ok(self.catalog.get_table(&self.name).await?)
    }

    /// The number of the latest snapshot.
    pub async fn snapshot(&self) -> Result<Option<i64>, Error> {
        let latest = self.table().await?.snapshot_manager().get_latest_snapshot().await?;
        Ok(latest.map(|snapshot| snapshot.id()))
    }

    /// A snapshot that is not the latest one goes.
    pub fn expire(&self, snapshot: i64) -> Result<(), Error> {
        Ok(std::fs::remove_file(self.snapshots.join(format!("snapshot-{snapshot}")))?)
    }

    /// Adds the column `extra`, before Fluss's own.
    pub async fn add_column(&mut self) -> Result<(), Error> {
        if self.evolved {
            return Ok(());
        }
        let name = "extra".to_owned();
        let change = SchemaChange::AddColumn {
            field_names: vec![name.clone()],
            data_type: DataType::Int(IntType::new()),
            comment: None,
            column_move: Some(ColumnMove::move_after(name, "n".into())),
        };
        self.catalog.alter_table(&self.name, vec![change], false).await?;
        self.evolved = true;
        Ok(())
    }

    /// Whether there are files of a bucket.
    pub fn has_files(&self, at: usize) -> bool {
        self.runs.get(&at).is_some_and(|runs| runs.runs.iter().any(|run| !run.files.is_empty()))
    }

    /// Writes parts of the logs of some buckets as one snapshot: each the bucket's position, number, first offset and changes.
    pub async fn write(&mut self, parts: &[(usize, i32, usize, Vec<Change>)]) -> Result<(), Error> {
        let table = self.table().await?;
        let builder = table.new_write_builder();
        let mut messages = vec![];
        for (at, bucket, first, changes) in parts {
            let offsets = (*first as i64..).take(changes.len());
            let rows: Vec<(i8, &Row, i64)> = changes
                .iter()
                .zip(offsets)
                .filter(|(change, _)| change.kind != ChangeKind::Nothing)
                .map(|(change, offset)| (value_kind(change.kind), &change.row, offset))
                .collect();
            if rows.is_empty() {
                continue;
            }
            let mut writer = builder.new_write()?;
            writer.write_arrow_batch(&self.batch(*bucket, &rows)?).await?;
            let written = writer.prepare_commit().await?;
            if self.shape.has_key() {
                self.note(*at, &written, changes)?;
            }
            messages.extend(written);
        }
        builder.try_new_commit()?.commit(messages).await?;
        Ok(())
    }

    /// Rows of one bucket and partition are in one run.
    fn note(
        &mut self,
        at: usize,
        written: &[CommitMessage],
        changes: &[Change],
    ) -> Result<(), Error> {
        let [message] = written else { return Err("not one bucket".into()) };
        let runs = self.runs.entry(at).or_insert_with(|| Runs {
            partition: message.partition.clone(),
            bucket: message.bucket,
            runs: vec![],
        });
        let mut latest = BTreeMap::new();
        for change in changes.iter().filter(|change| change.kind != ChangeKind::Nothing) {
            latest.insert(change.row.id, (value_kind(change.kind), change.row.clone()));
        }
        runs.runs.push(Run { level: 0, files: message.new_files.clone(), latest });
        Ok(())
    }

    /// Merges the runs of a bucket, or those below the top level alone; `false` where there is nothing to merge.
    pub async fn compact(&mut self, at: usize, full: bool) -> Result<bool, Error> {
        let Some(of_bucket) = self.runs.get(&at) else { return Ok(false) };
        let is_merged = |run: &Run| full || run.level < TOP;
        let kept = of_bucket.runs.iter().take_while(|run| !is_merged(run)).count();
        let merged = &of_bucket.runs[kept..];
        if merged.is_empty() || full && merged.len() == 1 && merged[0].level == TOP {
            return Ok(false);
        }
        let mut latest: BTreeMap<i64, (i8, Row)> = BTreeMap::new();
        for run in merged {
            latest.extend(run.latest.iter().map(|(id, row)| (*id, row.clone())));
        }
        if full {
            latest.retain(|_, (kind, _)| *kind != DELETED);
        }
        let (partition, bucket) = (of_bucket.partition.clone(), of_bucket.bucket);
        let before = merged.iter().flat_map(|run| run.files.clone()).collect();
        let level = if full { TOP } else { MIDDLE };
        let after = self.rewrite(bucket, &latest, level).await?;
        // the crate commits no compactions: what they do to a bucket it does as an overwrite
        let mut message = CommitMessage::new(partition, bucket, after.clone());
        message.deleted_files = before;
        let table = self.table().await?;
        table.new_write_builder().try_new_commit()?.commit(vec![message]).await?;
        let runs = &mut self.runs.get_mut(&at).ok_or("no such bucket")?.runs;
        runs.truncate(kept);
        runs.push(Run { level, files: after, latest });
        Ok(true)
    }

    /// The files of a run of these rows at a level, not part of any snapshot yet.
    async fn rewrite(
        &self,
        bucket: i32,
        latest: &BTreeMap<i64, (i8, Row)>,
        level: i32,
    ) -> Result<Vec<DataFileMeta>, Error> {
        if latest.is_empty() {
            return Ok(vec![]);
        }
        let rows: Vec<(i8, &Row, i64)> =
            latest.values().map(|(kind, row)| (*kind, row, -1)).collect();
        let table = self.table().await?;
        let mut writer = table.new_write_builder().new_write()?;
        writer.write_arrow_batch(&self.batch(bucket, &rows)?).await?;
        let mut files: Vec<DataFileMeta> =
            writer.prepare_commit().await?.into_iter().flat_map(|m| m.new_files).collect();
        for file in &mut files {
            (file.level, file.file_source) = (level, Some(BY_COMPACTION));
        }
        Ok(files)
    }

    fn batch(&self, bucket: i32, rows: &[(i8, &Row, i64)]) -> Result<RecordBatch, Error> {
        let of = |row: &dyn Fn(&Row) -> Option<i32>| -> ArrayRef {
            Arc::new(Int32Array::from_iter(rows.iter().map(|(_, r, _)| row(r))))
        };
        let text = |row: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
            Arc::new(StringArray::from_iter(rows.iter().map(|(_, r, _)| row(r))))
        };
        let ids = Int64Array::from_iter_values(rows.iter().map(|(_, row, _)| row.id));
        let partition = |row: &Row| Some(PARTITIONS[usize::from(row.partition)].to_owned());
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(ids)),
            ("p", text(&partition)),
            ("name", text(&|row| row.name.clone())),
            ("n", of(&|row| row.n)),
        ];
        if self.evolved {
            columns.push(("extra", of(&|row| row.extra)));
        }
        if self.shape.legacy {
            let offsets = || rows.iter().map(|(_, _, offset)| *offset);
            let times = TimestampMicrosecondArray::from_iter_values(offsets()).with_timezone("UTC");
            columns.push(("__bucket", of(&|_| Some(bucket))));
            columns.push(("__offset", Arc::new(Int64Array::from_iter_values(offsets()))));
            columns.push(("__timestamp", Arc::new(times)));
        }
        if self.shape.has_key() {
            let kinds = Int8Array::from_iter_values(rows.iter().map(|(kind, _, _)| *kind));
            columns.push(("_VALUE_KIND", Arc::new(kinds)));
        }
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

fn value_kind(kind: ChangeKind) -> i8 {
    match kind {
        ChangeKind::Append | ChangeKind::Insert | ChangeKind::Nothing => 0,
        ChangeKind::Before => 1,
        ChangeKind::After => 2,
        ChangeKind::Delete => DELETED,
    }
}

/// The schema that Fluss gives the lake's table.
fn schema(shape: &Shape) -> Result<Schema, Error> {
    let text = || Ok::<_, Error>(DataType::VarChar(VarCharType::new(VarCharType::MAX_LENGTH)?));
    let key = |data_type: DataType| match shape.has_key() {
        true => data_type.copy_with_nullable(false),
        false => Ok(data_type),
    };
    let partition = if shape.partitioned { key(text()?)? } else { text()? };
    let mut schema = Schema::builder()
        .column("id", key(DataType::BigInt(BigIntType::new()))?)
        .column("p", partition)
        .column("name", text()?)
        .column("n", DataType::Int(IntType::new()));
    if shape.legacy {
        schema = schema
            .column("__bucket", DataType::Int(IntType::new()))
            .column("__offset", DataType::BigInt(BigIntType::new()))
            .column("__timestamp", DataType::LocalZonedTimestamp(LocalZonedTimestampType::new(6)?));
    }
    if shape.partitioned {
        schema = schema.partition_keys(["p"]).option("partition.legacy-name", "false");
    }
    schema = match shape.kind {
        Kind::Log => schema.option("bucket", "-1"),
        _ => schema.option("bucket", shape.buckets.to_string()).option("bucket-key", "id"),
    };
    if shape.has_key() {
        let key: &[&str] = if shape.partitioned { &["id", "p"] } else { &["id"] };
        schema = schema.primary_key(key.iter().copied()).option("changelog-producer", "input");
    }
    Ok(schema.build()?)
}
