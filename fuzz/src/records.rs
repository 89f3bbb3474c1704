//! Record batches that are made here: under right checksums, of types that nobody recorded.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, make_array, new_null_array};
use arrow::buffer::Buffer;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Schema};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::ipc::{CompressionType, MetadataVersion};
use fluss_scan::TableInfo;

type Result<T> = std::result::Result<T, arrow::error::ArrowError>;

/// Bytes before those that a batch's length counts.
const PREFIX: usize = 12;
/// Where the checksum is; it covers all that follows it.
const CHECKSUM: std::ops::Range<usize> = 21..25;

/// Puts the right checksum into each whole batch.
pub fn make_checksums_right(mut bytes: &mut [u8]) {
    while let Some(length) = bytes.get(8..PREFIX).and_then(|length| length.try_into().ok()) {
        let length = usize::try_from(i32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let end = PREFIX.saturating_add(length);
        if bytes.len() < end || end < CHECKSUM.end {
            return;
        }
        let (batch, rest) = bytes.split_at_mut(end);
        let checksum = crc32c::crc32c(&batch[CHECKSUM.end..]).to_le_bytes();
        batch[CHECKSUM].copy_from_slice(&checksum);
        bytes = rest;
    }
}

/// A batch of a log at offset 0 with a few rows in every column of a table, NULLs among them.
pub fn batch(table: &TableInfo, compression: Option<CompressionType>) -> Result<Vec<u8>> {
    let fields = table.schema.columns.iter().map(|c| c.arrow().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = schema.fields().iter().map(|field| {
        let values = make_array(values(field.data_type(), 3)?);
        concat(&[&values, &new_null_array(field.data_type(), 1) as &dyn Array])
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let rows = RecordBatch::try_new(schema, columns)?;
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?;
    let options = options.try_with_compression(compression)?;
    let (_, encoded) = IpcDataGenerator::default().encode(
        &rows,
        &mut DictionaryTracker::new(false),
        &options,
        &mut IpcWriteContext::default(),
    )?;
    let mut metadata = encoded.ipc_message;
    metadata.resize(metadata.len().next_multiple_of(8), 0);
    let count = rows.num_rows() as i32;
    // schema id, attributes (all are appended), last offset delta, writer, sequence, count
    let mut body = vec![1, 0, 1];
    body.extend((count - 1).to_le_bytes());
    body.extend([0; 12]);
    body.extend(count.to_le_bytes());
    body.extend([0xff; 4]);
    body.extend((metadata.len() as i32).to_le_bytes());
    body.extend(metadata);
    body.extend(encoded.arrow_data);
    let mut batch = vec![0; CHECKSUM.end];
    batch[8..PREFIX].copy_from_slice(&((CHECKSUM.end - PREFIX + body.len()) as i32).to_le_bytes());
    batch.extend(body);
    make_checksums_right(&mut batch);
    Ok(batch)
}

/// Some values of any type: small numbers, letters, lists of one.
fn values(data_type: &DataType, count: usize) -> Result<ArrayData> {
    let offsets = || Buffer::from_iter(0..=count as i32);
    let bytes = |width: usize| {
        let value = |i| std::iter::once(i as u8 + 1).chain(std::iter::repeat_n(0, width - 1));
        Buffer::from_iter((0..count).flat_map(value))
    };
    let letters = || Buffer::from_iter((0..count).map(|i| b'a' + i as u8));
    let builder = ArrayData::builder(data_type.clone()).len(count);
    match data_type {
        DataType::Boolean => builder.add_buffer(Buffer::from([0b101])),
        DataType::Utf8 | DataType::Binary => builder.add_buffer(offsets()).add_buffer(letters()),
        DataType::FixedSizeBinary(width) => builder.add_buffer(bytes(*width as usize)),
        DataType::List(inner) | DataType::Map(inner, _) => {
            builder.add_buffer(offsets()).add_child_data(values(inner.data_type(), count)?)
        }
        DataType::Struct(fields) => {
            let children = fields.iter().map(|field| values(field.data_type(), count));
            builder.child_data(children.collect::<Result<_>>()?)
        }
        other => builder.add_buffer(bytes(other.primitive_width().unwrap_or(1))),
    }
    .build()
}
