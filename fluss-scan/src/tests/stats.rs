//! Row counts, over recorded and made-up answers.

use std::collections::BTreeMap;

use super::keyed::{Keyed, LAKE};
use super::rows::full_table;
use super::server::{FakeServer, Reply, SERVERS, leads_all, recorded_answer};
use crate::messages::{GetTableStats, GetTableStatsAnswer, Metadata, StatsBucket, StatsOfBucket};
use crate::table::{Bucket, PartitionInfo};
use crate::{Error, FlussClient};

async fn answering(answer: impl Fn(GetTableStats) -> Reply + Send + Sync + 'static) -> FakeServer {
    FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| answer(asked.decode()))
    })
    .await
}

async fn of_buckets(
    client: &FlussClient,
    buckets: std::ops::Range<i32>,
) -> crate::Result<BTreeMap<Bucket, Option<u64>>> {
    let table = full_table(3);
    let buckets: Vec<Bucket> = buckets.map(|bucket| table.bucket(None, bucket)).collect();
    client.table_stats(&table, &buckets).await
}

#[tokio::test]
async fn counts_are_those_of_the_leaders() {
    for server in SERVERS {
        for (name, counts) in [
            ("pk_plain", &[Some(50), Some(61), Some(69)][..]),
            ("log_zstd", &[Some(200), Some(100)]),
            ("empty_tail", &[Some(10)]),
            ("wal", &[None]),
        ] {
            let name = format!("table_stats_{name}_tablet.{server}");
            let fake = FakeServer::start(move |asked| {
                leads_all(asked, server).unwrap_or_else(|| Reply::recorded(&name))
            })
            .await;
            let buckets = 0..counts.len() as i32;
            let stats = of_buckets(&fake.client(), buckets.clone()).await.unwrap();
            let expected = buckets.map(|bucket| full_table(3).bucket(None, bucket)).zip(counts);
            assert_eq!(stats, expected.map(|(bucket, count)| (bucket, *count)).collect());
            assert_eq!(fake.count::<GetTableStats>(), 1);
        }
    }
}

#[tokio::test]
async fn buckets_of_another_leader_are_asked_for_again() {
    for (name, server) in [("nolake09", "v091"), ("nolake10", "v10")] {
        let refused = format!("table_stats_not_leader.{name}");
        let recorded = recorded_answer::<GetTableStats>(&format!("{refused}.resp"));
        let led: BTreeMap<i32, u64> = recorded
            .buckets
            .iter()
            .filter_map(|b| Some((b.bucket, u64::try_from(b.row_count?).unwrap())))
            .collect();
        assert!(!led.is_empty() && led.len() < 4);
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, server).unwrap_or_else(|| match asked.nth {
                0 => Reply::recorded(&refused),
                _ => {
                    let request: GetTableStats = asked.decode();
                    let count = |b: &StatsBucket| StatsOfBucket {
                        bucket: b.bucket,
                        row_count: Some(99),
                        ..StatsOfBucket::default()
                    };
                    let buckets = request.buckets.iter().map(count).collect();
                    Reply::message(&GetTableStatsAnswer { buckets })
                }
            })
        })
        .await;
        let stats = of_buckets(&fake.client(), 0..4).await.unwrap();
        assert_eq!(stats.len(), 4);
        for (bucket, count) in stats {
            assert_eq!(count, Some(led.get(&bucket.bucket).copied().unwrap_or(99)), "{bucket}");
        }
        assert_eq!(fake.count::<Metadata>(), 2, "leaders are asked for anew");
    }
}

#[tokio::test]
async fn many_partitions_are_asked_for_together() {
    let primary: &[&str] = &["name", "id"];
    let keyed =
        Keyed { table_id: 8, primary, bucket: &["id"], partition: &["name"], properties: LAKE };
    let table = keyed.names();
    let partition = |id: i64| PartitionInfo {
        id,
        name: id.to_string(),
        values: vec![id.to_string()],
        bucket_count: (id % 2 == 0).then_some(2),
    };
    let partitions: Vec<PartitionInfo> = (0..700).map(partition).collect();
    let buckets: Vec<Bucket> = partitions.iter().flat_map(|p| table.buckets(Some(p))).collect();
    assert_eq!(buckets.len(), 350 * 2 + 350 * 3);
    let fake = answering(|request| {
        let count = |b: &StatsBucket| StatsOfBucket {
            bucket: b.bucket,
            partition_id: b.partition_id,
            row_count: Some(b.partition_id.unwrap() * 10 + i64::from(b.bucket)),
            ..StatsOfBucket::default()
        };
        Reply::message(&GetTableStatsAnswer {
            buckets: request.buckets.iter().map(count).collect(),
        })
    })
    .await;
    let stats = fake.client().table_stats(&table, &buckets).await.unwrap();
    let expected = |b: &Bucket| Some((b.partition_id.unwrap() * 10 + i64::from(b.bucket)) as u64);
    assert_eq!(stats, buckets.iter().map(|b| (*b, expected(b))).collect());
    let sizes: Vec<usize> = fake.asked::<GetTableStats>().iter().map(|r| r.buckets.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), buckets.len());
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 1000), "{sizes:?}");
    let nothing = fake.client().table_stats(&table, &[]).await.unwrap();
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn what_is_no_count_is_no_answer() {
    let count = |code: i32, row_count: Option<i64>| {
        let bucket = StatsOfBucket {
            bucket: 0,
            code: Some(code),
            message: Some("refused".into()),
            row_count,
            ..StatsOfBucket::default()
        };
        Reply::message(&GetTableStatsAnswer { buckets: vec![bucket] })
    };
    for (code, rows, expected) in [
        (0, Some(-1), "Corrupt"),
        (21, None, "NotFound"),
        (48, None, "Denied"),
        (12, None, "TimedOut"),
        (99, None, "Server"),
    ] {
        let fake = answering(move |_| count(code, rows)).await;
        let error = of_buckets(&fake.client(), 0..1).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{error:?}");
    }
    let missing = answering(|_| Reply::message(&GetTableStatsAnswer::default())).await;
    let error = of_buckets(&missing.client(), 0..1).await;
    assert!(matches!(error, Err(Error::Corrupt(_))), "{error:?}");
    let other = [full_table(4).bucket(None, 0)];
    let error = missing.client().table_stats(&full_table(3), &other).await;
    assert!(matches!(error, Err(Error::Unsupported(_))), "{error:?}");
    // a server that does not list the call would never answer it
    let old = FakeServer::start(|asked| {
        if asked.is::<crate::messages::ApiVersions>() {
            return Reply::recorded("api_versions_coordinator.v10");
        }
        leads_all(asked, "v10").unwrap_or(Reply::Nothing)
    })
    .await;
    let error = of_buckets(&old.client(), 0..1).await;
    assert!(matches!(error, Err(Error::Unsupported(_))), "{error:?}");
    assert_eq!(old.count::<GetTableStats>(), 0);
}
