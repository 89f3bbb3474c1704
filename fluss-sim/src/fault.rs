//! What goes wrong with a call, decided by a script per call.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fluss_scan::messages::Call;

/// A call that reached a server.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The server.
    pub server: i32,
    /// Which connection, counted over the whole cluster.
    pub connection: u64,
    /// The call's id in the protocol.
    pub api: i16,
    /// How many calls of this kind came before, at any server.
    pub nth: u64,
    /// How many calls came before on this connection.
    pub nth_on_connection: u64,
}

impl Asked {
    /// Whether it is this call.
    pub fn is<C: Call>(&self) -> bool {
        self.api == C::API
    }
}

/// What happens to a call instead of its answer, or to the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No answer ever; the connection stays.
    Silence,
    /// The answer comes after this time.
    Late(Duration),
    /// The connection ends behind this many bytes of the answer, length prefix included.
    CutAt(usize),
    /// The answer pauses behind this many bytes.
    StallAt(usize, Duration),
    /// This bit of the answer is the other one, counted from behind the length prefix, modulo its size.
    FlipBit(usize),
    /// This bit of the first batch in a fetch's answer is the other one, counted from its checksum on, modulo what
    /// follows: what a checksum covers, in a batch that has a right one.
    FlipRecordBit(usize),
    /// Every bucket in the answer has this error instead; nothing happens to calls that are not about buckets.
    BucketError(i32),
    /// A fetch finds its limits used up: no records and no error, which says nothing about the end of a log.
    Starve,
    /// The server fails at it with an unexpected exception.
    Exception,
    /// The server gives up the whole connection with a frame of type 2.
    ServerFailure,
}

type Decide = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

/// The script of a cluster.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) decide: Option<Decide>,
    pub(crate) counts: BTreeMap<i16, u64>,
    pub(crate) connections: u64,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Script {
    pub(crate) fn connect(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Counts a call and decides about it.
    pub(crate) fn decide(
        &mut self,
        server: i32,
        connection: u64,
        api: i16,
        nth_on_connection: u64,
    ) -> Option<Fault> {
        let count = self.counts.entry(api).or_default();
        let nth = *count;
        *count += 1;
        let asked = Asked { server, connection, api, nth, nth_on_connection };
        self.decide.as_mut().and_then(|decide| decide(&asked))
    }
}
