//! What a reader must do, as cases that hold over a simulated cluster and over a real one alike.
//!
//! A [`World`] writes; each case reads with the client that is tested and says what is wrong. All tables have one
//! bucket and the columns `id BIGINT, name STRING, n INT` (and, once evolved, `extra INT`).
//!
//! * [`log_cases`]: log tables; [`key_cases`]: primary-key tables

pub mod key_cases;
pub mod log_cases;

use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use fluss_scan::{
    ChangeType, FlussClient, FlussType, LogBatch, LogScan, OffsetSpec, Schema, TableInfo, TablePath,
};
use futures::TryStreamExt;

use crate::spec::TableSpec;

/// What is wrong.
pub type CaseError = Box<dyn std::error::Error + Send + Sync>;
/// The end of a case.
pub type CaseResult<T = ()> = std::result::Result<T, CaseError>;

/// A row of a table of these cases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The key.
    pub id: i64,
    /// Some text.
    pub name: Option<String>,
    /// A number.
    pub n: Option<i32>,
    /// The column that is added later; `None` before that as well.
    pub extra: Option<i32>,
}

impl Row {
    /// A row of an id and a version, with a NULL here and there.
    pub fn new(id: i64, version: i32) -> Self {
        let name = (id % 5 != 0).then(|| format!("n{id}-{version}"));
        Self { id, name, n: (id % 7 != 3).then_some(version), extra: None }
    }
}

/// A cluster that can be written to.
pub trait World: Send + Sync {
    /// A client of the cluster.
    fn client(&self) -> Arc<FlussClient>;

    /// Creates a table of these columns; its name is `name` in a database of the world's own. The rest of the
    /// specification (key, options) is kept.
    fn create(
        &self,
        name: &str,
        spec: TableSpec,
    ) -> impl Future<Output = CaseResult<TablePath>> + Send;

    /// Writes rows in one batch: appends to a log table, upserts otherwise. Returns when they are shown.
    fn write(&self, path: &TablePath, rows: &[Row]) -> impl Future<Output = CaseResult> + Send;

    /// Deletes the keys of these rows. Returns when that is shown.
    fn delete(&self, path: &TablePath, rows: &[Row]) -> impl Future<Output = CaseResult> + Send;

    /// Adds the column `extra`, to which later writes write.
    fn add_extra(&self, path: &TablePath) -> impl Future<Output = CaseResult> + Send;

    /// Returns when fetches from the beginning of the log are answered with remote segments; `false`: this
    /// world has none.
    fn tier(&self, path: &TablePath) -> impl Future<Output = CaseResult<bool>> + Send;
}

/// The columns of these cases.
pub fn columns() -> TableSpec {
    TableSpec::new(&[("id", FlussType::BigInt), ("name", FlussType::String), ("n", FlussType::Int)])
}

/// Rows as columns; with `extra` in a fourth one.
///
/// # Errors
/// Never, for rows of these cases.
pub fn batch(rows: &[Row], schema: &Schema) -> CaseResult<RecordBatch> {
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.name.clone()))),
        Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.n))),
    ];
    if schema.columns.len() > arrays.len() {
        arrays.push(Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.extra))));
    }
    Ok(RecordBatch::try_new(crate::arrow_schema(schema), arrays)?)
}

/// Columns as rows, by their names; what is not there is `None`.
pub fn rows(batch: &RecordBatch) -> Vec<Row> {
    let int = |name: &str, row: usize| {
        let values = batch.column_by_name(name)?.as_primitive::<Int32Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let row = |row: usize| Row {
        id: batch
            .column_by_name("id")
            .map_or(i64::MIN, |ids| ids.as_primitive::<Int64Type>().value(row)),
        name: batch.column_by_name("name").and_then(|names| {
            let names = names.as_string::<i32>();
            names.is_valid(row).then(|| names.value(row).to_string())
        }),
        n: int("n", row),
        extra: int("extra", row),
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The rows of these columns alone.
pub fn cut(rows: &[Row], projection: &[usize]) -> Vec<Row> {
    let has = |column| projection.contains(&column);
    let cut = |row: &Row| Row {
        id: if has(0) { row.id } else { i64::MIN },
        name: row.name.clone().filter(|_| has(1)),
        n: row.n.filter(|_| has(2)),
        extra: row.extra.filter(|_| has(3)),
    };
    rows.iter().map(cut).collect()
}

/// Reads part of the only bucket of a table.
///
/// # Errors
/// What the scan says.
pub async fn read(
    client: &Arc<FlussClient>,
    table: &TableInfo,
    range: std::ops::Range<i64>,
    projection: Option<Vec<usize>>,
) -> fluss_scan::Result<Vec<LogBatch>> {
    let (start, end) = (range.start, range.end);
    let table = table.clone();
    let scan =
        LogScan { table, partition_id: None, bucket: 0, start, end, projection, filter: None };
    client.scan_log(scan).try_collect().await
}

/// Checks that batches follow one another from the first offset to the last, and takes them apart: offset, what
/// the record does, row.
///
/// # Errors
/// A gap, an overlap, or another number of change types than rows.
pub fn records(
    batches: &[LogBatch],
    range: std::ops::Range<i64>,
) -> CaseResult<Vec<(i64, ChangeType, Row)>> {
    let mut all = vec![];
    let mut next = range.start;
    for batch in batches {
        ensure(batch.base_offset >= next, || format!("{} after {next}", batch.base_offset))?;
        ensure(batch.next_offset <= range.end, || format!("{} > {range:?}", batch.next_offset))?;
        let types = &batch.change_types;
        let count = batch.rows.num_rows();
        ensure(types.is_empty() || types.len() == count, || format!("{} types", types.len()))?;
        let change = |i: usize| types.get(i).unwrap_or(ChangeType::Append);
        let rows = rows(&batch.rows).into_iter().enumerate();
        all.extend(rows.map(|(i, row)| (batch.base_offset + i as i64, change(i), row)));
        next = batch.base_offset + count as i64;
        ensure(next <= batch.next_offset, || format!("{next} > {}", batch.next_offset))?;
    }
    Ok(all)
}

/// The high watermark of the only bucket of a table.
///
/// # Errors
/// What the client says.
pub async fn end(client: &FlussClient, table: &TableInfo) -> CaseResult<i64> {
    offset(client, table, OffsetSpec::Latest).await
}

/// An offset of the only bucket of a table.
///
/// # Errors
/// What the client says.
pub async fn offset(client: &FlussClient, table: &TableInfo, spec: OffsetSpec) -> CaseResult<i64> {
    let offsets = client.offsets(table, None, &[0], spec).await?;
    Ok(offsets.get(&0).copied().ok_or("no offset of bucket 0")?)
}

/// Something that must hold.
///
/// # Errors
/// Where it does not.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> CaseResult {
    if holds { Ok(()) } else { Err(what().into()) }
}

/// Two things that must be equal.
///
/// # Errors
/// Where they are not.
pub fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, must: &T) -> CaseResult {
    ensure(is == must, || format!("{what}: is\n{is:?}\nand must be\n{must:?}"))
}
