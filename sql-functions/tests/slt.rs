//! The `.slt` files beside this one: queries and their answers, as MySQL's and StarRocks' documentation give them.
//!
//! The files are those of sqllogictest: `query TT` with rows after `----`, or `statement error` with a part of the message. Values are
//! compared as a MySQL client sees them; an empty text is written `(empty)`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use mysql_protocol::value::{RowFormat, Rows};
use mysql_protocol::wire::Reader;
use sql_functions::Modes;
use sql_functions::dialect::MillraceDialect;

/// A session as the frontend has it, in the zone of UTC.
fn session() -> SessionState {
    let mut config = SessionConfig::new().with_target_partitions(2);
    sql_functions::configure(config.options_mut());
    config.options_mut().execution.time_zone = Some("+00:00".into());
    let builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_analyzer_rules(sql_functions::analyzer_rules());
    let mut state = builder.build();
    sql_functions::register(&mut state).unwrap();
    state.mark_start_execution();
    state
}

/// The rows of a query, or what its author is told.
async fn answer(sql: &str) -> Result<Vec<Vec<String>>, String> {
    let mut parsed = Parser::parse_sql(&MillraceDialect, sql).map_err(|e| e.to_string())?;
    let ast::Statement::Query(mut query) = parsed.remove(0) else { panic!("{sql}") };
    let modes = Modes { zone: "+00:00".into(), ..Modes::default() };
    sql_functions::rewrite(&mut query, &modes)?;
    let state = session();
    let statement = Statement::Statement(Box::new(ast::Statement::Query(query)));
    let told = |e: datafusion::error::DataFusionError| e.find_root().to_string();
    let plan = state.statement_to_plan(statement).await.map_err(told)?;
    let plan = state.create_physical_plan(&plan).await.map_err(told)?;
    let schema = plan.schema();
    let batches = collect(plan, state.task_ctx()).await.map_err(told)?;
    let mut answer = vec![];
    for batch in batches {
        let batch = batch.with_schema(Arc::clone(&schema)).unwrap();
        let rows = Rows::new(&batch, RowFormat::Text, 0).unwrap();
        for row in 0..rows.len() {
            let (mut packet, mut sequence) = (vec![], 0);
            rows.put(row, &mut packet, &mut sequence);
            answer.push(values(&packet[4..], schema.fields().len()));
        }
    }
    Ok(answer)
}

/// The values of a row packet.
fn values(packet: &[u8], columns: usize) -> Vec<String> {
    let mut rest = Reader::new(packet);
    let value = |_| {
        if rest.rest().first() == Some(&0xfb) {
            rest.take(1).unwrap();
            return "NULL".to_string();
        }
        match String::from_utf8_lossy(rest.lenenc_bytes().unwrap()).into_owned() {
            empty if empty.is_empty() => "(empty)".into(),
            text => text,
        }
    };
    (0..columns).map(value).collect()
}

/// Runs the records of one file; what is wrong, in words.
async fn run(path: &std::path::Path) -> (usize, String) {
    let (mut count, mut wrong) = (0, String::new());
    let text = std::fs::read_to_string(path).unwrap();
    for record in text.split("\n\n") {
        let lines: Vec<&str> =
            record.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let Some((head, rest)) = lines.split_first() else { continue };
        count += 1;
        let place = format!("{}: {}", path.file_name().unwrap().to_string_lossy(), rest.join(" "));
        if let Some(expected) = head.strip_prefix("statement error") {
            match answer(&rest.join("\n")).await {
                Err(told) if told.contains(expected.trim()) => {}
                other => {
                    writeln!(wrong, "{place}\n  wanted the error{expected}, got {other:?}").unwrap()
                }
            }
            continue;
        }
        assert!(head.starts_with("query"), "{head}");
        let end = rest.iter().position(|line| *line == "----").unwrap_or_else(|| panic!("{place}"));
        let expected: Vec<String> = rest[end + 1..].iter().map(ToString::to_string).collect();
        match answer(&rest[..end].join("\n")).await {
            Ok(rows) => {
                let mut rows: Vec<String> = rows.into_iter().map(|row| row.join(" ")).collect();
                if head.ends_with("rowsort") {
                    rows.sort();
                }
                if rows != expected {
                    writeln!(wrong, "{place}\n  wanted {expected:?}\n  got    {rows:?}").unwrap();
                }
            }
            Err(told) => {
                writeln!(wrong, "{place}\n  wanted {expected:?}\n  told   {told}").unwrap()
            }
        }
    }
    (count, wrong)
}

#[tokio::test]
async fn answers_are_those_of_the_documentation() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let (mut records, mut wrong) = (0, String::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let (count, told) = run(&entry.unwrap().path()).await;
        records += count;
        wrong.push_str(&told);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(records > 300, "only {records} records were run");
}
