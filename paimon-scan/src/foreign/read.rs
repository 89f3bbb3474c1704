//! What the other reader reads, as a plan.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use paimon::catalog::Identifier;
use paimon::io::FileIO;
use paimon::table::SchemaManager;
use paimon::{DataSplit, DeletionFile, Table};

use super::{cross, times};
use crate::catalog::file_system;
use crate::error::{LakeError, Result};
use crate::file::{Foreign, LakeFile};
use crate::options::LakeOptions;
use crate::rest::RestServers;
use crate::scan::{self, ScanRequest};
use crate::schema::LakeSchema;

/// Files that are read together.
struct Unit {
    files: Vec<LakeFile>,
    of: Foreign,
    split: DataSplit,
}

/// Builds the scan of a request, whoever reads its files: [`crate::scan::scan`] those that are read here.
///
/// # Errors
/// Those of that scan; `Corrupt` for an incomplete section.
pub fn scan(mut request: ScanRequest, context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    let files = request.groups.iter().flatten().map(|masked| &masked.file);
    let units = units(files.filter(|file| file.foreign.is_some()))?;
    if units.is_empty() {
        return scan::scan(request, context);
    }
    let foreign = foreign(units, &request)?;
    for group in &mut request.groups {
        group.retain(|masked| masked.file.foreign.is_none());
    }
    request.groups.retain(|group| !group.is_empty());
    match request.groups.is_empty() {
        true => Ok(foreign),
        false => Ok(UnionExec::try_new(vec![scan::scan(request, context)?, foreign])?),
    }
}

/// The scan of these units, in no more partitions than were asked for.
fn foreign(units: Vec<Unit>, request: &ScanRequest) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = &request.schema.columns;
    let output = match &request.projection {
        Some(columns) => Arc::new(schema.project(columns).map_err(DataFusionError::from)?),
        None => Arc::clone(schema),
    };
    let count = units.len().min(request.groups.len().max(1));
    let mut groups: Vec<Vec<Unit>> = (0..count).map(|_| Vec::new()).collect();
    for (position, unit) in units.into_iter().enumerate() {
        groups[position % count].push(unit);
    }
    let partition = |units: Vec<Unit>| -> Arc<dyn PartitionStream> {
        Arc::new(Read {
            units: units.into(),
            lake: Arc::clone(&request.lake),
            schema: request.schema.clone(),
            output: Arc::clone(&output),
        })
    };
    let partitions = groups.into_iter().map(partition).collect();
    let exec = StreamingTableExec::try_new(Arc::clone(&output), partitions, None, [], false, None)?;
    Ok(Arc::new(exec))
}

/// A file, its foreign part, and the split in that.
type Member<'f> = (&'f LakeFile, &'f Foreign, DataSplit);

fn units<'f>(files: impl Iterator<Item = &'f LakeFile>) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    let mut sections: BTreeMap<(String, u32), Vec<Member<'_>>> = BTreeMap::new();
    for file in files {
        let Some(of) = &file.foreign else { continue };
        let split = DataSplit::deserialize(&of.split)
            .map_err(|error| LakeError::corrupt(format!("file {:?}: {error}", file.path)))?;
        match &file.section {
            None => units.push(unit(&[(file, of, split)], true)?),
            Some(section) => {
                let key = (split.bucket_path().to_owned(), section.index);
                sections.entry(key).or_default().push((file, of, split));
            }
        }
    }
    for members in sections.values() {
        let whole = |(file, ..): &Member<'_>| {
            file.section.as_ref().is_some_and(|section| section.files as usize == members.len())
        };
        if !members.iter().all(whole) {
            return Err(LakeError::corrupt("a section of overlapping files is not complete"));
        }
        units.push(unit(members, false)?);
    }
    Ok(units)
}

/// One split of all these files; `raw` if their rows are right as they are.
fn unit(members: &[Member<'_>], raw: bool) -> Result<Unit> {
    let [(_, of, first), ..] = members else {
        return Err(LakeError::corrupt("a section without files"));
    };
    let mut metas = Vec::new();
    let mut vectors = Vec::new();
    for (file, _, split) in members {
        let [meta] = split.data_files() else {
            return Err(LakeError::corrupt(format!("file {:?}: not one file", file.path)));
        };
        metas.push(meta.clone());
        vectors.push(file.deletion_vector.as_ref().map(|vector| {
            let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
            let cardinality = vector.cardinality.map(signed);
            DeletionFile::new(
                vector.path.clone(),
                signed(vector.offset),
                signed(vector.length),
                cardinality,
            )
        }));
    }
    let mut split = DataSplit::builder()
        .with_snapshot(first.snapshot_id())
        .with_partition(first.partition().clone())
        .with_bucket(first.bucket())
        .with_bucket_path(first.bucket_path().to_owned())
        .with_total_buckets(first.total_buckets())
        .with_data_files(metas)
        .with_raw_convertible(raw);
    if vectors.iter().any(Option::is_some) {
        split = split.with_data_deletion_files(vectors);
    }
    let split = split.build().map_err(|error| LakeError::corrupt(error.to_string()))?;
    let files = members.iter().map(|(file, ..)| (*file).clone()).collect();
    Ok(Unit { files, of: (*of).clone(), split })
}

/// One partition of the scan.
#[derive(Clone)]
struct Read {
    units: Arc<[Unit]>,
    lake: Arc<LakeOptions>,
    schema: LakeSchema,
    output: SchemaRef,
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Read({} units)", self.units.len())
    }
}

impl PartitionStream for Read {
    fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let memory = MemoryConsumer::new("lake batch").register(context.memory_pool());
        let read = Arc::new(self.clone());
        let rows = stream::iter(0..self.units.len())
            .then(move |position| {
                let (read, context) = (Arc::clone(&read), Arc::clone(&context));
                async move { read.open(&read.units[position], &context).await }
            })
            .try_flatten()
            .map(move |batch| {
                let batch = batch?;
                // once more on the other side, and as bytes in between
                memory.try_resize(batch.get_array_memory_size() * 3)?;
                Ok(batch)
            });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.output), rows))
    }
}

impl Read {
    async fn open(
        &self,
        unit: &Unit,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<RecordBatch, DataFusionError>>, DataFusionError> {
        let of = &unit.of;
        let identifier = Identifier::new(of.database.as_str(), of.table.as_str());
        let (name, folder) = (identifier.full_name(), unit.split.bucket_path().to_owned());
        let failed = |error| failure(error, &name, &folder);
        let files = match self.lake.is_rest() {
            true => RestServers::of(context).lasting_files(&self.lake).await?,
            false => file_system(&self.lake)?.file_io().clone(),
        };
        let schemas = SchemaManager::new(files.clone(), of.location.clone());
        let schema = schemas.schema(self.schema.id).await.map_err(failed)?.as_ref().clone();
        if super::rules(&schema) != of.rules {
            let what = "a branch or an earlier state with files that are merged or not Parquet";
            return Err(LakeError::unsupported(&name, what).into());
        }
        times::check(&unit.files, &schema, &self.schema, &self.lake, context).await?;
        let gone = Arc::new(Look { files: files.clone(), paths: unit.paths() });
        let table = Table::new(files, identifier, of.location.clone(), schema, None);
        let columns = match self.output.fields().is_empty() {
            // rows cannot be counted without a column
            true => self.schema.columns.fields().iter().take(1),
            false => self.output.fields().iter().take(usize::MAX),
        };
        let columns: Vec<&str> = columns.map(|field| field.name().as_str()).collect();
        let mut builder = table.new_read_builder();
        builder.with_projection(&columns).map_err(failed)?;
        let read = builder.new_read().map_err(failed)?;
        let batches = read.to_arrow(std::slice::from_ref(&unit.split)).map_err(failed)?;
        let output = Arc::clone(&self.output);
        let batches = batches.map(move |batch| {
            let batch = batch.map_err(|error| failure(error, &name, &folder))?;
            let crossed = cross::over(&batch, &output);
            crossed.map_err(|what| LakeError::corrupt(format!("rows of {name}: {what}")))
        });
        let batches = batches.then(move |batch| {
            let gone = Arc::clone(&gone);
            async move {
                match batch {
                    Ok(batch) => Ok(batch),
                    Err(error) => Err(gone.or(error).await.into()),
                }
            }
        });
        Ok(batches.boxed())
    }
}

impl Unit {
    /// Where its files are, deletion vectors included.
    fn paths(&self) -> Vec<String> {
        let vectors = self.files.iter().filter_map(|file| file.deletion_vector.as_ref());
        let vectors = vectors.map(|vector| vector.path.clone());
        self.files.iter().map(|file| file.path.clone()).chain(vectors).collect()
    }
}

/// Looks for files once more after an error: the readers of some formats make a text of it, where a file that is gone can no
/// longer be told from one that is broken.
struct Look {
    files: FileIO,
    paths: Vec<String>,
}

impl Look {
    /// That a file has gone, or else the error itself.
    async fn or(&self, error: LakeError) -> LakeError {
        if error.is_expired() {
            return error;
        }
        for path in &self.paths {
            if matches!(self.files.exists(path).await, Ok(false)) {
                return LakeError::FileGone { path: path.clone() };
            }
        }
        error
    }
}

/// An error of the other reader; what it does not find has expired.
fn failure(error: paimon::Error, table: &str, folder: &str) -> LakeError {
    match LakeError::from_paimon(error, table, Some(0)) {
        LakeError::SnapshotGone { .. } => LakeError::FileGone { path: folder.to_owned() },
        other => other,
    }
}
