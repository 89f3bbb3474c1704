//! The connections of other processes.

use std::convert::Infallible;
use std::time::Duration;

use futures::{Stream, stream};
use tokio::net::{TcpListener, TcpStream};

/// The pause after a failed accept, for example while file descriptors are short: the next one would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Every connection that comes, without an end: what keeps one from being accepted keeps it waiting.
pub(crate) fn incoming(listener: TcpListener) -> impl Stream<Item = Result<TcpStream, Infallible>> {
    stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    return Some((Ok(stream), listener));
                }
                Err(error) => {
                    tracing::warn!(%error, "another process could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}
