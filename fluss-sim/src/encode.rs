//! The bytes of record batches.

use arrow::array::RecordBatch;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use arrow::ipc::{CompressionType, MetadataVersion};
use bytes::{BufMut, Bytes, BytesMut};

use crate::Result;
use crate::batch::StoredBatch;

/// Bytes before those that the checksum covers: base offset, length, magic, commit time, checksum.
const CHECKED_FROM: usize = 8 + 4 + 1 + 8 + 4;
const APPEND_ONLY: u8 = 1;
/// Buffers begin at multiples of this, as the servers' own do.
const ALIGNMENT: usize = 8;
/// Writers that keep no sequence.
const NO_WRITER: i64 = -1;

/// The compression of a table's log by the value of its option; ZSTD where there is none.
pub(crate) fn compression(option: &str) -> Option<CompressionType> {
    match option.to_ascii_uppercase().as_str() {
        "NONE" => None,
        "LZ4_FRAME" => Some(CompressionType::LZ4_FRAME),
        _ => Some(CompressionType::ZSTD),
    }
}

/// A whole batch with a right checksum.
pub(crate) fn whole(batch: &StoredBatch, compression: Option<CompressionType>) -> Result<Bytes> {
    let mut bytes = encode(batch, batch.rows.as_ref(), compression)?;
    let checksum = crc32c::crc32c(&bytes[CHECKED_FROM..]);
    bytes[CHECKED_FROM - 4..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes.freeze())
}

/// A batch cut to some of its columns. It keeps the checksum of the whole one, as servers do.
pub(crate) fn projected(
    batch: &StoredBatch,
    columns: &[usize],
    compression: Option<CompressionType>,
) -> Result<Bytes> {
    let Some(rows) = &batch.rows else { return Ok(batch.bytes.clone()) };
    let mut bytes = encode(batch, Some(&rows.project(columns)?), compression)?;
    let checksum = CHECKED_FROM - 4..CHECKED_FROM;
    bytes[checksum.clone()].copy_from_slice(&batch.bytes[checksum]);
    Ok(bytes.freeze())
}

fn encode(
    batch: &StoredBatch,
    rows: Option<&RecordBatch>,
    compression: Option<CompressionType>,
) -> Result<BytesMut> {
    let mut rest = BytesMut::new();
    rest.put_u8(u8::from(batch.statistics.is_some()));
    rest.put_i64_le(batch.timestamp);
    rest.put_u32_le(0);
    rest.put_i16_le(narrow(batch.schema_id));
    rest.put_u8(if batch.kinds.is_none() { APPEND_ONLY } else { 0 });
    rest.put_i32_le(narrow(batch.count.max(1) - 1));
    rest.put_i64_le(NO_WRITER);
    rest.put_i32_le(-1);
    rest.put_i32_le(narrow(batch.count));
    if let Some(statistics) = &batch.statistics {
        let block = statistics.bytes();
        rest.put_i32_le(narrow(block.len()));
        rest.put_slice(&block);
    }
    if let Some(rows) = rows {
        rest.put_slice(batch.kinds.as_deref().unwrap_or_default());
        rest.put_slice(&message(rows, compression)?);
    }
    let mut bytes = BytesMut::with_capacity(12 + rest.len());
    bytes.put_i64_le(batch.base);
    bytes.put_i32_le(narrow(rest.len()));
    bytes.unsplit(rest);
    Ok(bytes)
}

/// Numbers of this simulation are small.
fn narrow<T, N: TryFrom<T> + Default>(number: T) -> N {
    N::try_from(number).unwrap_or_default()
}

/// An encapsulated Arrow message, without its schema.
fn message(rows: &RecordBatch, compression: Option<CompressionType>) -> Result<Vec<u8>> {
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
    let options = options.try_with_compression(compression)?;
    let mut dictionaries = DictionaryTracker::new(false);
    let (_, encoded) = IpcDataGenerator::default().encode(
        rows,
        &mut dictionaries,
        &options,
        &mut Default::default(),
    )?;
    let mut bytes = vec![];
    write_message(&mut bytes, encoded, &options)?;
    Ok(bytes)
}

/// Rows of a state: `length i32 | magic u8 0 | count i32 | count × [length i32 | schema id i16 | row]`.
pub(crate) fn value_batch<'a>(values: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut rows = BytesMut::new();
    let mut count = 0i32;
    for value in values {
        rows.put_i32_le(narrow(value.len()));
        rows.put_slice(value);
        count += 1;
    }
    let mut bytes = BytesMut::with_capacity(9 + rows.len());
    bytes.put_i32_le(narrow(5 + rows.len()));
    bytes.put_u8(0);
    bytes.put_i32_le(count);
    bytes.unsplit(rows);
    bytes.freeze()
}
