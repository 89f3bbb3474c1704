//! The tasks that write into the checker's tables.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fluss::metadata::TablePath;
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;

use super::history::Sequences;
use super::values::{added, mix, part};
use super::workload::{KEYS, KeyTable};
use super::{Options, Report};
use crate::cluster::Credentials;
use crate::error::{LabError, Result};
use crate::value::Value;
use crate::writer_process::WriterProcess;

/// Pause between rounds of writing.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a writer is opened again after a failure.
const RECONNECT: Duration = Duration::from_millis(500);
/// Columns of a primary-key table before any is added.
const COLUMNS: usize = 5;

pub(super) struct TableWriter {
    bootstrap: String,
    sasl: Option<Credentials>,
    path: TablePath,
    history: History,
}

enum History {
    None,
    Keys(Active),
    Sequences(Arc<Mutex<Sequences>>),
}

/// The keys that are written now. A key whose last write has no known outcome is left alone from then on, since a late
/// one could undo a newer one; its row goes on to be judged, and a new key takes its place.
struct Active {
    table: KeyTable,
    keys: Vec<usize>,
}

impl TableWriter {
    pub(super) fn new(options: &Options, path: TablePath) -> Self {
        let (bootstrap, sasl) = (options.bootstrap.clone(), options.sasl.clone());
        Self { bootstrap, sasl, path, history: History::None }
    }

    pub(super) fn of_keys(self, table: KeyTable) -> Self {
        let keys = (0..KEYS).collect();
        Self { history: History::Keys(Active { table, keys }), ..self }
    }

    pub(super) fn of_log(self, log: Arc<Mutex<Sequences>>) -> Self {
        Self { history: History::Sequences(log), ..self }
    }

    /// Writes rounds until `is_over`; a round that fails is a new writer's beginning.
    pub(super) async fn run(
        mut self,
        mut random: StdRng,
        report: &Mutex<Report>,
        is_over: impl Fn() -> bool,
    ) {
        while !is_over() {
            let written = self.write(&mut random, report, &is_over).await;
            if let Err(error) = written {
                report.lock().write_failed(&error);
                tokio::time::sleep(RECONNECT).await;
            }
        }
    }

    /// Opens a writer and writes until it fails, the table gets another shape, or all is over.
    async fn write(
        &mut self,
        random: &mut StdRng,
        report: &Mutex<Report>,
        is_over: &impl Fn() -> bool,
    ) -> Result<()> {
        match &mut self.history {
            History::None => Ok(()),
            History::Keys(active) => {
                let gate = Arc::clone(&active.table.gate);
                let opening = gate.read().await;
                let mut writer =
                    WriterProcess::open(&self.bootstrap, self.sasl.as_ref(), &self.path).await?;
                let shape = active.shape();
                active.check(&writer)?;
                drop(opening);
                while !is_over() {
                    let _writing = gate.read().await;
                    if active.shape() != shape {
                        return Ok(());
                    }
                    let rows = active.round(&mut writer, random).await?;
                    report.lock().written += rows;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            }
            History::Sequences(log) => {
                let mut writer =
                    WriterProcess::open(&self.bootstrap, self.sasl.as_ref(), &self.path).await?;
                // several sequences over all buckets; a failure ends them all
                let numbers: Vec<usize> = (0..4).map(|_| log.lock().begin()).collect();
                while !is_over() {
                    let written = append(log, &numbers, &mut writer, random).await;
                    if written.is_err() {
                        numbers.iter().for_each(|number| log.lock().fail(*number));
                    }
                    report.lock().written += written?;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            }
        }
    }
}

impl Active {
    /// Added columns, and how often the table was created: a writer knows the table as it was when it was opened.
    fn shape(&self) -> (u16, u64) {
        let keys = self.table.keys.lock();
        (keys.added(), keys.creations())
    }

    /// A server may not know of an added column yet.
    fn check(&self, writer: &WriterProcess) -> Result<()> {
        let columns = COLUMNS
            + usize::from(self.table.partitions.is_some())
            + usize::from(self.table.keys.lock().added());
        match writer.columns() == columns {
            true => Ok(()),
            false => Err(LabError::Misuse(format!(
                "{} has {} columns, not {columns}",
                self.table.name,
                writer.columns()
            ))),
        }
    }

    /// Writes some keys and waits until they are acknowledged; how many.
    async fn round(&mut self, writer: &mut WriterProcess, random: &mut StdRng) -> Result<u64> {
        let mut round = BTreeSet::new();
        let written = self.write_keys(writer, random, &mut round).await;
        if let Err(error) = written {
            let mut keys = self.table.keys.lock();
            for key in self.keys.iter_mut().filter(|key| round.contains(key)) {
                *key = keys.push();
            }
            return Err(error);
        }
        let rows = round.len() as u64;
        self.table.keys.lock().acknowledge(round);
        Ok(rows)
    }

    async fn write_keys(
        &self,
        writer: &mut WriterProcess,
        random: &mut StdRng,
        round: &mut BTreeSet<usize>,
    ) -> Result<()> {
        for _ in 0..random.random_range(1..30) {
            let key = self.keys[random.random_range(0..self.keys.len())];
            let (version, delete, added) = {
                let mut keys = self.table.keys.lock();
                let delete = !keys.is_absent(key) && random.random_bool(0.15);
                (keys.send(key, delete), delete, keys.added())
            };
            round.insert(key);
            let row = row(key as i64, version, self.table.partitions, added);
            match delete {
                true => writer.delete(&row).await?,
                false => writer.write(&row).await?,
            }
        }
        writer.flush().await
    }
}

async fn append(
    log: &Mutex<Sequences>,
    numbers: &[usize],
    writer: &mut WriterProcess,
    random: &mut StdRng,
) -> Result<u64> {
    let rows = random.random_range(1..30);
    for _ in 0..rows {
        let number = numbers[random.random_range(0..numbers.len())];
        let sequence = log.lock().send(number);
        let hash = Value::BigInt(mix(number as i64, sequence));
        writer.write(&[Value::Int(number as i32), Value::BigInt(sequence), hash]).await?;
    }
    writer.flush().await?;
    numbers.iter().for_each(|number| log.lock().acknowledge(*number));
    Ok(rows)
}

fn row(key: i64, version: i64, partitions: Option<i64>, columns: u16) -> Vec<Value> {
    let a = part(key, version);
    let first = [
        Value::BigInt(key),
        Value::BigInt(version),
        Value::Int(a),
        Value::Int(1000 - a),
        Value::BigInt(mix(key, version)),
    ];
    let partition = partitions.map(|n| Value::Int((key % n) as i32));
    let added = (0..columns).map(|column| Value::BigInt(added(key, version, column)));
    first.into_iter().chain(partition).chain(added).collect()
}
