//! What is kept of a wrong answer, so that others can judge it again without the cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fluss::client::EARLIEST_OFFSET;
use fluss::metadata::TablePath;
use fluss::row::DataGetters;
use fluss::rpc::message::OffsetSpec;
use mysql_async::Conn;
use serde::{Deserialize, Serialize};

use super::Options;
use super::case::{Case, LOG, Shown, Wrong};
use super::lake::{self, HalfUpdate};
use super::workload::Workload;
use crate::cluster::connect;
use crate::deployment::query;
use crate::error::{IoContext, LabError, Result};
use crate::wait::request;

/// Records of the log that are kept for one violation.
const RECORDS_MAX: usize = 200_000;
/// The longest wait for the statement's read point, and for the logs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Silence after which a log counts as read.
const SILENCE: Duration = Duration::from_secs(2);

/// A wrong answer.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The statement, its answer and what it may say.
    pub case: Case,
    /// What is wrong.
    pub wrong: Wrong,
    /// Where that very statement has read, bucket by bucket.
    pub read_point: Vec<Vec<String>>,
    /// The bucket of the key that is wrong, as the log has it.
    pub bucket: Option<String>,
    /// Whether the answer is right about what Fluss and its tiering hold: an independent reader finds that the log lost
    /// what it had acknowledged, or that the lake ends inside of updates.
    pub lost_upstream: bool,
    /// Updates that the lake of the read point has the first half of.
    pub half_updates: Vec<HalfUpdate>,
    /// What the session had seen of that key, oldest first.
    pub seen: Vec<String>,
    /// Where all of it is written.
    pub directory: PathBuf,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {:?}", self.case.sql, self.case.parameters)?;
        writeln!(f, "  {}", self.wrong.what)?;
        writeln!(f, "  bucket: {}", self.bucket.as_deref().unwrap_or("not known"))?;
        for row in &self.read_point {
            writeln!(f, "  read point: {}", row.join(" | "))?;
        }
        for seen in &self.seen {
            writeln!(f, "  seen before: {seen}")?;
        }
        for half in &self.half_updates {
            writeln!(f, "  {half}")?;
        }
        if self.lost_upstream && self.half_updates.is_empty() {
            writeln!(f, "  the log itself has lost what it had acknowledged")?;
        }
        write!(f, "  replay: checker --replay {}", self.directory.display())
    }
}

/// An answer that a session has seen and that was right.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) seconds: f64,
    pub(super) sql: String,
    pub(super) parameters: Vec<i64>,
    pub(super) shown: Shown,
}

/// A wrong answer before anything is fetched about it.
pub(super) struct Evidence {
    pub(super) case: Case,
    pub(super) wrong: Wrong,
    pub(super) answered: Vec<Answered>,
    pub(super) seconds: f64,
}

/// One record of a log, as `fluss-rs` reads it, which shares no code with our reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The partition's id.
    pub partition: Option<i64>,
    /// The bucket.
    pub bucket: i32,
    /// The offset.
    pub offset: i64,
    /// `+I`, `-U`, `+U`, `-D`, `+A`.
    pub change: String,
    /// The first two columns: key and version, or writer and sequence number.
    pub row: [i64; 2],
}

/// All that is written about a wrong answer but copies of the lake.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The statement, its answer and what it may say.
    pub case: Case,
    /// What is wrong with it.
    pub wrong: Wrong,
    /// `SHOW READ POINTS` of that very statement.
    pub read_point: Vec<Vec<String>>,
    /// What the session had seen of the key.
    pub seen: Vec<String>,
    /// What is left of the logs of the tables, by table; where they could not be read: why.
    pub logs: BTreeMap<String, std::result::Result<Vec<Record>, String>>,
}

/// The file in a violation's directory that [`Kept`] is in.
pub(super) const KEPT: &str = "violation.json";

impl Evidence {
    /// Fetches what there is about a wrong answer and writes it down. What cannot be had is told in its place.
    pub(super) async fn keep(
        self,
        session: &mut Conn,
        options: &Options,
        workload: &Workload,
    ) -> Violation {
        let read_point =
            match tokio::time::timeout(PATIENCE, query(session, "SHOW READ POINTS")).await {
                Ok(Ok(rows)) => rows,
                Ok(Err(error)) => vec![vec![error.to_string()]],
                Err(_) => vec![vec![format!("no answer in {PATIENCE:?}")]],
            };
        let directory = directory(options, self.seconds);
        // before the logs: the lake's snapshot may expire
        if let Err(error) = lake::copy(&directory, &read_point) {
            eprintln!("checker: {error}");
        }
        let mut logs = BTreeMap::new();
        for path in self.tables(workload) {
            let starts = starts(&path, &read_point);
            let read = tokio::time::timeout(PATIENCE, records(options, &path, &starts)).await;
            let read = read.map_err(|_| format!("not read in {PATIENCE:?}"));
            let read = read.and_then(|read| read.map_err(|error| error.to_string()));
            logs.insert(path.table().to_owned(), read);
        }
        let seen = self.seen();
        let kept = Kept { case: self.case, wrong: self.wrong, read_point, seen, logs };
        if let Err(error) = write(&directory, &kept) {
            eprintln!("checker: {error}");
        }
        kept.violation(directory)
    }

    fn tables(&self, workload: &Workload) -> Vec<TablePath> {
        let paths = workload.tables.iter().map(|table| table.spec.path());
        let read = |path: &&TablePath| self.case.sql.contains(&format!("`{}", path.table()));
        paths.chain([&workload.log]).filter(read).cloned().collect()
    }

    fn seen(&self) -> Vec<String> {
        let Some(key) = self.wrong.key else { return vec![] };
        let mut told = vec![];
        for answer in &self.answered {
            let is_log = self.wrong.table.as_deref() == Some(LOG);
            let tables: Vec<&str> = answer.sql.split('`').skip(1).step_by(2).collect();
            for (table, keys) in tables.iter().zip(&answer.shown.keys) {
                let name = table.split('$').next();
                let version = keys.iter().find(|(shown, _)| *shown == key && !is_log);
                if let Some((_, version)) = version.filter(|_| name == self.wrong.table.as_deref())
                {
                    let Answered { seconds, sql, parameters, .. } = answer;
                    told.push(format!("{seconds:.1} s: version {version}: {sql} {parameters:?}"));
                }
            }
            let reached = answer.shown.writers.iter().find(|(writer, _)| *writer == key && is_log);
            if let Some((_, last)) = reached {
                told.push(format!("{:.1} s: up to {last}: {}", answer.seconds, answer.sql));
            }
        }
        told
    }
}

impl Kept {
    /// Reads what was written.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(KEPT);
        let text = std::fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| LabError::Misuse(format!("{}: {error}", path.display())))
    }

    fn log(&self) -> &[Record] {
        let log = self.wrong.table.as_ref().and_then(|table| self.logs.get(table));
        log.and_then(|log| log.as_ref().ok()).map_or(&[], Vec::as_slice)
    }

    /// The records of the key that is wrong.
    pub(super) fn records(&self) -> Vec<&Record> {
        self.log().iter().filter(|record| Some(record.row[0]) == self.wrong.key).collect()
    }

    pub(super) fn bucket(&self) -> Option<String> {
        let record = self.records().last().copied()?;
        let partition = record.partition.map_or(String::new(), |id| format!("partition {id}, "));
        Some(format!("{partition}bucket {}", record.bucket))
    }

    /// Whether the log, read by another client, ends before what was acknowledged although it goes on for others.
    fn lost_upstream(&self) -> bool {
        let (Some(key), Some(table)) = (self.wrong.key, self.wrong.table.as_deref()) else {
            return false;
        };
        let Some(acked) = self.case.acked(table, key) else { return false };
        let records = self.records();
        let last = records.iter().map(|record| record.row[1]).max();
        // a deletion's record has the version that it ends; it counts as that of the next one
        let deleted = records.iter().filter(|record| record.change == "-D");
        let ended = deleted.map(|record| record.row[1] + 1).max();
        last.max(ended).is_some_and(|last| last < acked)
    }

    pub(super) fn violation(self, directory: PathBuf) -> Violation {
        let half_updates = lake::half_updates(&directory, &self.read_point);
        let is_half = self.case.without(&half_updates).judge().is_ok();
        Violation {
            bucket: self.bucket(),
            lost_upstream: is_half || self.lost_upstream(),
            half_updates,
            case: self.case,
            wrong: self.wrong,
            read_point: self.read_point,
            seen: self.seen,
            directory,
        }
    }
}

/// A new directory for one violation.
fn directory(options: &Options, seconds: f64) -> PathBuf {
    let name = |n: u32| format!("{}-seed{}-{seconds:.0}s-{n}", options.database, options.seed);
    let candidates = (0..u32::MAX).map(|n| options.evidence.join(name(n)));
    candidates.into_iter().find(|path| !path.exists()).unwrap_or_default()
}

fn write(directory: &Path, kept: &Kept) -> Result<()> {
    let text = serde_json::to_string_pretty(kept)
        .map_err(|error| LabError::Misuse(format!("a violation is no JSON: {error}")))?;
    let path = directory.join(KEPT);
    std::fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
    let told = kept.clone().violation(directory.to_owned()).to_string();
    let path = directory.join("violation.txt");
    std::fs::write(&path, told).doing(|| format!("write {}", path.display()))
}

/// By partition and bucket.
type Offsets = BTreeMap<(Option<i64>, i32), i64>;

/// Where the statement's log begins, by bucket: before that a server may have dropped it.
fn starts(path: &TablePath, read_point: &[Vec<String>]) -> Offsets {
    let name = format!("{}.{}", path.database(), path.table());
    let start = |row: &Vec<String>| {
        let [table, _, _, _, partition, bucket, _, start, ..] = &row[..] else { return None };
        let key = (partition.parse().ok(), bucket.parse().ok()?);
        (*table == name).then_some((key, start.parse().ok()?))
    };
    read_point.iter().filter_map(start).collect()
}

/// What a table's log holds from the read point on, read with `fluss-rs`.
///
/// # Errors
/// It could not be read to its end: a part of it would accuse others.
async fn records(options: &Options, path: &TablePath, starts: &Offsets) -> Result<Vec<Record>> {
    let connection = connect(&options.bootstrap, options.sasl.as_ref()).await?;
    let table = request("open table", connection.get_table(path)).await?;
    let admin = connection.get_admin()?;
    let buckets = 0..table.get_table_info().get_num_buckets();
    let scanner = table.new_scan().create_log_scanner()?;
    let start = |key: (Option<i64>, i32)| starts.get(&key).copied().unwrap_or(EARLIEST_OFFSET);
    let mut left = Offsets::new();
    let numbers: Vec<i32> = buckets.collect();
    if table.get_table_info().is_partitioned() {
        for partition in request("partitions", admin.list_partition_infos(path)).await? {
            let (id, name) = (partition.get_partition_id(), partition.get_partition_name());
            let ends = admin.list_partition_offsets(path, &name, &numbers, OffsetSpec::Latest);
            for (bucket, end) in request("list offsets", ends).await? {
                let from = start((Some(id), bucket));
                request("subscribe", scanner.subscribe_partition(id, bucket, from)).await?;
                left.insert((Some(id), bucket), end);
            }
        }
    } else {
        let ends = admin.list_offsets(path, &numbers, OffsetSpec::Latest);
        for (bucket, end) in request("list offsets", ends).await? {
            request("subscribe", scanner.subscribe(bucket, start((None, bucket)))).await?;
            left.insert((None, bucket), end);
        }
    }
    left.retain(|key, end| *end > start(*key).max(0));
    let mut all = vec![];
    while !left.is_empty() && all.len() < RECORDS_MAX {
        let polled = scanner.poll(SILENCE).await?;
        for (bucket, records) in polled.into_records_by_buckets() {
            let key = (bucket.partition_id(), bucket.bucket_id());
            for record in records {
                if left.get(&key).is_some_and(|end| record.offset() + 1 >= *end) {
                    left.remove(&key);
                }
                let number = |column: usize| -> Result<i64> {
                    Ok(match column == 0 && path.table() == LOG {
                        true => i64::from(record.row().get_int(0)?),
                        false => record.row().get_long(column)?,
                    })
                };
                all.push(Record {
                    partition: bucket.partition_id(),
                    bucket: bucket.bucket_id(),
                    offset: record.offset(),
                    change: record.change_type().short_string().into(),
                    row: [number(0)?, number(1)?],
                });
            }
        }
    }
    if !left.is_empty() {
        return Err(LabError::Misuse(format!("more than {RECORDS_MAX} records")));
    }
    all.sort_by_key(|record| (record.partition, record.bucket, record.offset));
    Ok(all)
}
