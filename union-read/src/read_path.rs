//! Ways to one answer: which storages a union read takes its rows from.

use std::fmt;

/// Where the rows of a whole table come from. All paths give the same rows or an error; one never
/// stands in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReadPath {
    /// Per bucket what is cheapest.
    #[default]
    Auto,
    /// The lake snapshot and the log after it; what was never tiered comes from Fluss.
    LakeAndTail,
    /// Primary-key tables: the state that Fluss holds and the log after it, as if nothing had ever
    /// been tiered.
    KvAndTail,
    /// The log from its first offset, of primary-key tables folded by key.
    LogReplay,
}

impl ReadPath {
    const ALL: [ReadPath; 4] = [Self::Auto, Self::LakeAndTail, Self::KvAndTail, Self::LogReplay];

    /// The path of a name, in letters of any case; `None` for every other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|path| path.name().eq_ignore_ascii_case(name))
    }

    /// The path's name, as sessions set it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::LakeAndTail => "lake_and_tail",
            Self::KvAndTail => "kv_and_tail",
            Self::LogReplay => "log_replay",
        }
    }
}

impl fmt::Display for ReadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for path in ReadPath::ALL {
            assert_eq!(ReadPath::parse(&path.name().to_uppercase()), Some(path));
        }
        for unknown in ["", "lake", "auto ", "kv_and_tail,auto"] {
            assert_eq!(ReadPath::parse(unknown), None, "{unknown:?}");
        }
    }
}
