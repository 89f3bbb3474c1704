//! All sessions of this frontend: who is connected, what runs, and how to stop it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use union_read::Waiting;

use crate::{Error, Result};

/// The part of a statement's text that is kept for `SHOW PROCESSLIST`.
pub const INFO_BYTES_MAX: usize = 64 * 1024;

/// One line of `SHOW PROCESSLIST`.
#[derive(Debug, Clone)]
pub struct Process {
    /// The connection's id.
    pub id: u32,
    /// The user.
    pub user: String,
    /// The client's address.
    pub host: String,
    /// The session's database.
    pub database: Option<String>,
    /// The running statement and when it began.
    pub statement: Option<(String, Instant)>,
    waiting: Waiting,
    connected: Instant,
    connection_stop: CancellationToken,
    statement_stop: CancellationToken,
}

impl Process {
    /// What the connection does: runs a statement, waits for something while it plans one, or nothing.
    pub fn state(&self) -> String {
        let running = self.statement.as_ref();
        running.map_or_else(String::new, |_| self.waiting.what().unwrap_or("running".into()))
    }

    /// Seconds in the present state: running the statement, or waiting for one.
    pub fn seconds(&self) -> u64 {
        self.statement.as_ref().map_or(self.connected, |(_, since)| *since).elapsed().as_secs()
    }
}

/// The list. Its length is bounded by the number of connections.
#[derive(Debug)]
pub struct ProcessList {
    processes: Mutex<BTreeMap<u32, Process>>,
    last: AtomicU32,
    statements: AtomicU64,
    since: Instant,
}

impl Default for ProcessList {
    fn default() -> Self {
        Self {
            processes: Mutex::default(),
            last: AtomicU32::new(0),
            statements: AtomicU64::new(0),
            since: Instant::now(),
        }
    }
}

impl ProcessList {
    /// A connection's id: unique while this frontend runs, never 0.
    pub fn next_id(&self) -> u32 {
        loop {
            let id = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if id != 0 && !self.processes.lock().contains_key(&id) {
                return id;
            }
        }
    }

    /// Adds a connection; it leaves the list when the entry is dropped.
    pub fn enter(self: &Arc<Self>, id: u32, user: &str, host: &str) -> Entry {
        let connection_stop = CancellationToken::new();
        let process = Process {
            id,
            user: user.into(),
            host: host.into(),
            database: None,
            statement: None,
            waiting: Waiting::default(),
            connected: Instant::now(),
            connection_stop: connection_stop.clone(),
            statement_stop: CancellationToken::new(),
        };
        self.processes.lock().insert(id, process);
        Entry { list: Arc::clone(self), id, stop: connection_stop }
    }

    /// All connections, by id.
    pub fn all(&self) -> Vec<Process> {
        self.processes.lock().values().cloned().collect()
    }

    /// What is counted under MySQL's names, for `SHOW STATUS`, by name.
    pub fn status(&self) -> Vec<(&'static str, u64)> {
        let (connected, running) = {
            let processes = self.processes.lock();
            let running = processes.values().filter(|p| p.statement.is_some()).count();
            (processes.len() as u64, running as u64)
        };
        let statements = self.statements.load(Ordering::Relaxed);
        vec![
            ("Connections", self.last.load(Ordering::Relaxed).into()),
            ("Queries", statements),
            ("Questions", statements),
            ("Threads_connected", connected),
            ("Threads_running", running),
            ("Uptime", self.since.elapsed().as_secs()),
        ]
    }

    /// `KILL`: stops the statement, and the connection unless `statement_only`.
    pub fn kill(&self, id: u32, statement_only: bool) -> Result<()> {
        let processes = self.processes.lock();
        let process = processes.get(&id).ok_or(Error::UnknownConnection(id))?;
        process.statement_stop.cancel();
        if !statement_only {
            process.connection_stop.cancel();
        }
        Ok(())
    }
}

/// A connection's place in the list.
#[derive(Debug)]
pub struct Entry {
    list: Arc<ProcessList>,
    id: u32,
    /// Cancelled when the connection is killed.
    pub stop: CancellationToken,
}

impl Entry {
    /// A statement begins; the token is cancelled when it is killed, and what it waits for is told to the other.
    pub fn begin(&self, sql: &str, database: Option<&str>) -> (CancellationToken, Waiting) {
        let (stop, waiting) = (CancellationToken::new(), Waiting::default());
        let shown = shown(sql);
        self.list.statements.fetch_add(1, Ordering::Relaxed);
        if let Some(process) = self.list.processes.lock().get_mut(&self.id) {
            process.statement = Some((shown, Instant::now()));
            process.database = database.map(str::to_string);
            process.statement_stop = stop.clone();
            process.waiting = waiting.clone();
        }
        (stop, waiting)
    }

    /// A statement that began earlier goes on: its token is cancelled when it is killed now.
    pub fn resume(&self, sql: &str, stop: &CancellationToken) {
        if let Some(process) = self.list.processes.lock().get_mut(&self.id) {
            process.statement = Some((shown(sql), Instant::now()));
            process.statement_stop = stop.clone();
        }
    }

    /// The statement ended.
    pub fn end(&self) {
        if let Some(process) = self.list.processes.lock().get_mut(&self.id) {
            process.statement = None;
            process.connected = Instant::now();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.list.processes.lock().remove(&self.id);
    }
}

/// The text that others may see: not too much of it, and nothing of what is said of a catalog after its name, which may be
/// a secret, also where it is mistyped or stands between other statements.
fn shown(sql: &str) -> String {
    let mut end = sql.len().min(INFO_BYTES_MAX);
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    let text = &sql[..end];
    // as long as the text, and with characters in the same places
    let lower = text.to_ascii_lowercase();
    let says_more = |(place, word): (usize, &str)| {
        let before = lower[..place].trim_end();
        let is_about = ["create", "alter", "external"].iter().any(|verb| before.ends_with(verb));
        let after = place + word.len();
        let secret = lower[after..].find(['(', '"', '\'', ';']).map(|found| after + found);
        secret.filter(|_| is_about)
    };
    match lower.match_indices("catalog").find_map(says_more) {
        Some(secret) => format!("{}…", &text[..secret]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_catalogs_are_not_shown() {
        for (sql, seen) in [
            (
                "CREATE EXTERNAL CATALOG c PROPERTIES (\"a\" = \"s3cret\")",
                "CREATE EXTERNAL CATALOG c PROPERTIES …",
            ),
            (
                "select é; create  catalog c comment 's3cret'",
                "select é; create  catalog c comment …",
            ),
            ("alter catalog c set ('a' = 's3cret')", "alter catalog c set …"),
            ("select count(*) from catalog.db.t", "select count(*) from catalog.db.t"),
            ("show create catalog c", "show create catalog c"),
        ] {
            assert_eq!(shown(sql), seen);
        }
        assert_eq!(shown(&"é".repeat(INFO_BYTES_MAX)).len(), INFO_BYTES_MAX);
    }

    #[test]
    fn kill_reaches_the_statement_of_that_connection() {
        let list = Arc::new(ProcessList::default());
        let (a, b) = (list.next_id(), list.next_id());
        let (first, second) = (list.enter(a, "root", "h"), list.enter(b, "root", "h"));
        let (one, _) = first.begin("SELECT é", None);
        let (two, _) = second.begin("SELECT 2", Some("db"));
        list.kill(a, true).unwrap();
        assert!(one.is_cancelled() && !two.is_cancelled() && !first.stop.is_cancelled());
        list.kill(b, false).unwrap();
        assert!(two.is_cancelled() && second.stop.is_cancelled());
        drop(second);
        assert_eq!(list.kill(b, true), Err(Error::UnknownConnection(b)));
        first.end();
        assert!(list.all()[0].statement.is_none());
    }
}
