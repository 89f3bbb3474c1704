//! Queries answered as the frontend plans them, with the values that a MySQL client sees.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::Parser;
use mysql_protocol::Clock;
use mysql_protocol::value::{RowFormat, Rows};
use mysql_protocol::wire::Reader;
use sql_functions::dialect::MillraceDialect;
use sql_functions::{Modes, Zone};

/// A session as the frontend has it.
fn session(zone: Zone) -> SessionState {
    let mut config = SessionConfig::new().with_target_partitions(2);
    sql_functions::configure(config.options_mut());
    config.options_mut().execution.time_zone = Some(zone.name());
    let builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_analyzer_rules(sql_functions::analyzer_rules());
    let mut state = builder.build();
    sql_functions::register(&mut state).unwrap();
    state.mark_start_execution();
    state
}

/// The rows of a query in the zone of UTC, or what its author is told.
#[allow(dead_code, reason = "not every test binary asks so")]
pub async fn answer(sql: &str) -> Result<Vec<Vec<String>>, String> {
    answer_in(Zone::UTC, sql).await
}

/// The rows of a query, or what its author is told.
pub async fn answer_in(zone: Zone, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let mut parsed = Parser::parse_sql(&MillraceDialect, sql).map_err(|e| e.to_string())?;
    let ast::Statement::Query(mut query) = parsed.remove(0) else { panic!("{sql}") };
    let modes = Modes { zone: zone.name(), ..Modes::default() };
    sql_functions::rewrite(&mut query, &modes)?;
    let state = session(zone);
    let statement = Statement::Statement(Box::new(ast::Statement::Query(query)));
    let told = |e: DataFusionError| e.find_root().to_string();
    let plan = state.statement_to_plan(statement).await.map_err(told)?;
    let plan = state.create_physical_plan(&plan).await.map_err(told)?;
    let schema = plan.schema();
    let batches = collect(plan, state.task_ctx()).await.map_err(told)?;
    let clock = Clock::new(move |instant| zone.local(instant));
    let mut answer = vec![];
    for batch in batches {
        let batch = batch.with_schema(Arc::clone(&schema)).unwrap();
        let rows = Rows::new(&batch, RowFormat::Text, &clock).unwrap();
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
