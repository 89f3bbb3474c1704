//! A server in this process: it answers each call as a script says, with recorded or made-up answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::messages::{
    ApiVersions, BucketMetadata, Call, ErrorAnswer, Metadata, MetadataAnswer, PartitionMetadata,
    Path, ServerNode, TableMetadata,
};
use crate::{ClientOptions, FlussClient};

/// Both recorded server versions.
pub(super) const SERVERS: [&str; 2] = ["v091", "v10"];

/// A recorded frame, `NAME.SERVER.req` or `NAME.SERVER.resp`.
pub(super) fn frame(name: &str) -> Vec<u8> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let path = path.join(format!("tests/frames/{name}.bin"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The message in a recorded request.
pub(super) fn recorded_request<C: Call + Default>(name: &str) -> C {
    C::decode(&frame(name)[12..]).unwrap()
}

/// The message in a recorded answer.
pub(super) fn recorded_answer<C: Call>(name: &str) -> C::Answer {
    C::Answer::decode(&frame(name)[9..]).unwrap()
}

/// A call as the server sees it.
pub(super) struct Asked<'a> {
    pub(super) api: i16,
    pub(super) version: i16,
    pub(super) body: &'a [u8],
    /// How many calls of this kind came before.
    pub(super) nth: usize,
    pub(super) port: u16,
}

impl Asked<'_> {
    pub(super) fn is<C: Call>(&self) -> bool {
        self.api == C::API
    }

    pub(super) fn decode<C: Call + Default>(&self) -> C {
        assert!(self.is::<C>());
        C::decode(self.body).unwrap()
    }
}

/// What the server does about a call.
pub(super) enum Reply {
    /// A whole frame; the request id is put into it.
    Frame(Vec<u8>),
    /// An answer of any type.
    Typed(u8, Vec<u8>),
    /// Bytes as they are.
    Raw(Vec<u8>),
    Nothing,
    Cut,
}

impl Reply {
    pub(super) fn recorded(name: &str) -> Self {
        Self::Frame(frame(&format!("{name}.resp")))
    }

    pub(super) fn message(message: &impl Message) -> Self {
        Self::Typed(0, message.encode_to_vec())
    }

    pub(super) fn error(code: i32, message: &str) -> Self {
        Self::Typed(1, ErrorAnswer { code, message: Some(message.into()) }.encode_to_vec())
    }

    fn bytes(self, id: [u8; 4]) -> Option<Vec<u8>> {
        match self {
            Self::Frame(mut frame) => {
                frame[5..9].copy_from_slice(&id);
                Some(frame)
            }
            Self::Typed(kind, body) => {
                let length = i32::try_from(5 + body.len()).unwrap();
                Some([&length.to_be_bytes()[..], &[kind], &id, &body].concat())
            }
            Self::Raw(bytes) => Some(bytes),
            Self::Nothing | Self::Cut => None,
        }
    }
}

/// All calls that came, in order: kind and message.
type Calls = Arc<Mutex<Vec<(i16, Bytes)>>>;

/// The server; it ends when it is dropped.
pub(super) struct FakeServer {
    pub(super) address: String,
    calls: Calls,
    connections: Arc<Mutex<usize>>,
    _accepting: AbortOnDropHandle<()>,
}

impl FakeServer {
    pub(super) async fn start(
        script: impl Fn(&Asked<'_>) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (calls, connections) = (Calls::default(), Arc::new(Mutex::new(0)));
        let script = Arc::new(script);
        let (seen, count) = (Arc::clone(&calls), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            let mut serving = vec![];
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock() += 1;
                let (script, calls) = (Arc::clone(&script), Arc::clone(&seen));
                let task = tokio::spawn(async move {
                    let _ = serve(stream, port, &*script, &calls).await;
                });
                serving.push(AbortOnDropHandle::new(task));
            }
        });
        let accepting = AbortOnDropHandle::new(accepting);
        Self { address: format!("127.0.0.1:{port}"), calls, connections, _accepting: accepting }
    }

    /// A client of this server alone, with short deadlines.
    pub(super) fn client(&self) -> Arc<FlussClient> {
        self.client_with(|_| {})
    }

    pub(super) fn client_with(&self, change: impl FnOnce(&mut ClientOptions)) -> Arc<FlussClient> {
        let mut options = ClientOptions::new(&self.address, &BTreeMap::new()).unwrap();
        options.connect_timeout = Duration::from_millis(300);
        options.metadata_timeout = Duration::from_millis(600);
        options.request_timeout = Duration::from_millis(600);
        change(&mut options);
        Arc::new(FlussClient::new(options))
    }

    pub(super) fn count<C: Call>(&self) -> usize {
        self.calls.lock().iter().filter(|(api, _)| *api == C::API).count()
    }

    pub(super) fn asked<C: Call + Default>(&self) -> Vec<C> {
        let calls = self.calls.lock();
        let of_kind = calls.iter().filter(|(api, _)| *api == C::API);
        of_kind.map(|(_, body)| C::decode(body.clone()).unwrap()).collect()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock()
    }
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    script: &(dyn Fn(&Asked<'_>) -> Reply + Send + Sync),
    calls: &Calls,
) -> std::io::Result<()> {
    loop {
        let length = usize::try_from(stream.read_i32().await?).unwrap();
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        let api = i16::from_be_bytes([request[0], request[1]]);
        let version = i16::from_be_bytes([request[2], request[3]]);
        let id = [request[4], request[5], request[6], request[7]];
        let body = &request[8..];
        let nth = {
            let mut calls = calls.lock();
            let nth = calls.iter().filter(|(known, _)| *known == api).count();
            calls.push((api, Bytes::copy_from_slice(body)));
            nth
        };
        let reply = script(&Asked { api, version, body, nth, port });
        if matches!(reply, Reply::Cut) {
            return Ok(());
        }
        if let Some(bytes) = reply.bytes(id) {
            stream.write_all(&bytes).await?;
        }
    }
}

/// The answers of a tablet server that leads every bucket, for calls about versions and leaders.
pub(super) fn leads_all(asked: &Asked<'_>, version: &str) -> Option<Reply> {
    if asked.is::<ApiVersions>() {
        return Some(Reply::recorded(&format!("api_versions_tablet.{version}")));
    }
    if asked.is::<Metadata>() {
        let request: Metadata = asked.decode();
        return Some(Reply::message(&all_led_by(asked.port, &request, TABLE_IDS)));
    }
    None
}

/// More ids than recorded tables have; the metadata names them all.
const TABLE_IDS: std::ops::Range<i64> = 0..64;
const BUCKETS: i32 = 4;

fn all_led_by(port: u16, request: &Metadata, ids: std::ops::Range<i64>) -> MetadataAnswer {
    let buckets: Vec<_> =
        (0..BUCKETS).map(|bucket| BucketMetadata { bucket, leader: Some(7) }).collect();
    let asks_table = request.tables.iter().any(|path: &Path| !path.table.is_empty());
    let table = |table_id| TableMetadata { table_id, buckets: buckets.clone() };
    let partition =
        |id: &i64| PartitionMetadata { table_id: 8, partition_id: *id, buckets: buckets.clone() };
    MetadataAnswer {
        coordinator: None,
        tablet_servers: vec![ServerNode { id: 7, host: "127.0.0.1".into(), port: port.into() }],
        tables: if asks_table { ids.map(table).collect() } else { vec![] },
        partitions: request.partition_ids.iter().map(partition).collect(),
    }
}
