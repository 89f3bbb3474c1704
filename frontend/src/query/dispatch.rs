//! Plan → rows: handed to a home backend, or run here where no table is read.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::sqlparser::ast;
use datafusion_proto::bytes::physical_plan_to_bytes_with_proto_converter;
use datafusion_proto::physical_plan::DeduplicatingProtoConverter;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use proto::client::Piece;
use proto::failure::{Failure, Kind};
use proto::v1::{End, Options, Query};
use tokio_util::sync::CancellationToken;
use union_read::UnionReadCodec;

use super::plan::Plan;
use super::{Answer, Rows, hints};
use crate::config::FrontendSection;
use crate::session::Session;
use crate::{Error, Frontend, Result, read_points};

/// The pause before the first retry; longer before each further one.
const BEFORE_RETRY: Duration = Duration::from_millis(100);

/// Answers a query.
///
/// If a backend or the read point is lost before the first rows are handed on, the statement is planned again, at a new read point and
/// on the backends that are left, `frontend.statement_retries_max` times within its time.
pub async fn query(
    frontend: &Frontend,
    session: &mut Session,
    query: &ast::Query,
    stop: &CancellationToken,
) -> Result<Answer> {
    let Some(mut hinted) = hints::session(session, query)? else {
        return answer(frontend, session, query, stop).await;
    };
    let answer = answer(frontend, &mut hinted, query, stop).await;
    session.read_points = hinted.read_points;
    answer
}

async fn answer(
    frontend: &Frontend,
    session: &mut Session,
    query: &ast::Query,
    stop: &CancellationToken,
) -> Result<Answer> {
    let within = time_allowed(session);
    let retries_max = frontend.config().frontend.statement_retries_max;
    let stopped = stop.clone();
    let started = async {
        let mut retries = 0;
        loop {
            match start(frontend, session, query, within).await {
                Err(error) if may_succeed_now(&error) && retries < retries_max => {
                    tracing::debug!(%error, "a statement is begun again");
                    metrics::counter!("millrace_frontend_statements_retried_total").increment(1);
                    retries += 1;
                    tokio::time::sleep(BEFORE_RETRY * retries).await;
                }
                started => return started,
            }
        }
    };
    let rows = tokio::select! {
        () = stopped.cancelled() => return Err(Error::Cancelled),
        rows = within_time(within, started) => rows?,
    };
    Ok(Answer::Rows(Rows { schema: rows.schema, batches: stoppable(rows.batches, stop.clone()) }))
}

fn may_succeed_now(error: &Error) -> bool {
    matches!(error, Error::ReadPointGone(_) | Error::Retry(_))
}

/// The time that a statement may take: the smaller one of `query_timeout` (seconds) and `max_execution_time` (milliseconds).
pub fn time_allowed(session: &Session) -> Duration {
    let seconds = u64::try_from(session.variables.int("query_timeout")).unwrap_or(0);
    let query_timeout = Duration::from_secs(seconds);
    match u64::try_from(session.variables.int("max_execution_time")) {
        Ok(milliseconds) if milliseconds > 0 => {
            query_timeout.min(Duration::from_millis(milliseconds))
        }
        _ => query_timeout,
    }
}

async fn within_time<T>(within: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(within, work).await.unwrap_or(Err(Error::TimedOut))
}

/// Plans and waits for the first rows, all of a small answer, so that what can be done again is known before a client sees anything.
async fn start(
    frontend: &Frontend,
    session: &mut Session,
    query: &ast::Query,
    within: Duration,
) -> Result<Rows> {
    let plan = frontend.planner().plan(session, query).await?;
    session.read_points = (session.variables.int("keep_read_points") == 1).then(|| {
        Arc::new(read_points::of(&plan.physical, frontend.config().frontend.read_point_files_max))
    });
    let schema = Arc::clone(&plan.schema);
    let mut batches = if plan.is_constant {
        let rows = execute_stream(Arc::clone(&plan.physical), plan.state.task_ctx())?;
        rows.map_err(Error::from).boxed()
    } else {
        let pieces = send(frontend, &plan, within, false).await?;
        pieces.try_filter_map(async |piece| Ok(piece.batch())).boxed()
    };
    let held = hold(&mut batches, &frontend.config().frontend).await?;
    let labelled = Arc::clone(&schema);
    let batches = stream::iter(held.into_iter().map(Ok))
        .chain(batches)
        .map(move |batch| batch.and_then(|batch| relabel(&batch, &labelled)));
    Ok(Rows { schema, batches: batches.boxed() })
}

/// The first rows: all of a small answer, so that whatever is lost before its end can be begun again.
async fn hold(
    batches: &mut BoxStream<'static, Result<RecordBatch>>,
    section: &FrontendSection,
) -> Result<Vec<RecordBatch>> {
    let Some(first) = batches.try_next().await? else {
        return Ok(vec![]);
    };
    let ends = tokio::time::Instant::now() + Duration::from_millis(section.answer_held_ms_max);
    let mut bytes = first.get_array_memory_size();
    let mut held = vec![first];
    while bytes < section.answer_held_bytes_max {
        // what is given up here is only the wait: the stream keeps its place
        match tokio::time::timeout_at(ends, batches.try_next()).await {
            Ok(next) => match next? {
                Some(batch) => {
                    bytes += batch.get_array_memory_size();
                    held.push(batch);
                }
                None => break,
            },
            Err(_) => break,
        }
    }
    Ok(held)
}

/// The rows under the labels of the statement.
fn relabel(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows).map_err(Error::internal)
}

fn stoppable(
    batches: BoxStream<'static, Result<RecordBatch>>,
    stop: CancellationToken,
) -> BoxStream<'static, Result<RecordBatch>> {
    let stopped = stop.clone();
    let last = stream::once(async move { stopped.is_cancelled() })
        .filter_map(async |stopped| stopped.then_some(Err(Error::Cancelled)));
    batches.take_until(stop.cancelled_owned()).chain(last).boxed()
}

/// What comes from a home backend.
pub enum Arrived {
    /// Rows.
    Batch(RecordBatch),
    /// The end of them.
    End(End),
}

impl Arrived {
    fn batch(self) -> Option<RecordBatch> {
        match self {
            Arrived::Batch(batch) => Some(batch),
            Arrived::End(_) => None,
        }
    }
}

/// Hands a plan to a home backend. The stream ends with an `End`; dropping it earlier ends the query everywhere.
pub async fn send(
    frontend: &Frontend,
    plan: &Plan,
    within: Duration,
    profile: bool,
) -> Result<BoxStream<'static, Result<Arrived>>> {
    let query = encode(frontend, plan, within, profile)?;
    let running = Running {
        client: Arc::clone(frontend.backends().client()),
        backends: query.backends.clone(),
        query_id: query.query_id.clone(),
        ended: false,
    };
    let pieces = frontend.backends().client().execute(query).await;
    let pieces = match pieces {
        Ok(pieces) => pieces,
        Err(failure) => return Err(failed(frontend, failure).await),
    };
    let state = (Box::pin(pieces), running);
    let arrived = stream::try_unfold(state, async |(mut pieces, mut running)| {
        let next = pieces.try_next().await.map_err(error_of)?;
        let arrived = next.map(|piece| match piece {
            Piece::Batch(batch) => Arrived::Batch(batch),
            Piece::End(end) => {
                running.ended = true;
                Arrived::End(end)
            }
        });
        Ok(arrived.map(|arrived| (arrived, (pieces, running))))
    });
    Ok(arrived.boxed())
}

/// A plan as a query for backends.
pub fn encode(frontend: &Frontend, plan: &Plan, within: Duration, profile: bool) -> Result<Query> {
    let codec = UnionReadCodec::new(Arc::clone(frontend.catalogs().connections()));
    let bytes = physical_plan_to_bytes_with_proto_converter(
        Arc::clone(&plan.physical),
        &codec,
        &DeduplicatingProtoConverter::default(),
    )?;
    let section = &frontend.config().frontend;
    Ok(Query {
        query_id: uuid::Uuid::new_v4().to_string(),
        plan: bytes.to_vec(),
        backends: frontend.backends().of_query()?,
        options: Some(Options {
            batch_size: u32::try_from(section.batch_size).unwrap_or(u32::MAX),
            target_partitions: u32::try_from(section.target_partitions).unwrap_or(u32::MAX),
            deadline_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            profile,
        }),
    })
}

async fn failed(frontend: &Frontend, failure: Failure) -> Error {
    if failure.kind == Kind::BackendLost {
        frontend.backends().look_again().await;
    }
    error_of(failure)
}

/// The error that a client is told for a failure of backends.
pub fn error_of(failure: Failure) -> Error {
    let message = failure.message;
    match failure.kind {
        Kind::Statement => Error::Invalid(message),
        Kind::OutOfRange => Error::OutOfRange(message),
        Kind::ReadPointGone => Error::ReadPointGone(message),
        Kind::BackendLost => Error::Retry(message),
        Kind::Unavailable => Error::Unavailable(message),
        Kind::Storage => Error::Storage(message),
        Kind::TooLarge => Error::TooLarge(message),
        Kind::Cancelled => Error::Cancelled,
        Kind::TimedOut => Error::TimedOut,
        Kind::Internal => Error::Internal(message),
    }
}

/// A query that runs on backends; if it is dropped before its end, they are told.
struct Running {
    client: Arc<proto::client::Backends>,
    backends: Vec<String>,
    query_id: String,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        for backend in std::mem::take(&mut self.backends) {
            let (client, query_id) = (Arc::clone(&self.client), self.query_id.clone());
            // bounded by the client's own deadline
            runtime.spawn(async move {
                if let Err(failure) = client.cancel(&backend, &query_id).await {
                    tracing::debug!(%failure, backend, "a query was not cancelled");
                }
            });
        }
    }
}
