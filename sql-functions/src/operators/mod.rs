//! Operators as MySQL has them, planned where DataFusion would plan its own.
//!
//! * [`arithmetic`]: `+ - * / DIV %`, exact for whole numbers and decimals, an error where a result does not fit
//! * [`compare`]: comparisons of different kinds of values
//! * [`bits`]: `& | ^ << >> ~` over 64 bits
//! * truth values: `AND`, `OR`, `XOR` of any values

pub(crate) mod arithmetic;
pub(crate) mod bits;
pub(crate) mod compare;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr,
};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::function::{Call, Definition, Planned, Returns};
use crate::{convert, udf};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("truth", 1..=1, Returns::Bool, truth),
    Definition::new("number_of", 1..=1, Returns::By(number_type), number_of),
    Definition::new("json_member_of", 2..=2, Returns::Bool, crate::json::member_of),
];

/// Plans operators.
#[derive(Debug)]
pub struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = |name: &str, RawBinaryExpr { left, right, .. }: RawBinaryExpr| {
            Ok(PlannerResult::Planned(udf(name)?.call(vec![left, right])))
        };
        match expr.op {
            BinaryOperator::Plus => function("add", expr),
            BinaryOperator::Minus => function("subtract", expr),
            BinaryOperator::Multiply => function("multiply", expr),
            BinaryOperator::Divide => function("divide", expr),
            BinaryOperator::MyIntegerDivide => function("int_divide", expr),
            BinaryOperator::Modulo => function("mod", expr),
            BinaryOperator::And => logic(expr, Operator::And, schema),
            BinaryOperator::Or => logic(expr, Operator::Or, schema),
            BinaryOperator::Xor => logic(expr, Operator::NotEq, schema),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
            | BinaryOperator::Spaceship => compare::plan(expr, schema),
            _ => Ok(PlannerResult::Original(expr)),
        }
    }

    fn plan_aggregate(
        &self,
        mut expr: RawAggregateExpr,
    ) -> Result<PlannerResult<RawAggregateExpr>> {
        if expr.func.name() == "sum" && expr.args.len() == 1 {
            expr.args = vec![udf("number_of")?.call(expr.args)];
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// The number that is added up: a truth value is 0 or 1, a text what it begins with.
fn number_type(planned: &Planned) -> Result<DataType> {
    Ok(match &planned.types[0] {
        DataType::Boolean => DataType::Int64,
        text if convert::is_text(text) => DataType::Float64,
        other => {
            // what cannot be added up is refused here, by its name
            arithmetic::kind(other)?;
            other.clone()
        }
    })
}

fn number_of(call: &Call) -> Result<ArrayRef> {
    match &call.returns {
        DataType::Float64 => Ok(Arc::new(call.doubles(0)?)),
        DataType::Int64 => Ok(Arc::new(call.ints(0)?)),
        _ => call.array(0),
    }
}

fn logic(
    expr: RawBinaryExpr,
    operator: Operator,
    schema: &DFSchema,
) -> Result<PlannerResult<RawBinaryExpr>> {
    let of = |e: Expr| match e.get_type(schema) {
        Ok(DataType::Boolean) => Ok(e),
        _ => Ok(udf("truth")?.call(vec![e])) as Result<Expr>,
    };
    Ok(PlannerResult::Planned(binary_expr(of(expr.left)?, operator, of(expr.right)?)))
}

/// Whether a value is no zero.
fn truth(call: &Call) -> Result<ArrayRef> {
    let values = call.array(0)?;
    if *values.data_type() == DataType::Boolean {
        return Ok(values);
    }
    let values = match values.data_type() {
        DataType::Timestamp(..) | DataType::Date32 => convert::moments(&values)?,
        _ => {
            let doubles = convert::doubles(&values)?;
            return Ok(Arc::new(
                doubles.iter().map(|v| v.map(|v| v != 0.0)).collect::<arrow::array::BooleanArray>(),
            ));
        }
    };
    Ok(Arc::new(values.iter().map(|v| v.map(|_| true)).collect::<arrow::array::BooleanArray>()))
}
