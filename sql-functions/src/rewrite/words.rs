//! Functions that are other words for expressions or for functions that DataFusion has under another name.
//!
//! Source: MySQL 8.0 Reference Manual, 14.5 "Flow Control Functions"; StarRocks' list of functions.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, ObjectName, OrderByExpr, OrderByOptions,
    ValueWithSpan, WindowType,
};

use super::{Modes, Refusal, arguments, call, name, number, text, truth};
use crate::refused;

/// A function under another name, with the same arguments.
const RENAMED: &[(&str, &str)] = &[
    ("approx_count_distinct", "approx_distinct"),
    ("array_contains", "array_has"),
    ("array_contains_all", "array_has_all"),
    ("arrays_overlap", "array_has_any"),
    ("array_generate", "generate_series"),
    ("element_at", "array_element"),
    ("map_from_arrays", "map"),
    ("map_size", "cardinality"),
    ("ndv", "approx_distinct"),
    ("split", "string_to_array"),
    ("std", "stddev_pop"),
    ("stddev", "stddev_pop"),
    ("variance", "var_pop"),
    ("variance_pop", "var_pop"),
    ("variance_samp", "var_samp"),
];

/// Replaces one expression.
pub(super) fn expr(expr: &mut Expr, modes: &Modes) -> Result<(), Refusal> {
    let Expr::Function(function) = expr else {
        return Ok(());
    };
    let Some(name) = name(function) else {
        return Ok(());
    };
    if let Some(refusal) = refused::reason(&name) {
        return Err(refusal);
    }
    if name == "group_concat" {
        return group_concat(function);
    }
    distinct(&name, function);
    ordered(&name, function);
    count_of_several(&name, function);
    hidden(&name, function, modes);
    // DataFusion labels what is called by an alias otherwise than what is not
    let renamed = RENAMED.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
    if let Some(to) = renamed.or_else(|| crate::canonical(&name)) {
        function.name = ObjectName::from(vec![Ident::new(to)]);
    }
    if let Some(plain) = plain(&name, function) {
        *expr = plain;
    }
    Ok(())
}

/// Arguments that nobody writes: the zone of the session, and which values are JSON already.
fn hidden(name: &str, function: &mut Function, modes: &Modes) {
    let argument = match name {
        "unix_timestamp" if arguments(function).is_some_and(|args| args.is_empty()) => return,
        "unix_timestamp" | "from_unixtime" => modes.zone.clone(),
        "json_array" | "json_object" | "json_set" | "json_insert" | "json_replace"
        | "json_array_append" | "json_array_insert" => {
            let args = arguments(function).unwrap_or_default();
            args.iter().map(|arg| if is_json(arg) { 'j' } else { '-' }).collect()
        }
        _ => return,
    };
    let unnamed = |e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e));
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.insert(0, unnamed(text(&argument)));
    }
}

/// Whether an expression gives a JSON.
fn is_json(expr: &Expr) -> bool {
    const MAKERS: [&str; 16] = [
        "json_array",
        "json_object",
        "json_extract",
        "json_query",
        "json_set",
        "json_insert",
        "json_replace",
        "json_remove",
        "json_merge_patch",
        "json_merge_preserve",
        "json_merge",
        "json_array_append",
        "json_array_insert",
        "json_keys",
        "cast_json",
        "parse_json",
    ];
    match expr {
        Expr::Nested(inner) => is_json(inner),
        Expr::Function(function) => name(function).is_some_and(|n| MAKERS.contains(&n.as_str())),
        _ => false,
    }
}

fn plain(name: &str, function: &Function) -> Option<Expr> {
    let args: Vec<Expr> = match function.args {
        // CURRENT_DATE and its like are called without parentheses too
        FunctionArguments::None => vec![],
        _ => arguments(function)?.into_iter().cloned().collect(),
    };
    if let Some(clock) = clock(name, &args) {
        return Some(clock);
    }
    match (name, &args[..]) {
        ("if", [condition, then, otherwise]) => Some(case(condition, then, Some(otherwise))),
        ("avg", [_]) => {
            Some(binary(named("sum", function), BinaryOperator::Divide, named("count", function)))
        }
        ("isnull", [value]) => Some(Expr::IsNull(Box::new(value.clone()))),
        ("count_if", [condition]) => Some(call("count", vec![case(condition, &number(1), None)])),
        ("nullif", [a, b]) => {
            let equal = binary(a.clone(), BinaryOperator::Eq, b.clone());
            Some(Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen {
                    condition: equal,
                    result: Expr::value(datafusion::sql::sqlparser::ast::Value::Null),
                }],
                else_result: Some(Box::new(a.clone())),
            })
        }
        ("mod", [a, b]) => Some(binary(a.clone(), BinaryOperator::Modulo, b.clone())),
        ("positive", [a]) => Some(Expr::Nested(Box::new(a.clone()))),
        ("add", [a, b]) => Some(binary(a.clone(), BinaryOperator::Plus, b.clone())),
        ("subtract", [a, b]) => Some(binary(a.clone(), BinaryOperator::Minus, b.clone())),
        ("multiply", [a, b]) => Some(binary(a.clone(), BinaryOperator::Multiply, b.clone())),
        ("divide", [a, b]) => Some(binary(a.clone(), BinaryOperator::Divide, b.clone())),
        ("timestampadd", [unit, n, moment]) => {
            Some(call("date_add_unit", vec![moment.clone(), n.clone(), unit_text(unit)?]))
        }
        ("timestampdiff" | "date_diff", [unit, from, to]) if unit_text(unit).is_some() => {
            Some(call("timestampdiff", vec![unit_text(unit)?, from.clone(), to.clone()]))
        }
        ("get_format", [kind, region]) => {
            Some(call("get_format", vec![unit_text(kind)?, region.clone()]))
        }
        _ => None,
    }
}

/// The clock of the statement, cut to seconds or to as many digits as asked for.
fn clock(name: &str, args: &[Expr]) -> Option<Expr> {
    let digits = args.first().cloned().unwrap_or_else(|| number(0));
    let now = || call("clock", vec![call("now", vec![]), digits.clone()]);
    let utc = || call("utc_clock", vec![call("now", vec![]), digits.clone()]);
    if args.len() > 1 {
        return None;
    }
    match name {
        "now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate" => Some(now()),
        "curdate" | "current_date" => Some(call("cast_date", vec![now()])),
        "curtime" | "current_time" => Some(call("cast_time", vec![now(), digits])),
        "unix_timestamp" if args.is_empty() => Some(call("unix_clock", vec![call("now", vec![])])),
        "utc_timestamp" => Some(utc()),
        "utc_date" => Some(call("cast_date", vec![utc()])),
        "utc_time" => Some(call("cast_time", vec![utc(), digits])),
        _ => None,
    }
}

/// The same call of another function.
fn named(name: &str, function: &Function) -> Expr {
    let name = ObjectName::from(vec![Ident::new(name)]);
    Expr::Function(Function { name, ..function.clone() })
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |e| Box::new(Expr::Nested(Box::new(e)));
    Expr::Nested(Box::new(Expr::BinaryOp { left: nested(left), op, right: nested(right) }))
}

fn case(condition: &Expr, then: &Expr, otherwise: Option<&Expr>) -> Expr {
    let mut condition = condition.clone();
    truth::wrap(&mut condition);
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: then.clone() }],
        else_result: otherwise.map(|e| Box::new(e.clone())),
    }
}

/// A unit that is written as a bare word.
fn unit_text(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Identifier(word) if word.quote_style.is_none() => Some(text(&word.value)),
        Expr::Value(value) => value.value.clone().into_string().map(|unit| text(&unit)),
        _ => None,
    }
}

/// `multi_distinct_count(a)` and its like are those of different values.
fn distinct(name: &str, function: &mut Function) {
    let plain = match name {
        "multi_distinct_count" => "count",
        "multi_distinct_sum" => "sum",
        _ => return,
    };
    function.name = ObjectName::from(vec![Ident::new(plain)]);
    if let FunctionArguments::List(list) = &mut function.args {
        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
    }
}

/// `COUNT(DISTINCT a, b)` counts the different pairs without NULLs.
fn count_of_several(name: &str, function: &mut Function) {
    let args: Vec<Expr> = arguments(function).unwrap_or_default().into_iter().cloned().collect();
    let FunctionArguments::List(list) = &mut function.args else { return };
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if name != "count" || args.len() < 2 || !is_distinct || function.filter.is_some() {
        return;
    }
    let whole =
        args.iter().map(|arg| Expr::IsNotNull(Box::new(Expr::Nested(Box::new(arg.clone())))));
    let and = |left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    };
    function.filter = whole.reduce(and).map(Box::new);
    list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(call("struct", args)))];
}

/// `MAX_BY(a, b)` is the first `a` where `b` is ordered; percentiles are of what is ordered too.
fn ordered(name: &str, function: &mut Function) {
    let args: Vec<Expr> = arguments(function).unwrap_or_default().into_iter().cloned().collect();
    let [value, by] = &args[..] else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    let unnamed = |e: &Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(e.clone()));
    let order = |expr: &Expr, ascending| OrderByExpr {
        expr: expr.clone(),
        options: OrderByOptions { asc: Some(ascending), nulls_first: Some(false) },
        with_fill: None,
    };
    let renamed = match name {
        "max_by" | "min_by" => {
            list.args = vec![unnamed(value)];
            list.clauses = vec![FunctionArgumentClause::OrderBy(vec![order(by, name == "min_by")])];
            function.filter = Some(Box::new(Expr::IsNotNull(Box::new(by.clone()))));
            "first_value"
        }
        "percentile_approx" | "percentile_cont" => {
            list.args = vec![unnamed(by)];
            function.within_group = vec![order(value, true)];
            if name == "percentile_cont" { name } else { "approx_percentile_cont" }
        }
        _ => return,
    };
    function.name = ObjectName::from(vec![Ident::new(renamed)]);
}

/// `GROUP_CONCAT(a, b ORDER BY c SEPARATOR ';')` is `string_agg(concat(a, b), ';' ORDER BY c)`.
fn group_concat(function: &mut Function) -> Result<(), Refusal> {
    let FunctionArguments::List(list) = &mut function.args else {
        return Ok(());
    };
    let mut separator = text(",");
    let mut kept = vec![];
    for clause in list.clauses.drain(..) {
        match clause {
            FunctionArgumentClause::Separator(ValueWithSpan { value, .. }) => {
                separator = Expr::value(value);
            }
            FunctionArgumentClause::Limit(_) => {
                return Err("LIMIT in GROUP_CONCAT is not supported".into());
            }
            other => kept.push(other),
        }
    }
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        other => Err(format!("'{other}' in GROUP_CONCAT is not supported")),
    });
    let args = args.collect::<Result<Vec<_>, _>>()?;
    let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    if is_distinct && args.len() > 1 && !kept.is_empty() {
        return Err(
            "GROUP_CONCAT(DISTINCT a, b ORDER BY …) is not supported: use one expression".into()
        );
    }
    let value = call("concat", args);
    if is_distinct {
        // of different values the order can only be by the text itself
        for clause in &mut kept {
            if let FunctionArgumentClause::OrderBy(order) = clause
                && let [by] = &mut order[..]
                && arguments_of(&value).is_some_and(|args| args == [&by.expr])
            {
                by.expr = value.clone();
            }
        }
    }
    let unnamed = |e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e));
    list.args = vec![unnamed(value), unnamed(separator)];
    list.clauses = kept;
    if matches!(function.over, Some(WindowType::WindowSpec(_))) {
        return Err("GROUP_CONCAT over a window is not supported".into());
    }
    function.name = ObjectName::from(vec![Ident::new("string_agg")]);
    Ok(())
}

fn arguments_of(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::Function(function) => arguments(function),
        _ => None,
    }
}
