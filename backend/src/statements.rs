//! Which queries run in this process, and how they are stopped.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use union_read::exec::Stop;

/// The queries that this process works for. An entry lives as long as somebody works for its query.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    running: Mutex<HashMap<String, Weak<Stop>>>,
}

impl Statements {
    /// The stop of a query, shared by all of its tasks in this process.
    pub(crate) fn join(&self, query_id: &str) -> Arc<Stop> {
        let mut running = self.running.lock();
        if let Some(stop) = running.get(query_id).and_then(Weak::upgrade) {
            return stop;
        }
        running.retain(|_, stop| stop.strong_count() > 0);
        let stop = Arc::new(Stop(CancellationToken::new()));
        running.insert(query_id.to_string(), Arc::downgrade(&stop));
        stop
    }

    /// Stops a query, if it runs here.
    pub(crate) fn stop(&self, query_id: &str) {
        if let Some(stop) = self.running.lock().get(query_id).and_then(Weak::upgrade) {
            stop.0.cancel();
        }
    }

    /// Stops everything.
    pub(crate) fn stop_all(&self) {
        for stop in self.running.lock().values().filter_map(Weak::upgrade) {
            stop.0.cancel();
        }
    }

    /// How many queries this process works for.
    pub(crate) fn count(&self) -> usize {
        self.running.lock().values().filter(|stop| stop.strong_count() > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_a_query_share_its_stop() {
        let statements = Statements::default();
        let (a, b) = (statements.join("q"), statements.join("q"));
        let other = statements.join("r");
        statements.stop("q");
        assert!(a.0.is_cancelled() && b.0.is_cancelled() && !other.0.is_cancelled());
        assert_eq!(statements.count(), 2);
        drop((a, b));
        assert_eq!(statements.count(), 1);
        assert!(!statements.join("q").0.is_cancelled());
        statements.stop("unknown");
    }
}
