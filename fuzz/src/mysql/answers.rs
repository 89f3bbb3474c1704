//! What stands behind statements: answers of every shape, chosen by their texts.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use arrow::array::RecordBatch;
use mysql_protocol::bytes::Bytes;
use mysql_protocol::capability::{STATUS_CURSOR_EXISTS, STATUS_LAST_ROW_SENT, STATUS_MORE_RESULTS};
use mysql_protocol::prepared::{Bindings, Parameter};
use mysql_protocol::{
    Answering, Clock, Column, Command, Connection, Error, Ok as OkPacket, Result, RowFormat,
    ServerError, Service,
};

use super::client::Client;
use super::{LONG_PARAMETER_BYTES_MAX, Two, rows};

/// What most statements are answered with: columns of every type take longer to make than to send.
static ONE_ROW: LazyLock<RecordBatch> = LazyLock::new(|| rows::of(b"a row"));

/// Statements that one client may prepare.
const PREPARED_MAX: usize = 16;

/// A client and what it has prepared.
pub struct Answers<'a> {
    connection: Connection<Client<'a>>,
    prepared: HashMap<u32, Prepared>,
    last: u32,
}

struct Prepared {
    parameters: u16,
    bindings: Bindings,
    /// What a cursor has not given yet.
    cursor: Option<RecordBatch>,
}

impl<'a> Answers<'a> {
    pub fn new(connection: Connection<Client<'a>>) -> Self {
        Self { connection, prepared: HashMap::new(), last: 0 }
    }

    async fn ok(&mut self) -> Result<()> {
        self.connection.ok(&OkPacket::default()).await
    }

    async fn error(&mut self, errno: u16, message: impl Into<String>) -> Result<()> {
        self.connection.error(&ServerError::new(errno, b"HY000", message)).await
    }

    /// One answer for each part between semicolons.
    async fn query(&mut self, sql: &str) -> Result<()> {
        let parts: Vec<&str> = sql.splitn(8, ';').collect();
        let last = if self.connection.multi_statements() { parts.len() - 1 } else { 0 };
        for (i, part) in parts.iter().enumerate().take(last + 1) {
            let more = if i < last { STATUS_MORE_RESULTS } else { 0 };
            match part.as_bytes() {
                [] => return self.error(1065, "empty").await,
                [b'e', ..] => return self.error(1064, *part).await,
                [b'd', ..] => {
                    let ok = OkPacket { status: more, ..OkPacket::default() };
                    self.connection.ok(&ok).await?;
                }
                // a statement that runs for a while, beside which the client's next bytes are looked at
                [b'w', ..] => {
                    tokio::select! {
                        biased;
                        () = self.connection.closed() => return Err(Error::Protocol("gone".into())),
                        () = tokio::task::yield_now() => {}
                    }
                    self.rows(ONE_ROW.clone(), RowFormat::Text, more).await?;
                }
                [b'v', ..] => self.rows(rows::of(part.as_bytes()), RowFormat::Text, more).await?,
                _ => self.rows(ONE_ROW.clone(), RowFormat::Text, more).await?,
            }
        }
        Ok(())
    }

    async fn rows(&mut self, batch: RecordBatch, format: RowFormat, flags: u16) -> Result<()> {
        self.connection.start_result(&columns(&batch)).await?;
        match self.connection.write_batch(&batch, format, &Clock::utc()).await {
            Err(Error::Command(what)) => self.error(1235, what).await,
            written => {
                written?;
                self.connection.finish_result(flags, 1).await
            }
        }
    }

    async fn prepare(&mut self, sql: &str) -> Result<()> {
        if self.prepared.len() >= PREPARED_MAX {
            return self.error(1461, "too many").await;
        }
        let marks = sql.bytes().filter(|byte| *byte == b'?').count();
        let Ok(parameters) = u16::try_from(marks) else {
            return self.error(1390, "too many parameters").await;
        };
        self.last += 1;
        let prepared = Prepared { parameters, bindings: Bindings::default(), cursor: None };
        self.prepared.insert(self.last, prepared);
        let columns = if sql.starts_with('d') { vec![] } else { columns(&ONE_ROW) };
        self.connection.prepare_ok(self.last, parameters, &columns).await
    }

    async fn execute(&mut self, id: u32, flags: u8, payload: &Bytes) -> Result<()> {
        let Some(prepared) = self.prepared.get_mut(&id) else {
            return self.error(1243, "unknown").await;
        };
        prepared.cursor = None;
        let values = match prepared.bindings.bind(payload, prepared.parameters) {
            Ok(values) => values,
            Err(error) => return self.error(1210, error.to_string()).await,
        };
        let bytes = values.iter().find_map(|value| match value {
            Parameter::Bytes(bytes) if !bytes.is_empty() => Some(&bytes[..bytes.len().min(4096)]),
            _ => None,
        });
        let batch = rows::of(bytes.unwrap_or(b"nothing"));
        if flags == 0 {
            return self.rows(batch, RowFormat::Binary, 0).await;
        }
        let columns = columns(&batch);
        prepared.cursor = Some(batch);
        self.connection.open_cursor(&columns, 0).await
    }

    async fn fetch(&mut self, id: u32, wanted: u32) -> Result<()> {
        let cursor = self.prepared.get_mut(&id).and_then(|prepared| prepared.cursor.as_mut());
        let Some(left) = cursor else { return self.error(1421, "no cursor").await };
        let now = left.slice(0, left.num_rows().min(wanted as usize));
        *left = left.slice(now.num_rows(), left.num_rows() - now.num_rows());
        let status = if left.num_rows() > 0 { STATUS_CURSOR_EXISTS } else { STATUS_LAST_ROW_SENT };
        match self.connection.write_batch(&now, RowFormat::Binary, &Clock::utc()).await {
            Err(Error::Command(what)) => self.error(1235, what).await,
            written => {
                written?;
                self.connection.finish_result(status, 0).await
            }
        }
    }

    fn long_data(&mut self, id: u32, parameter: u16, data: &[u8]) {
        let held: usize = self.prepared.values().map(|p| p.bindings.long_bytes()).sum();
        if let Some(prepared) = self.prepared.get_mut(&id) {
            prepared.bindings.push_long(parameter, data, LONG_PARAMETER_BYTES_MAX - held);
        }
    }

    async fn change_user(&mut self, payload: &[u8]) -> Result<()> {
        self.connection.change_user(payload, "h", &Two).await?;
        self.prepared.clear();
        self.ok().await
    }

    async fn answer_command(&mut self, command: Command) -> Result<()> {
        match command {
            Command::Query(sql) => self.query(&sql).await,
            Command::Prepare(sql) => self.prepare(&sql).await,
            Command::Execute { statement, flags, parameters } => {
                self.execute(statement, flags, &parameters).await
            }
            Command::Fetch { statement, rows } => self.fetch(statement, rows).await,
            Command::SendLongData { statement, parameter, data } => {
                self.long_data(statement, parameter, &data);
                Ok(())
            }
            Command::CloseStatement(id) => {
                self.prepared.remove(&id);
                Ok(())
            }
            Command::Unanswerable => Ok(()),
            Command::ResetStatement(id) => {
                if let Some(prepared) = self.prepared.get_mut(&id) {
                    prepared.bindings.reset();
                }
                self.ok().await
            }
            Command::ChangeUser(payload) => self.change_user(&payload).await,
            Command::FieldList(..) => self.connection.field_list(&columns(&ONE_ROW)).await,
            Command::SetOption(option @ (0 | 1)) => {
                self.connection.set_multi_statements(option == 0);
                self.connection.finish_result(0, 0).await
            }
            Command::Statistics => self.connection.text("Uptime: 1").await,
            Command::ResetConnection => {
                self.prepared.clear();
                self.ok().await
            }
            Command::InitDb(_) | Command::Ping | Command::ProcessKill(_) => self.ok().await,
            _ => self.connection.error(&ServerError::unknown_command()).await,
        }
    }
}

fn columns(batch: &RecordBatch) -> Vec<Column> {
    batch.schema().fields().iter().map(|field| Column::from_field(field)).collect()
}

impl<'a> Service for Answers<'a> {
    type Stream = Client<'a>;
    type Gone = Error;

    fn connection(&mut self) -> &mut Connection<Client<'a>> {
        &mut self.connection
    }

    fn idle_max(&self) -> Duration {
        Duration::from_secs(28_800)
    }

    fn answer(&mut self, command: Command) -> Answering<'_, Error> {
        Box::pin(self.answer_command(command))
    }
}
