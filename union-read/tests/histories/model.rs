//! What a table holds: each log whole, and what of it is where.

use std::collections::BTreeMap;

use fluss_scan::Bucket;
use union_read::ReadPath;

use crate::history::{PARTITIONS, Question, Shape};

/// Names of the columns; the last one is there once it was added.
pub const COLUMNS: [&str; 5] = ["id", "p", "name", "n", "extra"];

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: i64,
    pub partition: u8,
    pub name: Option<String>,
    pub n: Option<i32>,
    pub extra: Option<i32>,
}

impl Row {
    /// The row of an id and a version, with a NULL here and there.
    pub fn new(partition: u8, (id, version): (u8, u8), evolved: bool) -> Self {
        let version = i32::from(version);
        Self {
            id: id.into(),
            partition,
            name: (version % 5 != 0).then(|| format!("{id}-{version}")),
            n: (version % 7 != 3).then_some(version),
            extra: (evolved && version % 2 == 0).then_some(-version),
        }
    }

    fn texts(&self, columns: &[usize]) -> Vec<String> {
        let null = || "NULL".to_owned();
        let number = |value: &Option<i32>| value.as_ref().map_or_else(null, ToString::to_string);
        let text = |column: &usize| match column {
            0 => self.id.to_string(),
            1 => PARTITIONS[usize::from(self.partition)].to_owned(),
            2 => self.name.clone().unwrap_or_else(null),
            3 => number(&self.n),
            _ => number(&self.extra),
        };
        columns.iter().map(text).collect()
    }
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Append,
    Insert,
    Before,
    After,
    Delete,
    /// What a write leaves that changes nothing: an offset without a row.
    Nothing,
}

/// A record of a log, whose offset is its position.
#[derive(Debug, Clone)]
pub struct Change {
    pub kind: ChangeKind,
    pub row: Row,
}

/// Rows by key.
type State = BTreeMap<i64, Row>;

/// One bucket of Fluss and what the lake has of it.
#[derive(Debug)]
pub struct BucketModel {
    pub bucket: Bucket,
    /// The partition; 0 in an unpartitioned table.
    pub partition: u8,
    /// It went with its partition.
    pub dropped: bool,
    pub log: Vec<Change>,
    /// Ends of batches.
    pub batches: Vec<usize>,
    pub shown: usize,
    pub start: usize,
    /// Up to where the lake has the log, if it ever had anything of it.
    pub tiered: Option<usize>,
}

impl BucketModel {
    pub fn new(bucket: Bucket, partition: u8) -> Self {
        let (log, batches) = (vec![], vec![]);
        let (shown, start) = (0, 0);
        Self { bucket, partition, dropped: false, log, batches, shown, start, tiered: None }
    }

    /// What the log comes to up to an offset.
    pub fn state(&self, until: usize) -> State {
        let mut state = State::new();
        for change in &self.log[..until] {
            match change.kind {
                ChangeKind::Delete => drop(state.remove(&change.row.id)),
                ChangeKind::Before | ChangeKind::Nothing => {}
                _ => drop(state.insert(change.row.id, change.row.clone())),
            }
        }
        state
    }

    /// Rows of the table up to an offset.
    fn rows(&self, has_key: bool, range: std::ops::Range<usize>) -> Vec<Row> {
        match has_key {
            true => self.state(range.end).into_values().collect(),
            false => self.log[range].iter().map(|change| change.row.clone()).collect(),
        }
    }
}

/// What must come of a question: its rows as sorted texts, or a refusal.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    Rows(Vec<Vec<String>>),
    Refused,
}

/// The table.
#[derive(Debug)]
pub struct Model {
    pub shape: Shape,
    pub evolved: bool,
    pub buckets: Vec<BucketModel>,
    /// A snapshot of the lake is readable.
    pub readable: bool,
    /// It is there no more.
    pub expired: bool,
    /// Buckets, by position, of which the lake has files.
    pub in_lake: Vec<bool>,
}

impl Model {
    /// What a question along a path must give.
    pub fn expected(&self, question: &Question, path: ReadPath) -> Expected {
        let rows = match question {
            Question::Lake if self.expired => None,
            Question::Lake => Some(self.all(|b| Some((0, b.tiered.unwrap_or(0))))),
            Question::RealTime => self.real_time(),
            Question::Partition(p) => self.union(path, Some(*p)),
            _ => self.union(path, None),
        };
        let Some(mut rows) = rows else { return Expected::Refused };
        rows.retain(|row| match question {
            Question::Id(id) => row.id == i64::from(*id),
            Question::Above(n) => row.n.is_some_and(|value| value > i32::from(*n)),
            Question::Unnamed => row.name.is_none(),
            Question::Partition(p) => row.partition == *p,
            _ => true,
        });
        let columns = self.columns(question);
        let mut texts: Vec<Vec<String>> = match question {
            Question::Count => vec![vec![rows.len().to_string()]],
            _ => rows.iter().map(|row| row.texts(&columns)).collect(),
        };
        texts.sort();
        Expected::Rows(texts)
    }

    /// Positions of the columns that a question asks for.
    pub fn columns(&self, question: &Question) -> Vec<usize> {
        let all = 0..4 + usize::from(self.evolved);
        let mask = match question {
            Question::Columns(mask) => *mask,
            _ => u8::MAX,
        };
        let chosen: Vec<usize> = all.filter(|column| mask & (1 << column) != 0).collect();
        if chosen.is_empty() { vec![0] } else { chosen }
    }

    /// The rows of all buckets between two offsets each.
    fn all(&self, range: impl Fn(&BucketModel) -> Option<(usize, usize)>) -> Vec<Row> {
        let has_key = self.shape.has_key();
        let rows = |b: &BucketModel| range(b).map(|(start, end)| b.rows(has_key, start..end));
        self.buckets.iter().filter_map(rows).flatten().collect()
    }

    fn real_time(&self) -> Option<Vec<Row>> {
        if self.shape.has_key() {
            return Some(self.all(|b| (!b.dropped).then_some((0, b.shown))));
        }
        if self.expired {
            return None;
        }
        let live = || self.buckets.iter().filter(|b| !b.dropped);
        let lost = |b: &BucketModel| b.tiered.is_some_and(|t| t < b.start && t < b.shown);
        let from = |b: &BucketModel| b.tiered.unwrap_or(b.start);
        (!live().any(lost)).then(|| self.all(|b| (!b.dropped).then(|| (from(b), b.shown))))
    }

    /// The whole table by a path, where it has all rows that may be in a partition.
    fn union(&self, path: ReadPath, only: Option<u8>) -> Option<Vec<Row>> {
        let has_key = self.shape.has_key();
        let live = || self.buckets.iter().filter(|b| !b.dropped);
        // where the log does not continue the lake
        let gap = |b: &BucketModel| {
            let tiered = if has_key { b.tiered } else { Some(b.tiered.unwrap_or(0)) };
            tiered.is_some_and(|tiered| tiered < b.start && tiered < b.shown)
        };
        let is_asked = |p: u8| !self.shape.partitioned || only.is_none_or(|only| only == p);
        let mut with_lake = self.buckets.iter().zip(&self.in_lake);
        let lake_alone = with_lake.any(|(b, files)| b.dropped && *files && is_asked(b.partition));
        let refused = match path {
            ReadPath::Auto if self.expired => !has_key || self.shape.partitioned,
            _ if self.expired => true,
            ReadPath::Auto => !has_key && live().any(gap),
            ReadPath::LakeAndTail => !self.readable || live().any(gap),
            ReadPath::KvAndTail => !has_key || lake_alone,
            ReadPath::LogReplay => {
                let cut = |b: &BucketModel| b.start > 0 && b.shown > 0 && is_asked(b.partition);
                lake_alone || live().any(cut)
            }
        };
        let range = |b: &BucketModel| {
            let end = if b.dropped { b.tiered.unwrap_or(0) } else { b.shown };
            Some((0, end))
        };
        (!refused).then(|| self.all(range))
    }
}
