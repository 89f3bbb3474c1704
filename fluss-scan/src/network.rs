//! How servers are reached: TCP, unless a simulation or a fault injector stands in its place.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The receiving half of a connection.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// The sending half of a connection.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Opens connections.
pub trait Network: Debug + Send + Sync {
    /// Connects to `host:port`. The caller limits the time that it takes.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<(Reader, Writer)>>;
}

/// How long a connection is idle before the kernel asks whether the other side is there, and how often.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// The network of this machine.
#[derive(Debug)]
pub struct Tcp;

impl Network for Tcp {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<(Reader, Writer)>> {
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
            SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            let (reader, writer) = stream.into_split();
            Ok((Box::new(reader) as Reader, Box::new(writer) as Writer))
        }
        .boxed()
    }
}
