//! Decoders against bytes that nobody meant: they answer or refuse, and never panic.

use bytes::Bytes;
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::rows::full_table;
use super::server::{frame, recorded_answer};
use crate::key::KeyFormat;
use crate::kv::decode_values;
use crate::log::decode_batches;
use crate::messages::{
    FetchLog, FetchLogAnswer, GetTableInfo, LimitScan, LimitScanAnswer, MetadataAnswer,
    ScanKvAnswer,
};
use crate::table::{Schema, TableInfo, TablePath};

const SEED: u64 = 0x05ee_d0ff_1055;

/// Random bytes, or a valid input with some of its bytes, its length or its parts changed.
fn mutated(random: &mut StdRng, valid: &[u8]) -> Bytes {
    if valid.is_empty() || random.random_ratio(1, 8) {
        let length = random.random_range(0..200);
        return (0..length).map(|_| random.random::<u8>()).collect::<Vec<_>>().into();
    }
    let mut bytes = valid.to_vec();
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => bytes.truncate(at),
            3 => {
                // lengths and counts are where lies hurt
                let lie = [0, 1, -1, i32::MAX, i32::MIN, 1 << 20][random.random_range(0..6)];
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&lie.to_le_bytes()[..end - at]);
            }
            4 => bytes.insert(at, random.random()),
            _ => bytes.truncate(bytes.len() - random.random_range(0..bytes.len().min(16))),
        }
    }
    bytes.into()
}

/// Tries a decoder; returns how many inputs it took and how many it refused.
pub(super) fn torture(
    times: usize,
    valid: &[&[u8]],
    decode: impl Fn(Bytes) -> bool,
) -> (usize, usize) {
    let mut random = StdRng::seed_from_u64(SEED);
    let (mut taken, mut refused) = (0, 0);
    for i in 0..times {
        let input = mutated(&mut random, valid[i % valid.len()]);
        if decode(input) { taken += 1 } else { refused += 1 }
    }
    (taken, refused)
}

fn records(name: &str) -> Bytes {
    let answer = recorded_answer::<FetchLog>(&format!("{name}.resp"));
    answer.tables[0].buckets[0].records.clone().unwrap()
}

pub(super) fn assert_mixed((taken, refused): (usize, usize)) {
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused: the inputs test nothing");
}

#[test]
fn log_batches() {
    let table = full_table(3);
    let all: Vec<usize> = (0..table.schema.columns.len()).collect();
    for (name, columns, times) in [
        ("fetch_first_row_projected.v10", &[0, 3, 15][..], 20_000),
        ("fetch_log_lz4_projected.v10", &[0, 3, 15][..], 10_000),
        ("fetch_log_none_projected.v10", &[0, 3, 15][..], 10_000),
        ("fetch_first_row.v10", &all[..], 6_000),
    ] {
        let records = records(name);
        assert!(decode_batches(&records, &table.schema, columns).is_ok_and(|rows| rows > 0));
        let tried = torture(times, &[&records], |input| {
            decode_batches(&input, &table.schema, columns).is_ok()
        });
        assert_mixed(tried);
    }
}

#[test]
fn rows_of_a_state() {
    let table = full_table(3);
    let all: Vec<usize> = (0..table.schema.columns.len()).collect();
    let answer = recorded_answer::<LimitScan>("limit_scan_first_row.v10.resp");
    let records = answer.records.unwrap();
    assert_eq!(decode_values(&records, &table, &all).unwrap(), 20);
    for projection in [&all[..], &[0, 15][..]] {
        let tried =
            torture(30_000, &[&records], |input| decode_values(&input, &table, projection).is_ok());
        assert_mixed(tried);
    }
}

#[test]
fn messages_and_descriptions() {
    let body = |name: &str| frame(name)[9..].to_vec();
    let (fetch, limit) =
        (body("fetch_first_row_projected.v10.resp"), body("limit_scan_first_row.v10.resp"));
    let (metadata, remote) =
        (body("metadata_part_tablet.v10.resp"), body("fetch_remote_start.v10.resp"));
    let scan = body("scan_kv_1000_open.v10.resp");
    let valid: [&[u8]; 5] = [&fetch, &limit, &metadata, &remote, &scan];
    let tried = torture(40_000, &valid, |input| {
        let decoded = [
            FetchLogAnswer::decode(input.clone()).is_ok(),
            LimitScanAnswer::decode(input.clone()).is_ok(),
            MetadataAnswer::decode(input.clone()).is_ok(),
            ScanKvAnswer::decode(input).is_ok(),
        ];
        decoded.contains(&true)
    });
    assert_mixed(tried);
    let table = recorded_answer::<GetTableInfo>("table_info_pk_plain_tablet.v10.resp");
    let json = table.json.clone();
    let tried = torture(10_000, &[&json], |input| {
        let answer = crate::messages::GetTableInfoAnswer { json: input.clone(), ..table.clone() };
        let _ = Schema::parse(&input);
        let table = TableInfo::parse(TablePath::new("w", "t"), answer);
        table.is_ok_and(|table| {
            let _ = KeyFormat::of(&table);
            true
        })
    });
    assert_mixed(tried);
}
