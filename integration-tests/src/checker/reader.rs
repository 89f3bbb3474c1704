//! Sessions that ask, and what is made of their answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Params};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::case::{Case, Expected, Further, Row, Shown, Wrong};
use super::evidence::{Answered, Evidence};
use super::history::{Floor, Reach, Side};
use super::question::{Question, Shape, Source};
use super::spoil::Spoil;
use super::workload::{KeyTable, Surroundings, Workload};
use super::{Options, Report};

/// Before a lost session is opened again.
const RECONNECT: Duration = Duration::from_millis(200);
/// The longest wait for a login.
const LOGIN: Duration = Duration::from_secs(20);
/// A statement that takes longer counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);
/// SQLSTATE of what may succeed when it is asked again.
const RETRY: &str = "40001";
/// Error number for a table that does not exist.
const NO_TABLE: u16 = 1146;
/// So has one that a table had before it was created again.
const NO_COLUMN: u16 = 1054;
/// The path of union reads that sessions begin with.
const AUTO: &str = "auto";
/// All paths.
const PATHS: [&str; 4] = [AUTO, "lake_and_tail", "kv_and_tail", "log_replay"];
/// Last answers that a session keeps for the case of a wrong one.
const REMEMBERED: usize = 5;

/// One session's knowledge of a primary-key table: of the whole table, its lake, and what Fluss holds.
#[derive(Default)]
struct Known {
    whole: Floor,
    lake: Floor,
    real_time: Floor,
}

pub(super) struct Reader {
    mysql: OptsBuilder,
    options: Options,
    workload: Workload,
    surroundings: Arc<Surroundings>,
    known: Vec<Known>,
    reached: [Reach; 2],
    random: StdRng,
    /// Kinds of questions that this session has not asked yet.
    unasked: Vec<&'static str>,
    /// Paths that this session has not asked by yet.
    untried: Vec<&'static str>,
    answered: VecDeque<Answered>,
    began: Instant,
}

/// Why there is no right answer.
enum Failed {
    Wrong(Box<(Case, Wrong)>),
    Sql(mysql_async::Error),
    Text(String),
    Hung,
}

impl From<mysql_async::Error> for Failed {
    fn from(error: mysql_async::Error) -> Self {
        Self::Sql(error)
    }
}

impl Reader {
    pub(super) fn new(
        options: &Options,
        workload: &Workload,
        surroundings: &Arc<Surroundings>,
        random: StdRng,
    ) -> Self {
        let mysql = OptsBuilder::default()
            .ip_or_hostname(options.mysql.0.clone())
            .tcp_port(options.mysql.1)
            .user(Some(options.user.clone()))
            .pass(options.password.clone())
            .prefer_socket(false);
        Self {
            mysql,
            options: options.clone(),
            workload: workload.clone(),
            surroundings: Arc::clone(surroundings),
            known: workload.tables.iter().map(|_| Known::default()).collect(),
            reached: Default::default(),
            random,
            unasked: Question::KINDS.to_vec(),
            untried: PATHS.to_vec(),
            answered: VecDeque::new(),
            began: Instant::now(),
        }
    }

    /// Asks until `is_over`.
    pub(super) async fn run(mut self, report: &Mutex<Report>, is_over: impl Fn() -> bool) {
        while !is_over() {
            let frontend = self.surroundings.frontend();
            let mut session = match self.login().await {
                Ok(session) => session,
                Err(error) => {
                    if !self.is_frontend_away(frontend) {
                        let mut report = report.lock();
                        report.others += 1;
                        report.keep_error(format!("login: {error}"));
                    }
                    tokio::time::sleep(RECONNECT).await;
                    continue;
                }
            };
            while !is_over() && self.ask(&mut session, frontend, report).await {}
        }
    }

    async fn login(&self) -> Result<Conn, String> {
        let login = async {
            let mut session = Conn::new(self.mysql.clone()).await?;
            session.query_drop("SET keep_read_points = 1").await?;
            Ok::<_, mysql_async::Error>(session)
        };
        let session = tokio::time::timeout(LOGIN, login).await;
        session.map_err(|_| format!("none in {LOGIN:?}"))?.map_err(|error| error.to_string())
    }

    /// Whether the frontend has been away since, or is.
    fn is_frontend_away(&self, since: u64) -> bool {
        since % 2 == 1 || self.surroundings.frontend() != since
    }

    /// How often the tables of a question were re-created, and whether one of them is being.
    fn creations(&self, question: &Question) -> Vec<u64> {
        let of = |table: usize| self.workload.tables[table].keys.lock().creations();
        question.tables().into_iter().map(of).collect()
    }

    /// Each kind once, then what chance brings.
    fn question(&mut self, shapes: &[Shape]) -> Question {
        let kind = self.unasked.pop();
        loop {
            let question = Question::pick(&mut self.random, shapes);
            if kind.is_none_or(|kind| kind == question.kind()) {
                return question;
            }
        }
    }

    /// Asks one question in a session that began with this frontend; whether it can be used on.
    async fn ask(&mut self, session: &mut Conn, frontend: u64, report: &Mutex<Report>) -> bool {
        let shapes: Vec<Shape> = self.workload.tables.iter().map(shape).collect();
        let question = self.question(&shapes);
        let creations = self.creations(&question);
        report.lock().asked += 1;
        let asked = self.judge(session, question, report);
        let judged = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(Failed::Hung));
        match judged {
            Ok(rows) => {
                let mut report = report.lock();
                report.checked += 1;
                *report.kinds.entry(question.kind()).or_default() += 1;
                report.rows += rows as u64;
                true
            }
            Err(Failed::Wrong(wrong)) => {
                self.report_wrong(session, *wrong, report).await;
                true
            }
            Err(Failed::Sql(mysql_async::Error::Server(error))) => {
                let mut report = report.lock();
                let told = format!("{:.1} s: {question:?}: {error}", self.seconds());
                let is_recreated =
                    creations.iter().any(|n| n % 2 == 1) || creations != self.creations(&question);
                if [NO_TABLE, NO_COLUMN].contains(&error.code) && is_recreated {
                    report.excused += 1;
                    return true;
                } else if self.surroundings.is_lost_upstream(&error.message) {
                    report.holes += 1;
                } else if error.state == RETRY {
                    report.retryable += 1;
                } else {
                    report.others += 1;
                }
                report.keep_error(told);
                true
            }
            Err(failed) => {
                let told = match failed {
                    Failed::Sql(error) => error.to_string(),
                    Failed::Text(what) => what,
                    _ => format!("no answer in {PATIENCE:?}"),
                };
                let mut report = report.lock();
                if self.is_frontend_away(frontend) {
                    report.lost += 1;
                } else {
                    report.others += 1;
                    report.keep_error(format!("{:.1} s: {question:?}: {told}", self.seconds()));
                }
                false
            }
        }
    }

    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    async fn report_wrong(
        &mut self,
        session: &mut Conn,
        (case, wrong): (Case, Wrong),
        report: &Mutex<Report>,
    ) {
        let evidence = Evidence {
            case,
            wrong,
            answered: self.answered.iter().cloned().collect(),
            seconds: self.seconds(),
        };
        let violation = evidence.keep(session, &self.options, &self.workload).await;
        let mut report = report.lock();
        report.checked += 1;
        match violation.lost_upstream {
            true => report.lost_upstream.push(violation),
            false => report.violations.push(violation),
        }
    }

    /// Asks and judges; the number of rows.
    async fn judge(
        &mut self,
        session: &mut Conn,
        question: Question,
        report: &Mutex<Report>,
    ) -> Result<usize, Failed> {
        self.raise(&question);
        let further = self.further(&question);
        let sql = self.sql(&question, &further);
        let parameters = question.parameters();
        let mut path = self.path(&question);
        let mut rows = ask_by(session, path, &sql, &parameters).await;
        if rows.as_ref().is_err_and(|error| is_refused(error, path)) {
            *report.lock().refused.entry(path).or_default() += 1;
            path = AUTO;
            rows = ask_by(session, path, &sql, &parameters).await;
        }
        let rows = rows?;
        *report.lock().paths.entry(path).or_default() += 1;
        let sql = format!("SET union_read_path = {path}; {sql}");
        let answer = numbers(rows).map_err(Failed::Text)?;
        let expected = self.expected(&question, further);
        let mut case = Case { sql, parameters, expected, answer };
        if self.options.spoil
            && let Some(spoil) = Spoil::ALL.choose(&mut self.random)
            && spoil.spoil(&mut case, &mut self.random)
        {
            report.lock().spoiled += 1;
        }
        match case.judge() {
            Ok(shown) => {
                self.learn(&question, &shown);
                self.remember(&case, shown);
                Ok(case.answer.len())
            }
            Err(wrong) => Err(Failed::Wrong(Box::new((case, wrong)))),
        }
    }

    /// One of the paths that have the same rows: each once, then what chance brings. Partitions that are dropped and created
    /// again have some in the lake alone: these are asked by paths over the lake.
    fn path(&mut self, question: &Question) -> &'static str {
        if !question.is_union() {
            return AUTO;
        }
        let tables = question.tables();
        let is_parted =
            tables.iter().any(|table| self.workload.tables[*table].partitions.is_some());
        let paths = match tables.is_empty() {
            true => &[AUTO, "lake_and_tail", "log_replay"][..],
            false if is_parted => &[AUTO, "lake_and_tail"],
            false => &PATHS,
        };
        match self.untried.iter().position(|path| paths.contains(path)) {
            Some(first) => self.untried.remove(first),
            None => paths.choose(&mut self.random).copied().unwrap_or(AUTO),
        }
    }

    fn further(&self, question: &Question) -> Vec<Further> {
        match question {
            Question::Sums { .. } | Question::Join { .. } => vec![],
            _ => question.tables().first().map_or(vec![], |t| self.workload.tables[*t].further()),
        }
    }

    fn sql(&self, question: &Question, further: &[Further]) -> String {
        let prefix = format!("{}.{}", self.options.catalog, self.options.database);
        let name = |table: usize, suffix: &str| {
            format!("{prefix}.`{}{suffix}`", self.workload.tables[table].name)
        };
        let log = |suffix: &str| format!("{prefix}.`{}{suffix}`", self.workload.log.table());
        question.sql(name, log, &KeyTable::names(further))
    }

    /// Before a statement: what is acknowledged now must be in its answer.
    fn raise(&mut self, question: &Question) {
        let lake = question.is_lake();
        for table in question.tables() {
            let (floor, side) = floor(&self.workload, &mut self.known, question, table);
            self.workload.tables[table].keys.lock().raise(side, floor);
        }
        if !lake {
            self.workload.events.lock().raise(&mut self.reached[0]);
        }
    }

    /// After a statement: what was sent until now may be in its answer.
    fn expected(&mut self, question: &Question, further: Vec<Further>) -> Expected {
        let workload = &self.workload;
        let mut windows = |table: usize, keys: Option<std::ops::Range<usize>>| {
            let (floor, side) = floor(workload, &mut self.known, question, table);
            let history = workload.tables[table].keys.lock();
            let keys = keys.unwrap_or(0..history.len());
            history.windows(side, floor, keys)
        };
        let name = |table: usize| workload.tables[table].name.to_owned();
        let rows = |table, above, keys| Expected::Rows {
            table: name(table),
            further: further.clone(),
            above,
            keys,
        };
        match *question {
            Question::Rows { table, .. } => rows(table, None, windows(table, None)),
            Question::Above { table, above } => rows(table, Some(above), windows(table, None)),
            Question::Range { table, from, to } | Question::PreparedRange { table, from, to } => {
                rows(table, None, windows(table, Some(from..to)))
            }
            Question::Prepared { table, key } => {
                rows(table, None, windows(table, Some(key..key + 1)))
            }
            Question::Sums { table, modulus } => {
                Expected::Sums { table: name(table), modulus, keys: windows(table, None) }
            }
            Question::Join { tables } => Expected::Joined {
                tables: tables.map(name),
                keys: tables.map(|table| windows(table, None)),
            },
            Question::Counts { lake } => {
                let reach = &mut self.reached[usize::from(lake)];
                Expected::Counts(workload.events.lock().windows(reach))
            }
            Question::Log => Expected::Log(workload.events.lock().windows(&mut self.reached[0])),
        }
    }

    fn learn(&mut self, question: &Question, shown: &Shown) {
        for (table, keys) in question.tables().into_iter().zip(&shown.keys) {
            let (floor, _) = floor(&self.workload, &mut self.known, question, table);
            keys.iter().for_each(|(key, version)| floor.learn(*key, *version));
        }
        let reached = &mut self.reached[usize::from(question.is_lake())];
        shown.writers.iter().for_each(|(writer, last)| reached.learn(*writer, *last));
    }

    fn remember(&mut self, case: &Case, shown: Shown) {
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        let (sql, parameters) = (case.sql.clone(), case.parameters.clone());
        self.answered.push_back(Answered { seconds: self.seconds(), sql, parameters, shown });
    }
}

/// The session's floor for a question about a table. What Fluss alone holds of a table whose partitions are dropped is
/// less than the whole.
fn floor<'a>(
    workload: &Workload,
    known: &'a mut [Known],
    question: &Question,
    table: usize,
) -> (&'a mut Floor, Side) {
    let is_parted = workload.tables[table].partitions.is_some();
    let known = &mut known[table];
    match question {
        Question::Rows { source: Source::Lake, .. } => (&mut known.lake, Side::Lake),
        Question::Rows { source: Source::RealTime, .. } if is_parted => {
            (&mut known.real_time, Side::Whole)
        }
        _ => (&mut known.whole, Side::Whole),
    }
}

/// Asks through a path: the session's, until the next question.
async fn ask_by(
    session: &mut Conn,
    path: &str,
    sql: &str,
    parameters: &[i64],
) -> mysql_async::Result<Vec<mysql_async::Row>> {
    session.query_drop(format!("SET union_read_path = {path}")).await?;
    if parameters.is_empty() {
        return session.query(sql).await;
    }
    let values = parameters.iter().map(|value| (*value).into()).collect();
    session.exec(sql, Params::Positional(values)).await
}

/// Whether it is the path that has no answer, by what it is: no snapshot yet, a log that was cut off. Whatever else fails
/// counts as a failure.
fn is_refused(error: &mysql_async::Error, path: &str) -> bool {
    let told = format!("union_read_path = {path} cannot answer");
    matches!(error, mysql_async::Error::Server(error) if error.message.contains(&told))
}

fn shape(table: &KeyTable) -> Shape {
    let keys = table.keys.lock();
    Shape { keys: keys.len(), version: keys.last_sent(0) }
}

/// All columns are numbers.
fn numbers(rows: Vec<mysql_async::Row>) -> Result<Vec<Row>, String> {
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
