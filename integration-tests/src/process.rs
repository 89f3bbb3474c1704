//! One child process: its log, its signals, its end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{IoContext, LabError, Result};

/// How much of a log an error shows.
const TAIL_BYTES: u64 = 8192;

/// How often an ending process is looked at.
const REAP_INTERVAL: Duration = Duration::from_millis(10);

/// A started process. It is signalled only while it has not been reaped, so its id cannot be another's.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own (a Ctrl-C is for the test alone), its output appended to `log`.
    pub(crate) fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .doing(|| format!("open {}", log.display()))?;
        let errors = file.try_clone().doing(|| format!("open {}", log.display()))?;
        let child = command
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing(|| format!("start {name} ({:?})", command.get_program()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The status of a process that has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// An error with the end of the log when the process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(_) => Err(LabError::Died {
                process: self.name.clone(),
                log: self.log.clone(),
                tail: tail(&self.log),
            }),
        }
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        self.check()?;
        let pid = i32::try_from(self.child.id())
            .map_err(|_| LabError::Misuse(format!("{} has no usable id", self.name)))?;
        kill(Pid::from_raw(pid), signal)
            .map_err(std::io::Error::from)
            .doing(|| format!("send {signal} to {}", self.name))
    }

    /// Asks the process to end; what is still there after `grace` is killed.
    pub(crate) fn stop(&mut self, grace: Duration) -> Result<()> {
        if self.ended().is_none() {
            self.signal(Signal::SIGTERM)?;
        }
        let start = Instant::now();
        while self.ended().is_none() && start.elapsed() < grace {
            std::thread::sleep(REAP_INTERVAL);
        }
        self.kill()
    }

    /// Ends the process at once (a frozen one too) and reaps it.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if self.ended().is_none() {
            self.child.kill().doing(|| format!("kill {}", self.name))?;
            self.child.wait().doing(|| format!("reap {}", self.name))?;
        }
        Ok(())
    }
}

/// The last lines of a file, or why they cannot be read.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("({error})"))
}
