//! Wrong answers made on purpose: a judge that lets one of them pass is no judge.

use rand::Rng;
use rand::seq::IndexedRandom;

use super::case::{Case, Expected, Row};
use super::values::{mix, part};
use super::window::{ABSENT, KeyWindow};

/// A defect that an engine could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// A row that must be there is missing.
    Lose,
    /// A row comes twice.
    Double,
    /// A row of an older version than was acknowledged or seen.
    Age,
    /// A row of a version that nobody wrote.
    Invent,
    /// Parts of two versions.
    Mix,
    /// A deleted row comes back.
    Revive,
}

impl Spoil {
    /// All of them.
    pub const ALL: [Spoil; 6] =
        [Self::Lose, Self::Double, Self::Age, Self::Invent, Self::Mix, Self::Revive];

    /// Spoils a right answer, where it offers a chance to; whether it did.
    pub fn spoil(self, case: &mut Case, random: &mut impl Rng) -> bool {
        match &case.expected {
            Expected::Rows { keys, above: None, further, .. } if further.is_empty() => {
                self.spoil_rows(keys, &mut case.answer, random)
            }
            Expected::Sums { .. } => self.spoil_sums(&mut case.answer, random),
            Expected::Log(writers) => {
                let is_acked = |row: &Row| {
                    let writer = usize::try_from(row[0].unwrap_or(-1)).unwrap_or(usize::MAX);
                    writers.get(writer).is_some_and(|w| row[1].unwrap_or(0) <= w.acked)
                };
                let acked: Vec<usize> =
                    (0..case.answer.len()).filter(|i| is_acked(&case.answer[*i])).collect();
                self.spoil_log(&acked, &mut case.answer, random)
            }
            _ => false,
        }
    }

    fn spoil_rows(self, keys: &[KeyWindow], rows: &mut Vec<Row>, random: &mut impl Rng) -> bool {
        let first = keys.first().map_or(0, |window| window.key);
        let window = |row: &Row| &keys[(row[0].unwrap_or(first) - first) as usize];
        let at: Vec<usize> = (0..rows.len())
            .filter(|i| match self {
                Self::Lose => !window(&rows[*i]).versions.contains(&ABSENT),
                Self::Age => is_too_old(window(&rows[*i])),
                _ => true,
            })
            .collect();
        if self == Self::Revive {
            return revive(keys, rows, random);
        }
        let Some(at) = at.choose(random).copied() else { return false };
        let (key, window) = (rows[at][0].unwrap_or_default(), window(&rows[at]));
        match self {
            Self::Lose => drop(rows.remove(at)),
            Self::Double => rows.push(rows[at].clone()),
            Self::Age => rows[at] = row(key, i64::from(window.low) - 1),
            Self::Invent => {
                rows[at] = row(key, i64::from(window.low) + window.versions.len() as i64);
            }
            Self::Mix | Self::Revive => rows[at][4] = rows[at][4].map(|hash| hash ^ 1),
        }
        true
    }

    fn spoil_sums(self, rows: &mut Vec<Row>, random: &mut impl Rng) -> bool {
        let Some(at) = (0..rows.len()).collect::<Vec<_>>().choose(random).copied() else {
            return false;
        };
        let [_, Some(count), ..] = rows[at][..] else { return false };
        match self {
            Self::Lose if count > 0 => rows[at][4] = Some(count * 1000 - 1000),
            Self::Double => rows[at][1] = Some(count + 1),
            Self::Invent => rows[at][3] = Some(i64::MAX / 2),
            Self::Mix => rows[at][4] = Some(count * 1000 + 1),
            _ => return false,
        }
        true
    }

    fn spoil_log(self, acked: &[usize], rows: &mut Vec<Row>, random: &mut impl Rng) -> bool {
        let Some(at) = acked.choose(random).copied() else { return false };
        match self {
            Self::Lose => drop(rows.remove(at)),
            Self::Double => rows.push(rows[at].clone()),
            Self::Mix => rows[at][2] = rows[at][2].map(|hash| hash ^ 1),
            Self::Invent => {
                let (writer, sequence) = (rows[at][0].unwrap_or_default(), 1 << 40);
                rows.push(vec![Some(writer), Some(sequence), Some(mix(writer, sequence))]);
            }
            _ => return false,
        }
        true
    }
}

/// Whether the version before the window may not be shown.
fn is_too_old(window: &KeyWindow) -> bool {
    window.low > 0 && window.state(i64::from(window.low) - 1).is_none()
}

/// A row of a key that is absent in the last version, which is the only one that may be there.
fn revive(keys: &[KeyWindow], rows: &mut Vec<Row>, random: &mut impl Rng) -> bool {
    let gone: Vec<&KeyWindow> =
        keys.iter().filter(|w| w.versions == [ABSENT] && is_too_old(w)).collect();
    let Some(window) = gone.choose(random) else { return false };
    rows.push(row(window.key, i64::from(window.low) - 1));
    true
}

fn row(key: i64, version: i64) -> Row {
    let a = i64::from(part(key, version));
    [key, version, a, 1000 - a, mix(key, version)].map(Some).to_vec()
}
