//! Judging a kept answer again, without a cluster.

use std::path::Path;

use super::evidence::{Kept, Violation};
use crate::error::Result;

/// Judges again what was kept of a wrong answer.
#[derive(Debug)]
pub struct Replay {
    /// The answer as it was kept.
    pub kept: Violation,
    /// What is wrong with it; `None`: it is right, so the judge has changed since.
    pub wrong: Option<String>,
    /// The records of the key in the log, as another client read them.
    pub records: Vec<String>,
}

/// Reads a violation's directory and judges its answer.
///
/// # Errors
/// The directory does not hold one.
pub fn replay(directory: &Path) -> Result<Replay> {
    let kept = Kept::read(directory)?;
    let wrong = kept.case.judge().err().map(|wrong| wrong.what);
    let records = kept.records();
    let told = records.iter().map(|record| {
        let [key, version] = record.row;
        format!(
            "bucket {} offset {}: {} {key} version {version}",
            record.bucket, record.offset, record.change
        )
    });
    let records = told.collect();
    Ok(Replay { kept: kept.violation(directory.to_owned()), wrong, records })
}
