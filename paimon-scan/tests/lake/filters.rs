//! Filters, projections and limits give what the same query gives on the rows in memory.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::oracle::render;
use crate::provider::*;

/// A condition over the columns of the tables that have deletion vectors.
fn condition(random: &mut StdRng) -> String {
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

/// Over both tables and all ways to read them: more would cost minutes in a debug build.
const QUERIES: usize = 800;

#[tokio::test]
async fn random_queries_agree_with_memory() {
    let mut random = StdRng::seed_from_u64(42);
    let tables = ["pk_dv", "pk_dv64"];
    for table in tables {
        for how in all_ways() {
            let (session, plan) = session(table, None, how).await;
            let all = sql(&session, "select * from t").await;
            let memory = MemTable::try_new(Arc::clone(&plan.schema.columns), vec![all]).unwrap();
            session.register_table("m", Arc::new(memory)).unwrap();
            for _ in 0..QUERIES.div_ceil(tables.len() * all_ways().len()) {
                let condition = condition(&mut random);
                let columns = ["*", "s", "count(*), sum(b), min(id), max(s)", "a, id"];
                let columns = columns[random.random_range(0..columns.len())];
                let order = match columns {
                    "s" => " order by s desc limit 7",
                    "a, id" => " order by b limit 5",
                    _ => "",
                };
                let query = |from| format!("select {columns} from {from} where {condition}{order}");
                let (lake, memory) =
                    (sql(&session, &query("t")).await, sql(&session, &query("m")).await);
                assert_eq!(render(&lake), render(&memory), "{} {how:?}", query(table));
            }
        }
    }
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
