//! The matrix: merge engine × deletion vectors × evolution × layout × format, written by two versions of
//! Java Paimon and by pypaimon, against what the reader of the former makes of each table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use paimon_scan::*;

use crate::oracle;
use crate::provider::*;

/// Archives of `tests/matrix` and the number of tables in each.
pub const VERSIONS: [(&str, usize); 3] = [("1.3.1", 84), ("1.4.2", 100), ("pypaimon-2.1.0", 48)];

/// Why a table is refused, as the error must say; `None` for a table that is read. A table that is read
/// although it stands here fails the test too.
fn refusal(table: &str) -> Option<&'static str> {
    let has = |part: &str| table.contains(part);
    match () {
        // which of them Java shows hangs on the order of files
        () if has("tied_sequences") => Some("two versions of a key with sequence number"),
        // the two versions read them in opposite ways
        // after a delete, one version begins anew and the other keeps values
        () if has("_remove_") && !has("_dv") => Some("remove-record-on-delete"),
        () if has("seq_desc") && !has("_dv") || has("sequence_descending") => {
            Some("sequence.field.sort-order")
        }
        // row identities, of files that may hold a part of the columns
        () if has("row_tracking") || has("data_evolution") => Some("row-tracking.enabled"),
        () => None,
    }
}

/// Whether an error says what is refused, of which table.
fn names(error: &LakeError, table: &str, why: &str) -> bool {
    let text = error.to_string();
    match error {
        LakeError::Unsupported { .. } => text.contains(why) && text.contains(table),
        LakeError::Corrupt { .. } => table == "tied_sequences" && text.contains(why),
        _ => false,
    }
}

/// Four of the ways: every pair of settings meets in one of them.
fn ways() -> impl Iterator<Item = How> {
    [(1, false, false), (3, true, false), (1, true, true), (3, false, true)].into_iter().map(
        |(partitions, filter_rows, by_request)| How {
            partitions,
            filter_rows,
            by_request,
            page_index: partitions == 1,
        },
    )
}

/// What Java wrote with this version: thousands of small files, kept as an archive.
pub fn unpack(version: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let archive = oracle::root().join("matrix").join(format!("{version}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.arg("-xJf").arg(archive).arg("-C").arg(folder.path());
    assert!(tar.status().unwrap().success(), "tar with xz is needed");
    folder
}

fn tables(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join("expected")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> =
        names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned())).collect();
    names.into_iter().collect()
}

/// Plans a table, sends it through the wire and resolves it; the table is `t` of the session.
async fn open(root: &Path, name: &str, how: How) -> Result<SessionContext, LakeError> {
    let lake = Arc::new(options_of(&root.join("warehouse")));
    let plan = LakeCatalog::open(&lake)?.table("lake", name).await?.plan(None).await?;
    let plan = through_the_wire(plan);
    let session = how.session();
    let files = masked_in(&plan, &session, &lake).await?;
    let provider = LakeProvider { schema: plan.schema, files, how, lake };
    session.register_table("t", Arc::new(provider)).unwrap();
    Ok(session)
}

#[tokio::test]
async fn tables_of_java_1_3_are_read_as_java_reads_them_or_refused_by_name() {
    held_to_java(VERSIONS[0]).await;
}

#[tokio::test]
async fn tables_of_java_1_4_are_read_as_java_reads_them_or_refused_by_name() {
    held_to_java(VERSIONS[1]).await;
}

#[tokio::test]
async fn tables_of_pypaimon_are_read_as_java_reads_them_or_refused_by_name() {
    held_to_java(VERSIONS[2]).await;
}

async fn held_to_java((version, count): (&str, usize)) {
    let mut wrong = Vec::new();
    let folder = unpack(version);
    let root = folder.path();
    let tables = tables(root);
    assert_eq!(tables.len(), count, "{version}");
    for table in &tables {
        let (columns, rows) = oracle::expected_in(root, table);
        for how in ways() {
            let at = format!("{version} {table} {how:?}");
            let session = match (open(root, table, how).await, refusal(table)) {
                (Ok(session), None) => session,
                (Ok(_), Some(why)) => {
                    wrong.push(format!("{at}: read, though {why} is on the list"));
                    break;
                }
                (Err(error), Some(why)) if names(&error, table, why) => break,
                (Err(error), why) => {
                    wrong.push(format!("{at}: {error}, expected {why:?}"));
                    break;
                }
            };
            let all = sql(&session, "select * from t").await;
            let read = oracle::render(&all);
            if read != latest(table, &rows) {
                wrong.push(format!("{at}:\n  read {read:#?}\n  java {rows:#?}"));
                break;
            }
            wrong.extend(queries(&session, all, &columns, &at).await);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Java shows several versions of a key where deletion vectors were switched on over files that overlap
/// (its own warning); the latest one, which has the largest `v` there, is right.
fn latest(table: &str, rows: &[String]) -> Vec<String> {
    if table != "vectors_later_overlapping" {
        return rows.to_vec();
    }
    let parse = |row: &String| serde_json::from_str::<Vec<String>>(row).unwrap();
    let mut latest: BTreeMap<String, (i64, &String)> = BTreeMap::new();
    for row in rows {
        let cells = parse(row);
        let version = cells[1].parse().unwrap();
        let best = latest.entry(cells[0].clone()).or_insert((version, row));
        *best = (*best).max((version, row));
    }
    assert!(latest.len() < rows.len(), "the table has no overlap any more");
    let mut rows: Vec<String> = latest.into_values().map(|(_, row)| row.clone()).collect();
    rows.sort();
    rows
}

/// Limits, top rows and filters, against the same rows in memory.
async fn queries(
    session: &SessionContext,
    all: Vec<datafusion::arrow::array::RecordBatch>,
    columns: &[String],
    at: &str,
) -> Vec<String> {
    let provider = session.table_provider("t").await.unwrap();
    let memory = MemTable::try_new(provider.schema(), vec![all]).unwrap();
    session.register_table("m", Arc::new(memory)).unwrap();
    let mut wrong = Vec::new();
    let (first, second) = (&columns[0], &columns[1]);
    let tails = [
        format!("order by {first} desc limit 3"),
        format!("order by {second} nulls first, {first} limit 4"),
        format!("where {first} in (0, 1, 2, 9) and {second} is not null"),
        format!("where {second} > 300 or {first} < 0"),
        format!("where {second} is null order by {first} limit 2"),
    ];
    for tail in tails {
        let query = |from: &str| format!("select * from {from} {tail}");
        let (lake, memory) = (sql(session, &query("t")).await, sql(session, &query("m")).await);
        if oracle::render(&lake) != oracle::render(&memory) {
            wrong.push(format!("{at}: {}", query("t")));
        }
    }
    let known = oracle::render(&sql(session, "select * from m").await);
    for limit in [0, 1, 3, 1000] {
        let some = oracle::render(&sql(session, &format!("select * from t limit {limit}")).await);
        let fits = some.len() == limit.min(known.len()) && some.iter().all(|r| known.contains(r));
        if !fits {
            wrong.push(format!("{at}: limit {limit}"));
        }
    }
    wrong
}
