//! Paimon's system tables: what is known of a table, as rows. Names of columns are Paimon's.
//!
//! Their types and order are too, as far as they are shown. Not shown, all at the end of a table: `operation` and
//! `writer_version` of a snapshot, the time of a branch, and of a partition what a catalog service knows or counts.

mod columns;
mod files;
mod statistics;

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use futures::{StreamExt, TryStreamExt, stream};
use paimon::spec::Snapshot;
use paimon::table::BranchManager;

use crate::catalog::{LakeTable, within};
use crate::error::{LakeError, Result};

/// How long the storage may take for all of a system table.
const READ: Duration = Duration::from_secs(60);
/// More rows than this are refused.
const ROWS_MAX: usize = 1 << 20;
/// How many small files are read at once.
const AT_ONCE: usize = 16;

/// Parts of option names whose values are never shown.
const SECRET: [&str; 6] = ["key", "secret", "password", "token", "credential", "jaas"];
/// Options that only sound like that.
const NO_SECRET: [&str; 3] = ["bucket-key", "primary-key", "fluss.table.bucket.key"];

/// A system table of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemTable {
    /// Snapshots that have not expired.
    Snapshots,
    /// Schemas, all that ever were.
    Schemas,
    /// Options of the schema that is read.
    Options,
    /// Data files of the snapshot that is read, those included that no reader looks at yet.
    Files,
    /// The same by partition.
    Partitions,
    /// Tags.
    Tags,
    /// Branches.
    Branches,
}

use SystemTable::{Branches, Files, Options, Partitions, Schemas, Snapshots, Tags};

/// A row of a system table, in the order of its columns.
type Row = Vec<ScalarValue>;

impl SystemTable {
    /// All system tables.
    pub const ALL: [Self; 7] = [Snapshots, Schemas, Options, Files, Partitions, Tags, Branches];

    /// What follows the `$` in its name.
    pub fn suffix(self) -> &'static str {
        match self {
            Snapshots => "snapshots",
            Schemas => "schemas",
            Options => "options",
            Files => "files",
            Partitions => "partitions",
            Tags => "tags",
            Branches => "branches",
        }
    }

    /// The name of a table and the system table of it that `name` asks for.
    pub fn split(name: &str) -> Option<(&str, Self)> {
        let (table, suffix) = name.rsplit_once('$').filter(|(table, _)| !table.is_empty())?;
        let of = Self::ALL.into_iter().find(|of| of.suffix().eq_ignore_ascii_case(suffix))?;
        Some((table, of))
    }
}

impl LakeTable {
    /// The rows of a system table of this table.
    ///
    /// # Errors
    /// `Unsupported` for more rows than a statement may hold, `Corrupt`, `Unavailable`.
    pub async fn system(&self, of: SystemTable) -> Result<RecordBatch> {
        let rows = within(READ, async {
            match of {
                Snapshots => self.system_snapshots().await,
                Schemas => self.system_schemas().await,
                Options => Ok(shown(self.options())
                    .into_iter()
                    .map(|(key, value)| vec![text(key), text(value)])
                    .collect()),
                Files => self.system_files().await,
                Partitions => self.system_partitions().await,
                Tags => self.system_tags().await,
                Branches => self.system_branches().await,
            }
        });
        let (columns, rows) = (of.columns(), rows.await?);
        self.check_rows(rows.len())?;
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(columns));
        }
        let column = |position: usize| {
            let cells = rows.iter().filter_map(|row| row.get(position).cloned());
            Ok(ScalarValue::iter_to_array(cells)?)
        };
        let arrays = (0..columns.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(columns, arrays);
        Ok(batch.map_err(datafusion::error::DataFusionError::from)?)
    }

    fn check_rows(&self, rows: usize) -> Result<()> {
        match rows > ROWS_MAX {
            true => {
                let what = format!("a system table of {rows} rows, more than {ROWS_MAX}");
                Err(LakeError::unsupported(&self.name, what))
            }
            false => Ok(()),
        }
    }

    async fn system_snapshots(&self) -> Result<Vec<Row>> {
        let snapshots = &self.table.snapshot_manager();
        let ids = snapshots.list_all_ids().await.map_err(|error| self.system_error(error))?;
        self.check_rows(ids.len())?;
        let read = async |id: i64| match snapshots.get_snapshot(id).await {
            // expired since it was listed
            Err(paimon::Error::SnapshotNotExist { .. }) => Ok(None),
            found => found.map(Some).map_err(|error| self.system_error(error)),
        };
        let reads = stream::iter(ids).map(read).buffered(AT_ONCE);
        let all: Vec<Option<Snapshot>> = reads.try_collect().await?;
        Ok(all.iter().flatten().map(snapshot_row).collect())
    }

    async fn system_schemas(&self) -> Result<Vec<Row>> {
        let schemas = self.table.schema_manager();
        let ids = schemas.list_all_ids().await.map_err(|error| self.system_error(error))?;
        self.check_rows(ids.len())?;
        let mut rows = Vec::new();
        for id in ids {
            let schema = schemas.schema(id).await.map_err(|error| self.system_error(error))?;
            rows.push(vec![
                number(id),
                text(json(&schema.fields())),
                text(json(&schema.partition_keys())),
                text(json(&schema.primary_keys())),
                text(json(&shown(schema.options()))),
                ScalarValue::Utf8View(schema.comment().map(str::to_owned)),
                instant(schema.time_millis()),
            ]);
        }
        Ok(rows)
    }

    async fn system_tags(&self) -> Result<Vec<Row>> {
        let tags = &self.table.tag_manager();
        let names = tags.list_all_names().await.map_err(|error| self.system_error(error))?;
        self.check_rows(names.len())?;
        let read = async |name: String| {
            let tag = tags.get_with_metadata(&name).await.map_err(|e| self.system_error(e))?;
            Ok::<_, LakeError>(tag.map(|(snapshot, created, retained)| {
                vec![
                    text(name),
                    number(snapshot.id()),
                    number(snapshot.schema_id()),
                    instant(i64::try_from(snapshot.time_millis()).unwrap_or(i64::MAX)),
                    ScalarValue::Int64(snapshot.total_record_count()),
                    ScalarValue::TimestampMillisecond(created, None),
                    ScalarValue::Utf8View(retained.map(|seconds| format!("PT{seconds}S"))),
                ]
            }))
        };
        let reads = stream::iter(names).map(read).buffered(AT_ONCE);
        let rows: Vec<Option<Row>> = reads.try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn system_branches(&self) -> Result<Vec<Row>> {
        let (io, location) = (self.table.file_io().clone(), self.table.location().to_owned());
        let names = BranchManager::new(io, location).list_all().await;
        let names = names.map_err(|error| self.system_error(error))?;
        Ok(names.into_iter().map(|name| vec![text(name)]).collect())
    }

    fn system_error(&self, error: paimon::Error) -> LakeError {
        LakeError::from_paimon(error, &self.name, None)
    }
}

fn snapshot_row(of: &Snapshot) -> Row {
    vec![
        number(of.id()),
        number(of.schema_id()),
        text(of.commit_user()),
        number(of.commit_identifier()),
        text(of.commit_kind().to_string()),
        instant(i64::try_from(of.time_millis()).unwrap_or(i64::MAX)),
        text(of.base_manifest_list()),
        text(of.delta_manifest_list()),
        ScalarValue::Utf8View(of.changelog_manifest_list().map(str::to_owned)),
        ScalarValue::Int64(of.total_record_count()),
        ScalarValue::Int64(of.delta_record_count()),
        ScalarValue::Int64(of.changelog_record_count()),
        // Paimon's word for none
        ScalarValue::Int64(of.watermark().filter(|watermark| *watermark != i64::MIN)),
        ScalarValue::Int64(of.next_row_id()),
    ]
}

/// Options with what may be a secret masked, sorted.
fn shown(options: &std::collections::HashMap<String, String>) -> BTreeMap<&str, &str> {
    let masked = |(key, value)| (key, if is_secret(key) { "******" } else { value });
    options.iter().map(|(key, value)| masked((key.as_str(), value.as_str()))).collect()
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    !NO_SECRET.contains(&key.as_str()) && SECRET.iter().any(|part| key.contains(part))
}

fn json(of: &impl serde::Serialize) -> String {
    // names and texts alone: nothing there that JSON does not have
    serde_json::to_string(of).unwrap_or_default()
}

/// A value inside a text, `null` as Paimon has it.
fn shown_value(value: &ScalarValue) -> Result<String> {
    if value.is_null() {
        return Ok("null".into());
    }
    let shown = array_value_to_string(&value.to_array()?, 0);
    Ok(shown.map_err(datafusion::error::DataFusionError::from)?)
}

fn text(of: impl Into<String>) -> ScalarValue {
    ScalarValue::Utf8View(Some(of.into()))
}

fn number(of: i64) -> ScalarValue {
    ScalarValue::Int64(Some(of))
}

fn short(of: i32) -> ScalarValue {
    ScalarValue::Int32(Some(of))
}

fn instant(milliseconds: i64) -> ScalarValue {
    ScalarValue::TimestampMillisecond(Some(milliseconds), Some("UTC".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_secrets() {
        assert_eq!(SystemTable::split("t$snapshots"), Some(("t", Snapshots)));
        assert_eq!(SystemTable::split("a$b$Files"), Some(("a$b", Files)));
        for other in ["t", "$files", "t$file", "t$lake"] {
            assert_eq!(SystemTable::split(other), None);
        }
        for secret in ["s3.access-key", "fs.oss.accessKeySecret", "token", "x.Password"] {
            assert!(is_secret(secret), "{secret}");
        }
        for told in ["bucket", "bucket-key", "file.format"] {
            assert!(!is_secret(told), "{told}");
        }
    }
}
