//! What MySQL and StarRocks have and DataFusion lacks or has otherwise, one family per file.
//!
//! Read in this order:
//!
//! * [`dialect`]: how expressions are parsed
//! * [`rewrite()`]: what a parsed query says in words that DataFusion's planner knows
//! * [`operators`]: arithmetic, comparisons, truth
//! * `function`, `convert`, `calendar`, `zone`: the shape of functions and what they are made of
//! * `settle`, `zoned`: what needs the types of a whole plan; `quotients`: digits that are not shown
//! * `unified`, `casts`, `math`, `text`, `dates`, `json`: the functions; `refused`: those that are refused by name
//!
//! Where MySQL and StarRocks differ: numbers, dates and NULLs are MySQL's; texts are compared byte by byte as in StarRocks.
//!
//! The frontend parses, rewrites and plans with it; a backend only looks functions up by their names. Absent: functions whose value
//! belongs to a session.

mod calendar;
mod casts;
mod convert;
mod dates;
pub mod dialect;
mod function;
mod json;
mod math;
pub mod operators;
mod quotients;
mod refused;
mod rewrite;
mod settle;
mod text;
mod unified;
mod zone;
mod zoned;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::common::config::Dialect;
use datafusion::common::internal_datafusion_err;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::{Analyzer, AnalyzerRule};

use function::Definition;
pub use rewrite::{Modes, Refusal, rewrite};
pub use zone::Zone;

const FAMILIES: &[&[Definition]] = &[
    operators::FUNCTIONS,
    operators::arithmetic::FUNCTIONS,
    operators::bits::FUNCTIONS,
    operators::compare::FUNCTIONS,
    casts::FUNCTIONS,
    unified::FUNCTIONS,
    math::FUNCTIONS,
    quotients::FUNCTIONS,
    text::FUNCTIONS,
    text::make::FUNCTIONS,
    text::encode::FUNCTIONS,
    text::patterns::FUNCTIONS,
    dates::FUNCTIONS,
    dates::shift::FUNCTIONS,
    dates::format::FUNCTIONS,
    dates::clock::FUNCTIONS,
    json::FUNCTIONS,
    json::change::FUNCTIONS,
];

/// All functions by name, made once.
static FUNCTIONS: LazyLock<HashMap<&'static str, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let all = FAMILIES.iter().flat_map(|family| family.iter());
    all.map(|definition| (definition.name, Arc::new(definition.udf()))).collect()
});

/// The functions of this crate: what a backend needs to run plans, and a frontend to make them.
pub fn functions() -> impl Iterator<Item = Arc<ScalarUDF>> {
    FUNCTIONS.values().cloned()
}

/// Teaches a planner's registry the functions and operators of this crate.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in functions() {
        registry.register_udf(function)?;
    }
    registry.register_expr_planner(Arc::new(operators::Operators))
}

/// DataFusion's rules over a planned query, after those of this crate.
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(settle::Settle), Arc::new(quotients::Quotients)];
    rules.extend(Analyzer::new().rules);
    rules
}

/// What MySQL's SQL asks of DataFusion's planner: decimal literals, NULLs first.
pub fn configure(options: &mut ConfigOptions) {
    options.sql_parser.dialect = Dialect::MySQL;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.default_null_ordering = "nulls_min".into();
}

fn is_ours(name: &str) -> bool {
    FUNCTIONS.contains_key(name)
}

/// A function of this crate.
fn udf(name: &str) -> Result<Arc<ScalarUDF>> {
    FUNCTIONS.get(name).cloned().ok_or_else(|| internal_datafusion_err!("no function '{name}'"))
}

/// The name of a function that is called by another one.
fn canonical(alias: &str) -> Option<&'static str> {
    let mut all = FAMILIES.iter().flat_map(|family| family.iter());
    all.find(|definition| definition.aliases.contains(&alias)).map(|definition| definition.name)
}
