//! What MySQL and StarRocks have and DataFusion lacks, one family per file.
//!
//! * [`arithmetic`]: division as MySQL and StarRocks do it
//! * [`conditional`]: `IF`, `ISNULL`
//!
//! Everything here is settled while a statement is planned, so a plan that is sent to a backend holds
//! DataFusion's own functions alone. Absent: functions whose value belongs to a session.

pub mod arithmetic;
pub mod conditional;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::sql::sqlparser::ast::Query;

/// Teaches a planner's registry the operators of this crate.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry.register_expr_planner(Arc::new(arithmetic::Division))
}

/// Replaces the functions of a parsed query that are other words for SQL expressions.
pub fn rewrite(query: &mut Query) {
    conditional::rewrite(query);
}
