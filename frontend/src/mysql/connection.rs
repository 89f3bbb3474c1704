//! One client: login, then commands until it goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use mysql_protocol::capability::{STATUS_AUTOCOMMIT, STATUS_MORE_RESULTS};
use mysql_protocol::{
    Column, Command, Connection, Login, Ok as OkPacket, RowFormat, ServerError, ServerOptions,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::error_code::server_error;
use super::listener::Root;
use super::prepared::PreparedStatements;
use crate::query::statement::Statement;
use crate::query::{self, Answer, Rows, parse, settings};
use crate::session::Session;
use crate::session::process_list::Entry;
use crate::{Error, Frontend, Result};

/// The session ends: the client is gone, or the connection is of no more use.
struct Gone;

impl From<mysql_protocol::Error> for Gone {
    fn from(error: mysql_protocol::Error) -> Self {
        tracing::debug!(%error, "a connection ended");
        Gone
    }
}

/// Serves one client until it goes, is killed, or the server stops.
pub async fn serve(
    frontend: Arc<Frontend>,
    stream: TcpStream,
    peer: SocketAddr,
    options: &ServerOptions,
    stop: CancellationToken,
) {
    let host = peer.ip().to_canonical().to_string();
    let id = frontend.processes().next_id();
    let accounts = Root(&frontend);
    let accepted = mysql_protocol::accept(stream, &host, id, options, &accounts).await;
    let (connection, login) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            metrics::counter!("millrace_frontend_logins_failed_total").increment(1);
            tracing::debug!(%error, %peer, "no login");
            return;
        }
    };
    let connections = metrics::gauge!("millrace_frontend_connections");
    connections.increment(1.0);
    let entry = frontend.processes().enter(id, &login.user, &host);
    let session = Session::new(id, login.user.clone(), host);
    let prepared = PreparedStatements::default();
    let mut client = Client { frontend, connection, session, entry, prepared };
    let killed = client.entry.stop.clone();
    tokio::select! {
        () = killed.cancelled() => {}
        _ = client.run(login, stop) => {}
    }
    connections.decrement(1.0);
}

struct Client {
    frontend: Arc<Frontend>,
    connection: Connection<TcpStream>,
    session: Session,
    entry: Entry,
    prepared: PreparedStatements,
}

impl Client {
    async fn run(&mut self, login: Login, stop: CancellationToken) -> Result<(), Gone> {
        self.begin(login.database).await?;
        loop {
            let seconds = u64::try_from(self.session.variables.int("wait_timeout")).unwrap_or(0);
            let idle = Duration::from_secs(seconds.max(1));
            let command = tokio::select! {
                () = stop.cancelled() => return Err(Gone),
                command = tokio::time::timeout(idle, self.connection.read_command()) => command,
            };
            match command {
                Err(_) | Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(Command::Quit))) => return Ok(()),
                Ok(Ok(Some(command))) => self.answer(command).await?,
                Ok(Err(mysql_protocol::Error::Command(what))) => {
                    let error =
                        ServerError::new(1835, b"HY000", format!("Malformed packet: {what}"));
                    self.connection.error(&error).await?;
                }
                Ok(Err(error @ mysql_protocol::Error::NotUtf8)) => {
                    let error = ServerError::new(1300, b"HY000", error.to_string());
                    self.connection.error(&error).await?;
                }
                Ok(Err(mysql_protocol::Error::TooLarge { bytes, max })) => {
                    let told =
                        format!("Got a packet bigger than 'max_allowed_packet': {bytes} > {max}");
                    self.connection.error(&ServerError::new(1153, b"08S01", told)).await?;
                    return Err(Gone);
                }
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Answers a login: OK, or an error where its database is unknown.
    async fn begin(&mut self, database: Option<String>) -> Result<(), Gone> {
        let Some(database) = database else {
            return Ok(self.connection.ok(&OkPacket::default()).await?);
        };
        match self.use_database(&database).await {
            Ok(()) => Ok(self.connection.ok(&OkPacket::default()).await?),
            Err(error) => {
                self.connection.error(&server_error(&error)).await?;
                Err(Gone)
            }
        }
    }

    /// A database as logins and COM_INIT_DB name it.
    async fn use_database(&mut self, name: &str) -> Result<()> {
        settings::use_database(&self.frontend, &mut self.session, vec![name.to_string()]).await
    }

    async fn answer(&mut self, command: Command) -> Result<(), Gone> {
        match command {
            Command::Query(sql) => self.query(&sql).await,
            Command::Ping => Ok(self.connection.ok(&OkPacket::default()).await?),
            Command::InitDb(name) => {
                let done = self.use_database(&name).await;
                self.done(done).await
            }
            Command::ResetConnection => {
                self.session.reset();
                self.prepared.clear();
                self.done(Ok(())).await
            }
            Command::ChangeUser(payload) => self.change_user(&payload).await,
            Command::Prepare(sql) => self.prepare(&sql).await,
            Command::Execute { cursor: true, .. } => {
                let told = "cursors are not supported: fetch rows without one".to_string();
                self.done(Err(Error::Unsupported(told))).await
            }
            Command::Execute { statement, parameters, .. } => {
                self.execute(statement, &parameters).await
            }
            Command::SendLongData { statement, parameter, data } => {
                self.prepared.long_data(statement, parameter, &data);
                Ok(())
            }
            Command::CloseStatement(statement) => {
                self.prepared.close(statement);
                Ok(())
            }
            Command::Unanswerable => Ok(()),
            Command::ResetStatement(statement) => {
                let done = self.prepared.reset(statement);
                self.done(done).await
            }
            Command::SetOption(option @ (0 | 1)) => {
                self.connection.set_multi_statements(option == 0);
                Ok(self.connection.finish_result(STATUS_AUTOCOMMIT).await?)
            }
            Command::Statistics => {
                let sessions = self.frontend.processes().all().len();
                Ok(self.connection.text(&format!("Threads: {sessions}")).await?)
            }
            Command::ProcessKill(id) => {
                let done = self.frontend.processes().kill(id, false);
                self.done(done).await
            }
            _ => Ok(self.connection.error(&ServerError::unknown_command()).await?),
        }
    }

    async fn done(&mut self, result: Result<()>) -> Result<(), Gone> {
        match result {
            Ok(()) => Ok(self.connection.ok(&OkPacket::default()).await?),
            Err(error) => Ok(self.connection.error(&server_error(&error)).await?),
        }
    }

    async fn change_user(&mut self, payload: &[u8]) -> Result<(), Gone> {
        let frontend = Arc::clone(&self.frontend);
        let host = self.session.host.clone();
        let login = self.connection.change_user(payload, &host, &Root(&frontend)).await?;
        self.prepared.clear();
        self.session = Session::new(self.session.id, login.user, host);
        self.begin(login.database).await
    }

    async fn query(&mut self, sql: &str) -> Result<(), Gone> {
        let statements = match parse::parse(sql) {
            Ok(statements) if statements.is_empty() => Err(Error::Empty),
            Ok(statements) if statements.len() > 1 && !self.connection.multi_statements() => {
                Err(Error::Syntax("several statements in one text were not asked for".into()))
            }
            parsed => parsed,
        };
        let statements = match statements {
            Ok(statements) => statements,
            Err(error) => return Ok(self.connection.error(&server_error(&error)).await?),
        };
        let last = statements.len() - 1;
        for (i, statement) in statements.into_iter().enumerate() {
            let more = if i < last { STATUS_MORE_RESULTS } else { 0 };
            let went_well = self.run_statement(sql, statement, RowFormat::Text, more).await?;
            if !went_well {
                break;
            }
        }
        Ok(())
    }

    /// Runs one statement and writes its answer; `false` when that was an error.
    async fn run_statement(
        &mut self,
        sql: &str,
        statement: Statement,
        format: RowFormat,
        more: u16,
    ) -> Result<bool, Gone> {
        metrics::counter!("millrace_frontend_statements_total").increment(1);
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
                let status = STATUS_AUTOCOMMIT | more;
                self.connection.ok(&OkPacket { status, ..OkPacket::default() }).await?;
                return Ok(true);
            }
            Ok(Answer::Rows(rows)) => match self.write_rows(rows, format, more).await? {
                Ok(()) => return Ok(true),
                Err(error) => error,
            },
            Err(error) => error,
        };
        metrics::counter!("millrace_frontend_statements_failed_total").increment(1);
        self.connection.error(&server_error(&error)).await?;
        Ok(false)
    }

    /// Writes rows as they come. The inner error ends them in the middle.
    async fn write_rows(
        &mut self,
        mut rows: Rows,
        format: RowFormat,
        more: u16,
    ) -> Result<Result<()>, Gone> {
        let offset = self.session.offset_seconds();
        let patience = u64::try_from(self.session.variables.int("net_write_timeout")).unwrap_or(0);
        let patience = Duration::from_secs(patience.max(1));
        self.connection.start_result(&columns(&rows)).await?;
        loop {
            let next = match rows.batches.next().now_or_never() {
                Some(next) => next,
                None => {
                    // nothing is ready: let the client see what there is
                    self.connection.flush_rows().await?;
                    tokio::select! {
                        next = rows.batches.next() => next,
                        () = self.connection.closed() => return Err(Gone),
                    }
                }
            };
            match next {
                None => break,
                Some(Err(error)) => return Ok(Err(error)),
                Some(Ok(batch)) => {
                    // a client that stops reading must not hold its query for ever
                    let writing = self.connection.write_batch(&batch, format, offset);
                    match tokio::time::timeout(patience, writing).await {
                        Ok(Ok(())) => {}
                        Ok(Err(mysql_protocol::Error::Command(what))) => {
                            return Ok(Err(Error::Unsupported(what)));
                        }
                        Ok(Err(error)) => return Err(error.into()),
                        Err(_) => return Err(Gone),
                    }
                }
            }
        }
        self.connection.finish_result(STATUS_AUTOCOMMIT | more).await?;
        Ok(Ok(()))
    }

    async fn prepare(&mut self, sql: &str) -> Result<(), Gone> {
        let max = self.frontend.config().frontend.prepared_statements_max;
        let (id, parameters, statement) = match self.prepared.prepare(sql, max) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(self.connection.error(&server_error(&error)).await?),
        };
        let columns = match self.described(statement).await {
            Ok(columns) => columns,
            Err(error) => {
                self.prepared.close(id);
                return Ok(self.connection.error(&server_error(&error)).await?);
            }
        };
        Ok(self.connection.prepare_ok(id, parameters, &columns).await?)
    }

    /// The columns that a prepared query will have. Other statements announce none; clients read them when they run.
    async fn described(&self, statement: Statement) -> Result<Vec<Column>> {
        let Statement::Query(query) = statement else {
            return Ok(vec![]);
        };
        let plan = self.frontend.planner().plan(&self.session, &query).await?;
        Ok(plan.schema.fields().iter().map(|field| Column::from_field(field)).collect())
    }

    async fn execute(&mut self, id: u32, parameters: &[u8]) -> Result<(), Gone> {
        match self.prepared.bind(id, parameters) {
            Ok(statement) => {
                self.run_statement("(prepared)", statement, RowFormat::Binary, 0).await?;
                Ok(())
            }
            Err(error) => Ok(self.connection.error(&server_error(&error)).await?),
        }
    }
}

fn columns(rows: &Rows) -> Vec<Column> {
    rows.schema.fields().iter().map(|field| Column::from_field(field)).collect()
}
