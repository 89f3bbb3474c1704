//! How a frontend asks a backend.
//!
//! Connections have HTTP/2 keepalive, so that a frozen or vanished backend is an error after seconds, and a
//! stream of rows ends well only with its End message and the row count in it.

use std::collections::HashMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use futures::stream::{self, Stream};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::failure::{Failure, Kind};
use crate::v1::home_client::HomeClient;
use crate::v1::{CancelRequest, End, Query, Rows, StatusRequest, StatusResponse, rows::Part};

/// Silence of a peer after which it is asked whether it is there. After this and [`KEEPALIVE_TIMEOUT`] a frozen or
/// vanished peer is an error.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// The wait for a peer's sign of life: longer than a busy process may leave its connections alone.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_millis(2500);
const CONNECT: Duration = Duration::from_secs(1);
/// The wait for answers that need no query.
const SHORT: Duration = Duration::from_secs(2);
/// The largest message of a stream of rows.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Clients of backends by address.
#[derive(Debug, Default)]
pub struct Backends {
    channels: std::sync::Mutex<HashMap<String, Channel>>,
}

/// Addresses whose connection is kept.
const CHANNELS_MAX: usize = 1024;

/// What the stream of a query delivers.
#[derive(Debug)]
pub enum Piece {
    /// Rows.
    Batch(RecordBatch),
    /// The end: all rows were delivered.
    End(End),
}

impl Backends {
    fn client(&self, address: &str) -> Result<HomeClient<Channel>, Failure> {
        let mut channels = self.channels.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if channels.len() >= CHANNELS_MAX {
            channels.clear();
        }
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let channel = connect(address)?;
                channels.insert(address.to_string(), channel.clone());
                channel
            }
        };
        Ok(HomeClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Runs a query at its first backend. Dropping the stream ends it there.
    ///
    /// # Errors
    /// The failure that the backend names, or `BackendLost`.
    pub async fn execute(
        &self,
        query: Query,
    ) -> Result<impl Stream<Item = Result<Piece, Failure>> + Send + 'static, Failure> {
        let address = query.backends.first().cloned().unwrap_or_default();
        let mut client = self.client(&address)?.max_encoding_message_size(MESSAGE_BYTES_MAX);
        let answer = client.execute(query).await;
        let rows = answer.map_err(|status| Failure::of(&status, &address))?.into_inner();
        let reader = Reader {
            rows,
            address,
            decoder: StreamDecoder::new(),
            left: Buffer::default(),
            count: 0,
            ended: false,
        };
        Ok(stream::try_unfold(reader, async |mut reader| {
            Ok(reader.next().await?.map(|piece| (piece, reader)))
        }))
    }

    /// The plan of a query as it would run.
    ///
    /// # Errors
    /// As [`Backends::execute`].
    pub async fn explain(&self, query: Query) -> Result<String, Failure> {
        let address = query.backends.first().cloned().unwrap_or_default();
        let answer = self.client(&address)?.explain(query).await;
        Ok(answer.map_err(|status| Failure::of(&status, &address))?.into_inner().text)
    }

    /// Tells a backend to end a query.
    ///
    /// # Errors
    /// `BackendLost`: what it did has ended with it.
    pub async fn cancel(&self, address: &str, query_id: &str) -> Result<(), Failure> {
        let mut client = self.client(address)?;
        let request = CancelRequest { query_id: query_id.to_string() };
        within(address, client.cancel(request)).await.map(|_| ())
    }

    /// Asks a backend whether it is there.
    ///
    /// # Errors
    /// `BackendLost`.
    pub async fn status(&self, address: &str) -> Result<StatusResponse, Failure> {
        let mut client = self.client(address)?;
        within(address, client.status(StatusRequest {})).await
    }
}

async fn within<T>(
    address: &str,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, Failure> {
    let lost = || Failure::new(Kind::BackendLost, format!("backend {address} does not answer"));
    let answer = tokio::time::timeout(SHORT, call).await.map_err(|_| lost())?;
    answer.map(tonic::Response::into_inner).map_err(|status| Failure::of(&status, address))
}

fn connect(address: &str) -> Result<Channel, Failure> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|e| {
        Failure::new(Kind::Internal, format!("'{address}' is no address of a backend: {e}"))
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_lazy())
}

/// Reads a stream of rows and holds it to its promise.
struct Reader {
    rows: Streaming<Rows>,
    address: String,
    decoder: StreamDecoder,
    left: Buffer,
    count: u64,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if !self.left.is_empty() {
                let decoded = self.decoder.decode(&mut self.left);
                if let Some(batch) = decoded.map_err(|e| self.broken(&e.to_string()))? {
                    self.count += batch.num_rows() as u64;
                    return Ok(Some(Piece::Batch(batch)));
                }
                continue;
            }
            let message = self.rows.message().await;
            let message = message.map_err(|status| Failure::of(&status, &self.address))?;
            match message.and_then(|rows| rows.part) {
                Some(Part::Ipc(bytes)) => self.left = Buffer::from_vec(bytes),
                Some(Part::End(end)) => {
                    self.ended = true;
                    // an unfinished message holds rows that nobody counted
                    self.decoder.finish().map_err(|e| self.broken(&e.to_string()))?;
                    if end.rows != self.count {
                        let (all, got) = (end.rows, self.count);
                        return Err(self.broken(&format!("{got} of {all} rows arrived")));
                    }
                    return Ok(Some(Piece::End(end)));
                }
                None => return Err(self.broken("the rows stopped before their end")),
            }
        }
    }

    fn broken(&self, what: &str) -> Failure {
        Failure::new(Kind::BackendLost, format!("rows from backend {}: {what}", self.address))
    }
}
