//! Operators and special forms as functions of this crate.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CeilFloorKind, DateTimeField, Expr, Interval, TrimWhereField, UnaryOperator,
    Value,
};

use super::{Modes, Refusal, call, literal_text, number, take, text};

/// What must be taken apart before its parts are looked at.
pub(super) fn before(expr: &mut Expr) -> Result<(), Refusal> {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            let (moment, interval, sign) = match (&**left, &op, &**right) {
                (_, BinaryOperator::Plus, Expr::Interval(_)) => (left, right, "date_add_unit"),
                (_, BinaryOperator::Minus, Expr::Interval(_)) => (left, right, "date_sub_unit"),
                (Expr::Interval(_), BinaryOperator::Plus, _) => (right, left, "date_add_unit"),
                _ => return Ok(()),
            };
            *expr = shifted(sign, take(moment), take(interval))?;
        }
        Expr::Function(function) => {
            let name = super::name(function).unwrap_or_default();
            let sign = match name.as_str() {
                "date_add" | "adddate" => "date_add_unit",
                "date_sub" | "subdate" => "date_sub_unit",
                _ => return Ok(()),
            };
            let args: Option<Vec<Expr>> =
                super::arguments(function).map(|args| args.into_iter().cloned().collect());
            if let Some([moment, amount]) = args.as_deref() {
                *expr = match amount {
                    Expr::Interval(_) => shifted(sign, moment.clone(), amount.clone())?,
                    days => call(sign, vec![moment.clone(), days.clone(), text("DAY")]),
                };
            }
        }
        _ => {}
    }
    Ok(())
}

fn shifted(name: &str, moment: Expr, interval: Expr) -> Result<Expr, Refusal> {
    let Expr::Interval(Interval { value, leading_field, last_field, .. }) = interval else {
        return Err("an INTERVAL is missing".into());
    };
    let unit = match (leading_field, last_field) {
        (Some(unit), None) => unit.to_string(),
        (Some(first), Some(last)) => format!("{first}_{last}"),
        _ => return Err("INTERVAL needs a unit: INTERVAL 1 DAY".into()),
    };
    Ok(call(name, vec![moment, *value, text(&unit.to_uppercase())]))
}

/// What is rewritten when its parts are.
pub(super) fn after(expr: &mut Expr, modes: &Modes) -> Result<(), Refusal> {
    match expr {
        Expr::Value(value) => {
            if let Some(literal) = literal(&value.value)? {
                *expr = literal;
            }
        }
        Expr::UnaryOp { op, expr: operand } => match op {
            UnaryOperator::Minus if !is_number(operand) => {
                *expr = call("negate", vec![take(operand)]);
            }
            UnaryOperator::Plus => *expr = Expr::Nested(Box::new(take(operand))),
            UnaryOperator::BitwiseNot => *expr = call("bit_not", vec![take(operand)]),
            UnaryOperator::BangNot => *op = UnaryOperator::Not,
            _ => {}
        },
        Expr::BinaryOp { left, op, right } => {
            if is_arithmetic(op) {
                [left.as_mut(), right.as_mut()].into_iter().for_each(hexadecimal);
            }
            let function = match op {
                BinaryOperator::StringConcat if modes.pipes_as_concat => "concat",
                BinaryOperator::StringConcat => {
                    *op = BinaryOperator::Or;
                    return Ok(());
                }
                BinaryOperator::Arrow => "json_extract",
                BinaryOperator::LongArrow => "json_extract_text",
                BinaryOperator::BitwiseAnd => "bits_and",
                BinaryOperator::BitwiseOr => "bits_or",
                BinaryOperator::BitwiseXor => "bits_xor",
                BinaryOperator::PGBitwiseShiftLeft => "bits_left",
                BinaryOperator::PGBitwiseShiftRight => "bits_right",
                BinaryOperator::Custom(name) if name == "SOUNDS LIKE" => {
                    let (left, right) = (take(left), take(right));
                    let soundex = |e| Box::new(call("soundex", vec![e]));
                    *expr = Expr::BinaryOp {
                        left: soundex(left),
                        op: BinaryOperator::Eq,
                        right: soundex(right),
                    };
                    return Ok(());
                }
                BinaryOperator::Assignment => {
                    return Err("':=' is not supported in a query: use SET".into());
                }
                _ => return Ok(()),
            };
            *expr = call(function, vec![take(left), take(right)]);
        }
        Expr::Between { expr: value, negated, low, high } => {
            let compare = |op, right: &mut Expr| {
                let nested = |e| Box::new(Expr::Nested(Box::new(e)));
                let op = match (*negated, op) {
                    (false, true) => BinaryOperator::GtEq,
                    (false, false) => BinaryOperator::LtEq,
                    (true, true) => BinaryOperator::Lt,
                    (true, false) => BinaryOperator::Gt,
                };
                Box::new(Expr::BinaryOp {
                    left: nested((**value).clone()),
                    op,
                    right: nested(take(right)),
                })
            };
            let (above, below) = (compare(true, low), compare(false, high));
            let op = if *negated { BinaryOperator::Or } else { BinaryOperator::And };
            *expr = Expr::Nested(Box::new(Expr::BinaryOp { left: above, op, right: below }));
        }
        Expr::RLike { negated, expr: value, pattern, .. } => {
            let matches = call("regexp_like", vec![take(value), take(pattern)]);
            *expr = negate_if(*negated, matches);
        }
        Expr::Like { any: false, pattern, escape_char, .. } => {
            like(pattern, escape_char.take().map(|e| e.value))?;
        }
        Expr::Like { any: true, .. } | Expr::ILike { .. } | Expr::SimilarTo { .. } => {
            return Err("LIKE ANY, ILIKE and SIMILAR TO are not supported".into());
        }
        Expr::Extract { field, expr: value, .. } => {
            *expr = call("extract_unit", vec![text(&unit(field)), take(value)]);
        }
        Expr::Ceil { expr: value, field } => *expr = rounded("ceil", value, field)?,
        Expr::Floor { expr: value, field } => *expr = rounded("floor", value, field)?,
        Expr::Position { expr: value, r#in } => {
            *expr = call("locate", vec![take(value), take(r#in)]);
        }
        Expr::Substring { expr: value, substring_from, substring_for, .. } => {
            let Some(from) = substring_from else {
                return Err(
                    "Incorrect parameter count in the call to native function 'substring'".into()
                );
            };
            let mut args = vec![take(value), take(from)];
            args.extend(substring_for.as_mut().map(|e| take(e)));
            *expr = call("substring", args);
        }
        Expr::Trim { expr: value, trim_where, trim_what, trim_characters: None } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "trim_leading",
                Some(TrimWhereField::Trailing) => "trim_trailing",
                _ => "trim_both",
            };
            let what = trim_what.as_mut().map_or_else(|| text(" "), |e| take(e));
            *expr = call(name, vec![take(value), what]);
        }
        Expr::MatchAgainst { .. } => return Err("MATCH … AGAINST is not supported".into()),
        Expr::MemberOf(member) => {
            let (value, array) = (take(&mut member.value), take(&mut member.array));
            *expr = call("json_member_of", vec![value, array]);
        }
        Expr::Interval(_) => {
            return Err("an INTERVAL is only added to and subtracted from dates".into());
        }
        _ => {}
    }
    Ok(())
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    matches!(
        op,
        Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo | Op::MyIntegerDivide
    )
}

/// `0x0A` is bytes, and a number where one is reckoned with.
fn hexadecimal(expr: &mut Expr) {
    if let Expr::Value(value) = expr
        && let Value::HexStringLiteral(digits) = &value.value
        && let Ok(value) = u64::from_str_radix(digits, 16)
    {
        *expr = number(value);
    }
}

fn unit(field: &DateTimeField) -> String {
    field.to_string().to_uppercase()
}

fn rounded(name: &str, value: &mut Expr, field: &CeilFloorKind) -> Result<Expr, Refusal> {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {
            Ok(call(name, vec![take(value)]))
        }
        other => Err(format!("{name} with {other:?} is not supported")),
    }
}

fn negate_if(negated: bool, expr: Expr) -> Expr {
    match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(super::call("truth", vec![expr])),
        },
        false => expr,
    }
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if matches!(v.value, Value::Number(..)))
}

/// Literals that DataFusion would read otherwise: `1e3` is a DOUBLE, `N'x'` a text.
fn literal(value: &Value) -> Result<Option<Expr>, Refusal> {
    match value {
        Value::Number(digits, _) if digits.contains(['e', 'E']) => {
            digits
                .parse::<f64>()
                .ok()
                .filter(|d| d.is_finite())
                .ok_or_else(|| format!("Illegal double '{digits}' value found during parsing"))?;
            Ok(Some(call("cast_double", vec![text(digits)])))
        }
        Value::NationalStringLiteral(value) => Ok(Some(text(value))),
        Value::SingleQuotedByteStringLiteral(bits) => {
            let bits = u64::from_str_radix(bits, 2)
                .map_err(|_| format!("the bits b'{bits}' are no number of 64 bits"))?;
            Ok(Some(number(bits)))
        }
        _ => Ok(None),
    }
}

/// `LIKE 'a|%' ESCAPE '|'` with the escape that DataFusion knows, the backslash.
fn like(pattern: &mut Expr, escape: Option<Value>) -> Result<(), Refusal> {
    let escape = match escape.map(|e| e.into_string().unwrap_or_default()) {
        None => return Ok(()),
        Some(escape) => escape,
    };
    let mut chars = escape.chars();
    let (escape, more) = (chars.next(), chars.next());
    if more.is_some() {
        return Err("Incorrect arguments to ESCAPE".into());
    }
    let Some(written) = literal_text(pattern) else {
        return Err("LIKE … ESCAPE is supported for constant patterns".into());
    };
    let mut plain = String::new();
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some(next @ ('%' | '_' | '\\')) => plain.extend(['\\', next]),
                Some(next) => plain.push(next),
                None => plain.push(c),
            }
        } else if c == '\\' {
            plain.push_str("\\\\");
        } else {
            plain.push(c);
        }
    }
    *pattern = text(&plain);
    Ok(())
}
