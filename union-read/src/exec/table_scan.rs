//! What a leaf reads of each bucket, the same for all buckets of its table.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use fluss_scan::{TableInfo, TablePath};
use paimon_scan::{Analyzed, LakeOptions, LakeSchema};

use crate::columns::Columns;
use crate::read_point::ReadPoint;
use crate::source::Source;
use crate::{Error, ReadMode, ReadPath, Result};

/// The lake of a table at the snapshot of a read point.
#[derive(Debug, Clone)]
pub struct LakeSide {
    /// Where it is.
    pub options: Arc<LakeOptions>,
    /// Its columns.
    pub schema: LakeSchema,
    /// The snapshot; `None` for a table that never had one.
    pub snapshot_id: Option<i64>,
    /// What ANALYZE left there; known where the plan is made.
    pub analyzed: Option<Analyzed>,
}

/// The Fluss table that a scan reads the log of.
#[derive(Debug, Clone)]
pub struct StreamSide {
    /// The Fluss cluster.
    pub source: Source,
    /// The table in Fluss.
    pub info: TableInfo,
}

/// How one table is read, the same for all of its buckets.
#[derive(Debug, Clone)]
pub struct TableScan {
    /// The table's name.
    pub path: TablePath,
    /// The table in Fluss; absent in a catalog of the lake alone.
    pub stream: Option<StreamSide>,
    /// Its lake; absent while nothing is readable there.
    pub lake: Option<LakeSide>,
    /// Union, lake or real time.
    pub mode: ReadMode,
    /// The table's columns.
    pub columns: Columns,
    /// Positions of the columns that are asked for.
    pub projection: Vec<usize>,
    /// No partition needs to deliver more rows than this.
    pub limit: Option<usize>,
    /// The schema of the output: the projected columns.
    output: SchemaRef,
}

impl TableScan {
    /// A scan of the projected columns of a table at its read point.
    pub async fn new(
        point: &ReadPoint,
        (mode, path): (ReadMode, ReadPath),
        projection: Vec<usize>,
        limit: Option<usize>,
    ) -> Result<Self> {
        let lake = point.lake_for(mode, path).await?;
        let lake = lake.map(|cut| LakeSide {
            options: Arc::clone(&cut.options),
            schema: cut.plan.schema.clone(),
            snapshot_id: Some(cut.snapshot_id),
            analyzed: cut.plan.analyzed.clone(),
        });
        let name = point.info.path.clone();
        let stream = StreamSide { source: point.source().clone(), info: point.info.clone() };
        Self::assemble(name, Some(stream), lake, mode, point.columns.clone())
            .with(projection, limit)
    }

    /// A scan of all columns.
    pub(crate) fn assemble(
        path: TablePath,
        stream: Option<StreamSide>,
        lake: Option<LakeSide>,
        mode: ReadMode,
        columns: Columns,
    ) -> Self {
        let output = Arc::clone(&columns.schema);
        let projection = (0..output.fields().len()).collect();
        Self { path, stream, lake, mode, columns, projection, limit: None, output }
    }

    /// The scan with a projection and a limit; an error for columns that do not exist.
    pub(crate) fn with(mut self, projection: Vec<usize>, limit: Option<usize>) -> Result<Self> {
        let columns = self.columns.schema.fields().len();
        if projection.iter().any(|position| *position >= columns) {
            return Err(Error::Corrupt("a union read asks for columns that do not exist".into()));
        }
        self.output = self.schema_of(&projection);
        (self.projection, self.limit) = (projection, limit);
        Ok(self)
    }

    /// The columns of the output.
    pub fn output_schema(&self) -> &SchemaRef {
        &self.output
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.path.table
    }

    /// Whether rows have a key that later rows replace.
    pub fn has_primary_key(&self) -> bool {
        self.columns.has_primary_key()
    }

    pub(super) fn schema_of(&self, columns: &[usize]) -> SchemaRef {
        let field = |position: &usize| self.columns.schema.field(*position).clone();
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// The columns that are read: those asked for and, where a tail decides, the key; ascending, as
    /// Fluss wants projections. Never empty: rows are counted by a column.
    pub(super) fn read_columns(&self, with_keys: bool) -> Vec<usize> {
        let mut columns = self.projection.clone();
        if with_keys {
            columns.extend(&self.columns.keys);
        }
        columns.sort_unstable();
        columns.dedup();
        if columns.is_empty() {
            columns.push(self.narrowest_column());
        }
        columns
    }

    fn narrowest_column(&self) -> usize {
        let width = |t: &DataType| t.primitive_width().unwrap_or(usize::MAX);
        let fields = self.columns.schema.fields().iter().enumerate();
        fields.min_by_key(|(_, field)| width(field.data_type())).map_or(0, |(position, _)| position)
    }
}

impl fmt::Display for TableScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table={}, mode={}, snapshot=", self.path, self.mode)?;
        match &self.lake {
            Some(LakeSide { snapshot_id: Some(id), .. }) => write!(f, "{id}")?,
            Some(_) | None => f.write_str("none")?,
        }
        let names: Vec<&str> =
            self.output.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", columns=[{}]", names.join(", "))?;
        match self.limit {
            Some(limit) => write!(f, ", limit={limit}"),
            None => Ok(()),
        }
    }
}
