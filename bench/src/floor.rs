//! The least that reading can cost: the bytes of a log as the server sends them, through Arrow's own reader.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use arrow::ipc::reader::read_record_batch;
use bytes::Bytes;
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
/// Bytes of a fetch.
const FETCH: i32 = 8 << 20;

/// Decodes the records of answers that are in memory.
pub fn decode(answers: &[Bytes], schema: &SchemaRef) -> Result<Read> {
    let mut read = (0, 0);
    for records in answers {
        decode_records(records, schema, &mut read)?;
    }
    Ok(read)
}

/// Decodes whole batches; how many offsets they take.
fn decode_records(records: &Bytes, schema: &SchemaRef, read: &mut Read) -> Result<i64> {
    let (mut at, mut offsets) = (0, 0);
    while let Some(length) = whole(&records[at..]) {
        let batch = records.slice(at..at + length);
        let count = number(&batch, COUNT);
        // an empty batch takes an offset too
        offsets += count.max(1) as i64;
        at += length;
        if count > 0 {
            let kinds = if batch[ATTRIBUTES] & 1 == 1 { 0 } else { count };
            decode_message(&batch.slice(HEADER + kinds..), schema, read)?;
        }
    }
    Ok(offsets)
}

/// An encapsulated message. The reader itself aligns buffers that lie askew.
fn decode_message(message: &Bytes, schema: &SchemaRef, read: &mut Read) -> Result<()> {
    let body = 8 + number(message, 4);
    let metadata = arrow::ipc::root_as_message(&message[8..body]).map_err(|e| e.to_string())?;
    let batch = metadata.header_as_record_batch().ok_or("no record batch")?;
    let body = Buffer::from(message.slice(body..));
    let schema = Arc::clone(schema);
    let rows = read_record_batch(&body, batch, schema, &HashMap::new(), None, &metadata.version())?;
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

    /// All records of the log, by answers.
    pub fn fetch(&mut self) -> Result<Vec<Bytes>> {
        let mut answers = vec![];
        self.each(|records, schema| {
            answers.push(records.clone());
            decode_records(records, schema, &mut (0, 0))
        })?;
        Ok(answers)
    }

    /// Reads the log and decodes it on the way.
    pub fn read(&mut self) -> Result<Read> {
        let mut read = (0, 0);
        self.each(|records, schema| decode_records(records, schema, &mut read))?;
        Ok(read)
    }

    /// Fetches the log and hands each answer's records to `each`, which says how many offsets they take.
    fn each(&mut self, mut each: impl FnMut(&Bytes, &SchemaRef) -> Result<i64>) -> Result<()> {
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
            let records = bucket.records.as_ref().ok_or("no records in an answer")?;
            let offsets = each(records, &self.schema)?;
            if offsets == 0 {
                return Err(format!("nothing came at {offset}: {:?}", bucket.message).into());
            }
            offset += offsets;
        }
        Ok(())
    }
}

/// The length of the first batch, where all of it is there.
fn whole(records: &[u8]) -> Option<usize> {
    let length = LENGTH + 4 + number(records.get(..LENGTH + 4)?, LENGTH);
    (length <= records.len()).then_some(length)
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

/// One call, the only one on its connection.
fn ask<C: Call>(stream: &mut TcpStream, request: &C) -> Result<Bytes> {
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
        Some(0) => Ok(Bytes::from(answer).slice(5..)),
        _ => Err(format!("{} failed", C::NAME).into()),
    }
}
