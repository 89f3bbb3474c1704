//! Simulated servers of Fluss on real ports, so that Millrace itself reads them: a script decides what happens at which call.

use std::fmt::Debug;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use fluss_scan::{FlussType, Schema};
use fluss_sim::{COORDINATOR, Cluster, Version};
use integration_tests::{Deployment, Rows};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A simulated cluster that listens until it is dropped.
pub struct Simulated {
    pub cluster: Cluster,
    accepting: Vec<JoinHandle<()>>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // a script may hold the cluster that holds it
        self.cluster.clear_script();
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

impl Simulated {
    /// A coordinator and so many tablet servers, each at a port of its own.
    pub async fn start(version: Version, servers: i32) -> Self {
        let cluster = Cluster::new(version, servers, 7);
        let mut accepting = vec![];
        for server in cluster.servers() {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            cluster.set_address(server, "127.0.0.1", listener.local_addr().unwrap().port());
            accepting.push(tokio::spawn(accept(cluster.clone(), listener, server)));
        }
        Self { cluster, accepting }
    }

    /// `host:port` of the coordinator.
    pub fn bootstrap(&self) -> String {
        self.cluster.address(COORDINATOR).unwrap()
    }
}

async fn accept(cluster: Cluster, listener: TcpListener, server: i32) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let cluster = cluster.clone();
        // ends with its connection; that one breaks is what some tests are about
        tokio::spawn(async move { cluster.serve(stream, server).await });
    }
}

/// Rows with these ids, in a partition: whole columns that are no key tell `version`.
pub fn rows(
    schema: &Schema,
    partition: &[(&str, &str)],
    ids: Range<i32>,
    version: i32,
) -> RecordBatch {
    let count = ids.len();
    let is_first = |name: &str| {
        schema
            .columns
            .iter()
            .find(|c| of(partition, &c.name).is_none())
            .is_some_and(|c| c.name == name)
    };
    let column = |column: &fluss_scan::Column| -> ArrayRef {
        match (&column.data_type, of(partition, &column.name)) {
            (FlussType::String, Some(value)) => Arc::new(StringArray::from(vec![value; count])),
            (FlussType::Date, Some(value)) => Arc::new(Date32Array::from(vec![days(value); count])),
            (FlussType::BigInt, None) if is_first(&column.name) => {
                Arc::new(Int64Array::from_iter_values(ids.clone().map(i64::from)))
            }
            (FlussType::Int, None) if is_first(&column.name) => {
                Arc::new(Int32Array::from_iter_values(ids.clone()))
            }
            (FlussType::Int, None) => Arc::new(Int32Array::from(vec![version; count])),
            (FlussType::Double, None) => {
                Arc::new(Float64Array::from(vec![f64::from(version); count]))
            }
            (FlussType::String, None) => {
                Arc::new(StringArray::from(vec![format!("v{version}"); count]))
            }
            (data_type, value) => panic!("{}: {data_type:?} {value:?}", column.name),
        }
    };
    let columns = schema.columns.iter().map(column).collect();
    RecordBatch::try_new(fluss_sim::arrow_schema(schema), columns).unwrap()
}

/// Rows from their texts, as a server of MySQL shows them.
pub fn batch(schema: &Schema, rows: &[Vec<String>]) -> RecordBatch {
    fn parsed<T: FromStr<Err: Debug>>(rows: &[Vec<String>], column: usize) -> Vec<Option<T>> {
        let texts = rows.iter().map(|row| (row[column] != "NULL").then_some(&row[column]));
        texts.map(|text| text.map(|text| text.parse().unwrap())).collect()
    }
    let column = |(i, column): (usize, &fluss_scan::Column)| -> ArrayRef {
        match column.data_type {
            FlussType::Int => Arc::new(Int32Array::from(parsed::<i32>(rows, i))),
            FlussType::BigInt => Arc::new(Int64Array::from(parsed::<i64>(rows, i))),
            FlussType::Double => Arc::new(Float64Array::from(parsed::<f64>(rows, i))),
            FlussType::String => Arc::new(StringArray::from(parsed::<String>(rows, i))),
            ref other => panic!("{}: {other:?}", column.name),
        }
    };
    let columns = schema.columns.iter().enumerate().map(column).collect();
    RecordBatch::try_new(fluss_sim::arrow_schema(schema), columns).unwrap()
}

/// What came of a statement when something happened at each of its calls, in one run each.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Answers as they were before.
    pub before: usize,
    /// Answers as they were afterwards.
    pub after: usize,
    /// Errors that say to try again.
    pub refused: usize,
}

impl Simulated {
    /// Runs a statement over and over; each time `event` happens at a later call of it, until it has no more of them.
    /// An answer is the one of before or of afterwards.
    pub async fn at_every_call(
        &self,
        millrace: &Deployment,
        sql: &str,
        prepare: impl Fn(&Cluster),
        event: impl Fn(&Cluster) + Clone + Send + 'static,
    ) -> Outcomes {
        prepare(&self.cluster);
        let before = sorted(millrace.sql(sql).await).unwrap();
        event(&self.cluster);
        let after = sorted(millrace.sql(sql).await).unwrap();
        let mut outcomes = Outcomes::default();
        for at in 0.. {
            prepare(&self.cluster);
            let calls = Arc::new(AtomicUsize::new(0));
            let (counted, cluster, event) =
                (Arc::clone(&calls), self.cluster.clone(), event.clone());
            self.cluster.set_script(move |_| {
                if counted.fetch_add(1, Ordering::Relaxed) == at {
                    event(&cluster);
                }
                None
            });
            let answer = sorted(millrace.sql(sql).await);
            self.cluster.clear_script();
            match answer {
                Ok(rows) if rows == before => outcomes.before += 1,
                Ok(rows) if rows == after => outcomes.after += 1,
                Ok(rows) => panic!("{sql}, at call {at}: {} rows: {rows:?}", rows.len()),
                Err(mysql_async::Error::Server(error)) if error.state == "40001" => {
                    outcomes.refused += 1;
                }
                Err(error) => panic!("{sql}, at call {at}: {error}"),
            }
            if calls.load(Ordering::Relaxed) <= at {
                break;
            }
        }
        outcomes
    }
}

fn sorted(rows: mysql_async::Result<Rows>) -> mysql_async::Result<Rows> {
    rows.map(|mut rows| {
        rows.sort();
        rows
    })
}

fn of<'a>(partition: &[(&str, &'a str)], column: &str) -> Option<&'a str> {
    partition.iter().find(|(name, _)| *name == column).map(|(_, value)| *value)
}

fn days(date: &str) -> i32 {
    let since = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    i32::try_from((date.parse::<chrono::NaiveDate>().unwrap() - since).num_days()).unwrap()
}
