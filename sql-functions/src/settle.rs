//! What is settled when all types of a plan are known: `IN` lists and `CASE value WHEN` of values of different kinds, the zone of
//! instants, and sums of BIGINTs, which DataFusion would wrap silently.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, cast, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use crate::convert::is_text;
use crate::operators::compare::operands;
use crate::udf;
use crate::unified::{common_type, converted};
use crate::zone::Zone;
use crate::zoned;

/// Functions that give as many digits of a second as a constant text has.
const DIGITS_OF_TEXTS: [&str; 6] =
    ["unix_timestamp", "timestamp", "addtime", "subtime", "convert_tz", "time"];

/// Runs before DataFusion's own rule of types.
#[derive(Debug)]
pub(crate) struct Settle;

impl AnalyzerRule for Settle {
    fn name(&self) -> &str {
        "mysql_types"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = config.execution.time_zone.clone();
        plan.transform_up_with_subqueries(|plan| {
            let schema = visible(&plan)?;
            let names = NamePreserver::new(&plan);
            let elsewhere = zoned::elsewhere(zone.as_deref());
            if elsewhere.is_some() {
                zoned::check(&plan)?;
            }
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|e| {
                    let local = match elsewhere {
                        Some(zone) => zoned::changed(e, &schema, zone)?,
                        None => Transformed::no(e),
                    };
                    local.transform_data(|e| changed(e, &schema, zone.as_deref()))
                })?;
                Ok(changed.update_data(|e| name.restore(e)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })
        .map(|changed| changed.data)
    }
}

/// The columns that the expressions of a plan's node can name.
pub(crate) fn visible(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        schema.merge(&DFSchema::try_from_qualified_schema(
            scan.table_name.clone(),
            &scan.source.schema(),
        )?);
    }
    Ok(schema)
}

fn changed(expr: Expr, schema: &DFSchema, zone: Option<&str>) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(mut binary) if is_comparison(binary.op) => {
            let left = instant(&binary.right, &binary.left, schema, zone)?;
            let right = instant(&binary.left, &binary.right, schema, zone)?;
            let is_changed = left.is_some() || right.is_some();
            if let Some(left) = left {
                binary.left = Box::new(left);
            }
            if let Some(right) = right {
                binary.right = Box::new(right);
            }
            let binary = Expr::BinaryExpr(binary);
            Ok(if is_changed { Transformed::yes(binary) } else { Transformed::no(binary) })
        }
        Expr::Like(mut like) => match like.expr.get_type(schema)? {
            t if is_text(&t) || t.is_null() => Ok(Transformed::no(Expr::Like(like))),
            _ => {
                *like.expr = udf("cast_char")?.call(vec![std::mem::take(like.expr.as_mut())]);
                Ok(Transformed::yes(Expr::Like(like)))
            }
        },
        Expr::InList(mut list) => {
            for item in &mut list.list {
                if let Some(instant) = instant(&list.expr, item, schema, zone)? {
                    *item = instant;
                }
            }
            in_list(list, schema)
        }
        Expr::Case(case) => branches(searched(case, schema)?, schema),
        Expr::AggregateFunction(mut sum) if sum.func.name() == "sum" => {
            let is_wide = widen(&mut sum.params.args, schema)?;
            let sum = Expr::AggregateFunction(sum);
            Ok(if is_wide { Transformed::yes(sum) } else { Transformed::no(sum) })
        }
        Expr::WindowFunction(mut sum) if sum.fun.name() == "sum" => {
            let is_wide = widen(&mut sum.params.args, schema)?;
            let sum = Expr::WindowFunction(sum);
            Ok(if is_wide { Transformed::yes(sum) } else { Transformed::no(sum) })
        }
        Expr::ScalarFunction(mut function) if crate::is_ours(function.func.name()) => {
            let moved = match zone {
                Some(zone) => to_zone(&mut function.args, zone, schema)?,
                None => false,
            };
            let held = has_digits_of_texts(&function, schema)?;
            let function = Expr::ScalarFunction(function);
            if held {
                let data_type = function.get_type(schema)?;
                return Ok(Transformed::yes(cast(function, data_type)));
            }
            Ok(if moved { Transformed::yes(function) } else { Transformed::no(function) })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Arguments of another zone than the session's as moments of that; whether there are any.
fn to_zone(args: &mut [Expr], zone: &str, schema: &DFSchema) -> Result<bool> {
    let mut moved = false;
    for arg in args {
        if let Ok(DataType::Timestamp(unit, Some(of))) = arg.get_type(schema)
            && of.as_ref() != zone
        {
            let local = DataType::Timestamp(unit, Some(Arc::from(zone)));
            *arg = cast(std::mem::take(arg), local);
            moved = true;
        }
    }
    Ok(moved)
}

/// Whether a function's type is of the digits in a text that is no constant yet: when it becomes one, the type must stay.
fn has_digits_of_texts(function: &ScalarFunction, schema: &DFSchema) -> Result<bool> {
    if !DIGITS_OF_TEXTS.contains(&function.func.name()) {
        return Ok(false);
    }
    for arg in &function.args {
        if !matches!(arg, Expr::Literal(..)) && is_text(&arg.get_type(schema)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `CASE value WHEN` of different kinds of values as comparisons.
fn searched(case: Case, schema: &DFSchema) -> Result<Transformed<Case>> {
    let Case { expr: Some(value), when_then_expr, else_expr } = case else {
        return Ok(Transformed::no(case));
    };
    let mut conditions = Vec::with_capacity(when_then_expr.len());
    let mut is_mixed = false;
    for (when, _) in &when_then_expr {
        let (left, right) = operands((*value).clone(), (**when).clone(), schema)?;
        is_mixed |= left != *value || right != **when;
        conditions.push(left.eq(right));
    }
    if !is_mixed {
        return Ok(Transformed::no(Case { expr: Some(value), when_then_expr, else_expr }));
    }
    let thens = when_then_expr.into_iter().map(|(_, then)| then);
    let whens = conditions.into_iter().map(Box::new).zip(thens).collect();
    Ok(Transformed::yes(Case { expr: None, when_then_expr: whens, else_expr }))
}

/// The branches of a `CASE` as the one type that they have in common.
fn branches(case: Transformed<Case>, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_changed = case.transformed;
    let mut case = case.data;
    let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
    let types = thens.chain(case.else_expr.as_deref()).map(|then| then.get_type(schema));
    let types = types.collect::<Result<Vec<_>>>()?;
    let to = common_type(&types);
    if types.iter().all(|t| *t == to || t.is_null()) || types.iter().any(DataType::is_nested) {
        let case = Expr::Case(case);
        return Ok(if is_changed { Transformed::yes(case) } else { Transformed::no(case) });
    }
    let thens = case.when_then_expr.iter_mut().map(|(_, then)| then);
    for (then, from) in thens.chain(case.else_expr.as_mut()).zip(&types) {
        **then = converted(std::mem::take(then.as_mut()), from, &to)?;
    }
    Ok(Transformed::yes(Expr::Case(case)))
}

/// Makes what is summed a number, and a whole one a DECIMAL, as the sum is to MySQL.
fn widen(args: &mut [Expr], schema: &DFSchema) -> Result<bool> {
    let mut is_wide = false;
    for arg in args {
        if let Expr::ScalarFunction(number) = arg
            && number.func.name() == "number_of"
            && number.args[0].get_type(schema)?.is_numeric()
        {
            *arg = std::mem::take(&mut number.args[0]);
            is_wide = true;
        }
        if matches!(arg.get_type(schema)?, DataType::Int64 | DataType::UInt64) {
            *arg = cast(std::mem::take(arg), DataType::Decimal128(20, 0));
            is_wide = true;
        }
    }
    Ok(is_wide)
}

/// Whether an operator compares two values.
pub(crate) fn is_comparison(operator: Operator) -> bool {
    use Operator as Op;
    matches!(
        operator,
        Op::Eq
            | Op::NotEq
            | Op::Lt
            | Op::LtEq
            | Op::Gt
            | Op::GtEq
            | Op::IsDistinctFrom
            | Op::IsNotDistinctFrom
    )
}

/// A constant text that is compared with instants, as the instant at which the session's clock shows it.
fn instant(
    with: &Expr,
    text: &Expr,
    schema: &DFSchema,
    zone: Option<&str>,
) -> Result<Option<Expr>> {
    let Expr::Literal(value, _) = text else { return Ok(None) };
    let (Some(Some(written)), Ok(DataType::Timestamp(unit, Some(of)))) =
        (value.try_as_str(), with.get_type(schema))
    else {
        return Ok(None);
    };
    let Some(read) = crate::calendar::read(written) else {
        return plan_err!("Incorrect DATETIME value: '{written}'");
    };
    let micros = Zone::named(zone.unwrap_or("UTC"))?.instant(read.micros);
    // in the unit of the column, so that files are still pruned by it
    Ok(Some(lit(match unit {
        TimeUnit::Second if micros % 1_000_000 == 0 => {
            ScalarValue::TimestampSecond(Some(micros / 1_000_000), Some(of))
        }
        TimeUnit::Second | TimeUnit::Millisecond if micros % 1_000 == 0 => {
            ScalarValue::TimestampMillisecond(Some(micros / 1_000), Some(of))
        }
        _ => ScalarValue::TimestampMicrosecond(Some(micros), Some(of)),
    })))
}

fn in_list(list: InList, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let InList { expr, list, negated } = list;
    if matches!(expr.get_type(schema), Ok(DataType::Null)) {
        return Ok(Transformed::yes(lit(ScalarValue::Boolean(None))));
    }
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
    let any = any.unwrap_or_else(|| lit(false));
    Ok(Transformed::yes(if negated { Expr::Not(Box::new(any)) } else { any }))
}
