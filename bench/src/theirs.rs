//! Reading with `fluss-rs`.

use std::hint::black_box;
use std::time::Duration;

use fluss::client::{FlussConnection, FlussTable};
use fluss::metadata::TablePath;
use fluss::row::{ColumnarRow, DataGetters};

use crate::measure::Case;
use crate::table::{COLUMNS, DATABASE, connect};
use crate::{Read, Result, floor};

/// The longest wait of one poll; its scanner sometimes comes back with nothing although there is more.
const WAIT: Duration = Duration::from_secs(10);
/// How often in a row it may.
const EMPTY_MAX: u32 = 6;

/// Reads a log through its scanner of Arrow batches.
pub async fn batches(bootstrap: &str, case: Case, rows: u64) -> Result<Read> {
    let connection = connect(bootstrap).await?;
    let table = open(&connection, case).await?;
    let scanner = projected(&table, case)?.create_record_batch_log_scanner()?;
    scanner.subscribe(0, 0).await?;
    let (mut read, mut empty) = ((0, 0), 0);
    while read.0 < rows {
        let batches = scanner.poll(WAIT).await?;
        empty = if batches.is_empty() { empty + 1 } else { 0 };
        if empty == EMPTY_MAX {
            return Err(format!("nothing came after {} rows", read.0).into());
        }
        for batch in batches {
            floor::count(batch.batch(), &mut read);
        }
    }
    Ok(read)
}

/// Reads a change log through its scanner of records, and the values in them where they are wanted.
pub async fn records(bootstrap: &str, case: Case, rows: u64, with_values: bool) -> Result<Read> {
    let connection = connect(bootstrap).await?;
    let table = open(&connection, case).await?;
    let scanner = projected(&table, case)?.create_log_scanner()?;
    scanner.subscribe(0, 0).await?;
    let (mut read, mut empty) = ((0, 0), 0);
    while read.0 < rows {
        let records = scanner.poll(WAIT).await?;
        empty = if records.is_empty() { empty + 1 } else { 0 };
        if empty == EMPTY_MAX {
            return Err(format!("nothing came after {} rows", read.0).into());
        }
        for record in records.records_by_buckets().values().flatten() {
            read.0 += 1;
            if with_values {
                read.1 += record.row().get_long(0)?;
                black_box(record.change_type());
                if case.columns == COLUMNS {
                    values(record.row())?;
                }
            }
        }
    }
    Ok(read)
}

/// Reads every column after the first; none of them is NULL.
fn values(row: &ColumnarRow) -> Result<()> {
    for column in [1, 2] {
        black_box(row.get_long(column)?);
    }
    black_box(row.get_int(3)?);
    for column in 4..8 {
        black_box(row.get_decimal(column, 12, 2)?);
    }
    for column in [10, 11] {
        black_box(row.get_date(column)?);
    }
    black_box(row.get_timestamp_ntz(12, 6)?);
    for column in [8, 9, 13, 14, 15] {
        black_box(row.get_string(column)?);
    }
    Ok(())
}

async fn open(connection: &FlussConnection, case: Case) -> Result<FlussTable<'_>> {
    Ok(connection.get_table(&TablePath::new(DATABASE, case.table.to_string())).await?)
}

fn projected<'a>(table: &'a FlussTable<'a>, case: Case) -> Result<fluss::client::TableScan<'a>> {
    let scan = table.new_scan();
    if case.columns == COLUMNS {
        return Ok(scan);
    }
    Ok(scan.project(&(0..case.columns).collect::<Vec<_>>())?)
}
