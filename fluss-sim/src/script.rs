//! What a test decides about calls, and how many there were.

use fluss_scan::messages::Call;

use crate::cluster::Cluster;
use crate::fault::{Asked, Fault};

impl Cluster {
    /// Decides about every call from now on.
    pub fn set_script(&self, decide: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        self.inner.script.lock().decide = Some(Box::new(decide));
    }

    /// Nothing goes wrong any more.
    pub fn clear_script(&self) {
        self.inner.script.lock().decide = None;
    }

    /// How often a call came.
    pub fn count<C: Call>(&self) -> u64 {
        self.inner.script.lock().counts.get(&C::API).copied().unwrap_or(0)
    }

    /// How many connections were opened.
    pub fn connections(&self) -> u64 {
        self.inner.script.lock().connections
    }
}
