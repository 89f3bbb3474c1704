//! The same requests to the simulated servers and to real ones, whose answers were recorded.
//!
//! What real servers hold is taken from their recorded logs and written anew, batch by batch; every other recorded
//! answer must then come again: ids, codes, offsets, the same rows in the same batches, and the bytes of states.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod recordings {
    pub mod replay;
    pub mod wire;
}

use fluss_scan::Bucket;
use fluss_scan::messages::{
    ApiVersions, FetchLog, GetTableSchema, GetTableStats, LimitScan, ListOffsets, Lookup, ScanKv,
};
use fluss_sim::{COORDINATOR, Version};
use recordings::replay::{Recorded, Table};
use recordings::wire::{Answer, batches, exchange};

const VERSIONS: [(&str, Version); 2] = [("v091", Version::V0_9), ("v10", Version::V1_0)];

/// What a fetch says, apart from times, checksums and the writer's own numbers.
fn fetched(table: &Table, recorded: &Recorded) -> (Answer<FetchLog>, Vec<recordings::wire::Batch>) {
    let mut answer = recorded.answer::<FetchLog>();
    let columns = recorded.projection();
    let mut all = vec![];
    if let Answer::Message(message) = &mut answer {
        for bucket in message.tables.iter_mut().flat_map(|table| &mut table.buckets) {
            all.extend(batches(bucket.records.as_ref(), &table.schema, columns.as_deref()));
            bucket.records = bucket.records.as_ref().map(|records| records.slice(..0));
            bucket.message = None;
        }
    }
    (answer, all)
}

async fn same_fetch(table: &Table, name: &str, server: &str) {
    let recorded = Recorded::read(name, server);
    let simulated = exchange(&table.cluster, 1, &recorded).await;
    assert_eq!(fetched(table, &simulated), fetched(table, &recorded), "{name} {server}");
}

#[tokio::test]
async fn logs_are_fetched_as_from_real_servers() {
    for (server, version) in VERSIONS {
        for name in ["log_zstd", "log_lz4", "log_none"] {
            let table = Table::replay(&format!("fetch_{name}"), server, version, &[]);
            same_fetch(&table, &format!("fetch_{name}"), server).await;
            same_fetch(&table, &format!("fetch_{name}_projected"), server).await;
            if name == "log_zstd" {
                for name in [
                    "fetch_middle",
                    "fetch_at_hw",
                    "fetch_past_hw",
                    "fetch_bad_bucket",
                    "fetch_bad_projection_109_log_zstd",
                ] {
                    same_fetch(&table, name, server).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn filters_leave_out_the_same_batches() {
    let options = [("table.statistics.columns", "*")];
    let table = Table::replay("fetch_stats_log", "v10", Version::V1_0, &options);
    for name in ["stats_log", "filter_all", "filter_some", "filter_mid", "filter_none"] {
        same_fetch(&table, &format!("fetch_{name}"), "v10").await;
    }
}

#[tokio::test]
async fn change_logs_are_made_as_by_real_servers() {
    for (server, version) in VERSIONS {
        let wal = [("table.changelog.image", "WAL")];
        let first = [("table.merge-engine", "first_row")];
        for (name, options, more) in [
            ("pk_plain", &[][..], &["fetch_pk_plain_projected"][..]),
            ("pk_lz4", &[], &[]),
            ("wal", &wal, &["fetch_wal_projected"]),
            ("first_row", &first, &["fetch_first_row_projected", "fetch_only_empty_first_row"]),
            ("empty_empty_tail", &[], &["fetch_only_empty_empty_tail"]),
        ] {
            let name = format!("fetch_{name}");
            let table = Table::replay(&name, server, version, options);
            same_fetch(&table, &name, server).await;
            for name in more {
                same_fetch(&table, name, server).await;
            }
        }
    }
}

#[tokio::test]
async fn states_have_the_same_bytes_in_the_same_order() {
    for (server, version) in VERSIONS {
        let wal = [("table.changelog.image", "WAL")];
        let first = [("table.merge-engine", "first_row")];
        for (name, options) in [("pk_plain", &[][..]), ("wal", &wal), ("first_row", &first)] {
            let table = Table::replay(&format!("fetch_{name}"), server, version, options);
            let recorded = Recorded::read(&format!("limit_scan_{name}"), server);
            let simulated = exchange(&table.cluster, 1, &recorded).await;
            let (is, must) = (simulated.answer::<LimitScan>(), recorded.answer::<LimitScan>());
            assert_eq!(is, must, "{name} {server}");
        }
        let table = Table::replay("fetch_pk_plain", server, version, &[]);
        let recorded = Recorded::read("lookup_pk_plain_paimon_v1", server);
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        assert_eq!(simulated.answer::<Lookup>(), recorded.answer::<Lookup>(), "{server}");
    }
}

#[tokio::test]
async fn snapshots_of_states_come_in_the_same_pieces() {
    let table = Table::replay("fetch_pk_plain", "v10", Version::V1_0, &[]);
    let recorded = Recorded::read("scan_kv_1000_open", "v10");
    let opened = exchange(&table.cluster, 1, &recorded).await;
    let (mut is, mut must) = (opened.message::<ScanKv>(), recorded.message::<ScanKv>());
    let id = is.scanner_id.take();
    assert_eq!(must.scanner_id.take().map(|id| id.len()), id.as_ref().map(|id| id.len()));
    assert_eq!(is, must);
    let recorded = Recorded::read("scan_kv_1000_next", "v10");
    let mut request = recorded.request::<ScanKv>();
    request.scanner_id = id.clone();
    let next = exchange(&table.cluster, 1, &recorded.with(&request)).await;
    let (is, mut must) = (next.message::<ScanKv>(), recorded.message::<ScanKv>());
    must.scanner_id = id;
    assert_eq!(is, must);
    for name in ["scan_kv_bad_bucket", "scan_kv_after_wrong_seq", "scan_kv_close"] {
        let recorded = Recorded::read(name, "v10");
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        let (is, must) = (simulated.message::<ScanKv>(), recorded.message::<ScanKv>());
        assert_eq!((is.code, is.more, is.records), (must.code, must.more, must.records), "{name}");
    }
    let table = Table::replay("fetch_empty_empty_tail", "v10", Version::V1_0, &[]);
    let recorded = Recorded::read("scan_kv_empty_tail_open", "v10");
    let simulated = exchange(&table.cluster, 1, &recorded).await.message::<ScanKv>();
    let must = recorded.message::<ScanKv>();
    assert_eq!(simulated.records, must.records);
    assert_eq!((simulated.more, simulated.log_offset), (must.more, must.log_offset));
}

#[tokio::test]
async fn offsets_and_counts_are_the_same() {
    for (server, version) in VERSIONS {
        let table = Table::replay("fetch_pk_plain", server, version, &[]);
        for name in ["list_offsets_earliest", "list_offsets_latest", "list_offsets_timestamp"] {
            // the other buckets of the real table are not replayed: bucket 0, and one that is not there
            let recorded = Recorded::read(name, server);
            let simulated = exchange(&table.cluster, 1, &recorded).await;
            let of = |recorded: &Recorded, bucket: i32| {
                let found = recorded.message::<ListOffsets>().buckets;
                let found = found.into_iter().find(|found| found.bucket == bucket);
                found.map(|found| (found.code, found.offset))
            };
            assert_eq!(of(&simulated, 0), of(&recorded, 0), "{name} {server}");
            assert_eq!(of(&simulated, 9), of(&recorded, 9), "{name} {server}");
        }
        let recorded = Recorded::read("table_stats_pk_plain_tablet", server);
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        let first = |recorded: &Recorded| recorded.message::<GetTableStats>().buckets[0].row_count;
        assert_eq!(first(&simulated), first(&recorded), "{server}");
        let wal = [("table.changelog.image", "WAL")];
        let table = Table::replay("fetch_wal", server, version, &wal);
        let recorded = Recorded::read("table_stats_wal_tablet", server);
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        let first = |recorded: &Recorded| recorded.message::<GetTableStats>().buckets[0].code;
        assert_eq!(first(&simulated), first(&recorded), "{server}");
    }
}

#[tokio::test]
async fn servers_that_do_not_lead_say_so() {
    for (server, version) in [("nolake09", Version::V0_9), ("nolake10", Version::V1_0)] {
        let table = Table::spread(version);
        let recorded = Recorded::read("list_offsets_not_leader", server);
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        let codes = |recorded: &Recorded| {
            let mut found = recorded.message::<ListOffsets>().buckets;
            found.sort_by_key(|found| found.bucket);
            found.iter().map(|found| (found.bucket, found.code)).collect::<Vec<_>>()
        };
        assert_eq!(codes(&simulated), codes(&recorded), "{server}");
        let recorded = Recorded::read("fetch_not_leader", server);
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        let codes = |recorded: &Recorded| {
            let tables = recorded.message::<FetchLog>().tables;
            let mut found: Vec<_> = tables.into_iter().flat_map(|table| table.buckets).collect();
            found.sort_by_key(|found| found.bucket);
            found.iter().map(|found| (found.bucket, found.code)).collect::<Vec<_>>()
        };
        assert_eq!(codes(&simulated), codes(&recorded), "{server}");
        let moved = Bucket { table_id: table.id, partition_id: None, bucket: 1 };
        table.cluster.move_leader(moved, Some(1)).unwrap();
        assert_eq!(codes(&exchange(&table.cluster, 1, &recorded).await)[1], (1, None));
    }
}

#[tokio::test]
async fn the_same_calls_are_listed() {
    for (server, version) in VERSIONS {
        let table = Table::spread(version);
        for (name, id) in [("api_versions_coordinator", COORDINATOR), ("api_versions_tablet", 1)] {
            let recorded = Recorded::read(name, server);
            let listed = |recorded: &Recorded| {
                let mut versions = recorded.message::<ApiVersions>().versions;
                versions.sort_by_key(|version| version.api);
                versions
            };
            let simulated = exchange(&table.cluster, id, &recorded).await;
            assert_eq!(listed(&simulated), listed(&recorded), "{name} {server}");
        }
        let recorded = Recorded::read("schema_missing_tablet", server);
        let table = Table::named("w", "pk2_lake", version);
        let simulated = exchange(&table.cluster, 1, &recorded).await;
        assert_eq!(simulated.answer::<GetTableSchema>(), recorded.answer(), "{server}");
    }
}
