//! What manifests say of the columns of a file, by the columns that the table has now.
//!
//! As Paimon shows it: a column that is younger than the file is NULL in all of its rows, a value of an older type is
//! that of the present type, and what a writer did not count or bound is `null`. Values are shown as in answers, where Paimon shows the numbers that stand for
//! dates and times.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use paimon::spec::{DataField, DataFileMeta, Datum, TableSchema};

use super::shown_value;
use crate::bounds;
use crate::catalog::LakeTable;
use crate::error::{LakeError, Result};
use crate::live::Change;
use crate::schema::LakeSchema;

/// Statistics of the files of a table.
pub(super) struct Statistics<'t> {
    table: &'t LakeTable,
    /// Each schema that a file was written with, and its columns in the engine's types.
    schemas: HashMap<i64, (Arc<TableSchema>, LakeSchema)>,
}

impl<'t> Statistics<'t> {
    /// Reads the schemas of the files.
    pub(super) async fn of(table: &'t LakeTable, files: &[Change]) -> Result<Self> {
        let mut schemas = HashMap::new();
        for id in files.iter().map(|change| change.entry.file().schema_id) {
            if schemas.contains_key(&id) {
                continue;
            }
            let read = table.table.schema_manager().schema(id).await;
            let schema = read.map_err(|error| LakeError::from_paimon(error, &table.name, None))?;
            let columns = LakeSchema::of(&table.name, &schema, table.schema.kind)?;
            schemas.insert(id, (schema, columns));
        }
        Ok(Self { table, schemas })
    }

    /// NULLs by column.
    pub(super) fn nulls(&self, meta: &DataFileMeta) -> Result<String> {
        self.by_column(meta, |of| {
            let Some(of) = of else {
                return Ok(Some(meta.row_count.to_string()));
            };
            let counts = meta.value_stats.null_counts();
            let count = of.place(meta).and_then(|place| counts.get(place).copied().flatten());
            Ok(count.map(|count| count.to_string()))
        })
    }

    /// Smallest values by column; those of texts may be cut.
    pub(super) fn smallest(&self, meta: &DataFileMeta) -> Result<String> {
        self.bounds(meta, |stats| stats.0)
    }

    /// Largest values by column.
    pub(super) fn largest(&self, meta: &DataFileMeta) -> Result<String> {
        self.bounds(meta, |stats| stats.1)
    }

    fn bounds(
        &self,
        meta: &DataFileMeta,
        side: impl Fn((Option<Datum>, Option<Datum>)) -> Option<Datum>,
    ) -> Result<String> {
        self.by_column(meta, |of| {
            let Some(of) = of else { return Ok(None) };
            let (schema, field) = (of.schema, of.field);
            let stats = meta.value_stats_for_field(schema.id(), schema.fields(), field);
            let Some(value) = stats.and_then(|stats| side((stats.min_value, stats.max_value)))
            else {
                return Ok(None);
            };
            let value = bounds::scalar(Some(value), of.written)?;
            Ok(Some(shown_value(&value.cast_to(of.now)?)?))
        })
    }

    /// `{a=…, b=…}`, sorted by name as Paimon does. `tell` is given where a column is in the file, or nothing for one
    /// that is younger.
    fn by_column(
        &self,
        meta: &DataFileMeta,
        tell: impl Fn(Option<InFile<'_>>) -> Result<Option<String>>,
    ) -> Result<String> {
        let (schema, columns) = self.schemas.get(&meta.schema_id).ok_or_else(|| {
            LakeError::corrupt(format!("schema {} of {:?}", meta.schema_id, meta.file_name))
        })?;
        let mut told = BTreeMap::new();
        let now = self.table.table.schema().fields().iter();
        for (position, field) in now.enumerate() {
            let written = schema.fields().iter().position(|old| old.id() == field.id());
            let in_file = written.map(|old| InFile {
                schema,
                field: &schema.fields()[old],
                position: old,
                written: columns.columns.field(old).data_type(),
                now: self.table.schema.columns.field(position).data_type(),
            });
            let value = tell(in_file)?.unwrap_or_else(|| "null".into());
            told.insert(field.name(), value);
        }
        let told = told.into_iter().map(|(name, value)| format!("{name}={value}"));
        Ok(format!("{{{}}}", told.collect::<Vec<_>>().join(", ")))
    }
}

/// A column of the table as a file has it.
struct InFile<'s> {
    schema: &'s TableSchema,
    field: &'s DataField,
    position: usize,
    written: &'s arrow::datatypes::DataType,
    now: &'s arrow::datatypes::DataType,
}

impl InFile<'_> {
    /// Where the statistics of a file have it.
    fn place(&self, meta: &DataFileMeta) -> Option<usize> {
        match meta.value_stats_cols.as_ref().or(meta.write_cols.as_ref()) {
            Some(names) => names.iter().position(|name| name == self.field.name()),
            None => Some(self.position),
        }
    }
}
