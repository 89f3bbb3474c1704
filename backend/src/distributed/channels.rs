//! Connections to other backends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::common::exec_datafusion_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest,
    GetWorkerInfoResponse, SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use parking_lot::Mutex;
use proto::client::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use url::Url;

const CONNECT: Duration = Duration::from_secs(1);
/// Peers whose connection is kept.
const PEERS_MAX: usize = 1024;

/// Connections by address. One that failed is forgotten: it would hand its stored error to the next call.
#[derive(Clone, Default)]
pub(super) struct Channels {
    open: Arc<Mutex<HashMap<Url, Channel>>>,
}

impl Channels {
    fn channel(&self, url: &Url) -> Result<Channel> {
        let mut open = self.open.lock();
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        if open.len() >= PEERS_MAX {
            open.clear();
        }
        let endpoint = Endpoint::from_shared(url.to_string())
            .map_err(|e| exec_datafusion_err!("address of a backend: {e}"))?;
        let channel = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_lazy();
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let inner = create_worker_client(BoxCloneSyncChannel::new(self.channel(url)?));
        Ok(Box::new(Watched { inner, url: url.clone(), open: Arc::clone(&self.open) }))
    }
}

/// Where a query hears that a backend of it was lost; in the session of its home.
pub(super) struct Lost(pub(super) mpsc::Sender<String>);

/// A connection that tells the query at once when its control channel fails. The library looks at that channel when the
/// query is over; a plan that never arrived would cost ten seconds.
struct Watched {
    inner: Box<dyn WorkerChannel>,
    url: Url,
    open: Arc<Mutex<HashMap<Url, Channel>>>,
}

impl Watched {
    /// What is done with an error of this connection.
    fn on_error(&self, context: &TaskContext) -> impl Fn(&DataFusionError) + Send + 'static {
        let lost = context.session_config().get_extension::<Lost>();
        let (url, open) = (self.url.clone(), Arc::clone(&self.open));
        move |error| {
            open.lock().remove(&url);
            if let Some(lost) = &lost {
                let address = url.authority();
                // one loss is enough to end the query
                let _ = lost.0.try_send(format!("backend {address} was lost: {}", one_line(error)));
            }
        }
    }
}

fn one_line(error: &DataFusionError) -> String {
    error.find_root().strip_backtrace().lines().next().unwrap_or_default().to_string()
}

#[async_trait]
impl WorkerChannel for Watched {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        request: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let on_error = self.on_error(context);
        let answers =
            self.inner.coordinator_channel(headers, request, messages, metrics, context).await;
        let answers = answers.inspect_err(&on_error)?;
        Ok(answers
            .inspect(move |answer| {
                if let Err(error) = answer {
                    on_error(error);
                }
            })
            .boxed())
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        context: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let open = Arc::clone(&self.open);
        let url = self.url.clone();
        let streams = self.inner.execute_task(headers, request, metrics, context).await;
        streams.inspect_err(|_| {
            open.lock().remove(&url);
        })
    }

    async fn get_worker_info(
        &mut self,
        request: GetWorkerInfoRequest,
    ) -> Result<GetWorkerInfoResponse> {
        self.inner.get_worker_info(request).await
    }
}
