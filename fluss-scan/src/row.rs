//! Rows in Fluss's binary formats → Arrow columns, without a row object in between.
//!
//! * [`source`]: the values of a row in their order, for each format
//! * [`array`]: the elements of arrays and maps, which are the same in all formats
//! * [`scalar`]: what is stored → what Arrow has
//! * [`builder`]: the values of one column, and of what is nested in it
//!
//! Both formats begin with one null bit per column (bit *i* of byte *i*/8), and a value that is NULL takes no
//! further bytes. Little endian throughout, but for DECIMAL.

mod array;
mod builder;
mod scalar;
mod source;

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Field;

use crate::{Column, Error, FlussType, Result, Schema};
use builder::Builder;
use source::{Compacted, Indexed, Shape, Source, is_null, skip};

/// How the values of a row are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// Whole numbers and lengths take as few bytes as they need (Fluss's `CompactedRow`).
    Compacted,
    /// The lengths of all columns of variable length come first (Fluss's `IndexedRow`).
    Indexed,
}

impl RowFormat {
    /// The format by its name in a table's properties.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "COMPACTED" => Some(Self::Compacted),
            "INDEXED" => Some(Self::Indexed),
            _ => None,
        }
    }
}

/// Builds columns from rows of any schema of one table.
pub(crate) struct Decoder {
    format: RowFormat,
    columns: Vec<Column>,
    builders: Vec<Builder>,
    /// One per schema that rows were written with: few.
    plans: Vec<Plan>,
    rows: usize,
}

/// How the rows of one schema are read.
struct Plan {
    schema_id: i32,
    shape: Shape,
    /// For each column of the schema the builder that wants it.
    targets: Vec<Option<usize>>,
    /// Builders of columns that the schema does not have.
    absent: Vec<usize>,
}

impl Decoder {
    /// A decoder of these columns; rows are matched with them by the columns' ids.
    pub(crate) fn new(format: RowFormat, columns: Vec<Column>) -> Result<Self> {
        let builders = columns.iter().map(|c| Builder::new(&c.data_type)).collect::<Result<_>>()?;
        Ok(Self { format, columns, builders, plans: vec![], rows: 0 })
    }

    /// Adds one row that was written with `schema`.
    ///
    /// # Errors
    /// `Corrupt` for bytes that are no such row, `TooLarge`, `Unsupported` for a column that changed its type.
    /// The decoder is of no use afterwards.
    pub(crate) fn add(&mut self, schema: &Schema, schema_id: i32, row: &[u8]) -> Result<()> {
        let plan = match self.plans.iter().position(|plan| plan.schema_id == schema_id) {
            Some(known) => known,
            None => {
                self.plans.push(Plan::new(&self.columns, schema, schema_id)?);
                self.plans.len() - 1
            }
        };
        let plan = &self.plans[plan];
        match self.format {
            RowFormat::Compacted => {
                let (nulls, source) = Compacted::open(row, &plan.shape)?;
                plan.read(self.format, nulls, source, &mut self.builders)?;
            }
            RowFormat::Indexed => {
                let (nulls, source) = Indexed::open(row, &plan.shape)?;
                plan.read(self.format, nulls, source, &mut self.builders)?;
            }
        }
        for absent in &plan.absent {
            self.builders[*absent].append_null()?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The columns of all rows that were added.
    pub(crate) fn finish(self) -> Result<RecordBatch> {
        let fields: Vec<Field> =
            self.columns.iter().map(|c| c.arrow().with_nullable(true)).collect();
        let arrays = self.builders.into_iter().zip(&fields);
        let arrays = arrays.map(|(builder, field)| builder.finish(field.data_type()));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(schema, arrays, &rows)
            .map_err(|e| Error::corrupt(e.to_string()))
    }
}

impl Plan {
    fn new(wanted: &[Column], schema: &Schema, schema_id: i32) -> Result<Self> {
        let target = |column: &Column| {
            let Some(target) = wanted.iter().position(|wanted| wanted.id == column.id) else {
                return Ok(None);
            };
            if wanted[target].data_type.is_written_as(&column.data_type) {
                return Ok(Some(target));
            }
            // even another precision means other numbers in the same bytes
            let (name, from, to) = (&column.name, &column.data_type, &wanted[target].data_type);
            Err(Error::Unsupported(format!("column '{name}' changed its type from {from} to {to}")))
        };
        let targets: Vec<_> = schema.columns.iter().map(target).collect::<Result<_>>()?;
        let absent = (0..wanted.len()).filter(|wanted| !targets.contains(&Some(*wanted)));
        let absent = absent.collect();
        let types: Vec<FlussType> = schema.columns.iter().map(|c| c.data_type.clone()).collect();
        Ok(Self { schema_id, shape: Shape::new(types), targets, absent })
    }

    fn read<'a>(
        &self,
        format: RowFormat,
        nulls: &[u8],
        mut source: impl Source<'a>,
        builders: &mut [Builder],
    ) -> Result<()> {
        for (i, (data_type, target)) in self.shape.types.iter().zip(&self.targets).enumerate() {
            match target {
                Some(target) if is_null(nulls, i) => builders[*target].append_null()?,
                Some(target) => builders[*target].append(&mut source, format)?,
                None if is_null(nulls, i) => {}
                None => skip(&mut source, data_type)?,
            }
        }
        source.end()
    }
}
