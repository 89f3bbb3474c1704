//! What readers ask, as SQL.

use rand::Rng;
use rand::rngs::StdRng;

/// What to ask. Tables are numbers of the workload's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// All rows of a table.
    Rows { table: usize, source: Source },
    /// Rows whose version lies above one, a condition on what is no key.
    Above { table: usize, above: i64 },
    /// Rows of some neighbouring keys.
    Range { table: usize, from: usize, to: usize },
    /// The row of a key, through a prepared statement.
    Prepared { table: usize, key: usize },
    /// The rows of some keys, through a prepared statement.
    PreparedRange { table: usize, from: usize, to: usize },
    /// Counts and sums in groups.
    Sums { table: usize, modulus: i64 },
    /// Two tables joined by key.
    Join { tables: [usize; 2] },
    /// What each writer of the log has written, counted.
    Counts { lake: bool },
    /// All rows of the log.
    Log,
}

/// Which of a table's names is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Union,
    Lake,
    RealTime,
}

/// A table as questions see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) keys: usize,
    /// About the version that keys have.
    pub(super) version: i64,
}

impl Question {
    /// Kinds that a run of some length asks all of.
    pub(super) const KINDS: [&str; 12] = [
        "rows",
        "rows of $lake",
        "rows of $rt",
        "rows by value",
        "rows by key",
        "prepared",
        "prepared range",
        "sums",
        "join",
        "log counts",
        "log counts of $lake",
        "log rows",
    ];

    /// Picks one at random.
    pub(super) fn pick(random: &mut StdRng, shapes: &[Shape]) -> Self {
        let table = random.random_range(0..shapes.len());
        let Shape { keys, version } = shapes[table];
        let from = random.random_range(0..keys);
        let to = (from + random.random_range(1..60)).min(keys);
        let rows = |source| Question::Rows { table, source };
        match random.random_range(0..20) {
            0..4 => rows(Source::Union),
            4..6 => rows(Source::Lake),
            6..8 => rows(Source::RealTime),
            8 => Question::Above { table, above: random.random_range(0..version.max(1) + 1) },
            9..11 => Question::Range { table, from, to },
            11..13 => Question::Prepared { table, key: from },
            13 => Question::PreparedRange { table, from, to },
            14..16 => Question::Sums { table, modulus: random.random_range(1..5) },
            16 => Question::Join { tables: [table, (table + 1) % shapes.len()] },
            17 => Question::Counts { lake: true },
            18 => Question::Log,
            _ => Question::Counts { lake: false },
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        let number = match self {
            Self::Rows { source: Source::Union, .. } => 0,
            Self::Rows { source: Source::Lake, .. } => 1,
            Self::Rows { source: Source::RealTime, .. } => 2,
            Self::Above { .. } => 3,
            Self::Range { .. } => 4,
            Self::Prepared { .. } => 5,
            Self::PreparedRange { .. } => 6,
            Self::Sums { .. } => 7,
            Self::Join { .. } => 8,
            Self::Counts { lake: false } => 9,
            Self::Counts { lake: true } => 10,
            Self::Log => 11,
        };
        Self::KINDS[number]
    }

    /// The key-value tables that are read.
    pub(super) fn tables(&self) -> Vec<usize> {
        match self {
            Self::Rows { table, .. }
            | Self::Above { table, .. }
            | Self::Range { table, .. }
            | Self::Prepared { table, .. }
            | Self::PreparedRange { table, .. }
            | Self::Sums { table, .. } => vec![*table],
            Self::Join { tables } => tables.to_vec(),
            Self::Counts { .. } | Self::Log => vec![],
        }
    }

    pub(super) fn is_lake(&self) -> bool {
        matches!(self, Self::Rows { source: Source::Lake, .. } | Self::Counts { lake: true })
    }

    /// Whether whole tables are asked, of which lake and log are halves.
    pub(super) fn is_union(&self) -> bool {
        !self.is_lake() && !matches!(self, Self::Rows { source: Source::RealTime, .. })
    }

    /// Values of the parameters of a prepared statement; empty: it is not prepared.
    pub(super) fn parameters(&self) -> Vec<i64> {
        match self {
            Self::Prepared { key, .. } => vec![*key as i64],
            Self::PreparedRange { from, to, .. } => vec![*from as i64, *to as i64],
            _ => vec![],
        }
    }

    /// The statement. `name` gives a table's full name with a suffix, `further` its columns after the first five.
    pub(super) fn sql(
        &self,
        name: impl Fn(usize, &str) -> String,
        log: impl Fn(&str) -> String,
        further: &str,
    ) -> String {
        let rows = |table: usize, suffix: &str| {
            format!("SELECT k, ver, a, b, h{further} FROM {}", name(table, suffix))
        };
        match *self {
            Self::Rows { table, source: Source::Union } => rows(table, ""),
            Self::Rows { table, source: Source::Lake } => rows(table, "$lake"),
            Self::Rows { table, source: Source::RealTime } => rows(table, "$rt"),
            Self::Above { table, above } => format!("{} WHERE ver > {above}", rows(table, "")),
            Self::Range { table, from, to } => {
                format!("{} WHERE k >= {from} AND k < {to}", rows(table, ""))
            }
            Self::Prepared { table, .. } => format!("{} WHERE k = ?", rows(table, "")),
            Self::PreparedRange { table, .. } => {
                format!("{} WHERE k >= ? AND k < ?", rows(table, ""))
            }
            Self::Sums { table, modulus } => format!(
                "SELECT k % {modulus}, count(*), count(DISTINCT k), sum(ver), sum(a + b) FROM {} \
                 GROUP BY k % {modulus}",
                name(table, "")
            ),
            Self::Join { tables: [x, y] } => format!(
                "SELECT x.k, x.ver, x.a, x.b, x.h, y.k, y.ver, y.a, y.b, y.h FROM {} x \
                 FULL JOIN {} y ON x.k = y.k",
                name(x, ""),
                name(y, "")
            ),
            Self::Counts { lake } => format!(
                "SELECT writer, count(*), max(seq), sum(seq) FROM {} GROUP BY writer",
                log(if lake { "$lake" } else { "" })
            ),
            Self::Log => format!("SELECT writer, seq, h FROM {}", log("")),
        }
    }
}
