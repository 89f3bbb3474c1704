//! The reader of the `paimon` crate over the files of a primary-key table, and the aggregate by hand: as little as can
//! be done with its batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array};
use arrow_array_58::cast::AsArray;
use arrow_array_58::types::{Date32Type, Decimal128Type};
use arrow_array_58::{Array, RecordBatch};
use futures::TryStreamExt;
use paimon::catalog::Identifier;
use paimon::io::FileIO;
use paimon::spec::{
    BigIntType, BinaryRow, DataFileMeta, DataType, DateType, Datum, DecimalType, IntType, Schema,
    TableSchema, VarCharType,
};
use paimon::{DataSplit, Table};
use paimon_scan::LakeFile;

use crate::Result;
use crate::data::Data;

/// A table of the crate, and all its files.
pub struct CrateTable {
    table: Table,
    split: DataSplit,
}

impl CrateTable {
    /// The table of `files`, which lie in one folder.
    pub fn new(data: &Data, files: &[LakeFile]) -> Result<Self> {
        let path = files.first().ok_or("no files")?.path.trim_start_matches("file:");
        let folder = path.rsplit_once('/').ok_or("no folder")?.0;
        let mut schema = Schema::builder();
        for field in data.schema.fields() {
            schema = schema.column(field.name(), column(field.data_type())?);
        }
        let schema = schema.primary_key(["l_orderkey", "l_linenumber"]).option("bucket", "1");
        let schema = TableSchema::new(0, &schema.build()?);
        let io = FileIO::from_path("file:/")?.build()?;
        let name = Identifier::new("bench", "lineitem");
        let table = Table::new(io, name, format!("file:{folder}"), schema, None);
        let split = DataSplit::builder()
            .with_snapshot(1)
            .with_total_buckets(1)
            .with_partition(BinaryRow::new(0))
            .with_bucket(0)
            .with_bucket_path(format!("file:{folder}"))
            .with_raw_convertible(false)
            .with_data_files(files.iter().map(|file| meta(data, file)).collect::<Result<_>>()?)
            .build()?;
        Ok(Self { table, split })
    }

    /// The sums, the largest date and the count, as columns of one row.
    pub async fn answer(&self) -> Result<Vec<ArrayRef>> {
        let mut builder = self.table.new_read_builder();
        builder.with_projection(&["l_quantity", "l_extendedprice", "l_shipdate"])?;
        let read = builder.new_read()?;
        let mut batches = read.to_arrow(std::slice::from_ref(&self.split))?;
        let (mut quantity, mut price, mut latest, mut count) = (0, 0, i32::MIN, 0);
        while let Some(batch) = batches.try_next().await? {
            quantity += sum(&batch, 0);
            price += sum(&batch, 1);
            let dates = batch.column(2).as_primitive::<Date32Type>();
            latest = dates.values().iter().copied().fold(latest, i32::max);
            count += (batch.num_rows() - batch.column(0).null_count()) as i64;
        }
        let decimal = |value: i128| -> Result<ArrayRef> {
            let array = Decimal128Array::from_iter_values([value]);
            Ok(Arc::new(array.with_precision_and_scale(22, 2)?))
        };
        Ok(vec![
            decimal(quantity)?,
            decimal(price)?,
            Arc::new(Date32Array::from_iter_values([latest])),
            Arc::new(Int64Array::from_iter_values([count])),
        ])
    }
}

/// No value of these columns is null.
fn sum(batch: &RecordBatch, column: usize) -> i128 {
    batch.column(column).as_primitive::<Decimal128Type>().values().iter().sum()
}

fn column(of: &arrow::datatypes::DataType) -> Result<DataType> {
    use arrow::datatypes::DataType as Arrow;
    Ok(match of {
        Arrow::Int64 => DataType::BigInt(BigIntType::new()),
        Arrow::Int32 => DataType::Int(IntType::new()),
        Arrow::Decimal128(precision, scale) => {
            DataType::Decimal(DecimalType::new(u32::from(*precision), u32::try_from(*scale)?)?)
        }
        Arrow::Utf8 => DataType::VarChar(VarCharType::new(i32::MAX as u32)?),
        Arrow::Date32 => DataType::Date(DateType::new()),
        other => return Err(format!("a column of type {other}").into()),
    })
}

/// Statistics of no columns; the crate's type for them has no public name.
fn no_stats() -> serde_json::Value {
    let row = [0; 4];
    serde_json::json!({ "_MIN_VALUES": row, "_MAX_VALUES": row, "_NULL_COUNTS": [] })
}

fn meta(data: &Data, file: &LakeFile) -> Result<DataFileMeta> {
    let (min_key, max_key) = data.key_values(file)?;
    let key = |(order, line): (i64, i32)| {
        let (order, line) = (Datum::Long(order), Datum::Int(line));
        let (long, int) = (DataType::BigInt(BigIntType::new()), DataType::Int(IntType::new()));
        BinaryRow::from_datums(&[(Some(&order), &long), (Some(&line), &int)]).to_serialized_bytes()
    };
    Ok(DataFileMeta {
        file_name: file.path.rsplit('/').next().unwrap_or_default().to_owned(),
        file_size: i64::try_from(file.size)?,
        row_count: i64::try_from(file.rows)?,
        min_key: key(min_key),
        max_key: key(max_key),
        key_stats: serde_json::from_value(no_stats())?,
        value_stats: serde_json::from_value(no_stats())?,
        min_sequence_number: file.min_sequence,
        max_sequence_number: file.max_sequence,
        schema_id: 0,
        level: file.level,
        extra_files: vec![],
        creation_time: None,
        delete_row_count: Some(0),
        embedded_index: None,
        file_source: None,
        value_stats_cols: Some(vec![]),
        external_path: None,
        first_row_id: None,
        write_cols: None,
        column_max_sequence_numbers: None,
    })
}
