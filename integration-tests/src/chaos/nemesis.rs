//! Who does it: faults at random, one or two at a time, with healing between them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluss::metadata::TablePath;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::fault::{Counts, Fault, Victim, pick};
use super::shape;
use crate::checker::Surroundings;
use crate::checker::workload::KeyTable;
use crate::cluster::{Cluster, Node};
use crate::deployment::Deployment;
use crate::error::{LabError, Result};

/// How long a fault lasts, milliseconds.
const LASTS_MS: std::ops::Range<u64> = 300..6000;
/// The calm after the servers are whole again, milliseconds.
const CALM_MS: std::ops::Range<u64> = 500..3000;
/// The longest wait for the servers to be whole again.
const HEALED: Duration = Duration::from_secs(150);
/// After this, servers that are there but not whole are started anew: a thawed one may not find its way back, and a
/// coordinator of 0.9.1 may lose track of a partition for good.
const STUCK: Duration = Duration::from_secs(25);
/// A lake that stands still for longer has lost its tiering job: one of 0.9.1 that asks a server which is killed then waits
/// for the answer for ever.
const TIERING_STUCK: Duration = Duration::from_secs(60);
/// The longest that the calm waits for the lake to go on, so that faults meet tables with a lake; and the first time.
const TIERED: Duration = Duration::from_secs(15);
const FIRST_TIERED: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(300);

pub(super) struct Nemesis<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) millrace: &'a Deployment,
    pub(super) surroundings: Arc<Surroundings>,
    pub(super) tables: Vec<KeyTable>,
    pub(super) paths: Vec<TablePath>,
    pub(super) random: StdRng,
    pub(super) counts: Counts,
    pub(super) began: Instant,
    pub(super) tablets: usize,
    pub(super) backends: usize,
    pub(super) kills_only: bool,
    /// Logs go to remote storage and expire there.
    pub(super) logs_expire: bool,
    /// The lake's progress and when it was last seen to go on.
    pub(super) tiered: (u64, Instant),
}

impl Nemesis<'_> {
    /// Goes on until `ends`; the servers are whole when it returns.
    pub(super) async fn run(&mut self, ends: Instant) -> Result<()> {
        self.heal().await?;
        self.wait_first_tiered().await;
        while Instant::now() < ends {
            let faults = pick(&mut self.random, self.tablets, self.backends);
            if self.kills_only && !faults.iter().all(|fault| matches!(fault, Fault::Kill(_))) {
                continue;
            }
            let is_of_coordinator = |fault: &Fault| fault.kind().starts_with("coordinator");
            if self.logs_expire && faults.iter().any(is_of_coordinator) {
                continue;
            }
            self.episode(&faults).await?;
            self.pause(CALM_MS).await;
            self.wait_tiered(ends).await?;
        }
        Ok(())
    }

    async fn pause(&mut self, milliseconds: std::ops::Range<u64>) {
        let milliseconds = self.random.random_range(milliseconds);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    fn tell(&self, what: &str) {
        println!("{:7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    fn count(&mut self, kind: String) {
        *self.counts.entry(kind).or_default() += 1;
    }

    /// Faults begin one after another and end together.
    async fn episode(&mut self, faults: &[Fault]) -> Result<()> {
        let names: Vec<String> = faults.iter().map(|fault| format!("{fault:?}")).collect();
        self.tell(&names.join(" and "));
        for fault in faults {
            match fault {
                Fault::Kill(victim) => self.kill(*victim)?,
                Fault::Freeze(victim) => self.freeze(*victim)?,
                Fault::AddColumn | Fault::DropPartition | Fault::Recreate => continue,
            }
            self.count(fault.kind());
            self.pause(0..1500).await;
        }
        let shapes =
            faults.iter().filter(|fault| !matches!(fault, Fault::Kill(_) | Fault::Freeze(_)));
        for fault in shapes {
            if self.reshape(*fault).await? {
                self.count(fault.kind());
            }
        }
        self.pause(LASTS_MS).await;
        for fault in faults {
            match fault {
                Fault::Kill(victim) => self.start(*victim).await?,
                Fault::Freeze(victim) => self.thaw(*victim)?,
                Fault::AddColumn | Fault::DropPartition | Fault::Recreate => {}
            }
        }
        self.heal().await
    }

    fn kill(&self, victim: Victim) -> Result<()> {
        match victim {
            // it may have died by itself, which is no more than what is done to it here
            Victim::Fluss(node) if !self.cluster.is_running(node) => Ok(()),
            Victim::Fluss(node) => self.cluster.kill(node),
            Victim::Backend(number) => self.millrace.kill_backend(number),
            Victim::Frontend => {
                self.surroundings.frontend_moves();
                self.millrace.kill_frontend()
            }
        }
    }

    fn freeze(&self, victim: Victim) -> Result<()> {
        match victim {
            Victim::Fluss(node) if !self.cluster.is_running(node) => Ok(()),
            Victim::Fluss(node) => self.cluster.freeze(node),
            Victim::Backend(number) => self.millrace.freeze_backend(number),
            Victim::Frontend => Err(LabError::Misuse("the frontend is not frozen".into())),
        }
    }

    fn thaw(&self, victim: Victim) -> Result<()> {
        match victim {
            Victim::Fluss(node) if !self.cluster.is_running(node) => Ok(()),
            Victim::Fluss(node) => self.cluster.thaw(node),
            Victim::Backend(number) => self.millrace.thaw_backend(number),
            Victim::Frontend => Ok(()),
        }
    }

    async fn start(&self, victim: Victim) -> Result<()> {
        match victim {
            Victim::Fluss(node) => self.cluster.start_again(node),
            Victim::Backend(number) => self.millrace.restart_backend(number).await,
            Victim::Frontend => {
                let started = self.millrace.start_frontend().await;
                self.surroundings.frontend_moves();
                started
            }
        }
    }

    async fn reshape(&mut self, fault: Fault) -> Result<bool> {
        let named = |name: &str| self.tables.iter().find(|table| table.name == name);
        match fault {
            Fault::AddColumn => match self.tables.choose(&mut self.random) {
                Some(table) => shape::add_column(self.cluster, table).await,
                None => Ok(false),
            },
            Fault::DropPartition => match named("parted") {
                Some(table) => {
                    let table = table.clone();
                    shape::drop_partition(self.cluster, &table, &mut self.random).await?;
                    Ok(true)
                }
                None => Ok(false),
            },
            Fault::Recreate => match named("again") {
                Some(table) => shape::recreate(self.cluster, table).await.map(|()| true),
                None => Ok(false),
            },
            Fault::Kill(_) | Fault::Freeze(_) => Ok(false),
        }
    }

    /// Waits until all servers are there and every bucket has a leader. What died by itself is started again.
    async fn heal(&mut self) -> Result<()> {
        let (began, mut stuck) = (Instant::now(), Instant::now());
        loop {
            for node in self.cluster.dead() {
                self.tell(&format!("{node} died by itself"));
                self.count(format!("{} died", Victim::Fluss(node).kind()));
                self.revive(node)?;
            }
            let seen = match self.is_whole().await {
                Ok(()) => return Ok(()),
                Err(error) => error.to_string(),
            };
            if began.elapsed() > HEALED {
                let condition = "all servers are whole again".to_owned();
                return Err(LabError::Timeout { condition, limit: HEALED, seen });
            }
            if stuck.elapsed() > STUCK {
                self.tell(&format!("stuck: {seen}"));
                self.unstick().await?;
                stuck = Instant::now();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts what has ended; with an empty disk where it will never start with its own.
    fn revive(&mut self, node: Node) -> Result<()> {
        if !self.cluster.refuses_its_log(node) {
            return self.cluster.start_again(node);
        }
        self.tell(&format!("{node} refuses its own log and gets an empty disk"));
        self.count("disk replaced".into());
        self.cluster.replace_disk(node)
    }

    /// Every table has a lake snapshot when the first fault comes, if the machine is quick enough.
    async fn wait_first_tiered(&self) {
        let began = Instant::now();
        for path in &self.paths {
            while began.elapsed() < FIRST_TIERED
                && !matches!(self.cluster.lake_snapshot(path).await, Ok(Some(_)))
            {
                tokio::time::sleep(LOOK).await;
            }
        }
        self.tell("tables are tiered");
    }

    /// Waits a while for the lake to go on.
    async fn wait_tiered(&mut self, ends: Instant) -> Result<()> {
        let (began, before) = (Instant::now(), self.cluster.lake_progress());
        while began.elapsed() < TIERED
            && Instant::now() < ends
            && self.cluster.lake_progress() == before
        {
            tokio::time::sleep(LOOK).await;
        }
        self.look_at_tiering()
    }

    fn look_at_tiering(&mut self) -> Result<()> {
        let progress = self.cluster.lake_progress();
        if progress != self.tiered.0 {
            self.tiered = (progress, Instant::now());
        } else if self.tiered.1.elapsed() > TIERING_STUCK {
            self.tell("the tiering job is stuck");
            self.count("tiering restarted".into());
            if self.cluster.is_running(Node::Tiering) {
                self.cluster.kill(Node::Tiering)?;
            }
            self.cluster.start_again(Node::Tiering)?;
            self.tiered.1 = Instant::now();
        }
        Ok(())
    }

    async fn is_whole(&self) -> Result<()> {
        self.cluster.all_registered().await?;
        for path in &self.paths {
            self.cluster.log_ends(path).await?;
        }
        Ok(())
    }

    /// Starts tablet servers that are not registered anew; if all are, the coordinator.
    async fn unstick(&mut self) -> Result<()> {
        let mut lost = self.cluster.unregistered().await.unwrap_or_default();
        if lost.is_empty() {
            lost.push(Node::Coordinator);
        }
        for node in lost {
            self.count(format!("{} restarted", Victim::Fluss(node).kind()));
            if self.cluster.is_running(node) {
                self.cluster.kill(node)?;
            }
            self.cluster.start_again(node)?;
        }
        Ok(())
    }
}
