//! Logs to standard error, and the registry that `/metrics` prints.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Starts logging at a level (`info`, or a filter such as `info,frontend=debug`).
///
/// # Errors
/// A text for a filter that is not understood.
pub fn init_logs(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("log.level '{filter}': {e}"))?;
    // a second call (several servers in one process) keeps the first subscriber
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    Ok(())
}

/// Installs the registry of metrics of this process; `None` when it is installed already.
pub fn init_metrics() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}
