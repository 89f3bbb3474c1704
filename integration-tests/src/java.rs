//! Programs in Java over a cluster: Fluss's own client can write what `fluss-rs` cannot.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::artifacts::{ClassPath, Jvm};
use crate::cluster::Cluster;
use crate::error::{IoContext, LabError, Result};

impl Cluster {
    /// Runs a program, which is one file of source, with the jars of Fluss's client; what it prints. It is killed when the
    /// limit has passed.
    pub async fn java(&self, source: &Path, args: &[&str], limit: Duration) -> Result<String> {
        let program = std::iter::once(source.display().to_string());
        let jvm = Jvm {
            class_path: ClassPath::Flink,
            heap_mb: 512,
            // in the place of a class, Java takes a file that it compiles first
            main: "--source=11",
            args: program.chain(args.iter().map(|arg| (*arg).to_owned())).collect(),
        };
        let mut command = Command::from(self.artifacts().command(&jvm, self.directory()));
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(limit, output).await.map_err(|_| LabError::Timeout {
            condition: format!("the end of {}", source.display()),
            limit,
            seen: "it still runs".to_owned(),
        })?;
        let output = output.doing(|| "start Java".into())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(LabError::Setup(format!("{} ended with {}: {errors}", source.display(), output.status)))
    }
}
