//! One client: login, then commands until it goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mysql_protocol::capability::{STATUS_AUTOCOMMIT, STATUS_IN_TRANSACTION};
use mysql_protocol::{
    Answering, Column, Command, Connection, Login, Ok as OkPacket, ServerError, ServerOptions,
    Service,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::cursor::Cursors;
use super::error_code::server_error;
use super::listener::Root;
use super::prepared::PreparedStatements;
use crate::query::statement::Like;
use crate::query::{metadata, settings};
use crate::session::Session;
use crate::session::process_list::Entry;
use crate::session::warnings::Warning;
use crate::{Error, Frontend, Result};

/// The session ends: the client is gone, or the connection is of no more use.
pub(super) struct Gone;

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
    let mut session = Session::new(id, login.user.clone(), host);
    session.variables = frontend.variables();
    tracing::debug!(%peer, id, attributes = ?login.attributes, "a login");
    let prepared = PreparedStatements::default();
    let cursors = Cursors::default();
    let mut client = Client { frontend, connection, session, entry, prepared, cursors };
    let killed = client.entry.stop.clone();
    tokio::select! {
        () = killed.cancelled() => {}
        _ = client.run(login, stop) => {}
    }
    connections.decrement(1.0);
}

pub(super) struct Client {
    pub(super) frontend: Arc<Frontend>,
    pub(super) connection: Connection<TcpStream>,
    pub(super) session: Session,
    pub(super) entry: Entry,
    pub(super) prepared: PreparedStatements,
    pub(super) cursors: Cursors,
}

impl Client {
    async fn run(&mut self, login: Login, stop: CancellationToken) -> Result<(), Gone> {
        self.begin(login.database).await?;
        mysql_protocol::serve(self, stop.cancelled()).await
    }

    /// Answers a login: OK, or an error where its database is unknown.
    async fn begin(&mut self, database: Option<String>) -> Result<(), Gone> {
        let chosen = match database {
            Some(database) => self.use_database(&database).await,
            None => Ok(()),
        };
        match chosen {
            Ok(()) => {
                self.ok(0).await?;
                self.connection.start_compression();
                Ok(())
            }
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

    async fn answer_command(&mut self, command: Command) -> Result<(), Gone> {
        match command {
            Command::Query(sql) => self.query(&sql).await,
            Command::Ping => self.ok(0).await,
            Command::InitDb(name) => {
                let done = self.use_database(&name).await;
                self.done(done).await
            }
            Command::ResetConnection => {
                self.session.reset();
                self.prepared.clear();
                self.cursors.clear();
                self.done(Ok(())).await
            }
            Command::ChangeUser(payload) => self.change_user(&payload).await,
            Command::Prepare(sql) => self.prepare(&sql).await,
            Command::Execute { statement, flags, parameters } => {
                self.execute(statement, flags, &parameters).await
            }
            Command::Fetch { statement, rows } => self.fetch(statement, rows).await,
            Command::FieldList(table, pattern) => self.field_list(&table, pattern).await,
            Command::SendLongData { statement, parameter, data } => {
                let max = self.frontend.config().frontend.long_parameter_bytes_max;
                self.prepared.long_data(statement, parameter, &data, max);
                Ok(())
            }
            Command::CloseStatement(statement) => {
                self.prepared.close(statement);
                self.cursors.close(statement);
                Ok(())
            }
            Command::Unanswerable => Ok(()),
            Command::ResetStatement(statement) => {
                self.cursors.close(statement);
                let done = self.prepared.reset(statement);
                self.done(done).await
            }
            Command::SetOption(option @ (0 | 1)) => {
                self.connection.set_multi_statements(option == 0);
                Ok(self.connection.finish_result(0, 0).await?)
            }
            Command::Statistics => {
                let told = statistics(&self.frontend);
                Ok(self.connection.text(&told).await?)
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
            Ok(()) => self.ok(0).await,
            Err(error) => self.failed(&error).await,
        }
    }

    /// Answers OK, with flags beside those of the session.
    pub(super) async fn ok(&mut self, flags: u16) -> Result<(), Gone> {
        let (status, warnings) = (self.set_status() | flags, self.warnings());
        Ok(self.connection.ok(&OkPacket { status, warnings, ..OkPacket::default() }).await?)
    }

    /// Answers with an error, which `SHOW WARNINGS` repeats.
    pub(super) async fn failed(&mut self, error: &Error) -> Result<(), Gone> {
        let error = server_error(error);
        self.session.warnings.push(Warning::error(error.errno, error.message.as_str()));
        Ok(self.connection.error(&error).await?)
    }

    /// Tells the connection the flags of the session, and returns them.
    pub(super) fn set_status(&mut self) -> u16 {
        let mut status = 0;
        if self.session.variables.int("autocommit") != 0 {
            status |= STATUS_AUTOCOMMIT;
        }
        if self.session.in_transaction {
            status |= STATUS_IN_TRANSACTION;
        }
        self.connection.set_status(status);
        status
    }

    /// How many warnings the last statement left.
    pub(super) fn warnings(&self) -> u16 {
        u16::try_from(self.session.warnings.count()).unwrap_or(u16::MAX)
    }

    /// COM_FIELD_LIST.
    async fn field_list(&mut self, table: &str, pattern: String) -> Result<(), Gone> {
        let name = [table.to_string()];
        let described = metadata::described_table(&self.frontend, &self.session, &name).await;
        let described = match described {
            Ok(described) => described,
            Err(error) => return self.failed(&error).await,
        };
        let wanted = Like(Some(pattern).filter(|pattern| !pattern.is_empty()));
        let fields = described.description.columns.schema.fields().iter();
        let columns: Vec<Column> = fields
            .filter(|field| wanted.matches(field.name()))
            .map(|field| Column {
                schema: described.database.clone(),
                table: described.name.clone(),
                org_table: described.name.clone(),
                org_name: field.name().clone(),
                ..Column::from_field(field)
            })
            .collect();
        Ok(self.connection.field_list(&columns).await?)
    }

    async fn change_user(&mut self, payload: &[u8]) -> Result<(), Gone> {
        let frontend = Arc::clone(&self.frontend);
        let host = self.session.host.clone();
        let login = self.connection.change_user(payload, &host, &Root(&frontend)).await?;
        self.prepared.clear();
        self.cursors.clear();
        self.session = Session::new(self.session.id, login.user, host);
        self.session.variables = self.frontend.variables();
        self.begin(login.database).await
    }
}

impl Service for Client {
    type Stream = TcpStream;
    type Gone = Gone;

    fn connection(&mut self) -> &mut Connection<TcpStream> {
        &mut self.connection
    }

    fn idle_max(&self) -> Duration {
        let seconds = u64::try_from(self.session.variables.int("wait_timeout")).unwrap_or(0);
        Duration::from_secs(seconds.max(1))
    }

    fn answer(&mut self, command: Command) -> Answering<'_, Gone> {
        Box::pin(self.answer_command(command))
    }
}

/// The line of COM_STATISTICS.
fn statistics(frontend: &Frontend) -> String {
    let status = frontend.processes().status();
    let of = |name: &str| status.iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| *n);
    format!(
        "Uptime: {}  Threads: {}  Questions: {}",
        of("Uptime"),
        of("Threads_connected"),
        of("Questions")
    )
}
