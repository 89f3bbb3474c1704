//! Frames and batches, read by this test alone.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::Schema as ArrowSchema;
use bytes::{Buf, Bytes};
use fluss_scan::Schema;
use fluss_scan::messages::{Call, ErrorAnswer};
use fluss_sim::{Cluster, arrow_schema};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::replay::Recorded;

/// An answer, whole or in error.
#[derive(Debug, PartialEq)]
pub enum Answer<C: Call> {
    Message(C::Answer),
    Error(i32, Option<String>),
}

/// The answer in a frame.
pub fn answer<C: Call>(frame: &[u8]) -> Answer<C> {
    match frame[4] {
        0 => Answer::Message(C::Answer::decode(&frame[9..]).unwrap()),
        1 => {
            let error = ErrorAnswer::decode(&frame[9..]).unwrap();
            Answer::Error(error.code, error.message)
        }
        kind => panic!("an answer of type {kind}"),
    }
}

/// Sends a recorded request to a simulated server; what it answers in the place of the recorded answer.
pub async fn exchange(cluster: &Cluster, server: i32, recorded: &Recorded) -> Recorded {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    let serving = cluster.clone();
    let serving = tokio::spawn(async move { serving.serve(far, server).await });
    near.write_all(&recorded.request).await.unwrap();
    let length = near.read_i32().await.unwrap();
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(4 + usize::try_from(length).unwrap(), 0);
    near.read_exact(&mut frame[4..]).await.unwrap();
    assert_eq!(frame[5..9], recorded.request[8..12], "the request id");
    serving.abort();
    Recorded { request: recorded.request.clone(), response: frame }
}

/// A batch without times, checksum and the writer's own numbers.
#[derive(Debug, PartialEq)]
pub struct Batch {
    pub base: i64,
    pub magic: u8,
    pub schema_id: i16,
    pub attributes: u8,
    pub last_delta: i32,
    pub count: i32,
    /// Whether the checksum is right.
    pub checked: bool,
    pub kinds: Vec<u8>,
    pub rows: Option<RecordBatch>,
}

/// The whole batches of an answer and what is left of one that is torn.
pub fn batches(records: Option<&Bytes>, schema: &Schema, columns: Option<&[usize]>) -> Vec<Batch> {
    let mut records = records.cloned().unwrap_or_default();
    let mut found = vec![];
    while records.len() > 12 {
        let length = i32::from_le_bytes(records[8..12].try_into().unwrap());
        let bytes = records.split_to(12 + usize::try_from(length).unwrap());
        found.push(batch(bytes, schema, columns));
    }
    assert!(records.is_empty(), "{} torn bytes", records.len());
    found
}

fn batch(bytes: Bytes, schema: &Schema, columns: Option<&[usize]>) -> Batch {
    let mut rest = bytes.clone();
    let base = rest.get_i64_le();
    rest.get_i32_le();
    let magic = rest.get_u8();
    rest.get_i64_le();
    let checksum = rest.get_u32_le();
    let checked = crc32c::crc32c(&rest) == checksum;
    let (schema_id, attributes) = (rest.get_i16_le(), rest.get_u8());
    let last_delta = rest.get_i32_le();
    rest.advance(12);
    let count = rest.get_i32_le();
    if magic == 1 {
        let statistics = rest.get_i32_le();
        rest.advance(usize::try_from(statistics).unwrap());
    }
    let appended = attributes & 1 == 1;
    let kinds =
        if appended { Bytes::new() } else { rest.split_to(usize::try_from(count).unwrap()) };
    let rows = (count > 0).then(|| rows(rest, schema, columns));
    let kinds = kinds.to_vec();
    Batch { base, magic, schema_id, attributes, last_delta, count, checked, kinds, rows }
}

fn rows(mut bytes: Bytes, schema: &Schema, columns: Option<&[usize]>) -> RecordBatch {
    assert_eq!(bytes.split_to(4)[..], [0xff; 4]);
    let length = usize::try_from(bytes.get_i32_le()).unwrap();
    let metadata = bytes.split_to(length);
    let message = arrow::ipc::root_as_message(&metadata).unwrap();
    let all = arrow_schema(schema);
    let all = columns.map_or(all.as_ref().clone(), |columns| all.project(columns).unwrap());
    let fields = all.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = ArrowSchema::new(fields.collect::<Vec<_>>());
    arrow::ipc::reader::read_record_batch(
        &Buffer::from(&bytes[..]),
        message.header_as_record_batch().unwrap(),
        schema.into(),
        &HashMap::new(),
        None,
        &message.version(),
    )
    .unwrap()
}
