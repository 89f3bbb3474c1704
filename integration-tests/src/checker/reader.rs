//! Sessions that ask, and what is made of their answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;

use super::history::{Floor, Keys, Reach, Seen, Sequences, Violation, within};
use super::workload::Workload;
use super::{Options, Report};
use crate::error::Result;

/// Before a lost session is opened again.
const RECONNECT: Duration = Duration::from_millis(200);
/// A statement that takes longer counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);
/// Error number of what may succeed when it is asked again.
const RETRY: u16 = 1213;

type Row = Vec<Option<i64>>;

/// One session's knowledge of a primary-key table.
struct Table {
    name: &'static str,
    keys: Arc<Mutex<Keys>>,
    /// Of the table, of its lake.
    seen: [Floor; 2],
}

pub(super) struct Reader {
    mysql: OptsBuilder,
    prefix: String,
    tables: [Table; 2],
    log: Arc<Mutex<Sequences>>,
    reached: [Reach; 2],
    random: StdRng,
}

/// Why an answer was not judged right.
enum Failed {
    Wrong(String),
    Sql(mysql_async::Error),
    Hung,
}

impl From<mysql_async::Error> for Failed {
    fn from(error: mysql_async::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<String> for Failed {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// What to ask. The first of the two tables is `self.tables[table]`.
#[derive(Clone, Copy, Debug)]
enum Question {
    Rows { table: usize, lake: bool, stream: bool },
    Range { table: usize, from: usize, to: usize },
    Prepared { table: usize, key: usize },
    Sums { table: usize },
    Join,
    Log { lake: bool },
    LogRows,
}

impl Reader {
    pub(super) fn new(options: &Options, workload: &Workload, random: StdRng) -> Self {
        let mysql = OptsBuilder::default()
            .ip_or_hostname(options.mysql.0.clone())
            .tcp_port(options.mysql.1)
            .user(Some("root"))
            .prefer_socket(false);
        let table = |name, keys: &Arc<Mutex<Keys>>| {
            let lowest = keys.lock().lowest();
            Table { name, keys: Arc::clone(keys), seen: [lowest.clone(), lowest] }
        };
        Self {
            mysql,
            prefix: format!("{}.{}", options.catalog, options.database),
            tables: [table("accounts", &workload.accounts), table("orders", &workload.orders)],
            log: Arc::clone(&workload.events),
            reached: Default::default(),
            random,
        }
    }

    /// Asks until `is_over`.
    pub(super) async fn run(
        mut self,
        report: &Mutex<Report>,
        is_over: impl Fn() -> bool,
    ) -> Result<()> {
        while !is_over() {
            let Ok(mut session) = Conn::new(self.mysql.clone()).await else {
                report.lock().keep_error("cannot connect".into());
                tokio::time::sleep(RECONNECT).await;
                continue;
            };
            while !is_over() {
                let question = self.question();
                if !self.ask(&mut session, question, report).await {
                    break;
                }
            }
        }
        Ok(())
    }

    fn question(&mut self) -> Question {
        let table = self.random.random_range(0..self.tables.len());
        let keys = self.tables[table].keys.lock().len();
        let key = self.random.random_range(0..keys);
        match self.random.random_range(0..14) {
            0..3 => Question::Rows { table, lake: false, stream: false },
            3 => Question::Rows { table, lake: true, stream: false },
            4 => Question::Rows { table, lake: false, stream: true },
            5 => Question::Range {
                table,
                from: key,
                to: (key + self.random.random_range(1..60)).min(keys),
            },
            6 => Question::Prepared { table, key },
            7..9 => Question::Sums { table },
            9 => Question::Join,
            10 => Question::Log { lake: true },
            11 => Question::LogRows,
            _ => Question::Log { lake: false },
        }
    }

    /// Whether the session can be used on.
    async fn ask(
        &mut self,
        session: &mut Conn,
        question: Question,
        report: &Mutex<Report>,
    ) -> bool {
        let sql = self.sql(question);
        let asked = self.judge(session, question, &sql);
        let judged = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(Failed::Hung));
        match judged {
            Ok(rows) => {
                let mut report = report.lock();
                report.checked += 1;
                report.rows += rows as u64;
                true
            }
            Err(Failed::Wrong(what)) => {
                let plan: std::result::Result<Vec<(String, String)>, _> =
                    session.query(format!("EXPLAIN {sql}")).await;
                let plan = plan.map_or_else(|error| error.to_string(), |plan| format!("{plan:?}"));
                let mut report = report.lock();
                report.checked += 1;
                report.violations.push(Violation { sql, what, plan });
                true
            }
            Err(Failed::Sql(mysql_async::Error::Server(error))) if error.code == RETRY => {
                report.lock().retryable += 1;
                true
            }
            Err(Failed::Sql(error)) => {
                let is_lost = !matches!(error, mysql_async::Error::Server(_));
                report.lock().keep_error(format!("{sql}: {error}"));
                tokio::time::sleep(RECONNECT).await;
                !is_lost
            }
            Err(Failed::Hung) => {
                report.lock().keep_error(format!("{sql}: no answer in {PATIENCE:?}"));
                false
            }
        }
    }

    fn sql(&self, question: Question) -> String {
        let name = |table: usize, suffix: &str| {
            format!("{}.`{}{suffix}`", self.prefix, self.tables[table].name)
        };
        const COLUMNS: &str = "k, ver, a, b, h";
        match question {
            Question::Rows { table, lake, stream } => {
                let suffix = if lake {
                    "$lake"
                } else if stream {
                    "$rt"
                } else {
                    ""
                };
                format!("SELECT {COLUMNS} FROM {}", name(table, suffix))
            }
            Question::Range { table, from, to } => {
                format!("SELECT {COLUMNS} FROM {} WHERE k >= {from} AND k < {to}", name(table, ""))
            }
            Question::Prepared { table, .. } => {
                format!("SELECT {COLUMNS} FROM {} WHERE k = ?", name(table, ""))
            }
            Question::Sums { table } => format!(
                "SELECT count(*), count(DISTINCT k), sum(ver), sum(a + b) FROM {}",
                name(table, "")
            ),
            Question::Join => format!(
                "SELECT x.k, x.ver, x.a, x.b, x.h, y.k, y.ver, y.a, y.b, y.h FROM {} x \
                 FULL JOIN {} y ON x.k = y.k",
                name(0, ""),
                name(1, "")
            ),
            Question::Log { lake } => format!(
                "SELECT writer, count(*), max(seq), sum(seq) FROM {}.`events{}` GROUP BY writer",
                self.prefix,
                if lake { "$lake" } else { "" }
            ),
            Question::LogRows => format!("SELECT writer, seq, h FROM {}.events", self.prefix),
        }
    }

    /// Asks and judges; the number of rows.
    async fn judge(
        &mut self,
        session: &mut Conn,
        question: Question,
        sql: &str,
    ) -> std::result::Result<usize, Failed> {
        let is_lake =
            matches!(question, Question::Rows { lake: true, .. } | Question::Log { lake: true });
        if !is_lake {
            for table in &mut self.tables {
                table.keys.lock().raise(&mut table.seen[0]);
            }
            self.log.lock().raise(&mut self.reached[0]);
        }
        let side = usize::from(is_lake);
        let rows: Vec<Row> = match question {
            Question::Prepared { key, .. } => numbers(session.exec(sql, (key as i64,)).await?)?,
            _ => numbers(session.query(sql).await?)?,
        };
        match question {
            Question::Rows { table, .. } => {
                let keys = 0..self.tables[table].keys.lock().len();
                self.tables[table].judge(side, keys, &seen(&rows, 0)?)?;
            }
            Question::Range { table, from, to } => {
                self.tables[table].judge(side, from..to, &seen(&rows, 0)?)?;
            }
            Question::Prepared { table, key } => {
                self.tables[table].judge(side, key..key + 1, &seen(&rows, 0)?)?;
            }
            Question::Sums { table } => {
                let table = &self.tables[table];
                let (count, sum) = table.keys.lock().bounds(&table.seen[0]);
                let [row] = &rows[..] else { return Err(format!("{} rows", rows.len()).into()) };
                let at = |column: usize| row.get(column).copied().flatten().unwrap_or_default();
                within("the number of rows", at(0), count)?;
                within("the number of keys", at(1), (at(0), at(0)))?;
                within("the sum of versions", at(2), sum)?;
                within("the sum of a + b", at(3), (at(0) * 1000, at(0) * 1000))?;
            }
            Question::Join => {
                for (table, first) in [(0, 0), (1, 5)] {
                    let keys = 0..self.tables[table].keys.lock().len();
                    self.tables[table].judge(side, keys, &seen(&rows, first)?)?;
                }
                let apart = |row: &&Row| row[0].is_some() && row[5].is_some() && row[0] != row[5];
                if let Some(row) = rows.iter().find(apart) {
                    return Err(format!("two keys joined: {row:?}").into());
                }
            }
            Question::Log { .. } => {
                let whole = rows.iter().map(|row| {
                    let at = |column: usize| row.get(column).copied().flatten();
                    Some((at(0)?, (at(1)?, at(2)?, at(3)?)))
                });
                let counts: Option<HashMap<_, _>> = whole.collect();
                let counts = counts.ok_or_else(|| "NULL in a column without".to_string())?;
                self.log.lock().judge(&mut self.reached[side], &counts)?;
            }
            Question::LogRows => {
                let mut counts: HashMap<i64, (i64, i64, i64)> = HashMap::new();
                for row in &rows {
                    let [Some(writer), Some(sequence), Some(hash)] = row[..] else {
                        return Err(format!("NULL in a column without: {row:?}").into());
                    };
                    if hash != super::history::mix(writer, sequence) {
                        return Err(format!("a mixture: {row:?}").into());
                    }
                    let (count, last, sum) = counts.entry(writer).or_default();
                    (*count, *last, *sum) = (*count + 1, (*last).max(sequence), *sum + sequence);
                }
                self.log.lock().judge(&mut self.reached[side], &counts)?;
            }
        }
        Ok(rows.len())
    }
}

impl Table {
    fn judge(
        &mut self,
        side: usize,
        keys: std::ops::Range<usize>,
        rows: &[Seen],
    ) -> std::result::Result<(), String> {
        self.keys.lock().judge_rows(&mut self.seen[side], keys, rows)
    }
}

/// All columns are numbers.
fn numbers(rows: Vec<mysql_async::Row>) -> std::result::Result<Vec<Row>, String> {
    let number = |value: mysql_async::Value| match value {
        mysql_async::Value::NULL => Ok(None),
        mysql_async::Value::Int(number) => Ok(Some(number)),
        mysql_async::Value::Bytes(text) => {
            let text = String::from_utf8_lossy(&text);
            text.parse().map(Some).map_err(|_| format!("{text:?} is not a number"))
        }
        other => Err(format!("{other:?} is not a number")),
    };
    rows.into_iter().map(|row| row.unwrap().into_iter().map(number).collect()).collect()
}

/// The rows of a table that begin at the column `first`; an outer join's without one are left out.
fn seen(rows: &[Row], first: usize) -> std::result::Result<Vec<Seen>, String> {
    let mut all = Vec::new();
    for row in rows {
        match row.get(first..first + 5) {
            Some([Some(key), Some(version), Some(a), Some(b), Some(hash)]) => {
                let (key, version, a, b, hash) = (*key, *version, *a, *b, *hash);
                all.push(Seen { key, version, a, b, hash });
            }
            Some([None, None, None, None, None]) if row.len() > 5 => {}
            other => return Err(format!("NULL in a column without: {other:?}")),
        }
    }
    Ok(all)
}
