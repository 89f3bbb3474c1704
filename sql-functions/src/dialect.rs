//! MySQL's grammar of expressions, where sqlparser's dialect of that name reads it differently.
//!
//! sqlparser gives `XOR`, `||`, `&&`, `<<` and `LIKE` the precedences of PostgreSQL, so `a = 1 || b = 2` would silently be
//! `a = (1 || b) = 2`, and the right side of `DIV` reaches to the end of the expression.
//!
//! Source: MySQL 8.0 Reference Manual, 14.4.1 "Operator Precedence", and the grammar of `expr`, `bool_pri`, `predicate` and `bit_expr`.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, Expr, Interval, Statement, UnaryOperator,
};
use datafusion::sql::sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

const BASE: MySqlDialect = MySqlDialect {};

/// What MySQL binds weakest has the smallest number.
const OR: u8 = 5;
const XOR: u8 = 7;
const AND: u8 = 10;
const COMPARISON: u8 = 20;
const PREDICATE: u8 = 21;
const BIT_OR: u8 = 22;
const SHIFT: u8 = 28;
const PRODUCT: u8 = 40;
const BIT_XOR: u8 = 41;
const UNARY_MINUS: u8 = 42;
const JSON_PATH: u8 = 60;

/// MySQL's SQL, as this server reads it.
#[derive(Debug, Default, Clone, Copy)]
pub struct MillraceDialect;

impl Dialect for MillraceDialect {
    // sqlparser asks for the type of a dialect in some places
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Xor => XOR,
            Precedence::Is => COMPARISON,
            Precedence::Between | Precedence::Like => PREDICATE,
            Precedence::Pipe => BIT_OR,
            // only a unary minus asks for it: the operators themselves are below
            Precedence::MulDivModOp => UNARY_MINUS,
            other => BASE.prec_value(other),
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let precedence = match &parser.peek_token_ref().token {
            Token::StringConcat => OR,
            Token::Overlap => AND,
            Token::Mul | Token::Div | Token::Mod => PRODUCT,
            Token::Caret => BIT_XOR,
            Token::ShiftLeft | Token::ShiftRight => SHIFT,
            Token::Arrow | Token::LongArrow => JSON_PATH,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::DIV => PRODUCT,
                _ if word.value.eq_ignore_ascii_case("mod") => PRODUCT,
                _ if word.value.eq_ignore_ascii_case("sounds") => PREDICATE,
                _ => return None,
            },
            _ => return None,
        };
        Some(Ok(precedence))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        if parser.parse_keyword(Keyword::INTERVAL) {
            return Some(interval(parser));
        }
        if parser.parse_keyword(Keyword::BINARY) {
            return Some(binary(parser));
        }
        let op = match parser.peek_token_ref().token {
            Token::ExclamationMark => UnaryOperator::Not,
            Token::Tilde => UnaryOperator::BitwiseNot,
            _ => return None,
        };
        parser.next_token();
        let operand = parser.parse_subexpr(UNARY_MINUS);
        Some(operand.map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let Token::Word(word) = &parser.peek_token_ref().token else {
            return None;
        };
        if word.quote_style.is_some() {
            return None;
        }
        let operator = match word.value.to_ascii_uppercase().as_str() {
            "DIV" => BinaryOperator::MyIntegerDivide,
            "MOD" => BinaryOperator::Modulo,
            "SOUNDS" => BinaryOperator::Custom("SOUNDS LIKE".into()),
            _ => return None,
        };
        parser.next_token();
        if matches!(operator, BinaryOperator::Custom(_))
            && let Err(error) = parser.expect_keyword(Keyword::LIKE)
        {
            return Some(Err(error));
        }
        let right = parser.parse_subexpr(precedence);
        let left = Box::new(left.clone());
        Some(right.map(|right| Expr::BinaryOp { left, op: operator, right: Box::new(right) }))
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BASE.is_delimited_identifier_start(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        BASE.supports_string_literal_backslash_escape()
    }

    fn supports_string_literal_concatenation(&self) -> bool {
        BASE.supports_string_literal_concatenation()
    }

    fn ignores_wildcard_escapes(&self) -> bool {
        BASE.ignores_wildcard_escapes()
    }

    fn supports_numeric_prefix(&self) -> bool {
        BASE.supports_numeric_prefix()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        BASE.supports_bitwise_shift_operators()
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        BASE.supports_multiline_comment_hints()
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        BASE.parse_statement(parser)
    }

    fn require_interval_qualifier(&self) -> bool {
        BASE.require_interval_qualifier()
    }

    fn supports_limit_comma(&self) -> bool {
        BASE.supports_limit_comma()
    }

    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        BASE.is_table_factor_alias(explicit, kw, parser)
    }

    fn supports_table_hints(&self) -> bool {
        BASE.supports_table_hints()
    }

    fn requires_single_line_comment_whitespace(&self) -> bool {
        BASE.requires_single_line_comment_whitespace()
    }

    fn supports_match_against(&self) -> bool {
        BASE.supports_match_against()
    }

    fn supports_select_modifiers(&self) -> bool {
        BASE.supports_select_modifiers()
    }

    fn supports_set_names(&self) -> bool {
        BASE.supports_set_names()
    }

    fn supports_data_type_signed_suffix(&self) -> bool {
        BASE.supports_data_type_signed_suffix()
    }

    fn supports_cross_join_constraint(&self) -> bool {
        BASE.supports_cross_join_constraint()
    }

    fn supports_double_ampersand_operator(&self) -> bool {
        BASE.supports_double_ampersand_operator()
    }

    fn supports_binary_kw_as_cast(&self) -> bool {
        BASE.supports_binary_kw_as_cast()
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        BASE.supports_comment_optimizer_hint()
    }
}

/// `BINARY value`, which sqlparser lets reach to the end of the expression: `a = BINARY 'x' AND b` would be `a = ('x' AND b)`.
fn binary(parser: &mut Parser) -> Result<Expr, ParserError> {
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(parser.parse_subexpr(UNARY_MINUS)?),
        data_type: DataType::Binary(None),
        array: false,
        format: None,
    })
}

/// `INTERVAL 1 DAY`, `INTERVAL '1:30' MINUTE_SECOND`: the unit is any word, which is understood or refused later.
fn interval(parser: &mut Parser) -> Result<Expr, ParserError> {
    let value = Box::new(parser.parse_expr()?);
    let unit = parser.parse_identifier()?;
    Ok(Expr::Interval(Interval {
        value,
        leading_field: Some(DateTimeField::Custom(unit)),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}
