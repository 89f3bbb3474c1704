//! Batches of an older Arrow → batches of ours, in the types of the table.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Field, Fields, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow_array_58::RecordBatch as Foreign;
use arrow_ipc_58::writer::StreamWriter;

/// The same rows with the columns of `output`, found by name. They cross as an IPC stream of one message.
pub(super) fn over(batch: &Foreign, output: &SchemaRef) -> Result<RecordBatch, String> {
    let text = |error: ArrowError| error.to_string();
    let bytes = encode(batch)?;
    let mut messages = StreamReader::try_new(Cursor::new(bytes), None).map_err(text)?;
    let crossed = messages.next().ok_or("no message")?.map_err(text)?;
    let columns = output.fields().iter().map(|field| {
        let column = crossed.column_by_name(field.name());
        let column = column.ok_or_else(|| format!("no column {:?}", field.name()))?;
        if column.null_count() > 0 && !field.is_nullable() {
            return Err(format!("NULL in column {:?}", field.name()));
        }
        shape(column, field).map_err(text)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let count = RecordBatchOptions::new().with_row_count(Some(crossed.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(output), columns, &count).map_err(text)
}

fn encode(batch: &Foreign) -> Result<Vec<u8>, String> {
    let mut writer =
        StreamWriter::try_new(Vec::new(), &batch.schema()).map_err(|e| e.to_string())?;
    writer.write(batch).map_err(|e| e.to_string())?;
    writer.into_inner().map_err(|e| e.to_string())
}

/// The column in the type of the table. Both have the same schema: children go by position.
fn shape(array: &ArrayRef, to: &Field) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to.data_type() {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to.data_type()) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let of = array.as_struct();
            let columns = shape_all(of.columns(), fields)?;
            let nulls = of.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                nulls,
                of.len(),
            )?))
        }
        (DataType::List(_), DataType::List(child)) => {
            let of = array.as_list::<i32>();
            let (offsets, nulls) = (of.offsets().clone(), of.nulls().cloned());
            let values = shape(of.values(), child)?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(child), offsets, values, nulls)?))
        }
        (DataType::Map(..), DataType::Map(child, sorted)) => {
            let (of, DataType::Struct(fields)) = (array.as_map(), child.data_type()) else {
                return Err(ArrowError::SchemaError("malformed map".into()));
            };
            let columns = shape_all(of.entries().columns(), fields)?;
            let entries = StructArray::try_new(fields.clone(), columns, None)?;
            let (offsets, nulls) = (of.offsets().clone(), of.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(child), offsets, entries, nulls, *sorted)?))
        }
        (
            DataType::Timestamp(TimeUnit::Nanosecond, _),
            DataType::Timestamp(TimeUnit::Microsecond, zone),
        ) => {
            // cut off, before 1970 too
            let of = array.as_primitive::<TimestampNanosecondType>();
            let cut = of.unary::<_, TimestampMicrosecondType>(|time| time.div_euclid(1000));
            Ok(Arc::new(cut.with_timezone_opt(zone.clone())))
        }
        _ => {
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(array, to.data_type(), &strict)
        }
    }
}

fn shape_all(columns: &[ArrayRef], fields: &Fields) -> Result<Vec<ArrayRef>, ArrowError> {
    if columns.len() != fields.len() {
        return Err(ArrowError::SchemaError(format!(
            "{} fields, not {}",
            columns.len(),
            fields.len()
        )));
    }
    columns.iter().zip(fields).map(|(column, field)| shape(column, field)).collect()
}
