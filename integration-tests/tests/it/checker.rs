//! The exactly-once checker, for a short while.

use std::time::Duration;

use integration_tests::checker::{self, Options};
use integration_tests::{Cluster, ClusterOptions, Deployment};

/// On a cluster of its own: under its load the tiering service of 0.9.1 may ask for a KV snapshot that is gone by
/// then, which ends the whole job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_under_load_are_right() {
    let cluster = Cluster::start(ClusterOptions::default()).await.unwrap();
    let millrace = Deployment::start(2).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let options = Options {
        bootstrap: cluster.bootstrap(),
        sasl: None,
        mysql: ("127.0.0.1".into(), millrace.mysql_port()),
        catalog: "fluss".into(),
        database: "checker".into(),
        duration: Duration::from_secs(20),
        readers: 2,
        seed: 7,
    };
    let report = checker::run(&options).await.unwrap();
    println!("{}", report.line());
    let wrong: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(report.checked > 20 && report.written > 100, "{}", report.line());
}
