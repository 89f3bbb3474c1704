//! Shows what `docs/upstream/datafusion-derived-distinct-count.md` says: DataFusion counts one different value where no row
//! is.
//!
//! `cargo run -p paimon-scan --example derived_distinct_count`

use std::error::Error;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let column = |values: [i64; 3]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let table = RecordBatch::try_from_iter([("a", column([4, 5, 6])), ("b", column([4, 5, 6]))])?;
    println!("{}", pretty_format_batches(std::slice::from_ref(&table))?);
    let context = SessionContext::new();
    context.register_batch("t", table)?;
    let sql = "SELECT count(DISTINCT a), count(DISTINCT b) FROM t WHERE a = 5 AND b = 6";
    println!("{sql}");
    let frame = context.sql(sql).await?;
    let plan = frame.clone().create_physical_plan().await?;
    println!("{}", datafusion::physical_plan::displayable(plan.as_ref()).indent(false));
    let answer = pretty_format_batches(&frame.collect().await?)?.to_string();
    println!("{answer}");
    match answer.contains("| 1 ") {
        true => Ok(()),
        false => Err("no value was counted".into()),
    }
}
