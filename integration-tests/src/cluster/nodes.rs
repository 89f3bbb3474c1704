//! Verbs on processes: stop, kill, freeze, thaw, restart; and when a cluster is ready.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Cluster, Node, START_LIMIT};
use crate::error::{IoContext, LabError, Result};
use crate::process::{self, Process};
use crate::wait::{self, Progress, request};

/// How long an orderly stop may take before it becomes a kill.
const STOP_GRACE: Duration = Duration::from_secs(10);

impl Cluster {
    /// Asks a process to end (SIGTERM); kills it after 10 s.
    pub fn stop(&self, node: Node) -> Result<()> {
        self.end(node, |process| process.stop(STOP_GRACE))
    }

    /// Ends a process at once (SIGKILL), frozen or not.
    pub fn kill(&self, node: Node) -> Result<()> {
        self.end(node, Process::kill)
    }

    /// Freezes a process (SIGSTOP): its connections stay open and nothing answers.
    pub fn freeze(&self, node: Node) -> Result<()> {
        self.signal(node, Signal::SIGSTOP)
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self, node: Node) -> Result<()> {
        self.signal(node, Signal::SIGCONT)
    }

    /// Starts a process again, on its old ports and data; a running one is killed first. Returns when the cluster is
    /// ready; a table's bucket may need longer until its leader answers.
    pub async fn restart(&self, node: Node) -> Result<()> {
        if self.is_running(node) {
            self.kill(node)?;
        }
        self.spawn(node)?;
        self.wait_ready(START_LIMIT).await
    }

    /// Freezes the tiering job. Keep it below two minutes: then the coordinator counts the job as lost and the table
    /// it was working on stays blocked for about as long.
    pub fn pause_tiering(&self) -> Result<()> {
        self.freeze(Node::Tiering)
    }

    /// Lets the tiering job go on.
    pub fn resume_tiering(&self) -> Result<()> {
        self.thaw(Node::Tiering)
    }

    /// Whether the process has been started and has not ended. A frozen one is running.
    pub fn is_running(&self, node: Node) -> bool {
        self.state.lock().processes.get_mut(&node).is_some_and(|process| process.ended().is_none())
    }

    /// An error with the end of its log if a process has ended by itself.
    pub fn check(&self) -> Result<()> {
        self.state.lock().processes.values_mut().try_for_each(Process::check)
    }

    pub(super) fn spawn(&self, node: Node) -> Result<()> {
        if let Node::Tablet(id) = node
            && id >= self.tablets
        {
            return Err(LabError::Misuse(format!("there is no {node}")));
        }
        let command = self.artifacts.command(&self.layout.jvm(node), self.layout.root());
        let process = Process::spawn(&node.to_string(), command, &self.layout.log(node))?;
        let mut state = self.state.lock();
        state.watchdog.watch(process.id())?;
        state.processes.insert(node, process);
        Ok(())
    }

    /// Waits until the coordinator answers and every tablet server that has been started is registered with it.
    pub(super) async fn wait_ready(&self, limit: Duration) -> Result<()> {
        wait::until("the servers are ready", limit, || async {
            self.check()?;
            let wanted = self.started_tablets();
            Ok(match self.registered_tablets().await {
                Ok(known) if wanted.iter().all(|address| known.contains(address)) => {
                    Progress::Done(())
                }
                Ok(known) => Progress::Pending(format!("tablet servers {known:?} of {wanted:?}")),
                Err(error) => Progress::Pending(error.to_string()),
            })
        })
        .await
    }

    /// Processes that have ended by themselves.
    pub(crate) fn dead(&self) -> Vec<Node> {
        let mut state = self.state.lock();
        let all = state.processes.iter_mut();
        all.filter_map(|(node, process)| process.ended().map(|_| *node)).collect()
    }

    /// Starts a process that has ended, on its old ports and data, and does not wait for it.
    pub(crate) fn start_again(&self, node: Node) -> Result<()> {
        let ended = {
            let mut state = self.state.lock();
            let ended = state.processes.remove(&node);
            ended.map(|process| state.watchdog.forget(process.id())).transpose()
        };
        ended?;
        self.spawn(node)
    }

    /// Whether a tablet server that has ended refused its own log: one of 0.9.1 that truncated its copy and went on
    /// behind the remote log does, at every start.
    pub(crate) fn refuses_its_log(&self, node: Node) -> bool {
        matches!(node, Node::Tablet(_))
            && process::tail(&self.layout.log(node)).contains("Failed to recovery log")
    }

    /// Starts a tablet server that has ended on an empty disk: it fetches what it leads and follows from the others.
    pub(crate) fn replace_disk(&self, node: Node) -> Result<()> {
        let disk = self.layout.disk(node);
        std::fs::remove_dir_all(&disk).doing(|| format!("empty {}", disk.display()))?;
        self.start_again(node)
    }

    /// Tablet servers that were started and that the coordinator does not know.
    pub(crate) async fn unregistered(&self) -> Result<Vec<Node>> {
        let known = self.registered_tablets().await?;
        let is_lost =
            |id: &usize| self.layout.tablet(*id).is_some_and(|address| !known.contains(&address));
        Ok((0..self.tablets).filter(is_lost).map(Node::Tablet).collect())
    }

    /// An error unless the coordinator answers and knows every tablet server.
    pub(crate) async fn all_registered(&self) -> Result<()> {
        match &self.unregistered().await?[..] {
            [] => Ok(()),
            lost => Err(LabError::Misuse(format!("not registered: {lost:?}"))),
        }
    }

    fn started_tablets(&self) -> Vec<String> {
        let state = self.state.lock();
        (0..self.tablets)
            .filter(|id| state.processes.contains_key(&Node::Tablet(*id)))
            .filter_map(|id| self.layout.tablet(id))
            .collect()
    }

    async fn registered_tablets(&self) -> Result<Vec<String>> {
        let coordinator = self.layout.coordinator();
        // a port that refuses is told apart quickly here; fluss-rs retries for seconds
        if tokio::net::TcpStream::connect(&coordinator).await.is_err() {
            return Err(LabError::Misuse(format!("{coordinator} refuses connections")));
        }
        let admin = self.admin().await?;
        let nodes = request("list servers", admin.get_server_nodes()).await?;
        let mut addresses: Vec<String> = nodes.iter().map(|node| node.url()).collect();
        addresses.retain(|address| *address != coordinator);
        Ok(addresses)
    }

    fn signal(&self, node: Node, signal: Signal) -> Result<()> {
        match self.state.lock().processes.get_mut(&node) {
            Some(process) => process.signal(signal),
            None => Err(LabError::Misuse(format!("{node} is not running"))),
        }
    }

    fn end(&self, node: Node, how: impl FnOnce(&mut Process) -> Result<()>) -> Result<()> {
        let mut state = self.state.lock();
        let Some(mut process) = state.processes.remove(&node) else {
            return Err(LabError::Misuse(format!("{node} is not running")));
        };
        how(&mut process)?;
        state.watchdog.forget(process.id())
    }
}
