//! Instants beside local times, in a session whose zone is not UTC: DataFusion would take a local time for one of Greenwich. Both are
//! compared, and become one type, as local times, as in MySQL; only a constant local time becomes an instant, so that files are still
//! pruned by it.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, Case, InList};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, cast, lit};

use crate::convert::digits_of;
use crate::zone::Zone;
use crate::{settle, udf};

const MIXED: &str = "here DATETIME and TIMESTAMP_LTZ need to be one type: CAST(… AS DATETIME)";

/// The zone of a session, where it is not that of Greenwich.
pub(crate) fn elsewhere(zone: Option<&str>) -> Option<&str> {
    zone.filter(|zone| Zone::parse(zone) != Some(Zone::UTC))
}

/// Refuses what mixes both outside of expressions.
pub(crate) fn check(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Union(union) => {
            for at in 0..union.schema.fields().len() {
                let types = union.inputs.iter().map(|input| input.schema().field(at).data_type());
                if is_mixed(types) {
                    return plan_err!("{MIXED}");
                }
            }
        }
        LogicalPlan::Join(join) => {
            for (left, right) in &join.on {
                let left = left.get_type(join.left.schema())?;
                if is_mixed([&left, &right.get_type(join.right.schema())?].into_iter()) {
                    return plan_err!("{MIXED}");
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// An expression that compares or unites both, as one that has local times alone, or instants.
pub(crate) fn changed(expr: Expr, schema: &DFSchema, zone: &str) -> Result<Transformed<Expr>> {
    let context = Context { schema, zone };
    Ok(match expr {
        Expr::BinaryExpr(mut of) if settle::is_comparison(of.op) => {
            let is_changed = context.compared(&mut [of.left.as_mut(), of.right.as_mut()])?;
            told(Expr::BinaryExpr(of), is_changed)
        }
        Expr::Between(mut all) => {
            let Between { expr, low, high, .. } = &mut all;
            let is_changed = context.compared(&mut [expr, low, high])?;
            told(Expr::Between(all), is_changed)
        }
        Expr::InList(mut all) => {
            let InList { expr, list, .. } = &mut all;
            let mut values: Vec<&mut Expr> = std::iter::once(expr.as_mut()).chain(list).collect();
            let is_changed = context.compared(&mut values)?;
            told(Expr::InList(all), is_changed)
        }
        Expr::InSubquery(of) => {
            let found = of.subquery.subquery.schema().field(0).data_type().clone();
            if is_mixed([&of.expr.get_type(schema)?, &found].into_iter()) {
                return plan_err!("{MIXED}");
            }
            Transformed::no(Expr::InSubquery(of))
        }
        Expr::Case(mut case) => {
            let Case { expr, when_then_expr, else_expr } = &mut case;
            let (mut values, mut branches) = (vec![], vec![]);
            if let Some(expr) = expr {
                values.push(expr.as_mut());
            }
            for (when, then) in when_then_expr {
                values.push(when.as_mut());
                branches.push(then.as_mut());
            }
            branches.extend(else_expr.as_deref_mut());
            let is_changed = context.compared(&mut values)? | context.united(&mut branches)?;
            told(Expr::Case(case), is_changed)
        }
        Expr::ScalarFunction(mut function) if crate::is_ours(function.func.name()) => {
            let mut args: Vec<&mut Expr> = function.args.iter_mut().collect();
            let is_changed = context.united(&mut args)?;
            told(Expr::ScalarFunction(function), is_changed)
        }
        other => Transformed::no(other),
    })
}

fn told(expr: Expr, is_changed: bool) -> Transformed<Expr> {
    if is_changed { Transformed::yes(expr) } else { Transformed::no(expr) }
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(_)))
}

fn is_local(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64)
}

fn is_mixed<'a>(types: impl Iterator<Item = &'a DataType> + Clone) -> bool {
    types.clone().any(is_instant) && types.clone().any(is_local)
}

struct Context<'a> {
    schema: &'a DFSchema,
    zone: &'a str,
}

impl Context<'_> {
    fn types(&self, values: &[&mut Expr]) -> Result<Option<Vec<DataType>>> {
        let types = values.iter().map(|value| value.get_type(self.schema));
        let types = types.collect::<Result<Vec<_>>>()?;
        Ok(is_mixed(types.iter()).then_some(types))
    }

    /// Values that are compared with each other; whether there were any of both.
    fn compared(&self, values: &mut [&mut Expr]) -> Result<bool> {
        let Some(types) = self.types(values)? else { return Ok(false) };
        let is_constant = |value: &Expr| value.column_refs().is_empty() && !value.is_volatile();
        let locals = || values.iter().zip(&types).filter(|(_, t)| is_local(t));
        if !locals().all(|(value, _)| is_constant(value)) {
            return self.united(values);
        }
        for (value, data_type) in values.iter_mut().zip(&types) {
            if is_local(data_type) {
                let local = std::mem::take(*value);
                **value = udf("instant_of")?.call(vec![lit(self.zone), local]);
            }
        }
        Ok(true)
    }

    /// Values that become one type; whether there were any of both.
    fn united(&self, values: &mut [&mut Expr]) -> Result<bool> {
        let Some(types) = self.types(values)? else { return Ok(false) };
        for (value, data_type) in values.iter_mut().zip(&types) {
            if let DataType::Timestamp(unit, Some(_)) = data_type {
                let here = DataType::Timestamp(*unit, Some(Arc::from(self.zone)));
                let instant = cast(std::mem::take(*value), here);
                let digits = lit(i64::from(digits_of(*unit)));
                **value = udf("cast_datetime")?.call(vec![instant, digits]);
            }
        }
        Ok(true)
    }
}
