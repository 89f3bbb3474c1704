//! What came out of a run.

use std::collections::BTreeMap;

use super::evidence::Violation;

/// Texts of errors and violations that are kept.
const KEPT: usize = 20;

/// What came out of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Questions that were asked.
    pub asked: u64,
    /// Answers that were judged.
    pub checked: u64,
    /// Answers by kind of question.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Answers by the path of their union reads.
    pub paths: BTreeMap<&'static str, u64>,
    /// By path: questions that it cannot answer by what it is, as the server said, asked again by `auto`.
    pub refused: BTreeMap<&'static str, u64>,
    /// Rows of them.
    pub rows: u64,
    /// Wrong answers.
    pub violations: Vec<Violation>,
    /// Answers that are right about what Fluss holds, which has lost what it had acknowledged; an independent reader of
    /// the log says so.
    pub lost_upstream: Vec<Violation>,
    /// Statements that were refused because of a hole in the log of Fluss, which its own lists of segments show.
    pub holes: u64,
    /// Statements that failed with a code that says retry.
    pub retryable: u64,
    /// Statements that were lost together with the frontend, which was killed.
    pub lost: u64,
    /// Statements that were told that a table or column does not exist, while it did not.
    pub excused: u64,
    /// Any other failure of a statement or login.
    pub others: u64,
    /// Texts of errors, of those that differ in numbers alone the first.
    pub errors: Vec<String>,
    /// Answers that were spoiled on purpose.
    pub spoiled: u64,
    /// Versions written and acknowledged.
    pub written: u64,
    /// Rounds of writing that failed; what they wrote may be there or not.
    pub write_failures: u64,
    /// Texts of what failed there, kept alike.
    pub write_errors: Vec<String>,
}

impl Report {
    /// The run as one line.
    pub fn line(&self) -> String {
        format!(
            "{} answers of {} rows checked, {} wrong, {} lost upstream; {} errors that say retry, {} others ({:.2} % of {} \
             statements), {} lost with the frontend, {} excused, {} refused by their path; {} versions written, {} failed rounds",
            self.checked,
            self.rows,
            self.violations.len(),
            self.lost_upstream.len() as u64 + self.holes,
            self.retryable,
            self.others,
            self.visible_errors() * 100.0,
            self.asked,
            self.lost,
            self.excused,
            self.refused.values().sum::<u64>(),
            self.written,
            self.write_failures,
        )
    }

    /// The share of statements that failed although their frontend and their table were there.
    pub fn visible_errors(&self) -> f64 {
        let failed = self.retryable + self.others;
        failed as f64 / self.asked.max(1) as f64
    }

    /// Whether a run is at its end because too much is wrong.
    pub(super) fn is_full(&self) -> bool {
        self.violations.len() + self.lost_upstream.len() >= KEPT
    }

    pub(super) fn keep_error(&mut self, error: String) {
        keep(&mut self.errors, error);
    }

    pub(super) fn write_failed(&mut self, error: &crate::LabError) {
        self.write_failures += 1;
        keep(&mut self.write_errors, error.to_string());
    }
}

fn keep(errors: &mut Vec<String>, error: String) {
    let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    if errors.len() < KEPT && errors.iter().all(|kept| words(kept) != words(&error)) {
        errors.push(error);
    }
}
