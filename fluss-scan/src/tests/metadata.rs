//! Questions about tables, partitions, lakes and offsets, over recorded answers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::log::offset_of;
use super::rows::full_table;
use super::server::{FakeServer, Reply, SERVERS, leads_all, recorded_answer};
use crate::client::OffsetSpec;
use crate::messages::{
    ApiVersions, GetLakeSnapshot, GetTableInfo, GetTableSchema, ListOffsets, ListOffsetsAnswer,
    ListPartitionInfos, Metadata, MetadataAnswer,
};
use crate::table::{TableInfo, TablePath};
use crate::{Error, FlussType, Waiting};

/// A server that answers everything but versions and leaders with one recorded answer.
async fn replaying(name: &'static str, server: &'static str) -> FakeServer {
    FakeServer::start(move |asked| {
        leads_all(asked, server).unwrap_or_else(|| Reply::recorded(&format!("{name}.{server}")))
    })
    .await
}

fn path() -> TablePath {
    TablePath::new("w", "t")
}

#[tokio::test]
async fn a_table_is_described_as_it_was_made() {
    for server in SERVERS {
        let fake = replaying("table_info_pk_lake_tablet", server).await;
        let table = fake.client().table_info(&path()).await.unwrap();
        assert_eq!((table.schema_id, table.bucket_count), (1, 3));
        assert_eq!(table.bucket_keys, ["id"]);
        assert_eq!(table.schema.primary_key, ["id"]);
        assert!(table.partition_keys.is_empty() && table.custom_properties.is_empty());
        assert_eq!(table.properties["table.datalake.enabled"], "true");
        assert!(table.created > 1_700_000_000_000 && table.modified == table.created);
        let types: Vec<_> = table.schema.columns.iter().map(|c| c.data_type.to_string()).collect();
        assert_eq!(
            types.join(" "),
            "bigint string int decimal(18,2) decimal(30,5) datetime(6) timestamp(6) boolean double \
             date varbinary tinyint smallint float time(3) int"
        );
        let nullable = table.schema.columns.iter().filter(|column| column.nullable).count();
        assert_eq!(nullable, 15);
        assert_eq!(TableInfo::from_bytes(&table.to_bytes()).unwrap(), table);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for server in SERVERS {
        let fake = replaying("error_no_table_tablet", server).await;
        let error = fake.client().table_info(&path()).await.unwrap_err();
        assert_eq!(error, Error::NotFound("Table 'w.nope' does not exist.".into()));
        let fake = replaying("schema_missing_tablet", server).await;
        let error = fake.client().schema(&full_table(3), 7).await.unwrap_err();
        assert!(matches!(error, Error::Server { code: 9, .. }), "{error:?}");
        let fake = replaying("partitions_none_tablet", server).await;
        let error = fake.client().partitions(&path()).await.unwrap_err();
        assert!(matches!(error, Error::Server { code: 37, .. }), "{error:?}");
    }
    let fake = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| Reply::error(4, "Database 'x' does not exist."))
    })
    .await;
    let error = fake.client().list_tables("x").await.unwrap_err();
    assert!(matches!(error, Error::DatabaseNotFound(_)), "{error:?}");
}

#[tokio::test]
async fn a_table_that_was_dropped_is_not_waited_for() {
    for server in SERVERS {
        // the leaders of a table that is gone: an unexpected exception with its stack trace
        let gone = FakeServer::start(move |asked| {
            if asked.is::<Metadata>() {
                return Reply::recorded(&format!("metadata_missing_tablet.{server}"));
            }
            let no_table = || Reply::recorded(&format!("error_no_table_tablet.{server}"));
            leads_all(asked, server).unwrap_or_else(no_table)
        })
        .await;
        let latest = |client: std::sync::Arc<crate::FlussClient>| async move {
            client.offsets(&full_table(3), None, &[0], OffsetSpec::Latest).await.unwrap_err()
        };
        let error = latest(gone.client()).await;
        assert!(matches!(error, Error::NotFound(_)), "{error:?}");
        // and one that was created again has another id
        let again = FakeServer::start(move |asked| {
            if asked.is::<Metadata>() {
                return Reply::recorded(&format!("metadata_empty_tablet.{server}"));
            }
            leads_all(asked, server).unwrap_or(Reply::Nothing)
        })
        .await;
        let error = latest(again.client()).await;
        assert!(matches!(&error, Error::NotFound(what) if what.contains("id 3")), "{error:?}");
    }
}

#[tokio::test]
async fn schemas_are_asked_for_once() {
    for server in SERVERS {
        let fake = replaying("schema_tablet", server).await;
        let client = fake.client();
        for _ in 0..3 {
            let schema = client.schema(&full_table(13), 1).await.unwrap();
            assert_eq!(schema.primary_key, ["name", "id"]);
            assert_eq!(schema.columns[1].data_type, FlussType::BigInt);
        }
        assert_eq!(fake.count::<GetTableSchema>(), 1);
    }
}

/// The leader that wrote with a new schema knows it, the server that is asked may learn it later.
#[tokio::test]
async fn a_schema_that_a_server_has_not_learnt_yet_is_asked_for_again() {
    for known_from in [2, usize::MAX] {
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| match asked.nth >= known_from {
                true => Reply::recorded("schema_tablet.v10"),
                false => Reply::error(9, "Schema not exist."),
            })
        })
        .await;
        match fake.client().schema(&full_table(13), 1).await {
            Ok(_) => assert_eq!((known_from, fake.count::<GetTableSchema>()), (2, 3)),
            Err(error) => {
                assert_eq!(known_from, usize::MAX, "{error}");
                assert!(matches!(error, Error::Server { code: 9, .. }), "{error:?}");
                assert!(fake.count::<GetTableSchema>() < 20);
            }
        }
    }
}

#[tokio::test]
async fn partitions_have_ids_names_and_values() {
    for server in SERVERS {
        let fake = replaying("partitions_tablet", server).await;
        let partitions = fake.client().partitions(&path()).await.unwrap();
        let shown: Vec<_> =
            partitions.iter().map(|p| (p.id, p.name.as_str(), p.values.join("|"))).collect();
        assert_eq!(shown, [(0, "eu", "eu".to_string()), (1, "us", "us".to_string())]);
        assert!(partitions.iter().all(|p| p.bucket_count.is_none()), "neither server says one");
    }
}

#[tokio::test]
async fn partitions_may_have_bucket_counts_of_their_own() {
    for (count, expected) in
        [(None, Some(3)), (Some(7), Some(7)), (Some(0), None), (Some(-1), None)]
    {
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| {
                let mut answer =
                    recorded_answer::<ListPartitionInfos>("partitions_tablet.v10.resp");
                answer.partitions[1].bucket_count = count;
                Reply::message(&answer)
            })
        })
        .await;
        let mut table = full_table(8);
        table.bucket_count = 3;
        let buckets = fake.client().partitions(&path()).await.map(|partitions| {
            assert_eq!(table.buckets_of(Some(&partitions[0])), 3);
            table.buckets_of(Some(&partitions[1]))
        });
        match expected {
            Some(expected) => assert_eq!(buckets, Ok(expected)),
            None => assert!(matches!(buckets, Err(Error::Corrupt(_))), "{buckets:?}"),
        }
        assert_eq!(table.buckets_of(None), 3);
    }
}

#[tokio::test]
async fn lake_snapshots_and_their_absence() {
    for server in SERVERS {
        let fake = replaying("lake_snapshot_part_lake_readable_tablet", server).await;
        let snapshot = fake.client().readable_lake_snapshot(&path()).await.unwrap().unwrap();
        assert_eq!(snapshot.offsets.len(), 4);
        assert!(snapshot.offsets.keys().all(|(partition, bucket)| {
            partition.is_some_and(|id| id < 2) && (0..2).contains(bucket)
        }));
        assert_eq!(snapshot.offsets.values().sum::<i64>(), 40, "each of the 40 rows once");
        let fake = replaying("lake_snapshot_pk_lake_readable_tablet", server).await;
        let snapshot = fake.client().readable_lake_snapshot(&path()).await.unwrap().unwrap();
        assert!((0..3).all(|bucket| snapshot.offsets[&(None, bucket)] > 0));
        let fake = replaying("lake_snapshot_never_tiered_readable_tablet", server).await;
        assert_eq!(fake.client().readable_lake_snapshot(&path()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_failing_server_is_asked_for_a_snapshot_again_and_not_for_ever() {
    for (failures, calls, is_found) in [(0, 1, true), (2, 3, true), (99, 4, false)] {
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| match asked.nth < failures {
                true => Reply::error(-1, "Failed to get lake table snapshot\n\tat server"),
                false => Reply::recorded("lake_snapshot_pk_lake_readable_tablet.v10"),
            })
        })
        .await;
        let snapshot = fake.client().readable_lake_snapshot(&path()).await;
        assert_eq!(fake.count::<GetLakeSnapshot>(), calls);
        match snapshot {
            Ok(snapshot) => assert!(is_found && snapshot.is_some()),
            Err(error) => {
                let text = error.to_string();
                assert!(!is_found && text.contains("Failed to get") && !text.contains("at server"));
            }
        }
    }
}

#[tokio::test]
async fn offsets_are_matched_by_bucket() {
    for server in SERVERS {
        let answer = recorded_answer::<ListOffsets>(&format!("list_offsets_latest.{server}.resp"));
        let known: BTreeMap<i32, i64> =
            answer.buckets.iter().filter_map(|b| Some((b.bucket, b.offset?))).collect();
        assert_eq!(known.len(), 3, "buckets 0 to 2; bucket 9 is not there");
        let fake = replaying("list_offsets_latest", server).await;
        let client = fake.client();
        let all = client.offsets(&full_table(3), None, &[0, 1, 2], OffsetSpec::Latest).await;
        assert_eq!(all.unwrap(), known);
        let fake = replaying("list_offsets_earliest", server).await;
        let client = fake.client();
        let all = client.offsets(&full_table(3), None, &[0, 1, 2], OffsetSpec::Earliest).await;
        assert_eq!(all.unwrap(), BTreeMap::from([(0, 0), (1, 0), (2, 0)]));
        let asked = fake.asked::<ListOffsets>();
        assert_eq!((asked[0].kind, asked[0].follower_id), (0, -1));
        let none = client.offsets(&full_table(3), None, &[], OffsetSpec::Latest).await;
        assert!(none.unwrap().is_empty());
    }
}

#[tokio::test]
async fn offsets_of_what_is_missing_are_not_found() {
    for server in SERVERS {
        let fake = replaying("list_offsets_bad_partition", server).await;
        let table = full_table(8);
        let error = fake.client().offsets(&table, Some(5), &[0], OffsetSpec::Latest).await;
        assert!(matches!(error, Err(Error::NotFound(_))), "{error:?}");
        // the metadata lists the bucket: its leader may be coming back
        let asked = fake.count::<ListOffsets>();
        assert!((2..20).contains(&asked), "asked {asked} times");
        assert_eq!(fake.asked::<Metadata>()[0].partition_ids, [5]);
    }
}

#[tokio::test]
async fn buckets_of_another_leader_are_asked_for_again() {
    for server in SERVERS {
        let moved =
            format!("list_offsets_not_leader.nolake{}", if server == "v10" { "10" } else { "09" });
        let refused = recorded_answer::<ListOffsets>(&format!("{moved}.resp"));
        let led: Vec<i32> =
            refused.buckets.iter().filter(|b| b.offset.is_some()).map(|b| b.bucket).collect();
        assert!(!led.is_empty() && led.len() < 4, "some buckets are led elsewhere");
        let fake = FakeServer::start(move |asked| {
            leads_all(asked, server).unwrap_or_else(|| match asked.nth {
                0 => Reply::recorded(&moved),
                _ => offset_of(asked, 99),
            })
        })
        .await;
        let client = fake.client();
        let all =
            client.offsets(&full_table(3), None, &[0, 1, 2, 3], OffsetSpec::Latest).await.unwrap();
        assert_eq!(all.len(), 4);
        for (bucket, offset) in all {
            assert_eq!(offset != 99, led.contains(&bucket), "bucket {bucket}");
        }
        let again = &fake.asked::<ListOffsets>()[1];
        assert!(again.buckets.iter().all(|bucket| !led.contains(bucket)));
    }
}

#[tokio::test]
async fn a_bucket_without_a_leader_is_named_at_the_deadline() {
    let fake = FakeServer::start(|asked| {
        let mut answer = leads_all(asked, "v10");
        if let (true, Some(Reply::Typed(_, body))) = (asked.is::<Metadata>(), &mut answer) {
            let mut metadata: MetadataAnswer = prost::Message::decode(&body[..]).unwrap();
            for table in &mut metadata.tables {
                table.buckets.iter_mut().for_each(|bucket| bucket.leader = None);
            }
            *body = prost::Message::encode_to_vec(&metadata);
        }
        answer.unwrap_or(Reply::Nothing)
    })
    .await;
    let waiting = "waiting for a leader of bucket 2 of table 3";
    let (client, table, told) = (fake.client(), full_table(3), Waiting::default());
    let seen = async {
        // longer than a pause between two tries
        tokio::time::sleep(Duration::from_millis(300)).await;
        told.what()
    };
    let asked = told.watch(client.offsets(&table, None, &[2], OffsetSpec::Latest));
    let (error, seen) = tokio::join!(asked, seen);
    assert_eq!((seen.as_deref(), told.what()), (Some(waiting), None));
    assert!(matches!(&error, Err(Error::TimedOut { what, .. }) if what == waiting), "{error:?}");
    // the same words where a server is named as the leader, and says that it is none
    let fake = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| {
            let bucket =
                crate::messages::OffsetOfBucket { bucket: 2, code: Some(12), ..Default::default() };
            Reply::message(&ListOffsetsAnswer { buckets: vec![bucket] })
        })
    })
    .await;
    let error = fake.client().offsets(&full_table(3), None, &[2], OffsetSpec::Latest).await;
    assert!(matches!(&error, Err(Error::TimedOut { what, .. }) if what == waiting), "{error:?}");
    assert!(fake.count::<ListOffsets>() < 20);
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_not_waited_for() {
    let fake = FakeServer::start(|asked| leads_all(asked, "v10").unwrap_or(Reply::Nothing)).await;
    let error = fake.client().offsets(&full_table(3), None, &[0, 9], OffsetSpec::Latest).await;
    assert!(matches!(&error, Err(Error::NotFound(what)) if what.contains("bucket 9")), "{error:?}");
}

#[tokio::test]
async fn bootstrap_servers_are_tried_in_order() {
    let fake = replaying("table_info_pk_plain_tablet", "v10").await;
    let silent = FakeServer::start(|_| Reply::Nothing).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let client = fake.client_with(|options| {
        options.bootstrap = vec![closed, silent.address.clone(), fake.address.clone()];
        options.connect_timeout = Duration::from_millis(100);
    });
    client.table_info(&path()).await.unwrap();
    client.table_info(&path()).await.unwrap();
    assert_eq!(silent.count::<ApiVersions>(), 1, "the server that answered is asked first");
    assert_eq!(fake.count::<GetTableInfo>(), 2);
}
