//! Filters, projections and limits give what the same query gives on the rows in memory.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::oracle::render;
use crate::provider::*;

/// A kind of tables with the same columns, and what is asked of them.
struct Family {
    tables: &'static [&'static str],
    /// Over all its tables and ways to read them.
    queries: usize,
    seed: u64,
    condition: fn(&mut StdRng) -> String,
    /// What is selected, and in which order.
    selected: &'static [(&'static str, &'static str)],
}

/// Thirds, so that the tests share the cores: 5,000 queries.
const MARKED: Family = Family {
    tables: &["pk_dv", "pk_dv64"],
    queries: 2000,
    seed: 42,
    condition: marked,
    selected: &[
        ("*", ""),
        ("s", " order by s desc limit 7"),
        ("count(*), sum(b), min(id), max(s)", ""),
        ("a, id", " order by b limit 5"),
    ],
};
const OVERLAPPING: Family = Family {
    tables: &["pk_overlap", "pk_compacted"],
    queries: 1700,
    seed: 43,
    condition: overlapping,
    selected: &[
        ("*", ""),
        ("s", " order by v desc, id limit 7"),
        ("count(*), sum(v), min(id), max(s)", ""),
        ("v", " order by id desc limit 5"),
        ("v % 10, count(*)", " group by v % 10"),
    ],
};
const EVOLVED: Family = Family {
    tables: &["evolution"],
    queries: 1300,
    seed: 44,
    condition: evolved,
    selected: &[
        ("*", ""),
        ("name, f, st", " order by id limit 6"),
        ("count(*), sum(d), max(ts), min(added)", ""),
        ("dropped, id", " order by id desc limit 4"),
    ],
};

/// A condition over the columns of the tables that have deletion vectors.
fn marked(random: &mut StdRng) -> String {
    let id: i32 = random.random_range(-10..1100);
    let width = [1, 20, 300][random.random_range(0..3)];
    match random.random_range(0..7) {
        0 => format!("id between {id} and {}", id + width),
        1 => format!("id = {id}"),
        2 => format!("a < {}", random.random_range(0..100)),
        3 => format!("b >= {}", random.random_range(0..6000) * 3),
        4 => format!("s = 'row {id}'"),
        5 => format!("a in ({}, {}) and id > {id}", id.rem_euclid(97), width % 97),
        _ => format!("(id < {id} or a = {}) and b % 2 = 0", width % 97),
    }
}

/// The same where several files hold versions of a key: old versions meet other conditions than new ones.
fn overlapping(random: &mut StdRng) -> String {
    let id: i32 = random.random_range(-5..130);
    let v = [id, id + 1000, id + 2000][random.random_range(0..3)];
    match random.random_range(0..8) {
        0 => format!("id between {id} and {}", id + random.random_range(0..40)),
        1 => format!("v = {v}"),
        2 => format!("v < {v}"),
        3 => format!("s = 'v{v}' or id = {id}"),
        4 => format!("v > {v} and id < {}", id + 50),
        5 => format!("id in ({id}, {}, {})", id + 1, id + 17),
        6 => format!("s like 'v1%' and v <> {v}"),
        _ => format!("not (v between {v} and {}) and id % 3 = 1", v + 500),
    }
}

/// The same where columns were renamed, widened, dropped and added between files.
fn evolved(random: &mut StdRng) -> String {
    let id: i32 = random.random_range(-2..35);
    match random.random_range(0..10) {
        0 => format!("id >= {id}"),
        1 => format!("name = 'n{id}'"),
        2 => format!("f > {}", f64::from(id) + 0.25),
        3 => format!("d <= {id}.50"),
        4 => format!("dropped is not null and id < {id}"),
        5 => format!("added = 'added{id}' or name is null"),
        6 => format!("st['z'] = {id}"),
        7 => format!("st['extra'] is not null and id > {id}"),
        8 => format!("ts > timestamp '2023-11-14 22:13:20.{:03}'", 100 + id),
        _ => format!("dropped = {id} or n is not null and f < {id}.5"),
    }
}

async fn agrees_with_memory(family: &Family) {
    let mut random = StdRng::seed_from_u64(family.seed);
    let ways = family.tables.len() * all_ways().len();
    for table in family.tables {
        for how in all_ways() {
            let (session, plan) = session(table, None, how).await;
            let all = sql(&session, "select * from t").await;
            let memory = MemTable::try_new(Arc::clone(&plan.schema.columns), vec![all]).unwrap();
            session.register_table("m", Arc::new(memory)).unwrap();
            for _ in 0..family.queries.div_ceil(ways) {
                let condition = (family.condition)(&mut random);
                let (columns, rest) =
                    family.selected[random.random_range(0..family.selected.len())];
                let query = |from| format!("select {columns} from {from} where {condition}{rest}");
                let (lake, memory) =
                    (sql(&session, &query("t")).await, sql(&session, &query("m")).await);
                assert_eq!(render(&lake), render(&memory), "{} {how:?}", query(table));
            }
        }
    }
}

#[tokio::test]
async fn random_queries_of_marked_files_agree_with_memory() {
    agrees_with_memory(&MARKED).await;
}

#[tokio::test]
async fn random_queries_of_overlapping_files_agree_with_memory() {
    agrees_with_memory(&OVERLAPPING).await;
}

#[tokio::test]
async fn random_queries_of_evolved_files_agree_with_memory() {
    agrees_with_memory(&EVOLVED).await;
}

#[tokio::test]
async fn conditions_on_every_table_agree_with_memory() {
    let cases = [
        ("append_partitioned", "region = 'a/b:c%25=d?e#f' and day = date '2024-10-05'"),
        ("append_partitioned", "region is null and v > 3"),
        // the newest version does not meet the condition, an older one did
        ("pk_overlap", "v = 3"),
        ("pk_overlap", "v < 1000"),
        ("pk_overlap", "id >= 10000"),
        ("pk_compacted", "v = 2"),
        ("pk_composite", "name like '%é1%' and price > -0.05"),
        ("pk_composite", "at < timestamp '1970-01-01'"),
        ("pk_evolution", "v is null"),
        ("pk_evolution", "w = 2 or w = 22"),
        ("evolution", "name = 'n3' or added = 'added21'"),
        ("evolution", "dropped is not null and id > 15"),
        ("evolution", "dropped = 33"),
        ("evolution", "d = 0.30 or d = 25.00"),
        ("evolution", "f > 18.5 and id < 25"),
        ("all_types", "ch = 'ab' and vc > 'vc3' and by is not null"),
        ("all_types", "d38 < cast('-1234567890123456789012345674' as decimal(38, 10)) and bo"),
        ("all_types", "dt > date '1990-01-01' and lz3 <= timestamp '2020-09-13 12:26:40.005'"),
        ("timestamp_nine", "ts < arrow_cast('0002-01-01', 'Timestamp(µs)')"),
        ("legacy_log", "__offset between 3 and 5"),
    ];
    for (table, condition) in cases {
        for how in all_ways() {
            let (session, plan) = session(table, None, how).await;
            let all = sql(&session, "select * from t").await;
            let memory = MemTable::try_new(Arc::clone(&plan.schema.columns), vec![all]).unwrap();
            session.register_table("m", Arc::new(memory)).unwrap();
            let lake = sql(&session, &format!("select * from t where {condition}")).await;
            let memory = sql(&session, &format!("select * from m where {condition}")).await;
            assert_eq!(render(&lake), render(&memory), "{table}: {condition} {how:?}");
        }
    }
}

#[tokio::test]
async fn a_limit_counts_visible_rows_only() {
    for table in ["pk_dv", "pk_overlap", "append_plain"] {
        for how in all_ways() {
            let (session, _) = session(table, None, how).await;
            let all = render(&sql(&session, "select * from t").await);
            for limit in [0, 1, 10, 90, 100_000] {
                let some = render(&sql(&session, &format!("select * from t limit {limit}")).await);
                assert_eq!(some.len(), limit.min(all.len()), "{table} {how:?}");
                assert!(some.iter().all(|row| all.contains(row)), "{table} {how:?}");
            }
        }
    }
}

#[tokio::test]
async fn files_are_pruned_by_exact_bounds() {
    let (session, _) = session("append_plain", None, PLAIN).await;
    let batches = sql(&session, "explain analyze select * from t where id = 45").await;
    let text =
        datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    assert!(text.contains("files_ranges_pruned_statistics=3 total → 1 matched"), "{text}");
}

/// Masks must not switch the push-downs off.
#[tokio::test]
async fn masked_files_keep_page_pruning_and_row_filters() {
    let how = How { filter_rows: true, ..PLAIN };
    let (session, _) = session("pk_dv", None, how).await;
    let query = "explain analyze select s from t where id between 800 and 815 and a < 50";
    let batches = sql(&session, query).await;
    let text =
        datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let metric = |name: &str| -> usize {
        let (_, rest) = text.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{text}"));
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    assert!(metric("row_groups_pruned_statistics") > 1, "{text}");
    assert!(metric("page_index_rows_pruned") > 0, "{text}");
    assert!(metric("pushdown_rows_pruned") > 0, "{text}");
}
