//! Reading with `fluss-scan`.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use fluss_scan::{ClientOptions, FlussClient, LogScan, OffsetSpec, TablePath};
use futures::TryStreamExt;

use crate::measure::Case;
use crate::table::{COLUMNS, DATABASE};
use crate::{Read, Result, floor};

/// A client as the product makes it.
pub fn client(bootstrap: &str) -> Result<Arc<FlussClient>> {
    Ok(Arc::new(FlussClient::new(ClientOptions::new(bootstrap, &BTreeMap::new())?)))
}

/// The scan of a whole log.
pub async fn scan(client: &FlussClient, case: Case) -> Result<LogScan> {
    let path = TablePath::new(DATABASE, case.table.to_string());
    let table = client.table_info(&path).await?;
    let offsets = client.offsets(&table, None, &[0], OffsetSpec::Latest).await?;
    let end = *offsets.get(&0).ok_or("no end of the log")?;
    let projection = (case.columns < COLUMNS).then(|| (0..case.columns).collect());
    Ok(LogScan { table, partition_id: None, bucket: 0, start: 0, end, projection, filter: None })
}

/// Reads it.
pub async fn read(client: &Arc<FlussClient>, scan: LogScan) -> Result<Read> {
    let mut batches = pin!(client.scan_log(scan));
    let mut read = (0, 0);
    while let Some(batch) = batches.try_next().await? {
        floor::count(&batch.rows, &mut read);
    }
    Ok(read)
}
