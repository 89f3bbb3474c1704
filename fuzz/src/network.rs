//! A network with one server behind every address, which answers as a script says.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use fluss_scan::messages::{
    ApiVersions, BucketMetadata, Call, Metadata, MetadataAnswer, PartitionMetadata, ServerNode,
    TableMetadata,
};
use fluss_scan::network::{Network, Reader, Writer};
use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::tables::TABLE_ID;

/// Bytes on their way in one direction.
const PIPE: usize = 1 << 16;

/// What the server does about a call. In an input: `kind u8 | length u16 | bytes`.
pub enum Reply {
    /// A message of this type under the id of the call.
    Answer(u8, Vec<u8>),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// No answer.
    Silence,
    /// The connection ends, after these bytes.
    Cut(Vec<u8>),
}

/// Replies in the order in which they are given, whatever is asked.
pub struct Script {
    input: Vec<u8>,
    at: usize,
    /// What the server serves, where the script does not say it; with the metadata of one table.
    versions: Option<&'static [u8]>,
}

impl Script {
    /// All replies come from the input.
    pub fn raw(input: &[u8]) -> Self {
        Self { input: input.to_vec(), at: 0, versions: None }
    }

    /// Replies come from the input, except those about versions (a recorded frame) and leaders.
    pub fn after_handshake(input: &[u8], versions: &'static [u8]) -> Self {
        Self { input: input.to_vec(), at: 0, versions: Some(versions) }
    }

    fn is_over(&self) -> bool {
        self.at >= self.input.len()
    }

    fn next(&mut self) -> Option<Reply> {
        let (kind, rest) = self.input.get(self.at..)?.split_first()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let bytes = rest[..length].to_vec();
        self.at += 3 + length;
        Some(match kind {
            0..=2 => Reply::Answer(*kind, bytes),
            3 => Reply::Silence,
            4 => Reply::Cut(bytes),
            _ => Reply::Raw(bytes),
        })
    }

    fn reply(&mut self, api: i16, body: &[u8]) -> Option<Reply> {
        match (self.versions, api) {
            (Some(versions), ApiVersions::API) => Some(Reply::Answer(0, versions[9..].to_vec())),
            (Some(_), Metadata::API) => {
                let asked = Metadata::decode(body).unwrap_or_default();
                Some(Reply::Answer(0, leads_all(&asked).encode_to_vec()))
            }
            _ => self.next(),
        }
    }
}

/// One server that leads every bucket.
fn leads_all(asked: &Metadata) -> MetadataAnswer {
    let buckets: Vec<_> = (0..4).map(|bucket| BucketMetadata { bucket, leader: Some(7) }).collect();
    let partition = |id: &i64| PartitionMetadata {
        table_id: TABLE_ID,
        partition_id: *id,
        buckets: buckets.clone(),
    };
    MetadataAnswer {
        coordinator: None,
        tablet_servers: vec![ServerNode { id: 7, host: "server".into(), port: 1 }],
        tables: vec![TableMetadata { table_id: TABLE_ID, buckets: buckets.clone() }],
        partitions: asked.partition_ids.iter().map(partition).collect(),
    }
}

/// The network; servers are gone once the script is over.
#[derive(Clone)]
pub struct Scripted(Arc<Mutex<Script>>);

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    /// A network whose servers follow a script together.
    pub fn new(script: Script) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Network for Scripted {
    fn connect<'a>(&'a self, _address: &'a str) -> BoxFuture<'a, io::Result<(Reader, Writer)>> {
        async move {
            if self.with(|script| script.is_over()) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (client, server) = tokio::io::duplex(PIPE);
            let network = self.clone();
            // ends with the connection, or with the runtime of the input
            tokio::spawn(async move { network.serve(server).await });
            let (reader, writer) = tokio::io::split(client);
            Ok((Box::new(reader) as Reader, Box::new(writer) as Writer))
        }
        .boxed()
    }
}

impl Scripted {
    async fn serve(&self, mut stream: DuplexStream) -> io::Result<()> {
        loop {
            let length = usize::try_from(stream.read_i32().await?).unwrap_or(0);
            let mut request = vec![0; length];
            stream.read_exact(&mut request).await?;
            let api = i16::from_be_bytes([request[0], request[1]]);
            let reply = self.with(|script| script.reply(api, &request[8..]));
            match reply {
                Some(Reply::Answer(kind, message)) => {
                    let length = (5 + message.len()) as u32;
                    let frame =
                        [&length.to_be_bytes()[..], &[kind], &request[4..8], &message].concat();
                    stream.write_all(&frame).await?;
                }
                Some(Reply::Raw(bytes)) => stream.write_all(&bytes).await?,
                Some(Reply::Silence) => {}
                Some(Reply::Cut(bytes)) => return stream.write_all(&bytes).await,
                None => return Ok(()),
            }
        }
    }
}
