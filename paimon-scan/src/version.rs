//! Earlier states of a table, and its branches.

use std::fmt;
use std::sync::Arc;

use paimon::spec::Snapshot;

use crate::catalog::{LOOK_UP, LakeTable, within};
use crate::error::{LakeError, Result};
use crate::refusal;
use crate::rest::Loaded;
use crate::schema::LakeSchema;

/// A state of a table that is not the latest one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Version {
    /// A snapshot by its id.
    Snapshot(i64),
    /// The latest snapshot that was committed at this time (milliseconds since 1970, UTC) or earlier.
    Time(i64),
    /// The snapshot that a tag names, also when it has expired: the tag keeps it and its files.
    Tag(String),
    /// The latest snapshot of a branch, in the schema of the branch.
    Branch(String),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(id) => write!(f, "snapshot {id}"),
            Self::Time(milliseconds) => write!(f, "a snapshot at or before {milliseconds} ms"),
            Self::Tag(tag) => write!(f, "tag {tag:?}"),
            Self::Branch(branch) => write!(f, "branch {branch:?}"),
        }
    }
}

impl LakeTable {
    /// The table at an earlier state, or a branch of it, in the columns and under the options that it had
    /// then. [`LakeTable::plan`] without a snapshot plans that state.
    ///
    /// # Errors
    /// `NotFound` when there is no such state, and those of [`crate::LakeCatalog::table`].
    pub async fn at(&self, version: &Version) -> Result<Self> {
        let missing = || LakeError::NotFound { what: format!("{version} of table {}", self.name) };
        within(LOOK_UP, async {
            let snapshots = self.table.snapshot_manager();
            let paimon = |error| LakeError::from_paimon(error, &self.name, None);
            let snapshot = match version {
                Version::Snapshot(id) => match snapshots.get_snapshot(*id).await {
                    Err(paimon::Error::SnapshotNotExist { .. }) => None,
                    found => Some(found.map_err(paimon)?),
                },
                Version::Time(time) => match self.latest_if_by(*time).await? {
                    Some(latest) => Some(latest),
                    None => snapshots.earlier_or_equal_time_millis(*time).await.map_err(paimon)?,
                },
                Version::Tag(tag) if is_name(tag) => {
                    self.table.tag_manager().get(tag).await.map_err(paimon)?
                }
                Version::Branch(branch) if is_name(branch) => {
                    return self.branch(branch).await?.ok_or_else(missing);
                }
                Version::Tag(_) | Version::Branch(_) => None,
            };
            self.pinned(snapshot.ok_or_else(missing)?).await
        })
        .await
    }

    /// The latest snapshot that a server knows if it was committed by then: that one may not be among the files yet.
    async fn latest_if_by(&self, time: i64) -> Result<Option<Snapshot>> {
        let latest = match &self.served {
            Some(served) => served.snapshot().await?,
            None => None,
        };
        let by =
            |snapshot: &Snapshot| i64::try_from(snapshot.time_millis()).is_ok_and(|t| t <= time);
        Ok(latest.filter(by))
    }

    /// The table at the snapshot that is its latest one now, unless it is at one already: whatever is asked of it from
    /// here on is asked of that. Its columns stay the latest ones.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub async fn at_latest(mut self) -> Result<Self> {
        if self.pinned.is_none() {
            self.pinned = within(LOOK_UP, self.latest()).await?.map(Arc::new);
        }
        Ok(self)
    }

    /// Options decide what the rows of a snapshot are, so they are those of its own schema: deletion vectors
    /// that came later cover none of its files.
    async fn pinned(&self, snapshot: Snapshot) -> Result<Self> {
        let paimon = |error| LakeError::from_paimon(error, &self.name, None);
        let mut pinned = self.clone();
        if snapshot.schema_id() != self.schema.id {
            let schema = self.table.schema_manager().schema(snapshot.schema_id()).await;
            let schema = schema.map_err(paimon)?.as_ref().clone();
            let table = self.table.copy_with_resolved_schema(schema, self.table.branch());
            pinned = self.with_table(table.map_err(paimon)?)?;
        }
        pinned.pinned = Some(Arc::new(snapshot));
        Ok(pinned)
    }

    async fn branch(&self, name: &str) -> Result<Option<Self>> {
        if let Some(served) = &self.served {
            let Some(loaded) = served.branch(name).await? else { return Ok(None) };
            let Loaded { table, options, served } = loaded;
            let branch = self.with_table(table)?;
            return Ok(Some(Self { options, served: Some(served), ..branch }));
        }
        match self.table.copy_with_branch(name).await {
            Ok(table) => Ok(Some(self.with_table(table)?)),
            Err(error) => {
                let schemas = self.table.schema_manager().with_branch(name).list_all_ids().await;
                match schemas.is_ok_and(|schemas| schemas.is_empty()) {
                    true => Ok(None),
                    false => Err(LakeError::from_paimon(error, &self.name, None)),
                }
            }
        }
    }

    fn with_table(&self, table: paimon::Table) -> Result<Self> {
        let kind = refusal::kind_of(&self.name, table.schema())?;
        let schema = LakeSchema::of(&self.name, table.schema(), kind)?;
        Ok(Self { table, schema, ..self.clone() })
    }
}

/// Whether a tag or branch can have this name: it is a part of a path.
fn is_name(name: &str) -> bool {
    let inside = |c: char| c == '/' || c == '\\' || c.is_control();
    !name.trim().is_empty() && name != "." && name != ".." && !name.contains(inside)
}
