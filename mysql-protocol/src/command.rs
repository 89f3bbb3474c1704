//! Commands of a client.

use bytes::{Buf, Bytes};

use crate::wire::Reader;
use crate::{Error, Result};

/// Flag of COM_STMT_EXECUTE: a cursor that goes forward.
pub const CURSOR_READ_ONLY: u8 = 1;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ends the session; has no answer.
    Quit,
    /// Changes the default database.
    InitDb(String),
    /// A text of one or more statements.
    Query(String),
    /// The columns of a table, by an old way: its name, and a pattern of names of columns.
    FieldList(String, String),
    /// A line of figures.
    Statistics,
    /// Ends another connection's statement and connection.
    ProcessKill(u32),
    /// Is the server there?
    Ping,
    /// Another user in the same connection; the payload is read with the session's capabilities.
    ChangeUser(Bytes),
    /// A session as it was after login.
    ResetConnection,
    /// Prepares a statement.
    Prepare(String),
    /// Runs a prepared statement; the payload is read with its parameters.
    Execute {
        /// The statement.
        statement: u32,
        /// Flags: 0, rows at once; [`CURSOR_READ_ONLY`], rows are fetched by COM_STMT_FETCH.
        flags: u8,
        /// What follows the iteration count.
        parameters: Bytes,
    },
    /// The next rows of a cursor.
    Fetch {
        /// The statement.
        statement: u32,
        /// How many at the most.
        rows: u32,
    },
    /// A piece of a long parameter; has no answer.
    SendLongData {
        /// The statement.
        statement: u32,
        /// The parameter.
        parameter: u16,
        /// The piece.
        data: Bytes,
    },
    /// Forgets a prepared statement; has no answer.
    CloseStatement(u32),
    /// Forgets the long parameters of a prepared statement.
    ResetStatement(u32),
    /// Multi-statements on (0) or off (1).
    SetOption(u16),
    /// A malformed command of those that have no answer, not even an error.
    Unanswerable,
    /// A command that is not served.
    Unknown(u8),
}

/// Reads a command.
///
/// A malformed COM_STMT_SEND_LONG_DATA or COM_STMT_CLOSE is [`Command::Unanswerable`]: an error would be taken for the
/// answer to the next command.
///
/// # Errors
/// `Command` for one that is malformed: the session goes on.
pub fn parse(packet: Bytes) -> Result<Command> {
    let has_answer = !matches!(packet.first(), Some(0x18 | 0x19));
    match read(packet) {
        Err(_) if !has_answer => Ok(Command::Unanswerable),
        read => read,
    }
}

fn read(mut payload: Bytes) -> Result<Command> {
    let code = payload.try_get_u8().map_err(|_| Error::command("an empty command"))?;
    match code {
        0x02 => text(payload).map(Command::InitDb),
        0x03 => text(payload).map(Command::Query),
        0x11 => Ok(Command::ChangeUser(payload)),
        0x16 => text(payload).map(Command::Prepare),
        code => read_values(code, &payload),
    }
}

fn read_values(code: u8, payload: &Bytes) -> Result<Command> {
    let mut reader = Reader::new(payload);
    Ok(match code {
        0x01 => Command::Quit,
        0x04 => {
            let table = name(reader.zero_terminated()?)?;
            Command::FieldList(table, name(reader.rest())?)
        }
        0x09 => Command::Statistics,
        0x0c => Command::ProcessKill(reader.u32()?),
        0x0e => Command::Ping,
        0x17 => {
            let statement = reader.u32()?;
            let flags = reader.u8()?;
            reader.u32()?;
            let parameters = payload.slice_ref(reader.rest());
            Command::Execute { statement, flags, parameters }
        }
        0x18 => {
            let (statement, parameter) = (reader.u32()?, reader.u16()?);
            Command::SendLongData { statement, parameter, data: payload.slice_ref(reader.rest()) }
        }
        0x19 => Command::CloseStatement(reader.u32()?),
        0x1a => Command::ResetStatement(reader.u32()?),
        0x1b => Command::SetOption(reader.u16()?),
        0x1c => Command::Fetch { statement: reader.u32()?, rows: reader.u32()? },
        0x1f => Command::ResetConnection,
        other => Command::Unknown(other),
    })
}

/// The text of a statement may be as long as a packet: it is taken as it lies there, where nothing else is in that memory.
fn text(bytes: Bytes) -> Result<String> {
    String::from_utf8(bytes.into()).map_err(|_| Error::NotUtf8)
}

fn name(bytes: &[u8]) -> Result<String> {
    std::str::from_utf8(bytes).map(str::to_string).map_err(|_| Error::NotUtf8)
}
