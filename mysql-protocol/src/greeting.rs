//! The greeting of the server and the answer of the client.

use crate::auth::{Plugin, SALT};
use crate::capability as cap;
use crate::wire::Reader;
use crate::{Error, Result};

/// utf8mb4_0900_ai_ci: what MySQL 8 names in its greeting.
const GREETING_COLLATION: u8 = 255;
/// Attributes that are kept of a client, and the bytes of one.
const ATTRIBUTES_MAX: usize = 64;
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// The payload of the greeting.
pub fn greeting(
    version: &str,
    connection_id: u32,
    salt: &[u8; SALT],
    capabilities: u32,
) -> Vec<u8> {
    let mut out = vec![10];
    out.extend_from_slice(version.as_bytes());
    out.push(0);
    out.extend_from_slice(&connection_id.to_le_bytes());
    out.extend_from_slice(&salt[..8]);
    out.push(0);
    out.extend_from_slice(&capabilities.to_le_bytes()[..2]);
    out.push(GREETING_COLLATION);
    out.extend_from_slice(&cap::STATUS_AUTOCOMMIT.to_le_bytes());
    out.extend_from_slice(&capabilities.to_le_bytes()[2..]);
    out.push(SALT as u8 + 1);
    out.extend_from_slice(&[0; 10]);
    out.extend_from_slice(&salt[8..]);
    out.push(0);
    out.extend_from_slice(Plugin::CachingSha2.name().as_bytes());
    out.push(0);
    out
}

/// What a client answers to the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its capabilities.
    pub capabilities: u32,
    /// The collation that it wants.
    pub collation: u16,
    /// The user.
    pub user: String,
    /// The answer to the salt.
    pub answer: Vec<u8>,
    /// The database to begin with.
    pub database: Option<String>,
    /// The plugin that the answer was made with; `None`: one that is not known.
    pub plugin: Option<Plugin>,
    /// Attributes of the client, such as its name and version.
    pub attributes: Vec<(String, String)>,
}

/// Whether a packet asks for TLS rather than for a login.
pub fn is_ssl_request(packet: &[u8]) -> bool {
    packet.len() == 32 && Reader::new(packet).u32().is_ok_and(|flags| flags & cap::SSL != 0)
}

/// Reads the answer to a greeting.
///
/// # Errors
/// `Protocol` for a client older than 4.1; `Command` for a packet that ends early.
pub fn response(packet: &[u8]) -> Result<Response> {
    let mut reader = Reader::new(packet);
    let capabilities = reader.u32()?;
    if capabilities & cap::PROTOCOL_41 == 0 {
        return Err(Error::protocol("clients before MySQL 4.1 are not served"));
    }
    reader.u32()?;
    let collation = u16::from(reader.u8()?);
    reader.take(23)?;
    let user = text(reader.zero_terminated()?)?;
    let answer = if capabilities & cap::PLUGIN_AUTH_LENENC != 0 {
        reader.lenenc_bytes()?
    } else {
        let length = reader.u8()?;
        reader.take(usize::from(length))?
    };
    let mut this = Response {
        capabilities,
        collation,
        user,
        answer: answer.to_vec(),
        database: None,
        plugin: Some(Plugin::Native),
        attributes: vec![],
    };
    rest(&mut reader, &mut this)?;
    Ok(this)
}

/// Database, plugin and attributes; also the tail of COM_CHANGE_USER.
fn rest(reader: &mut Reader<'_>, response: &mut Response) -> Result<()> {
    if response.capabilities & cap::CONNECT_WITH_DB != 0 && !reader.rest().is_empty() {
        let database = text(reader.zero_terminated()?)?;
        response.database = Some(database).filter(|name| !name.is_empty());
    }
    if response.capabilities & cap::PLUGIN_AUTH != 0 && !reader.rest().is_empty() {
        // some clients leave out the last zero
        let name = reader.zero_terminated().unwrap_or_else(|_| reader.rest());
        response.plugin = Plugin::of(name);
    }
    if response.capabilities & cap::CONNECT_ATTRS != 0 && !reader.rest().is_empty() {
        response.attributes = attributes(reader).unwrap_or_default();
    }
    Ok(())
}

fn attributes(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>> {
    let mut pairs = Reader::new(reader.lenenc_bytes()?);
    let mut all = vec![];
    while !pairs.rest().is_empty() && all.len() < ATTRIBUTES_MAX {
        let (key, value) = (pairs.lenenc_bytes()?, pairs.lenenc_bytes()?);
        if key.len() + value.len() <= ATTRIBUTE_BYTES_MAX {
            all.push((text(key)?, text(value)?));
        }
    }
    Ok(all)
}

/// Reads the payload of COM_CHANGE_USER in a session with these capabilities.
///
/// # Errors
/// `Command` for a packet that ends early.
pub fn change_user(payload: &[u8], capabilities: u32) -> Result<Response> {
    let mut reader = Reader::new(payload);
    let user = text(reader.zero_terminated()?)?;
    let length = reader.u8()?;
    let answer = reader.take(usize::from(length))?.to_vec();
    let database = text(reader.zero_terminated()?)?;
    let mut this = Response {
        // the database was read above and comes once
        capabilities: capabilities & !cap::CONNECT_WITH_DB,
        collation: 0,
        user,
        answer,
        database: Some(database).filter(|name| !name.is_empty()),
        plugin: Some(Plugin::Native),
        attributes: vec![],
    };
    if reader.rest().len() >= 2 {
        this.collation = reader.u16()?;
        rest(&mut reader, &mut this)?;
    }
    Ok(this)
}

/// The payload that asks for an answer by another plugin.
pub fn auth_switch(plugin: Plugin, salt: &[u8; SALT]) -> Vec<u8> {
    let mut out = vec![0xfe];
    out.extend_from_slice(plugin.name().as_bytes());
    out.push(0);
    out.extend_from_slice(salt);
    out.push(0);
    out
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::command("a name that is not UTF-8"))
}
