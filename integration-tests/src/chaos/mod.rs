//! Chaos on the real cluster: servers are killed and frozen and tables change their shape, while the checker judges
//! every answer.
//!
//! - [`fault`]: what is done; a seed decides. [`shape`]: changes of tables.
//! - [`nemesis`]: who does it, and heals.
//! - [`ledger`]: what came out, for all runs.
//!
//! Lake snapshots expire after seconds, and with an even seed logs after some more; the coordinator is left alone then, since
//! what it does to the logs of 0.9.1 when it comes back is known ([`crate::holes`]). Deliberately absent: two tablet servers away
//! at a time, since of three copies an acknowledged row is sure to be in two.

pub mod fault;
pub mod ledger;
mod nemesis;
mod shape;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::checker::{self, Checker, Report, Surroundings, Tables};
use crate::cluster::{Cluster, ClusterOptions};
use crate::deployment::Deployment;
use crate::error::{LabError, Result};
use fault::Counts;
use ledger::Entry;
use nemesis::Nemesis;

const TABLETS: usize = 3;
const BACKENDS: usize = 2;
/// What must hold: answers a minute, and the share of statements that fail.
const CHECKED_PER_MINUTE: f64 = 200.0;
const VISIBLE_ERRORS_MAX: f64 = 0.01;

/// A run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long the load lasts.
    pub duration: Duration,
    /// Decides what is done, written and asked.
    pub seed: u64,
    /// Sessions that ask.
    pub readers: usize,
    /// Only kill processes.
    pub kills_only: bool,
    /// Where wrong answers are written down.
    pub evidence: PathBuf,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// Of the checker.
    pub report: Report,
    /// What was done.
    pub faults: Counts,
    /// Seconds under load.
    pub seconds: u64,
    /// Sessions that asked.
    pub readers: usize,
    /// Why the run could not go on; `None`: it went to its end.
    pub aborted: Option<String>,
}

impl Outcome {
    /// What did not hold; empty: everything did.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = vec![];
        let report = &self.report;
        broken.extend(self.aborted.as_ref().map(|why| format!("aborted: {why}")));
        let mut need = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        need(report.violations.is_empty(), format!("{} wrong answers", report.violations.len()));
        need(
            report.others == 0,
            format!("{} errors without a code that says retry", report.others),
        );
        let share = report.visible_errors();
        need(share <= VISIBLE_ERRORS_MAX, format!("{:.2} % visible errors", share * 100.0));
        // each session has one statement under way when the frontend is killed, and one where it comes back
        let kills = self.faults.get("frontend killed").copied().unwrap_or(0);
        let most = 2 * kills * self.readers as u64;
        need(report.lost <= most, format!("{} statements lost in {kills} kills", report.lost));
        let least = self.seconds as f64 / 60.0 * CHECKED_PER_MINUTE;
        need(report.checked as f64 >= least, format!("{} checked of {least:.0}", report.checked));
        broken
    }

    /// The run as a line of the ledger.
    pub fn entry(&self, seed: u64, commit: String) -> Entry {
        let (report, broken) = (&self.report, self.broken());
        Entry {
            date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
            commit,
            seed,
            seconds: self.seconds,
            asked: report.asked,
            checked: report.checked,
            rows: report.rows,
            wrong: report.violations.len() as u64,
            lost_upstream: report.lost_upstream.len() as u64 + report.holes,
            retryable: report.retryable,
            lost: report.lost,
            others: report.others,
            excused: report.excused,
            verdict: if broken.is_empty() { "held".into() } else { broken.join("; ") },
            faults: self.faults.clone(),
        }
    }
}

/// Starts everything, does it, and judges.
///
/// # Errors
/// The cluster does not come up. What goes wrong later is part of the outcome.
pub async fn run(options: &Options) -> Result<Outcome> {
    let logs_expire = options.seed.is_multiple_of(2);
    let cluster = Cluster::start(cluster_options(logs_expire)).await?;
    let millrace = Deployment::start(BACKENDS).await?;
    let created = millrace.create_catalog(&cluster.bootstrap()).await;
    created.map_err(|error| LabError::Setup(format!("the catalog: {error}")))?;
    let options = options.clone();
    let checker = Checker::create(&checker::Options {
        bootstrap: cluster.bootstrap(),
        mysql: ("127.0.0.1".into(), millrace.mysql_port()),
        database: "chaos".into(),
        tables: tables(),
        // the nemesis ends it
        duration: options.duration + Duration::from_secs(600),
        readers: options.readers,
        seed: options.seed,
        evidence: options.evidence.clone(),
        ..checker::Options::default()
    })
    .await?;
    let remote_logs = cluster.directory().join("remote/log");
    let surroundings = Arc::new(Surroundings::with_remote_logs(remote_logs));
    let workload = checker.workload();
    let began = Instant::now();
    let mut nemesis = Nemesis {
        cluster: &cluster,
        millrace: &millrace,
        surroundings: Arc::clone(&surroundings),
        tables: workload.tables.clone(),
        paths: workload.paths(),
        random: StdRng::seed_from_u64(options.seed),
        counts: Counts::new(),
        began,
        tablets: TABLETS,
        backends: BACKENDS,
        kills_only: options.kills_only,
        logs_expire,
        tiered: (0, began),
    };
    let ends = began + options.duration;
    let harm = async {
        let harmed = nemesis.run(ends).await;
        surroundings.end();
        harmed
    };
    let (report, harmed) = tokio::join!(checker.run(&surroundings), harm);
    let mut faults = nemesis.counts;
    faults.extend(expired(&cluster, &checker).await);
    let seconds = began.elapsed().as_secs();
    let report = report?;
    if report.others > 0 || !report.violations.is_empty() {
        millrace.keep_logs(&options.evidence.join(format!("seed{}-logs", options.seed)))?;
    }
    Ok(Outcome {
        report,
        faults,
        seconds,
        readers: options.readers,
        aborted: harmed.err().map(|error| error.to_string()),
    })
}

/// Three copies of every bucket, acknowledged by two; a lost server is noticed soon; small segments, so that logs can expire,
/// which they can only where they are copied to remote storage.
fn cluster_options(logs_expire: bool) -> ClusterOptions {
    let options = [
        ("default.replication.factor", "3"),
        ("log.replica.min-in-sync-replicas-number", "2"),
        ("zookeeper.client.session-timeout", "5s"),
        ("zookeeper.client.connection-timeout", "5s"),
    ];
    ClusterOptions {
        tablet_servers: TABLETS,
        kv_snapshot_interval: Duration::from_secs(10),
        segment_bytes: 32 << 10,
        remote_log_interval: if logs_expire { Duration::from_secs(1) } else { Duration::ZERO },
        heap_divisor: 2,
        server_options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
        ..ClusterOptions::default()
    }
}

/// Lake snapshots and logs live for seconds.
fn tables() -> Tables {
    let properties = [
        ("table.log.ttl", "20s"),
        ("table.log.tiered.local-segments", "1"),
        ("table.datalake.auto-expire-snapshot", "true"),
        // a tiering job that dies between its commit in the lake and Fluss's leaves Fluss with the snapshot before: where
        // only one is retained, that one is gone until a later round ends
        ("paimon.snapshot.num-retained.min", "3"),
        ("paimon.snapshot.num-retained.max", "8"),
        ("paimon.snapshot.time-retained", "2s"),
    ];
    let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Tables { changing: true, properties: properties.to_vec() }
}

/// Snapshots of the lake and records of the logs that have expired, over all tables as they are in the end.
async fn expired(cluster: &Cluster, checker: &Checker) -> Counts {
    let (mut snapshots, mut records) = (0, 0);
    for path in checker.workload().paths() {
        let lake = cluster.warehouse().join(format!("{}.db", path.database())).join(path.table());
        let names = std::fs::read_dir(lake.join("snapshot")).into_iter().flatten().flatten();
        let number = |entry: std::fs::DirEntry| {
            entry.file_name().to_str()?.strip_prefix("snapshot-")?.parse::<u64>().ok()
        };
        snapshots += names.filter_map(number).min().map_or(0, |first| first - 1);
        let starts = cluster.log_starts(&path).await.unwrap_or_default();
        records += starts.values().map(|start| (*start).max(0) as u64).sum::<u64>();
    }
    Counts::from([("snapshots expired".into(), snapshots), ("records expired".into(), records)])
}
