//! The least that reading can cost: the bytes of a log as the server sends them, through Arrow's own reader.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use arrow::ipc::reader::read_record_batch;
use fluss_scan::LogScan;
use fluss_scan::messages::{
    Call, FetchBucket, FetchLog, FetchLogAnswer, FetchTable, Metadata, Path,
};
use prost::Message;

use crate::{Read, Result};

/// Where a batch says how long it is, what is in it, how many records it has; and where they begin.
const LENGTH: usize = 8;
const ATTRIBUTES: usize = 27;
const COUNT: usize = 44;
const HEADER: usize = 48;
/// Bytes of a fetch, as `fluss-scan` asks for them.
const FETCH: i32 = 8 << 20;

/// Arrow messages, each in memory that is aligned: metadata and body.
pub type Messages = Vec<(Vec<u8>, Buffer)>;

/// Decodes messages that are in memory.
pub fn decode(messages: &Messages, schema: &SchemaRef) -> Result<Read> {
    let mut read = (0, 0);
    for (metadata, body) in messages {
        decode_one(metadata, body, schema, &mut read)?;
    }
    Ok(read)
}

fn decode_one(metadata: &[u8], body: &Buffer, schema: &SchemaRef, read: &mut Read) -> Result<()> {
    let message = arrow::ipc::root_as_message(metadata).map_err(|e| e.to_string())?;
    let batch = message.header_as_record_batch().ok_or("no record batch")?;
    let schema = Arc::clone(schema);
    let rows = read_record_batch(body, batch, schema, &HashMap::new(), None, &message.version())?;
    count(&rows, read);
    Ok(())
}

/// Counts rows and adds their first column up.
pub fn count(rows: &RecordBatch, read: &mut Read) {
    read.0 += rows.num_rows() as u64;
    read.1 += rows.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
}

/// A socket to the server of a log.
pub struct Wire {
    stream: TcpStream,
    table: FetchTable,
    end: i64,
    schema: SchemaRef,
}

impl Wire {
    /// Connects to the leader of the scan's only bucket.
    pub fn connect(bootstrap: &str, scan: &LogScan) -> Result<Self> {
        let path = &scan.table.path;
        let path = Path { database: path.database.clone(), table: path.table.clone() };
        let mut stream = TcpStream::connect(bootstrap)?;
        let answer = ask(&mut stream, &Metadata { tables: vec![path], partition_ids: vec![] })?;
        let answer = <Metadata as Call>::Answer::decode(&answer[..])?;
        let node = answer.tablet_servers.first().ok_or("no tablet server")?;
        let stream = TcpStream::connect(format!("{}:{}", node.host, node.port))?;
        stream.set_nodelay(true)?;
        let all = &scan.table.schema.columns;
        let columns = scan.projection.clone().unwrap_or_else(|| (0..all.len()).collect());
        let fields = columns.iter().map(|c| all[*c].arrow().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let bucket = FetchBucket { partition_id: None, bucket: 0, offset: 0, max_bytes: FETCH };
        let table = FetchTable {
            table_id: scan.table.table_id,
            projected: scan.projection.is_some(),
            columns: scan.projection.iter().flatten().map(|c| *c as i32).collect(),
            buckets: vec![bucket],
            predicate: None,
            filter_schema_id: None,
        };
        Ok(Self { stream, table, end: scan.end, schema })
    }

    /// The columns that come.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// All messages of the log.
    pub fn fetch(&mut self) -> Result<Messages> {
        let mut messages = vec![];
        self.each(|metadata, body, _| {
            messages.push((metadata.to_vec(), Buffer::from(body)));
            Ok(())
        })?;
        Ok(messages)
    }

    /// Reads the log and decodes it on the way.
    pub fn read(&mut self) -> Result<Read> {
        let mut read = (0, 0);
        self.each(|metadata, body, schema| {
            decode_one(metadata, &Buffer::from(body), schema, &mut read)
        })?;
        Ok(read)
    }

    fn each(&mut self, mut each: impl FnMut(&[u8], &[u8], &SchemaRef) -> Result<()>) -> Result<()> {
        let mut offset = 0;
        while offset < self.end {
            self.table.buckets[0].offset = offset;
            let request = FetchLog {
                follower_id: -1,
                max_bytes: FETCH,
                tables: vec![self.table.clone()],
                max_wait_ms: Some(0),
                min_bytes: Some(1),
            };
            let answer = FetchLogAnswer::decode(ask(&mut self.stream, &request)?)?;
            let bucket = answer.tables.first().and_then(|t| t.buckets.first());
            let bucket = bucket.ok_or("no bucket in an answer")?;
            let mut records = bucket.records.as_deref().ok_or("no records in an answer")?;
            let before = offset;
            while let Some((batch, rest)) = whole(records) {
                let count = number(batch, COUNT);
                offset += count.max(1) as i64;
                records = rest;
                if count > 0 {
                    let kinds = if batch[ATTRIBUTES] & 1 == 1 { 0 } else { count };
                    let message = &batch[HEADER + kinds..];
                    let body = 8 + number(message, 4);
                    each(&message[8..body], &message[body..], &self.schema)?;
                }
            }
            if offset == before {
                return Err(format!("nothing came at {offset}: {:?}", bucket.message).into());
            }
        }
        Ok(())
    }
}

/// The first whole batch and what is behind it.
fn whole(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = LENGTH + 4 + number(records.get(..LENGTH + 4)?, LENGTH);
    records.split_at_checked(length)
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

/// One call, the only one on its connection.
fn ask<C: Call>(stream: &mut TcpStream, request: &C) -> Result<bytes::Bytes> {
    let body = request.encode_to_vec();
    let mut frame = ((8 + body.len()) as u32).to_be_bytes().to_vec();
    frame.extend(C::API.to_be_bytes());
    frame.extend([0; 6]);
    frame.extend(body);
    stream.write_all(&frame)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u64::from(u32::from_be_bytes(length));
    let mut answer = Vec::with_capacity(length as usize);
    stream.take(length).read_to_end(&mut answer)?;
    match answer.first() {
        Some(0) => Ok(bytes::Bytes::from(answer).slice(5..)),
        _ => Err(format!("{} failed", C::NAME).into()),
    }
}
