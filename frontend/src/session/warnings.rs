//! What `SHOW WARNINGS` tells of the last statement.

use std::sync::Arc;

use parking_lot::Mutex;

/// Warnings that are kept of one statement, as MySQL's `max_error_count`; all are counted.
pub const WARNINGS_MAX: usize = 1024;
/// Bytes that are kept of one message.
const MESSAGE_BYTES_MAX: usize = 512;

/// One warning, or the error that ended the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `Warning` or `Error`.
    pub level: &'static str,
    /// MySQL's number.
    pub code: u16,
    /// The message.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { level: "Warning", code, message: message.into() }
    }

    /// The error that ended a statement.
    pub fn error(code: u16, message: impl Into<String>) -> Self {
        Self { level: "Error", code, message: message.into() }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.level == "Error"
    }
}

/// The warnings of one session's last statement; clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    kept: Vec<Warning>,
    count: usize,
}

impl Warnings {
    /// Adds one.
    pub fn push(&self, mut warning: Warning) {
        let mut end = warning.message.len().min(MESSAGE_BYTES_MAX);
        while !warning.message.is_char_boundary(end) {
            end -= 1;
        }
        warning.message.truncate(end);
        let mut list = self.0.lock();
        list.count += 1;
        if list.kept.len() < WARNINGS_MAX {
            list.kept.push(warning);
        }
    }

    /// Forgets all: a statement begins.
    pub fn clear(&self) {
        *self.0.lock() = List::default();
    }

    /// Those that are kept, in order.
    pub fn all(&self) -> Vec<Warning> {
        self.0.lock().kept.clone()
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.lock().count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_are_counted_than_kept() {
        let warnings = Warnings::default();
        for _ in 0..=WARNINGS_MAX {
            warnings.push(Warning::new(1105, "é".repeat(MESSAGE_BYTES_MAX)));
        }
        assert_eq!((warnings.count(), warnings.all().len()), (WARNINGS_MAX + 1, WARNINGS_MAX));
        assert_eq!(warnings.all()[0].message.len(), MESSAGE_BYTES_MAX);
        warnings.clone().clear();
        assert_eq!(warnings.count(), 0);
    }
}
