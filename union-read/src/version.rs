//! Earlier states of a lake table, as names: the planner knows tables by name alone, so the state that a
//! statement asks for is a part of the name that nobody can type.

pub use paimon_scan::Version;

use crate::{Error, Result};

/// Between a table's own name and its version; no table can have it in its name.
pub const SEPARATOR: char = '\u{1}';

/// The name that stands for a table at a version.
pub fn join(table: &str, version: &Version) -> String {
    let version = match version {
        Version::Snapshot(id) => format!("s{id}"),
        Version::Time(milliseconds) => format!("m{milliseconds}"),
        Version::Tag(tag) => format!("t{tag}"),
        Version::Branch(branch) => format!("b{branch}"),
    };
    format!("{table}{SEPARATOR}{version}")
}

/// A table's own name and the version that [`join`] put after it.
///
/// # Errors
/// `Corrupt` for a version that [`join`] did not write.
pub fn split(name: &str) -> Result<(&str, Option<Version>)> {
    let Some((table, version)) = name.split_once(SEPARATOR) else {
        return Ok((name, None));
    };
    let version = match version.split_at_checked(1) {
        Some(("s", id)) => id.parse().ok().map(Version::Snapshot),
        Some(("m", milliseconds)) => milliseconds.parse().ok().map(Version::Time),
        Some(("t", tag)) => Some(Version::Tag(tag.to_owned())),
        Some(("b", branch)) => Some(Version::Branch(branch.to_owned())),
        _ => None,
    };
    let damaged = || Error::Corrupt(format!("the version of table '{table}' is not understood"));
    Ok((table, Some(version.ok_or_else(damaged)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_survive_as_names() {
        assert_eq!(split("t$x").unwrap(), ("t$x", None));
        let tag = Version::Tag("é\u{1}s".into());
        let branch = Version::Branch("b".into());
        for version in [Version::Snapshot(7), Version::Time(-1), tag, branch] {
            let name = join("t", &version);
            assert_eq!(split(&name).unwrap(), ("t", Some(version)));
        }
        for damaged in ["t\u{1}", "t\u{1}sx", "t\u{1}é"] {
            assert!(matches!(split(damaged), Err(Error::Corrupt(_))));
        }
    }
}
