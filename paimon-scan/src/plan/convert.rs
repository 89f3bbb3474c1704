//! What manifests say of files and partitions, as the engine's values.

use std::collections::HashMap;

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use paimon::spec::{BinaryRow, DataFileMeta};

use crate::bounds;
use crate::catalog::LakeTable;
use crate::error::{LakeError, Result};
use crate::file::{KeyRange, LakeFile};
use crate::foreign;
use crate::key::KeyEncoder;
use crate::schema::TableKind;
use crate::written_names::FieldName;

/// Names of columns, by earlier schemas in which they were called otherwise.
pub(super) type StaleNames = HashMap<i64, Vec<FieldName>>;

impl LakeTable {
    /// What a manifest says of a file, without deletion vector and section.
    pub(super) fn file(
        &self,
        path: String,
        meta: &DataFileMeta,
        place: &foreign::Place<'_>,
        stale: &StaleNames,
    ) -> Result<LakeFile> {
        let refuse = |what: String| LakeError::unsupported(&self.name, what);
        if !foreign::is_known(&path) {
            return Err(refuse(format!("data file {path:?} is not Parquet, ORC or Avro")));
        }
        if meta.first_row_id.is_some() || meta.write_cols.is_some() {
            return Err(refuse(format!("data file {path:?} holds a part of the columns")));
        }
        if meta.level == 0 && self.schema.kind == TableKind::DeletionVectors {
            return Err(refuse(format!("data file {path:?} is not covered by deletion vectors")));
        }
        let count = |value: i64, what: &str| {
            let wrong = |_| LakeError::corrupt(format!("{what} of {path:?} is {value}"));
            u64::try_from(value).map_err(wrong)
        };
        let file = LakeFile {
            size: count(meta.file_size, "size")?,
            rows: count(meta.row_count, "row count")?,
            schema_id: meta.schema_id,
            level: meta.level,
            min_sequence: meta.min_sequence_number,
            max_sequence: meta.max_sequence_number,
            delete_rows: match (self.schema.kind, meta.delete_row_count) {
                (TableKind::Append, _) => Some(0),
                // pypaimon counts none where there are some; Java's reader goes by counts above level 0 alone
                _ if meta.level == 0 => None,
                (_, Some(deletes)) => Some(count(deletes, "delete count")?),
                (_, None) => None,
            },
            key_range: self.key_range(meta)?,
            deletion_vector: None,
            section: None,
            slice: None,
            names: stale.get(&meta.schema_id).cloned().unwrap_or_default(),
            foreign: place.part(&self.table, &self.schema, &path, meta)?,
            bounds: bounds::of_file(meta, self.table.schema(), &self.schema),
            path,
        };
        file.validate()?;
        Ok(file)
    }

    pub(crate) fn partition(&self, row: &BinaryRow) -> Result<Vec<ScalarValue>> {
        self.values(row, &self.schema.partition_key)
    }

    /// Decodes a row of Paimon's metadata whose fields are these columns of the table.
    pub(crate) fn values(&self, row: &BinaryRow, columns: &[usize]) -> Result<Vec<ScalarValue>> {
        if usize::try_from(row.arity()).ok() != Some(columns.len()) {
            let (have, want) = (row.arity(), columns.len());
            return Err(LakeError::corrupt(format!("row of {have} values in place of {want}")));
        }
        let value = |(position, column): (usize, &usize)| {
            let paimon = self.table.schema().fields()[*column].data_type();
            let datum = row.get_datum(position, paimon).map_err(|error| self.error(error, None))?;
            bounds::scalar(datum, self.schema.columns.field(*column).data_type())
        };
        columns.iter().enumerate().map(value).collect()
    }

    /// The encoded key range of a file. Floats have none: NaN has no place in Paimon's order, so their
    /// bounds bound nothing.
    fn key_range(&self, meta: &DataFileMeta) -> Result<Option<KeyRange>> {
        let key = self.schema.merge_key();
        let fields = || key.iter().map(|column| self.schema.columns.field(*column));
        if key.is_empty() || fields().any(|field| field.data_type().is_floating()) {
            return Ok(None);
        }
        let encoder = KeyEncoder::new(fields())?;
        let encode = |bytes: &[u8]| -> Result<Vec<u8>> {
            let row =
                BinaryRow::from_serialized_bytes(bytes).map_err(|error| self.error(error, None))?;
            let values = self.values(&row, &key)?;
            let columns: Vec<ArrayRef> =
                values.iter().map(ScalarValue::to_array).collect::<Result<_, _>>()?;
            Ok(encoder.encode(&columns)?.row(0).as_ref().to_vec())
        };
        Ok(Some(KeyRange { min: encode(&meta.min_key)?, max: encode(&meta.max_key)? }))
    }
}
