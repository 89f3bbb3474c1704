//! The ledger: one line for each run, failed ones too, and their sums.

use std::path::{Path, PathBuf};

use super::fault::Counts;
use crate::artifacts::package_directory;
use crate::error::{IoContext, LabError, Result};

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The day, UTC.
    pub date: String,
    /// The commit; with `+` if there were changes after it.
    pub commit: String,
    /// The seed.
    pub seed: u64,
    /// Seconds under load.
    pub seconds: u64,
    /// Statements that were sent.
    pub asked: u64,
    /// Answers that were judged.
    pub checked: u64,
    /// Rows of them.
    pub rows: u64,
    /// Wrong answers.
    pub wrong: u64,
    /// Right answers about a Fluss that lost what it had acknowledged.
    pub lost_upstream: u64,
    /// Errors that say retry.
    pub retryable: u64,
    /// Statements lost with a killed frontend.
    pub lost: u64,
    /// Other errors.
    pub others: u64,
    /// Statements that named a table while it was being re-created.
    pub excused: u64,
    /// `held`, or what did not.
    pub verdict: String,
    /// What was done.
    pub faults: Counts,
}

const HEAD: &str = "| date | commit | seed | seconds | asked | checked | rows | wrong | lost upstream | retryable | lost | \
                    others | excused | verdict | faults |";
const RULE: &str = "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";
const SUM: &str = "sum";

/// Where the ledger is.
pub fn path() -> PathBuf {
    package_directory().join("../docs/contribute/chaos-ledger.md")
}

impl Entry {
    fn numbers(&self) -> [u64; 10] {
        [
            self.seconds,
            self.asked,
            self.checked,
            self.rows,
            self.wrong,
            self.lost_upstream,
            self.retryable,
            self.lost,
            self.others,
            self.excused,
        ]
    }

    fn line(&self) -> String {
        let numbers: Vec<String> = self.numbers().iter().map(u64::to_string).collect();
        let faults: Vec<String> =
            self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        // a bar or the end of a line in a text would end the cell
        let verdict = self.verdict.replace(['|', '\n'], " ");
        format!(
            "| {} | {} | {} | {} | {verdict} | {} |",
            self.date,
            self.commit,
            self.seed,
            numbers.join(" | "),
            faults.join(", ")
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [date, commit, seed, numbers @ .., verdict, faults] = &cells[..] else { return None };
        let numbers: Vec<u64> =
            numbers.iter().map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [seconds, asked, checked, rows, wrong, lost_upstream, retryable, lost, others, excused] =
            numbers[..]
        else {
            return None;
        };
        let fault = |text: &str| {
            let (kind, count) = text.trim().rsplit_once(' ')?;
            Some((kind.to_owned(), count.parse().ok()?))
        };
        let faults = faults.split(',').filter(|text| !text.is_empty()).map(fault);
        Some(Self {
            date: (*date).to_owned(),
            commit: (*commit).to_owned(),
            seed: seed.parse().ok()?,
            seconds,
            asked,
            checked,
            rows,
            wrong,
            lost_upstream,
            retryable,
            lost,
            others,
            excused,
            verdict: (*verdict).to_owned(),
            faults: faults.collect::<Option<_>>()?,
        })
    }
}

/// The sums of some runs, as a line of the ledger; its seed is their number.
pub fn sum(entries: &[Entry]) -> Entry {
    let mut total = Entry { date: SUM.into(), ..Entry::default() };
    for entry in entries {
        total.seed += 1;
        total.seconds += entry.seconds;
        total.asked += entry.asked;
        total.checked += entry.checked;
        total.rows += entry.rows;
        total.wrong += entry.wrong;
        total.lost_upstream += entry.lost_upstream;
        total.retryable += entry.retryable;
        total.lost += entry.lost;
        total.others += entry.others;
        total.excused += entry.excused;
        for (kind, count) in &entry.faults {
            *total.faults.entry(kind.clone()).or_default() += count;
        }
    }
    let held = entries.iter().filter(|entry| entry.verdict == "held").count();
    total.verdict = format!("{held} of {} held", entries.len());
    total
}

/// The runs of a ledger.
///
/// # Errors
/// A line of its table that is none, or sums that are not theirs.
pub fn read(text: &str) -> Result<Vec<Entry>> {
    let wrong = |line: &str| LabError::Misuse(format!("no line of the ledger: {line}"));
    let (_, table) = text.split_once(RULE).ok_or_else(|| wrong("the table is missing"))?;
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    let parsed = lines.map(|line| Entry::parse(line).ok_or_else(|| wrong(line)));
    let mut entries: Vec<Entry> = parsed.collect::<Result<_>>()?;
    let last = entries.pop().ok_or_else(|| wrong("the sums are missing"))?;
    let total = sum(&entries);
    match last == total {
        true => Ok(entries),
        false => Err(wrong(&format!("the sums are not those of its lines, {}", total.line()))),
    }
}

/// The ledger with one more run, and new sums.
///
/// # Errors
/// As [`read`].
pub fn with(text: &str, entry: Entry) -> Result<String> {
    let mut entries = read(text)?;
    entries.push(entry);
    let told = text.split(HEAD).next().unwrap_or_default();
    let lines: Vec<String> = entries.iter().chain([&sum(&entries)]).map(Entry::line).collect();
    Ok(format!("{told}{HEAD}\n{RULE}\n{}\n", lines.join("\n")))
}

/// Adds a run to the ledger of the repository.
///
/// # Errors
/// As [`read`], and those of the file.
pub fn append(path: &Path, entry: Entry) -> Result<()> {
    let text = std::fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
    std::fs::write(path, with(&text, entry)?).doing(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seed: u64) -> Entry {
        Entry {
            date: "2026-01-02".into(),
            commit: "abc+".into(),
            seed,
            seconds: 60,
            asked: 10,
            checked: 8,
            rows: 100,
            retryable: 1,
            lost: 1,
            verdict: "held".into(),
            faults: Counts::from([("tablet killed".into(), 2), ("backend frozen".into(), 1)]),
            ..Entry::default()
        }
    }

    #[test]
    fn the_ledger_of_the_repository_adds_up() {
        let text = std::fs::read_to_string(path()).unwrap();
        let entries = read(&text).unwrap();
        for entry in &entries {
            let ended = entry.checked + entry.retryable + entry.lost + entry.others + entry.excused;
            assert!(ended <= entry.asked, "more ended than was asked: {entry:?}");
            let is_held = entry.verdict == "held";
            assert!(!is_held || entry.wrong + entry.others == 0, "{entry:?}");
        }
    }

    #[test]
    fn lines_are_added_and_sums_follow() {
        let empty = format!("# Ledger\n\n{HEAD}\n{RULE}\n{}\n", sum(&[]).line());
        let one = with(&empty, entry(1)).unwrap();
        let failed = Entry { wrong: 1, verdict: "1 wrong | more\n".into(), ..entry(2) };
        let two = with(&one, failed).unwrap();
        assert!(two.starts_with("# Ledger\n\n| date"), "{two}");
        let entries = read(&two).unwrap();
        assert_eq!(entries[0], entry(1));
        assert_eq!((entries[1].wrong, entries[1].verdict.as_str()), (1, "1 wrong   more"));
        let total = sum(&entries);
        assert_eq!((total.seed, total.asked, total.wrong), (2, 20, 1));
        assert_eq!(total.faults["tablet killed"], 4);
        assert_eq!(total.verdict, "1 of 2 held");
        for (what, broken) in [
            ("a sum", two.replace("| 20 |", "| 21 |")),
            ("a line that is none", two.replace("| abc+ | 1 |", "| abc+ | one |")),
            ("no sums", format!("{HEAD}\n{RULE}\n")),
        ] {
            assert!(read(&broken).is_err(), "{what}");
        }
    }
}
