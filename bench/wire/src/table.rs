//! The first rows of `lineitem` at scale factor 1, in the order in which TPC-H makes them.

use std::io::Write;

use arrow::array::RecordBatch;
use mysql_protocol::value::Rows;
use mysql_protocol::wire::Reader;
use mysql_protocol::{Clock, RowFormat};
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::LineItemArrow;

use crate::Result;

/// Rows of one batch: what the frontend has by default (`frontend.batch_size`).
const BATCH: usize = 8192;

/// So many rows.
pub fn batches(rows: usize) -> Result<Vec<RecordBatch>> {
    let generator = LineItemGenerator::new(1.0, 1, 1);
    let mut left = rows;
    let mut batches = vec![];
    for batch in LineItemArrow::new(generator).with_batch_size(BATCH) {
        let batch = batch?;
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        batches.push(batch);
        if left == 0 {
            break;
        }
    }
    Ok(batches)
}

/// Prints rows as `LOAD DATA` reads them: the texts that a client would be sent, with tabs between.
pub fn print(rows: usize) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for batch in batches(rows)? {
        let encoded = Rows::new(&batch, RowFormat::Text, &Clock::utc())?;
        let mut packet = vec![];
        for row in 0..encoded.len() {
            packet.clear();
            encoded.put(row, &mut packet, &mut 0);
            let mut values = Reader::new(packet.get(4..).unwrap_or_default());
            for column in 0..batch.num_columns() {
                out.write_all(if column == 0 { b"" } else { b"\t" })?;
                // of lineitem no value is NULL or holds what would have to be escaped
                out.write_all(values.lenenc_bytes()?)?;
            }
            out.write_all(b"\n")?;
        }
    }
    Ok(out.flush()?)
}
