//! A leader that metadata names and that refuses every call: a statement waits for it, and ends at its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fluss_scan::messages::{Call, FetchLog, LimitScan, ListOffsets, ScanKv};
use fluss_scan::{Bucket, TablePath};
use fluss_sim::Version;
use fluss_sim::cases::{self, Row};
use fluss_sim::fault::Fault;
use integration_tests::Deployment;

use crate::simulated::Simulated;

/// What servers say that are no leaders (12), no leaders yet (44), or do not know the bucket (21).
const REFUSALS: [i32; 3] = [12, 44, 21];
/// The time of one question of a statement, which asks three at most: offsets twice and rows.
const DEADLINE: Duration = Duration::from_secs(1);
const AT_MOST: Duration = Duration::from_secs(3 + 2);

fn write(simulated: &Simulated, name: &str, is_keyed: bool) {
    let path = TablePath::new("sim", name);
    let columns = cases::columns();
    let spec = if is_keyed { columns.key(&["id"]) } else { columns };
    let table_id = simulated.cluster.create_table(&path, spec).unwrap();
    let bucket = Bucket { table_id, partition_id: None, bucket: 0 };
    let written: Vec<Row> = (0..40).map(|id| Row::new(id, 1)).collect();
    let rows = cases::batch(&written, &simulated.cluster.schema(&path).unwrap()).unwrap();
    let written = match is_keyed {
        true => simulated.cluster.upsert(bucket, &rows),
        false => simulated.cluster.append(bucket, &rows),
    };
    written.unwrap();
}

/// Refuses the first so many calls of a kind.
fn refuse(simulated: &Simulated, api: i16, code: i32, calls: u64) -> Arc<AtomicU64> {
    let refused = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&refused);
    simulated.cluster.set_script(move |asked| {
        let is_refused = asked.api == api && counted.load(Ordering::Relaxed) < calls;
        is_refused.then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            Fault::BucketError(code)
        })
    });
    refused
}

/// Each question to a leader, refused without end and then for a while.
#[tokio::test]
async fn a_leader_that_refuses_for_a_whole_deadline_ends_the_statement() {
    for version in [Version::V0_9, Version::V1_0] {
        let simulated = Simulated::start(version, 2).await;
        write(&simulated, "log", false);
        write(&simulated, "keyed", true);
        let millrace = Deployment::start(1).await.unwrap();
        let create = format!(
            "CREATE EXTERNAL CATALOG fluss PROPERTIES ('type'='fluss','bootstrap.servers'='{}',\
             'fluss.option.client.request-timeout'='{DEADLINE:?}',\
             'fluss.option.client.metadata-timeout'='{DEADLINE:?}')",
            simulated.bootstrap()
        );
        millrace.sql(&create).await.unwrap();
        let state = if version == Version::V0_9 { LimitScan::API } else { ScanKv::API };
        for (table, api) in [
            ("log", ListOffsets::API),
            ("log", FetchLog::API),
            ("keyed", ListOffsets::API),
            ("keyed", state),
        ] {
            for code in REFUSALS {
                refuses(&simulated, &millrace, table, api, code).await;
            }
        }
    }
}

async fn refuses(simulated: &Simulated, millrace: &Deployment, table: &str, api: i16, code: i32) {
    let sql = format!("SELECT count(id), sum(id) FROM fluss.sim.{table}");
    let what = format!("{table}: call {api} refused with {code}");
    let refused = refuse(simulated, api, code, u64::MAX);
    let asked = Instant::now();
    let answer = millrace.sql(&sql).await;
    let took = asked.elapsed();
    let Err(mysql_async::Error::Server(error)) = answer else { panic!("{what}: {answer:?}") };
    assert_eq!(error.state, "40001", "{what}: {error}");
    assert!(error.message.contains("bucket 0 of table"), "{what}: {error}");
    assert!(refused.load(Ordering::Relaxed) > 3, "{what}: asked only {refused:?} times");
    assert!(took < AT_MOST, "{what}: {took:?}");
    // one that serves after some refusals is waited for
    refuse(simulated, api, code, 4);
    assert_eq!(millrace.sql(&sql).await.unwrap(), [["40", "780"]], "{what}, then served");
    simulated.cluster.clear_script();
}
