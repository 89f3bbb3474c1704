//! From the first byte to a session: greeting, TLS, authentication; COM_CHANGE_USER.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Accounts, Connection, ServerOptions, Stream, error_payload};
use crate::auth::{self, Plugin};
use crate::capability as cap;
use crate::greeting::{self, Response};
use crate::packet::{Decoder, begin, finish};
use crate::{Error, Result, ServerError};

/// The longest packet before a login.
const PACKET_BYTES_BEFORE_LOGIN: usize = 64 << 10;

/// What a client said when it logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The database to begin with.
    pub database: Option<String>,
    /// The collation that it wants.
    pub collation: u16,
    /// Attributes of the client, such as its name and version.
    pub attributes: Vec<(String, String)>,
}

/// Greets a client and logs it in.
///
/// The caller answers the login itself, with [`Connection::ok`] or an error: the database may be unknown.
///
/// # Errors
/// `Refused` after the client was told 1045; `LoginTimedOut`; `Protocol`, `TooLarge`, `Io`.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: S,
    host: &str,
    connection_id: u32,
    options: &ServerOptions,
    accounts: &dyn Accounts,
) -> Result<(Connection<S>, Login)> {
    let login = async {
        let mut connection = Connection::new(stream);
        let login = connection.log_in(host, connection_id, options, accounts).await?;
        connection.packet_bytes_max = options.packet_bytes_max;
        connection.logged_in = true;
        connection.decoder.set_max(options.packet_bytes_max);
        Ok((connection, login))
    };
    timeout(options.login_timeout, login).await.unwrap_or(Err(Error::LoginTimedOut))
}

/// Refuses a client before it logs in, for example with 1040.
///
/// # Errors
/// `Io`.
pub async fn refuse<S: AsyncWrite + Unpin>(mut stream: S, error: &ServerError) -> Result<()> {
    let (mut out, mut sequence) = (vec![], 0);
    let start = begin(&mut out);
    out.extend_from_slice(&error_payload(error, 0));
    finish(&mut out, start, &mut sequence);
    stream.write_all(&out).await?;
    stream.shutdown().await?;
    Ok(())
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: Stream::Plain(stream),
            decoder: Decoder::new(PACKET_BYTES_BEFORE_LOGIN),
            out: vec![],
            compressed: None,
            sequence: 0,
            capabilities: cap::PROTOCOL_41,
            multi_statements: false,
            status: cap::STATUS_AUTOCOMMIT,
            logged_in: false,
            salt: auth::new_salt(),
            packet_bytes_max: PACKET_BYTES_BEFORE_LOGIN,
        }
    }

    async fn log_in(
        &mut self,
        host: &str,
        connection_id: u32,
        options: &ServerOptions,
        accounts: &dyn Accounts,
    ) -> Result<Login> {
        let tls = if options.tls.is_some() { cap::SSL } else { 0 };
        let offered = cap::SERVER | tls;
        let greeting = greeting::greeting(&options.version, connection_id, &self.salt, offered);
        self.send(&greeting).await?;
        let mut packet = self.read_answer().await?;
        let mut encrypted = false;
        if greeting::is_ssl_request(&packet) {
            self.start_tls(options).await?;
            encrypted = true;
            packet = self.read_answer().await?;
        }
        let mut response = greeting::response(&packet)?;
        self.capabilities = response.capabilities & offered;
        self.multi_statements = self.capabilities & cap::MULTI_STATEMENTS != 0;
        if options.require_tls && !encrypted {
            let text = "Connections using insecure transport are prohibited while \
                        --require_secure_transport=ON.";
            self.error(&ServerError::new(3159, b"HY000", text)).await?;
            return Err(Error::Refused("no TLS".into()));
        }
        // MariaDB's client, told to use another plugin than the greeting names, waits for a salt before it answers
        if response.plugin == Some(Plugin::Native) && response.answer.is_empty() {
            (_, response.answer) = self.switch(Plugin::Native).await?;
        }
        self.authenticate(&response, host, accounts).await?;
        let Response { user, database, collation, attributes, .. } = response;
        Ok(Login { user, database, collation, attributes })
    }

    /// The next packet, which must come.
    async fn read_answer(&mut self) -> Result<Bytes> {
        let packet = self.read_packet().await?;
        self.sequence = self.decoder.sequence();
        packet.ok_or_else(|| Error::protocol("the client left before it logged in"))
    }

    async fn start_tls(&mut self, options: &ServerOptions) -> Result<()> {
        let Some(config) = &options.tls else {
            return Err(Error::protocol("the client asks for TLS, which is not offered"));
        };
        let Stream::Plain(plain) = std::mem::replace(&mut self.stream, Stream::Closed) else {
            return Err(Error::protocol("TLS inside of TLS"));
        };
        let encrypted = TlsAcceptor::from(std::sync::Arc::clone(config)).accept(plain).await?;
        self.stream = Stream::Tls(Box::new(encrypted));
        Ok(())
    }

    /// Checks a client's answer, asking once more where it used another plugin or another salt.
    async fn authenticate(
        &mut self,
        response: &Response,
        host: &str,
        accounts: &dyn Accounts,
    ) -> Result<()> {
        let (plugin, answer) = match response.plugin {
            Some(plugin) => (plugin, response.answer.clone()),
            None => self.switch(Plugin::CachingSha2).await?,
        };
        let verifier = accounts.verifier(&response.user, host);
        let right = verifier.is_some_and(|v| v.check(plugin, &self.salt, &answer));
        if right {
            // the fast path of caching_sha2_password ends with this, and a bare OK is an error to libmysql; an empty
            // password, sent as nothing or as one zero, has no fast path
            if plugin == Plugin::CachingSha2 && answer.len() > 1 {
                self.send(&[1, 3]).await?;
            }
            return Ok(());
        }
        let using = if answer.len() <= 1 { "NO" } else { "YES" };
        let text = format!(
            "Access denied for user '{}'@'{host}' (using password: {using})",
            response.user
        );
        self.error(&ServerError::new(1045, b"28000", &text)).await?;
        Err(Error::Refused(text))
    }

    async fn switch(&mut self, plugin: Plugin) -> Result<(Plugin, Vec<u8>)> {
        self.salt = auth::new_salt();
        self.send(&greeting::auth_switch(plugin, &self.salt)).await?;
        Ok((plugin, self.read_answer().await?.to_vec()))
    }

    /// COM_CHANGE_USER: logs another user in. The caller answers with OK, as after a login.
    ///
    /// # Errors
    /// As [`accept`]; after `Refused` the connection is to be closed.
    pub async fn change_user(
        &mut self,
        payload: &[u8],
        host: &str,
        accounts: &dyn Accounts,
    ) -> Result<Login> {
        let mut response = greeting::change_user(payload, self.capabilities)?;
        // the first salt is old: the answer is asked for by a switch
        let plugin = response.plugin.unwrap_or(Plugin::CachingSha2);
        let (plugin, answer) = self.switch(plugin).await?;
        (response.plugin, response.answer) = (Some(plugin), answer);
        self.authenticate(&response, host, accounts).await?;
        let Response { user, database, collation, attributes, .. } = response;
        Ok(Login { user, database, collation, attributes })
    }
}

impl<S> Connection<S> {
    /// The longest packet that is taken from this client.
    pub fn packet_bytes_max(&self) -> usize {
        self.packet_bytes_max
    }
}
