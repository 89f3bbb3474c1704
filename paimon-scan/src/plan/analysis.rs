//! The file that ANALYZE left for a snapshot.

use std::sync::Arc;

use paimon::spec::Snapshot;

use crate::analyzed::{Analysis, Analyzed};
use crate::catalog::LakeTable;
use crate::error::{LakeError, Result};

/// A larger file is not read.
const BYTES_MAX: u64 = 16 << 20;

impl LakeTable {
    /// What ANALYZE left for a snapshot or an earlier one. A file that is gone or broken is counted and passed over: no
    /// row depends on it.
    pub(super) async fn analyzed(&self, snapshot: &Snapshot) -> Option<Analyzed> {
        let name = snapshot.statistics().filter(|name| !name.is_empty())?;
        let key = (self.id(), name.to_owned());
        let analysis = match self.kept.analyses.get(&key) {
            Some(analysis) => analysis,
            None => match self.analysis(name).await {
                Ok(analysis) => {
                    let analysis = Arc::new(analysis);
                    self.kept.analyses.insert(key, Arc::clone(&analysis));
                    analysis
                }
                Err(_) => {
                    metrics::counter!("millrace_lake_statistics_failed_total").increment(1);
                    return None;
                }
            },
        };
        Some(Analyzed::new(analysis, snapshot))
    }

    async fn analysis(&self, name: &str) -> Result<Analysis> {
        let path = format!("{}/statistics/{name}", self.table.location().trim_end_matches('/'));
        let read = async {
            let file = self.table.file_io().new_input(&path)?;
            let size = file.metadata().await?.size;
            Ok::<_, paimon::Error>(if size > BYTES_MAX { None } else { Some(file.read().await?) })
        };
        match read.await.map_err(|error| LakeError::from_paimon(error, &self.name, None))? {
            Some(bytes) => Analysis::parse(&bytes),
            None => Err(LakeError::corrupt(format!("statistics of more than {BYTES_MAX} bytes"))),
        }
    }
}
