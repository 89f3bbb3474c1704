//! `$files` and `$partitions`: what the manifests of a snapshot say, nothing left out.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use paimon::spec::DataFileMeta;

use super::statistics::Statistics;
use super::{Row, number, short, shown_value, text};
use crate::catalog::LakeTable;
use crate::error::Result;
use crate::live::Change;
use crate::plan::Folders;

impl LakeTable {
    async fn entries(&self) -> Result<Vec<Change>> {
        let snapshot = match &self.pinned {
            Some(pinned) => Some(pinned.as_ref().clone()),
            None => {
                let latest = self.table.snapshot_manager().get_latest_snapshot().await;
                latest.map_err(|error| self.system_error(error))?
            }
        };
        match snapshot {
            Some(snapshot) => self.live_entries(&snapshot).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn system_files(&self) -> Result<Vec<Row>> {
        let folders = Folders::of(self.table.location(), self.table.schema());
        let key = self.schema.merge_key();
        let entries = self.entries().await?;
        let statistics = Statistics::of(self, &entries).await?;
        let row = |change: &Change| -> Result<Row> {
            let meta = change.entry.file();
            let partition = self.row(change.entry.partition())?;
            // where folders are not known, the name alone is true
            let path = match (&meta.external_path, &folders) {
                (Some(path), _) => path.clone(),
                (None, Some(folders)) => {
                    meta.data_file_path(&folders.bucket(&partition, change.bucket)?)
                }
                (None, None) => meta.file_name.clone(),
            };
            let format = meta.file_name.rsplit_once('.').map_or("", |(_, format)| format);
            Ok(vec![
                text(format!("{{{}}}", listed(&self.partition(&partition)?)?)),
                short(change.bucket),
                text(path),
                text(format),
                number(meta.schema_id),
                short(meta.level),
                number(meta.row_count),
                number(meta.file_size),
                self.key_text(&meta.min_key, &key)?,
                self.key_text(&meta.max_key, &key)?,
                text(statistics.nulls(meta)?),
                text(statistics.smallest(meta)?),
                text(statistics.largest(meta)?),
                number(meta.min_sequence_number),
                number(meta.max_sequence_number),
                ScalarValue::TimestampMillisecond(created(meta), None),
                ScalarValue::Int64(meta.delete_row_count),
                ScalarValue::Utf8View(meta.file_source.and_then(source).map(str::to_owned)),
                ScalarValue::Int64(meta.first_row_id),
                columns(meta),
            ])
        };
        entries.iter().map(row).collect()
    }

    fn key_text(&self, bytes: &[u8], key: &[usize]) -> Result<ScalarValue> {
        if key.is_empty() {
            return Ok(ScalarValue::Utf8View(None));
        }
        Ok(text(format!("[{}]", listed(&self.values(&self.row(bytes)?, key)?)?)))
    }

    pub(super) async fn system_partitions(&self) -> Result<Vec<Row>> {
        let mut partitions: BTreeMap<Vec<u8>, (i64, i64, i64, Option<i64>)> = BTreeMap::new();
        for change in self.entries().await? {
            let meta = change.entry.file();
            let sums = partitions.entry(change.entry.partition().to_vec()).or_default();
            sums.0 = sums.0.saturating_add(meta.row_count);
            sums.1 = sums.1.saturating_add(meta.file_size);
            sums.2 += 1;
            sums.3 = sums.3.max(created(meta));
        }
        let row = |(partition, (rows, bytes, files, updated)): (Vec<u8>, _)| -> Result<Row> {
            Ok(vec![
                text(format!("{{{}}}", listed(&self.partition(&self.row(&partition)?)?)?)),
                number(rows),
                number(bytes),
                number(files),
                ScalarValue::TimestampMillisecond(updated, None),
            ])
        };
        partitions.into_iter().map(row).collect()
    }
}

/// What wrote a file, in Paimon's words.
fn source(of: i32) -> Option<&'static str> {
    match of {
        0 => Some("APPEND"),
        1 => Some("COMPACT"),
        _ => None,
    }
}

/// The columns that a file holds, where it does not hold all.
fn columns(meta: &DataFileMeta) -> ScalarValue {
    match &meta.write_cols {
        None => ScalarValue::new_null_list(DataType::Utf8, true, 1),
        Some(names) => {
            let names: Vec<_> = names.iter().map(|name| ScalarValue::from(name.as_str())).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8))
        }
    }
}

fn created(meta: &DataFileMeta) -> Option<i64> {
    meta.creation_time.map(|time| time.timestamp_millis())
}

fn listed(values: &[ScalarValue]) -> Result<String> {
    Ok(values.iter().map(shown_value).collect::<Result<Vec<_>>>()?.join(", "))
}
