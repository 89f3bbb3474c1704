//! JSON, kept as text. Objects print as MySQL prints them: members by the length of their names, then by name.
//!
//! * this file: asking
//! * [`change`]: making and changing documents
//! * [`path`]: `$.a[0]`
//!
//! A text that is no JSON is an error where a document is wanted. Source: MySQL 8.0 Reference Manual, 14.17 "JSON Functions"; StarRocks'
//! JSON functions.

pub(crate) mod change;
pub(crate) mod path;

use arrow::array::ArrayRef;
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use serde_json::Value;

use crate::function::{At, Call, Definition, MANY, Returns};
use path::Path;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("cast_json", 1..=1, Returns::Text, |call| {
        let documents = documents(call, 0)?;
        call.give_texts(|row| documents[row].as_ref().map(printed))
    }),
    Definition::new("parse_json", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| Some(printed(&serde_json::from_str(values.at(row)?).ok()?)))
    }),
    Definition::new("json_extract", 2..=MANY, Returns::Text, extract).or(&["json_query"]),
    Definition::new("json_extract_text", 2..=2, Returns::Text, |call| {
        let found = one_path(call)?;
        call.give_texts(|row| found[row].as_ref().map(unquoted))
    })
    .or(&["json_value"]),
    Definition::new("json_unquote", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| {
            let text = values.at(row)?;
            if !(text.len() >= 2 && text.starts_with('"') && text.ends_with('"')) {
                return Some(text.to_string());
            }
            Some(serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_string()))
        })
    }),
    Definition::new("json_string", 1..=1, Returns::Text, |call| {
        let documents = documents(call, 0)?;
        call.give_texts(|row| documents[row].as_ref().map(printed))
    }),
    Definition::new("get_json_string", 2..=2, Returns::Text, |call| {
        let found = lenient(call)?;
        call.give_texts(|row| found[row].as_ref().map(unquoted))
    })
    .or(&["get_json_object"]),
    Definition::new("get_json_int", 2..=2, Returns::Int, |call| {
        let found = lenient(call)?;
        call.give_ints(|row| {
            let value = found[row].as_ref()?;
            value
                .as_i64()
                .or_else(|| value.as_f64().map(|v| v as i64))
                .or_else(|| value.as_str()?.parse().ok())
        })
    }),
    Definition::new("get_json_double", 2..=2, Returns::Double, |call| {
        let found = lenient(call)?;
        call.give_doubles(|row| found[row].as_ref()?.as_f64())
    }),
    Definition::new("get_json_bool", 2..=2, Returns::Bool, |call| {
        let found = lenient(call)?;
        call.give_bools(|row| found[row].as_ref()?.as_bool())
    }),
    Definition::new("json_exists", 2..=2, Returns::Bool, |call| {
        let found = one_path(call)?;
        let documents = call.text(0)?;
        call.give_bools(|row| documents.at(row).map(|_| found[row].is_some()))
    }),
    Definition::new("json_valid", 1..=1, Returns::Bool, |call| {
        let values = call.text(0)?;
        call.give_bools(|row| Some(serde_json::from_str::<Value>(values.at(row)?).is_ok()))
    }),
    Definition::new("json_length", 1..=2, Returns::Int, |call| {
        let found = at_path(call)?;
        call.give_ints(|row| Some(length(found[row].as_ref()?)))
    }),
    Definition::new("json_depth", 1..=1, Returns::Int, |call| {
        let documents = documents(call, 0)?;
        call.give_ints(|row| documents[row].as_ref().map(depth))
    }),
    Definition::new("json_type", 1..=1, Returns::Text, |call| {
        let documents = documents(call, 0)?;
        call.give_texts(|row| Some(type_name(documents[row].as_ref()?).into()))
    }),
    Definition::new("json_keys", 1..=2, Returns::Text, |call| {
        let found = at_path(call)?;
        call.give_texts(|row| {
            let members = sorted(found[row].as_ref()?.as_object()?);
            let keys = members.into_iter().map(|(key, _)| Value::String(key.clone()));
            Some(printed(&Value::Array(keys.collect())))
        })
    }),
    Definition::new("json_contains", 2..=3, Returns::Bool, |call| {
        let (targets, candidates) = (documents(call, 0)?, documents(call, 1)?);
        let paths = if call.len() > 2 { Some(paths(call, 2)?) } else { None };
        call.give_bools(|row| {
            let (target, candidate) = (targets[row].as_ref()?, candidates[row].as_ref()?);
            match &paths {
                None => Some(contains(target, candidate)),
                Some(paths) => Some(contains(&paths[row].as_ref()?.first(target)?, candidate)),
            }
        })
    }),
    Definition::new("json_contains_path", 3..=MANY, Returns::Bool, |call| {
        let (documents, modes) = (documents(call, 0)?, call.text(1)?);
        let paths = (2..call.len()).map(|i| paths(call, i)).collect::<Result<Vec<_>>>()?;
        if let Some(mode) =
            modes.iter().flatten().find(|m| !["one", "all"].contains(&m.to_lowercase().as_str()))
        {
            return datafusion::common::exec_err!(
                "json_contains_path takes 'one' or 'all', not '{mode}'"
            );
        }
        call.give_bools(|row| {
            let (document, mode) = (documents[row].as_ref()?, modes.at(row)?);
            let found: Option<Vec<bool>> =
                paths.iter().map(|p| Some(p[row].as_ref()?.first(document).is_some())).collect();
            let found = found?;
            Some(if mode.eq_ignore_ascii_case("all") {
                found.iter().all(|f| *f)
            } else {
                found.contains(&true)
            })
        })
    }),
    Definition::new("json_overlaps", 2..=2, Returns::Bool, |call| {
        let (left, right) = (documents(call, 0)?, documents(call, 1)?);
        call.give_bools(|row| Some(overlaps(left[row].as_ref()?, right[row].as_ref()?)))
    }),
];

/// An argument as documents.
pub(crate) fn documents(call: &Call, argument: usize) -> Result<Vec<Option<Value>>> {
    let texts = call.text(argument)?;
    texts.iter().map(|text| text.map(|text| document(call, text)).transpose()).collect()
}

fn document(call: &Call, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        exec_datafusion_err!("Invalid JSON text in the call of {}: {error}", call.name)
    })
}

pub(crate) fn paths(call: &Call, argument: usize) -> Result<Vec<Option<Path>>> {
    let texts = call.text(argument)?;
    let path = |text: &str| {
        Path::parse(text)
            .ok_or_else(|| exec_datafusion_err!("Invalid JSON path expression: '{text}'"))
    };
    texts.iter().map(|text| text.map(path).transpose()).collect()
}

/// What the path of the second argument finds.
fn one_path(call: &Call) -> Result<Vec<Option<Value>>> {
    let (documents, paths) = (documents(call, 0)?, paths(call, 1)?);
    Ok((0..call.rows).map(|row| paths[row].as_ref()?.find(documents[row].as_ref()?)).collect())
}

/// As StarRocks' `get_json_string` has it: what is no JSON has nothing in it.
fn lenient(call: &Call) -> Result<Vec<Option<Value>>> {
    let (texts, paths) = (call.text(0)?, paths(call, 1)?);
    let each = |row: usize| paths[row].as_ref()?.find(&serde_json::from_str(texts.at(row)?).ok()?);
    Ok((0..call.rows).map(each).collect())
}

/// The document, or what a path finds in it.
fn at_path(call: &Call) -> Result<Vec<Option<Value>>> {
    if call.len() == 1 { documents(call, 0) } else { one_path(call) }
}

/// Of several paths, or one with `*`, an array of what is found.
fn extract(call: &Call) -> Result<ArrayRef> {
    let documents = documents(call, 0)?;
    let all = (1..call.len()).map(|i| paths(call, i)).collect::<Result<Vec<_>>>()?;
    call.give_texts(|row| {
        let document = documents[row].as_ref()?;
        if let [only] = &all[..] {
            return only[row].as_ref()?.find(document).as_ref().map(printed);
        }
        let mut found = vec![];
        for paths in &all {
            found.extend(paths[row].as_ref()?.all(document));
        }
        (!found.is_empty()).then(|| printed(&Value::Array(found)))
    })
}

fn sorted(members: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(key, _)| (key.len(), *key));
    members
}

/// A document as MySQL prints it.
pub(crate) fn printed(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let member = |(key, value)| format!("{}: {}", Value::from(key as &str), printed(value));
            let members = sorted(members).into_iter().map(|(k, v)| member((k.as_str(), v)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

pub(crate) fn unquoted(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => printed(other),
    }
}

fn length(value: &Value) -> i64 {
    match value {
        Value::Array(items) => items.len() as i64,
        Value::Object(members) => members.len() as i64,
        _ => 1,
    }
}

fn depth(value: &Value) -> i64 {
    let inner = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => None,
    };
    inner.unwrap_or(0) + 1
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(n) if n.is_i64() => "INTEGER",
        Value::Number(n) if n.is_u64() => "UNSIGNED INTEGER",
        Value::Number(_) => "DOUBLE",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(a, b)| equal(a, b))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, a)| y.get(k).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn contains(target: &Value, candidate: &Value) -> bool {
    match (target, candidate) {
        (Value::Array(items), Value::Array(wanted)) => {
            wanted.iter().all(|w| items.iter().any(|i| contains(i, w)))
        }
        (Value::Array(items), other) => items.iter().any(|item| contains(item, other)),
        (Value::Object(members), Value::Object(wanted)) => {
            wanted.iter().all(|(key, w)| members.get(key).is_some_and(|m| contains(m, w)))
        }
        _ => equal(target, candidate),
    }
}

fn overlaps(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(x), Value::Array(y)) => x.iter().any(|a| y.iter().any(|b| equal(a, b))),
        (Value::Array(x), other) | (other, Value::Array(x)) => x.iter().any(|a| equal(a, other)),
        (Value::Object(x), Value::Object(y)) => {
            x.iter().any(|(k, a)| y.get(k).is_some_and(|b| equal(a, b)))
        }
        _ => equal(a, b),
    }
}

/// `value MEMBER OF(array)`.
pub(crate) fn member_of(call: &Call) -> Result<ArrayRef> {
    let (values, arrays) = (change::values(call, 0, false)?, documents(call, 1)?);
    call.give_bools(|row| {
        let value = values[row].as_ref().filter(|v| !v.is_null())?;
        Some(match arrays[row].as_ref()? {
            Value::Array(items) => items.iter().any(|item| equal(item, value)),
            other => equal(other, value),
        })
    })
}
