//! Millrace itself as real processes: one frontend and some backends, or one process that is both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::cluster::free_port;
use crate::error::{IoContext, LabError, Result};
use crate::oracle::Rows;
use crate::process::Process;
use crate::wait::{Progress, until};
use crate::watchdog::Watchdog;

/// The longest wait for a process to be ready, in a debug build on a busy machine.
const READY: Duration = Duration::from_secs(30);

/// Running processes. They end with the test process, however that ends.
pub struct Deployment {
    directory: TempDir,
    ports: Ports,
    sets: Vec<String>,
    processes: Mutex<Processes>,
}

struct Ports {
    mysql: u16,
    admin: u16,
    rpc: Vec<u16>,
}

struct Processes {
    frontend: Process,
    backends: Vec<Process>,
    watchdog: Watchdog,
}

impl Deployment {
    /// Starts one frontend and so many backends; 0: a standalone process. Queries go over all backends, however small
    /// they are.
    pub async fn start(backends: usize) -> Result<Self> {
        Self::start_with(backends, &["backend.task_bytes_min=0"]).await
    }

    /// The same with settings (`section.key=value`) for all processes.
    pub async fn start_with(backends: usize, sets: &[&str]) -> Result<Self> {
        let directory = TempDir::new().doing(|| "make a directory".into())?;
        let mut taken = vec![];
        let ports = Ports {
            mysql: free_port(&mut taken)?,
            admin: free_port(&mut taken)?,
            rpc: (0..backends).map(|_| free_port(&mut taken)).collect::<Result<_>>()?,
        };
        let mut watchdog = Watchdog::start(None)?;
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        let launch = Launch { directory: &directory, ports: &ports, sets: &sets };
        let backends = (0..backends).map(|i| launch.backend(i)).collect::<Result<Vec<_>>>()?;
        for backend in &backends {
            watchdog.watch(backend.id())?;
        }
        for port in &ports.rpc {
            listening(*port).await?;
        }
        let frontend = launch.frontend()?;
        watchdog.watch(frontend.id())?;
        let processes = Mutex::new(Processes { frontend, backends, watchdog });
        let this = Self { directory, ports, sets, processes };
        this.wait_ready().await?;
        Ok(this)
    }

    fn launch(&self) -> Launch<'_> {
        Launch { directory: &self.directory, ports: &self.ports, sets: &self.sets }
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn wait_ready(&self) -> Result<()> {
        until("millrace is ready", READY, async || {
            self.processes().frontend.check()?;
            let ready = self.sql("SELECT 1").await;
            Ok(match ready {
                Ok(_) => Progress::Done(()),
                // it has TLS alone, which this client lacks
                Err(mysql_async::Error::Server(error)) if error.code == 3159 => Progress::Done(()),
                Err(error) => Progress::Pending(error.to_string()),
            })
        })
        .await
    }

    /// The port for clients.
    pub fn mysql_port(&self) -> u16 {
        self.ports.mysql
    }

    /// The admin port of the frontend.
    pub fn admin_port(&self) -> u16 {
        self.ports.admin
    }

    /// The id of the frontend's process.
    pub fn frontend_id(&self) -> u32 {
        self.processes().frontend.id()
    }

    /// The id of a backend's process.
    pub fn backend_id(&self, backend: usize) -> u32 {
        self.processes().backends[backend].id()
    }

    /// `host:port` at which other processes reach a backend.
    pub fn backend_address(&self, backend: usize) -> String {
        format!("127.0.0.1:{}", self.ports.rpc[backend])
    }

    /// What the frontend, or a backend (`backend-0`, …), has logged since the first start.
    ///
    /// # Errors
    /// There is no such process, or its log cannot be read.
    pub fn log(&self, process: &str) -> Result<String> {
        let path = self.directory.path().join(format!("{process}.log"));
        std::fs::read_to_string(&path).doing(|| format!("read {}", path.display()))
    }

    /// A connection as `root`.
    pub async fn connect(&self) -> mysql_async::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.ports.mysql)
            .user(Some("root"))
            .prefer_socket(false);
        Conn::new(options).await
    }

    /// The rows of a statement over a new connection, as texts; NULL is `NULL`.
    pub async fn sql(&self, sql: &str) -> mysql_async::Result<Rows> {
        let mut connection = self.connect().await?;
        let rows = query(&mut connection, sql).await?;
        connection.disconnect().await?;
        Ok(rows)
    }

    /// Copies what the processes have told so far.
    pub(crate) fn keep_logs(&self, into: &Path) -> Result<()> {
        let doing = || format!("keep logs in {}", into.display());
        std::fs::create_dir_all(into).doing(doing)?;
        for entry in std::fs::read_dir(self.directory.path()).doing(doing)? {
            let path = entry.doing(doing)?.path();
            if let Some(name) =
                path.file_name().filter(|_| path.extension().is_some_and(|e| e == "log"))
            {
                std::fs::copy(&path, into.join(name)).doing(doing)?;
            }
        }
        Ok(())
    }

    /// Creates the catalog `fluss` for a cluster.
    pub async fn create_catalog(&self, bootstrap: &str) -> mysql_async::Result<()> {
        let create = format!(
            "CREATE EXTERNAL CATALOG IF NOT EXISTS fluss \
             PROPERTIES ('type' = 'fluss', 'bootstrap.servers' = '{bootstrap}')"
        );
        self.sql(&create).await.map(|_| ())
    }

    /// Queries that the backends work for, all together. A backend that does not answer has none.
    pub async fn queries_on_backends(&self) -> u32 {
        let client = proto::client::Backends::default();
        let mut queries = 0;
        for port in &self.ports.rpc {
            let status = client.status(&format!("127.0.0.1:{port}")).await;
            queries += status.map_or(0, |status| status.queries);
        }
        queries
    }

    /// Kills a backend at once.
    pub fn kill_backend(&self, backend: usize) -> Result<()> {
        self.processes().backends[backend].kill()
    }

    /// Stops a backend from running at all, without ending it.
    pub fn freeze_backend(&self, backend: usize) -> Result<()> {
        self.processes().backends[backend].signal(Signal::SIGSTOP)
    }

    /// Lets a frozen backend run again.
    pub fn thaw_backend(&self, backend: usize) -> Result<()> {
        self.processes().backends[backend].signal(Signal::SIGCONT)
    }

    /// Starts a killed backend again, on the same port.
    pub async fn restart_backend(&self, backend: usize) -> Result<()> {
        let started = self.launch().backend(backend)?;
        {
            let mut processes = self.processes();
            processes.watchdog.watch(started.id())?;
            processes.backends[backend] = started;
        }
        listening(self.ports.rpc[backend]).await
    }

    /// Kills the frontend at once.
    pub fn kill_frontend(&self) -> Result<()> {
        self.processes().frontend.kill()
    }

    /// Starts the frontend that was killed, with the same data and ports.
    pub async fn start_frontend(&self) -> Result<()> {
        self.spawn_frontend()?;
        self.wait_ready().await
    }

    fn spawn_frontend(&self) -> Result<()> {
        let started = self.launch().frontend()?;
        let mut processes = self.processes();
        processes.watchdog.watch(started.id())?;
        processes.frontend = started;
        Ok(())
    }

    /// Ends the frontend as a person would (SIGTERM) and starts it again with the same data.
    pub async fn restart_frontend(&self) -> Result<()> {
        self.processes().frontend.stop(READY)?;
        self.start_frontend().await
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let mut processes = self.processes();
        // nothing can be done about a failure here; the watchdog comes last
        let _ = processes.frontend.kill();
        for backend in &mut processes.backends {
            let _ = backend.kill();
        }
        processes.watchdog.finish();
    }
}

/// Starts processes of one deployment.
struct Launch<'a> {
    directory: &'a TempDir,
    ports: &'a Ports,
    sets: &'a [String],
}

impl Launch<'_> {
    fn frontend(&self) -> Result<Process> {
        let addresses: Vec<String> =
            self.ports.rpc.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let mut sets = vec![
            format!("mysql.listen=127.0.0.1:{}", self.ports.mysql),
            format!("admin.listen=127.0.0.1:{}", self.ports.admin),
        ];
        let role = if addresses.is_empty() {
            sets.push("rpc.listen=127.0.0.1:0".into());
            "standalone"
        } else {
            sets.push(format!("frontend.backends=[{}]", addresses.join(",")));
            "frontend"
        };
        self.start(role, "frontend", sets)
    }

    fn backend(&self, backend: usize) -> Result<Process> {
        let sets = vec![
            format!("rpc.listen=127.0.0.1:{}", self.ports.rpc[backend]),
            "admin.listen=127.0.0.1:0".into(),
        ];
        self.start("backend", &format!("backend-{backend}"), sets)
    }

    fn start(&self, role: &str, name: &str, sets: Vec<String>) -> Result<Process> {
        let mut command = Command::new(binary()?);
        command.arg(role);
        // what places the tests' own tools is no key of a configuration
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MILLRACE_") {
                command.env_remove(name);
            }
        }
        let data = self.directory.path().join(name);
        let data = format!("data_dir={}", data.display());
        for set in sets.iter().chain(self.sets).chain([&data]) {
            command.args(["--set", set]);
        }
        Process::spawn(name, command, &self.directory.path().join(format!("{name}.log")))
    }
}

/// The binary beside this one: tests and programs of a workspace are built into one directory.
pub fn binary() -> Result<PathBuf> {
    sibling("millrace")
}

/// A program of the workspace beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().doing(|| "find this program".into())?;
    let found = here.ancestors().skip(1).take(2).map(|dir| dir.join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| LabError::Setup(format!("{name} is not built: cargo build --workspace")))
}

async fn listening(port: u16) -> Result<()> {
    until(&format!("port {port} listens"), READY, async || {
        Ok(match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            Ok(_) => Progress::Done(()),
            Err(error) => Progress::Pending(error.to_string()),
        })
    })
    .await
}

/// The rows of a statement, as texts; NULL is `NULL`.
pub async fn query(connection: &mut Conn, sql: &str) -> mysql_async::Result<Rows> {
    let rows: Vec<Row> = connection.query(sql).await?;
    Ok(rows.into_iter().map(texts).collect())
}

fn texts(row: Row) -> Vec<String> {
    let text = |value: mysql_async::Value| match value {
        mysql_async::Value::NULL => "NULL".to_string(),
        mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => other.as_sql(true),
    };
    row.unwrap().into_iter().map(text).collect()
}
