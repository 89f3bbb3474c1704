//! The demo: a cluster, its tiering, Millrace, a writer, and three queries every second.

use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, Utc};
use mysql_async::Conn;

use crate::cluster::{Cluster, ClusterOptions};
use crate::demo;
use crate::deployment::{Deployment, query};
use crate::error::{LabError, Result};

/// Rows a second.
const RATE: u32 = 400;

/// What is asked of every table.
const NAMES: [&str; 3] = ["", "$lake", "$rt"];

/// Runs the demo for so many seconds, or until it is dropped.
pub async fn run(seconds: Option<u64>) -> Result<()> {
    let started = Instant::now();
    let step = |what: &str| println!("[{:5.1} s] {what}", started.elapsed().as_secs_f64());
    step("starting Fluss (ZooKeeper, coordinator, tablet server) and the tiering service");
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    step("starting one frontend and two backends");
    let millrace = Deployment::start(2).await?;
    millrace.create_catalog(&cluster.bootstrap()).await.map_err(told)?;
    step("writing orders into a primary-key table and clicks into a log table");
    println!(
        "\nConnect with any MySQL client:\n\n    mysql -h 127.0.0.1 -P {} -u root\n    \
         SELECT count(*) FROM fluss.shop.orders;\n",
        millrace.mysql_port()
    );
    let bootstrap = cluster.bootstrap();
    let writing = demo::write(&bootstrap, None, RATE);
    let showing = show(&millrace, seconds);
    tokio::select! {
        written = writing => written,
        shown = showing => shown,
    }
}

async fn show(millrace: &Deployment, seconds: Option<u64>) -> Result<()> {
    let mut connection = millrace.connect().await.map_err(told)?;
    wait_for_tables(&mut connection).await?;
    println!("{:<24} {:>10} {:>12} {:>8}", "SELECT count(*), max(…)", "rows", "freshness", "time");
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    while seconds.is_none_or(|seconds| started.elapsed().as_secs() < seconds) {
        ticks.tick().await;
        for (table, time) in [("orders", "updated_at"), ("clicks", "at")] {
            for suffix in NAMES {
                print_row(&mut connection, &format!("{table}{suffix}"), time).await?;
            }
        }
        println!();
    }
    Ok(())
}

async fn print_row(connection: &mut Conn, table: &str, time: &str) -> Result<()> {
    let asked = Instant::now();
    let sql = format!("SELECT count(*), max({time}) FROM fluss.shop.{table}");
    let rows = query(connection, &sql).await.map_err(told)?;
    let took = asked.elapsed();
    let Some([count, newest]) = rows.first().map(|row| &row[..]) else {
        return Err(LabError::Misuse(format!("no answer from {table}")));
    };
    let newest = NaiveDateTime::parse_from_str(newest, "%Y-%m-%d %H:%M:%S%.f");
    let freshness = newest.map_or_else(
        |_| "-".to_string(),
        |newest| format!("{} ms", (Utc::now().naive_utc() - newest).num_milliseconds()),
    );
    println!("{table:<24} {count:>10} {freshness:>12} {:>5} ms", took.as_millis());
    Ok(())
}

/// The writer creates the tables; the first seconds are spent waiting for their first rows.
async fn wait_for_tables(connection: &mut Conn) -> Result<()> {
    let limit = Duration::from_secs(60);
    let started = Instant::now();
    loop {
        let looked = query(connection, "SELECT count(*) FROM fluss.shop.clicks").await;
        match looked {
            Ok(rows) if rows.first().is_some_and(|row| row[0] != "0") => return Ok(()),
            Ok(_) => {}
            Err(_) if started.elapsed() < limit => {}
            Err(error) => return Err(told(error)),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn told(error: mysql_async::Error) -> LabError {
    LabError::Misuse(format!("millrace: {error}"))
}
