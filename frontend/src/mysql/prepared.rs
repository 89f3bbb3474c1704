//! Prepared statements of one connection.

use std::collections::HashMap;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use mysql_protocol::bytes::Bytes;
use mysql_protocol::prepared::{Bindings, Parameter};

use crate::query::parse;
use crate::query::statement::Statement;
use crate::query::tokens;
use crate::session::process_list::INFO_BYTES_MAX;
use crate::{Error, Result};

/// The statements that a connection has prepared.
#[derive(Debug, Default)]
pub struct PreparedStatements {
    statements: HashMap<u32, Prepared>,
    last: u32,
}

/// One prepared statement.
#[derive(Debug)]
struct Prepared {
    /// What is shown of it while it runs: all of it, or its first bytes.
    shown: String,
    tokens: Vec<TokenWithSpan>,
    parameters: u16,
    bindings: Bindings,
}

impl PreparedStatements {
    /// Prepares one statement: its id, its number of parameters, and the statement with NULL for each of them, which tells the
    /// columns.
    pub fn prepare(&mut self, sql: &str, max: usize) -> Result<(u32, u16, Statement)> {
        if self.statements.len() >= max {
            return Err(Error::TooLarge(format!("more than {max} prepared statements")));
        }
        let mut statements = tokens::statements(sql)?;
        let tokens = match (statements.pop(), statements.is_empty()) {
            (Some(tokens), true) => tokens,
            (None, _) => return Err(Error::Empty),
            _ => {
                return Err(Error::Unsupported("several statements cannot be prepared".into()));
            }
        };
        let parameters = tokens.iter().filter(|t| is_parameter(&t.token)).count();
        let count = u16::try_from(parameters)
            .map_err(|_| Error::TooLarge("more than 65535 parameters".into()))?;
        // what SHOW takes a parameter for is a pattern
        let any = if shows(&tokens) { Parameter::Bytes(Bytes::new()) } else { Parameter::Null };
        let nulls = vec![any; parameters];
        let statement = parse::statement(sql, &bind(&tokens, &nulls)?)?;
        self.last = self.last.wrapping_add(1);
        let prepared = Prepared {
            shown: shown(sql),
            tokens,
            parameters: count,
            bindings: Bindings::default(),
        };
        self.statements.insert(self.last, prepared);
        Ok((self.last, count, statement))
    }

    /// A statement with the parameters of an execution.
    pub fn bind(&mut self, id: u32, payload: &Bytes) -> Result<Statement> {
        let prepared = self.get(id)?;
        let values = prepared.bindings.bind(payload, prepared.parameters).map_err(|e| match e {
            mysql_protocol::Error::TooMuchLongData => Error::TooLarge(
                "long parameters of one connection (frontend.long_parameter_bytes_max)".into(),
            ),
            e => Error::Invalid(format!("parameters: {e}")),
        })?;
        parse::statement(&prepared.shown, &bind(&prepared.tokens, &values)?)
    }

    /// Takes a piece of a long parameter; all statements together keep `max` bytes of them. There is no answer to it.
    pub fn long_data(&mut self, id: u32, parameter: u16, data: &[u8], max: usize) {
        let held: usize = self.statements.values().map(|p| p.bindings.long_bytes()).sum();
        if let Ok(prepared) = self.get(id) {
            prepared.bindings.push_long(parameter, data, max.saturating_sub(held));
        }
    }

    /// Forgets the long parameters of a statement.
    pub fn reset(&mut self, id: u32) -> Result<()> {
        self.get(id)?.bindings.reset();
        Ok(())
    }

    /// Forgets a statement. There is no answer to it.
    pub fn close(&mut self, id: u32) {
        self.statements.remove(&id);
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.statements.clear();
    }

    /// The text of a statement, as the list of processes shows it; `None` where there is no such statement.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.statements.get(&id).map(|prepared| prepared.shown.as_str())
    }

    fn get(&mut self, id: u32) -> Result<&mut Prepared> {
        self.statements.get_mut(&id).ok_or(Error::UnknownStatement(id))
    }
}

fn shown(sql: &str) -> String {
    let mut end = sql.len().min(INFO_BYTES_MAX);
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    sql[..end].to_string()
}

fn shows(tokens: &[TokenWithSpan]) -> bool {
    tokens.first().is_some_and(|first| tokens::is_word(&first.token, "SHOW"))
}

fn is_parameter(token: &Token) -> bool {
    matches!(token, Token::Placeholder(mark) if mark == "?")
}

/// Puts values in the places of parameters, as tokens: no text of a value is ever parsed.
fn bind(tokens: &[TokenWithSpan], values: &[Parameter]) -> Result<Vec<TokenWithSpan>> {
    let mut values = values.iter();
    let mut bound = Vec::with_capacity(tokens.len());
    for token in tokens {
        if !is_parameter(&token.token) {
            bound.push(token.clone());
            continue;
        }
        let value = values.next().ok_or_else(|| Error::Invalid("too few parameters".into()))?;
        let literal = match row_count(&bound, value) {
            Some(count) => vec![Token::Number(count, false)],
            None => literal(value)?,
        };
        bound.extend(literal.into_iter().map(TokenWithSpan::wrap));
    }
    Ok(bound)
}

/// The number of rows that a parameter of `LIMIT` or `OFFSET` stands for, where the client sent it as a text, as people do
/// whose MySQL takes no DOUBLE there, or as the DOUBLE that every number of JavaScript is.
fn row_count(before: &[TokenWithSpan], value: &Parameter) -> Option<String> {
    let mut before = before.iter().map(|t| &t.token).rev();
    let counts = match before.next()? {
        // LIMIT offset, count
        Token::Comma => before.nth(1).is_some_and(is_limit),
        token => is_limit(token),
    };
    match value {
        Parameter::Bytes(digits) if counts && digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok().filter(|text| !text.is_empty()).map(str::to_string)
        }
        // beyond 2⁵³ a DOUBLE is no exact count
        Parameter::Double(count)
            if counts && count.fract() == 0.0 && (0.0..9e15).contains(count) =>
        {
            Some(count.abs().to_string())
        }
        _ => None,
    }
}

fn is_limit(token: &Token) -> bool {
    matches!(token, Token::Word(word) if matches!(word.keyword, Keyword::LIMIT | Keyword::OFFSET))
}

fn literal(value: &Parameter) -> Result<Vec<Token>> {
    let number = |text: String| match text.strip_prefix('-') {
        Some(size) => {
            vec![Token::LParen, Token::Minus, Token::Number(size.to_string(), false), Token::RParen]
        }
        None => vec![Token::Number(text, false)],
    };
    Ok(match value {
        Parameter::Null => vec![Token::make_keyword("NULL")],
        Parameter::Int(value) => number(value.to_string()),
        Parameter::UInt(value) => number(value.to_string()),
        Parameter::Float(value) if value.is_finite() => number(format!("{value:e}")),
        Parameter::Double(value) if value.is_finite() => number(format!("{value:e}")),
        Parameter::Float(_) | Parameter::Double(_) => {
            return Err(Error::Invalid("a parameter that is no finite number".into()));
        }
        Parameter::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => vec![Token::SingleQuotedString(text.to_string())],
            Err(_) => {
                let hex = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                vec![Token::HexStringLiteral(hex)]
            }
        },
        Parameter::DateTime([year, month, day, hour, minute, second, micros]) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            let text = match (hour, minute, second, micros) {
                (0, 0, 0, 0) => date,
                _ => format!("{date} {hour:02}:{minute:02}:{second:02}.{micros:06}"),
            };
            vec![Token::SingleQuotedString(text)]
        }
        Parameter::Time(negative, [hours, minute, second, micros]) => {
            let sign = if *negative { "-" } else { "" };
            let text = format!("{sign}{hours:02}:{minute:02}:{second:02}.{micros:06}");
            vec![Token::SingleQuotedString(text)]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(sql: &str, payload: &[u8]) -> String {
        let mut all = PreparedStatements::default();
        let (id, ..) = all.prepare(sql, 10).unwrap();
        match all.bind(id, &Bytes::copy_from_slice(payload)).unwrap() {
            Statement::Query(query) => query.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_never_parsed() {
        let mut payload = vec![0, 1, 253, 0, 10];
        payload.extend_from_slice(b"' OR '1'='");
        assert_eq!(bound("SELECT ?", &payload), r"SELECT ''' OR ''1''='''");
        let payload = [0, 1, 1, 0, 0xff];
        assert_eq!(bound("SELECT 1-?", &payload), "SELECT 1 - (-1)");
        let payload = [1, 1, 6, 0];
        assert_eq!(bound("SELECT ? AS a, '?' FROM t", &payload), "SELECT NULL AS a, '?' FROM t");
    }

    #[test]
    fn limits_take_texts_and_doubles() {
        let text = [0, 1, 253, 0, 1, b'2'];
        assert_eq!(bound("SELECT a FROM t LIMIT ?", &text), "SELECT a FROM t LIMIT 2");
        assert_eq!(
            bound("SELECT a FROM t LIMIT 1 OFFSET ?", &text),
            "SELECT a FROM t LIMIT 1 OFFSET 2"
        );
        assert_eq!(bound("SELECT a, ? FROM t", &text), "SELECT a, '2' FROM t");
        let mut double = vec![0, 1, 5, 0];
        double.extend_from_slice(&2.0f64.to_le_bytes());
        assert_eq!(bound("SELECT a FROM t LIMIT ?", &double), "SELECT a FROM t LIMIT 2");
        assert_eq!(bound("SELECT a FROM t LIMIT 1, ?", &double), "SELECT a FROM t LIMIT 1, 2");
        let letters = [0, 1, 253, 0, 1, b'x'];
        assert_eq!(bound("SELECT a FROM t LIMIT ?", &letters), "SELECT a FROM t LIMIT 'x'");
    }

    #[test]
    fn limits_and_unknown_ids() {
        let mut all = PreparedStatements::default();
        let (id, parameters, _) = all.prepare("SELECT ?, ?", 1).unwrap();
        assert_eq!(parameters, 2);
        assert!(matches!(all.prepare("SELECT 1", 1), Err(Error::TooLarge(_))));
        let (other, ..) = all.prepare("SELECT ?", 2).unwrap();
        // the room is that of all statements
        all.long_data(other, 0, &[0; 60], 100);
        all.long_data(id, 0, &[0; 41], 100);
        let told = all.bind(id, &Bytes::new()).unwrap_err();
        assert!(told.to_string().contains("long_parameter_bytes_max"), "{told}");
        all.close(id);
        assert_eq!(all.bind(id, &Bytes::new()), Err(Error::UnknownStatement(id)));
        assert_eq!(all.prepare(" ", 2).unwrap_err(), Error::Empty);
    }
}
