//! Blocks of lake files on the disk of a backend: answers are the same, and bytes are fetched once.

use std::path::Path;

use integration_tests::Deployment;

use crate::lake_s3::{asked, create_catalog, matrix, read, warehouse};
use crate::process::get;
use crate::s3::S3;

/// Small, so that blocks are replaced while tables are read.
const SETTINGS: [&str; 3] = [
    "backend.lake_block_cache.disk_bytes_max=4194304",
    "backend.lake_block_cache.memory_bytes_max=524288",
    "backend.lake_block_cache.block_bytes=65536",
];

async fn on_disk(millrace: &Deployment, name: &str, folder: &Path) {
    let folder = folder.canonicalize().unwrap();
    let properties =
        format!("\"type\" = \"paimon\", \"warehouse\" = \"file://{}\"", folder.display());
    create_catalog(millrace, name, &properties).await;
}

/// A value of the metrics of a standalone process, over all labels.
async fn metric(millrace: &Deployment, name: &str) -> f64 {
    let (_, text) = get(millrace.admin_port(), "/metrics").await;
    let of = text.lines().filter(|line| line.starts_with(name));
    of.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// Every table of the matrix, first and again, next to the same files on disk, which are never cached.
#[tokio::test]
async fn answers_are_the_same_and_a_second_scan_asks_for_no_bytes() {
    let millrace = Deployment::start_with(0, &SETTINGS).await.unwrap();
    let folder = matrix();
    let local = folder.path().join("warehouse");
    let s3 = S3::serve(local.clone()).await;
    create_catalog(&millrace, "on_s3", &s3.properties()).await;
    on_disk(&millrace, "on_disk", &local).await;
    let (mut compared, mut once, mut wrong) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(folder.path().join("expected")).unwrap() {
        let path = entry.unwrap().path();
        let table = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let sql = |catalog: &str| format!("SELECT * FROM {catalog}.lake.`{table}`");
        let Ok(expected) = read(&millrace, &sql("on_disk")).await else {
            assert!(read(&millrace, &sql("on_s3")).await.is_err(), "{table}");
            continue;
        };
        let first = read(&millrace, &sql("on_s3")).await.unwrap();
        let (data, again) = asked(&s3, &millrace, &sql("on_s3")).await;
        compared += 1;
        if first != expected || again != expected {
            wrong.push(table.clone());
        }
        once += usize::from(!expected.is_empty() && data.is_empty());
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(compared > 80 && once > 40, "{compared} tables, {once} of them fetched once");

    let s3 = S3::serve(warehouse()).await;
    create_catalog(&millrace, "fixtures", &s3.properties()).await;
    on_disk(&millrace, "fixtures_on_disk", &warehouse()).await;
    for table in ["append_partitioned", "pk_overlap", "pk_dv", "pk_dv64", "evolution"] {
        let sql = |catalog: &str| format!("SELECT * FROM {catalog}.lake.{table}");
        let expected = read(&millrace, &sql("fixtures_on_disk")).await.unwrap();
        let (data, first) = asked(&s3, &millrace, &sql("fixtures")).await;
        assert!(!data.is_empty() && first == expected, "{table}");
        let (data, again) = asked(&s3, &millrace, &sql("fixtures")).await;
        assert!(data.is_empty() && again == expected, "{table}: {data:?}");
    }
    for counted in ["hits_total", "misses_total", "served_bytes_total", "fetched_bytes_total"] {
        let name = format!("millrace_lake_block_cache_{counted}");
        assert!(metric(&millrace, &name).await > 0.0, "{name}");
    }
}

/// Without the disk there is no cache, but there are answers; with it they survive a kill.
#[tokio::test]
async fn backends_answer_without_the_disk_and_after_a_kill() {
    let s3 = S3::serve(warehouse()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let below_a_file = file.path().join("cache");
    let below_a_file = format!("backend.lake_block_cache.directory={}", below_a_file.display());
    for unusable in [&below_a_file, "backend.lake_block_cache.disk_bytes_max=1000000000000000000"] {
        let settings: Vec<&str> = SETTINGS.into_iter().chain([unusable]).collect();
        let millrace = Deployment::start_with(0, &settings).await.unwrap();
        create_catalog(&millrace, "on_s3", &s3.properties()).await;
        let sql = "SELECT * FROM on_s3.lake.pk_dv";
        assert!(!read(&millrace, sql).await.unwrap().is_empty());
        assert!(metric(&millrace, "millrace_lake_block_cache_errors_total").await > 0.0);
    }

    let settings: Vec<&str> = SETTINGS.into_iter().chain(["backend.task_bytes_min=0"]).collect();
    let millrace = Deployment::start_with(2, &settings).await.unwrap();
    create_catalog(&millrace, "on_s3", &s3.properties()).await;
    let sql = "SELECT * FROM on_s3.lake.append_partitioned";
    let expected = read(&millrace, sql).await.unwrap();
    for backend in [0, 1, 0] {
        millrace.kill_backend(backend).unwrap();
        millrace.restart_backend(backend).await.unwrap();
        // the frontend has to hear of it
        let started = std::time::Instant::now();
        let found = loop {
            match read(&millrace, sql).await {
                Ok(rows) => break rows,
                Err(error) => assert!(started.elapsed().as_secs() < 30, "{error}"),
            }
        };
        assert_eq!(found, expected);
    }
}
