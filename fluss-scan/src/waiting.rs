//! What a statement waits for, for whoever lists statements.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;

tokio::task_local! {
    static WAITING: Waiting;
}

/// What the work of one statement waits for, if that is worth telling.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<Option<String>>>);

impl Waiting {
    /// What is waited for, such as `leader of bucket 0 of table 7`.
    pub fn what(&self) -> Option<String> {
        self.0.lock().clone()
    }

    /// Does the work; all waits of its task are told here.
    pub async fn watch<F: Future>(&self, work: F) -> F::Output {
        WAITING.scope(self.clone(), work).await
    }
}

/// Tells what is waited for until it is dropped; to nobody where nobody watches.
#[derive(Debug)]
pub(crate) struct Wait(Option<Waiting>);

impl Wait {
    pub(crate) fn on(what: &str) -> Self {
        let waiting = WAITING.try_with(Waiting::clone).ok();
        if let Some(waiting) = &waiting {
            *waiting.0.lock() = Some(what.to_string());
        }
        Self(waiting)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            *waiting.0.lock() = None;
        }
    }
}
