//! Expressions and their answers, as MySQL's and StarRocks' documentation give them.

#![allow(clippy::unwrap_used, reason = "a test")]

use arrow::util::display::array_value_to_string;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

async fn answer(expression: &str) -> String {
    let config = SessionConfig::new().set_str("datafusion.sql_parser.dialect", "mysql");
    let mut state = SessionStateBuilder::new_with_default_features().with_config(config).build();
    sql_functions::register(&mut state).unwrap();
    let sql = format!("SELECT {expression}");
    let mut parsed =
        state.sql_to_statement(&sql, &state.config_options().sql_parser.dialect).unwrap();
    if let Statement::Statement(statement) = &mut parsed
        && let ast::Statement::Query(query) = statement.as_mut()
    {
        sql_functions::rewrite(query);
    }
    let plan = state.statement_to_plan(parsed).await.unwrap();
    let plan = state.create_physical_plan(&plan).await.unwrap();
    let batches = collect(plan, state.task_ctx()).await.unwrap();
    let column = batches[0].column(0);
    if column.is_null(0) { "NULL".into() } else { array_value_to_string(column, 0).unwrap() }
}

#[tokio::test]
async fn answers() {
    for line in include_str!("answers.txt").lines().filter(|line| !line.is_empty()) {
        let (expression, expected) = line.split_once(" => ").expect(line);
        assert_eq!(answer(expression).await, expected, "{expression}");
    }
}
