//! A column's DEFAULT as PostgreSQL shows it in `information_schema.columns`: `'x'::text`, `CURRENT_DATE`, `(5 + 1)`.
//!
//! PostgreSQL stores the expression's tree and writes it out again; Vireo stores text. So the text is brought into
//! PostgreSQL's form when the table is made, where the form is known and stands for the very same expression; else
//! it stays as it was written.

use alloc::format;
use alloc::string::{String, ToString};
use sqlparser::ast::{self, BinaryOperator, UnaryOperator, Value};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::fold_context;
use super::names::special_value;
use super::{bind_expr, datatype, explain};
use crate::types::input;

/// The text to store for a DEFAULT written as `written`; none for DEFAULT NULL, which is as good as no DEFAULT.
pub(super) fn stored(expr: &ast::Expr, written: &str, column: SqlType) -> Option<String> {
    if matches!(expr, ast::Expr::Value(value) if value.value == Value::Null) {
        return None;
    }
    let means_the_same = |text: &String| match bind_expr(written, &[], column) {
        Ok(expr) => bind_expr(text, &[], column).is_ok_and(|other| other == expr),
        Err(_) => false,
    };
    let shown = shown(expr, column).filter(means_the_same);
    Some(shown.unwrap_or_else(|| written.to_string()))
}

/// PostgreSQL's form of an expression whose string constants are of type `target`, where it is known.
fn shown(expr: &ast::Expr, target: SqlType) -> Option<String> {
    match expr {
        ast::Expr::Nested(inner) => shown(inner, target),
        ast::Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => number(digits, false),
            Value::Boolean(value) => Some(value.to_string()),
            Value::SingleQuotedString(text) => string(text, target),
            _ => None,
        },
        ast::Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match &**expr {
            ast::Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => number(digits, true),
                _ => None,
            },
            _ => None,
        },
        ast::Expr::BinaryOp { left, op, right } => {
            let symbol = match op {
                BinaryOperator::Plus => "+",
                BinaryOperator::Minus => "-",
                BinaryOperator::Multiply => "*",
                BinaryOperator::Divide => "/",
                BinaryOperator::Modulo => "%",
                _ => return None,
            };
            let (left, right) = (computed(left)?, computed(right)?);
            Some(format!("({left} {symbol} {right})"))
        }
        ast::Expr::Cast {
            expr, data_type, ..
        } => {
            let plain = |t: &SqlType| t.typmod == -1;
            let target = datatype::lookup(data_type).ok().filter(plain)?;
            match &**expr {
                ast::Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(text) => string(text, target),
                    _ => None,
                },
                _ => None,
            }
        }
        ast::Expr::Identifier(ident) => special_value(ident).map(str::to_ascii_uppercase),
        ast::Expr::Function(function) => call(function),
        _ => None,
    }
}

/// An operand of an operator: no string, whose type would be the operator's choice.
fn computed(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)) => None,
        expr => shown(expr, TypeId::Unknown.into()),
    }
}

fn number(digits: &str, is_negative: bool) -> Option<String> {
    let has_point = digits.contains('.');
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_plain || digits.starts_with('.') || digits.ends_with('.') {
        return None;
    }
    let is_canonical = digits == "0" || has_point || !digits.starts_with('0');
    let type_name = if has_point {
        "numeric"
    } else {
        let magnitude: i64 = digits.parse().ok()?;
        let value = if is_negative { -magnitude } else { magnitude };
        match i32::try_from(value) {
            Ok(_) => "integer",
            Err(_) => "bigint",
        }
    };
    let sign = if is_negative { "-" } else { "" };
    match (is_canonical, is_negative || type_name == "bigint") {
        (false, _) => None,
        (true, true) => Some(format!("'{sign}{digits}'::{type_name}")),
        (true, false) => Some(digits.to_string()),
    }
}

fn string(text: &str, target: SqlType) -> Option<String> {
    let type_name = match target.id {
        TypeId::Text | TypeId::Varchar | TypeId::Name => target.id.sql_name(),
        // Its SQL name would be char(1).
        TypeId::Bpchar => "bpchar",
        // What it shows depends on the session's time zone.
        TypeId::Timestamptz => return None,
        _ => return constant(text, target),
    };
    Some(format!("'{}'::{type_name}", text.replace('\'', "''")))
}

/// A value read from a string, as the value is shown. What a session's settings may read otherwise (a date that is not
/// in ISO's form, `now`) stays as it is.
fn constant(text: &str, target: SqlType) -> Option<String> {
    let plain = SqlType::plain(target.id);
    let value = input::parse_text(plain, text, &fold_context()).ok()?;
    let depends = matches!(
        target.id,
        TypeId::Date | TypeId::Timestamp | TypeId::Interval
    );
    let shown = explain::constant(&value, plain);
    (!depends || shown.starts_with(&format!("'{text}'::"))).then_some(shown)
}

/// A call without arguments, or one of SQL's values that look like names.
fn call(function: &ast::Function) -> Option<String> {
    let [ast::ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
        return None;
    };
    match &function.args {
        ast::FunctionArguments::None => special_value(name).map(str::to_ascii_uppercase),
        ast::FunctionArguments::List(list) => {
            let is_plain = list.args.is_empty()
                && list.clauses.is_empty()
                && list.duplicate_treatment.is_none()
                && function.filter.is_none()
                && function.over.is_none()
                && name.quote_style.is_none();
            is_plain.then(|| format!("{}()", name.value.to_ascii_lowercase()))
        }
        ast::FunctionArguments::Subquery(_) => None,
    }
}
