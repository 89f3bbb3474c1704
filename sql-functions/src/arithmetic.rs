//! Division. `5 / 2` is 2.5 and dividing by zero gives NULL, for `/`, `DIV` and `%` alike.
//!
//! Source: StarRocks' operators and MySQL 8.0 Reference Manual, 14.6.1 "Arithmetic Operators" (with
//! StarRocks' DOUBLE as the type of a quotient of integers).

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, binary_expr, cast, lit};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Plans `/`, `DIV` and `%`.
#[derive(Debug)]
pub struct Division;

impl ExprPlanner for Division {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let numbers = is_number(&expr.left, schema) && is_number(&expr.right, schema);
        let integers = is_integer(&expr.left, schema) && is_integer(&expr.right, schema);
        let double = |e: Expr| cast(e, DataType::Float64);
        let planned = match expr.op {
            BinaryOperator::Divide if integers => binary_expr(
                double(expr.left),
                Operator::Divide,
                double(unless_zero(expr.right, schema)?),
            ),
            BinaryOperator::Divide if numbers => {
                binary_expr(expr.left, Operator::Divide, unless_zero(expr.right, schema)?)
            }
            BinaryOperator::Modulo if numbers => {
                binary_expr(expr.left, Operator::Modulo, unless_zero(expr.right, schema)?)
            }
            BinaryOperator::MyIntegerDivide if integers => {
                binary_expr(expr.left, Operator::Divide, unless_zero(expr.right, schema)?)
            }
            BinaryOperator::MyIntegerDivide if numbers => {
                let quotient = binary_expr(
                    double(expr.left),
                    Operator::Divide,
                    double(unless_zero(expr.right, schema)?),
                );
                cast(quotient, DataType::Int64)
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// The divisor, NULL where it is zero; a constant other than zero stays as it is.
fn unless_zero(divisor: Expr, schema: &DFSchema) -> Result<Expr> {
    let zero = ScalarValue::new_zero(&divisor.get_type(schema)?)?;
    match &divisor {
        Expr::Literal(value, _) if *value != zero => Ok(divisor),
        _ => Ok(nullif(divisor, lit(zero))),
    }
}

fn is_integer(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|t| t.is_integer())
}

fn is_number(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|t| t.is_numeric())
}
