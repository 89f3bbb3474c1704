//! What goes wrong during a run, made from its seed.

use std::time::Duration;

use fluss_sim::cases::{self, CaseResult, Row};
use fluss_sim::fault::Fault;
use fluss_sim::{COORDINATOR, Cluster, NodeState};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use turmoil::Sim;

use crate::history::History;
use crate::model::Kind;
use crate::network::host;
use crate::statement::Happened;

/// The host of the reader.
pub const CLIENT: &str = "client";

/// Something that happens at a time.
#[derive(Debug, Clone)]
pub enum Event {
    /// A bucket is led by another server, or by none.
    Move(usize, Option<i32>),
    /// A server dies.
    Crash(i32),
    /// And is there again.
    Restart(i32),
    /// A server reads and answers nothing.
    Freeze(i32),
    /// And does again.
    Thaw(i32),
    /// Nothing passes between the client and a server; what is sent is lost.
    Part(i32),
    /// And passes again.
    Join(i32),
    /// Nothing passes, but nothing is lost.
    Hold(i32),
    /// And everything arrives.
    Release(i32),
    /// A bucket's log loses what is older.
    Expire(usize, i64),
    /// Batches of a bucket go to a remote segment.
    Tier(usize, i64),
    /// The partition is dropped.
    DropPartition,
    /// All scans of states end.
    ExpireScanners,
    /// More rows come behind what is asked for.
    Append(usize),
}

/// Events in the order of their times, and what calls suffer.
#[derive(Debug, Default)]
pub struct Events {
    /// Later ones first.
    pub planned: Vec<(Duration, Event)>,
    /// How many of a hundred calls fail in some way, and how many may.
    pub calls: (u32, u32),
    /// The same of calls that are only slow, or fetch nothing for once: nobody may see anything of it.
    pub weather: (u32, u32),
}

/// Moves of leaders to servers that work are nothing that a reader may see, as long as they are few: scans of
/// states begin anew with each, three times.
const MOVES_MAX: usize = 2;
/// Faults begin within this time.
const BEGIN: u64 = 250;

impl Events {
    /// Random events of a run; harmless ones in four of ten.
    pub fn random(history: &History, cluster: &Cluster, random: &mut StdRng) -> Self {
        let mut this = Self::default();
        if random.random_bool(0.5) {
            this.weather = (random.random_range(1..=50), random.random_range(1..=6));
        }
        if history.kind == Kind::Log && random.random_bool(0.4) {
            for _ in 0..random.random_range(1..4) {
                let at = Duration::from_millis(random.random_range(0..BEGIN));
                this.planned
                    .push((at, Event::Append(random.random_range(0..history.buckets.len()))));
            }
        }
        if random.random_bool(0.4) {
            for _ in 0..random.random_range(0..=MOVES_MAX) {
                let at = Duration::from_millis(random.random_range(0..BEGIN));
                let bucket = random.random_range(0..history.buckets.len());
                let leader = cluster.servers()[1..].choose(random).copied();
                this.planned.push((at, Event::Move(bucket, leader)));
            }
            this.planned.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            return this;
        }
        if random.random_bool(0.5) {
            this.calls = (random.random_range(1..=30), random.random_range(1..=6));
        }
        for _ in 0..random.random_range(0..=3) {
            this.plan(history, cluster, random);
        }
        this.planned.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        this
    }

    /// Whether nobody may see anything of it.
    pub fn is_harmless(&self) -> bool {
        let is_move = |event: &Event| matches!(event, Event::Move(_, Some(_)));
        let is_nothing = |event: &Event| matches!(event, Event::Append(_) | Event::Tier(..));
        let moves = self.planned.iter().filter(|(_, event)| is_move(event)).count();
        let others = self.planned.iter().filter(|(_, event)| !is_move(event));
        let nothing = others.map(|(_, event)| event).all(is_nothing);
        moves <= MOVES_MAX && nothing && self.calls.1 == 0
    }

    fn plan(&mut self, history: &History, cluster: &Cluster, random: &mut StdRng) {
        let begin = Duration::from_millis(random.random_range(0..BEGIN));
        let end = begin + Duration::from_millis(random.random_range(1..1_500));
        let servers = cluster.servers();
        let server = servers.choose(random).copied().unwrap_or(COORDINATOR);
        let other = servers[1..].choose(random).copied();
        let at = random.random_range(0..history.buckets.len());
        let model = &history.buckets[at];
        let until = random.random_range(model.start..=model.end);
        let mut add = |at, event| self.planned.push((at, event));
        match random.random_range(0..11) {
            0..3 => {
                if random.random_bool(0.5) {
                    add(begin, Event::Move(at, None));
                }
                add(end, Event::Move(at, other));
            }
            3 => {
                add(begin, Event::Crash(server));
                add(end, Event::Restart(server));
                let moved = begin + Duration::from_millis(random.random_range(0..400));
                (0..history.buckets.len()).for_each(|at| add(moved, Event::Move(at, other)));
            }
            4 => {
                add(begin, Event::Freeze(server));
                add(end, Event::Thaw(server));
            }
            5 => {
                add(begin, Event::Part(server));
                add(end, Event::Join(server));
            }
            6 => {
                add(begin, Event::Hold(server));
                add(end, Event::Release(server));
            }
            7 => add(begin, Event::Expire(at, until)),
            8 => add(begin, Event::Tier(at, until)),
            9 if history.partition_id.is_some() => add(begin, Event::DropPartition),
            _ => add(begin, Event::ExpireScanners),
        }
    }

    /// Lets the calls of a cluster fail as planned.
    pub fn script(&self, cluster: &Cluster, seed: u64) {
        let (percent, mut left) = self.calls;
        let (slow, mut slow_left) = self.weather;
        let mut random = StdRng::seed_from_u64(seed);
        cluster.set_script(move |_| {
            if slow_left > 0 && random.random_range(0..100) < slow {
                slow_left -= 1;
                let time = Duration::from_millis(random.random_range(1..20));
                let bytes = random.random_range(0..2_000);
                let faults = [Fault::Late(time), Fault::StallAt(bytes, time), Fault::Starve];
                return faults.choose(&mut random).cloned();
            }
            if left == 0 || random.random_range(0..100) >= percent {
                return None;
            }
            left -= 1;
            let time = Duration::from_millis(random.random_range(1..1_200));
            let bytes = random.random_range(0..2_000);
            let faults = [
                Fault::Silence,
                Fault::Late(time),
                Fault::CutAt(bytes),
                Fault::StallAt(bytes, time),
                Fault::BucketError(12),
                Fault::Exception,
                Fault::ServerFailure,
            ];
            faults.choose(&mut random).cloned()
        });
    }

    /// Does what is due; what a reader may see of it is noted.
    ///
    /// # Errors
    /// None that an event should make.
    pub fn apply(
        &mut self,
        sim: &mut Sim<'_>,
        cluster: &Cluster,
        history: &History,
        happened: &mut [Happened],
    ) -> CaseResult {
        while self.planned.last().is_some_and(|(at, _)| *at <= sim.elapsed()) {
            let Some((_, event)) = self.planned.pop() else { break };
            match event {
                Event::Move(at, leader) => {
                    // a bucket of a partition that was dropped is led by nobody
                    drop(cluster.move_leader(history.buckets[at].bucket, leader));
                }
                Event::Crash(server) => {
                    cluster.set_node(server, NodeState::Down)?;
                    sim.crash(host(server));
                }
                Event::Restart(server) => {
                    cluster.set_node(server, NodeState::Up)?;
                    sim.bounce(host(server));
                }
                Event::Freeze(server) if !cluster.is_down(server) => {
                    cluster.set_node(server, NodeState::Frozen)?;
                }
                Event::Thaw(server) if !cluster.is_down(server) => {
                    cluster.set_node(server, NodeState::Up)?;
                }
                Event::Freeze(_) | Event::Thaw(_) => {}
                Event::Part(server) => sim.partition(CLIENT, host(server)),
                Event::Join(server) => sim.repair(CLIENT, host(server)),
                Event::Hold(server) => sim.hold(CLIENT, host(server)),
                Event::Release(server) => sim.release(CLIENT, host(server)),
                Event::Expire(at, until) => {
                    if let Ok(start) = cluster.expire(history.buckets[at].bucket, until) {
                        happened[at].expired.push(start);
                    }
                }
                Event::Tier(at, until) => {
                    // nothing to tier is no fault
                    drop(cluster.tier(&history.path, history.buckets[at].bucket, until, false));
                }
                Event::DropPartition => {
                    if let Some(partition) = history.partition_id {
                        drop(cluster.drop_partition(&history.path, partition));
                        happened.iter_mut().for_each(|one| one.dropped = true);
                    }
                }
                Event::ExpireScanners => cluster.expire_scanners(),
                Event::Append(at) => {
                    let model = &history.buckets[at];
                    let rows: Vec<Row> = (0..3).map(|i| Row::new(model.end + i, 1)).collect();
                    let schema = cluster.schema(&history.path)?;
                    let batch = cases::batch(&rows, &schema)?;
                    // a partition may have been dropped
                    happened[at].written |= cluster.append(model.bucket, &batch).is_ok();
                }
            }
        }
        Ok(())
    }
}
