//! Shows what `docs/upstream/datafusion-int96-wraps.md` says: a file that Java Paimon wrote, with timestamps of nine digits,
//! read by DataFusion and by the paimon crate.
//!
//! `cargo run -p paimon-scan --example int96_wraps`

use std::error::Error;
use std::path::{Path, PathBuf};

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;
use paimon::catalog::{Catalog, Identifier};
use paimon::{CatalogOptions, FileSystemCatalog, Options};

const TABLE: &str = "timestamp_nine";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    println!("what was written, in microseconds:");
    let written = std::fs::read_to_string(tests.join(format!("expected/{TABLE}.jsonl")))?;
    println!("{written}");
    let context = SessionContext::new();
    let file = data_file(&tests.join("warehouse/lake.db").join(TABLE))?;
    let file = file.display().to_string();
    context.register_parquet("t", &file, ParquetReadOptions::default()).await?;
    println!("what DataFusion reads:\n{}", answer(&context, "SELECT id, ts FROM t").await?);
    let early = "SELECT id, ts FROM t WHERE ts < arrow_cast('1700-01-01', 'Timestamp(ns)')";
    println!("and before 1700, where ids 3 and 5 are:\n{}", answer(&context, early).await?);
    let config = SessionConfig::new().set_str("datafusion.execution.parquet.coerce_int96", "us");
    let coerced = SessionContext::new_with_config(config);
    coerced.register_parquet("t", &file, ParquetReadOptions::default()).await?;
    println!("with coerce_int96 = us:\n{}", answer(&coerced, "SELECT id, ts FROM t").await?);
    println!("what the paimon crate reads:");
    paimon(&tests.join("warehouse")).await?;
    match answer(&context, "SELECT ts FROM t WHERE id = 3").await?.contains("0001-01-01") {
        false => Ok(()),
        true => Err("DataFusion reads the year 1".into()),
    }
}

async fn answer(context: &SessionContext, sql: &str) -> Result<String, Box<dyn Error>> {
    let batches = context.sql(sql).await?.collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

async fn paimon(warehouse: &Path) -> Result<(), Box<dyn Error>> {
    let mut options = Options::new();
    options.set(CatalogOptions::WAREHOUSE, warehouse.display().to_string());
    let catalog = FileSystemCatalog::new(options)?;
    let table = catalog.get_table(&Identifier::new("lake", TABLE)).await?;
    let builder = table.new_read_builder();
    let plan = builder.new_scan().plan().await?;
    let mut batches = builder.new_read()?.to_arrow(plan.splits())?;
    while let Some(batch) = batches.try_next().await? {
        println!("{:?}\n{:?}", batch.column(0), batch.column(1));
    }
    Ok(())
}

fn data_file(table: &Path) -> Result<PathBuf, Box<dyn Error>> {
    for entry in std::fs::read_dir(table.join("bucket-0"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            return Ok(path);
        }
    }
    Err("no data file".into())
}
