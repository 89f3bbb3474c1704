//! Frames over a stream: requests in, answers out, in whatever order they are ready.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fluss_scan::messages::{
    ApiVersions, Authenticate, Call, ErrorAnswer, FetchLog, FetchLogAnswer,
};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::answer::{Answer, Asking, code, exception};
use crate::cluster::{Cluster, NodeState};
use crate::fault::Fault;

/// Answers that wait to be written.
const QUEUE: usize = 1024;
/// Longer requests are not Fluss's.
const REQUEST_BYTES_MAX: usize = 16 << 20;
const LENGTH: usize = 4;

/// An answer, and what becomes of its bytes.
struct Outgoing {
    bytes: Vec<u8>,
    /// The connection ends behind this many bytes.
    cut: Option<usize>,
    stall: Option<(usize, Duration)>,
}

impl Cluster {
    /// Serves one connection to a server until either side ends it, or the server is down.
    ///
    /// # Errors
    /// What the stream says; `ConnectionRefused` for a server that is down or does not exist.
    pub async fn serve<S>(&self, stream: S, server: i32) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send,
    {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let node = self.inner.nodes.get(&server).ok_or_else(refused)?;
        if *node.borrow() == NodeState::Down {
            return Err(refused());
        }
        let (reader, writer) = split(stream);
        let (answers, queue) = mpsc::channel(QUEUE);
        let connection = self.inner.script.lock().connect();
        let connection = Connection {
            cluster: self.clone(),
            server,
            connection,
            node: node.subscribe(),
            answers,
        };
        let mut down = node.subscribe();
        tokio::select! {
            biased;
            _ = down.wait_for(|node| *node == NodeState::Down) => Ok(()),
            end = connection.read(reader) => end,
            end = write(writer, queue, node.subscribe()) => end,
        }
    }
}

struct Connection {
    cluster: Cluster,
    server: i32,
    connection: u64,
    node: watch::Receiver<NodeState>,
    answers: mpsc::Sender<Outgoing>,
}

impl Connection {
    async fn read<R: AsyncRead>(mut self, mut reader: ReadHalf<R>) -> io::Result<()> {
        let mut is_known = self.cluster.state().credentials.is_none();
        for nth in 0.. {
            thawed(&mut self.node).await;
            let length = usize::try_from(reader.read_i32().await?).unwrap_or(0);
            if !(8..=REQUEST_BYTES_MAX).contains(&length) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut request = vec![0; length];
            reader.read_exact(&mut request).await?;
            thawed(&mut self.node).await;
            let api = i16::from_be_bytes([request[0], request[1]]);
            let version = i16::from_be_bytes([request[2], request[3]]);
            let id = [request[4], request[5], request[6], request[7]];
            let body = Bytes::from(request).slice(8..);
            let fault =
                self.cluster.inner.script.lock().decide(self.server, self.connection, api, nth);
            if !is_known && api != ApiVersions::API && api != Authenticate::API {
                let refusal = (code::AUTHENTICATE, "The connection is not authenticated".into());
                self.send(frame(id, Answer::Error(refusal)), None).await;
                continue;
            }
            let asking = Asking { server: self.server, version, forced: None, starves: false };
            if self.waits(asking, api, &body, id) {
                continue;
            }
            let answer = self.answer(asking, api, &body, &fault);
            is_known |= api == Authenticate::API && matches!(answer, Answer::Message(_));
            if matches!(fault, Some(Fault::Silence)) {
                continue;
            }
            self.send(frame(id, answer), fault).await;
        }
        Ok(())
    }

    /// Whether a fetch waits for records that are not there. Its wait runs to its end, appends do not cut it
    /// short; other calls go on meanwhile.
    fn waits(&self, asking: Asking, api: i16, body: &Bytes, id: [u8; 4]) -> bool {
        let Some(wait) = long_poll(api, body) else { return false };
        let answer = self.cluster.answer(asking, api, body);
        if !matches!(&answer, Answer::Message(message) if is_empty(message)) {
            return false;
        }
        let (cluster, answers, body) = (self.cluster.clone(), self.answers.clone(), body.clone());
        tokio::spawn(async move {
            sleep(wait).await;
            let bytes = frame(id, cluster.answer(asking, api, &body));
            let _ = answers.send(Outgoing { bytes, cut: None, stall: None }).await;
        });
        true
    }

    fn answer(&self, mut asking: Asking, api: i16, body: &Bytes, fault: &Option<Fault>) -> Answer {
        match fault {
            Some(Fault::BucketError(code)) => asking.forced = Some(*code),
            Some(Fault::Starve) => asking.starves = true,
            Some(Fault::Exception) => {
                return Answer::Error(exception("java.lang.RuntimeException: as scripted"));
            }
            _ => {}
        }
        let answer = self.cluster.answer(asking, api, body);
        match (fault, answer) {
            (Some(Fault::FlipRecordBit(bit)), Answer::Message(message)) if api == FetchLog::API => {
                Answer::Message(flip_record(message, *bit))
            }
            (_, answer) => answer,
        }
    }

    /// Queues an answer, later where the fault says so.
    async fn send(&self, bytes: Vec<u8>, fault: Option<Fault>) {
        if bytes.is_empty() {
            return;
        }
        let mut outgoing = Outgoing { bytes, cut: None, stall: None };
        match fault {
            Some(Fault::Late(time)) => {
                let answers = self.answers.clone();
                tokio::spawn(async move {
                    sleep(time).await;
                    let _ = answers.send(outgoing).await;
                });
                return;
            }
            Some(Fault::CutAt(at)) => outgoing.cut = Some(at % outgoing.bytes.len()),
            Some(Fault::StallAt(at, time)) => {
                outgoing.stall = Some((at % outgoing.bytes.len(), time));
            }
            Some(Fault::FlipBit(bit)) => {
                let bit = bit % ((outgoing.bytes.len() - LENGTH) * 8);
                outgoing.bytes[LENGTH + bit / 8] ^= 1 << (bit % 8);
            }
            Some(Fault::ServerFailure) => {
                let error = ErrorAnswer { code: -1, message: Some("as scripted".into()) };
                let body = [&[2u8][..], &error.encode_to_vec()].concat();
                outgoing.bytes = framed(&body);
                outgoing.cut = Some(outgoing.bytes.len());
            }
            _ => {}
        }
        let _ = self.answers.send(outgoing).await;
    }
}

/// How long a fetch waits for records that are not there.
fn long_poll(api: i16, body: &Bytes) -> Option<Duration> {
    let fetch = (api == FetchLog::API).then(|| FetchLog::decode(body.clone()).ok())??;
    let wait = fetch.max_wait_ms.filter(|wait| *wait > 0 && fetch.min_bytes >= Some(1))?;
    u64::try_from(wait).ok().map(Duration::from_millis)
}

fn is_empty(answer: &[u8]) -> bool {
    let Ok(answer) = FetchLogAnswer::decode(answer) else { return false };
    let mut buckets = answer.tables.iter().flat_map(|table| &table.buckets);
    buckets.all(|b| {
        b.code.is_none() && b.remote.is_none() && b.records.as_ref().is_none_or(Bytes::is_empty)
    })
}

/// Bytes of a batch before its checksum.
const BEFORE_CHECKSUM: usize = 21;

fn flip_record(message: Vec<u8>, bit: usize) -> Vec<u8> {
    let Ok(mut answer) = FetchLogAnswer::decode(&message[..]) else { return message };
    let buckets = answer.tables.iter_mut().flat_map(|table| &mut table.buckets);
    let mut records = buckets.filter_map(|bucket| bucket.records.as_mut());
    let Some(first) = records.find(|records| records.len() > BEFORE_CHECKSUM) else {
        return message;
    };
    // the length of the batch counts what follows it
    let length = first.get(8..12).and_then(|length| length.try_into().ok()).map(i32::from_le_bytes);
    let end = 12 + length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let bits = (end.min(first.len()) - BEFORE_CHECKSUM) * 8;
    let mut bytes = first.to_vec();
    bytes[BEFORE_CHECKSUM + bit % bits / 8] ^= 1 << (bit % 8);
    *first = bytes.into();
    answer.encode_to_vec()
}

/// Waits while the server is frozen.
async fn thawed(node: &mut watch::Receiver<NodeState>) {
    let _ = node.wait_for(|node| *node != NodeState::Frozen).await;
}

async fn write<W: AsyncWrite>(
    mut writer: WriteHalf<W>,
    mut queue: mpsc::Receiver<Outgoing>,
    mut node: watch::Receiver<NodeState>,
) -> io::Result<()> {
    while let Some(Outgoing { bytes, cut, stall }) = queue.recv().await {
        thawed(&mut node).await;
        let (mut written, end) = (0, cut.unwrap_or(bytes.len()));
        if let Some((at, time)) = stall {
            written = at.min(end);
            writer.write_all(&bytes[..written]).await?;
            writer.flush().await?;
            sleep(time).await;
        }
        writer.write_all(&bytes[written..end]).await?;
        writer.flush().await?;
        if cut.is_some() {
            return writer.shutdown().await;
        }
    }
    Ok(())
}

/// `length i32 | type u8 | request id i32 | message`; nothing where there is no answer.
fn frame(id: [u8; 4], answer: Answer) -> Vec<u8> {
    let (kind, body) = match answer {
        Answer::Message(body) => (0u8, body),
        Answer::Error((code, message)) => {
            (1, ErrorAnswer { code, message: Some(message) }.encode_to_vec())
        }
        Answer::Silence => return vec![],
    };
    framed(&[&[kind][..], &id, &body].concat())
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::with_capacity(LENGTH + body.len());
    frame.extend_from_slice(&i32::try_from(body.len()).unwrap_or(i32::MAX).to_be_bytes());
    frame.extend_from_slice(body);
    frame.to_vec()
}
