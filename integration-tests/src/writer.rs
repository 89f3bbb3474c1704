//! Writing with `fluss-rs`, a client that shares no code with ours.

use std::future::Future;

use fluss::client::{AppendWriter, FlussConnection, UpsertWriter, WriteResultFuture};
use fluss::metadata::TablePath;

use crate::cluster::Cluster;
use crate::error::{LabError, Result};
use crate::value::{self, Value};
use crate::wait::request;

/// Rows in flight before a write waits for their acknowledgement. fluss-rs blocks the *thread* when its own buffer
/// is full, which would stop a single-threaded runtime for good.
const MAX_PENDING: usize = 5_000;

/// Writes rows into one table.
pub struct Writer {
    // keeps the tasks alive that send what is written
    _connection: FlussConnection,
    table: TablePath,
    kind: Kind,
    columns: usize,
    pending: Vec<WriteResultFuture>,
}

enum Kind {
    Append(AppendWriter),
    Upsert(UpsertWriter),
}

impl Writer {
    /// Opens a table over a connection of its own.
    pub async fn open(cluster: &Cluster, table: &TablePath) -> Result<Self> {
        Self::over(cluster.connect().await?, table).await
    }

    /// Opens a table over `connection`.
    pub async fn over(connection: FlussConnection, table: &TablePath) -> Result<Self> {
        let handle = request("open table", connection.get_table(table)).await?;
        let kind = if handle.has_primary_key() {
            Kind::Upsert(handle.new_upsert()?.create_writer()?)
        } else {
            Kind::Append(handle.new_append()?.create_writer()?)
        };
        let columns = handle.get_table_info().get_row_type().fields().len();
        drop(handle);
        let table = table.clone();
        Ok(Self { _connection: connection, table, kind, columns, pending: Vec::new() })
    }

    /// How many columns the table had when it was opened.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Appends a row (log table) or upserts it (primary-key table). It counts only after [`flush`](Self::flush).
    pub async fn write(&mut self, row: &[Value]) -> Result<()> {
        let row = value::row(row)?;
        let sent = match &self.kind {
            Kind::Append(writer) => writer.append(&row)?,
            Kind::Upsert(writer) => writer.upsert(&row)?,
        };
        self.sent(sent).await
    }

    /// Deletes the row with the primary key found in `row`, which has a value for every column.
    pub async fn delete(&mut self, row: &[Value]) -> Result<()> {
        let Kind::Upsert(writer) = &self.kind else {
            return Err(LabError::Misuse(format!("{} has no primary key", self.table)));
        };
        let sent = writer.delete(&value::row(row)?)?;
        self.sent(sent).await
    }

    /// Returns when everything written so far has been acknowledged; an error if any of it was not.
    pub async fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let flush: std::pin::Pin<Box<dyn Future<Output = fluss::error::Result<()>> + Send + '_>> =
            match &self.kind {
                Kind::Append(writer) => Box::pin(writer.flush()),
                Kind::Upsert(writer) => Box::pin(writer.flush()),
            };
        request("acknowledgement of rows", async {
            flush.await?;
            for row in pending {
                row.await?;
            }
            Ok(())
        })
        .await
    }

    async fn sent(&mut self, row: WriteResultFuture) -> Result<()> {
        self.pending.push(row);
        if self.pending.len() >= MAX_PENDING {
            self.flush().await?;
        }
        Ok(())
    }
}
