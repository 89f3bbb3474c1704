//! `t`, `t$lake`, `t$rt`: which part of a table a name asks for.

use std::fmt;

/// The part of a table that a statement reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadMode {
    /// The whole table: the lake snapshot and the log that continues it.
    Union,
    /// The lake snapshot alone (`t$lake`); needs no tablet server.
    Lake,
    /// What Fluss holds (`t$rt`): of a log table the rows after the lake snapshot, of a primary-key
    /// table the current state.
    RealTime,
}

impl ReadMode {
    /// Splits a table name into the table's own name and the mode that its suffix asks for.
    ///
    /// Only `$lake` and `$rt` are suffixes (StarRocks' names); a table with another `$` keeps it.
    pub fn split(name: &str) -> (&str, ReadMode) {
        for mode in [ReadMode::Lake, ReadMode::RealTime] {
            if let Some(base) = name.strip_suffix(mode.suffix())
                && !base.is_empty()
            {
                return (base, mode);
            }
        }
        (name, ReadMode::Union)
    }

    /// The suffix that asks for this mode.
    pub fn suffix(self) -> &'static str {
        match self {
            ReadMode::Union => "",
            ReadMode::Lake => "$lake",
            ReadMode::RealTime => "$rt",
        }
    }
}

impl fmt::Display for ReadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadMode::Union => "union",
            ReadMode::Lake => "lake",
            ReadMode::RealTime => "rt",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        assert_eq!(ReadMode::split("orders"), ("orders", ReadMode::Union));
        assert_eq!(ReadMode::split("orders$lake"), ("orders", ReadMode::Lake));
        assert_eq!(ReadMode::split("orders$rt"), ("orders", ReadMode::RealTime));
        assert_eq!(ReadMode::split("a$b"), ("a$b", ReadMode::Union));
        assert_eq!(ReadMode::split("$lake"), ("$lake", ReadMode::Union));
        assert_eq!(ReadMode::split("t$lake$rt"), ("t$lake", ReadMode::RealTime));
    }
}
