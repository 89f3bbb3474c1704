//! Truth values. In MySQL any number is one: `WHERE 1`, `NOT 5`, `IF(a, …)`. DataFusion wants BOOLEAN there.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, Select, UnaryOperator, Value,
};

use super::{call, take};

/// The conditions of one `SELECT`.
pub(super) fn select(select: &mut Select) {
    for condition in [&mut select.selection, &mut select.having, &mut select.qualify] {
        condition.iter_mut().for_each(wrap);
    }
    for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
        match &mut join.join_operator {
            JoinOperator::Join(JoinConstraint::On(on))
            | JoinOperator::Inner(JoinConstraint::On(on))
            | JoinOperator::Left(JoinConstraint::On(on))
            | JoinOperator::LeftOuter(JoinConstraint::On(on))
            | JoinOperator::Right(JoinConstraint::On(on))
            | JoinOperator::RightOuter(JoinConstraint::On(on))
            | JoinOperator::FullOuter(JoinConstraint::On(on)) => wrap(on),
            _ => {}
        }
    }
}

/// The conditions inside of one expression.
pub(super) fn expr(expr: &mut Expr) {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Not | UnaryOperator::BangNot, expr } => wrap(expr),
        Expr::IsTrue(e) | Expr::IsNotTrue(e) | Expr::IsFalse(e) | Expr::IsNotFalse(e) => wrap(e),
        Expr::IsUnknown(e) | Expr::IsNotUnknown(e) => wrap(e),
        Expr::Case { operand: None, conditions, .. } => {
            conditions.iter_mut().for_each(|when| wrap(&mut when.condition));
        }
        _ => {}
    }
}

/// Asks for the truth of what is not evidently a truth value; `AND` and `OR` ask for that of their operands themselves.
pub(super) fn wrap(condition: &mut Expr) {
    if !is_evident(condition) {
        *condition = call("truth", vec![take(condition)]);
    }
}

fn is_evident(expr: &Expr) -> bool {
    use BinaryOperator as Op;
    match expr {
        Expr::Nested(inner) => is_evident(inner),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            Op::Eq
                | Op::NotEq
                | Op::Lt
                | Op::LtEq
                | Op::Gt
                | Op::GtEq
                | Op::Spaceship
                | Op::And
                | Op::Or
                | Op::Xor
        ),
        Expr::UnaryOp { op, .. } => matches!(op, UnaryOperator::Not | UnaryOperator::BangNot),
        Expr::Value(value) => matches!(value.value, Value::Boolean(_)),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::Exists { .. } => true,
        _ => false,
    }
}
