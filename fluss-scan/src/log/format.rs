//! The formats of a log's records.
//!
//! ARROW: the records of a batch are columns. INDEXED and COMPACTED: they are rows, each behind its length and its
//! change type (Fluss's `IndexedLogRecord`, `CompactedLogRecord`): `length i32 | change type u8 | row`.

use arrow::array::RecordBatch;

use super::ChangeTypes;
use super::batch::RawBatch;
use crate::cursor::Cursor;
use crate::row::{Decoder, RowFormat};
use crate::{Column, Error, Result, Schema, TableInfo};

/// The format of a log's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogFormat {
    /// Columns. Servers send some of them where a fetch asks for that.
    Arrow,
    /// Rows. Servers refuse a fetch that asks for some columns (error 34).
    Rows(RowFormat),
}

impl LogFormat {
    /// The format of a table's log.
    pub(super) fn of(table: &TableInfo) -> Result<Self> {
        let Some(name) = table.properties.get("table.log.format") else {
            return Ok(Self::Arrow);
        };
        if name.eq_ignore_ascii_case("ARROW") {
            return Ok(Self::Arrow);
        }
        let rows = RowFormat::named(name).map(Self::Rows);
        rows.ok_or_else(|| {
            Error::Unsupported(format!("the log of table {} is in format {name}", table.path))
        })
    }
}

/// Bytes of a record beside its row, and of its change type.
const RECORD_BYTES: usize = 5;
const CHANGE_TYPE_BYTES: usize = 1;

impl RawBatch {
    /// The records, in the columns at the `kept` positions of the schema that they were written with. Of a batch that a
    /// server has cut to columns, `sent` are the positions of those.
    pub(super) fn decode(
        &self,
        format: LogFormat,
        written: &Schema,
        sent: Option<&[usize]>,
        kept: &[usize],
    ) -> Result<(RecordBatch, ChangeTypes)> {
        let column = |position: &usize| {
            let column = written.columns.get(*position);
            column.ok_or_else(|| Error::corrupt(format!("no column {position} in a batch")))
        };
        match (format, sent) {
            (LogFormat::Arrow, None) => {
                self.decode_columns(&written.columns.iter().collect::<Vec<_>>(), kept)
            }
            (LogFormat::Arrow, Some(sent)) => {
                let columns = sent.iter().map(column).collect::<Result<Vec<_>>>()?;
                let place = |kept: &usize| {
                    let place = sent.iter().position(|sent| sent == kept);
                    place.ok_or_else(|| Error::corrupt(format!("column {kept} was not sent")))
                };
                let kept = kept.iter().map(place).collect::<Result<Vec<_>>>()?;
                self.decode_columns(&columns, &kept)
            }
            (LogFormat::Rows(format), _) => {
                let columns = kept.iter().map(column).map(|column| column.cloned());
                self.decode_rows(format, written, columns.collect::<Result<_>>()?)
            }
        }
    }

    fn decode_rows(
        &self,
        format: RowFormat,
        written: &Schema,
        columns: Vec<Column>,
    ) -> Result<(RecordBatch, ChangeTypes)> {
        let mut decoder = Decoder::new(format, columns)?;
        let mut cursor = Cursor::new(self.body());
        if self.count > cursor.remaining() / RECORD_BYTES {
            return Err(Error::corrupt(format!("{} records in a batch without room", self.count)));
        }
        let mut change_types = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let length = cursor.length()?;
            let mut record = Cursor::new(cursor.take(length)?);
            change_types.extend(record.take(CHANGE_TYPE_BYTES)?);
            decoder.add(written, self.schema_id, record.take(record.remaining())?)?;
        }
        if cursor.remaining() > 0 {
            return Err(Error::corrupt("bytes behind the records of a batch"));
        }
        Ok((decoder.finish()?, self.change_types(&change_types)?))
    }

    /// What the records do, by the bytes of each of them.
    fn change_types(&self, bytes: &[u8]) -> Result<ChangeTypes> {
        let change_types = ChangeTypes::new(bytes)?;
        match (self.append_only(), bytes.iter().all(|byte| *byte == 0)) {
            (true, true) => Ok(ChangeTypes::default()),
            (true, false) => Err(Error::corrupt("changes in a log of appended records")),
            (false, _) => Ok(change_types),
        }
    }
}
