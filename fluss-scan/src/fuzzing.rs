//! Decoders over bytes, for the fuzz targets: no interface of this crate. What else they need is public.

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::{ChangeTypes, Result, Schema, TableInfo};

/// Decodes the batches of a log in the format of this name, which hold the columns `sent` (`None`: all of the schema): the
/// `kept` ones.
pub fn log_batches(
    records: &Bytes,
    schema: &Schema,
    format: &str,
    sent: Option<&[usize]>,
    kept: &[usize],
) -> Result<Vec<(RecordBatch, ChangeTypes)>> {
    crate::log::decode_each(records, schema, format, sent, kept)
}

/// Decodes a value batch in the table's present schema.
pub fn kv_values(bytes: &[u8], table: &TableInfo, projection: &[usize]) -> Result<RecordBatch> {
    crate::kv::decode_state(bytes, table, projection)
}
