//! The laboratory's cluster as a child process.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Result;

/// A cluster that ends when it is dropped.
pub struct Server {
    lab: Child,
    // it ends when nobody listens to it
    _output: Option<Lines<BufReader<ChildStdout>>>,
    /// `host:port`.
    pub bootstrap: String,
}

/// Larger than the logs: what the laboratory does by default, segments of a megabyte that go to remote storage at once,
/// is not what is measured.
const SEGMENT: &str = "log.segment.file-size=2000mb";

impl Server {
    /// Starts a cluster of one tablet server.
    pub fn start() -> Result<Self> {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run");
        let mut lab = Command::new(run)
            .args(["lab", "up", "--no-tiering", "--server-option", SEGMENT])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = lab.stdout.take().ok_or("no output of the laboratory")?;
        let mut lines = BufReader::new(output).lines();
        let mut server = Self { lab, _output: None, bootstrap: String::new() };
        for line in &mut lines {
            if let Some(bootstrap) = line?.strip_prefix("bootstrap.servers=") {
                server.bootstrap = bootstrap.to_string();
                break;
            }
        }
        if server.bootstrap.is_empty() {
            return Err("the laboratory did not start".into());
        }
        server._output = Some(lines);
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = i32::try_from(self.lab.id()).map(Pid::from_raw);
        if id.is_ok_and(|id| kill(id, Signal::SIGTERM).is_ok()) {
            let _ = self.lab.wait();
        }
    }
}
