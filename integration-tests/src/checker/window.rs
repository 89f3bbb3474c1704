//! Which versions an answer may show: what is known of a key or a writer at the moment of judgement.

use serde::{Deserialize, Serialize};

/// The state of a version in which the key is absent.
pub const ABSENT: i16 = -1;

/// The versions of one key that may be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWindow {
    /// The key.
    pub key: i64,
    /// The oldest version that may be shown.
    pub low: u32,
    /// The newest version that was acknowledged.
    pub acked: u32,
    /// By version from `low` to the last that was sent: [`ABSENT`], or how many added columns it was written with.
    pub versions: Vec<i16>,
    /// The same from version 0 to the last before the key's partition was dropped, where the key may be absent since: in
    /// place of its absence the lake may show any of them.
    #[serde(default)]
    pub revivable: Vec<i16>,
    /// Whether the lake that was read lacks the key: it ends inside of an update of it.
    #[serde(default)]
    pub is_half_updated: bool,
}

/// An interval, ends included.
pub(super) type Bounds = (i64, i64);

impl KeyWindow {
    /// The state of a version, if it may be shown.
    pub(super) fn state(&self, version: i64) -> Option<i16> {
        let at = |states: &[i16], from: i64| {
            states.get(usize::try_from(version.checked_sub(from)?).ok()?).copied()
        };
        at(&self.versions, self.low.into()).or_else(|| at(&self.revivable, 0))
    }

    /// The oldest version in which no row is to be seen: the key is absent, or its version is not above `above`.
    pub(super) fn unseen(&self, above: Option<i64>) -> Option<u32> {
        let hidden = |version: i64| above.is_some_and(|above| version <= above);
        let versions = (self.low..).zip(&self.versions);
        versions
            .filter(|(version, state)| **state == ABSENT || hidden(i64::from(*version)))
            .map(|(version, _)| version)
            .next()
            .or(self.is_half_updated.then_some(self.low))
    }

    /// The first and the last version in which the key is there.
    pub(super) fn present(&self) -> Option<Bounds> {
        let ends = |states: &[i16], from: i64| {
            let there = |state: &i16| *state != ABSENT;
            let first = states.iter().position(there)? as i64;
            let last = states.iter().rposition(there)? as i64;
            Some((from + first, from + last))
        };
        match (ends(&self.revivable, 0), ends(&self.versions, self.low.into())) {
            (Some((first, a)), Some((_, b))) => Some((first, a.max(b))),
            (revived, present) => present.or(revived),
        }
    }

    /// The window for people.
    pub(super) fn told(&self) -> String {
        let last = self.low as usize + self.versions.len() - 1;
        format!("versions {} to {last} could be there, {} is acknowledged", self.low, self.acked)
    }
}

/// Bounds of the number of rows and of the sum of their versions.
pub(super) fn bounds<'a>(windows: impl Iterator<Item = &'a KeyWindow>) -> (Bounds, Bounds) {
    let (mut count, mut sum) = ((0, 0), (0, 0));
    for window in windows {
        let Some((first, last)) = window.present() else { continue };
        count.1 += 1;
        sum.1 += last;
        if !window.versions.contains(&ABSENT) && !window.is_half_updated {
            count.0 += 1;
            sum.0 += first;
        }
    }
    (count, sum)
}

/// What one writer of a log has sent. Its rows 1, 2, 3, … are all in one bucket, so they come in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterWindow {
    /// The writer's number.
    pub writer: i64,
    /// The least that its rows must reach.
    pub low: i64,
    /// The last that was acknowledged.
    pub acked: i64,
    /// The last that was sent.
    pub sent: i64,
    /// Writing failed: of what was not acknowledged any part may be there.
    pub failed: bool,
}

impl WriterWindow {
    /// Judges the writer's rows by their number, largest sequence number and sum; what they have reached.
    pub(super) fn judge(&self, (count, last, sum): (i64, i64, i64)) -> Result<i64, String> {
        let writer = self.writer;
        let what = || format!("writer {writer}: {count} rows up to {last}, their sum {sum}");
        if last > self.sent {
            return Err(format!("{}, but {} were sent", what(), self.sent));
        }
        if last < self.low {
            return Err(format!("{}, but {} must be there", what(), self.low));
        }
        let whole = |n: i64| n * (n + 1) / 2;
        let is_exact = count == last && sum == whole(last);
        // what came after the last acknowledged row is any part of what was sent, each once
        let rest = last - self.acked;
        let may_be = count >= self.acked
            && count - self.acked <= rest
            && sum >= whole(self.acked)
            && sum <= whole(last);
        match is_exact || self.failed && rest > 0 && may_be {
            true if is_exact => Ok(last),
            true => Ok(self.low),
            false => Err(format!("{}: not 1 to {last}, each once", what())),
        }
    }
}
