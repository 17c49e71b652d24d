//! PostgreSQL's grammar where sqlparser's PostgreSQL dialect differs from it.
//!
//! sqlparser is lenient: it reads the union of many dialects. What it reads more than PostgreSQL ends
//! as an error in the binder, which refuses every piece of syntax tree that it does not know. What it would
//! read *differently* is put right here: how tightly prefix operators bind, and which words cannot be names.

use core::any::TypeId;
use sqlparser::ast::{CastKind, Expr, ObjectName, UnaryOperator};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// A sign binds tighter than every binary operator but `::` and `.`.
const SIGN_PRECEDENCE: u8 = 120;
/// A prefix operator other than a sign binds like `||`.
const PREFIX_PRECEDENCE: u8 = 70;

/// sqlparser's PostgreSQL dialect, mended.
#[derive(Debug, Default)]
pub(super) struct Postgres(PostgreSqlDialect);

macro_rules! as_postgresql {
    ($($name:ident)*) => { $(fn $name(&self) -> bool { self.0.$name() })* };
}

impl Dialect for Postgres {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.0.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        self.0.is_reserved_for_identifier(kw)
    }

    fn is_column_alias(&self, kw: &Keyword, _parser: &mut Parser) -> bool {
        !is_no_bare_label(*kw)
    }

    fn is_table_alias(&self, kw: &Keyword, _parser: &mut Parser) -> bool {
        !is_reserved(*kw) && !is_reserved_for_types_and_functions(*kw) && *kw != Keyword::SET
    }

    fn is_table_factor(&self, kw: &Keyword, _parser: &mut Parser) -> bool {
        !is_reserved(*kw)
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        self.0.prec_value(prec)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        self.0.get_next_precedence(parser)
    }

    /// The common beginnings of an expression, without sqlparser's speculation (it tries every one as the name
    /// of a type first) and with small stack frames; and the prefix operators.
    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let (op, precedence) = match &parser.peek_token_ref().token {
            Token::Minus => (UnaryOperator::Minus, SIGN_PRECEDENCE),
            Token::Plus => (UnaryOperator::Plus, SIGN_PRECEDENCE),
            Token::Tilde => (UnaryOperator::BitwiseNot, PREFIX_PRECEDENCE),
            Token::AtSign => (UnaryOperator::PGAbs, PREFIX_PRECEDENCE),
            Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, PREFIX_PRECEDENCE),
            Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, PREFIX_PRECEDENCE),
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) => {
                return Some(parser.parse_value().map(Expr::Value));
            }
            Token::LParen => return parenthesis(parser),
            Token::Word(word) => match word.keyword {
                Keyword::NOT if !is_keyword(parser, 1, &[Keyword::EXISTS]) => {
                    (UnaryOperator::Not, self.prec_value(Precedence::UnaryNot))
                }
                Keyword::NoKeyword => return plain_name(parser),
                Keyword::CASE => {
                    parser.advance_token();
                    return Some(parser.parse_case_expr());
                }
                Keyword::CAST => {
                    parser.advance_token();
                    return Some(parser.parse_cast_expr(CastKind::Cast));
                }
                _ => return None,
            },
            _ => return None,
        };
        parser.advance_token();
        let operand = parser.parse_subexpr(precedence);
        Some(operand.map(|expr| Expr::UnaryOp {
            op,
            expr: expr.into(),
        }))
    }

    as_postgresql! {
        supports_unicode_string_literal
        supports_filter_during_aggregation
        supports_group_by_expr
        supports_empty_projections
        supports_nested_comments
        supports_string_escape_constant
        supports_numeric_literal_underscores
        supports_array_typedef_with_brackets
        supports_geometric_types
        supports_bitwise_shift_operators
        supports_order_by_using_operator
        supports_left_associative_joins_without_parens
        supports_notnull_operator
        supports_interval_options
        supports_insert_table_alias
        supports_comma_separated_trim
        allow_extract_custom
        allow_extract_single_quotes
    }
}

fn is_keyword(parser: &Parser, n: usize, keywords: &[Keyword]) -> bool {
    matches!(&parser.peek_nth_token_ref(n).token, Token::Word(w) if keywords.contains(&w.keyword))
}

/// Parentheses around an expression or several; a query in parentheses is left to sqlparser.
fn parenthesis(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    if is_keyword(
        parser,
        1,
        &[Keyword::SELECT, Keyword::WITH, Keyword::VALUES],
    ) {
        parser.advance_token();
        let query = parser.parse_query();
        return Some(query.and_then(|query| {
            parser.expect_token(&Token::RParen)?;
            Ok(Expr::Subquery(query))
        }));
    }
    parser.advance_token();
    let first = match parser.parse_expr() {
        Ok(first) => first,
        Err(error) => return Some(Err(error)),
    };
    if parser.consume_token(&Token::RParen) {
        return Some(Ok(Expr::Nested(first.into())));
    }
    let mut exprs = alloc::vec![first];
    while parser.consume_token(&Token::Comma) {
        match parser.parse_expr() {
            Ok(expr) => exprs.push(expr),
            Err(error) => return Some(Err(error)),
        }
    }
    Some(
        parser
            .expect_token(&Token::RParen)
            .map(|_| Expr::Tuple(exprs)),
    )
}

/// A word that is no keyword and not followed by what makes it a call or a type.
fn plain_name(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let after = &parser.peek_nth_token_ref(1).token;
    if *after == Token::LParen {
        let name = parser.parse_identifier();
        return Some(name.and_then(|name| parser.parse_function(ObjectName::from(name))));
    }
    let is_plain = !matches!(
        after,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::HexStringLiteral(_)
            | Token::DoubleQuotedString(_)
    );
    is_plain.then(|| parser.parse_identifier().map(Expr::Identifier))
}

/// PostgreSQL's reserved words (those that sqlparser knows): never a name without quotes.
pub(super) fn is_reserved(kw: Keyword) -> bool {
    use Keyword as K;
    matches!(
        kw,
        K::ALL
            | K::ANALYZE
            | K::AND
            | K::ANY
            | K::ARRAY
            | K::AS
            | K::ASC
            | K::ASYMMETRIC
            | K::BOTH
            | K::CASE
            | K::CAST
            | K::CHECK
            | K::COLLATE
            | K::COLUMN
            | K::CONSTRAINT
            | K::CREATE
            | K::CURRENT_CATALOG
            | K::CURRENT_DATE
            | K::CURRENT_ROLE
            | K::CURRENT_TIME
            | K::CURRENT_TIMESTAMP
            | K::CURRENT_USER
            | K::DEFAULT
            | K::DEFERRABLE
            | K::DESC
            | K::DISTINCT
            | K::DO
            | K::ELSE
            | K::END
            | K::EXCEPT
            | K::FALSE
            | K::FETCH
            | K::FOR
            | K::FOREIGN
            | K::FROM
            | K::GRANT
            | K::GROUP
            | K::HAVING
            | K::IN
            | K::INITIALLY
            | K::INTERSECT
            | K::INTO
            | K::LATERAL
            | K::LEADING
            | K::LIMIT
            | K::LOCALTIME
            | K::LOCALTIMESTAMP
            | K::NOT
            | K::NULL
            | K::OFFSET
            | K::ON
            | K::ONLY
            | K::OR
            | K::ORDER
            | K::PLACING
            | K::PRIMARY
            | K::REFERENCES
            | K::RETURNING
            | K::SELECT
            | K::SESSION_USER
            | K::SOME
            | K::SYMMETRIC
            | K::TABLE
            | K::THEN
            | K::TO
            | K::TRAILING
            | K::TRUE
            | K::UNION
            | K::UNIQUE
            | K::USER
            | K::USING
            | K::VARIADIC
            | K::WHEN
            | K::WHERE
            | K::WINDOW
            | K::WITH
    )
}

/// Words that may be a function's or a type's name, but no column's or table's.
fn is_reserved_for_types_and_functions(kw: Keyword) -> bool {
    use Keyword as K;
    matches!(
        kw,
        K::AUTHORIZATION
            | K::BINARY
            | K::COLLATION
            | K::CONCURRENTLY
            | K::CROSS
            | K::CURRENT_SCHEMA
            | K::FREEZE
            | K::FULL
            | K::ILIKE
            | K::INNER
            | K::IS
            | K::JOIN
            | K::LEFT
            | K::LIKE
            | K::NATURAL
            | K::NOTNULL
            | K::OUTER
            | K::OVERLAPS
            | K::RIGHT
            | K::SIMILAR
            | K::TABLESAMPLE
            | K::VERBOSE
    )
}

/// Words that cannot be a column's alias without AS.
fn is_no_bare_label(kw: Keyword) -> bool {
    use Keyword as K;
    matches!(
        kw,
        K::ARRAY
            | K::AS
            | K::CHAR
            | K::CHARACTER
            | K::CREATE
            | K::DAY
            | K::EXCEPT
            | K::FETCH
            | K::FILTER
            | K::FOR
            | K::FROM
            | K::GRANT
            | K::GROUP
            | K::HAVING
            | K::HOUR
            | K::INTERSECT
            | K::INTO
            | K::LIMIT
            | K::MINUTE
            | K::MONTH
            | K::NOTNULL
            | K::OFFSET
            | K::ON
            | K::ORDER
            | K::OVER
            | K::OVERLAPS
            | K::PRECISION
            | K::RETURNING
            | K::SECOND
            | K::TO
            | K::UNION
            | K::VARYING
            | K::WHERE
            | K::WINDOW
            | K::WITH
            | K::WITHIN
            | K::WITHOUT
            | K::YEAR
    )
}
