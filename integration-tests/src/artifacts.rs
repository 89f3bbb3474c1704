//! The jars of the real cluster: where they are and how a JVM is started from them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{IoContext, LabError, Result};

/// Packages that Fluss, Arrow and Flink open by reflection.
const OPENED: [&str; 10] = [
    "java.lang",
    "java.net",
    "java.nio",
    "sun.nio.ch",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.lang.reflect",
    "java.text",
    "java.time",
];

/// Which jars a JVM sees. Flink's jars and the server's must not meet: each brings its own shaded Fluss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassPath {
    /// ZooKeeper needs nothing but the server's jar it is shaded into.
    ZooKeeper,
    /// Coordinator and tablet servers, with the lake plug-in.
    Server,
    /// The tiering job, with the lake plug-in.
    Flink,
    /// Flink, the lake plug-in and the compiled oracle.
    Oracle,
}

/// One JVM to start.
#[derive(Clone, Debug)]
pub(crate) struct Jvm {
    pub class_path: ClassPath,
    pub heap_mb: u32,
    pub main: &'static str,
    pub args: Vec<String>,
}

/// This package's directory, as cargo says when it runs something of it. Where cargo does not, as it was built:
/// clones that share a target directory share what is built there, too.
pub fn package_directory() -> PathBuf {
    let now = std::env::var_os("CARGO_MANIFEST_DIR");
    now.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The directory that `lab/fetch.sh` fills.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    home: PathBuf,
}

impl Artifacts {
    /// Runs `lab/fetch.sh`, which does nothing when all is there; its progress goes to stderr.
    pub(crate) fn ensure() -> Result<Self> {
        let script = package_directory().join("lab/fetch.sh");
        let output = Command::new(&script)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .doing(|| format!("run {}", script.display()))?;
        if !output.status.success() {
            return Err(LabError::Setup(format!(
                "{} ended with {}",
                script.display(),
                output.status
            )));
        }
        let home = String::from_utf8_lossy(&output.stdout).lines().last().map(PathBuf::from);
        home.map(|home| Self { home }).ok_or_else(|| LabError::Setup("no directory named".into()))
    }

    /// A command that starts `jvm` with its working and temporary directory in `directory`.
    ///
    /// The flags favour a quick start over peak speed; heaps are small because many JVMs share the machine.
    pub(crate) fn command(&self, jvm: &Jvm, directory: &Path) -> Command {
        let mut command = Command::new("java");
        for package in OPENED {
            command.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        }
        let log4j = directory.join(LOG4J_FILE);
        command
            .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xms32m"])
            .arg(format!("-Xmx{}m", jvm.heap_mb))
            .arg(format!("-Djava.io.tmpdir={}", directory.join("tmp").display()))
            .arg(format!("-Dlog4j2.configurationFile={}", log4j.display()))
            .arg("-cp")
            .arg(self.class_path(jvm.class_path))
            .arg(jvm.main)
            .args(&jvm.args)
            .current_dir(directory)
            .stdin(Stdio::null());
        command
    }

    fn class_path(&self, group: ClassPath) -> String {
        let jars = |name: &str| format!("{}/*", self.home.join(name).display());
        match group {
            ClassPath::ZooKeeper => jars("server"),
            ClassPath::Server => [jars("server"), jars("lake")].join(":"),
            ClassPath::Flink => [jars("flink"), jars("lake")].join(":"),
            ClassPath::Oracle => {
                let classes = self.home.join("oracle").display().to_string();
                [classes, jars("flink"), jars("lake")].join(":")
            }
        }
    }
}

/// Log configuration, looked for in the working directory of every JVM.
pub(crate) const LOG4J_FILE: &str = "log4j2.properties";

/// Everything to the process's own log file; the tiering enumerator would write two lines per poll.
pub(crate) const LOG4J: &str = "\
rootLogger.level=INFO
rootLogger.appenderRef.console.ref=console
logger.enumerator.name=org.apache.fluss.flink.tiering.source.enumerator
logger.enumerator.level=WARN
appender.console.name=console
appender.console.type=CONSOLE
appender.console.target=SYSTEM_ERR
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{HH:mm:ss.SSS} %-5p %c{1} - %m%n
";
