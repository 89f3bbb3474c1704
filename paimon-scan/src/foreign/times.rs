//! Times with nanoseconds that the other reader would show as others.
//!
//! It reads those of Parquet files as 64-bit nanoseconds, which end in 1677 and 2262 and wrap silently beyond. So these columns
//! are read here first; a file with such a time is refused.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::{max, min};
use arrow::datatypes::{Field, Schema, TimestampMicrosecondType};
use datafusion::execution::TaskContext;
use futures::TryStreamExt;
use paimon::spec::TableSchema;

use super::is_parquet;
use crate::error::{LakeError, Result};
use crate::file::LakeFile;
use crate::options::LakeOptions;
use crate::scan::{MaskedFile, Scan, ScanRequest};
use crate::schema::{LakeSchema, loses_digits};

/// Microseconds of the last time that fits into 64 bits of nanoseconds; the first one is its negative.
const LAST: i64 = i64::MAX / 1000;

/// Refuses files with times that would not come out right.
pub(super) async fn check(
    files: &[LakeFile],
    table: &TableSchema,
    schema: &LakeSchema,
    lake: &Arc<LakeOptions>,
    context: &Arc<TaskContext>,
) -> Result<()> {
    let fine = table.fields().iter().filter(|field| loses_digits(field.data_type()));
    let columns: Vec<Field> = fine
        .filter_map(|field| schema.columns.field_with_name(field.name()).ok())
        .cloned()
        .collect();
    if columns.is_empty() {
        return Ok(());
    }
    let columns = Arc::new(Schema::new(columns));
    for file in files.iter().filter(|file| is_parquet(&file.path)) {
        let mut bare = file.clone();
        bare.deletion_vector = None;
        bare.bounds.clear();
        let request = ScanRequest {
            lake: Arc::clone(lake),
            schema: schema.clone(),
            groups: vec![vec![MaskedFile { file: bare, hidden: None }]],
            projection: None,
            filter: None,
            filter_rows: false,
            limit: None,
        };
        let columns = Arc::clone(&columns);
        let scan = Scan { columns, required: HashSet::new(), in_order: false };
        let mut batches = scan.build(request, context)?.execute(0, Arc::clone(context))?;
        while let Some(batch) = batches.try_next().await? {
            for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
                let times =
                    column.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| {
                        LakeError::corrupt(format!("column {:?} is no timestamp", field.name()))
                    })?;
                if min(times).is_some_and(|first| first <= -LAST)
                    || max(times).is_some_and(|last| last >= LAST)
                {
                    let what = format!("column {:?} with a time beyond 1677 to 2262", field.name());
                    return Err(LakeError::unsupported(&file.path, what));
                }
            }
        }
    }
    Ok(())
}
