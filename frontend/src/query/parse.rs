//! SQL text → statements.
//!
//! Statements about catalogs, `SHOW`, `SET`, `USE` and `KILL` are read here from the tokens: some of
//! them sqlparser does not know, and an unknown `SHOW` it accepts while dropping literals. Queries
//! are sqlparser's, in its MySQL dialect.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{self, Expr};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use sql_functions::dialect::MillraceDialect;

use super::statement::{Assignment, SetValue, Statement};
use super::tokens::{self, Cursor, is_word};
use super::views::parse as views;
use super::{show, time_travel};
use crate::catalog::CreateCatalog;
use crate::{Error, Result};

/// Deeper nesting than any person writes; protects the parser's stack.
const NESTING_MAX: usize = 200;

/// Parses all statements of a text, in order. An empty text has none.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    tokens::statements(sql)?.iter().map(|tokens| statement(sql, tokens)).collect()
}

/// Parses the tokens of one statement of a text.
pub fn statement(sql: &str, tokens: &[TokenWithSpan]) -> Result<Statement> {
    let mut cursor = Cursor::new(tokens);
    let c = &mut cursor;
    if let Some(existing) = views::begins(c) {
        return views::create(sql, existing, c);
    }
    if c.take(&["DROP", "VIEW"]) {
        return views::drop(c);
    }
    if c.take(&["SHOW"]) {
        return show::parse(c);
    }
    if c.take(&["CREATE", "EXTERNAL", "CATALOG"]) {
        return create_catalog(c);
    }
    if c.take(&["DROP", "CATALOG"]) {
        let if_exists = c.take(&["IF", "EXISTS"]);
        let name = c.name()?;
        return ended(c, Statement::DropCatalog { name, if_exists });
    }
    if c.take(&["SET"]) {
        return set(c);
    }
    if c.take(&["USE"]) {
        let names = c.names(2)?;
        return ended(c, Statement::Use(names));
    }
    if c.take(&["KILL"]) {
        return kill(c);
    }
    if c.take(&["BEGIN"]) || c.take(&["START", "TRANSACTION"]) {
        return Ok(Statement::Transaction(true));
    }
    if takes_any(c, &["COMMIT", "ROLLBACK"]) {
        return Ok(Statement::Transaction(false));
    }
    if c.take(&["ADMIN", "SHOW", "FRONTEND", "CONFIG"]) {
        return show::frontend_config(c);
    }
    if c.take(&["ALTER", "INSTANCE", "RELOAD", "TLS"]) {
        return ended(c, Statement::ReloadTls);
    }
    if c.take(&["ALTER", "TABLE"]) {
        // in StarRocks' forms too, which the parser of queries does not know
        return Err(Error::Unsupported("ALTER TABLE is not supported".into()));
    }
    if takes_any(c, &["DESC", "DESCRIBE", "EXPLAIN"]) {
        return explain(c);
    }
    if c.take(&["DO"]) {
        let mut select = tokens.to_vec();
        select[0].token = Token::make_keyword("SELECT");
        return Ok(Statement::Do(query(&select)?));
    }
    Ok(Statement::Query(query(tokens)?))
}

fn takes_any(c: &mut Cursor<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| c.take(&[word]))
}

/// The statement, if nothing follows it.
pub(super) fn ended(c: &Cursor<'_>, statement: Statement) -> Result<Statement> {
    c.end()?;
    Ok(statement)
}

fn create_catalog(c: &mut Cursor<'_>) -> Result<Statement> {
    c.has_secrets();
    let if_not_exists = c.take(&["IF", "NOT", "EXISTS"]);
    let name = c.name()?;
    let comment = if c.take(&["COMMENT"]) { Some(c.string()?) } else { None };
    c.expect(&["PROPERTIES"])?;
    c.expect_token(&Token::LParen)?;
    let mut properties = BTreeMap::new();
    loop {
        let key = c.string()?;
        c.expect_token(&Token::Eq)?;
        let value = c.string()?;
        if properties.insert(key.clone(), value).is_some() {
            return Err(Error::Syntax(format!("the property '{key}' is given twice")));
        }
        if !c.take_token(&Token::Comma) {
            break;
        }
    }
    c.expect_token(&Token::RParen)?;
    let create = CreateCatalog { name, if_not_exists, comment, properties };
    ended(c, Statement::CreateCatalog(create))
}

fn kill(c: &mut Cursor<'_>) -> Result<Statement> {
    let statement_only = c.take(&["QUERY"]);
    if !statement_only {
        c.take(&["CONNECTION"]);
    }
    let connection = match c.next_token() {
        Some(Token::Number(digits, _)) => digits.parse().ok(),
        _ => None,
    };
    let connection = connection
        .ok_or_else(|| Error::Syntax("KILL needs the id of a connection, a number".into()))?;
    ended(c, Statement::Kill { connection, statement_only })
}

fn explain(c: &mut Cursor<'_>) -> Result<Statement> {
    let starts_query = |c: &Cursor<'_>| {
        c.peek().is_some_and(|token| {
            *token == Token::LParen
                || ["SELECT", "WITH", "VALUES"].iter().any(|w| is_word(token, w))
        })
    };
    let (mut analyze, mut verbose) = (false, false);
    let mut ahead = Cursor::new(c.rest());
    while !starts_query(&ahead) {
        if ahead.take(&["ANALYZE"]) {
            analyze = true;
        } else if takes_any(&mut ahead, &["VERBOSE", "COSTS"]) {
            verbose = true;
        } else if !takes_any(&mut ahead, &["LOGICAL"]) {
            return show::describe(c);
        }
    }
    Ok(Statement::Explain { analyze, verbose, query: query(ahead.rest())? })
}

pub(super) fn query(tokens: &[TokenWithSpan]) -> Result<Box<ast::Query>> {
    let tokens = time_travel::into_names(tokens)?;
    let mut parser = parser(&tokens);
    match parser.parse_statement().map_err(|e| Error::Syntax(e.to_string()))? {
        ast::Statement::Query(query) => {
            let left = parser.peek_token();
            if left.token != Token::EOF {
                return Err(Error::Syntax(format!("unexpected '{left}' after the statement")));
            }
            time_travel::check(&tokens, &query)?;
            Ok(query)
        }
        other => {
            let text = other.to_string();
            let verb: Vec<&str> = text.split_whitespace().take(2).collect();
            Err(Error::Unsupported(format!("{} is not supported", verb.join(" "))))
        }
    }
}

fn parser(tokens: &[TokenWithSpan]) -> Parser<'static> {
    Parser::new(&MillraceDialect)
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens.to_vec())
}

fn set(c: &mut Cursor<'_>) -> Result<Statement> {
    if c.take(&["CATALOG"]) {
        let name = c.name()?;
        return ended(c, Statement::SetCatalog(name));
    }
    let mut assignments = vec![];
    for part in split_at_commas(c.rest()) {
        assignments.push(assignment(&mut Cursor::new(part))?);
    }
    Ok(Statement::Set(assignments))
}

fn assignment(c: &mut Cursor<'_>) -> Result<Assignment> {
    if c.take(&["NAMES"]) {
        let charset = word_or_string(c)?;
        let collation = if c.take(&["COLLATE"]) { Some(word_or_string(c)?) } else { None };
        c.end()?;
        return Ok(Assignment::Names { charset: charset.to_lowercase(), collation });
    }
    if c.take(&["CHARACTER", "SET"]) || c.take(&["CHARSET"]) {
        let charset = word_or_string(c)?.to_lowercase();
        c.end()?;
        return Ok(Assignment::Names { charset, collation: None });
    }
    let mut global = c.take(&["GLOBAL"]);
    if !global {
        let _ = c.take(&["SESSION"]) || c.take(&["LOCAL"]);
    }
    if c.take(&["TRANSACTION"]) {
        return transaction(c);
    }
    let mut name = target(c)?.to_lowercase();
    if let Some(user) = name.strip_prefix('@').filter(|n| !n.starts_with('@')) {
        return Ok(Assignment::User { name: user.to_string(), value: set_value(c)? });
    }
    if let Some(system) = name.strip_prefix("@@") {
        let (scope, bare) = system.split_once('.').unwrap_or(("session", system));
        global = match scope {
            "global" => true,
            "session" | "local" => false,
            _ => return Err(Error::Syntax(format!("'{scope}' is no scope of variables"))),
        };
        name = bare.to_string();
    }
    Ok(Assignment::Variable { name, global, value: set_value(c)? })
}

/// `ISOLATION LEVEL …`, `READ ONLY`, `READ WRITE`.
fn transaction(c: &mut Cursor<'_>) -> Result<Assignment> {
    let level = ["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];
    let set = if c.take(&["ISOLATION", "LEVEL"]) {
        let taken = |level: &&&str| c.take(&level.split(' ').collect::<Vec<_>>());
        let level = level.iter().find(taken);
        let level = level.ok_or_else(|| c.unexpected("a level of isolation"))?;
        ("transaction_isolation", level.replace(' ', "-"))
    } else if c.take(&["READ", "ONLY"]) {
        ("transaction_read_only", "1".to_string())
    } else {
        c.expect(&["READ", "WRITE"])?;
        ("transaction_read_only", "0".to_string())
    };
    c.end()?;
    Ok(Assignment::Transaction(vec![set]))
}

/// The left side: a name, `@name`, `@@name` or `@@scope.name`.
fn target(c: &mut Cursor<'_>) -> Result<String> {
    let mut target = String::new();
    loop {
        match c.peek() {
            Some(Token::AtSign) => target.push('@'),
            Some(Token::Word(word)) => target.push_str(&word.value),
            Some(Token::Period) => target.push('.'),
            _ => break,
        }
        c.next_token();
    }
    if target.is_empty() { Err(c.unexpected("a variable")) } else { Ok(target) }
}

fn set_value(c: &mut Cursor<'_>) -> Result<SetValue> {
    if !c.take_token(&Token::Eq) {
        c.expect_token(&Token::Assignment)?;
    }
    if let [TokenWithSpan { token: Token::Word(word), .. }] = c.rest()
        && word.quote_style.is_none()
        && !word.value.starts_with('@')
    {
        return Ok(match word.value.to_uppercase().as_str() {
            "DEFAULT" => SetValue::Default,
            _ => SetValue::Word(word.value.clone()),
        });
    }
    Ok(SetValue::Expression(Box::new(expression(c.rest())?)))
}

pub(super) fn expression(tokens: &[TokenWithSpan]) -> Result<Expr> {
    let mut parser = parser(tokens);
    let expr = parser.parse_expr().map_err(|e| Error::Syntax(e.to_string()))?;
    match parser.peek_token().token {
        Token::EOF => Ok(expr),
        left => Err(Error::Syntax(format!("unexpected '{left}' after the value"))),
    }
}

fn word_or_string(c: &mut Cursor<'_>) -> Result<String> {
    if let Ok(name) = c.name() { Ok(name) } else { c.string() }
}

/// Splits at commas outside parentheses.
fn split_at_commas(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut depth = 0usize;
    tokens
        .split(|t| {
            match t.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && t.token == Token::Comma
        })
        .collect()
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
