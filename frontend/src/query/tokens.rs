//! A cursor over the tokens of a text, for the statements that sqlparser does not know or reads
//! loosely.

use datafusion::sql::sqlparser::tokenizer::{
    Location, Token, TokenWithSpan, Tokenizer, Whitespace,
};
use sql_functions::dialect::MillraceDialect;

use super::size;
use crate::{Error, Result};

/// Splits a text into its statements' tokens, without white space, comments that are no hints and empty statements.
pub fn statements(sql: &str) -> Result<Vec<Vec<TokenWithSpan>>> {
    size::check(sql)?;
    let tokens = Tokenizer::new(&MillraceDialect, sql)
        .tokenize_with_location()
        .map_err(|e| Error::Syntax(e.to_string()))?;
    let mut all = vec![vec![]];
    for token in tokens {
        match token.token {
            Token::SemiColon => all.push(vec![]),
            Token::Whitespace(Whitespace::MultiLineComment(ref comment))
                if comment.trim_start().starts_with('+') && after_select(&all) =>
            {
                all.last_mut().expect("invariant: never empty").push(token);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => all.last_mut().expect("invariant: never empty").push(token),
        }
    }
    // nothing follows: a comment without its blank
    if let Some(tokens) = all.last_mut().filter(|_| sql.ends_with("--"))
        && let [.., first, second] = &tokens[..]
        && [&first.token, &second.token] == [&Token::Minus; 2]
    {
        tokens.truncate(tokens.len() - 2);
    }
    all.retain(|tokens| !tokens.is_empty());
    Ok(all)
}

/// Whether a text without a statement says at least something, in comments.
pub fn has_comment(sql: &str) -> bool {
    sql.contains(|c: char| !c.is_whitespace() && c != ';')
}

/// The part of a text that tokens stand for; `None` where they do not stand for a part of it, such as values that were put in the
/// places of parameters.
pub fn written<'a>(sql: &'a str, tokens: &[TokenWithSpan]) -> Option<&'a str> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let text = sql.get(offset(sql, first.span.start)?..offset(sql, last.span.end)?)?;
    let [again] = &statements(text).ok()?[..] else { return None };
    let same = again.len() == tokens.len() && again.iter().zip(tokens).all(|(a, b)| a == &b.token);
    same.then_some(text)
}

/// The byte at a place that the tokenizer told: lines and characters in them are counted from 1.
fn offset(sql: &str, at: Location) -> Option<usize> {
    let (mut line, mut column) = (1, 1);
    for (i, c) in sql.char_indices() {
        if (line, column) == (at.line, at.column) {
            return Some(i);
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    ((line, column) == (at.line, at.column)).then_some(sql.len())
}

/// Whether the last word was `SELECT`: comments after it may be hints.
fn after_select(all: &[Vec<TokenWithSpan>]) -> bool {
    all.last().and_then(|tokens| tokens.last()).is_some_and(|last| is_word(&last.token, "SELECT"))
}

/// Reads tokens from left to right.
pub struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    has_secrets: bool,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first token.
    pub fn new(tokens: &'a [TokenWithSpan]) -> Self {
        Self { tokens, has_secrets: false }
    }

    /// From here on errors repeat nothing of the text: what was mistyped may be a password.
    pub fn has_secrets(&mut self) {
        self.has_secrets = true;
    }

    /// The next token.
    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.first().map(|t| &t.token)
    }

    /// The tokens that are left.
    pub fn rest(&self) -> &'a [TokenWithSpan] {
        self.tokens
    }

    /// Takes the next token.
    pub fn next_token(&mut self) -> Option<&'a Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(&first.token)
    }

    /// Takes the next words if they are these, all or none.
    pub fn take(&mut self, words: &[&str]) -> bool {
        let fits = self.tokens.len() >= words.len()
            && words.iter().zip(self.tokens).all(|(word, token)| is_word(&token.token, word));
        if fits {
            self.tokens = &self.tokens[words.len()..];
        }
        fits
    }

    /// Takes the next token if it is this one.
    pub fn take_token(&mut self, token: &Token) -> bool {
        let fits = self.peek() == Some(token);
        if fits {
            self.tokens = &self.tokens[1..];
        }
        fits
    }

    /// The next words must be these.
    pub fn expect(&mut self, words: &[&str]) -> Result<()> {
        if self.take(words) { Ok(()) } else { Err(self.unexpected(&words.join(" "))) }
    }

    /// The next token must be this one.
    pub fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.take_token(token) { Ok(()) } else { Err(self.unexpected(&token.to_string())) }
    }

    /// A name: a word, quoted or not.
    pub fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none_or(|q| q == '`') => {
                self.next_token();
                Ok(word.value.clone())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// Names with dots between them, `max` at the most.
    pub fn names(&mut self, max: usize) -> Result<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.take_token(&Token::Period) {
            names.push(self.name()?);
        }
        if names.len() > max {
            return Err(Error::Syntax(format!("too many parts in the name {}", names.join("."))));
        }
        Ok(names)
    }

    /// A string in single or double quotes.
    pub fn string(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::SingleQuotedString(s) | Token::DoubleQuotedString(s)) => {
                self.next_token();
                Ok(s.clone())
            }
            Some(Token::Word(word)) if word.quote_style == Some('"') => {
                self.next_token();
                Ok(word.value.clone())
            }
            _ => Err(self.unexpected("a string in quotes")),
        }
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<()> {
        if self.tokens.is_empty() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    /// A syntax error at this place, in MySQL's words.
    pub fn unexpected(&self, wanted: &str) -> Error {
        if self.has_secrets {
            let left = self.tokens.first().map_or(String::new(), |token| {
                let at = token.span.start;
                format!(" at line {}, column {}", at.line, at.column)
            });
            return Error::Syntax(format!("expected {wanted}{left}"));
        }
        let near: Vec<String> = self.tokens.iter().take(8).map(|t| t.token.to_string()).collect();
        Error::Syntax(format!("expected {wanted} near '{}'", near.join(" ")))
    }
}

/// Whether a token is this unquoted word, in any case.
pub fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}
