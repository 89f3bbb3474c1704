//! Files that overlap by key → which of their rows are superseded: derived deletion vectors.
//!
//! Reads key columns only, plus row kinds of files with deletes and, where sequence numbers of files
//! interleave or the table orders its versions by columns of its own, sequence numbers and these columns. The result depends on the files alone,
//! which never change: it is kept by section ([`DerivedVectorCache`]).
//!
//! Reading order: here, `versions` (what is read of a batch), `by_run` with `walk` and `packed_key` (runs that
//! follow each other in time), `by_sequence` (all else).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::row::{RowConverter, SortField};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::TryStreamExt;
use roaring::RoaringBitmap;

use crate::derived_cache::{DerivedVectorCache, Hidden, SectionName};
use crate::error::{LakeError, Result};
use crate::file::LakeFile;
use crate::key::KeyEncoder;
use crate::merge_rules::MergeEngine;
use crate::options::LakeOptions;
use crate::options::storage::Storage;
use crate::scan::{MaskedFile, Scan, ScanRequest};
use crate::schema::{LakeSchema, TableKind, field_id, field_with_id};
use crate::section;
use versions::{Versions, Want, versions};

/// Field ids of Paimon's own columns in the files of primary-key tables.
const SEQUENCE_NUMBER: (&str, i32) = ("_SEQUENCE_NUMBER", i32::MAX - 1);
const VALUE_KIND: (&str, i32) = ("_VALUE_KIND", i32::MAX - 2);

/// Which rows of which file of one bucket are not the latest version of their key, or are deletes.
///
/// `files` are files of one bucket, in any order, with every section complete. The answer has one element
/// per file: `None` for a file that needs nothing. What is held in memory meanwhile is accounted to the
/// context's memory pool. Sections that its [`DerivedVectorCache`] holds are not read again.
///
/// # Errors
/// `Unsupported` for files whose versions are merged value by value; `Corrupt` for an incomplete section or two versions of a key with one sequence number; `FileGone`;
/// `Execution` when memory is exhausted or reading fails.
pub async fn derive_deletion_vectors(
    files: &[LakeFile],
    schema: &LakeSchema,
    lake: &Arc<LakeOptions>,
    context: &Arc<TaskContext>,
) -> Result<Vec<Option<Arc<RoaringBitmap>>>> {
    let mut sections: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (position, file) in files.iter().enumerate() {
        file.validate()?;
        if let Some(section) = &file.section {
            sections.entry(section.index).or_default().push(position);
        }
    }
    let mut result = vec![None; files.len()];
    for mut positions in sections.into_values() {
        positions.sort_by_key(|position| &files[*position].path);
        let members: Vec<&LakeFile> = positions.iter().map(|position| &files[*position]).collect();
        check_complete(&members, schema)?;
        if members.iter().all(|file| file.foreign.is_some()) {
            // their reader merges them
            positions.iter().for_each(|position| result[*position] = Some(Arc::default()));
            continue;
        }
        let resolver = Resolver::new(members, schema, lake, context)?;
        let hidden = match context.session_config().get_extension::<DerivedVectorCache>() {
            Some(cache) => cache.get(resolver.name()?, resolver.resolve()).await?,
            None => resolver.resolve().await?,
        };
        for (position, hidden) in positions.into_iter().zip(hidden.iter()) {
            result[position] = Some(Arc::clone(hidden));
        }
    }
    Ok(result)
}

fn check_complete(members: &[&LakeFile], schema: &LakeSchema) -> Result<()> {
    let whole = members.iter().all(|file| {
        file.section.as_ref().is_some_and(|section| section.files as usize == members.len())
    });
    if !whole || schema.kind == TableKind::Append {
        return Err(LakeError::corrupt("a section of overlapping files is not complete"));
    }
    match (schema.rules.engine, members) {
        (_, [] | [_]) | (MergeEngine::Deduplicate, _) => Ok(()),
        _ if members.iter().all(|file| file.foreign.is_some()) => Ok(()),
        (engine, [first, ..]) => Err(LakeError::unsupported(
            &first.path,
            format!(
                "option merge-engine = {:?} with files that overlap by key: they are read after a full \
                 compaction, or with deletion vectors",
                engine.name()
            ),
        )),
    }
}

/// What to do after a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Continue,
    /// The rest of the file changes nothing.
    Enough,
    /// The files are not what they were taken for.
    Stop,
}

/// Resolves one section.
struct Resolver<'a> {
    files: Vec<&'a LakeFile>,
    schema: &'a LakeSchema,
    lake: &'a Arc<LakeOptions>,
    context: &'a Arc<TaskContext>,
    encoder: KeyEncoder,
    key: Vec<Field>,
    /// Sequence fields of the table and their encoder.
    order: Vec<Field>,
    order_encoder: RowConverter,
    memory: MemoryReservation,
    hidden: Vec<RoaringBitmap>,
}

impl<'a> Resolver<'a> {
    fn new(
        files: Vec<&'a LakeFile>,
        schema: &'a LakeSchema,
        lake: &'a Arc<LakeOptions>,
        context: &'a Arc<TaskContext>,
    ) -> Result<Self> {
        let key = schema.merge_key();
        let key: Vec<Field> =
            key.iter().map(|column| schema.columns.field(*column).clone()).collect();
        let rules = &schema.rules;
        // versions of one key do not differ in key columns
        let order = rules.sequence.iter().filter(|column| !schema.primary_key.contains(column));
        let order: Vec<Field> = order.map(|column| schema.columns.field(*column).clone()).collect();
        // a null is the oldest value
        let options = SortOptions { descending: false, nulls_first: true };
        let sorted =
            |field: &Field| SortField::new_with_options(field.data_type().clone(), options);
        let order_encoder =
            RowConverter::new(order.iter().map(sorted).collect()).map_err(|error| {
                LakeError::unsupported("with this sequence.field", error.to_string())
            })?;
        Ok(Self {
            order,
            order_encoder,
            hidden: vec![RoaringBitmap::new(); files.len()],
            encoder: KeyEncoder::new(&key)?,
            memory: MemoryConsumer::new("lake keys").register(context.memory_pool()),
            files,
            schema,
            lake,
            context,
            key,
        })
    }

    /// What the answer follows from.
    fn name(&self) -> Result<SectionName> {
        let path = self.files.first().map_or(self.lake.root(), |file| &file.path);
        let typed = |field: &Field| (field_id(field), field.data_type().clone());
        Ok(SectionName {
            store: Storage::of(path, self.lake)?.url()?.as_str().to_owned(),
            engine: self.schema.rules.engine,
            ignore_delete: self.schema.rules.ignore_delete,
            key: self.key.iter().map(typed).collect(),
            order: self.order.iter().map(typed).collect(),
            files: self.files.iter().map(|file| (file.path.clone(), file.rows)).collect(),
        })
    }

    async fn resolve(mut self) -> Result<Hidden> {
        // at most a bit a row
        let bitmaps = MemoryConsumer::new("lake masks").register(self.context.memory_pool());
        bitmaps.try_grow(self.files.iter().map(|file| file.rows as usize).sum::<usize>() / 8)?;
        let by_time = self.order.is_empty() || self.files.len() == 1;
        match section::runs(&self.files).filter(|_| by_time) {
            Some(runs) => self.by_run(runs).await?,
            None => self.by_sequence().await?,
        }
        let compact = |mut hidden: RoaringBitmap| {
            hidden.optimize();
            Arc::new(hidden)
        };
        Ok(self.hidden.into_iter().map(compact).collect())
    }

    /// Whether a row is a delete that counts for nothing.
    fn is_ignored(&self, versions: &Versions<'_>, offset: usize) -> bool {
        self.schema.rules.ignore_delete
            && versions.kinds.is_some_and(|kinds| versions::is_delete(kinds[offset]))
    }

    /// Reads a file's rows in order: all of them, or until it is told otherwise.
    async fn read(
        &mut self,
        file: usize,
        want: Want,
        mut each: impl FnMut(&mut Self, &Versions<'_>) -> Result<Step>,
    ) -> Result<Step> {
        let plan = self.plan(self.files[file], want)?;
        let mut batches = plan.execute(0, Arc::clone(self.context))?;
        let mut first_row = 0u32;
        while let Some(batch) = batches.try_next().await? {
            let widths = (self.key.len(), self.order.len());
            let versions = versions(&batch, want, widths, first_row)?;
            match each(self, &versions)? {
                Step::Continue => {}
                end => return Ok(end),
            }
            let rows = u32::try_from(batch.num_rows()).ok();
            first_row = rows.and_then(|rows| first_row.checked_add(rows)).ok_or_else(|| {
                LakeError::corrupt(format!("file {:?} is too long", self.files[file].path))
            })?;
        }
        match u64::from(first_row) == self.files[file].rows {
            true => Ok(Step::Continue),
            false => Err(LakeError::corrupt(format!(
                "file {:?} holds {first_row} rows instead of {}",
                self.files[file].path, self.files[file].rows
            ))),
        }
    }

    /// A plain scan of one file: positions are physical, so its own deletion vector is left out.
    fn plan(
        &self,
        file: &LakeFile,
        want: Want,
    ) -> Result<Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
        let mut columns: Vec<Field> = if want.keys { self.key.clone() } else { Vec::new() };
        if want.sequences {
            columns.extend(self.order.iter().cloned());
        }
        if want.kinds {
            columns.push(field_with_id(VALUE_KIND.0, DataType::Int8, false, VALUE_KIND.1));
        }
        if want.sequences {
            let (name, id) = SEQUENCE_NUMBER;
            columns.push(field_with_id(name, DataType::Int64, false, id));
        }
        let mut bare = file.clone();
        bare.deletion_vector = None;
        bare.bounds.clear();
        let request = ScanRequest {
            lake: Arc::clone(self.lake),
            schema: self.schema.clone(),
            groups: vec![vec![MaskedFile { file: bare, hidden: None }]],
            projection: None,
            filter: None,
            filter_rows: false,
            limit: None,
        };
        // a sequence field may be younger than the file
        let optional = |field: &&Field| self.order.contains(field);
        let required = columns.iter().filter(|field| !optional(field)).filter_map(field_id);
        let required: HashSet<i32> = required.collect();
        let columns = Arc::new(Schema::new(columns));
        Scan { columns, required, in_order: true }.build(request, self.context)
    }
}

mod by_run;
mod by_sequence;
mod packed_key;
mod versions;
mod walk;

#[cfg(test)]
mod tests;
