//! What can go wrong with a lake, one variant per reaction of the caller.

use std::error::Error;

use datafusion::error::DataFusionError;

/// Result of everything in this crate that is not called by DataFusion.
pub type Result<T, E = LakeError> = std::result::Result<T, E>;

/// An error of the lake. Inside an execution it travels as `DataFusionError::External`; [`LakeError::find`]
/// gets it back.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The table, file or type has a meaning this reader does not know. Tell the user; never retry.
    #[error("lake table {table} cannot be read: {what}")]
    Unsupported {
        /// `database.table`, or the path of a file.
        table: String,
        /// The option, type or format, by name.
        what: String,
    },
    /// A catalog option is missing, contradictory or not known. Tell the user.
    #[error("lake catalog option {option}: {problem}")]
    Option {
        /// Name of the option; its value may be a secret and is never shown.
        option: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such database or table.
    #[error("{what} does not exist in the lake")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The pinned snapshot has expired (or never was). Pin another one and plan again.
    #[error("snapshot {snapshot_id} of lake table {table} is gone")]
    SnapshotGone {
        /// `database.table`.
        table: String,
        /// The snapshot that was asked for.
        snapshot_id: i64,
    },
    /// A file of the plan is gone: its snapshot expired under the query. Pin again and retry; the rows
    /// read so far are incomplete.
    #[error("lake file {path} is gone: its snapshot has expired")]
    FileGone {
        /// Path inside its store.
        path: String,
    },
    /// Metadata or data contradict themselves.
    #[error("the lake is damaged: {what}")]
    Corrupt {
        /// What contradicts what.
        what: String,
    },
    /// A catalog's server refuses the credentials. Tell the user.
    #[error("the lake refuses: {0}")]
    Denied(String),
    /// The storage or a catalog's server does not answer or refuses.
    #[error("the lake cannot be reached: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The engine stopped: out of memory, cancelled, or an error while reading.
    #[error(transparent)]
    Execution(#[from] DataFusionError),
}

impl LakeError {
    pub(crate) fn unsupported(table: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unsupported { table: table.into(), what: what.into() }
    }

    pub(crate) fn option(option: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Option { option: option.into(), problem: problem.into() }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    /// The lake's error inside an error of the engine, however often it was wrapped.
    pub fn find(error: &DataFusionError) -> Option<&LakeError> {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            match error.downcast_ref::<LakeError>() {
                Some(LakeError::Execution(inner)) => next = Some(inner),
                Some(found) => return Some(found),
                None => next = error.source(),
            }
        }
        None
    }

    /// Whether planning again at a newer snapshot can help.
    pub fn is_expired(&self) -> bool {
        match self {
            Self::SnapshotGone { .. } | Self::FileGone { .. } => true,
            Self::Execution(inner) => Self::find(inner).is_some_and(Self::is_expired),
            _ => false,
        }
    }

    /// Translates an error of planning `table`; `snapshot_id` is the snapshot being planned.
    pub(crate) fn from_paimon(error: paimon::Error, table: &str, snapshot_id: Option<i64>) -> Self {
        use paimon::Error as P;
        match (error, snapshot_id) {
            (P::SnapshotNotExist { snapshot_id }, _) => {
                Self::SnapshotGone { table: table.into(), snapshot_id }
            }
            // A manifest that the snapshot names is missing: expiry runs between the two reads.
            (P::IoUnexpected { source, .. }, Some(snapshot_id))
                if source.kind().to_string() == "NotFound" =>
            {
                Self::SnapshotGone { table: table.into(), snapshot_id }
            }
            (P::DatabaseNotExist { database }, _) => {
                Self::NotFound { what: format!("database {database}") }
            }
            (P::TableNotExist { full_name }, _) => {
                Self::NotFound { what: format!("table {full_name}") }
            }
            (P::IdentifierInvalid { message }, _) => Self::NotFound { what: message },
            (P::Unsupported { message } | P::IoUnsupported { message }, _) => {
                Self::unsupported(table, message)
            }
            (P::ConfigInvalid { message }, _) => Self::option("paimon", message),
            (P::IoUnexpected { message, source }, _) => {
                Self::Unavailable(format!("{message}: {}", first_line(&*source)).into())
            }
            (P::ResourceExhausted { message }, _) => Self::Unavailable(message.into()),
            (error, _) => Self::corrupt(format!("metadata of {table}: {}", first_line(&error))),
        }
    }

    /// Translates an error of opening `path` in an object store.
    pub(crate) fn from_store(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::FileGone { path },
            // of a store of ours
            object_store::Error::Generic { source, .. } if source.is::<Self>() => {
                match source.downcast::<Self>() {
                    Ok(inner) => *inner,
                    Err(other) => Self::Unavailable(other),
                }
            }
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// Errors of the metadata reader show whole chains with backtraces; a user is told the first of it.
fn first_line(error: &dyn Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

impl From<LakeError> for DataFusionError {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Execution(inner) => inner,
            other => DataFusionError::External(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_gone_file_is_found_however_it_is_wrapped() {
        let gone = || LakeError::FileGone { path: "a/b".into() };
        let wrapped: Vec<DataFusionError> = vec![
            gone().into(),
            DataFusionError::Context("reading".into(), Box::new(gone().into())),
            DataFusionError::Shared(Arc::new(gone().into())),
            parquet::errors::ParquetError::External(Box::new(gone())).into(),
            arrow::error::ArrowError::ExternalError(Box::new(gone())).into(),
            DataFusionError::External(Box::new(LakeError::Execution(gone().into()))),
        ];
        for error in wrapped {
            assert!(LakeError::find(&error).is_some_and(LakeError::is_expired), "{error:?}");
        }
        assert!(LakeError::find(&DataFusionError::Execution("gone".into())).is_none());
    }
}
