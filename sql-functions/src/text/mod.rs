//! Texts. Positions count characters from 1, `length` counts bytes; a NULL argument gives NULL unless it is said otherwise.
//!
//! * this file: parts, places, cases
//! * [`make`]: texts made of others
//! * [`encode`]: bases, digests, quoting
//! * [`patterns`]: regular expressions
//!
//! Source: MySQL 8.0 Reference Manual, 14.8 "String Functions and Operators"; StarRocks' string functions.

pub(crate) mod encode;
pub(crate) mod make;
pub(crate) mod patterns;

use arrow::array::ArrayRef;
use datafusion::error::Result;

use crate::function::{At, Call, Definition, MANY, Returns};

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("length", 1..=1, Returns::Int, |call| {
        let values = call.bytes(0)?;
        call.give_ints(|row| Some(values.at(row)?.len() as i64))
    })
    .or(&["octet_length"]),
    Definition::new("char_length", 1..=1, Returns::Int, |call| {
        measure(call, |t| t.chars().count())
    })
    .or(&["character_length"]),
    Definition::new("bit_length", 1..=1, Returns::Int, |call| {
        let values = call.bytes(0)?;
        call.give_ints(|row| Some(values.at(row)?.len() as i64 * 8))
    }),
    Definition::new("ascii", 1..=1, Returns::Int, |call| {
        measure(call, |t| t.bytes().next().unwrap_or(0).into())
    }),
    Definition::new("ord", 1..=1, Returns::Int, |call| {
        measure(call, |t| {
            t.chars().next().map_or(0, |c| {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().fold(0, |all, b| all * 256 + usize::from(b))
            })
        })
    }),
    Definition::new("lower", 1..=1, Returns::Text, |call| change(call, str::to_lowercase))
        .or(&["lcase"]),
    Definition::new("upper", 1..=1, Returns::Text, |call| change(call, str::to_uppercase))
        .or(&["ucase"]),
    Definition::new("reverse", 1..=1, Returns::Text, |call| {
        change(call, |t| t.chars().rev().collect())
    }),
    Definition::new("left", 2..=2, Returns::Text, |call| part(call, |text, n| (0, n.min(text))))
        .or(&["strleft"]),
    Definition::new("right", 2..=2, Returns::Text, |call| {
        part(call, |text, n| (text - n.min(text), n))
    })
    .or(&["strright"]),
    Definition::new("substring", 2..=3, Returns::Text, substring).or(&["substr", "mid"]),
    Definition::new("substring_index", 3..=3, Returns::Text, substring_index),
    Definition::new("split_part", 3..=3, Returns::Text, split_part),
    Definition::new("locate", 2..=3, Returns::Int, |call| locate(call, 0, 1)),
    Definition::new("instr", 2..=2, Returns::Int, |call| locate(call, 1, 0)),
    Definition::new("strpos", 2..=2, Returns::Int, |call| locate(call, 1, 0)),
    Definition::new("find_in_set", 2..=2, Returns::Int, find_in_set),
    Definition::new("field", 2..=MANY, Returns::Int, field),
    Definition::new("strcmp", 2..=2, Returns::Int, |call| {
        let (a, b) = (call.text(0)?, call.text(1)?);
        call.give_ints(|row| Some(a.at(row)?.cmp(b.at(row)?) as i64))
    }),
    Definition::new("starts_with", 2..=2, Returns::Bool, |call| {
        test(call, |a, b| a.starts_with(b))
    }),
    Definition::new("ends_with", 2..=2, Returns::Bool, |call| test(call, |a, b| a.ends_with(b))),
    Definition::new("trim_both", 2..=2, Returns::Text, |call| trim(call, true, true)),
    Definition::new("trim_leading", 2..=2, Returns::Text, |call| trim(call, true, false)),
    Definition::new("trim_trailing", 2..=2, Returns::Text, |call| trim(call, false, true)),
    Definition::new("trim", 1..=1, Returns::Text, |call| {
        change(call, |t| t.trim_matches(' ').into())
    }),
    Definition::new("ltrim", 1..=1, Returns::Text, |call| {
        change(call, |t| t.trim_start_matches(' ').into())
    }),
    Definition::new("rtrim", 1..=1, Returns::Text, |call| {
        change(call, |t| t.trim_end_matches(' ').into())
    }),
];

fn measure(call: &Call, f: fn(&str) -> usize) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.give_ints(|row| Some(f(values.at(row)?) as i64))
}

fn change(call: &Call, f: fn(&str) -> String) -> Result<ArrayRef> {
    let values = call.text(0)?;
    call.give_texts(|row| Some(f(values.at(row)?)))
}

fn test(call: &Call, f: fn(&str, &str) -> bool) -> Result<ArrayRef> {
    let (a, b) = (call.text(0)?, call.text(1)?);
    call.give_bools(|row| Some(f(a.at(row)?, b.at(row)?)))
}

/// Characters `from..from + count` of a text; `place` is told the length and what was asked for.
fn part(call: &Call, place: fn(usize, usize) -> (usize, usize)) -> Result<ArrayRef> {
    let (values, counts) = (call.text(0)?, call.ints(1)?);
    call.give_texts(|row| {
        let text = values.at(row)?;
        let asked = usize::try_from(counts.at(row)?).unwrap_or(0);
        let (from, count) = place(text.chars().count(), asked);
        Some(text.chars().skip(from).take(count).collect())
    })
}

/// From a place counted from 1, from the end if negative; 0 is no place.
fn substring(call: &Call) -> Result<ArrayRef> {
    let (values, places) = (call.text(0)?, call.ints(1)?);
    let counts = if call.len() > 2 { Some(call.ints(2)?) } else { None };
    call.give_texts(|row| {
        let (text, place) = (values.at(row)?, places.at(row)?);
        let count = match &counts {
            None => usize::MAX,
            Some(counts) => usize::try_from(counts.at(row)?).unwrap_or(0),
        };
        let length = text.chars().count() as u64;
        let from = match place {
            0 => return Some(String::new()),
            1.. => place.unsigned_abs() - 1,
            _ if place.unsigned_abs() > length => return Some(String::new()),
            _ => length - place.unsigned_abs(),
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Some(text.chars().skip(from).take(count).collect())
    })
}

fn substring_index(call: &Call) -> Result<ArrayRef> {
    let (values, delimiters, counts) = (call.text(0)?, call.text(1)?, call.ints(2)?);
    call.give_texts(|row| {
        let (text, delimiter, count) = (values.at(row)?, delimiters.at(row)?, counts.at(row)?);
        if delimiter.is_empty() || count == 0 {
            return Some(String::new());
        }
        let nth = usize::try_from(count.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let part = if count > 0 {
            text.match_indices(delimiter).nth(nth).map_or(text, |(at, _)| &text[..at])
        } else {
            let found = text.rmatch_indices(delimiter).nth(nth);
            found.map_or(text, |(at, _)| &text[at + delimiter.len()..])
        };
        Some(part.to_string())
    })
}

/// StarRocks' one: NULL beyond the last part.
fn split_part(call: &Call) -> Result<ArrayRef> {
    let (values, delimiters, places) = (call.text(0)?, call.text(1)?, call.ints(2)?);
    call.give_texts(|row| {
        let (text, delimiter, place) = (values.at(row)?, delimiters.at(row)?, places.at(row)?);
        let nth = usize::try_from(place.unsigned_abs()).ok()?.checked_sub(1)?;
        if delimiter.is_empty() {
            return text.chars().nth(nth).map(String::from);
        }
        let part = if place > 0 {
            text.split(delimiter).nth(nth)
        } else {
            text.rsplit(delimiter).nth(nth)
        };
        part.map(str::to_string)
    })
}

fn locate(call: &Call, what: usize, within: usize) -> Result<ArrayRef> {
    let (what, within) = (call.text(what)?, call.text(within)?);
    let from = if call.len() > 2 { call.ints(2)? } else { vec![1; call.rows].into() };
    call.give_ints(|row| {
        let (what, within, from) = (what.at(row)?, within.at(row)?, from.at(row)?);
        let Some(skipped) = usize::try_from(from).ok().and_then(|from| from.checked_sub(1)) else {
            return Some(0);
        };
        if skipped > within.chars().count() {
            return Some(0);
        }
        let start = within.char_indices().nth(skipped).map_or(within.len(), |(at, _)| at);
        let found = within[start..].find(what).map(|at| within[..start + at].chars().count() + 1);
        Some(found.unwrap_or(0) as i64)
    })
}

fn find_in_set(call: &Call) -> Result<ArrayRef> {
    let (values, sets) = (call.text(0)?, call.text(1)?);
    call.give_ints(|row| {
        let (value, set) = (values.at(row)?, sets.at(row)?);
        let found =
            if set.is_empty() { None } else { set.split(',').position(|part| part == value) };
        Some(found.map_or(0, |at| at as i64 + 1))
    })
}

/// The place of the first argument among the others; a NULL is found nowhere.
fn field(call: &Call) -> Result<ArrayRef> {
    let is_text =
        |i: usize| Ok(crate::convert::is_text(call.array(i)?.data_type())) as Result<bool>;
    let mut all_text = true;
    for i in 0..call.len() {
        all_text &= is_text(i)?;
    }
    if all_text {
        let values = call.texts()?;
        return call.give_ints(|row| {
            let Some(value) = values[0].at(row) else { return Some(0) };
            let found = values[1..].iter().position(|other| other.at(row) == Some(value));
            Some(found.map_or(0, |at| at as i64 + 1))
        });
    }
    let values = (0..call.len()).map(|i| call.doubles(i)).collect::<Result<Vec<_>>>()?;
    call.give_ints(|row| {
        let Some(value) = values[0].at(row) else { return Some(0) };
        let found = values[1..].iter().position(|other| other.at(row) == Some(value));
        Some(found.map_or(0, |at| at as i64 + 1))
    })
}

fn trim(call: &Call, start: bool, end: bool) -> Result<ArrayRef> {
    let (values, what) = (call.text(0)?, call.text(1)?);
    call.give_texts(|row| {
        let (mut text, what) = (values.at(row)?, what.at(row)?);
        if what.is_empty() {
            return Some(text.to_string());
        }
        while let Some(rest) = start.then(|| text.strip_prefix(what)).flatten() {
            text = rest;
        }
        while let Some(rest) = end.then(|| text.strip_suffix(what)).flatten() {
            text = rest;
        }
        Some(text.to_string())
    })
}
