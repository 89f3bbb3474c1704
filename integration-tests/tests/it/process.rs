//! The process as scripts see it: arguments, configuration, admin port, signals; and the log that Fluss has moved away.

use std::time::Duration;

use fluss::metadata::DataTypes;
use integration_tests::{
    Cluster, ClusterOptions, Deployment, TableSpec, Value, Writer, deployment,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Status and body of a GET.
pub async fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
}

#[tokio::test]
async fn the_admin_port_tells_readiness_and_metrics() {
    let millrace = Deployment::start(1).await.unwrap();
    millrace.sql("SELECT 1").await.unwrap();
    let port = millrace.admin_port();
    assert_eq!(get(port, "/ready").await.0, 200);
    assert_eq!(get(port, "/live").await.0, 200);
    let (status, metrics) = get(port, "/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("millrace_frontend_statements_total"), "{metrics}");
    millrace.kill_backend(0).unwrap();
    let started = std::time::Instant::now();
    while get(port, "/ready").await.0 != 503 {
        assert!(started.elapsed() < Duration::from_secs(10), "still ready without a backend");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(port, "/live").await.0, 200);
}

#[test]
fn arguments_and_configuration_are_checked() {
    // the default data directory is below the working directory
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = std::process::Command::new(deployment::binary().unwrap());
        command.current_dir(directory.path());
        let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    let (ok, version) = run(&["--version"], &[]);
    assert!(ok && version.starts_with("millrace "), "{version}");
    for (arguments, environment, named) in [
        (&["standalone", "--set", "mysql.listn=x"][..], &[][..], "listn"),
        (&["standalone"], &[("MILLRACE_MYSQL__LISTN", "x")], "listn"),
        (&["standalone", "--config", "nowhere.toml"], &[], "nowhere.toml"),
        (&["standalone", "--set", "mysql.listen=nowhere"], &[], "mysql.listen"),
        (&["backend", "--set", "rpc.listen=nowhere"], &[], "rpc.listen"),
        (
            &["backend", "--set", "backend.lake_block_cache.disk_bytes_max=5"],
            &[],
            "backend.lake_block_cache.disk_bytes_max must be",
        ),
        (&["nothing"], &[], "nothing"),
    ] {
        let (ok, told) = run(arguments, environment);
        assert!(!ok && told.to_lowercase().contains(named), "{arguments:?}: {told}");
    }
}

/// Segments that a tablet server has moved to remote storage are part of the log.
#[tokio::test]
async fn remote_segments_are_read() {
    let options =
        ClusterOptions { tiering: false, segment_bytes: 64 << 10, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let spec = TableSpec::new("remote", "events")
        .column("id", DataTypes::bigint())
        .column("text", DataTypes::string())
        .buckets(1)
        .property("table.log.tiered.local-segments", "1");
    cluster.create_table(&spec).await.unwrap();
    let millrace = Deployment::start(1).await.unwrap();
    millrace.create_catalog(&cluster.bootstrap()).await.unwrap();
    let mut writer = Writer::open(&cluster, spec.path()).await.unwrap();
    let rows = 30_000i64;
    let sql =
        "SELECT count(*), count(DISTINCT id), sum(id), min(id), max(id) FROM fluss.remote.events";
    let sum = rows * (rows - 1) / 2;
    let expected = [rows, rows, sum, 0, rows - 1].map(|n| n.to_string());
    for id in 0..rows {
        let text = format!("{:x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15u64 as i64));
        writer.write(&[id.into(), Value::Text(text)]).await.unwrap();
        if id % 1000 == 999 {
            writer.flush().await.unwrap();
        }
    }
    // also while the server deletes what it has moved: it fails then with exceptions of its own
    loop {
        assert_eq!(millrace.sql(sql).await.unwrap(), [expected.clone()]);
        if cluster.remote_segments(spec.path()).await.unwrap() >= 3 {
            break;
        }
    }
    cluster.wait_remote_segments(spec.path(), 3, Duration::from_secs(60)).await.unwrap();
    assert_eq!(millrace.sql(sql).await.unwrap(), [expected]);
}
