//! What is done to the servers and tables.

use std::collections::BTreeMap;
use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::cluster::Node;

/// A process of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// A server of Fluss, or the tiering job.
    Fluss(Node),
    /// A backend of Millrace, by number.
    Backend(usize),
    /// The frontend.
    Frontend,
}

impl Victim {
    /// The name of its kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Fluss(Node::ZooKeeper) => "zookeeper",
            Self::Fluss(Node::Coordinator) => "coordinator",
            Self::Fluss(Node::Tablet(_)) => "tablet",
            Self::Fluss(Node::Tiering) => "tiering",
            Self::Backend(_) => "backend",
            Self::Frontend => "frontend",
        }
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fluss(node) => write!(f, "{node}"),
            Self::Backend(number) => write!(f, "backend-{number}"),
            Self::Frontend => f.write_str("frontend"),
        }
    }
}

/// One thing that is done, and undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, then started again.
    Kill(Victim),
    /// SIGSTOP, then SIGCONT.
    Freeze(Victim),
    /// A column is added to a table.
    AddColumn,
    /// A partition is dropped, and created again.
    DropPartition,
    /// A table is dropped with its lake, and created again.
    Recreate,
}

impl Fault {
    /// The name in the ledger.
    pub fn kind(self) -> String {
        match self {
            Self::Kill(victim) => format!("{} killed", victim.kind()),
            Self::Freeze(victim) => format!("{} frozen", victim.kind()),
            Self::AddColumn => "column added".into(),
            Self::DropPartition => "partition dropped".into(),
            Self::Recreate => "table re-created".into(),
        }
    }

    fn victim(self) -> Option<Victim> {
        match self {
            Self::Kill(victim) | Self::Freeze(victim) => Some(victim),
            Self::AddColumn | Self::DropPartition | Self::Recreate => None,
        }
    }

    /// Whether both may be at one time: two tablet servers of three hold all that was acknowledged, and tables change
    /// their shape with the help of the coordinator and all tablet servers.
    fn goes_with(self, other: Self) -> bool {
        let is_of_servers = |fault: Fault| {
            matches!(
                fault.victim(),
                Some(Victim::Fluss(Node::Tablet(_) | Node::Coordinator | Node::ZooKeeper))
            )
        };
        match (self.victim(), other.victim()) {
            (Some(a), Some(b)) => a.kind() != b.kind(),
            (None, Some(_)) => !is_of_servers(other),
            (Some(_), None) => !is_of_servers(self),
            (None, None) => false,
        }
    }
}

/// One fault, or two that overlap.
pub fn pick(random: &mut StdRng, tablets: usize, backends: usize) -> Vec<Fault> {
    let first = one(random, tablets, backends);
    let mut all = vec![first];
    if random.random_bool(0.3) {
        let second = one(random, tablets, backends);
        if first.goes_with(second) {
            all.push(second);
        }
    }
    all
}

fn one(random: &mut StdRng, tablets: usize, backends: usize) -> Fault {
    let tablet = Victim::Fluss(Node::Tablet(random.random_range(0..tablets)));
    let backend = Victim::Backend(random.random_range(0..backends));
    let coordinator = Victim::Fluss(Node::Coordinator);
    let tiering = Victim::Fluss(Node::Tiering);
    let all = [
        (Fault::Kill(backend), 4),
        (Fault::Freeze(backend), 3),
        (Fault::Kill(Victim::Frontend), 2),
        (Fault::Kill(tablet), 4),
        (Fault::Freeze(tablet), 3),
        (Fault::Kill(coordinator), 2),
        (Fault::Freeze(coordinator), 2),
        (Fault::Kill(tiering), 1),
        (Fault::Freeze(tiering), 2),
        (Fault::AddColumn, 2),
        (Fault::DropPartition, 2),
        (Fault::Recreate, 2),
    ];
    all.choose_weighted(random, |(_, weight)| *weight).map_or(all[0].0, |(fault, _)| *fault)
}

/// How often what was done, by its name in the ledger.
pub type Counts = BTreeMap<String, u64>;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_seed_decides_and_overlaps_leave_enough_alive() {
        let run = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            (0..500).map(|_| pick(&mut random, 3, 2)).collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        let all = run(3);
        let kinds: std::collections::BTreeSet<String> =
            all.iter().flatten().map(|fault| fault.kind()).collect();
        assert_eq!(kinds.len(), 12, "{kinds:?}");
        assert!(all.iter().any(|faults| faults.len() == 2));
        for faults in all {
            let tablets = faults.iter().filter(|fault| fault.kind().starts_with("tablet")).count();
            assert!(tablets < 2, "{faults:?}");
        }
    }
}
