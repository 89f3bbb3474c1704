//! Regular expressions. They are those of the `regex` crate, which ends in linear time: back references and look-around are refused.
//!
//! Source: MySQL 8.0 Reference Manual, 14.8.2 "Regular Expressions".

use std::collections::HashMap;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::common::exec_err;
use datafusion::error::Result;
use regex::{Regex, RegexBuilder};

use crate::function::{At, Call, Definition, Returns};

/// Bytes of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 4 << 20;
/// Different patterns of one batch that are kept compiled.
const PATTERNS_MAX: usize = 64;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("regexp_like", 2..=3, Returns::Bool, like).or(&["regexp", "rlike"]),
    Definition::new("regexp_replace", 3..=3, Returns::Text, replace),
    Definition::new("regexp_substr", 2..=4, Returns::Text, substr),
    Definition::new("regexp_instr", 2..=4, Returns::Int, instr),
    Definition::new("regexp_extract", 3..=3, Returns::Text, extract),
    Definition::new("regexp_count", 2..=2, Returns::Int, count),
];

/// The compiled patterns of a batch.
struct Patterns {
    compiled: HashMap<String, Regex>,
}

impl Patterns {
    fn get(&mut self, pattern: &str, flags: &str) -> Result<&Regex> {
        let key = format!("{flags}/{pattern}");
        if !self.compiled.contains_key(&key) {
            if self.compiled.len() >= PATTERNS_MAX {
                self.compiled.clear();
            }
            let mut builder = RegexBuilder::new(pattern);
            builder.size_limit(PATTERN_BYTES_MAX);
            for flag in flags.chars() {
                match flag {
                    'c' => builder.case_insensitive(false),
                    'i' => builder.case_insensitive(true),
                    'm' => builder.multi_line(true),
                    'n' => builder.dot_matches_new_line(true),
                    _ => return exec_err!("Incorrect arguments to regexp_like: '{flags}'"),
                };
            }
            match builder.build() {
                Ok(regex) => self.compiled.insert(key.clone(), regex),
                Err(error) => {
                    return exec_err!(
                        "the regular expression '{pattern}' is not supported: {error}"
                    );
                }
            };
        }
        Ok(&self.compiled[&key])
    }
}

/// Calls `f` for each row with the pattern of the second argument.
fn each<T>(
    call: &Call,
    flags: Option<&StringArray>,
    f: impl Fn(&Regex, &str, usize) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    let (values, patterns) = (call.text(0)?, call.text(1)?);
    let mut compiled = Patterns { compiled: HashMap::new() };
    (0..call.rows)
        .map(|row| {
            let flags = flags.map_or(Some(""), |flags| flags.at(row));
            match (values.at(row), patterns.at(row), flags) {
                (Some(value), Some(pattern), Some(flags)) => {
                    Ok(f(compiled.get(pattern, flags)?, value, row))
                }
                _ => Ok(None),
            }
        })
        .collect()
}

fn like(call: &Call) -> Result<ArrayRef> {
    let flags = if call.len() > 2 { Some(call.text(2)?) } else { None };
    let found = each(call, flags.as_ref(), |regex, text, _| Some(regex.is_match(text)))?;
    call.give_bools(|row| found[row])
}

fn replace(call: &Call) -> Result<ArrayRef> {
    let news = call.text(2)?;
    let texts = each(call, None, |regex, text, row| {
        // groups are \1 in MariaDB and StarRocks, $1 in MySQL
        let new = groups(news.at(row)?);
        Some(regex.replace_all(text, new.as_str()).into_owned())
    })?;
    call.give_texts(|row| texts[row].clone())
}

fn groups(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\' | '$', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str(&format!("${{{digit}}}"));
                chars.next();
            }
            ('\\', Some(next)) => {
                out.push(*next);
                chars.next();
            }
            ('$', _) => out.push_str("$$"),
            _ => out.push(c),
        }
    }
    out
}

/// From which character on a match is looked for, and which of them.
struct Wanted {
    from: Option<Int64Array>,
    nth: Option<Int64Array>,
}

impl Wanted {
    fn of(call: &Call) -> Result<Self> {
        let argument = |i: usize| if call.len() > i { call.ints(i).map(Some) } else { Ok(None) };
        Ok(Self { from: argument(2)?, nth: argument(3)? })
    }

    fn find<'t>(&self, regex: &Regex, text: &'t str, row: usize) -> Option<regex::Match<'t>> {
        let number = |of: &Option<Int64Array>| of.as_ref().map_or(Some(1), |array| array.at(row));
        let from = usize::try_from(number(&self.from)?).ok()?.checked_sub(1)?;
        let nth = usize::try_from(number(&self.nth)?.max(1)).ok()? - 1;
        let start = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
        regex.find_iter(text).filter(|found| found.start() >= start).nth(nth)
    }
}

fn substr(call: &Call) -> Result<ArrayRef> {
    let wanted = Wanted::of(call)?;
    let texts = each(call, None, |regex, text, row| {
        wanted.find(regex, text, row).map(|found| found.as_str().to_string())
    })?;
    call.give_texts(|row| texts[row].clone())
}

fn instr(call: &Call) -> Result<ArrayRef> {
    let wanted = Wanted::of(call)?;
    let places = each(call, None, |regex, text, row| {
        let found = wanted.find(regex, text, row);
        Some(found.map_or(0, |found| text[..found.start()].chars().count() as i64 + 1))
    })?;
    call.give_ints(|row| places[row])
}

/// StarRocks' one: a group of the first match, an empty text where there is none.
fn extract(call: &Call) -> Result<ArrayRef> {
    let groups = call.ints(2)?;
    let texts = each(call, None, |regex, text, row| {
        let group = usize::try_from(groups.at(row)?).ok()?;
        let found = regex.captures(text).and_then(|c| c.get(group).map(|m| m.as_str().to_string()));
        Some(found.unwrap_or_default())
    })?;
    call.give_texts(|row| texts[row].clone())
}

fn count(call: &Call) -> Result<ArrayRef> {
    let counts = each(call, None, |regex, text, _| Some(regex.find_iter(text).count() as i64))?;
    call.give_ints(|row| counts[row])
}
