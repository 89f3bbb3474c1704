//! One multiplexed connection to one server.
//!
//! Frame: `length i32 | api i16 | version i16 | request id i32 | proto2` and back `length i32 | type u8 |
//! request id i32 | proto2`, big endian; `length` counts what follows it, answers come in any order.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::messages::{ApiVersions, Authenticate, Call, ErrorAnswer};
use crate::network::{Network, Reader, Writer};
use crate::{ClientOptions, Error, Result};

/// Calls that wait for an answer on one connection.
const CALLS_MAX: usize = 256;
/// Bytes of an answer before its message: type and request id.
const ANSWER_HEADER: usize = 5;
/// An answer of this type belongs to no call: the server gives the whole connection up.
const SERVER_FAILURE: u8 = 2;
/// Calls in a row that were not answered, with nothing else received, before the connection is given up:
/// a half-open connection looks like a server that thinks.
const UNANSWERED_MAX: u32 = 2;

/// Pending calls by request id; `None` once the connection is broken. In the order of the ids, so that a broken
/// connection wakes its callers in the same order in every run of a simulation.
type Pending = Arc<Mutex<Option<BTreeMap<i32, oneshot::Sender<Result<Bytes>>>>>>;

/// A connection that is ready for calls: versions are known, the user is authenticated.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    requests: mpsc::Sender<Bytes>,
    pending: Pending,
    /// Why the connection broke.
    cause: Arc<OnceLock<String>>,
    permits: Semaphore,
    next_id: AtomicI32,
    /// Calls that ran into their deadlines since something was last received.
    unanswered: Arc<AtomicU32>,
    /// Shorter waits than for a connection do not count as unanswered.
    patience: Duration,
    /// The versions of each call that the server serves.
    served: HashMap<i16, RangeInclusive<i16>>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Connection {
    /// Connects, learns what the server serves, authenticates.
    pub(crate) async fn open(
        address: &str,
        network: &dyn Network,
        options: &ClientOptions,
    ) -> Result<Self> {
        let within = options.connect_timeout;
        let unreachable =
            |problem: String| Error::Unreachable { address: address.to_string(), problem };
        let connected = timeout(within, network.connect(address)).await;
        let connected =
            connected.map_err(|_| unreachable(format!("no connection within {within:?}")))?;
        let (reader, writer) = connected.map_err(|e| unreachable(e.to_string()))?;
        let mut this = Self::over(reader, writer, address, options);
        let hello =
            ApiVersions { client_name: "millrace".into(), client_version: version().into() };
        let answer = this.exchange(&hello, within).await?;
        let served = answer.versions.iter().filter_map(|v| {
            let [api, min, max] = [v.api, v.min, v.max].map(i16::try_from);
            Some((api.ok()?, min.ok()?..=max.ok()?))
        });
        this.served = served.collect();
        if let Some((user, password)) = &options.credentials {
            this.authenticate(user, password, within).await?;
        }
        Ok(this)
    }

    fn over(reader: Reader, writer: Writer, address: &str, options: &ClientOptions) -> Self {
        let (requests, queue) = mpsc::channel(CALLS_MAX);
        let pending: Pending = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let cause = Arc::new(OnceLock::new());
        let unanswered = Arc::new(AtomicU32::new(0));
        let reading = Reading {
            pending: Arc::clone(&pending),
            cause: Arc::clone(&cause),
            unanswered: Arc::clone(&unanswered),
            frame_bytes_max: options.frame_bytes_max,
        };
        let reading = reading.run(reader);
        let writing = write(writer, queue, Arc::clone(&pending));
        Self {
            address: address.to_string(),
            requests,
            pending,
            cause,
            permits: Semaphore::new(CALLS_MAX),
            next_id: AtomicI32::new(0),
            unanswered,
            patience: options.connect_timeout,
            served: HashMap::new(),
            _tasks: [
                AbortOnDropHandle::new(tokio::spawn(reading)),
                AbortOnDropHandle::new(tokio::spawn(writing)),
            ],
        }
    }

    /// SASL PLAIN: one message; an empty challenge means done.
    async fn authenticate(&self, user: &str, password: &str, within: Duration) -> Result<()> {
        let token = format!("\0{user}\0{password}").into_bytes();
        let answer =
            self.exchange(&Authenticate { protocol: "PLAIN".into(), token }, within).await?;
        match answer.challenge {
            Some(challenge) if !challenge.is_empty() => {
                Err(Error::Denied("the server asks for more than SASL PLAIN has".into()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the server lists a call in a version that this client speaks.
    pub(crate) fn serves<C: Call>(&self) -> bool {
        self.version::<C>().is_some()
    }

    /// The highest version of a call that both sides speak.
    fn version<C: Call>(&self) -> Option<i16> {
        let served = self.served.get(&C::API)?;
        let version = *served.end().min(C::VERSIONS.end());
        (version >= *served.start().max(C::VERSIONS.start())).then_some(version)
    }

    /// Whether the connection broke; it never heals.
    pub(crate) fn is_broken(&self) -> bool {
        self.pending.lock().is_none()
    }

    /// How many calls wait for an answer.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.pending.lock().as_ref().map_or(0, BTreeMap::len)
    }

    /// Asks and waits for the answer, `within` at the longest.
    ///
    /// # Errors
    /// `Unsupported` without asking when the server does not list the call: it would never answer.
    pub(crate) async fn call<C: Call>(&self, request: &C, within: Duration) -> Result<C::Answer> {
        if !self.serves::<C>() {
            return Err(Error::Unsupported(format!(
                "Fluss server {} does not serve {}",
                self.address,
                C::NAME
            )));
        }
        self.exchange(request, within).await
    }

    async fn exchange<C: Call>(&self, request: &C, within: Duration) -> Result<C::Answer> {
        metrics::counter!("millrace_fluss_calls_total", "call" => C::NAME).increment(1);
        let answer = timeout(within, self.send(request)).await;
        let frame = answer.unwrap_or_else(|_| {
            self.count_unanswered(within);
            let what = format!("{} at Fluss server {}", C::NAME, self.address);
            Err(Error::TimedOut { what, after: within })
        });
        let result = frame.and_then(|frame| decode::<C>(&frame));
        if result.is_err() {
            metrics::counter!("millrace_fluss_errors_total", "call" => C::NAME).increment(1);
        }
        result
    }

    /// Gives the connection up when nothing comes back any more. Short deadlines say nothing about it.
    fn count_unanswered(&self, within: Duration) {
        if within < self.patience {
            return;
        }
        if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= UNANSWERED_MAX {
            let _ = self.cause.set(format!("{UNANSWERED_MAX} calls in a row were not answered"));
            self.pending.lock().take();
        }
    }

    async fn send<C: Call>(&self, request: &C) -> Result<Bytes> {
        let _permit = self.permits.acquire().await.map_err(|_| self.broken())?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        match self.pending.lock().as_mut() {
            Some(pending) => pending.insert(id, sender),
            None => return Err(self.broken()),
        };
        // forgets the call when its caller gives up
        let _forget = Forget { pending: &self.pending, id };
        // what comes before the versions are known is of version 0
        let frame = encode(request, self.version::<C>().unwrap_or(0), id)?;
        self.requests.send(frame).await.map_err(|_| self.broken())?;
        receiver.await.map_err(|_| self.broken())?
    }

    fn broken(&self) -> Error {
        let cause = self.cause.get().map_or("the connection was closed", String::as_str);
        Error::Unreachable { address: self.address.clone(), problem: cause.to_string() }
    }
}

struct Forget<'a> {
    pending: &'a Pending,
    id: i32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.remove(&self.id);
        }
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn encode<C: Call>(request: &C, version: i16, id: i32) -> Result<Bytes> {
    let length = 8 + request.encoded_len();
    let announced = i32::try_from(length)
        .map_err(|_| Error::TooLarge(format!("{} of {length} bytes", C::NAME)))?;
    let mut frame = BytesMut::with_capacity(4 + length);
    frame.put_i32(announced);
    frame.put_i16(C::API);
    frame.put_i16(version);
    frame.put_i32(id);
    request.encode(&mut frame).map_err(|e| Error::corrupt(e.to_string()))?;
    Ok(frame.freeze())
}

/// The message of an answer (type and request id included), or the error that it carries.
fn decode<C: Call>(frame: &Bytes) -> Result<C::Answer> {
    let kind = frame.first().copied();
    let body = frame.slice(ANSWER_HEADER.min(frame.len())..);
    match kind {
        Some(0) => C::Answer::decode(body)
            .map_err(|e| Error::corrupt(format!("the answer to {}: {e}", C::NAME))),
        Some(1) => {
            let error = ErrorAnswer::decode(body)
                .map_err(|e| Error::corrupt(format!("the error of {}: {e}", C::NAME)))?;
            Err(Error::server(error.code, error.message.as_deref().unwrap_or_default()))
        }
        kind => Err(Error::corrupt(format!("an answer of type {kind:?} to {}", C::NAME))),
    }
}

/// The receiving half of a connection.
struct Reading {
    pending: Pending,
    cause: Arc<OnceLock<String>>,
    unanswered: Arc<AtomicU32>,
    frame_bytes_max: usize,
}

impl Reading {
    /// Hands answers to their callers until the connection ends or sends what is no frame.
    async fn run(self, mut reader: Reader) {
        let end = loop {
            match self.next(&mut reader).await {
                Ok(()) => self.unanswered.store(0, Ordering::Relaxed),
                Err(end) => break end,
            }
        };
        let _ = self.cause.set(end.to_string());
        // wakes every caller: their senders are dropped
        self.pending.lock().take();
    }

    async fn next(&self, reader: &mut Reader) -> std::io::Result<()> {
        let announced = reader.read_i32().await?;
        let length = usize::try_from(announced).unwrap_or(0);
        if length > self.frame_bytes_max {
            return Err(self.refuse(reader, length).await);
        }
        let mut frame = BytesMut::with_capacity(length);
        let mut rest = (&mut *reader).take(length as u64);
        while frame.len() < length {
            if rest.read_buf(&mut frame).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let frame = frame.freeze();
        metrics::counter!("millrace_fluss_received_bytes_total").increment(length as u64);
        match (frame.first(), frame.get(1..ANSWER_HEADER).and_then(|id| id.try_into().ok())) {
            (Some(&SERVER_FAILURE), _) => Err(std::io::Error::other(server_failure(&frame))),
            (_, Some(id)) => {
                self.answer(i32::from_be_bytes(id), Ok(frame));
                Ok(())
            }
            _ => Err(std::io::Error::other(format!("a frame of {announced} bytes"))),
        }
    }

    /// Nobody waits for an answer any more where its caller gave up.
    fn answer(&self, id: i32, answer: Result<Bytes>) {
        let caller = self.pending.lock().as_mut().and_then(|calls| calls.remove(&id));
        if let Some(caller) = caller {
            let _ = caller.send(answer);
        }
    }

    /// Tells the one caller whose answer is too large, since asking again would not help; the connection
    /// ends, for the frame is not read to find the next one.
    async fn refuse(&self, reader: &mut Reader, length: usize) -> std::io::Error {
        let mut header = [0; ANSWER_HEADER];
        if let Err(end) = reader.read_exact(&mut header).await {
            return end;
        }
        let [_, id @ ..] = header;
        let max = self.frame_bytes_max;
        let problem = format!("a frame of {length} bytes where {max} are allowed");
        self.answer(i32::from_be_bytes(id), Err(Error::TooLarge(problem.clone())));
        std::io::Error::other(problem)
    }
}

/// A server failure carries an error right behind its type.
fn server_failure(frame: &[u8]) -> String {
    let body = frame.get(1..).unwrap_or_default();
    match ErrorAnswer::decode(body) {
        Ok(error) => {
            Error::server(error.code, error.message.as_deref().unwrap_or_default()).to_string()
        }
        Err(_) => "the server failed".to_string(),
    }
}

/// Writes requests whole, whatever becomes of their callers.
async fn write(mut writer: Writer, mut requests: mpsc::Receiver<Bytes>, pending: Pending) {
    while let Some(frame) = requests.recv().await {
        if writer.write_all(&frame).await.is_err() {
            break;
        }
    }
    pending.lock().take();
}
