//! A server that answers every statement with the table.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use mysql_protocol::{
    Accounts, Answering, Clock, Column, Command, Connection, Error, Ok as OkPacket, RowFormat,
    ServerError, ServerOptions, Service, Verifier, accept, serve,
};
use tokio::net::{TcpListener, TcpStream};

use crate::{Result, table};

/// As the frontend waits for a client that does not read (`net_write_timeout`).
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves until the process is stopped.
pub fn run(rows: usize) -> Result<()> {
    let batches: Arc<[RecordBatch]> = table::batches(rows)?.into();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(client(stream, Arc::clone(&batches)));
        }
    })
}

struct Root;

impl Accounts for Root {
    fn verifier(&self, user: &str, _: &str) -> Option<Verifier> {
        (user == "root").then(|| Verifier::from_password(""))
    }
}

async fn client(stream: TcpStream, batches: Arc<[RecordBatch]>) -> Result<(), Error> {
    let options = ServerOptions {
        version: "8.0.33-bench".into(),
        tls: None,
        require_tls: false,
        packet_bytes_max: 1 << 20,
        login_timeout: Duration::from_secs(10),
    };
    let (mut connection, _) = accept(stream, "127.0.0.1", 1, &options, &Root).await?;
    connection.ok(&OkPacket::default()).await?;
    connection.start_compression();
    let fields = batches.iter().take(1).flat_map(|batch| batch.schema_ref().fields());
    let columns = fields.map(|field| Column::from_field(field)).collect();
    serve(&mut Table { connection, columns, batches }, std::future::pending()).await
}

/// The table before one client.
struct Table {
    connection: Connection<TcpStream>,
    columns: Vec<Column>,
    batches: Arc<[RecordBatch]>,
}

impl Table {
    async fn rows(&mut self, format: RowFormat) -> Result<(), Error> {
        let utc = Clock::utc();
        self.connection.start_result(&self.columns).await?;
        for batch in self.batches.iter() {
            let writing = self.connection.write_batch(batch, format, &utc);
            let written = tokio::time::timeout(PATIENCE, writing).await;
            written.unwrap_or_else(|_| {
                Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
            })?;
        }
        self.connection.finish_result(0, 0).await
    }

    async fn answer_command(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Query(_) => self.rows(RowFormat::Text).await,
            Command::Prepare(_) => self.connection.prepare_ok(1, 0, &self.columns).await,
            Command::Execute { .. } => self.rows(RowFormat::Binary).await,
            Command::CloseStatement(_) => Ok(()),
            _ => self.connection.error(&ServerError::unknown_command()).await,
        }
    }
}

impl Service for Table {
    type Stream = TcpStream;
    type Gone = Error;

    fn connection(&mut self) -> &mut Connection<TcpStream> {
        &mut self.connection
    }

    fn idle_max(&self) -> Duration {
        Duration::from_secs(28_800)
    }

    fn answer(&mut self, command: Command) -> Answering<'_, Error> {
        Box::pin(self.answer_command(command))
    }
}
