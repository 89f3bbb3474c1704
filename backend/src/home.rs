//! The service that frontends call.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::DataFusionError;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use proto::failure::{Failure, Kind};
use proto::v1::home_server::Home;
use proto::v1::rows::Part;
use proto::v1::{
    CancelRequest, CancelResponse, End, Explanation, Query, Rows, StatusRequest, StatusResponse,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};

use crate::distributed::{Engine, Run, panic_text};
use crate::failure::failure;
use crate::rows::RowWriter;
use crate::statements::Statements;

/// Pieces that wait for a slow frontend before the query waits too.
const PIECES_AHEAD: usize = 4;

pub(crate) struct HomeService {
    engine: Arc<Engine>,
    statements: Arc<Statements>,
    stop: CancellationToken,
}

impl HomeService {
    pub(crate) fn new(
        engine: Arc<Engine>,
        statements: Arc<Statements>,
        stop: CancellationToken,
    ) -> Self {
        Self { engine, statements, stop }
    }

    fn accepts(&self) -> Result<(), Status> {
        match self.stop.is_cancelled() {
            false => Ok(()),
            true => Err(Failure::new(Kind::BackendLost, "the backend is stopping").into_status()),
        }
    }
}

type Sender = mpsc::Sender<Result<Rows, Status>>;

#[tonic::async_trait]
impl Home for HomeService {
    type ExecuteStream = BoxStream<'static, Result<Rows, Status>>;

    async fn execute(
        &self,
        request: Request<Query>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        self.accepts()?;
        let query = request.into_inner();
        let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
        let engine = Arc::clone(&self.engine);
        let task = tokio::spawn(async move {
            let ended = AssertUnwindSafe(answer(&engine, query, &sender)).catch_unwind().await;
            let failed = match ended {
                Ok(Ok(())) => return,
                Ok(Err(failed)) => failed,
                Err(panic) => Failure::new(Kind::Internal, panic_text(panic.as_ref())),
            };
            let _ = sender.send(Err(failed.into_status())).await;
        });
        // the query ends with the stream: the frontend may be gone
        let task = AbortOnDropHandle::new(task);
        let rows = futures::stream::unfold((receiver, task), async |(mut receiver, task)| {
            receiver.recv().await.map(|rows| (rows, (receiver, task)))
        });
        Ok(Response::new(rows.boxed()))
    }

    async fn explain(&self, request: Request<Query>) -> Result<Response<Explanation>, Status> {
        self.accepts()?;
        let run = self.engine.plan(request.into_inner()).await;
        let run = run.map_err(|error| failure(&error).into_status())?;
        Ok(Response::new(Explanation { text: run.display() }))
    }

    async fn cancel(
        &self,
        request: Request<CancelRequest>,
    ) -> Result<Response<CancelResponse>, Status> {
        self.statements.stop(&request.into_inner().query_id);
        Ok(Response::new(CancelResponse {}))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.accepts()?;
        let queries = u32::try_from(self.statements.count()).unwrap_or(u32::MAX);
        let version = bootstrap::VERSION.to_string();
        Ok(Response::new(StatusResponse { version, queries }))
    }
}

/// Runs a query and sends its rows and its end.
async fn answer(engine: &Engine, query: Query, sender: &Sender) -> Result<(), Failure> {
    let deadline = query.options.as_ref().map_or(0, |options| options.deadline_ms);
    let running = metrics::gauge!("millrace_backend_queries_running");
    running.increment(1.0);
    let _running = OnDrop(move || running.decrement(1.0));
    let run = async {
        let mut run = engine.plan(query).await.map_err(|e| failure(&e))?;
        send_rows(&mut run, sender).await
    };
    if deadline == 0 {
        return run.await;
    }
    let timed_out = || Failure::new(Kind::TimedOut, "the query ran longer than allowed");
    tokio::time::timeout(Duration::from_millis(deadline), run)
        .await
        .unwrap_or_else(|_| Err(timed_out()))
}

async fn send_rows(run: &mut Run, sender: &Sender) -> Result<(), Failure> {
    let mut batches = run.execute().map_err(|e| failure(&e))?;
    let broken = |e: arrow::error::ArrowError| failure(&DataFusionError::from(e));
    let mut writer = RowWriter::new(&batches.schema()).map_err(broken)?;
    send(sender, Part::Ipc(writer.take())).await?;
    let mut rows = 0u64;
    loop {
        let next = tokio::select! {
            biased;
            lost = run.lost() => return Err(lost),
            next = batches.next() => next,
        };
        let Some(batch) = next else { break };
        let batch = batch.map_err(|e| failure(&e))?;
        rows += batch.num_rows() as u64;
        for piece in writer.pieces(&batch).map_err(broken)? {
            send(sender, Part::Ipc(piece)).await?;
        }
    }
    drop(batches);
    send(sender, Part::Ipc(writer.finish().map_err(broken)?)).await?;
    metrics::counter!("millrace_backend_rows_sent_total").increment(rows);
    send(sender, Part::End(End { rows, profile: run.profile().await })).await
}

async fn send(sender: &Sender, part: Part) -> Result<(), Failure> {
    let gone = || Failure::new(Kind::Cancelled, "the frontend is gone");
    sender.send(Ok(Rows { part: Some(part) })).await.map_err(|_| gone())
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
