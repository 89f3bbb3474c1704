//! The files: sixteen columns as TPC-H's `lineitem` has them, one row group a file, field ids, zstd, as Paimon writes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Decimal128Array, Int8Array, Int32Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use paimon_scan::{FIELD_ID, KeyEncoder, KeyRange, LakeFile, Section};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::Result;

/// Rows that are made and written at once.
const BATCH: u64 = 8192;

/// Files of equal length.
#[derive(Debug)]
pub struct Data {
    /// Where they are, and nothing else.
    pub directory: PathBuf,
    /// Their columns, with field ids.
    pub schema: SchemaRef,
    files: Vec<LakeFile>,
}

impl Data {
    /// Writes `rows` rows in `files` files below `directory`; keeps those that are there in the right number.
    pub fn write(directory: &Path, rows: u64, files: u64) -> Result<Self> {
        let directory = directory.join(format!("lineitem-{rows}-{files}"));
        std::fs::create_dir_all(&directory)?;
        let schema = schema();
        let each = rows / files;
        let mut all = vec![];
        for file in 0..files {
            let first = file * each;
            let rows = if file + 1 == files { rows - first } else { each };
            let path = directory.join(format!("data-{file}.parquet"));
            if !path.exists() {
                write(&path, &schema, Rows { first, count: rows, step: 1 }, None)?;
            }
            all.push(LakeFile {
                path: format!("file:{}", path.display()),
                size: path.metadata()?.len(),
                rows,
                delete_rows: Some(0),
                ..LakeFile::default()
            });
        }
        Ok(Self { directory, schema, files: all })
    }

    /// The rows as a primary-key table has them, in files with Paimon's own columns, and one more file with a newer version of
    /// every `step`th row. The values are the same, so the answer is.
    pub fn superseded(&self, directory: &Path, step: u64) -> Result<Vec<LakeFile>> {
        let total: u64 = self.files.iter().map(|file| file.rows).sum();
        let directory = directory.join(format!("keyed-{total}-{}", self.files.len()));
        std::fs::create_dir_all(&directory)?;
        let mut files = vec![];
        let mut first = 0;
        for (number, file) in self.files.iter().enumerate() {
            let rows = Rows { first, count: file.rows, step: 1 };
            first += file.rows;
            let path = directory.join(format!("base-{number}.parquet"));
            files.push(LakeFile { level: 5, delete_rows: Some(0), ..self.keyed(&path, rows, 1)? });
        }
        let newer = Rows { first: 0, count: total.div_ceil(step), step };
        let path = directory.join(format!("newer-{step}.parquet"));
        files.push(self.keyed(&path, newer, total + 1)?);
        let count = files.len() as u32;
        files.iter_mut().for_each(|file| file.section = Some(Section { index: 0, files: count }));
        Ok(files)
    }

    /// A file of level 0 whose rows are numbered from their place on, beginning with `sequence`.
    fn keyed(&self, path: &Path, rows: Rows, sequence: u64) -> Result<LakeFile> {
        if !path.exists() {
            write(path, &self.schema, rows, Some(sequence))?;
        }
        let last = rows.first + (rows.count - 1) * rows.step;
        Ok(LakeFile {
            path: format!("file:{}", path.display()),
            size: path.metadata()?.len(),
            rows: rows.count,
            key_range: Some(self.keys(rows)?),
            min_sequence: (rows.first + sequence) as i64,
            max_sequence: (last + sequence) as i64,
            ..LakeFile::default()
        })
    }

    /// Order and line of the first and the last row of a file of a primary-key table.
    pub fn key_values(&self, file: &LakeFile) -> Result<((i64, i32), (i64, i32))> {
        let path = file.path.trim_start_matches("file:");
        let total: u64 = self.files.iter().map(|file| file.rows).sum();
        let is_newer = file.min_sequence as u64 > total;
        let row = |sequence: i64| sequence as u64 - 1 - if is_newer { total } else { 0 };
        let key = |row: u64| -> Result<(i64, i32)> {
            let batch = batch(&self.schema, Rows { first: row, count: 1, step: 1 })?;
            let order = batch.column(KEY[0]).as_primitive::<Int64Type>().value(0);
            let line = batch.column(KEY[1]).as_primitive::<Int32Type>().value(0);
            Ok((order, line))
        };
        let ends = (key(row(file.min_sequence))?, key(row(file.max_sequence))?);
        if ends.0 > ends.1 {
            return Err(format!("{path}: keys out of order").into());
        }
        Ok(ends)
    }

    fn keys(&self, rows: Rows) -> Result<KeyRange> {
        let encoder = KeyEncoder::new(KEY.map(|column| self.schema.field(column)))?;
        let key = |row| -> Result<Vec<u8>> {
            let row = batch(&self.schema, Rows { first: row, count: 1, step: 1 })?;
            let columns = KEY.map(|column| Arc::clone(row.column(column)));
            Ok(encoder.encode(&columns)?.row(0).as_ref().to_vec())
        };
        let last = rows.first + (rows.count - 1) * rows.step;
        Ok(KeyRange { min: key(rows.first)?, max: key(last)? })
    }

    /// The files, with every row visible.
    pub fn files(&self) -> Vec<LakeFile> {
        self.files.clone()
    }
}

/// The key: order and line.
pub const KEY: [usize; 2] = [0, 3];

/// Every `step`th row from `first` on.
#[derive(Debug, Clone, Copy)]
struct Rows {
    first: u64,
    count: u64,
    step: u64,
}

/// Writes rows; with the number of the first row's version, also what Paimon adds to those of a primary-key table.
fn write(path: &Path, schema: &SchemaRef, rows: Rows, sequence: Option<u64>) -> Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Page)
        .build();
    let make = |rows: Rows| -> Result<RecordBatch> {
        let batch = batch(schema, rows)?;
        sequence.map_or(Ok(batch.clone()), |sequence| versioned(&batch, rows, sequence))
    };
    // whole or not at all
    let unfinished = path.with_extension("unfinished");
    let file = File::create(&unfinished)?;
    let schema_written = make(Rows { count: 1, ..rows })?.schema();
    let mut writer = ArrowWriter::try_new(file, schema_written, Some(properties))?;
    for start in (0..rows.count).step_by(BATCH as usize) {
        let first = rows.first + start * rows.step;
        writer.write(&make(Rows { first, count: BATCH.min(rows.count - start), ..rows })?)?;
    }
    writer.close()?;
    Ok(std::fs::rename(unfinished, path)?)
}

/// The rows behind their keys, their sequence numbers and their kinds, as Paimon writes them.
fn versioned(batch: &RecordBatch, rows: Rows, sequence: u64) -> Result<RecordBatch> {
    const KEY_IDS: i32 = i32::MAX / 2;
    let field = |name: &str, data_type: &DataType, id: i32| {
        let id = [(FIELD_ID.to_string(), id.to_string())];
        Field::new(name, data_type.clone(), false).with_metadata(id.into())
    };
    let mut fields = vec![];
    let mut columns: Vec<ArrayRef> = vec![];
    for column in KEY {
        let key = batch.schema_ref().field(column);
        fields.push(field(
            &format!("_KEY_{}", key.name()),
            key.data_type(),
            KEY_IDS + column as i32,
        ));
        columns.push(Arc::clone(batch.column(column)));
    }
    fields.push(field("_SEQUENCE_NUMBER", &DataType::Int64, i32::MAX - 1));
    let numbers = (0..rows.count).map(|row| (rows.first + row * rows.step + sequence) as i64);
    columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
    fields.push(field("_VALUE_KIND", &DataType::Int8, i32::MAX - 2));
    columns.push(Arc::new(Int8Array::from_value(0, rows.count as usize)));
    let fields = fields.into_iter().map(Arc::new);
    let fields: Vec<_> = fields.chain(batch.schema_ref().fields().iter().cloned()).collect();
    columns.extend(batch.columns().iter().cloned());
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn schema() -> SchemaRef {
    let decimal = || DataType::Decimal128(12, 2);
    let columns = [
        ("l_orderkey", DataType::Int64),
        ("l_partkey", DataType::Int64),
        ("l_suppkey", DataType::Int64),
        ("l_linenumber", DataType::Int32),
        ("l_quantity", decimal()),
        ("l_extendedprice", decimal()),
        ("l_discount", decimal()),
        ("l_tax", decimal()),
        ("l_returnflag", DataType::Utf8),
        ("l_linestatus", DataType::Utf8),
        ("l_shipdate", DataType::Date32),
        ("l_commitdate", DataType::Date32),
        ("l_receiptdate", DataType::Date32),
        ("l_shipinstruct", DataType::Utf8),
        ("l_shipmode", DataType::Utf8),
        ("l_comment", DataType::Utf8),
    ];
    let field = |(id, (name, data_type))| {
        let id = [(FIELD_ID.to_string(), usize::to_string(&id))];
        Field::new(name, data_type, true).with_metadata(id.into())
    };
    Arc::new(Schema::new(columns.into_iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// A number that looks random, the same for the same row and column.
fn mix(row: u64, column: u64) -> u64 {
    let mut x =
        row.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ column.wrapping_mul(0xD1B5_4A32_D192_ED03);
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

fn batch(schema: &SchemaRef, Rows { first, count, step }: Rows) -> Result<RecordBatch> {
    let rows = (0..count).map(move |row| first + row * step);
    let below = |column: u64, bound: u64| {
        rows.clone().map(move |row| (mix(row, column) % bound) as i64).collect::<Vec<i64>>()
    };
    let decimal = |column: u64, bound: u64| -> Result<ArrayRef> {
        let values = below(column, bound).into_iter().map(i128::from);
        let values = Decimal128Array::from_iter_values(values);
        Ok(Arc::new(values.with_precision_and_scale(12, 2)?))
    };
    let word = |column: u64, words: &'static [&'static str]| -> ArrayRef {
        let words = below(column, words.len() as u64).into_iter().map(|i| words[i as usize]);
        Arc::new(StringArray::from_iter_values(words))
    };
    let date = |column: u64, days: i32| -> ArrayRef {
        let ship = below(10, 2526).into_iter().zip(below(column, 60));
        let date = |(ship, later): (i64, i64)| 8036 + ship as i32 + (later as i32 - 30) * days;
        Arc::new(Date32Array::from_iter_values(ship.map(date)))
    };
    const WORDS: [&str; 12] = [
        "carefully",
        "final",
        "packages",
        "sleep",
        "furiously",
        "regular",
        "deposits",
        "across",
        "the",
        "quickly",
        "ironic",
        "requests",
    ];
    let comments = rows.clone().map(|row| {
        let words = (0..2 + mix(row, 15) % 5).map(|word| WORDS[mix(row, 100 + word) as usize % 12]);
        words.collect::<Vec<_>>().join(" ")
    });
    let quantity: Vec<i64> =
        below(4, 50).into_iter().map(|quantity| (quantity + 1) * 100).collect();
    let price = quantity.iter().zip(below(1, 200_000)).map(|(quantity, part)| {
        i128::from(quantity / 100) * i128::from(90_000 + part % 20_001 + part / 10)
    });
    let hundreds = quantity.iter().copied().map(i128::from);
    let hundreds = Decimal128Array::from_iter_values(hundreds).with_precision_and_scale(12, 2)?;
    let price = Decimal128Array::from_iter_values(price).with_precision_and_scale(12, 2)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64 / 4 * 4 + 1))),
        Arc::new(Int64Array::from(below(1, 200_000))),
        Arc::new(Int64Array::from(below(2, 10_000))),
        Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| (row % 4) as i32 + 1))),
        Arc::new(hundreds),
        Arc::new(price),
        decimal(6, 11)?,
        decimal(7, 9)?,
        word(8, &["R", "A", "N"]),
        word(9, &["O", "F"]),
        date(10, 0),
        date(11, 1),
        date(12, 1),
        word(13, &["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]),
        word(14, &["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]),
        Arc::new(StringArray::from_iter_values(comments)),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
