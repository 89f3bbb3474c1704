//! Documents made and changed.
//!
//! The first argument of those that take values says which of them are JSON already: `j` for one that is, `-` for another. It is put
//! there while the statement is planned, since a JSON is a text to DataFusion.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use serde_json::{Map, Number, Value};

use super::path::{Path, Step};
use super::{documents, paths, printed};
use crate::function::{At, Call, Definition, MANY, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("json_array", 1..=MANY, Returns::Text, |call| {
        let values = all_values(call, 1, 1)?;
        call.give_texts(|row| {
            let items = values.iter().map(|v| v[row].clone().unwrap_or(Value::Null));
            Some(printed(&Value::Array(items.collect())))
        })
    }),
    Definition::new("json_object", 1..=MANY, Returns::Text, object),
    Definition::new("json_quote", 1..=1, Returns::Text, |call| {
        let values = call.text(0)?;
        call.give_texts(|row| Some(Value::from(values.at(row)?).to_string()))
    }),
    Definition::new("json_set", 4..=MANY, Returns::Text, |call| {
        changed(call, |path, document, value| {
            put(path, document, value, true, true);
        })
    }),
    Definition::new("json_insert", 4..=MANY, Returns::Text, |call| {
        changed(call, |path, document, value| {
            put(path, document, value, false, true);
        })
    }),
    Definition::new("json_replace", 4..=MANY, Returns::Text, |call| {
        changed(call, |path, document, value| {
            put(path, document, value, true, false);
        })
    }),
    Definition::new("json_array_append", 4..=MANY, Returns::Text, |call| {
        changed(call, |path, document, value| {
            if let Some(place) = path.place(document) {
                match place {
                    Value::Array(items) => items.push(value),
                    other => *other = Value::Array(vec![other.take(), value]),
                }
            }
        })
    }),
    Definition::new("json_array_insert", 4..=MANY, Returns::Text, |call| {
        changed(call, |path, document, value| {
            let Some((Step::Item(at), before)) = path.0.split_last() else { return };
            if let Some(Value::Array(items)) = Path(before.to_vec()).place(document) {
                items.insert((*at).min(items.len()), value);
            }
        })
    }),
    Definition::new("json_remove", 2..=MANY, Returns::Text, remove),
    Definition::new("json_merge_patch", 2..=MANY, Returns::Text, |call| merged(call, patch)),
    Definition::new("json_merge_preserve", 2..=MANY, Returns::Text, |call| merged(call, preserve))
        .or(&["json_merge"]),
    Definition::new("json_pretty", 1..=1, Returns::Text, |call| {
        let documents = documents(call, 0)?;
        call.give_texts(|row| serde_json::to_string_pretty(documents[row].as_ref()?).ok())
    }),
];

/// Values of an argument as JSON.
pub(crate) fn values(call: &Call, argument: usize, is_json: bool) -> Result<Vec<Option<Value>>> {
    if is_json {
        return documents(call, argument);
    }
    let array = call.array(argument)?;
    let data_type = array.data_type();
    Ok(match data_type {
        DataType::Boolean => {
            let values = array.as_boolean();
            (0..call.rows)
                .map(|row| Some(values.is_valid(row).then(|| values.value(row)).into()))
                .collect()
        }
        DataType::UInt64 => {
            let values = array.as_primitive::<arrow::datatypes::UInt64Type>();
            values.iter().map(|v| Some(v.into())).collect()
        }
        t if t.is_integer() => call.ints(argument)?.iter().map(|v| Some(v.into())).collect(),
        t if t.is_numeric() => {
            let number = |v: f64| Number::from_f64(v).map_or(Value::Null, Value::Number);
            call.doubles(argument)?.iter().map(|v| Some(v.map_or(Value::Null, number))).collect()
        }
        _ => call.text(argument)?.iter().map(|v| Some(v.into())).collect(),
    })
}

/// All values from an argument on; the marks are the first argument.
fn all_values(call: &Call, from: usize, step: usize) -> Result<Vec<Vec<Option<Value>>>> {
    let marks = call.text(0)?;
    let marks = marks.iter().next().flatten().unwrap_or_default().to_string();
    let is_json = |i: usize| marks.as_bytes().get(i - 1) == Some(&b'j');
    (from..call.len()).step_by(step).map(|i| values(call, i, is_json(i))).collect()
}

fn object(call: &Call) -> Result<ArrayRef> {
    if call.len() % 2 == 0 {
        return exec_err!("Incorrect parameter count in the call to native function 'json_object'");
    }
    let names = (1..call.len()).step_by(2).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    let values = all_values(call, 2, 2)?;
    if names.iter().any(|name| name.null_count() > 0) {
        return exec_err!("JSON documents may not contain NULL member names.");
    }
    call.give_texts(|row| {
        let mut members = Map::new();
        for (name, value) in names.iter().zip(&values) {
            members.insert(name.at(row)?.to_string(), value[row].clone().unwrap_or(Value::Null));
        }
        Some(printed(&Value::Object(members)))
    })
}

/// A document with pairs of a path and a value, one change after the other.
fn changed(call: &Call, f: fn(&Path, &mut Value, Value)) -> Result<ArrayRef> {
    if call.len() % 2 != 0 {
        return exec_err!(
            "Incorrect parameter count in the call to native function '{}'",
            call.name
        );
    }
    let documents = documents(call, 1)?;
    let paths = (2..call.len()).step_by(2).map(|i| paths(call, i)).collect::<Result<Vec<_>>>()?;
    let values = all_values(call, 3, 2)?;
    call.give_texts(|row| {
        let mut document = documents[row].clone()?;
        for (path, value) in paths.iter().zip(&values) {
            f(path[row].as_ref()?, &mut document, value[row].clone().unwrap_or(Value::Null));
        }
        Some(printed(&document))
    })
}

fn put(path: &Path, document: &mut Value, value: Value, replaces: bool, adds: bool) {
    if let Some(place) = path.place(document) {
        if replaces {
            *place = value;
        }
        return;
    }
    let Some((last, before)) = path.0.split_last().filter(|_| adds) else { return };
    match (Path(before.to_vec()).place(document), last) {
        (Some(Value::Object(members)), Step::Member(name)) => {
            members.insert(name.clone(), value);
        }
        (Some(Value::Array(items)), Step::Item(_)) => items.push(value),
        (Some(other), Step::Item(_)) => *other = Value::Array(vec![other.take(), value]),
        _ => {}
    }
}

fn remove(call: &Call) -> Result<ArrayRef> {
    let documents = documents(call, 0)?;
    let paths = (1..call.len()).map(|i| paths(call, i)).collect::<Result<Vec<_>>>()?;
    if paths.iter().flatten().flatten().any(|path| path.0.is_empty()) {
        return exec_err!("The path expression '$' is not allowed in this context.");
    }
    call.give_texts(|row| {
        let mut document = documents[row].clone()?;
        for path in &paths {
            let Some((last, before)) = path[row].as_ref()?.0.split_last() else { continue };
            match (Path(before.to_vec()).place(&mut document), last) {
                (Some(Value::Object(members)), Step::Member(name)) => {
                    members.remove(name);
                }
                (Some(Value::Array(items)), Step::Item(at)) if *at < items.len() => {
                    items.remove(*at);
                }
                _ => {}
            }
        }
        Some(printed(&document))
    })
}

fn merged(call: &Call, f: fn(Value, Value) -> Value) -> Result<ArrayRef> {
    let all = (0..call.len()).map(|i| documents(call, i)).collect::<Result<Vec<_>>>()?;
    call.give_texts(|row| {
        let mut merged = all[0][row].clone()?;
        for next in &all[1..] {
            merged = f(merged, next[row].clone()?);
        }
        Some(printed(&merged))
    })
}

/// RFC 7396.
fn patch(target: Value, with: Value) -> Value {
    let Value::Object(with) = with else { return with };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, value) in with {
        let old = members.remove(&name);
        if !value.is_null() {
            members.insert(name, patch(old.unwrap_or(Value::Null), value));
        }
    }
    Value::Object(members)
}

fn preserve(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut members), Value::Object(more)) => {
            for (name, value) in more {
                let merged = match members.remove(&name) {
                    Some(old) => preserve(old, value),
                    None => value,
                };
                members.insert(name, merged);
            }
            Value::Object(members)
        }
        (left, right) => {
            let items = |v| match v {
                Value::Array(items) => items,
                other => vec![other],
            };
            Value::Array(items(left).into_iter().chain(items(right)).collect())
        }
    }
}
