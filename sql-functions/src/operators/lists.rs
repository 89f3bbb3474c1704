//! `IN` lists, `CASE value WHEN` and the zone of instants: what is settled when all types of a plan are known.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Case, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;

use super::compare::operands;

/// Compares the values of lists by MySQL's rules, and gives functions of dates the session's clock.
#[derive(Debug)]
pub(crate) struct Lists;

impl AnalyzerRule for Lists {
    fn name(&self) -> &str {
        "mysql_lists"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = config.execution.time_zone.clone();
        plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            if let LogicalPlan::TableScan(scan) = &plan {
                schema.merge(&DFSchema::try_from_qualified_schema(
                    scan.table_name.clone(),
                    &scan.source.schema(),
                )?);
            }
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|e| changed(e, &schema, zone.as_deref()))?;
                Ok(changed.update_data(|e| name.restore(e)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })
        .map(|changed| changed.data)
    }
}

fn changed(expr: Expr, schema: &DFSchema, zone: Option<&str>) -> Result<Transformed<Expr>> {
    match expr {
        Expr::InList(list) => in_list(list, schema),
        Expr::Case(Case { expr: Some(value), when_then_expr, else_expr }) => {
            let mut conditions = Vec::with_capacity(when_then_expr.len());
            let mut is_mixed = false;
            for (when, _) in &when_then_expr {
                let (left, right) = operands((*value).clone(), (**when).clone(), schema)?;
                is_mixed |= left != *value || right != **when;
                conditions.push(left.eq(right));
            }
            if !is_mixed {
                return Ok(Transformed::no(Expr::Case(Case {
                    expr: Some(value),
                    when_then_expr,
                    else_expr,
                })));
            }
            let thens = when_then_expr.into_iter().map(|(_, then)| then);
            let whens = conditions.into_iter().map(Box::new).zip(thens).collect();
            Ok(Transformed::yes(Expr::Case(Case { expr: None, when_then_expr: whens, else_expr })))
        }
        Expr::ScalarFunction(mut function) if crate::is_ours(function.func.name()) => {
            let Some(zone) = zone else {
                return Ok(Transformed::no(Expr::ScalarFunction(function)));
            };
            let mut moved = false;
            for arg in &mut function.args {
                if let Ok(DataType::Timestamp(unit, Some(of))) = arg.get_type(schema)
                    && of.as_ref() != zone
                {
                    let local = DataType::Timestamp(unit, Some(Arc::from(zone)));
                    *arg = cast(std::mem::take(arg), local);
                    moved = true;
                }
            }
            let function = Expr::ScalarFunction(function);
            Ok(if moved { Transformed::yes(function) } else { Transformed::no(function) })
        }
        other => Ok(Transformed::no(other)),
    }
}

fn in_list(list: InList, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let InList { expr, list, negated } = list;
    let mut pairs = Vec::with_capacity(list.len());
    for item in &list {
        pairs.push(operands((*expr).clone(), item.clone(), schema)?);
    }
    let is_same =
        pairs.iter().zip(&list).all(|((left, right), item)| *left == *expr && right == item);
    if is_same {
        return Ok(Transformed::no(Expr::InList(InList { expr, list, negated })));
    }
    let first = pairs[0].0.clone();
    if pairs.iter().all(|(left, _)| *left == first) {
        let list = pairs.into_iter().map(|(_, right)| right).collect();
        return Ok(Transformed::yes(Expr::InList(InList { expr: Box::new(first), list, negated })));
    }
    let any = pairs.into_iter().map(|(left, right)| left.eq(right)).reduce(Expr::or);
    let any = any.unwrap_or_else(|| datafusion::logical_expr::lit(false));
    Ok(Transformed::yes(if negated { Expr::Not(Box::new(any)) } else { any }))
}
