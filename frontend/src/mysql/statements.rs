//! Statements of one client: texts, prepared ones, and their answers.

use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema};
use futures::{FutureExt, StreamExt};
use mysql_protocol::bytes::Bytes;
use mysql_protocol::capability::STATUS_MORE_RESULTS;
use mysql_protocol::command::CURSOR_READ_ONLY;
use mysql_protocol::{Clock, Column, RowFormat};

use super::connection::{Client, Gone};
use crate::query::origins::Origin;
use crate::query::statement::{Show, Statement};
use crate::query::{self, Answer, Rows, metadata, parse, tokens};
use crate::{Error, Result};

impl Client {
    /// COM_QUERY: the statements of a text, up to the first that fails.
    pub(super) async fn query(&mut self, sql: &str) -> Result<(), Gone> {
        let statements = match tokens::statements(sql) {
            Ok(statements) if statements.is_empty() && tokens::has_comment(sql) => {
                self.session.warnings.clear();
                return self.ok(0).await;
            }
            Ok(statements) if statements.is_empty() => Err(Error::Empty),
            Ok(statements) if statements.len() > 1 && !self.connection.multi_statements() => {
                Err(Error::Syntax("several statements in one text were not asked for".into()))
            }
            split => split,
        };
        let statements = match statements {
            Ok(statements) => statements,
            Err(error) => {
                self.session.warnings.clear();
                return self.failed(&error).await;
            }
        };
        let last = statements.len() - 1;
        for (i, tokens) in statements.iter().enumerate() {
            let more = if i < last { STATUS_MORE_RESULTS } else { 0 };
            let statement = parse::statement(sql, tokens);
            if !self.run_statement(sql, statement, RowFormat::Text, more).await? {
                break;
            }
        }
        Ok(())
    }

    /// Runs one statement and writes its answer; `false` when that was an error.
    async fn run_statement(
        &mut self,
        sql: &str,
        statement: Result<Statement>,
        format: RowFormat,
        more: u16,
    ) -> Result<bool, Gone> {
        metrics::counter!("millrace_frontend_statements_total").increment(1);
        if !statement.as_ref().is_ok_and(|statement| asks_for_warnings(sql, statement)) {
            self.session.warnings.clear();
        }
        let statement = match statement {
            Ok(statement) => statement,
            Err(error) => return self.write(Err(error), format, more).await,
        };
        let (stop, waiting) = self.entry.begin(sql, self.session.database.as_deref());
        let running = query::run(&self.frontend, &mut self.session, statement, &stop);
        let running = waiting.watch(running);
        let answer = tokio::select! {
            answer = running => answer,
            () = self.connection.closed() => return Err(Gone),
        };
        let written = self.write(answer, format, more).await;
        self.entry.end();
        written
    }

    async fn write(
        &mut self,
        answer: Result<Answer>,
        format: RowFormat,
        more: u16,
    ) -> Result<bool, Gone> {
        let error = match answer {
            Ok(Answer::Done) => {
                self.ok(more).await?;
                return Ok(true);
            }
            Ok(Answer::Rows(rows)) => match self.write_rows(rows, format, more).await? {
                Ok(()) => return Ok(true),
                Err(error) => error,
            },
            Err(error) => error,
        };
        metrics::counter!("millrace_frontend_statements_failed_total").increment(1);
        self.failed(&error).await?;
        Ok(false)
    }

    /// Shows instants in the zone of the session.
    pub(super) fn clock(&self) -> Clock {
        let zone = self.session.zone();
        Clock::new(move |instant| zone.local(instant))
    }

    /// Writes rows as they come. The inner error ends them in the middle.
    async fn write_rows(
        &mut self,
        mut rows: Rows,
        format: RowFormat,
        more: u16,
    ) -> Result<Result<()>, Gone> {
        let clock = self.clock();
        self.set_status();
        self.connection.start_result(&columns(&rows.schema)).await?;
        loop {
            match self.next_batch(&mut rows).await? {
                None => break,
                Some(Err(error)) => return Ok(Err(error)),
                Some(Ok(batch)) => {
                    if let Err(error) = self.write_batch(&batch, format, &clock).await? {
                        return Ok(Err(error));
                    }
                }
            }
        }
        self.connection.finish_result(more, self.warnings()).await?;
        Ok(Ok(()))
    }

    /// The next rows; while there are none, the client sees what there is.
    pub(super) async fn next_batch(
        &mut self,
        rows: &mut Rows,
    ) -> Result<Option<Result<RecordBatch>>, Gone> {
        if let Some(next) = rows.batches.next().now_or_never() {
            return Ok(next);
        }
        self.connection.flush_rows().await?;
        tokio::select! {
            next = rows.batches.next() => Ok(next),
            () = self.connection.closed() => Err(Gone),
        }
    }

    /// Writes rows. A client that stops reading must not hold its query for ever.
    pub(super) async fn write_batch(
        &mut self,
        batch: &RecordBatch,
        format: RowFormat,
        clock: &Clock,
    ) -> Result<Result<()>, Gone> {
        let patience = u64::try_from(self.session.variables.int("net_write_timeout")).unwrap_or(0);
        let writing = self.connection.write_batch(batch, format, clock);
        match tokio::time::timeout(Duration::from_secs(patience.max(1)), writing).await {
            Ok(Ok(())) => Ok(Ok(())),
            Ok(Err(mysql_protocol::Error::Command(what))) => Ok(Err(Error::Unsupported(what))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Gone),
        }
    }

    pub(super) async fn prepare(&mut self, sql: &str) -> Result<(), Gone> {
        let max = self.frontend.config().frontend.prepared_statements_max;
        let (id, parameters, statement) = match self.prepared.prepare(sql, max) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.session.warnings.clear();
                return self.failed(&error).await;
            }
        };
        if !asks_for_warnings(sql, &statement) {
            self.session.warnings.clear();
        }
        let columns = match self.described(statement).await {
            Ok(columns) => columns,
            Err(error) => {
                self.prepared.close(id);
                return self.failed(&error).await;
            }
        };
        Ok(self.connection.prepare_ok(id, parameters, &columns).await?)
    }

    /// The columns that a prepared statement will have.
    async fn described(&mut self, statement: Statement) -> Result<Vec<Column>> {
        match statement {
            Statement::Query(query) => {
                let plan = self.frontend.planner().plan(&self.session, &query).await?;
                Ok(columns(&plan.schema))
            }
            Statement::Explain { .. } => Ok(columns(&query::explain::schema())),
            Statement::Show(show) => {
                match metadata::show(&self.frontend, &self.session, show).await? {
                    Answer::Rows(rows) => Ok(columns(&rows.schema)),
                    Answer::Done => Ok(vec![]),
                }
            }
            _ => Ok(vec![]),
        }
    }

    /// COM_STMT_EXECUTE.
    pub(super) async fn execute(
        &mut self,
        id: u32,
        flags: u8,
        parameters: &Bytes,
    ) -> Result<(), Gone> {
        self.cursors.close(id);
        let bound = self.prepared.bind(id, parameters);
        let text = self.prepared.text(id).unwrap_or_default().to_string();
        match flags {
            0 => self.run_statement(&text, bound, RowFormat::Binary, 0).await.map(drop),
            CURSOR_READ_ONLY => self.open_cursor(id, &text, bound).await,
            other => {
                let told = format!("cursors of type {other} are not supported: only those forward");
                self.failed(&Error::Unsupported(told)).await
            }
        }
    }
}

/// Whether a statement asks what the one before has left.
fn asks_for_warnings(sql: &str, statement: &Statement) -> bool {
    match statement {
        Statement::Show(Show::Warnings { .. }) => true,
        Statement::Show(Show::Where(show, _)) => matches!(**show, Show::Warnings { .. }),
        Statement::Query(_) => {
            ["@@warning_count", "@@error_count"].iter().any(|name| sql.contains(name))
        }
        _ => false,
    }
}

/// The columns of a result.
pub(super) fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields().iter().map(|field| column(field)).collect()
}

fn column(field: &Field) -> Column {
    let column = Column::from_field(field);
    match Origin::of(field) {
        Some(Origin { database, table, org_table, org_name }) => {
            Column { schema: database, table, org_table, org_name, ..column }
        }
        None => column,
    }
}
