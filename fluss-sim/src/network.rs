//! Connections to a simulated cluster without sockets.

use std::io;

use fluss_scan::network::{Network, Reader, Writer};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::cluster::{Cluster, NodeState};

/// Bytes that are on the way in one direction.
const BUFFER: usize = 64 << 10;

/// The network of a cluster in this process.
#[derive(Debug, Clone)]
pub struct InProcess(pub Cluster);

impl Network for InProcess {
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<(Reader, Writer)>> {
        async move {
            let servers = self.0.servers().into_iter();
            let server = servers
                .filter(|id| self.0.address(*id).is_ok_and(|known| known == address))
                .find(|id| !self.0.is_down(*id));
            let server = server.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (near, far) = tokio::io::duplex(BUFFER);
            let cluster = self.0.clone();
            // ends with the connection
            tokio::spawn(async move { cluster.serve(far, server).await });
            let (reader, writer) = tokio::io::split(near);
            Ok((Box::new(reader) as Reader, Box::new(writer) as Writer))
        }
        .boxed()
    }
}

impl Cluster {
    /// Whether a server refuses connections.
    pub fn is_down(&self, server: i32) -> bool {
        self.inner.nodes.get(&server).is_none_or(|node| *node.borrow() == NodeState::Down)
    }
}
