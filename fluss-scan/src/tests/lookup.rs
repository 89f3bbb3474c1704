//! Lookups by keys and prefixes, over recorded and made-up answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use prost::Message;
use serde_json::json;

use super::keyed::{Keyed, LAKE, NO_LAKE, ids, names, names_and_ids};
use super::rows::{VER, expected_rows, full_table};
use super::server::{
    Asked, FakeServer, Reply, SERVERS, frame, leads_all, recorded_answer, recorded_request,
};
use crate::kv::KeyLookup;
use crate::messages::{
    ApiVersion, ApiVersions, ApiVersionsAnswer, Call, GetTableInfo, GetTableSchema,
    GetTableSchemaAnswer, LookedUpBucket, LookedUpValue, LookedUpValues, Lookup, LookupAnswer,
    LookupBucket, Metadata, PrefixLookedUpBucket, PrefixLookup, PrefixLookupAnswer,
};
use crate::table::{PartitionInfo, TableInfo};
use crate::{Error, FoundRows};

const NOLAKE: [(&str, &str); 2] = [("nolake09", "v091"), ("nolake10", "v10")];
/// As it may be in the tables `pk2_*` and `pre_*`.
const BY_BOTH: Keyed<'_> = Keyed {
    table_id: 8,
    primary: &["name", "id"],
    bucket: &["name", "id"],
    partition: &[],
    properties: LAKE,
};
const BY_NAME: Keyed<'_> = Keyed { bucket: &["name"], ..BY_BOTH };
const BY_ID: Keyed<'_> = Keyed { primary: &["id"], bucket: &["id"], ..BY_BOTH };

fn lookup(table: TableInfo, keys: RecordBatch) -> KeyLookup {
    let projection = (0..table.schema.columns.len()).collect();
    KeyLookup { table, partition: None, keys, projection }
}

/// A server that answers each call about rows as `answer` says.
async fn answering(
    version: &'static str,
    answer: impl Fn(&Asked<'_>) -> Reply + Send + Sync + 'static,
) -> FakeServer {
    FakeServer::start(move |asked| leads_all(asked, version).unwrap_or_else(|| answer(asked))).await
}

/// A row `(name, id, v)` as Fluss stores it: for numbers below 128.
fn stored(name: &str, id: u8, v: u8) -> Bytes {
    [&[1, 0, 0, name.len() as u8], name.as_bytes(), &[id, v]].concat().into()
}

/// The names, ids and values that were found, each with the position of its key.
fn shown(found: &FoundRows) -> Vec<(u32, String, i64, i64)> {
    let names = found.rows.column(0).as_string::<i32>();
    let [ids, values] = [1, 2].map(|i| found.rows.column(i).as_primitive::<Int64Type>());
    let row =
        |(i, key): (usize, &u32)| (*key, names.value(i).into(), ids.value(i), values.value(i));
    assert_eq!(found.keys.len(), found.rows.num_rows());
    found.keys.iter().enumerate().map(row).collect()
}

/// The recorded request with its version, and what was asked instead, without bucket counts.
fn same_request(name: &str, asked: &[Lookup]) {
    let recorded: Lookup = recorded_request(&format!("{name}.req"));
    let [mut asked] = asked.to_vec().try_into().unwrap();
    assert!(asked.buckets.iter().all(|bucket| bucket.bucket_count == Some(3)));
    asked.buckets.iter_mut().for_each(|bucket| bucket.bucket_count = None);
    for bucket in asked.buckets {
        assert!(recorded.buckets.contains(&bucket), "{bucket:?}");
    }
    assert_eq!(frame(&format!("{name}.req"))[6..8], [0, 1], "recorded in version 1");
}

#[tokio::test]
async fn a_row_is_found_by_its_key_and_decoded() {
    let plain = |id| {
        let mut table = full_table(id);
        table.properties.remove("table.datalake.format");
        table
    };
    let lake = SERVERS.map(|s| (format!("lookup_pk_plain_paimon_v1.{s}"), s, full_table(3)));
    let no_lake = NOLAKE.map(|(n, s)| (format!("lookup_pk_plain_compacted_v1.{n}"), s, plain(0)));
    for (name, server, table) in lake.into_iter().chain(no_lake) {
        let replayed = name.clone();
        let fake = answering(server, move |asked| {
            assert_eq!(asked.version, 1);
            Reply::recorded(&replayed)
        })
        .await;
        let found = fake.client().lookup(&lookup(table.clone(), ids(&[77]))).await.unwrap();
        assert_eq!(found, FoundRows { rows: expected_rows(&[(77, 1)]), keys: vec![0] }, "{name}");
        same_request(&name, &fake.asked());
        // some columns, in another order
        let some = KeyLookup { projection: vec![VER, 4], ..lookup(table, ids(&[77])) };
        let some = fake.client().lookup(&some).await.unwrap();
        assert_eq!(some.rows, found.rows.project(&[VER, 4]).unwrap());
    }
}

#[tokio::test]
async fn keys_of_several_columns_and_keys_that_are_longer_than_their_bucket_key() {
    let no_lake = Keyed { table_id: 1, properties: NO_LAKE, ..BY_BOTH };
    for (recorded, keyed) in
        [("lookup_pk2_lake_paimon_v1", BY_BOTH), ("lookup_pre_lake_compacted_v1", BY_NAME)]
            .into_iter()
            .flat_map(|(name, keyed)| SERVERS.map(|s| ((format!("{name}.{s}"), s), keyed)))
            .chain(
                NOLAKE.map(|(n, s)| ((format!("lookup_pk2_plain_compacted_v1.{n}"), s), no_lake)),
            )
    {
        let (name, server) = recorded;
        let request: Lookup = recorded_request(&format!("{name}.req"));
        let keyed = Keyed { table_id: request.table_id, ..keyed };
        let replayed = name.clone();
        let fake = answering(server, move |_| Reply::recorded(&replayed)).await;
        let keys = names_and_ids(&[("longer-name-1", 1)]);
        let found = fake.client().lookup(&lookup(keyed.names(), keys)).await.unwrap();
        assert_eq!(shown(&found), [(0, "longer-name-1".into(), 1, 2)], "{name}");
        same_request(&name, &fake.asked());
    }
}

#[tokio::test]
async fn prefixes_find_all_their_rows_in_the_order_of_the_server() {
    let no_lake = Keyed { properties: NO_LAKE, ..BY_NAME };
    for ((name, server), keyed) in SERVERS
        .map(|s| ((format!("prefix_pre_lake_compacted_v1.{s}"), s), BY_NAME))
        .into_iter()
        .chain(NOLAKE.map(|(n, s)| ((format!("prefix_pre_plain_compacted_v1.{n}"), s), no_lake)))
    {
        let recorded: PrefixLookup = recorded_request(&format!("{name}.req"));
        let keyed = Keyed { table_id: recorded.table_id, ..keyed };
        let replayed = name.clone();
        let fake = answering(server, move |_| Reply::recorded(&replayed)).await;
        let found = fake.client().prefix_lookup(&lookup(keyed.names(), names(&["a"]))).await;
        let expected: Vec<_> = (0..60).step_by(4).map(|id| (0, "a".into(), id, 2 * id)).collect();
        assert_eq!(shown(&found.unwrap()), expected, "{name}");
        let asked = fake.asked::<PrefixLookup>();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].buckets.len(), 1, "only the bucket of the prefix");
        assert_eq!(asked[0].buckets[0].prefixes, recorded.buckets[0].prefixes);
        assert_eq!(asked[0].buckets[0].bucket_count, Some(3));
    }
}

#[tokio::test]
async fn a_prefix_is_not_asked_for_where_rows_would_be_missing() {
    let fake = answering("v10", |_| Reply::Nothing).await;
    for keyed in [BY_BOTH, Keyed { bucket: &["id"], ..BY_BOTH }] {
        let error = fake.client().prefix_lookup(&lookup(keyed.names(), names(&["a"]))).await;
        assert!(matches!(error, Err(Error::Unsupported(_))), "{error:?}");
    }
    assert_eq!(fake.count::<PrefixLookup>(), 0);
}

#[tokio::test]
async fn a_server_that_is_too_old_for_a_table_says_so() {
    for server in SERVERS {
        let name = format!("lookup_pre_lake_compacted_v0.{server}");
        let request: Lookup = recorded_request(&format!("{name}.req"));
        let fake = FakeServer::start(move |asked| {
            if asked.is::<ApiVersions>() {
                let apis = [Metadata::API, Lookup::API].map(i32::from);
                let versions = apis.map(|api| ApiVersion { api, min: 0, max: 0 }).to_vec();
                return Reply::message(&ApiVersionsAnswer { versions });
            }
            leads_all(asked, "v10").unwrap_or_else(|| {
                assert_eq!(asked.version, 0);
                Reply::recorded(&name)
            })
        })
        .await;
        let table = Keyed { table_id: request.table_id, ..BY_NAME }.names();
        let keys = names_and_ids(&[("longer-name-1", 1)]);
        let error = fake.client().lookup(&lookup(table.clone(), keys)).await.unwrap_err();
        assert!(matches!(&error, Error::Server { code: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("kv format version 2"), "{error}");
        assert_eq!(fake.count::<Lookup>(), 1);
        let prefix = fake.client().prefix_lookup(&lookup(table, names(&["a"]))).await;
        assert!(matches!(prefix, Err(Error::Unsupported(_))), "not listed: {prefix:?}");
    }
}

/// The ids that a request in Fluss's own layout asks for, each below 128 or of two bytes.
fn asked_ids(bucket: &LookupBucket) -> Vec<i64> {
    let id = |key: &Bytes| match key[..] {
        [one] => i64::from(one),
        [low, high] => i64::from(low & 0x7f) | i64::from(high) << 7,
        _ => panic!("{key:?}"),
    };
    bucket.keys.iter().map(id).collect()
}

/// A server whose buckets hold the ids for which `holds` says so, each with `name` its bucket's number.
async fn holding(holds: impl Fn(i64, i32) -> bool + Send + Sync + 'static) -> FakeServer {
    answering("v10", move |asked| {
        let request: Lookup = asked.decode();
        let value = |id: i64, bucket: i32| {
            let bytes = holds(id, bucket).then(|| {
                let (low, high) = ((id & 0x7f) as u8 | 0x80, (id >> 7) as u8);
                [&[1, 0, 0, 1, b'0' + bucket as u8][..], &[low, high], &[7]].concat().into()
            });
            LookedUpValue { bytes }
        };
        let mut buckets: Vec<LookedUpBucket> = request
            .buckets
            .iter()
            .map(|b| LookedUpBucket {
                bucket: b.bucket,
                partition_id: b.partition_id,
                values: asked_ids(b).into_iter().map(|id| value(id, b.bucket)).collect(),
                ..LookedUpBucket::default()
            })
            .collect();
        buckets.reverse();
        Reply::message(&LookupAnswer { buckets })
    })
    .await
}

#[tokio::test]
async fn rows_come_in_the_order_of_the_keys_in_requests_of_bounded_size() {
    // keys repeat, and some have no row
    let asked: Vec<i64> = (0..4000).map(|i| i * 7919 % 3000).collect();
    let lake = answering("v10", |asked| {
        let request: Lookup = asked.decode();
        let value = |key: &Bytes| {
            let id = i64::from_le_bytes(key[8..].try_into().unwrap());
            let bytes = (id % 5 != 0).then(|| stored("x", (id % 100) as u8, (id % 101) as u8));
            LookedUpValue { bytes }
        };
        let bucket = |b: &LookupBucket| LookedUpBucket {
            bucket: b.bucket,
            values: b.keys.iter().map(value).collect(),
            ..LookedUpBucket::default()
        };
        Reply::message(&LookupAnswer { buckets: request.buckets.iter().map(bucket).collect() })
    })
    .await;
    let found = lake.client().lookup(&lookup(BY_ID.names(), ids(&asked))).await.unwrap();
    let expected: Vec<_> = (0..)
        .zip(&asked)
        .filter(|(_, id)| *id % 5 != 0)
        .map(|(key, id)| (key, "x".into(), id % 100, id % 101))
        .collect();
    assert_eq!(shown(&found), expected);
    let requests = lake.asked::<Lookup>();
    assert!(requests.len() >= 4, "{} requests", requests.len());
    for request in &requests {
        assert!(request.buckets.iter().map(|b| b.keys.len()).sum::<usize>() <= 1000);
        let mut buckets: Vec<i32> = request.buckets.iter().map(|b| b.bucket).collect();
        buckets.sort_unstable();
        buckets.dedup();
        assert_eq!(buckets.len(), request.buckets.len(), "a bucket twice in one request");
    }
    let none = lake.client().lookup(&lookup(BY_ID.names(), ids(&[]))).await.unwrap();
    assert_eq!((none.rows.num_rows(), none.rows.num_columns()), (0, 3));
    assert_eq!(lake.asked::<Lookup>(), requests, "nothing is asked for no keys");
}

#[tokio::test]
async fn long_keys_make_requests_of_fewer_keys() {
    let fake = answering("v10", |asked| {
        let request: Lookup = asked.decode();
        let bucket = |b: &LookupBucket| LookedUpBucket {
            bucket: b.bucket,
            values: vec![LookedUpValue::default(); b.keys.len()],
            ..LookedUpBucket::default()
        };
        Reply::message(&LookupAnswer { buckets: request.buckets.iter().map(bucket).collect() })
    })
    .await;
    let long: Vec<(String, i64)> = (0..20).map(|id| ("x".repeat(40_000), id)).collect();
    let keys: Vec<_> = long.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    let found = fake.client().lookup(&lookup(BY_BOTH.names(), names_and_ids(&keys))).await;
    assert_eq!(found.unwrap().keys, [0; 0]);
    for request in fake.asked::<Lookup>() {
        assert!(request.encoded_len() < 300_000, "{} bytes", request.encoded_len());
    }
}

#[tokio::test]
async fn a_key_is_found_in_either_of_its_candidates_and_not_in_both() {
    let table = Keyed { properties: NO_LAKE, ..BY_ID }.names();
    let asked: Vec<i64> = (100..400).collect();
    // where each id is asked for
    let empty = holding(|_, _| false).await;
    let found = empty.client().lookup(&lookup(table.clone(), ids(&asked))).await.unwrap();
    assert_eq!(found.keys, [0; 0]);
    let mut candidates: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
    for bucket in empty.asked::<Lookup>().iter().flat_map(|request| &request.buckets) {
        for id in asked_ids(bucket) {
            candidates.entry(id).or_default().push(bucket.bucket);
        }
    }
    let [one, two] = [1, 2].map(|n| candidates.values().filter(|c| c.len() == n).count());
    assert!(one > 50 && two > 50 && one + two == asked.len(), "{one} {two}");
    assert!(candidates.iter().all(|(id, buckets)| *id >= 128 || buckets.len() == 1));
    for last in [false, true] {
        let held = candidates.clone();
        let at = move |buckets: &[i32]| {
            *if last { buckets.iter().max() } else { buckets.iter().min() }.unwrap()
        };
        let fake = holding(move |id, bucket| at(&held[&id]) == bucket).await;
        let found = fake.client().lookup(&lookup(table.clone(), ids(&asked))).await.unwrap();
        let expected: Vec<_> = (0..)
            .zip(&asked)
            .map(|(key, id)| (key, at(&candidates[id]).to_string(), *id, 7))
            .collect();
        assert_eq!(shown(&found), expected);
    }
    let both = holding(|_, _| true).await;
    let error = both.client().lookup(&lookup(table, ids(&asked))).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(what) if what.contains("lies in the buckets")));
}

#[tokio::test]
async fn buckets_of_another_leader_are_asked_for_again() {
    for (name, server) in NOLAKE {
        let refused = format!("lookup_not_leader.{name}");
        let recorded = recorded_answer::<Lookup>(&format!("{refused}.resp"));
        let led: Vec<i32> =
            recorded.buckets.iter().filter(|b| b.code.is_none()).map(|b| b.bucket).collect();
        assert!(!led.is_empty() && led.len() < 4, "some buckets are led elsewhere");
        let fake = answering(server, move |asked| {
            let request: Lookup = asked.decode();
            let values = |b: &LookupBucket| vec![LookedUpValue::default(); b.keys.len()];
            let mut answer = recorded_answer::<Lookup>(&format!("{refused}.resp"));
            for bucket in &mut answer.buckets {
                let of_request = request.buckets.iter().find(|b| b.bucket == bucket.bucket);
                bucket.values = of_request.map(values).unwrap_or_default();
                if asked.nth > 0 {
                    bucket.code = None;
                }
            }
            Reply::message(&answer)
        })
        .await;
        let mut table = Keyed { properties: NO_LAKE, ..BY_ID }.names();
        table.bucket_count = 4;
        let asked: Vec<i64> = (0..100).collect();
        let found = fake.client().lookup(&lookup(table, ids(&asked))).await.unwrap();
        assert_eq!(found.keys, [0; 0]);
        let requests = fake.asked::<Lookup>();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].buckets.len(), 4);
        assert_eq!(requests[1].buckets.len(), 4 - led.len());
        assert!(requests[1].buckets.iter().all(|b| !led.contains(&b.bucket)));
        assert_eq!(fake.count::<Metadata>(), 2, "leaders are asked for anew");
    }
}

#[tokio::test]
async fn failures_that_may_pass_are_survived_and_others_are_not() {
    let answer = |asked: &Asked<'_>, code: Option<i32>| {
        let value = LookedUpValue { bytes: Some(stored("x", 1, 2)) };
        let of_bucket = |b: &LookupBucket| LookedUpBucket {
            bucket: b.bucket,
            code,
            message: Some("it failed\n\tat server".into()),
            values: if code.is_none() { vec![value.clone(); b.keys.len()] } else { vec![] },
            ..LookedUpBucket::default()
        };
        let request: Lookup = asked.decode();
        Reply::message(&LookupAnswer { buckets: request.buckets.iter().map(of_bucket).collect() })
    };
    for (code, times, calls, error) in [
        (12, 3, 4, None),
        (-1, 2, 3, None),
        (21, 5, 6, None),
        (-1, 9, 5, Some("it failed")),
        (48, 1, 1, Some("refuses access: it failed")),
    ] {
        let fake = answering("v10", move |asked| {
            answer(asked, if asked.nth < times { Some(code) } else { None })
        })
        .await;
        // in several buckets: a failure of all of them counts once
        let found = fake.client().lookup(&lookup(BY_ID.names(), ids(&[1, 2, 3, 4, 5]))).await;
        match error {
            None => assert_eq!(found.unwrap().keys, [0, 1, 2, 3, 4], "{code}"),
            Some(text) => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(text) && !error.contains("at server"), "{error}");
            }
        }
        assert_eq!(fake.count::<Lookup>(), calls, "after {times} × {code}");
    }
    // a leader that hangs leaves time for its successor
    let fake = answering("v10", move |asked| match asked.nth {
        0 => Reply::Nothing,
        _ => answer(asked, None),
    })
    .await;
    let found = fake.client().lookup(&lookup(BY_ID.names(), ids(&[1, 2, 3]))).await;
    assert_eq!(found.unwrap().keys, [0, 1, 2]);
    assert_eq!(fake.count::<Lookup>(), 2);
    // a leader that does not know its bucket, whatever the metadata says
    let fake = answering("v10", move |asked| answer(asked, Some(21))).await;
    let error = fake.client().lookup(&lookup(BY_ID.names(), ids(&[1]))).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    // a bucket that nobody leads, and a server that says nothing
    for reply in [Some(12), None] {
        let fake = answering("v10", move |asked| match reply {
            Some(code) => answer(asked, Some(code)),
            None => Reply::Nothing,
        })
        .await;
        let started = Instant::now();
        let error = fake.client().lookup(&lookup(BY_ID.names(), ids(&[1]))).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        assert!(started.elapsed() < Duration::from_millis(1600));
    }
}

#[tokio::test]
async fn answers_that_contradict_the_question_are_refused() {
    let value = |bytes: &[u8]| LookedUpValue { bytes: Some(Bytes::copy_from_slice(bytes)) };
    let row = stored("x", 1, 2);
    let none = LookedUpValue::default();
    for values in [
        vec![],
        vec![none.clone(), none],
        vec![value(&[])],
        vec![value(&[1])],
        vec![value(&row[..row.len() - 1])],
        vec![value(&[&row[..], &[0]].concat())],
    ] {
        let told = values.clone();
        let fake = answering("v10", move |_| {
            let of_bucket = |bucket| LookedUpBucket {
                bucket,
                values: told.clone(),
                ..LookedUpBucket::default()
            };
            Reply::message(&LookupAnswer { buckets: (0..3).map(of_bucket).collect() })
        })
        .await;
        let found = fake.client().lookup(&lookup(BY_ID.names(), ids(&[1]))).await;
        assert!(matches!(found, Err(Error::Corrupt(_))), "{values:?}: {found:?}");
    }
    for partition_id in [None, Some(5)] {
        let fake = answering("v10", move |_| {
            let other = LookedUpBucket { bucket: 3, partition_id, ..LookedUpBucket::default() };
            Reply::message(&LookupAnswer { buckets: vec![other] })
        })
        .await;
        let found = fake.client().lookup(&lookup(BY_ID.names(), ids(&[1]))).await;
        assert!(
            matches!(&found, Err(Error::Corrupt(what)) if what.contains("no answer about bucket")),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn limits_on_keys_and_bytes() {
    let fake = answering("v10", |asked| {
        let request: PrefixLookup = asked.decode();
        let rows = || LookedUpValues { values: vec![stored("x", 1, 2); 10] };
        let bucket = |b: &crate::messages::PrefixLookupBucket| PrefixLookedUpBucket {
            bucket: b.bucket,
            lists: b.prefixes.iter().map(|_| rows()).collect(),
            ..PrefixLookedUpBucket::default()
        };
        Reply::message(&PrefixLookupAnswer {
            buckets: request.buckets.iter().map(bucket).collect(),
        })
    })
    .await;
    let texts: Vec<String> = (0..250).map(|i| format!("name-{i}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let all = lookup(BY_NAME.names(), names(&texts));
    let bytes = 250 * 10 * stored("x", 1, 2).len();
    let client = fake.client_with(|options| options.state_bytes_max = bytes);
    let found = client.prefix_lookup(&all).await.unwrap();
    let expected: Vec<u32> = (0..250).flat_map(|key| [key; 10]).collect();
    assert_eq!(found.keys, expected);
    for request in fake.asked::<PrefixLookup>() {
        assert!(request.buckets.iter().map(|b| b.prefixes.len()).sum::<usize>() <= 100);
    }
    let client = fake.client_with(|options| options.state_bytes_max = bytes - 1);
    let error = client.prefix_lookup(&all).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error:?}");
    let calls = fake.count::<Lookup>();
    let many: Vec<i64> = (0..100_001).collect();
    let error = fake.client().lookup(&lookup(BY_ID.names(), ids(&many))).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error:?}");
    assert_eq!(fake.count::<Lookup>(), calls);
}

#[tokio::test]
async fn rows_of_an_older_schema_lack_the_columns_added_since() {
    let old = recorded_answer::<GetTableInfo>("table_info_pk_plain_tablet.v10.resp");
    let json: serde_json::Value = serde_json::from_slice(&old.json).unwrap();
    let old = Bytes::from(serde_json::to_vec(&json["schema"]).unwrap());
    let fake = answering("v10", move |asked| match asked.is::<GetTableSchema>() {
        true => Reply::message(&GetTableSchemaAnswer { schema_id: 1, json: old.clone() }),
        false => Reply::recorded("lookup_pk_plain_paimon_v1.v10"),
    })
    .await;
    let mut table = full_table(3);
    table.schema_id = 2;
    let added = json!({"name": "extra", "id": 16, "data_type": {"type": "INTEGER"}});
    table.schema.columns.push(crate::Column::from_json(&added, 0).unwrap());
    let found = fake.client().lookup(&lookup(table, ids(&[77]))).await.unwrap();
    let (extra, known) = (found.rows.column(16), (0..16).collect::<Vec<_>>());
    assert_eq!(found.rows.project(&known).unwrap(), expected_rows(&[(77, 1)]));
    assert_eq!((extra.len(), extra.null_count()), (1, 1));
}

#[tokio::test]
async fn a_partition_is_named_where_there_are_some_and_brings_its_bucket_count() {
    let empty = answering("v10", |asked| {
        let request: Lookup = asked.decode();
        let bucket = |b: &LookupBucket| LookedUpBucket {
            bucket: b.bucket,
            partition_id: b.partition_id,
            values: vec![LookedUpValue::default(); b.keys.len()],
            ..LookedUpBucket::default()
        };
        Reply::message(&LookupAnswer { buckets: request.buckets.iter().map(bucket).collect() })
    })
    .await;
    let partition = PartitionInfo {
        id: 5,
        name: "eu".into(),
        values: vec!["eu".into()],
        bucket_count: Some(1),
    };
    let primary: &[&str] = &["name", "id"];
    let table = Keyed { primary, partition: &["name"], ..BY_ID }.names();
    let keys = ids(&(0..50).collect::<Vec<_>>());
    let within =
        KeyLookup { partition: Some(partition.clone()), ..lookup(table.clone(), keys.clone()) };
    let found = empty.client().lookup(&within).await.unwrap();
    assert_eq!(found.keys, [0; 0]);
    let [asked] = empty.asked::<Lookup>().try_into().unwrap();
    let [bucket] = asked.buckets.try_into().unwrap();
    assert_eq!((bucket.partition_id, bucket.bucket, bucket.keys.len()), (Some(5), 0, 50));
    assert_eq!(bucket.bucket_count, Some(1));
    let without = empty.client().lookup(&lookup(table, keys.clone())).await;
    assert!(matches!(without, Err(Error::Unsupported(_))), "{without:?}");
    let unpartitioned =
        KeyLookup { partition: Some(partition), ..lookup(BY_ID.names(), keys.clone()) };
    let unpartitioned = empty.client().lookup(&unpartitioned).await;
    assert!(matches!(unpartitioned, Err(Error::Unsupported(_))), "{unpartitioned:?}");
    let mut unknown = BY_ID.names();
    unknown.properties.insert("table.kv.format".into(), "AVRO".into());
    let unknown = empty.client().lookup(&lookup(unknown, keys.clone())).await;
    assert!(matches!(unknown, Err(Error::Unsupported(what)) if what.contains("AVRO")));
    for projection in [vec![0, 1, 0], vec![3]] {
        let wrong = KeyLookup { projection, ..lookup(BY_ID.names(), keys.clone()) };
        let wrong = empty.client().lookup(&wrong).await;
        assert!(matches!(wrong, Err(Error::Unsupported(_))), "{wrong:?}");
    }
    assert_eq!(empty.count::<Lookup>(), 1, "what is refused is not asked for");
}
