//! The tables that are read: sixteen columns as TPC-H's `lineitem` has them, and how they are written.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use fluss::client::{FlussConnection, WriteResultFuture};
use fluss::config::Config;
use fluss::metadata::{DataTypes, Schema, TableDescriptor, TablePath};
use fluss::row::ColumnarRow;

use crate::Result;

/// The database of the benchmark.
pub const DATABASE: &str = "bench";
/// Columns of each table.
pub const COLUMNS: usize = 16;
/// Values of `table.log.arrow.compression.type`.
pub const CODECS: [&str; 3] = ["NONE", "LZ4_FRAME", "ZSTD"];
/// Rows of one batch of a log: about half a megabyte before compression.
const BATCH: u64 = 4096;
/// Batches and rows in flight: the writer blocks a thread when its buffer is full.
const BATCHES_IN_FLIGHT: usize = 32;
const ROWS_IN_FLIGHT: usize = 50_000;

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows are appended.
    Log,
    /// Two thirds of the change log come from new keys, the rest are old and new images of updates.
    PrimaryKey,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Log, Kind::PrimaryKey];
}

/// One table of the benchmark, in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// What it is.
    pub kind: Kind,
    /// How its log is compressed.
    pub codec: &'static str,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Log => "log",
            Kind::PrimaryKey => "pk",
        };
        write!(f, "{kind}_{}", self.codec.to_lowercase())
    }
}

impl Table {
    /// Creates the table and writes it; of a primary-key table so many rows that its change log is as long. Does
    /// nothing where it is there already.
    pub async fn write(self, bootstrap: &str, rows: u64) -> Result<()> {
        let connection = connect(bootstrap).await?;
        let admin = connection.get_admin()?;
        let path = TablePath::new(DATABASE, &self.to_string());
        admin.create_database(DATABASE, None, true).await?;
        if admin.table_exists(&path).await? {
            return Ok(());
        }
        admin.create_table(&path, &self.descriptor()?, false).await?;
        let table = connection.get_table(&path).await?;
        let row_type = Arc::new(table.get_table_info().row_type().clone());
        let mut pending: Vec<WriteResultFuture> = vec![];
        if self.kind == Kind::Log {
            let writer = table.new_append()?.create_writer()?;
            for start in (0..rows).step_by(BATCH as usize) {
                let count = BATCH.min(rows - start);
                pending.push(writer.append_arrow_batch(batch(start, count, 0)?)?);
                acknowledged(&mut pending, BATCHES_IN_FLIGHT).await?;
            }
            acknowledged(&mut pending, 1).await?;
            return Ok(());
        }
        let writer = table.new_upsert()?.create_writer()?;
        // an update writes two records; all keys are new once
        let keys = rows - rows / 3;
        for (version, keys) in [(0, keys), (1, keys / 4)] {
            for start in (0..keys).step_by(BATCH as usize) {
                let rows = batch(start, BATCH.min(keys - start), version)?;
                let count = rows.num_rows();
                let mut row = ColumnarRow::new(Arc::new(rows), Arc::clone(&row_type), 0, None)?;
                for i in 0..count {
                    row.set_row_id(i);
                    pending.push(writer.upsert(&row)?);
                }
                acknowledged(&mut pending, ROWS_IN_FLIGHT).await?;
            }
            writer.flush().await?;
            acknowledged(&mut pending, 1).await?;
        }
        Ok(())
    }

    fn descriptor(self) -> Result<TableDescriptor> {
        let decimal = || DataTypes::decimal(12, 2);
        let mut schema = Schema::builder()
            .column("orderkey", DataTypes::bigint())
            .column("partkey", DataTypes::bigint())
            .column("suppkey", DataTypes::bigint())
            .column("linenumber", DataTypes::int())
            .column("quantity", decimal())
            .column("extendedprice", decimal())
            .column("discount", decimal())
            .column("tax", decimal())
            .column("returnflag", DataTypes::string())
            .column("linestatus", DataTypes::string())
            .column("shipdate", DataTypes::date())
            .column("commitdate", DataTypes::date())
            .column("receipttime", DataTypes::timestamp_with_precision(6))
            .column("shipinstruct", DataTypes::string())
            .column("shipmode", DataTypes::string())
            .column("comment", DataTypes::string());
        if self.kind == Kind::PrimaryKey {
            schema = schema.primary_key(["orderkey"])?;
        }
        Ok(TableDescriptor::builder()
            .schema(schema.build()?)
            .distributed_by(Some(1), vec![])
            .property("table.log.arrow.compression.type", self.codec)
            .build()?)
    }
}

/// A connection of `fluss-rs`.
pub async fn connect(bootstrap: &str) -> Result<FlussConnection> {
    let config = Config { bootstrap_servers: bootstrap.to_owned(), ..Config::default() };
    Ok(FlussConnection::new(config).await?)
}

/// Waits for all writes once there are so many.
async fn acknowledged(pending: &mut Vec<WriteResultFuture>, at: usize) -> Result<()> {
    if pending.len() >= at {
        for write in pending.drain(..) {
            write.await?;
        }
    }
    Ok(())
}

const INSTRUCTIONS: [&str; 4] = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"];
const MODES: [&str; 7] = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"];
const WORDS: [&str; 16] = [
    "carefully",
    "quickly",
    "furiously",
    "final",
    "special",
    "pending",
    "deposits",
    "requests",
    "accounts",
    "ironic",
    "foxes",
    "packages",
    "above",
    "the",
    "slyly",
    "regular",
];

/// Rows that look like `lineitem`'s, the same ones at every run.
fn batch(start: u64, count: u64, version: u64) -> Result<RecordBatch> {
    fn each<T: FromIterator<V>, V>(rows: &[(i64, u64)], value: impl Fn(i64, u64) -> V) -> T {
        rows.iter().map(|(key, random)| value(*key, *random)).collect()
    }
    let rows: Vec<(i64, u64)> =
        (start..start + count).map(|key| (key as i64, mix(key ^ (version << 60)))).collect();
    let decimal = |value: fn(u64) -> u64| -> Result<ArrayRef> {
        let values: Decimal128Array = each(&rows, |_, r| Some(i128::from(value(r))));
        Ok(Arc::new(values.with_precision_and_scale(12, 2)?))
    };
    let text = |value: fn(u64) -> &'static str| -> ArrayRef {
        Arc::new(each::<StringArray, _>(&rows, |_, r| Some(value(r))))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("orderkey", Arc::new(each::<Int64Array, _>(&rows, |key, _| Some(key)))),
        ("partkey", Arc::new(each::<Int64Array, _>(&rows, |_, r| Some((r % 200_000) as i64)))),
        ("suppkey", Arc::new(each::<Int64Array, _>(&rows, |_, r| Some((r / 7 % 10_000) as i64)))),
        ("linenumber", Arc::new(each::<Int32Array, _>(&rows, |_, r| Some((r % 7) as i32 + 1)))),
        ("quantity", decimal(|r| (r / 11 % 50 + 1) * 100)?),
        ("extendedprice", decimal(|r| r / 13 % 10_000_000 + 90_000)?),
        ("discount", decimal(|r| r / 17 % 11)?),
        ("tax", decimal(|r| r / 19 % 9)?),
        ("returnflag", text(|r| ["A", "N", "R"][(r / 23 % 3) as usize])),
        ("linestatus", text(|r| ["O", "F"][(r / 29 % 2) as usize])),
        ("shipdate", Arc::new(each::<Date32Array, _>(&rows, |_, r| Some(day(r / 31))))),
        ("commitdate", Arc::new(each::<Date32Array, _>(&rows, |_, r| Some(day(r / 37))))),
        (
            "receipttime",
            Arc::new(each::<TimestampMicrosecondArray, _>(&rows, |_, r| {
                Some(i64::from(day(r / 41)) * 86_400_000_000 + (r % 86_400_000_000) as i64)
            })),
        ),
        ("shipinstruct", text(|r| INSTRUCTIONS[(r / 43 % 4) as usize])),
        ("shipmode", text(|r| MODES[(r / 47 % 7) as usize])),
        ("comment", Arc::new(each::<StringArray, _>(&rows, |_, r| Some(comment(r))))),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )?)
}

fn day(random: u64) -> i32 {
    8_036 + (random % 2_526) as i32
}

fn comment(random: u64) -> String {
    let words = 3 + random % 4;
    let word = |i| WORDS[(random >> (4 * i) & 15) as usize];
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

/// SplitMix64: numbers that follow from the key alone.
fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
