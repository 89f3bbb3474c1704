//! `EXPLAIN` and `EXPLAIN ANALYZE`.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::displayable;
use datafusion::sql::sqlparser::ast;
use futures::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::Answer;
use super::dispatch::{self, Arrived, time_allowed};
use crate::session::Session;
use crate::{Error, Frontend, Result};

/// Shows how a query would run: read points, ways, and the stages on the backends.
pub async fn explain(
    frontend: &Frontend,
    session: &Session,
    query: &ast::Query,
    verbose: bool,
) -> Result<Answer> {
    let plan = frontend.planner().plan(session, query).await?;
    let mut text = String::new();
    if verbose {
        text = format!("{}\n\n", plan.logical.display_indent());
    }
    if plan.is_constant {
        text.push_str(&displayable(plan.physical.as_ref()).indent(false).to_string());
    } else {
        let query = dispatch::encode(frontend, &plan, time_allowed(session), false)?;
        let explained = frontend.backends().client().explain(query).await;
        text.push_str(&explained.map_err(dispatch::error_of)?);
    }
    Ok(lines(&text))
}

/// Runs a query, throws its rows away and shows the metrics of all stages.
pub async fn analyze(
    frontend: &Frontend,
    session: &Session,
    query: &ast::Query,
    stop: &CancellationToken,
) -> Result<Answer> {
    let plan = frontend.planner().plan(session, query).await?;
    if plan.is_constant {
        return Ok(lines(&displayable(plan.physical.as_ref()).indent(false).to_string()));
    }
    let within = time_allowed(session);
    let run = async {
        let mut pieces = dispatch::send(frontend, &plan, within, true).await?;
        while let Some(piece) = pieces.try_next().await? {
            if let Arrived::End(end) = piece {
                return Ok(lines(&format!("rows: {}\n{}", end.rows, end.profile)));
            }
        }
        Err(Error::Retry("the profile was lost".into()))
    };
    tokio::select! {
        () = stop.cancelled() => Err(Error::Cancelled),
        answer = tokio::time::timeout(within, run) => answer.unwrap_or(Err(Error::TimedOut)),
    }
}

/// The columns of every explanation, under StarRocks' label.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("Explain String", DataType::Utf8, false)]))
}

/// A text as rows, one line each.
fn lines(text: &str) -> Answer {
    let schema = schema();
    let lines: StringArray = text.trim_end().lines().map(Some).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)]);
    Answer::rows(schema, batch.map_err(Error::internal))
}
