//! Checks an Arrow record batch before Arrow's reader sees it.
//!
//! The reader slices buffers without asking whether they exist, believes announced lengths when it allocates,
//! and asserts that a null bitmap is long enough. What it checks itself (offsets, text, sizes of values) is
//! left to it.

use arrow::datatypes::{DataType, Field, Fields};
use arrow::ipc::{Buffer, FieldNode, RecordBatch};

use super::batch::ROWS_MAX;
use crate::cursor::Cursor;
use crate::{Error, Result};

/// Bytes that one batch may decompress to.
const DECOMPRESSED_MAX: usize = 1 << 30;

/// Refuses a record batch of `rows` rows that does not have what its columns need. The lengths of its buffers once they
/// are decompressed; none for those of columns that are not at the `kept` positions.
pub(super) fn check(
    batch: &RecordBatch<'_>,
    body: &[u8],
    columns: &Fields,
    kept: &[usize],
    rows: usize,
) -> Result<Vec<Option<usize>>> {
    // only types that Fluss does not have need them
    if batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
        return Err(Error::corrupt("an Arrow batch with variadic buffers"));
    }
    let nodes: Vec<&FieldNode> = batch.nodes().into_iter().flatten().collect();
    let buffers: Vec<&Buffer> = batch.buffers().into_iter().flatten().collect();
    let is_compressed = batch.compression().is_some();
    let mut decompressed = 0usize;
    let mut lengths = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let length = length(buffer, body, is_compressed)?;
        decompressed = decompressed.saturating_add(length);
        lengths.push(length);
    }
    if decompressed > DECOMPRESSED_MAX {
        return Err(Error::TooLarge(format!("a batch that decompresses to {decompressed} bytes")));
    }
    let mut wanted: Vec<Option<usize>> = lengths.iter().copied().map(Some).collect();
    let mut walk = Walk { nodes: nodes.into_iter(), lengths: lengths.into_iter() };
    for (position, column) in columns.iter().enumerate() {
        let from = wanted.len() - walk.lengths.len();
        walk.field(column, Some(rows))?;
        let until = wanted.len() - walk.lengths.len();
        if !kept.contains(&position) {
            wanted[from..until].fill(None);
        }
    }
    Ok(wanted)
}

/// The length of a buffer once it is decompressed.
fn length(buffer: &Buffer, body: &[u8], is_compressed: bool) -> Result<usize> {
    let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
    let bytes = range.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
    let bytes = bytes.ok_or_else(|| Error::corrupt("an Arrow buffer outside of its batch"))?;
    if !is_compressed || bytes.is_empty() {
        return Ok(bytes.len());
    }
    let mut cursor = Cursor::new(bytes);
    match cursor.i64()? {
        // this one was not worth compressing
        -1 => Ok(cursor.remaining()),
        announced => usize::try_from(announced)
            .map_err(|_| Error::corrupt(format!("an Arrow buffer of {announced} bytes"))),
    }
}

/// Nodes and buffers in the order of the columns, depth first.
struct Walk<'a> {
    nodes: std::vec::IntoIter<&'a FieldNode>,
    lengths: std::vec::IntoIter<usize>,
}

impl Walk<'_> {
    /// A field and the fields in it; `rows` where it is known how many values it has.
    fn field(&mut self, field: &Field, rows: Option<usize>) -> Result<()> {
        let wrong = |what: &str| Error::corrupt(format!("Arrow column '{}': {what}", field.name()));
        let node = self.nodes.next().ok_or_else(|| wrong("is missing"))?;
        let length = usize::try_from(node.length()).ok().filter(|length| *length <= ROWS_MAX);
        let length = length.ok_or_else(|| wrong("a length out of bounds"))?;
        if rows.is_some_and(|rows| rows != length) {
            return Err(wrong("another length than its batch"));
        }
        let nulls = usize::try_from(node.null_count()).ok().filter(|nulls| *nulls <= length);
        let nulls = nulls.ok_or_else(|| wrong("more nulls than values"))?;
        let bitmap = self.lengths.next().ok_or_else(|| wrong("no null bitmap"))?;
        if nulls > 0 && bitmap < length.div_ceil(8) {
            return Err(wrong("a null bitmap that is too short"));
        }
        // buffers behind the bitmap: of offsets, of values
        let (offsets, values) = match field.data_type() {
            DataType::Struct(_) => (0, 0),
            DataType::Utf8 | DataType::Binary => (1, 1),
            DataType::List(_) | DataType::Map(..) => (1, 0),
            _ => (0, 1),
        };
        for buffer in 0..offsets + values {
            let length = self.lengths.next().ok_or_else(|| wrong("a buffer is missing"))?;
            if buffer < offsets && length % size_of::<i32>() != 0 {
                return Err(wrong("a part of an offset"));
            }
        }
        match field.data_type() {
            DataType::List(inner) | DataType::Map(inner, _) => self.field(inner, None),
            DataType::Struct(inner) => {
                inner.iter().try_for_each(|inner| self.field(inner, Some(length)))
            }
            _ => Ok(()),
        }
    }
}
