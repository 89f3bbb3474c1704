//! Cursors: the rows of a prepared statement, fetched piece by piece (COM_STMT_FETCH).
//!
//! An open cursor is a query that waits: of its rows no more is held than one batch and what the frontend holds back of every
//! answer. It runs under the same limits of time as every statement.

use std::collections::HashMap;

use datafusion::arrow::array::RecordBatch;
use mysql_protocol::capability::{STATUS_CURSOR_EXISTS, STATUS_LAST_ROW_SENT};
use mysql_protocol::{Clock, RowFormat};
use tokio_util::sync::CancellationToken;

use super::connection::{Client, Gone};
use super::statements::columns;
use crate::query::statement::Statement;
use crate::query::{self, Answer, Rows};
use crate::{Error, Result};

/// The open cursors of one connection, by prepared statement.
#[derive(Default)]
pub(super) struct Cursors(HashMap<u32, Cursor>);

struct Cursor {
    rows: Rows,
    /// What is left of the last batch.
    left: Option<RecordBatch>,
    stop: CancellationToken,
    clock: Clock,
}

impl Cursors {
    /// Closes the cursor of a statement: its query ends everywhere.
    pub(super) fn close(&mut self, statement: u32) {
        self.0.remove(&statement);
    }

    /// Closes all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Client {
    /// Runs a statement whose rows are to be fetched. One without rows is answered as without a cursor.
    pub(super) async fn open_cursor(
        &mut self,
        id: u32,
        text: &str,
        statement: Result<Statement>,
    ) -> Result<(), Gone> {
        self.session.warnings.clear();
        let max = self.frontend.config().frontend.cursors_max;
        let statement = match statement {
            Ok(_) if self.cursors.0.len() >= max => Err(Error::TooLarge(format!(
                "more than {max} open cursors of one connection (frontend.cursors_max)"
            ))),
            statement => statement,
        };
        let statement = match statement {
            Ok(statement) => statement,
            Err(error) => return self.failed(&error).await,
        };
        let (stop, waiting) = self.entry.begin(text, self.session.database.as_deref());
        let running = query::run(&self.frontend, &mut self.session, statement, &stop);
        let answer = tokio::select! {
            answer = waiting.watch(running) => answer,
            () = self.connection.closed() => return Err(Gone),
        };
        self.entry.end();
        match answer {
            Ok(Answer::Done) => self.ok(0).await,
            Ok(Answer::Rows(rows)) => {
                self.set_status();
                let columns = columns(&rows.schema);
                let clock = self.clock();
                self.cursors.0.insert(id, Cursor { rows, left: None, stop, clock });
                Ok(self.connection.open_cursor(&columns, self.warnings()).await?)
            }
            Err(error) => self.failed(&error).await,
        }
    }

    /// COM_STMT_FETCH.
    pub(super) async fn fetch(&mut self, id: u32, rows: u32) -> Result<(), Gone> {
        self.session.warnings.clear();
        let Some(mut cursor) = self.cursors.0.remove(&id) else {
            let known = self.prepared.text(id).is_some();
            let error = if known { Error::NoCursor(id) } else { Error::UnknownStatement(id) };
            return self.failed(&error).await;
        };
        let text = self.prepared.text(id).unwrap_or_default();
        self.entry.resume(text, &cursor.stop);
        let fetched = self.write_fetched(&mut cursor, rows as usize).await;
        self.entry.end();
        match fetched? {
            Ok(true) => {
                self.cursors.0.insert(id, cursor);
                Ok(self.connection.finish_result(STATUS_CURSOR_EXISTS, self.warnings()).await?)
            }
            Ok(false) => {
                Ok(self.connection.finish_result(STATUS_LAST_ROW_SENT, self.warnings()).await?)
            }
            Err(error) => self.failed(&error).await,
        }
    }

    /// Writes so many rows; whether there may be more.
    async fn write_fetched(
        &mut self,
        cursor: &mut Cursor,
        mut wanted: usize,
    ) -> Result<Result<bool>, Gone> {
        while wanted > 0 {
            let batch = match cursor.left.take() {
                Some(batch) => batch,
                None => match self.next_batch(&mut cursor.rows).await? {
                    Some(Ok(batch)) => batch,
                    Some(Err(error)) => return Ok(Err(error)),
                    None => return Ok(Ok(false)),
                },
            };
            let now = batch.slice(0, batch.num_rows().min(wanted));
            if now.num_rows() < batch.num_rows() {
                cursor.left = Some(batch.slice(now.num_rows(), batch.num_rows() - now.num_rows()));
            }
            wanted -= now.num_rows();
            if let Err(error) = self.write_batch(&now, RowFormat::Binary, &cursor.clock).await? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(true))
    }
}
