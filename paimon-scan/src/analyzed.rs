//! What ANALYZE has left beside a table: for estimates alone, of a snapshot that may be older than the one that is read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use paimon::spec::{CommitKind, Snapshot};
use serde::Deserialize;

use crate::error::{LakeError, Result};

/// What is known by analysis of the snapshot that a plan reads.
#[derive(Debug, Clone)]
pub struct Analyzed {
    /// Rows of the whole table as they were counted, versions merged; `None` when there were commits since.
    pub rows: Option<u64>,
    analysis: Arc<Analysis>,
}

impl Analyzed {
    /// What an analysis says of a snapshot, its own or a later one.
    pub(crate) fn new(analysis: Arc<Analysis>, snapshot: &Snapshot) -> Self {
        // the commit of an analysis has the rows that were analysed
        let is_commit_of_it = *snapshot.commit_kind() == CommitKind::ANALYZE
            && analysis.snapshot_id.checked_add(1) == Some(snapshot.id());
        let is_current = analysis.snapshot_id == snapshot.id() || is_commit_of_it;
        Self { rows: analysis.rows.filter(|_| is_current), analysis }
    }

    /// About how many different values the column with a field id holds.
    pub fn distinct(&self, field_id: i32) -> Option<u64> {
        self.analysis.distinct.get(&field_id).copied()
    }
}

/// The content of one file, which never changes.
#[derive(Debug)]
pub(crate) struct Analysis {
    snapshot_id: i64,
    rows: Option<u64>,
    /// Different values by field id.
    distinct: HashMap<i32, u64>,
}

/// As Paimon writes it; smallest and largest values, which are texts there, are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    snapshot_id: i64,
    merged_record_count: Option<i64>,
    col_stats: Option<BTreeMap<String, WrittenColumn>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenColumn {
    col_id: i32,
    distinct_count: Option<i64>,
}

impl Analysis {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let written: Written = serde_json::from_slice(bytes)
            .map_err(|error| LakeError::corrupt(format!("statistics: {error}")))?;
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let columns = written.col_stats.unwrap_or_default().into_values();
        Ok(Self {
            snapshot_id: written.snapshot_id,
            rows: count(written.merged_record_count),
            distinct: columns
                .filter_map(|column| Some((column.col_id, count(column.distinct_count)?)))
                .collect(),
        })
    }

    /// Memory, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.distinct.len() * 2 * size_of::<(i32, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_known() {
        let bytes = br#"{"snapshotId":3,"schemaId":0,"mergedRecordCount":-1,"colStats":{
            "a":{"colId":7,"distinctCount":12,"min":"x","avgLen":null},"b":{"colId":8}},"new":1}"#;
        let analysis = Analysis::parse(bytes).unwrap();
        assert_eq!((analysis.snapshot_id, analysis.rows), (3, None));
        assert_eq!(analysis.distinct, HashMap::from([(7, 12)]));
        let bare = Analysis::parse(br#"{"snapshotId":1,"schemaId":0}"#).unwrap();
        assert!(bare.distinct.is_empty());
        assert!(Analysis::parse(b"{}").is_err() && Analysis::parse(b"\xff").is_err());
    }
}
