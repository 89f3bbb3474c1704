//! A shell that outlives us for a moment and ends what we started.
//!
//! A test process may be killed, and statics are never dropped. The watchdog holds the reading end of a pipe that only
//! this process can write to: however this process ends, the pipe closes, and the watchdog kills the processes it was
//! told of, by id, and removes their directory. A parent-death signal would not do: it fires when the *thread* that
//! started the child ends, and test threads end early.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::error::{IoContext, Result};

/// Reads `+ PID` and `- PID` lines until the pipe closes. A killed process is waited for (5 s at most) because it may
/// still write into the directory.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=' '
while read -r verb pid; do
    case $verb in
    +) pids="$pids$pid " ;;
    -) pids="${pids%% $pid *} ${pids#* $pid }" ;;
    esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
for pid in $pids; do
    n=0
    while kill -0 "$pid" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
done
[ -z "$1" ] || rm -rf "$1"
"#;

/// The shell and our end of its pipe.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts the shell. `remove` is the directory it removes in the end.
    pub(crate) fn start(remove: Option<&Path>) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "lab-watchdog"])
            .arg(remove.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .doing(|| "start the watchdog".into())?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// From now on the process is ended with us.
    pub(crate) fn watch(&mut self, pid: u32) -> Result<()> {
        self.tell('+', pid)
    }

    /// The process has been reaped: its id may soon be somebody else's.
    pub(crate) fn forget(&mut self, pid: u32) -> Result<()> {
        self.tell('-', pid)
    }

    fn tell(&mut self, verb: char, pid: u32) -> Result<()> {
        match &mut self.pipe {
            Some(pipe) => writeln!(pipe, "{verb} {pid}").doing(|| "tell the watchdog".into()),
            None => Ok(()),
        }
    }

    /// Lets the shell do its last work and waits for it.
    pub(crate) fn finish(&mut self) {
        self.pipe = None;
        // nothing can be done about a failure here, and the shell's work is best effort
        let _ = self.shell.wait();
    }
}
