//! The checker's tables, and the tasks that write into them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fluss::metadata::{DataTypes, TablePath};
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;

use super::history::{Keys, Sequences, mix, part};
use super::{Options, Report};
use crate::cluster::{Credentials, TableSpec, connect};
use crate::error::Result;
use crate::value::Value;
use crate::writer::Writer;

/// Keys of each primary-key table.
const KEYS: usize = 400;
/// How far the lake may lag behind: short, so that its snapshots change under the readers.
const FRESHNESS: Duration = Duration::from_secs(1);
/// Pause between rounds of writing.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a writer is opened again after a failure.
const RECONNECT: Duration = Duration::from_millis(500);

/// Histories that writers extend and readers judge by.
pub(super) struct Workload {
    pub(super) accounts: Arc<Mutex<Keys>>,
    pub(super) orders: Arc<Mutex<Keys>>,
    pub(super) events: Arc<Mutex<Sequences>>,
    writers: [TableWriter; 3],
}

#[derive(Clone)]
pub(super) struct TableWriter {
    bootstrap: String,
    sasl: Option<Credentials>,
    table: TablePath,
}

pub(super) enum History {
    Keys(Arc<Mutex<Keys>>),
    Sequences(Arc<Mutex<Sequences>>),
}

fn keyed(database: &str, table: &str) -> TableSpec {
    TableSpec::new(database, table)
        .column("k", DataTypes::bigint())
        .column("ver", DataTypes::bigint())
        .column("a", DataTypes::int())
        .column("b", DataTypes::int())
        .column("h", DataTypes::bigint())
        .primary_key(["k"])
        .buckets(3)
        .lake(FRESHNESS)
}

fn log(database: &str, table: &str) -> TableSpec {
    TableSpec::new(database, table)
        .column("writer", DataTypes::int())
        .column("seq", DataTypes::bigint())
        .column("h", DataTypes::bigint())
        .buckets(3)
        .bucket_keys(["writer"])
        .lake(FRESHNESS)
}

impl Workload {
    pub(super) async fn create(options: &Options) -> Result<Self> {
        let connection = connect(&options.bootstrap, options.sasl.as_ref()).await?;
        let admin = connection.get_admin()?;
        let database = options.database.as_str();
        let tables =
            [keyed(database, "accounts"), keyed(database, "orders"), log(database, "events")];
        for table in &tables {
            table.create(&admin).await?;
        }
        let writers = tables.map(|table| TableWriter {
            bootstrap: options.bootstrap.clone(),
            sasl: options.sasl.clone(),
            table: table.path().clone(),
        });
        let keys = || Arc::new(Mutex::new(Keys::new(KEYS)));
        Ok(Self { accounts: keys(), orders: keys(), events: Arc::default(), writers })
    }

    pub(super) fn writers(&self) -> Vec<(TableWriter, History)> {
        let [accounts, orders, events] = self.writers.clone();
        vec![
            (accounts, History::Keys(Arc::clone(&self.accounts))),
            (orders, History::Keys(Arc::clone(&self.orders))),
            (events, History::Sequences(Arc::clone(&self.events))),
        ]
    }
}

impl TableWriter {
    /// Writes rounds until `is_over`; a round that fails is a new writer's beginning.
    pub(super) async fn run(
        self,
        history: History,
        mut random: StdRng,
        report: &Mutex<Report>,
        is_over: impl Fn() -> bool,
    ) -> Result<()> {
        // keys whose last write has no known outcome: a late one could undo a newer one
        let mut uncertain = BTreeSet::new();
        while !is_over() {
            let opened = connect(&self.bootstrap, self.sasl.as_ref()).await;
            let opened = match opened {
                Ok(connection) => Writer::over(connection, &self.table).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(mut writer) => match &history {
                    History::Keys(keys) => {
                        self.write_keys(
                            &mut writer,
                            keys,
                            &mut uncertain,
                            &mut random,
                            report,
                            &is_over,
                        )
                        .await;
                    }
                    History::Sequences(log) => {
                        self.write_log(&mut writer, log, &mut random, report, &is_over).await;
                    }
                },
                Err(_) => report.lock().write_failures += 1,
            }
            if !is_over() {
                tokio::time::sleep(RECONNECT).await;
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the state of one writer, which only it has")]
    async fn write_keys(
        &self,
        writer: &mut Writer,
        keys: &Mutex<Keys>,
        uncertain: &mut BTreeSet<usize>,
        random: &mut StdRng,
        report: &Mutex<Report>,
        is_over: &impl Fn() -> bool,
    ) {
        while !is_over() {
            let mut round = BTreeSet::new();
            let mut written = Ok(());
            for _ in 0..random.random_range(1..30) {
                let key = random.random_range(0..KEYS);
                if uncertain.contains(&key) {
                    continue;
                }
                let (version, delete) = {
                    let mut keys = keys.lock();
                    let delete = !keys.is_absent(key) && random.random_bool(0.15);
                    (keys.send(key, delete), delete)
                };
                round.insert(key);
                let row = row(key as i64, version);
                written = match delete {
                    true => writer.delete(&row).await,
                    false => writer.write(&row).await,
                };
                if written.is_err() {
                    break;
                }
            }
            if written.is_ok() {
                written = writer.flush().await;
            }
            if written.is_err() {
                uncertain.extend(round);
                report.lock().write_failures += 1;
                return;
            }
            report.lock().written += round.len() as u64;
            keys.lock().acknowledge(round);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn write_log(
        &self,
        writer: &mut Writer,
        log: &Mutex<Sequences>,
        random: &mut StdRng,
        report: &Mutex<Report>,
        is_over: &impl Fn() -> bool,
    ) {
        // several sequences over all buckets; a failure ends them all
        let numbers: Vec<usize> = (0..4).map(|_| log.lock().begin()).collect();
        while !is_over() {
            let rows = random.random_range(1..30);
            let mut written = Ok(());
            for _ in 0..rows {
                let number = numbers[random.random_range(0..numbers.len())];
                let sequence = log.lock().send(number);
                written = writer
                    .write(&[
                        Value::Int(number as i32),
                        Value::BigInt(sequence),
                        Value::BigInt(mix(number as i64, sequence)),
                    ])
                    .await;
                if written.is_err() {
                    break;
                }
            }
            if written.is_ok() {
                written = writer.flush().await;
            }
            if written.is_err() {
                numbers.iter().for_each(|number| log.lock().fail(*number));
                report.lock().write_failures += 1;
                return;
            }
            numbers.iter().for_each(|number| log.lock().acknowledge(*number));
            report.lock().written += rows;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn row(key: i64, version: i64) -> Vec<Value> {
    let a = part(key, version);
    vec![
        Value::BigInt(key),
        Value::BigInt(version),
        Value::Int(a),
        Value::Int(1000 - a),
        Value::BigInt(mix(key, version)),
    ]
}
