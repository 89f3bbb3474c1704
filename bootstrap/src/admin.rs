//! The admin port: is the process alive, is it ready, what does it count.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether the process may be sent work, and why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Serves the admin port until `stop`; returns the address that it listens at.
///
/// # Errors
/// The port cannot be had.
pub async fn serve(
    listen: &str,
    metrics: Option<PrometheusHandle>,
    ready: Readiness,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let render = move || {
        let text = metrics.as_ref().map(|m| {
            m.run_upkeep();
            m.render()
        });
        async move { text.unwrap_or_default() }
    };
    let is_ready = move || {
        let answer = match ready() {
            Ok(()) => (StatusCode::OK, "ready\n".to_string()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        };
        async move { answer }
    };
    let router = Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(is_ready))
        .route("/metrics", get(render));
    let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the admin port failed");
        }
    });
    Ok(address)
}
