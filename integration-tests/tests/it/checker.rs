//! The exactly-once checker, for a short while; and whether it finds what is wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use fluss::metadata::TablePath;
use integration_tests::checker::replay::replay;
use integration_tests::checker::{self, Options, Violation};
use integration_tests::{Cluster, ClusterOptions, Deployment};
use mysql_async::prelude::Queryable;

/// On a cluster of its own, whose tables have no KV snapshots: under load the tiering service of 0.9.1 asks for one that
/// is gone by then, which ends the whole job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_under_load_are_right_and_spoiled_ones_are_found() {
    let cluster = Cluster::start(ClusterOptions {
        kv_snapshot_interval: Duration::from_secs(600),
        ..ClusterOptions::default()
    })
    .await
    .unwrap();
    let millrace = Deployment::start(2).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        bootstrap: cluster.bootstrap(),
        mysql: ("127.0.0.1".into(), millrace.mysql_port()),
        duration: Duration::from_secs(15),
        seed: 7,
        evidence: directory.path().join("right"),
        ..Options::default()
    };
    let report = checker::run(&options).await.unwrap();
    println!(
        "{} {:?}, {:?}, refused {:?}",
        report.line(),
        report.kinds,
        report.paths,
        report.refused
    );
    let wrong: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(report.lost_upstream.is_empty(), "{:?}", report.lost_upstream);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(report.write_failures, 0, "{:?}", report.write_errors);
    assert!(report.checked > 24 && report.written > 1000, "{}", report.line());
    assert_eq!(report.kinds.len(), 12, "not every kind was asked: {:?}", report.kinds);
    // the path over the lake is refused, and no other, until the first snapshot, which may take as long as the run
    let paths: BTreeSet<&str> = report.paths.keys().chain(report.refused.keys()).copied().collect();
    assert!(paths.iter().eq(&["auto", "kv_and_tail", "lake_and_tail", "log_replay"]), "{paths:?}");
    assert!(report.refused.keys().all(|path| *path == "lake_and_tail"), "{:?}", report.refused);
    found(&options, &directory.path().join("spoiled")).await;
    let orders = TablePath::new("checker", "orders");
    cluster.wait_tiered(&orders, Duration::from_secs(60)).await.unwrap();
    read_points(&millrace).await;
}

/// Runs with spoiled answers, at the most.
const SPOILED_RUNS: usize = 6;

/// Answers that are spoiled before they are judged are all found, kept, and found again without the cluster.
async fn found(options: &Options, evidence: &std::path::Path) {
    let mut options = Options {
        duration: Duration::from_secs(3),
        evidence: evidence.to_owned(),
        spoil: true,
        ..options.clone()
    };
    let mut report = checker::Report::default();
    // a busy machine gives few answers, and not each can be spoiled
    for run in 0..SPOILED_RUNS {
        options.database = format!("checker_spoiled_{run}");
        report = checker::run(&options).await.unwrap();
        println!("{}", report.line());
        if report.spoiled > 0 {
            break;
        }
    }
    assert!(report.spoiled > 0, "{}", report.line());
    assert_eq!(report.violations.len() as u64, report.spoiled, "{}", report.line());
    let is_bucket_known = |v: &Violation| v.bucket.is_some();
    assert!(report.violations.iter().any(is_bucket_known), "no log was read");
    for violation in &report.violations {
        let replayed = replay(&violation.directory).unwrap();
        assert_eq!(replayed.wrong.as_ref(), Some(&violation.wrong.what), "{violation}");
        assert!(!violation.read_point.is_empty(), "{violation}");
        let named = format!("{}.{}", options.database, violation.wrong.table.as_deref().unwrap());
        let is_named = violation.read_point.iter().any(|row| row[0] == named);
        assert!(is_named, "{violation}");
    }
}

/// `SHOW READ POINTS` is of the last query, and only of one that was to be kept.
async fn read_points(millrace: &Deployment) {
    let mut session = millrace.connect().await.unwrap();
    let show = "SHOW READ POINTS";
    let refused = session.query_drop(show).await.unwrap_err().to_string();
    assert!(refused.contains("keep_read_points"), "{refused}");
    session.query_drop("SET keep_read_points = 1").await.unwrap();
    session.query_drop("SELECT count(*) FROM fluss.checker.`events$lake`").await.unwrap();
    session.query_drop("SELECT k FROM fluss.checker.orders WHERE ver > 3").await.unwrap();
    let rows = integration_tests::deployment::query(&mut session, show).await.unwrap();
    assert_eq!(rows.len(), 3, "one for each bucket: {rows:?}");
    for (bucket, row) in rows.iter().enumerate() {
        assert_eq!(row[..2], ["checker.orders", "union"], "{row:?}");
        assert_eq!((row[3].as_str(), row[5].as_str()), ("", bucket.to_string().as_str()));
        assert!(row[2].parse::<i64>().is_ok(), "a snapshot: {row:?}");
        let files: Vec<String> = serde_json::from_str(&row[9]).unwrap();
        assert!(files.iter().all(|file| file.contains("bucket-")), "{row:?}");
    }
    session.query_drop("SELECT 1").await.unwrap();
    let rows = integration_tests::deployment::query(&mut session, show).await.unwrap();
    assert!(rows.is_empty(), "a query without tables has none: {rows:?}");
    let wrong = session.query_drop("SET keep_read_points = 2").await.unwrap_err().to_string();
    assert!(wrong.contains("keep_read_points"), "{wrong}");
}
