//! `t [FOR] VERSION AS OF …`, `t [FOR] TIMESTAMP AS OF …` (StarRocks' syntax) → names of tables.
//!
//! The parser does not know the syntax in MySQL's dialect and the planner ignores versions, which would
//! read the latest rows in place of those asked for. So the version becomes a part of the table's name.

use std::ops::ControlFlow;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectNamePart, Query, TableAlias, TableFactor, VisitMut, VisitorMut, visit_relations,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use union_read::version::{SEPARATOR, Version, join};

use super::tokens::{Cursor, is_word};
use crate::{Error, Result};

/// Begins a version that is a time still to be read in the zone of the session.
const TIME: &str = "at ";

/// Puts versions into the names of their tables.
pub fn into_names(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut cursor = Cursor::new(tokens);
    while let Some(token) = cursor.rest().first() {
        let Some(version) = version(&mut cursor)? else {
            out.push(token.clone());
            cursor.next_token();
            continue;
        };
        let Some(TokenWithSpan { token: Token::Word(table), .. }) = out.last_mut() else {
            return Err(Error::Syntax("AS OF must follow the name of a table".into()));
        };
        let value = match version {
            Written::Version(version) => join(&table.value, &version),
            Written::Time(text) => format!("{}{SEPARATOR}{TIME}{text}", table.value),
        };
        *table = Word { value, quote_style: Some('`'), keyword: Keyword::NoKeyword };
    }
    Ok(out)
}

/// Every version that [`into_names`] wrote must have become the name of a table: behind an alias or a column
/// it would be lost, and the latest rows be read.
pub fn check(tokens: &[TokenWithSpan], query: &Query) -> Result<()> {
    let has_version = |token: &&TokenWithSpan| match &token.token {
        Token::Word(word) => word.value.contains(SEPARATOR),
        _ => false,
    };
    let written = tokens.iter().filter(has_version).count();
    let mut named = 0;
    let _ = visit_relations(query, |name| {
        let last = name.0.last().and_then(ObjectNamePart::as_ident);
        named += usize::from(last.is_some_and(|ident| ident.value.contains(SEPARATOR)));
        ControlFlow::<()>::Continue(())
    });
    if written == named {
        return Ok(());
    }
    Err(Error::Syntax("AS OF must follow the name of a table, before its alias".into()))
}

enum Written {
    Version(Version),
    Time(String),
}

/// Takes a version if one is next: the value must follow, since `timestamp AS of` is a column.
fn version(cursor: &mut Cursor<'_>) -> Result<Option<Written>> {
    let rest: Vec<&Token> = cursor.rest().iter().take(5).map(|token| &token.token).collect();
    let skip = usize::from(rest.first().is_some_and(|token| is_word(token, "FOR")));
    let [kind, as_, of, value, ..] = rest.get(skip..).unwrap_or_default() else {
        return Ok(None);
    };
    if !is_word(as_, "AS") || !is_word(of, "OF") {
        return Ok(None);
    }
    let (is_version, is_time) = (is_word(kind, "VERSION"), is_word(kind, "TIMESTAMP"));
    let written = match value {
        Token::Number(id, _) if is_version => {
            let id = id.parse().map_err(|_| Error::Syntax(format!("'{id}' is no snapshot")))?;
            Written::Version(Version::Snapshot(id))
        }
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) if is_version => {
            match text.split_once(':') {
                Some(("tag", tag)) => Written::Version(Version::Tag(tag.to_string())),
                Some(("branch", name)) => Written::Version(Version::Branch(name.to_string())),
                _ => {
                    return Err(Error::Syntax(format!(
                        "version '{text}' is neither a number nor 'tag:…' nor 'branch:…'"
                    )));
                }
            }
        }
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) if is_time => {
            Written::Time(text.clone())
        }
        _ if is_version || is_time && skip == 1 => {
            return Err(Error::Unsupported(format!("AS OF {value} is not supported")));
        }
        _ => return Ok(None),
    };
    for _ in 0..skip + 4 {
        cursor.next_token();
    }
    Ok(Some(written))
}

/// Reads times in the session's zone, and gives the tables their own names back as aliases.
pub fn resolve(query: &mut Query, zone: &str) -> Result<()> {
    match query.visit(&mut Resolver { zone }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Resolver<'a> {
    zone: &'a str,
}

impl VisitorMut for Resolver<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, .. } = table else {
            return ControlFlow::Continue(());
        };
        let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() else {
            return ControlFlow::Continue(());
        };
        let Some((own, version)) = last.value.split_once(SEPARATOR) else {
            return ControlFlow::Continue(());
        };
        let own = own.to_string();
        if let Some(text) = version.strip_prefix(TIME) {
            match milliseconds(text, self.zone) {
                Ok(time) => last.value = join(&own, &Version::Time(time)),
                Err(error) => return ControlFlow::Break(error),
            }
        }
        if alias.is_none() {
            let name = Ident::with_quote('`', own);
            *alias = Some(TableAlias { explicit: true, name, columns: vec![], at: None });
        }
        ControlFlow::Continue(())
    }
}

fn milliseconds(text: &str, zone: &str) -> Result<i64> {
    let zone: Tz = zone.parse().map_err(Error::internal)?;
    let time = string_to_datetime(&zone, text);
    let time = time.map_err(|_| Error::WrongValue(format!("'{text}' is no time")))?;
    Ok(time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast;

    use super::*;
    use crate::query::parse::parse;
    use crate::query::statement::Statement;

    fn resolved(sql: &str) -> Result<String> {
        let Some(Statement::Query(mut query)) = parse(sql)?.pop() else {
            return Err(Error::Syntax("no query".into()));
        };
        resolve(&mut query, "+01:00")?;
        Ok(ast::Statement::Query(query).to_string())
    }

    #[test]
    fn versions_become_names() {
        for (sql, told) in [
            ("SELECT t.a FROM t FOR VERSION AS OF 5", "`t\u{1}s5` AS `t`"),
            ("SELECT a FROM p.d.t VERSION AS OF 5 AS x", "p.d.`t\u{1}s5` AS x"),
            ("SELECT a FROM t FOR VERSION AS OF 'tag:v1'", "`t\u{1}tv1` AS `t`"),
            ("SELECT a FROM t FOR VERSION AS OF 'branch:b1'", "`t\u{1}bb1` AS `t`"),
            ("SELECT a FROM t FOR TIMESTAMP AS OF '1970-01-01 01:00:01.5'", "`t\u{1}m1500` AS `t`"),
            ("SELECT timestamp AS of FROM t", "SELECT timestamp AS of FROM t"),
        ] {
            let got = resolved(sql).unwrap();
            assert!(got.contains(told), "{sql}: {got:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (sql, told) in [
            ("SELECT a FROM t FOR VERSION AS OF 'x'", "'x'"),
            ("SELECT a FROM t FOR VERSION AS OF x", "AS OF x"),
            ("SELECT a FROM t FOR TIMESTAMP AS OF now()", "AS OF now"),
            ("SELECT a FROM t FOR TIMESTAMP AS OF 'never'", "'never'"),
            ("SELECT a FROM t AS x FOR VERSION AS OF 1", "before its alias"),
            ("SELECT a FROM (SELECT 1 AS a) x FOR VERSION AS OF 1", "before its alias"),
            ("SELECT a FROM (SELECT 1 AS a) FOR VERSION AS OF 1", "name of a table"),
        ] {
            let error = resolved(sql).unwrap_err().to_string();
            assert!(error.contains(told), "{sql}: {error}");
        }
    }
}
