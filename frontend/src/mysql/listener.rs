//! The port for clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mysql_protocol::connection::Accounts;
use mysql_protocol::{ServerError, ServerOptions, Verifier};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::connection;
use crate::{Error, Frontend, Result, SERVER_VERSION};

/// The pause after a failed accept, for example while file descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts clients.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    connections: TaskTracker,
    kill: CancellationToken,
    _accepting: AbortOnDropHandle<()>,
}

impl Listener {
    /// Listens at `mysql.listen` until `stop`.
    ///
    /// # Errors
    /// The port cannot be had.
    pub async fn start(frontend: Arc<Frontend>, stop: CancellationToken) -> Result<Self> {
        let config = frontend.config().mysql.clone();
        let options = options(&frontend);
        let listener = TcpListener::bind(&config.listen)
            .await
            .map_err(|e| Error::Internal(format!("mysql.listen {}: {e}", config.listen)))?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let connections = TaskTracker::new();
        let kill = CancellationToken::new();
        let accepting = Accepting {
            frontend,
            options: Arc::new(options),
            permits: Arc::new(Semaphore::new(config.connections_max)),
            connections: connections.clone(),
            stop,
            kill: kill.clone(),
        };
        let accepting = AbortOnDropHandle::new(tokio::spawn(accepting.run(listener)));
        Ok(Self { address, connections, kill, _accepting: accepting })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for running statements; then cuts off what is left.
    pub async fn drain(self, within: Duration) {
        self.connections.close();
        if tokio::time::timeout(within, self.connections.wait()).await.is_err() {
            self.kill.cancel();
        }
    }
}

fn options(frontend: &Frontend) -> ServerOptions {
    let config = &frontend.config().mysql;
    ServerOptions {
        version: SERVER_VERSION.into(),
        tls: Some(frontend.certificate().certificates().config()),
        require_tls: config.require_tls,
        packet_bytes_max: config.packet_bytes_max,
        login_timeout: Duration::from_millis(config.login_timeout_ms),
    }
}

struct Accepting {
    frontend: Arc<Frontend>,
    options: Arc<ServerOptions>,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Accepting {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let _ = stream.set_nodelay(true);
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            metrics::counter!("millrace_frontend_connections_refused_total").increment(1);
            let refusal = ServerError::new(1040, b"08004", "Too many connections");
            // bounded in time, so that refusals cannot pile up
            self.connections.spawn(tokio::time::timeout(Duration::from_secs(1), async move {
                mysql_protocol::refuse(stream, &refusal).await
            }));
            return;
        };
        let (frontend, options) = (Arc::clone(&self.frontend), Arc::clone(&self.options));
        let (stop, kill) = (self.stop.clone(), self.kill.clone());
        self.connections.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = kill.cancelled() => {}
                () = connection::serve(frontend, stream, peer, &options, stop) => {}
            }
        });
    }
}

/// `root` alone, by the password of the configuration.
pub(super) struct Root<'a>(pub(super) &'a Frontend);

impl Accounts for Root<'_> {
    fn verifier(&self, user: &str, host: &str) -> Option<Verifier> {
        let password = &self.0.config().auth.root_password;
        let from_here =
            host.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback());
        let may_come = user == "root" && (from_here || !password.is_empty());
        may_come.then(|| Verifier::from_password(password))
    }
}
