//! What a process is: a frontend, a backend, or both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backend::Backend;
use backend::leaf::UnionReads;
use bootstrap::admin::Readiness;
use bootstrap::{VERSION, admin, shutdown, telemetry};
use frontend::Running;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// A role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Speaks MySQL, plans.
    Frontend,
    /// Runs plans.
    Backend,
    /// Both in one process.
    Standalone,
}

/// Runs a process until it is told to stop, and drains it.
///
/// # Errors
/// A text that says what could not be started.
pub async fn run(role: Role, mut config: Config) -> Result<(), String> {
    telemetry::init_logs(&config.log.level)?;
    let metrics = telemetry::init_metrics();
    let stop = shutdown::on_signal().map_err(|e| format!("signals: {e}"))?;
    let backend = match role {
        Role::Frontend => None,
        Role::Backend | Role::Standalone => Some(start_backend(&config, &stop).await?),
    };
    if let (Role::Standalone, Some(backend)) = (role, &backend) {
        config.frontend.backends = vec![backend.address().to_string()];
    }
    let frontend = match role {
        Role::Backend => None,
        Role::Frontend | Role::Standalone => Some(start_frontend(&config, &stop).await?),
    };
    let ready = readiness(frontend.as_ref(), stop.clone());
    let admin = admin::serve(&config.admin.listen, metrics, ready, CancellationToken::new()).await;
    let admin = admin.map_err(|e| format!("admin.listen {}: {e}", config.admin.listen))?;
    println!("{}", banner(role, frontend.as_ref(), backend.as_ref(), &admin.to_string()));
    stop.cancelled().await;
    let within = Duration::from_millis(config.drain.timeout_ms);
    if let Some(frontend) = frontend {
        frontend.drain(within).await;
    }
    if let Some(backend) = backend {
        backend.drain(within).await;
    }
    Ok(())
}

async fn start_backend(config: &Config, stop: &CancellationToken) -> Result<Backend, String> {
    let leaf = Arc::new(UnionReads::default());
    let data_dir: &Path = &config.data_dir;
    let started = Backend::start(&config.rpc, &config.backend, data_dir, leaf, stop.clone()).await;
    started.map_err(|e| e.to_string())
}

async fn start_frontend(config: &Config, stop: &CancellationToken) -> Result<Running, String> {
    let sections = frontend::config::Config {
        mysql: config.mysql.clone(),
        auth: config.auth.clone(),
        frontend: config.frontend.clone(),
    };
    let started = Running::start(sections, &config.data_dir, stop.clone()).await;
    started.map_err(|e| e.to_string())
}

/// A frontend is ready while a backend is alive; a process that stops is not.
fn readiness(frontend: Option<&Running>, stop: CancellationToken) -> Readiness {
    let shared = frontend.map(|frontend| Arc::clone(frontend.shared()));
    Arc::new(move || {
        if stop.is_cancelled() {
            return Err("stopping".into());
        }
        match &shared {
            Some(frontend) => frontend.backends().of_query().map(|_| ()).map_err(|e| e.to_string()),
            None => Ok(()),
        }
    })
}

fn banner(
    role: Role,
    frontend: Option<&Running>,
    backend: Option<&Backend>,
    admin: &str,
) -> String {
    let role = format!("{role:?}").to_lowercase();
    let mysql = frontend.map_or_else(String::new, |f| format!(", mysql {}", f.address()));
    let rpc = backend.map_or_else(String::new, |b| format!(", rpc {}", b.address()));
    format!("millrace {VERSION} {role} ready{mysql}{rpc}, admin {admin}")
}
