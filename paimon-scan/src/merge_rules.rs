//! Which of the versions of a key counts, by the table's options.

use paimon::spec::TableSchema;

/// Paimon's merge engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MergeEngine {
    /// The latest version.
    #[default]
    Deduplicate,
    /// The first version.
    FirstRow,
    /// The latest value of each column that is not null, column groups and aggregates aside.
    PartialUpdate,
    /// One value a column, by a function over all versions.
    Aggregation,
}

impl MergeEngine {
    /// Its name in the option `merge-engine`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deduplicate => "deduplicate",
            Self::FirstRow => "first-row",
            Self::PartialUpdate => "partial-update",
            Self::Aggregation => "aggregation",
        }
    }

    pub(crate) const ALL: [Self; 4] =
        [Self::Deduplicate, Self::FirstRow, Self::PartialUpdate, Self::Aggregation];
}

/// How the versions of a key become a row. The default: the latest version, unless it is a delete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MergeRules {
    /// The merge engine.
    pub engine: MergeEngine,
    /// Deletes in files count for nothing: they neither remove a key nor replace a version.
    pub ignore_delete: bool,
    /// Positions of the columns that order versions before their sequence numbers do.
    pub sequence: Vec<usize>,
}

impl MergeRules {
    /// Whether the version that was written last counts, deletes included: what a log continues.
    pub fn last_write_wins(&self) -> bool {
        *self == Self::default()
    }

    /// The rules of a table, or what of them is not understood.
    pub(crate) fn of(schema: &TableSchema) -> Result<Self, String> {
        let options = schema.options();
        if schema.primary_keys().is_empty() {
            return Ok(Self::default());
        }
        let option = |key: &str| options.get(key).map(|value| value.trim());
        let engine = match option("merge-engine") {
            None => MergeEngine::Deduplicate,
            Some(name) => MergeEngine::ALL
                .into_iter()
                .find(|engine| engine.name().eq_ignore_ascii_case(name))
                .ok_or_else(|| format!("option merge-engine = {name:?}"))?,
        };
        let position = |name: &str| {
            let name = name.trim();
            let found = schema.fields().iter().position(|field| field.name() == name);
            found.ok_or_else(|| format!("option sequence.field names {name:?}, which is no column"))
        };
        let sequence = match option("sequence.field") {
            None => Vec::new(),
            Some(names) => names.split(',').map(position).collect::<Result<_, _>>()?,
        };
        let ignore_delete = ignore_delete(options.iter())?;
        Ok(Self { engine, ignore_delete, sequence })
    }
}

/// Spellings of `ignore-delete`; Paimon takes those of other engines as the same option.
const IGNORE_DELETE: [&str; 4] = [
    "ignore-delete",
    "first-row.ignore-delete",
    "deduplicate.ignore-delete",
    "partial-update.ignore-delete",
];

fn ignore_delete<'a>(
    options: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<bool, String> {
    let mut answers =
        options.filter(|(key, _)| IGNORE_DELETE.contains(&key.as_str())).map(|(key, value)| {
            match value.trim() {
                on if on.eq_ignore_ascii_case("true") => Ok(true),
                off if off.eq_ignore_ascii_case("false") => Ok(false),
                other => Err(format!("option {key} = {other:?}")),
            }
        });
    let Some(first) = answers.next().transpose()? else {
        return Ok(false);
    };
    match answers.find(|answer| *answer != Ok(first)) {
        None => Ok(first),
        Some(Err(what)) => Err(what),
        Some(Ok(_)) => Err("option ignore-delete, set twice with different values".into()),
    }
}
