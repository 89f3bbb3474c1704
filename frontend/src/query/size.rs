//! How large the text of a statement may be: it is known before a token is made, since each takes a hundred bytes, and more once it is
//! parsed and planned.

use crate::{Error, Result};

/// The longest text, in bytes, whatever `max_allowed_packet` allows.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most tokens of a text, blanks among them.
const TOKENS_MAX: usize = 1_000_000;

/// Refuses a text that is too large.
pub fn check(sql: &str) -> Result<()> {
    if sql.len() > BYTES_MAX {
        return Err(Error::Syntax(format!("statement is longer than {BYTES_MAX} bytes")));
    }
    if sql.len() > TOKENS_MAX && tokens_at_most(sql) > TOKENS_MAX {
        return Err(Error::TooLarge(format!(
            "a statement of more than {TOKENS_MAX} words and signs"
        )));
    }
    Ok(())
}

/// No fewer than the tokens that a text will have, counted without making any: quoted texts and comments are one each, everything else
/// each sign and each run of letters or of digits.
fn tokens_at_most(sql: &str) -> usize {
    let (bytes, mut at, mut count) = (sql.as_bytes(), 0, 0);
    while let Some(rest @ [byte, ..]) = bytes.get(at..) {
        let is_run: fn(&u8) -> bool = match byte {
            b'0'..=b'9' => u8::is_ascii_digit,
            _ => |byte| byte.is_ascii_alphabetic() || *byte == b'_',
        };
        let behind = sql.get(at + 2..).and_then(|behind| behind.chars().next());
        let dashes = rest.starts_with(b"--") && behind.is_some_and(char::is_whitespace);
        at += match *byte {
            b'\'' | b'"' | b'`' => quoted(rest),
            b'#' => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            b'-' if dashes => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            // the text of `/*! … */` is part of the statement
            b'/' if rest.starts_with(b"/*") && !rest.starts_with(b"/*!") => rest
                .windows(2)
                .skip(2)
                .position(|end| end == b"*/")
                .map_or(rest.len(), |end| end + 4),
            // the tokenizer knows texts in dollars, whose quotes are none
            b'$' => return sql.len(),
            _ if is_run(byte) => rest.iter().take_while(|byte| is_run(byte)).count(),
            _ => 1,
        };
        count += 1;
    }
    count
}

/// The length of the quoted text that bytes begin with. A doubled quote begins another one here, which only counts more.
fn quoted(bytes: &[u8]) -> usize {
    let (quote, mut at) = (bytes[0], 1);
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\\' if quote != b'`' => 2,
            byte if byte == quote => return at + 1,
            _ => 1,
        };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;
    use sql_functions::dialect::MillraceDialect;

    use super::*;

    #[test]
    fn no_token_is_left_uncounted() {
        for sql in [
            "",
            "SELECT a.b, 'it''s', `x``y`, \"q\", 1.5e-3, 0xFF, x'0f', @@a, ? FROM t -- end",
            "SELECT 1 --1, 2 # it's\n + 3 /* it's */ + 4 /*! , 5, 6 */ /*+ x */",
            "'\\'' , 1, '\\\\' , 2, \"\\\"\" , `\\` , 3",
            "/* a */ * / b */ 1,2,3 /*/ 4 */",
            "a1b2c3 1a 1e 1.2.3",
            "$$'$$ 1,1,1 $a$'$a$, 1, $x",
            "žluťoučký\u{a0}kůň = 'x' && b || !c <=> d >> 1",
            "-- a\n--b\n--\n--\u{b}it's\n 1,1,1,1 -- '",
        ] {
            let tokens = Tokenizer::new(&MillraceDialect, sql).tokenize();
            let tokens = tokens.unwrap_or_else(|e| panic!("{sql}: {e}"));
            assert!(tokens.len() <= tokens_at_most(sql), "{sql}: {tokens:?}");
        }
    }

    #[test]
    fn long_texts_pass_and_many_signs_do_not() {
        let signs = |count: usize| format!("SELECT {}", "1,".repeat(count));
        check(&signs(400_000)).unwrap();
        check(&format!("SELECT '{}'", "1, ".repeat(4_000_000))).unwrap();
        assert!(matches!(check(&signs(600_000)), Err(Error::TooLarge(_))));
        // what hides in a comment of its own is part of the statement
        assert!(matches!(check(&format!("/*!{}*/", signs(600_000))), Err(Error::TooLarge(_))));
        assert!(matches!(check(&" ".repeat(BYTES_MAX + 1)), Err(Error::Syntax(_))));
    }
}
