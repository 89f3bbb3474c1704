//! Digits of a quotient that MySQL reckons on with but does not show: `1 / 3` shows `0.3333`, `1 / 3 * 100` is `33.3333`.
//!
//! A quotient shows four more digits than its dividend and has as many as fill groups of nine. All of them go into what an expression
//! makes of it, until a value is shown, stored, grouped by or read as a text. Here a quotient that is only part of an expression is
//! computed with its hidden digits, and the whole is rounded to what it shows.
//!
//! Source: MySQL 8.0's `do_div_mod` and `decimal_mul` (`strings/decimal.cc`), whose decimals have up to 30 digits behind the point; hidden
//! ones are 15 here at most, so that as many are left before it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array};
use arrow::datatypes::{DataType, i256};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, Case};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit,
};
use datafusion::optimizer::AnalyzerRule;

use crate::casts::rescale;
use crate::function::{Call, Definition, Planned, Returns, out_of_range};
use crate::operators::arithmetic::{DIVISION_DIGITS, PRECISION_MAX, decimals, digits};
use crate::settle::{is_comparison, visible};
use crate::udf;

/// Digits of MySQL's groups.
const GROUP: i8 = 9;
/// Digits behind the point that are kept where fewer are shown.
const HIDDEN_MAX: i8 = 15;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("divide_on", 3..=3, Returns::By(hidden_type), divide_on),
    Definition::new("multiply_on", 3..=3, Returns::By(hidden_type), multiply_on),
    Definition::new("shown", 3..=3, Returns::By(shown_type), shown),
];

/// Functions whose result has the hidden digits of what they are given.
const PASSING: [&str; 9] =
    ["add", "subtract", "mod", "negate", "abs", "coalesce", "greatest", "least", "number_of"];

/// Functions that look at all digits of a number.
const LOOKING: [&str; 31] = [
    "round",
    "truncate",
    "ceil",
    "floor",
    "sign",
    "sqrt",
    "cbrt",
    "exp",
    "ln",
    "log2",
    "log10",
    "log",
    "power",
    "square",
    "sin",
    "cos",
    "tan",
    "cot",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "degrees",
    "radians",
    "format",
    "int_divide",
    "truth",
    "to_double",
    "cast_decimal",
];

/// Operators, which look at all digits where the result is no decimal.
const RECKONING: [&str; 6] = ["add", "subtract", "multiply", "divide", "mod", "negate"];

const AGGREGATES: [&str; 3] = ["sum", "min", "max"];

/// Runs when all types are settled.
#[derive(Debug)]
pub(crate) struct Quotients;

impl AnalyzerRule for Quotients {
    fn name(&self) -> &str {
        "mysql_quotients"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = visible(&plan)?;
            let names = NamePreserver::new(&plan);
            let (plan, shown) = aggregates(plan)?;
            let plan = plan.map_expressions(|expr| match expr {
                Expr::AggregateFunction(_) => Ok(Transformed::no(expr)),
                expr if has_quotient(&expr)? => {
                    let name = names.save(&expr);
                    Ok(Transformed::yes(name.restore(kept(expr, &schema)?)))
                }
                expr => Ok(Transformed::no(expr)),
            })?;
            let plan = plan.map_data(LogicalPlan::recompute_schema)?;
            match shown {
                Some(columns) => {
                    plan.map_data(|plan| LogicalPlanBuilder::from(plan).project(columns)?.build())
                }
                None => Ok(plan),
            }
        })
        .map(|changed| changed.data)
    }
}

/// An aggregation over quotients with their hidden digits, and its columns as they are shown behind it.
fn aggregates(plan: LogicalPlan) -> Result<(LogicalPlan, Option<Vec<Expr>>)> {
    let LogicalPlan::Aggregate(aggregate) = plan else { return Ok((plan, None)) };
    let input = Arc::clone(aggregate.input.schema());
    let wide = aggregate.aggr_expr.iter().map(|expr| wide_aggregate(expr, &input));
    let wide = wide.collect::<Result<Vec<_>>>()?;
    if wide.iter().all(Option::is_none) {
        return Ok((LogicalPlan::Aggregate(aggregate), None));
    }
    let groups = aggregate.schema.fields().len() - wide.len();
    let both = wide.iter().zip(&aggregate.aggr_expr);
    let aggr_expr = both.map(|(wide, plain)| wide.as_ref().unwrap_or(plain).clone()).collect();
    let of = Aggregate::try_new(aggregate.input, aggregate.group_expr, aggr_expr)?;
    let mut columns = Vec::with_capacity(of.schema.fields().len());
    for (i, (qualifier, field)) in aggregate.schema.iter().enumerate() {
        let column = Expr::from(of.schema.qualified_field(i));
        columns.push(match i.checked_sub(groups).and_then(|i| wide[i].as_ref()) {
            Some(_) => as_shown(column, field.data_type())?
                .alias_qualified(qualifier.cloned(), field.name()),
            None => column,
        });
    }
    Ok((LogicalPlan::Aggregate(of), Some(columns)))
}

fn wide_aggregate(expr: &Expr, input: &DFSchema) -> Result<Option<Expr>> {
    match expr {
        Expr::Alias(alias) => {
            let wide = wide_aggregate(&alias.expr, input)?;
            Ok(wide.map(|wide| wide.alias_qualified(alias.relation.clone(), &alias.name)))
        }
        Expr::AggregateFunction(AggregateFunction { func, params })
            if AGGREGATES.contains(&func.name()) && params.args.len() == 1 =>
        {
            let mut params = params.clone();
            let (args, is_wide) = each(params.args, input)?;
            if !is_wide {
                return Ok(None);
            }
            params.args = args;
            let func = Arc::clone(func);
            Ok(Some(Expr::AggregateFunction(AggregateFunction { func, params })))
        }
        _ => Ok(None),
    }
}

fn has_quotient(expr: &Expr) -> Result<bool> {
    expr.exists(|e| Ok(matches!(e, Expr::ScalarFunction(f) if f.func.name() == "divide")))
}

/// The expression with its type.
fn kept(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let data_type = match &expr {
        Expr::ScalarFunction(_) | Expr::Case(_) | Expr::Cast(_) => expr.get_type(schema)?,
        _ => DataType::Null,
    };
    if let Expr::ScalarFunction(f) = &expr
        && f.func.name() == "divide"
        && is_decimal(&data_type)
    {
        let (operands, is_wide) = each(f.args.clone(), schema)?;
        return match is_wide {
            true => as_shown(divided(operands, &data_type, schema)?, &data_type),
            // rounded once and well by the plain one
            false => Ok(f.func.call(operands)),
        };
    }
    if passes(&expr, &data_type) {
        let (expr, is_wide) = either(expr, schema)?;
        return if is_wide { as_shown(expr, &data_type) } else { Ok(expr) };
    }
    let looks = looks_at_all(&expr, &data_type);
    let child = |child: Expr| match looks {
        true => Ok(either(child, schema)?.0),
        false => kept(child, schema),
    };
    let is_function = matches!(expr, Expr::ScalarFunction(_));
    let changed = expr.map_children(|e| child(e).map(Transformed::yes))?.data;
    match looks && is_function && changed.get_type(schema)? != data_type {
        true => as_shown(changed, &data_type),
        false => Ok(changed),
    }
}

/// The expression with the digits that quotients have given it, and whether they have.
fn either(expr: Expr, schema: &DFSchema) -> Result<(Expr, bool)> {
    let data_type = match &expr {
        Expr::ScalarFunction(_) | Expr::Case(_) | Expr::Cast(_) => expr.get_type(schema)?,
        _ => DataType::Null,
    };
    match expr {
        Expr::ScalarFunction(f) if f.func.name() == "divide" && is_decimal(&data_type) => {
            let (operands, _) = each(f.args, schema)?;
            Ok((divided(operands, &data_type, schema)?, true))
        }
        expr if !passes(&expr, &data_type) => Ok((kept(expr, schema)?, false)),
        Expr::ScalarFunction(f) => {
            let (operands, is_wide) = each(f.args, schema)?;
            match is_wide && f.func.name() == "multiply" {
                true => Ok((multiplied(operands, &data_type, schema)?, true)),
                false => Ok((f.func.call(operands), is_wide)),
            }
        }
        Expr::Cast(to) => match either(*to.expr, schema)? {
            (wide, true) => Ok((wide, true)),
            (plain, false) => Ok((cast(plain, data_type), false)),
        },
        Expr::Case(case) => branches(case, schema),
        other => Ok((other, false)),
    }
}

fn each(args: Vec<Expr>, schema: &DFSchema) -> Result<(Vec<Expr>, bool)> {
    let args = args.into_iter().map(|arg| either(arg, schema)).collect::<Result<Vec<_>>>()?;
    let is_wide = args.iter().any(|(_, is_wide)| *is_wide);
    Ok((args.into_iter().map(|(arg, _)| arg).collect(), is_wide))
}

/// Whether an expression's result has the digits of what it is made of. A cast from decimal to decimal is one that made the
/// branches of a `CASE` one type.
fn passes(expr: &Expr, data_type: &DataType) -> bool {
    is_decimal(data_type)
        && match expr {
            Expr::ScalarFunction(f) => {
                f.func.name() == "multiply" || PASSING.contains(&f.func.name())
            }
            Expr::Cast(_) | Expr::Case(_) => true,
            _ => false,
        }
}

/// Whether an expression looks at all digits of what it is made of.
fn looks_at_all(expr: &Expr, data_type: &DataType) -> bool {
    match expr {
        Expr::ScalarFunction(f) => {
            let name = f.func.name();
            LOOKING.contains(&name) || (RECKONING.contains(&name) && !is_decimal(data_type))
        }
        Expr::Cast(_) => data_type.is_floating(),
        Expr::InList(_) => true,
        Expr::BinaryExpr(binary) => is_comparison(binary.op),
        _ => false,
    }
}

/// A `CASE` with a quotient in a branch, all branches with as many digits as the longest.
fn branches(mut case: Case, schema: &DFSchema) -> Result<(Expr, bool)> {
    let (mut is_wide, mut scale) = (false, 0);
    if let Some(value) = &mut case.expr {
        **value = kept(std::mem::take(value), schema)?;
    }
    for (when, _) in &mut case.when_then_expr {
        **when = kept(std::mem::take(when), schema)?;
    }
    let thens = case.when_then_expr.iter_mut().map(|(_, then)| then).chain(&mut case.else_expr);
    let mut thens: Vec<&mut Box<Expr>> = thens.collect();
    for then in &mut thens {
        let (changed, has_hidden) = either(std::mem::take(then), schema)?;
        scale = scale.max(digits(&changed.get_type(schema)?).1);
        is_wide |= has_hidden;
        ***then = changed;
    }
    for then in thens.into_iter().filter(|_| is_wide) {
        if !then.get_type(schema)?.is_null() {
            **then = cast(std::mem::take(then), DataType::Decimal128(PRECISION_MAX, scale));
        }
    }
    Ok((Expr::Case(case), is_wide))
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..))
}

/// The quotient with its hidden digits.
fn divided(operands: Vec<Expr>, data_type: &DataType, schema: &DFSchema) -> Result<Expr> {
    let shows = digits(data_type).1;
    let [(whole, s1), (_, s2)] = both(&operands, schema)?;
    let room = PRECISION_MAX as i8 - whole.saturating_add(s2.min(shows)).min(37);
    let scale = quotient_scale(s1, s2).min(HIDDEN_MAX).min(room).max(shows);
    on("divide_on", operands, scale)
}

/// The product with the hidden digits of its operands.
fn multiplied(operands: Vec<Expr>, data_type: &DataType, schema: &DFSchema) -> Result<Expr> {
    let [(_, s1), (_, s2)] = both(&operands, schema)?;
    let scale = s1.saturating_add(s2).min(HIDDEN_MAX).max(digits(data_type).1);
    on("multiply_on", operands, scale)
}

fn both(operands: &[Expr], schema: &DFSchema) -> Result<[(i8, i8); 2]> {
    let [left, right] = operands else { return plan_err!("an operator has two operands") };
    Ok([digits(&left.get_type(schema)?), digits(&right.get_type(schema)?)])
}

fn on(name: &str, mut operands: Vec<Expr>, scale: i8) -> Result<Expr> {
    operands.push(lit(i64::from(scale)));
    Ok(udf(name)?.call(operands))
}

/// Digits behind the point of MySQL's quotient of numbers with so many.
fn quotient_scale(left: i8, right: i8) -> i8 {
    let groups = |digits: i8| (digits + GROUP - 1) / GROUP * GROUP;
    let filled = (groups(left) - left) + (groups(right) - right);
    groups(groups(left) + groups(right) + (DIVISION_DIGITS - filled).max(0))
}

fn as_shown(expr: Expr, data_type: &DataType) -> Result<Expr> {
    let DataType::Decimal128(precision, scale) = data_type else { return Ok(expr) };
    Ok(udf("shown")?.call(vec![expr, lit(i64::from(*precision)), lit(i64::from(*scale))]))
}

fn hidden_type(planned: &Planned) -> Result<DataType> {
    Ok(DataType::Decimal128(PRECISION_MAX, scale(planned, 2)?))
}

fn shown_type(planned: &Planned) -> Result<DataType> {
    let precision = scale(planned, 1)?.unsigned_abs();
    Ok(DataType::Decimal128(precision, scale(planned, 2)?))
}

fn scale(planned: &Planned, argument: usize) -> Result<i8> {
    let value = planned.int(argument).and_then(|value| i8::try_from(value).ok());
    match value.filter(|value| (0..=PRECISION_MAX as i8).contains(value)) {
        Some(value) => Ok(value),
        None => plan_err!("a number of digits must be a constant from 0 to {PRECISION_MAX}"),
    }
}

/// Cut, not rounded: it is rounded once, when it is shown.
fn divide_on(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (decimals(&call.array(0)?)?, decimals(&call.array(1)?)?);
    decimals_of(call, "/", |scale, row| {
        if left.is_null(row) || right.is_null(row) || right.value(row) == 0 {
            return Some(None);
        }
        let shift = scale - left.scale() + right.scale();
        let (dividend, divisor) = shifted(left.value(row), right.value(row), shift)?;
        Some(Some(dividend.checked_div(divisor)?.to_i128()?))
    })
}

fn multiply_on(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (decimals(&call.array(0)?)?, decimals(&call.array(1)?)?);
    decimals_of(call, "*", |scale, row| {
        if left.is_null(row) || right.is_null(row) {
            return Some(None);
        }
        let product =
            i256::from_i128(left.value(row)).checked_mul(i256::from_i128(right.value(row)))?;
        let shift = i32::from(left.scale()) + i32::from(right.scale()) - i32::from(scale);
        let power = i256::from_i128(10).checked_pow(shift.unsigned_abs())?;
        let cut = if shift > 0 { product.checked_div(power) } else { product.checked_mul(power) };
        Some(Some(cut?.to_i128()?))
    })
}

fn shown(call: &Call) -> Result<ArrayRef> {
    let values = decimals(&call.array(0)?)?;
    decimals_of(call, "/", |scale, row| match values.is_valid(row) {
        true => Some(Some(rescale(values.value(row), values.scale(), scale)?)),
        false => Some(None),
    })
}

/// `left * 10^shift` and `right`, or for a negative shift `left` and `right * 10^-shift`.
fn shifted(left: i128, right: i128, shift: i8) -> Option<(i256, i256)> {
    let power = i256::from_i128(10).checked_pow(shift.unsigned_abs().into())?;
    let (left, right) = (i256::from_i128(left), i256::from_i128(right));
    Some(if shift >= 0 {
        (left.checked_mul(power)?, right)
    } else {
        (left, right.checked_mul(power)?)
    })
}

/// One decimal of the call's type for each row; an error where one does not fit.
fn decimals_of(
    call: &Call,
    operator: &str,
    each: impl Fn(i8, usize) -> Option<Option<i128>>,
) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = call.returns else {
        return Err(out_of_range("DECIMAL", operator));
    };
    let limit = 10u128.pow(precision.into());
    let value = |row: usize| {
        let value = each(scale, row).ok_or_else(|| out_of_range("DECIMAL", operator))?;
        match value {
            Some(value) if value.unsigned_abs() >= limit => Err(out_of_range("DECIMAL", operator)),
            value => Ok(value),
        }
    };
    let values = (0..call.rows).map(value).collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}
