//! One answer and what it may say: all that a judgement needs, so that it can be kept and judged again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::lake::HalfUpdate;
use super::values::{added, mix, part};
use super::window::{ABSENT, Bounds, KeyWindow, WriterWindow, bounds};

/// A row of an answer: all columns are numbers.
pub type Row = Vec<Option<i64>>;

/// A statement, its answer, and what the answer may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The statement.
    pub sql: String,
    /// Values of a prepared statement's parameters.
    pub parameters: Vec<i64>,
    /// What was asked, and what is known of it.
    pub expected: Expected,
    /// The rows that came.
    pub answer: Vec<Row>,
}

/// What an answer may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// Rows `k, ver, a, b, h` and the further columns, of exactly these keys.
    Rows {
        /// The table, for people.
        table: String,
        /// Columns after the first five.
        further: Vec<Further>,
        /// Only versions above this one.
        above: Option<i64>,
        /// The keys.
        keys: Vec<KeyWindow>,
    },
    /// Rows `k % modulus, count(*), count(DISTINCT k), sum(ver), sum(a + b)`.
    Sums {
        /// The table, for people.
        table: String,
        /// How many groups there can be.
        modulus: i64,
        /// The keys.
        keys: Vec<KeyWindow>,
    },
    /// A full join by key of two tables' rows.
    Joined {
        /// Both tables, for people.
        tables: [String; 2],
        /// The keys of either.
        keys: [Vec<KeyWindow>; 2],
    },
    /// Rows `writer, count(*), max(seq), sum(seq)` of a log.
    Counts(Vec<WriterWindow>),
    /// Rows `writer, seq, h` of a log.
    Log(Vec<WriterWindow>),
}

impl Expected {
    /// The keys of one table.
    fn windows(&mut self, of: &str) -> impl Iterator<Item = &mut KeyWindow> {
        let tables = match self {
            Self::Rows { table, keys, .. } | Self::Sums { table, keys, .. } => {
                vec![(&*table, keys)]
            }
            Self::Joined { tables, keys } => tables.iter().zip(keys).collect(),
            Self::Counts(_) | Self::Log(_) => vec![],
        };
        tables.into_iter().filter(move |(table, _)| *table == of).flat_map(|(_, keys)| keys)
    }
}

/// A column after `k, ver, a, b, h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Further {
    /// The partition: the key modulo this.
    Partition(i64),
    /// The n-th column that was added to the table, NULL in older versions.
    Added(u16),
}

/// What a right answer showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// By table: keys and their versions; absences count as the oldest version that they can be.
    pub keys: [Vec<(i64, u32)>; 2],
    /// Writers and how far their rows reach.
    pub writers: Vec<(i64, i64)>,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// In words, with the window.
    pub what: String,
    /// The table, where one is to blame.
    pub table: Option<String>,
    /// The key or writer, where one is to blame.
    pub key: Option<i64>,
}

impl Wrong {
    fn of(table: &str, key: Option<i64>, what: String) -> Self {
        Self { what, table: Some(table.into()), key }
    }
}

/// The table of writers' sequences.
pub(super) const LOG: &str = "events";

impl Case {
    /// What the answer showed, if it is right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self) -> Result<Shown, Wrong> {
        let mut shown = Shown::default();
        match &self.expected {
            Expected::Rows { table, further, above, keys } => {
                let rows = seen(&self.answer, 0, further.len(), table)?;
                shown.keys[0] = judge_rows(table, keys, (further, *above), &rows)?;
            }
            Expected::Sums { table, modulus, keys } => {
                judge_sums(table, *modulus, keys, &self.answer)?
            }
            Expected::Joined { tables, keys } => {
                for (i, shown) in shown.keys.iter_mut().enumerate() {
                    let rows = seen(&self.answer, i * 5, 0, &tables[i])?;
                    *shown = judge_rows(&tables[i], &keys[i], (&[], None), &rows)?;
                }
                let apart = |row: &&Row| row[0].is_some() && row[5].is_some() && row[0] != row[5];
                if let Some(row) = self.answer.iter().find(apart) {
                    return Err(Wrong::of(&tables[0], row[0], format!("two keys joined: {row:?}")));
                }
            }
            Expected::Counts(writers) => {
                shown.writers = judge_writers(writers, &counts(&self.answer)?)?
            }
            Expected::Log(writers) => shown.writers = judge_log(writers, &self.answer)?,
        }
        Ok(shown)
    }
}

impl Case {
    /// The same case where the lake that was read lacks these keys.
    pub(super) fn without(&self, half_updates: &[HalfUpdate]) -> Self {
        let mut case = self.clone();
        for half in half_updates {
            if !case.sql.contains(&format!("`{}$lake`", half.table)) {
                continue;
            }
            let windows = case.expected.windows(&half.table);
            windows.filter(|window| window.key == half.key).for_each(|w| w.is_half_updated = true);
        }
        case
    }

    /// The last version of a key, or row of a writer, that was acknowledged.
    pub(super) fn acked(&self, table: &str, key: i64) -> Option<i64> {
        let of = |keys: &[KeyWindow]| {
            keys.iter().find(|window| window.key == key).map(|window| i64::from(window.acked))
        };
        match &self.expected {
            Expected::Rows { keys, .. } | Expected::Sums { keys, .. } => of(keys),
            Expected::Joined { tables, keys } => {
                tables.iter().zip(keys).find(|(name, _)| *name == table).and_then(|(_, k)| of(k))
            }
            Expected::Counts(writers) | Expected::Log(writers) => {
                writers.iter().find(|writer| writer.writer == key).map(|writer| writer.acked)
            }
        }
    }
}

/// The rows of one table in an answer, which begin at the column `first`; an outer join's without one are left out.
fn seen<'a>(
    rows: &'a [Row],
    first: usize,
    further: usize,
    table: &str,
) -> Result<Vec<&'a [Option<i64>]>, Wrong> {
    let mut all = Vec::new();
    for row in rows {
        match row.get(first..first + 5 + further) {
            Some(part) if part[..5].iter().all(Option::is_some) => all.push(part),
            Some(part) if row.len() >= 10 && part.iter().all(Option::is_none) => {}
            _ => {
                let told = format!("not the columns that were asked for: {row:?}");
                return Err(Wrong::of(table, None, told));
            }
        }
    }
    Ok(all)
}

fn judge_rows(
    table: &str,
    windows: &[KeyWindow],
    (further, above): (&[Further], Option<i64>),
    rows: &[&[Option<i64>]],
) -> Result<Vec<(i64, u32)>, Wrong> {
    let mut found: HashMap<i64, &[Option<i64>]> = HashMap::new();
    let first = windows.first().map_or(0, |window| window.key);
    for row in rows {
        let key = row[0].unwrap_or_default();
        if key < first || key - first >= windows.len() as i64 {
            return Err(Wrong::of(table, Some(key), format!("a key nobody asked for: {row:?}")));
        }
        if let Some(other) = found.insert(key, row) {
            let told = format!("a key twice: {other:?} and {row:?}");
            return Err(Wrong::of(table, Some(key), told));
        }
    }
    let judged = windows.iter().map(|window| {
        let row = found.get(&window.key).copied();
        let version = judge_key(window, further, above, row);
        version
            .map(|version| (window.key, version))
            .map_err(|what| Wrong::of(table, Some(window.key), what))
    });
    judged.collect()
}

/// The version that was seen.
fn judge_key(
    window: &KeyWindow,
    further: &[Further],
    above: Option<i64>,
    row: Option<&[Option<i64>]>,
) -> Result<u32, String> {
    let Some(row) = row else {
        let missing = || format!("key {} is missing, {}", window.key, window.told());
        return window.unseen(above).ok_or_else(missing);
    };
    let at = |column: usize| row[column].unwrap_or_default();
    let (key, version) = (at(0), at(1));
    match window.state(version) {
        None if version < i64::from(window.low) => {
            return Err(format!("{row:?} is too old, {}", window.told()));
        }
        None => return Err(format!("{row:?} was never written, {}", window.told())),
        Some(ABSENT) => return Err(format!("{row:?} is deleted, {}", window.told())),
        Some(_) if above.is_some_and(|above| version <= above) => {
            return Err(format!("{row:?} does not fit the condition"));
        }
        Some(columns) => {
            let is_whole = at(2) + at(3) == 1000
                && at(2) == i64::from(part(key, version))
                && at(4) == mix(key, version);
            let fits = further.iter().zip(&row[5..]).all(|(column, value)| match column {
                Further::Partition(modulus) => *value == Some(key % modulus),
                Further::Added(n) if (*n as i16) < columns => {
                    *value == Some(added(key, version, *n))
                }
                Further::Added(_) => value.is_none(),
            });
            if !(is_whole && fits) {
                return Err(format!("{row:?} is a mixture, or has values of another row"));
            }
        }
    }
    u32::try_from(version).map_err(|error| error.to_string())
}

fn judge_sums(table: &str, modulus: i64, windows: &[KeyWindow], rows: &[Row]) -> Result<(), Wrong> {
    let wrong = |what: String| Wrong::of(table, None, what);
    let mut groups: BTreeMap<i64, &Row> = BTreeMap::new();
    for row in rows {
        let group = row.first().copied().flatten().filter(|group| (0..modulus).contains(group));
        let group = group.ok_or_else(|| wrong(format!("a group that cannot be: {row:?}")))?;
        if row.len() != 5 || groups.insert(group, row).is_some() {
            return Err(wrong(format!("a group twice, or other columns: {row:?}")));
        }
    }
    for group in 0..modulus {
        let of_group = windows.iter().filter(|window| window.key % modulus == group);
        let (count, sum) = bounds(of_group);
        let at = |column: usize| {
            groups.get(&group).and_then(|row| row.get(column).copied().flatten()).unwrap_or(0)
        };
        within("the number of rows", at(1), count)
            .and_then(|()| within("the number of keys", at(2), (at(1), at(1))))
            .and_then(|()| within("the sum of versions", at(3), sum))
            .and_then(|()| within("the sum of a + b", at(4), (at(1) * 1000, at(1) * 1000)))
            .map_err(|what| wrong(format!("group {group} of {modulus}: {what}")))?;
    }
    Ok(())
}

/// Whether a number lies where it may.
fn within(what: &str, value: i64, bounds: Bounds) -> Result<(), String> {
    match (bounds.0..=bounds.1).contains(&value) {
        true => Ok(()),
        false => Err(format!("{what} is {value}, must be {} to {}", bounds.0, bounds.1)),
    }
}

/// By writer: number of rows, largest sequence number, sum of sequence numbers.
type Counts = HashMap<i64, (i64, i64, i64)>;

fn counts(rows: &[Row]) -> Result<Counts, Wrong> {
    let mut counts = Counts::new();
    for row in rows {
        let [Some(writer), Some(count), Some(last), Some(sum)] = row[..] else {
            return Err(Wrong::of(LOG, None, format!("NULL in a column without: {row:?}")));
        };
        if counts.insert(writer, (count, last, sum)).is_some() {
            return Err(Wrong::of(LOG, Some(writer), format!("a group twice: {row:?}")));
        }
    }
    Ok(counts)
}

/// The rows of a log one by one: each that was acknowledged once, each that was sent at most once.
fn judge_log(writers: &[WriterWindow], rows: &[Row]) -> Result<Vec<(i64, i64)>, Wrong> {
    let mut sequences: HashMap<i64, BTreeSet<i64>> = HashMap::new();
    let mut counts = Counts::new();
    for row in rows {
        let [Some(writer), Some(sequence), Some(hash)] = row[..] else {
            return Err(Wrong::of(LOG, None, format!("NULL in a column without: {row:?}")));
        };
        if hash != mix(writer, sequence) {
            return Err(Wrong::of(LOG, Some(writer), format!("a mixture: {row:?}")));
        }
        if !sequences.entry(writer).or_default().insert(sequence) {
            return Err(Wrong::of(LOG, Some(writer), format!("a row twice: {row:?}")));
        }
        let (count, last, sum) = counts.entry(writer).or_default();
        (*count, *last, *sum) = (*count + 1, (*last).max(sequence), sum.saturating_add(sequence));
    }
    for writer in writers {
        let there = sequences.entry(writer.writer).or_default();
        if let Some(missing) = (1..=writer.acked.min(writer.low)).find(|n| !there.contains(n)) {
            let what = format!("row {missing} of writer {} is missing", writer.writer);
            return Err(Wrong::of(LOG, Some(writer.writer), what));
        }
    }
    judge_writers(writers, &counts)
}

fn judge_writers(writers: &[WriterWindow], counts: &Counts) -> Result<Vec<(i64, i64)>, Wrong> {
    let is_known = |writer: &i64| (0..writers.len() as i64).contains(writer);
    if let Some(unknown) = counts.keys().find(|writer| !is_known(writer)) {
        let told = format!("rows of writer {unknown}, who never wrote");
        return Err(Wrong::of(LOG, Some(*unknown), told));
    }
    let judged = writers.iter().map(|writer| {
        let reached = writer.judge(counts.get(&writer.writer).copied().unwrap_or_default());
        reached
            .map(|reached| (writer.writer, reached))
            .map_err(|what| Wrong::of(LOG, Some(writer.writer), what))
    });
    judged.collect()
}
