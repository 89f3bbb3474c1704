//! Questions to what is tested: a DataFusion table of a Fluss catalog.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::CatalogProvider;
use datafusion::error::DataFusionError;
use datafusion::prelude::{DataFrame, col, lit};
use union_read::catalog::{Catalog, Origin, Points};
use union_read::{Error, ReadPath};

use crate::history::{PARTITIONS, Question};
use crate::model::COLUMNS;
use crate::world::{DATABASE, TABLE, World};

/// The sorted rows of an answer as texts.
pub async fn ask(
    world: &World,
    question: &Question,
    path: ReadPath,
) -> Result<Vec<Vec<String>>, DataFusionError> {
    let (origin, connections) =
        (Origin::Fluss(world.source.clone()), Arc::clone(&world.connections));
    let catalog = Catalog::new(origin, connections, &Points::along(path)).provider();
    let name = match question {
        Question::Lake => format!("{TABLE}$lake"),
        Question::RealTime => format!("{TABLE}$rt"),
        _ => TABLE.to_owned(),
    };
    let table = table(catalog.as_ref(), &name).await?;
    let frame = world.session.read_table(table)?;
    let frame = filtered(frame, question)?;
    if let Question::Count = question {
        return Ok(vec![vec![frame.count().await?.to_string()]]);
    }
    let columns: Vec<&str> =
        world.model.columns(question).into_iter().map(|column| COLUMNS[column]).collect();
    let batches = frame.select_columns(&columns)?.collect().await?;
    let mut rows = vec![];
    for batch in &batches {
        rows.extend(texts(batch)?);
    }
    rows.sort();
    Ok(rows)
}

async fn table(
    catalog: &dyn CatalogProvider,
    name: &str,
) -> Result<Arc<dyn datafusion::catalog::TableProvider>, DataFusionError> {
    let missing = || DataFusionError::Plan(format!("{name} is not there"));
    let schema = catalog.schema(DATABASE).ok_or_else(missing)?;
    schema.table(name).await?.ok_or_else(missing)
}

fn filtered(frame: DataFrame, question: &Question) -> Result<DataFrame, DataFusionError> {
    match question {
        Question::Id(id) => frame.filter(col("id").eq(lit(i64::from(*id)))),
        Question::Above(n) => frame.filter(col("n").gt(lit(i32::from(*n)))),
        Question::Unnamed => frame.filter(col("name").is_null()),
        Question::Partition(p) => frame.filter(col("p").eq(lit(PARTITIONS[usize::from(*p)]))),
        _ => Ok(frame),
    }
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>, DataFusionError> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch.columns().iter();
    let columns: Vec<ArrayFormatter<'_>> = columns
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<_, _>>()?;
    let row = |at| columns.iter().map(|column| column.value(at).to_string()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

/// Whether a path says that it cannot have all rows.
pub fn is_refusal(error: &DataFusionError) -> bool {
    matches!(Error::find(error), Some(Error::ReadPointGone(_) | Error::Unsupported(_)))
}
