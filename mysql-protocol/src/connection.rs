//! A client's connection: login, commands in, answers out.

mod login;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::{Bytes, BytesMut};
use stream::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::auth::Verifier;
use crate::capability as cap;
use crate::command::{self, Command};
use crate::compress::{Algorithm, Compressed};
use crate::packet::{Decoder, begin, finish};
use crate::value::Rows;
use crate::wire::put_lenenc;
use crate::{Clock, Column, Error, Result, RowFormat, ServerError};

pub use login::{Login, accept, refuse};

/// How a server presents itself.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The version of the greeting, such as `8.0.33-x`: clients decide by it what they may ask.
    pub version: String,
    /// TLS, where it is offered.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Refuse logins without TLS.
    pub require_tls: bool,
    /// The longest packet of a client that has logged in.
    pub packet_bytes_max: usize,
    /// The longest wait for a login.
    pub login_timeout: Duration,
}

/// The accounts of a server.
pub trait Accounts: Send + Sync {
    /// The verifier of a user who comes from a host; `None` for one who may not come.
    fn verifier(&self, user: &str, host: &str) -> Option<Verifier>;
}

/// The content of an OK packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ok {
    /// Affected rows.
    pub affected_rows: u64,
    /// Status flags.
    pub status: u16,
    /// Number of warnings.
    pub warnings: u16,
    /// A line for people.
    pub info: String,
}

impl Default for Ok {
    fn default() -> Self {
        Self { affected_rows: 0, status: cap::STATUS_AUTOCOMMIT, warnings: 0, info: String::new() }
    }
}

/// Bytes of an answer that are gathered before they are sent.
const BLOCK: usize = 64 << 10;
/// Bytes that are read ahead while a statement runs.
const READ_AHEAD: usize = 64 << 10;
/// Room for what a client sends first: what a connection that waits keeps.
const READ_FIRST: usize = 4 << 10;
/// Room for what follows of a longer packet.
const READ: usize = 64 << 10;

/// A connection that is logged in.
pub struct Connection<S> {
    stream: Stream<S>,
    decoder: Decoder,
    out: Vec<u8>,
    compressed: Option<Compressed>,
    sequence: u8,
    capabilities: u32,
    multi_statements: bool,
    status: u16,
    logged_in: bool,
    salt: [u8; crate::auth::SALT],
    packet_bytes_max: usize,
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Capabilities that both sides have.
    pub fn capabilities(&self) -> u32 {
        self.capabilities
    }

    /// Whether one text may hold several statements.
    pub fn multi_statements(&self) -> bool {
        self.multi_statements
    }

    /// Switches that, as COM_SET_OPTION asks.
    pub fn set_multi_statements(&mut self, on: bool) {
        self.multi_statements = on;
    }

    /// Sets the flags that tell of the session, for the packets that end columns and rows.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// Compresses from here on, where both sides have said so: after the OK that ends a login.
    pub fn start_compression(&mut self) {
        if let Some(algorithm) = Algorithm::of(self.capabilities)
            && self.compressed.is_none()
        {
            let mut compressed = Compressed::new(algorithm);
            // what a client sent before it read the OK
            let ahead = self.decoder.buffer().split();
            compressed.buffer().unsplit(ahead);
            self.compressed = Some(compressed);
            self.decoder.set_any_sequence();
        }
    }

    /// The next command; `None` when the client has gone.
    ///
    /// # Errors
    /// `Command` for one that is malformed: it can be answered with an error, and the session goes on.
    pub async fn read_command(&mut self) -> Result<Option<Command>> {
        self.decoder.reset_sequence();
        if let Some(compressed) = &mut self.compressed {
            compressed.reset_sequence();
        }
        // while a client is silent nothing is kept of what it sent and was sent before
        self.out = vec![];
        let buffer = arriving(&mut self.compressed, &mut self.decoder);
        if buffer.is_empty() {
            *buffer = BytesMut::new();
        }
        match self.read_packet().await? {
            Some(packet) => {
                self.sequence = self.decoder.sequence();
                command::parse(packet).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The next packet; `None` at the end of the stream, if that is between packets.
    async fn read_packet(&mut self) -> Result<Option<Bytes>> {
        let mut room = READ_FIRST;
        loop {
            if let Some(packet) = self.decoder.next_packet()? {
                return Ok(Some(packet));
            }
            if let Some(compressed) = &mut self.compressed
                && compressed.next_piece(self.decoder.buffer())?
            {
                continue;
            }
            let read = if self.logged_in {
                let buffer = arriving(&mut self.compressed, &mut self.decoder);
                buffer.reserve(std::mem::replace(&mut room, READ));
                self.stream.read_buf(buffer).await?
            } else {
                // a client may send its first bytes of TLS behind the request for it: they are not ours to read
                let missing = self.decoder.missing() as u64;
                (&mut self.stream).take(missing).read_buf(self.decoder.buffer()).await?
            };
            if read == 0 {
                let nothing_left = self.decoder.is_empty()
                    && self.compressed.as_ref().is_none_or(Compressed::is_empty);
                return match nothing_left {
                    true => Ok(None),
                    false => Err(Error::protocol("the client left in the middle of a packet")),
                };
            }
        }
    }

    /// Resolves when the client has gone. What it sends meanwhile is kept, up to a bound, and read later.
    pub async fn closed(&mut self) {
        loop {
            let buffer = arriving(&mut self.compressed, &mut self.decoder);
            if buffer.len() >= READ_AHEAD {
                // it is there, or TCP will tell when its answer is written
                return std::future::pending().await;
            }
            match self.stream.read_buf(buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// Answers OK.
    ///
    /// # Errors
    /// `Io`, as every method that writes.
    pub async fn ok(&mut self, ok: &Ok) -> Result<()> {
        let payload = ok_payload(0, ok);
        self.send(&payload).await
    }

    /// Answers with an error; also in the middle of rows, which it ends.
    pub async fn error(&mut self, error: &ServerError) -> Result<()> {
        let payload = error_payload(error, self.capabilities);
        self.send(&payload).await
    }

    /// Answers with a text alone (COM_STATISTICS).
    pub async fn text(&mut self, text: &str) -> Result<()> {
        self.send(text.as_bytes()).await
    }

    async fn send(&mut self, payload: &[u8]) -> Result<()> {
        self.put(|out| out.extend_from_slice(payload));
        self.flush().await
    }

    /// Gathers one packet.
    fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = begin(&mut self.out);
        write(&mut self.out);
        finish(&mut self.out, start, &mut self.sequence);
    }

    async fn flush(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        match &mut self.compressed {
            Some(compressed) => {
                let frames = compressed.frames(&self.out)?;
                self.stream.write_all(&frames).await?;
            }
            None => self.stream.write_all(&self.out).await?,
        }
        self.stream.flush().await?;
        self.out.clear();
        self.out.shrink_to(2 * BLOCK);
        self.decoder.set_sequence(self.sequence);
        Ok(())
    }

    fn deprecate_eof(&self) -> bool {
        self.capabilities & cap::DEPRECATE_EOF != 0
    }

    /// The end of column definitions or of rows, for clients that do without EOF packets or want them.
    fn put_eof(&mut self, flags: u16, warnings: u16) {
        let status = self.status | flags;
        let ok = Ok { status, warnings, ..Ok::default() };
        if self.deprecate_eof() {
            self.put(|out| out.extend_from_slice(&ok_payload(0xfe, &ok)));
        } else {
            self.put(|out| {
                out.push(0xfe);
                out.extend_from_slice(&warnings.to_le_bytes());
                out.extend_from_slice(&status.to_le_bytes());
            });
        }
    }

    /// Begins a result: its columns.
    pub async fn start_result(&mut self, columns: &[Column]) -> Result<()> {
        self.put(|out| put_lenenc(out, columns.len() as u64));
        self.put_columns(columns).await
    }

    async fn put_columns(&mut self, columns: impl IntoIterator<Item = &Column>) -> Result<()> {
        for column in columns {
            self.put(|out| column.put(out));
            self.flush_full().await?;
        }
        if !self.deprecate_eof() {
            self.put_eof(0, 0);
        }
        Ok(())
    }

    /// Writes rows of a result. Waits for the client where it reads slowly; memory holds one block.
    ///
    /// # Errors
    /// `Command` for a column without a MySQL form.
    pub async fn write_batch(
        &mut self,
        batch: &RecordBatch,
        format: RowFormat,
        clock: &Clock,
    ) -> Result<()> {
        let rows = Rows::new(batch, format, clock).map_err(|e| Error::command(e.to_string()))?;
        for row in 0..rows.len() {
            rows.put(row, &mut self.out, &mut self.sequence);
            self.flush_full().await?;
        }
        Ok(())
    }

    async fn flush_full(&mut self) -> Result<()> {
        if self.out.len() >= BLOCK { self.flush().await } else { Ok(()) }
    }

    /// Sends what is gathered: rows that a client should see before the next ones come.
    pub async fn flush_rows(&mut self) -> Result<()> {
        self.flush().await
    }

    /// Ends a result, with flags beside those of the session.
    pub async fn finish_result(&mut self, flags: u16, warnings: u16) -> Result<()> {
        self.put_eof(flags, warnings);
        self.flush().await
    }

    /// Answers that a cursor is open: its columns. Clients of both kinds want one packet behind them that says so.
    pub async fn open_cursor(&mut self, columns: &[Column], warnings: u16) -> Result<()> {
        self.put(|out| put_lenenc(out, columns.len() as u64));
        for column in columns {
            self.put(|out| column.put(out));
        }
        self.put_eof(cap::STATUS_CURSOR_EXISTS, warnings);
        self.flush().await
    }

    /// Answers COM_FIELD_LIST: columns, none of which has a default.
    pub async fn field_list(&mut self, columns: &[Column]) -> Result<()> {
        for column in columns {
            self.put(|out| {
                column.put(out);
                out.push(0xfb);
            });
        }
        self.finish_result(0, 0).await
    }

    /// Answers COM_STMT_PREPARE.
    pub async fn prepare_ok(
        &mut self,
        statement: u32,
        parameters: u16,
        columns: &[Column],
    ) -> Result<()> {
        let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        self.put(|out| {
            out.push(0);
            out.extend_from_slice(&statement.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(&parameters.to_le_bytes());
            out.extend_from_slice(&[0, 0, 0]);
        });
        if parameters > 0 {
            let parameter = Column::parameter();
            self.put_columns(std::iter::repeat_n(&parameter, usize::from(parameters))).await?;
        }
        if count > 0 {
            self.put_columns(&columns[..usize::from(count)]).await?;
        }
        self.flush().await
    }
}

/// Where bytes arrive: in front of what decompresses them, if there is such a thing.
fn arriving<'a>(
    compressed: &'a mut Option<Compressed>,
    decoder: &'a mut Decoder,
) -> &'a mut BytesMut {
    match compressed {
        Some(compressed) => compressed.buffer(),
        None => decoder.buffer(),
    }
}

/// The payload of an OK.
fn ok_payload(header: u8, ok: &Ok) -> Vec<u8> {
    let mut out = vec![header];
    put_lenenc(&mut out, ok.affected_rows);
    put_lenenc(&mut out, 0);
    out.extend_from_slice(&ok.status.to_le_bytes());
    out.extend_from_slice(&ok.warnings.to_le_bytes());
    out.extend_from_slice(ok.info.as_bytes());
    out
}

/// The payload of an error. Before the capabilities are known it has no SQLSTATE.
pub(crate) fn error_payload(error: &ServerError, capabilities: u32) -> Vec<u8> {
    let mut out = vec![0xff];
    out.extend_from_slice(&error.errno.to_le_bytes());
    if capabilities & cap::PROTOCOL_41 != 0 {
        out.push(b'#');
        out.extend_from_slice(&error.sqlstate);
    }
    // clients keep 512 bytes; leave room for those that keep more, and none for a flood
    const MESSAGE_BYTES_MAX: usize = 4096;
    let mut end = error.message.len().min(MESSAGE_BYTES_MAX);
    while !error.message.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&error.message.as_bytes()[..end]);
    out
}
