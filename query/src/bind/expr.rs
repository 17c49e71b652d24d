//! Expressions: sqlparser's tree to typed expressions over columns.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{self, BinaryOperator, CastKind, UnaryOperator, Value};
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::aggregate::Aggregation;
use super::binder::Binder;
use super::coerce::{Typed, common_type};
use super::datatype;
use super::fold;
use super::names::special_value;
use super::operator::symbol;
use super::rel::Rel;
use super::scope::{ColumnId, NotFound, Scope, ScopeColumn};
use super::text::{place, unsupported};
use crate::plan::Expr;
use crate::types::cast::CastContext;
use crate::types::input;

/// Where an expression stands, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Clause {
    /// A result column.
    Select,
    /// FROM … ON.
    JoinOn,
    /// WHERE.
    Where,
    /// GROUP BY.
    GroupBy,
    /// HAVING.
    Having,
    /// ORDER BY.
    OrderBy,
    /// LIMIT.
    Limit,
    /// OFFSET.
    Offset,
    /// VALUES.
    Values,
    /// UPDATE … SET.
    Set,
    /// RETURNING.
    Returning,
    /// DEFAULT.
    Default,
}

impl Clause {
    /// As PostgreSQL says that aggregates are not allowed there.
    fn name(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::JoinOn => "JOIN conditions",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::Having => "HAVING",
            Clause::OrderBy => "ORDER BY",
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
            Clause::Values => "VALUES",
            Clause::Set => "UPDATE",
            Clause::Returning => "RETURNING",
            Clause::Default => "DEFAULT expressions",
        }
    }
}

/// What an expression may refer to.
pub(super) struct Env<'s> {
    /// Names.
    pub(super) scope: Rc<Scope>,
    /// Where.
    pub(super) clause: Clause,
    /// Where aggregates are collected; none where they may not stand.
    pub(super) aggregation: Option<&'s mut Aggregation>,
    /// Inside an aggregate's arguments.
    pub(super) in_aggregate: bool,
    /// Columns met outside of aggregates, and where.
    pub(super) references: Vec<(ColumnId, Option<u32>)>,
    /// Scalar subqueries met, which the query joins to its rows; none where they may not stand.
    pub(super) subqueries: Option<&'s mut Vec<Rel>>,
}

impl<'s> Env<'s> {
    /// An environment of names alone.
    pub(super) fn new(scope: Rc<Scope>, clause: Clause) -> Env<'s> {
        Env {
            scope,
            clause,
            aggregation: None,
            in_aggregate: false,
            references: Vec::new(),
            subqueries: None,
        }
    }

    /// PostgreSQL's error for an aggregate in the wrong place.
    pub(super) fn no_aggregate(&self, at: Option<u32>) -> Box<SqlError> {
        let text = if self.in_aggregate {
            String::from("aggregate function calls cannot be nested")
        } else {
            format!(
                "aggregate functions are not allowed in {}",
                self.clause.name()
            )
        };
        place(SqlError::new(state::GROUPING_ERROR, text), at)
    }
}

impl Binder<'_> {
    /// An expression.
    ///
    /// # Errors
    /// PostgreSQL's, with the position; 0A000 for what is not supported.
    pub(super) fn expr(&mut self, expr: &ast::Expr, env: &mut Env<'_>) -> SqlResult<Typed> {
        self.deeper(|binder| binder.expr_inner(expr, env))
    }

    fn expr_inner(&mut self, expr: &ast::Expr, env: &mut Env<'_>) -> SqlResult<Typed> {
        use ast::Expr as E;
        let at = self.text.at_expr(expr);
        let done = |expr| Ok(Typed { expr, at });
        match expr {
            E::Identifier(ident) => match special_value(ident) {
                Some(word) => self.special(word, None, at),
                None => self.identifier(ident, env),
            },
            E::CompoundIdentifier(parts) => self.compound(parts, env),
            E::Value(value) => self.value(&value.value, at),
            E::Nested(inner) => self.expr(inner, env),
            E::BinaryOp { .. } => self.chain(expr, env),
            E::UnaryOp { op, expr: operand } => self.unary(*op, operand, at, env),
            E::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                format: None,
            } => self.cast(expr, data_type, at, env),
            E::TypedString(typed) if !typed.uses_odbc_syntax => {
                let sql_type = datatype::lookup(&typed.data_type).map_err(|e| place(e, at))?;
                let literal = self.value(&typed.value.value, at)?;
                let value = self.coerce(literal, sql_type, CastContext::Explicit)?;
                done(value)
            }
            E::Interval(interval) => self.interval(interval, at),
            E::IsNull(operand) | E::IsNotNull(operand) => {
                let is_negated = matches!(expr, E::IsNotNull(_));
                let operand = self.expr(operand, env)?;
                done(fold::is_null(operand.expr, is_negated))
            }
            E::IsTrue(e) => self.is_bool(e, true, false, "IS TRUE", at, env),
            E::IsNotTrue(e) => self.is_bool(e, true, true, "IS NOT TRUE", at, env),
            E::IsFalse(e) => self.is_bool(e, false, false, "IS FALSE", at, env),
            E::IsNotFalse(e) => self.is_bool(e, false, true, "IS NOT FALSE", at, env),
            E::IsUnknown(e) | E::IsNotUnknown(e) => {
                let is_negated = matches!(expr, E::IsNotUnknown(_));
                let what = if is_negated {
                    "IS NOT UNKNOWN"
                } else {
                    "IS UNKNOWN"
                };
                let operand = self.expr(e, env)?;
                let operand = self.boolean(operand, what)?;
                done(fold::is_null(operand, is_negated))
            }
            E::IsDistinctFrom(left, right) => self.is_distinct(left, right, false, at, env),
            E::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true, at, env),
            E::InList {
                expr,
                list,
                negated,
            } => self.in_list(expr, list, *negated, at, env),
            E::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(expr, low, high, *negated, at, env),
            E::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let symbol = if *negated { "!~~" } else { "~~" };
                self.like(expr, pattern, escape_char.as_deref(), symbol, at, env)
            }
            E::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let symbol = if *negated { "!~~*" } else { "~~*" };
                self.like(expr, pattern, escape_char.as_deref(), symbol, at, env)
            }
            E::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(
                operand.as_deref(),
                conditions,
                else_result.as_deref(),
                at,
                env,
            ),
            E::Subquery(query) => self.scalar_subquery(query, at, env),
            E::Exists { .. } => Err(unsupported("EXISTS here", at)),
            E::InSubquery { .. } => Err(unsupported("IN with a subquery here", at)),
            E::Collate { .. } => Err(unsupported("COLLATE", at)),
            E::AnyOp { .. } | E::AllOp { .. } => Err(unsupported("ANY or ALL", at)),
            E::Tuple(_) => Err(unsupported("a row of values here", at)),
            E::Array(_) => Err(unsupported("an array", at)),
            E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => Err(unsupported("GROUPING SETS", at)),
            _ => self.function_like(expr, at, env),
        }
    }

    fn identifier(&mut self, ident: &ast::Ident, env: &mut Env<'_>) -> SqlResult<Typed> {
        let at = self.text.at_span(ident.span);
        let name = self.text.name(ident)?;
        let scope = Rc::clone(&env.scope);
        match scope.column(&name, at) {
            Ok(column) => Ok(self.refer(column, at, env)),
            Err(NotFound::Wrong(error)) => Err(error),
            Err(NotFound::Missing) => {
                let is_outer = self.outer.iter().any(|s| s.column(&name, at).is_ok());
                if is_outer {
                    return Err(unsupported("a correlated subquery", at));
                }
                if scope.relation(&name).is_some() {
                    return Err(unsupported("a whole row as a value", at));
                }
                Err(scope.no_column(&name, at))
            }
        }
    }

    fn compound(&mut self, parts: &[ast::Ident], env: &mut Env<'_>) -> SqlResult<Typed> {
        let at = parts.first().and_then(|p| self.text.at_span(p.span));
        let (relation, column) = match parts {
            [relation, column] => (relation, column),
            [schema, relation, column] if self.text.name(schema)? == crate::catalog::PUBLIC => {
                (relation, column)
            }
            _ => return Err(unsupported("this reference", at)),
        };
        let relation = self.text.name(relation)?;
        let column = self.text.label(column)?;
        let scope = Rc::clone(&env.scope);
        match scope.qualified(&relation, &column, at) {
            Ok(column) => Ok(self.refer(column, at, env)),
            Err(NotFound::Wrong(error)) => Err(error),
            Err(NotFound::Missing) => {
                if self.outer.iter().any(|s| s.relation(&relation).is_some()) {
                    return Err(unsupported("a correlated subquery", at));
                }
                Err(scope.no_relation(&relation, at))
            }
        }
    }

    fn refer(&mut self, column: &ScopeColumn, at: Option<u32>, env: &mut Env<'_>) -> Typed {
        if !env.in_aggregate {
            super::rel::each_column(&column.expr, &mut |id| env.references.push((id, at)));
        }
        Typed {
            expr: column.expr.clone(),
            at,
        }
    }

    fn value(&mut self, value: &Value, at: Option<u32>) -> SqlResult<Typed> {
        let unknown = SqlType::plain(TypeId::Unknown);
        let text = |text: &str| Expr::Constant {
            value: Datum::Bytes(text.as_bytes().to_vec()),
            sql_type: unknown,
        };
        let expr = match value {
            Value::Number(digits, _) => self.number(digits, at)?,
            Value::SingleQuotedString(s)
            | Value::EscapedStringLiteral(s)
            | Value::UnicodeStringLiteral(s) => text(s),
            Value::DollarQuotedString(s) => text(&s.value),
            Value::Boolean(b) => fold::boolean(*b),
            Value::Null => Expr::Constant {
                value: Datum::Null,
                sql_type: unknown,
            },
            Value::Placeholder(name) => self.parameters.reference(name, at)?,
            Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_) => {
                return Err(unsupported("a bit string", at));
            }
            _ => return Err(unsupported("this literal", at)),
        };
        if let Expr::Constant {
            value: Datum::Bytes(bytes),
            sql_type:
                SqlType {
                    id: TypeId::Unknown,
                    ..
                },
        } = &expr
            && bytes.contains(&0)
        {
            let error = SqlError::new(
                state::CHARACTER_NOT_IN_REPERTOIRE,
                "invalid byte sequence for encoding \"UTF8\": 0x00",
            );
            return Err(place(error, at));
        }
        Ok(Typed { expr, at })
    }

    /// A number as written, perhaps with a sign: the smallest of integer, bigint and numeric that holds it.
    fn number(&mut self, digits: &str, at: Option<u32>) -> SqlResult<Expr> {
        let constant = |value, id| Expr::Constant {
            value,
            sql_type: SqlType::plain(id),
        };
        if let Ok(value) = digits.parse::<i32>() {
            return Ok(constant(Datum::Int4(value), TypeId::Int4));
        }
        if let Ok(value) = digits.parse::<i64>() {
            return Ok(constant(Datum::Int8(value), TypeId::Int8));
        }
        let sql_type = SqlType::plain(TypeId::Numeric);
        let value =
            input::parse_text(sql_type, digits, &self.eval).map_err(|error| place(error, at))?;
        Ok(Expr::Constant { value, sql_type })
    }

    fn unary(
        &mut self,
        op: UnaryOperator,
        operand: &ast::Expr,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let symbol = match op {
            UnaryOperator::Not => {
                let operand = self.expr(operand, env)?;
                let operand = self.boolean(operand, "NOT")?;
                return Ok(Typed {
                    expr: fold::not(operand),
                    at,
                });
            }
            UnaryOperator::Minus => "-",
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            _ => return Err(unsupported("this operator", at)),
        };
        let at = self.text.word_before(at, &[symbol]).or(at);
        // A sign before digits is part of the number: -32768 is a number that 32768 is not.
        if let (UnaryOperator::Minus, ast::Expr::Value(value)) = (op, operand)
            && let Value::Number(digits, _) = &value.value
        {
            let expr = self.number(&format!("-{digits}"), at)?;
            return Ok(Typed { expr, at });
        }
        let operand = self.expr(operand, env)?;
        self.prefix_operator(symbol, operand, at)
    }

    /// Binary operators of a left-deep chain, innermost first; not recursive along the chain.
    fn chain(&mut self, expr: &ast::Expr, env: &mut Env<'_>) -> SqlResult<Typed> {
        let mut steps: Vec<(&BinaryOperator, &ast::Expr)> = Vec::new();
        let mut first = expr;
        while let ast::Expr::BinaryOp { left, op, right } = first {
            steps.push((op, right));
            first = left;
        }
        let mut typed = self.expr(first, env)?;
        let mut levels = 0;
        let mut before: Option<&BinaryOperator> = None;
        while let Some((op, right)) = steps.pop() {
            if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
                let is_and = *op == BinaryOperator::And;
                let what = if is_and { "AND" } else { "OR" };
                let at = typed.at;
                let mut operands = alloc::vec![self.boolean(typed, what)?];
                let mut right = right;
                loop {
                    let operand = self.expr(right, env)?;
                    operands.push(self.boolean(operand, what)?);
                    match steps.last() {
                        Some((next, operand)) if *next == op => {
                            right = operand;
                            steps.pop();
                        }
                        _ => break,
                    }
                }
                let expr = if is_and {
                    fold::and(operands)
                } else {
                    fold::or(operands)
                };
                typed = Typed { expr, at };
                before = None;
                continue;
            }
            let name = symbol(op).ok_or_else(|| {
                unsupported("this operator", self.text.operator_before(right, ""))
            })?;
            let at = self.text.operator_before(right, &name);
            if is_comparison(op) && before.is_some_and(is_comparison) {
                return Err(self.text.syntax_error_at(at.unwrap_or(0)));
            }
            before = Some(op);
            let operand = self.expr(right, env)?;
            let start = typed.at;
            typed = self.binary_operator(&name, typed, operand, at)?;
            typed.at = start;
            if !matches!(typed.expr, Expr::Constant { .. }) {
                levels += 1;
            }
        }
        self.count_chain(levels)?;
        Ok(typed)
    }

    fn cast(
        &mut self,
        operand: &ast::Expr,
        data_type: &ast::DataType,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let target = datatype::lookup(data_type).map_err(|error| place(error, at))?;
        let operand = self.expr(operand, env)?;
        let expr = self.coerce(operand, target, CastContext::Explicit)?;
        Ok(Typed { expr, at })
    }

    /// INTERVAL '…', or with a single field after a plain number. Other fields would cut the value.
    fn interval(&mut self, interval: &ast::Interval, at: Option<u32>) -> SqlResult<Typed> {
        let sql_type = SqlType::plain(TypeId::Interval);
        let ast::Expr::Value(value) = &*interval.value else {
            return Err(unsupported("this interval", at));
        };
        let Value::SingleQuotedString(text) = &value.value else {
            return Err(unsupported("this interval", at));
        };
        let has_more = interval.leading_precision.is_some()
            || interval.last_field.is_some()
            || interval.fractional_seconds_precision.is_some();
        let literal = match &interval.leading_field {
            None if !has_more => text.clone(),
            Some(field) if !has_more => {
                let field = format!("{field}").to_ascii_lowercase();
                let is_number = text.trim().parse::<i64>().is_ok()
                    || (field == "second" && text.trim().parse::<f64>().is_ok());
                let is_field = matches!(
                    field.as_str(),
                    "year" | "month" | "day" | "hour" | "minute" | "second"
                );
                if !is_number || !is_field {
                    return Err(unsupported("this interval", at));
                }
                format!("{} {field}", text.trim())
            }
            _ => return Err(unsupported("this interval", at)),
        };
        let value = Expr::Constant {
            value: Datum::Bytes(literal.into_bytes()),
            sql_type: SqlType::plain(TypeId::Unknown),
        };
        let expr = self.coerce(Typed { expr: value, at }, sql_type, CastContext::Explicit)?;
        Ok(Typed { expr, at })
    }

    fn is_bool(
        &mut self,
        operand: &ast::Expr,
        value: bool,
        is_negated: bool,
        what: &str,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let operand = self.expr(operand, env)?;
        let operand = self.boolean(operand, what)?;
        let expr = match operand {
            Expr::Constant {
                value: Datum::Bool(b),
                ..
            } => fold::boolean((b == value) != is_negated),
            Expr::Constant {
                value: Datum::Null, ..
            } => fold::boolean(is_negated),
            operand => Expr::IsBool {
                operand: Box::new(operand),
                value,
                is_negated,
            },
        };
        Ok(Typed { expr, at })
    }

    fn is_distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        is_negated: bool,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let left = self.expr(left, env)?;
        let right_typed = self.expr(right, env)?;
        let place_of = self.text.word_before(right_typed.at, &["is"]);
        let (left, right) = self.comparable("=", left, right_typed, place_of)?;
        Ok(Typed {
            expr: Expr::IsDistinct {
                left: Box::new(left),
                right: Box::new(right),
                is_negated,
            },
            at,
        })
    }

    /// `a IN (list)`: one type for all if there is one, else an OR of equalities.
    fn in_list(
        &mut self,
        operand: &ast::Expr,
        list: &[ast::Expr],
        is_negated: bool,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let operand = self.expr(operand, env)?;
        let mut items = Vec::with_capacity(list.len() + 1);
        items.push(operand);
        for item in list {
            items.push(self.expr(item, env)?);
        }
        let first_at = items.get(1).and_then(|item| item.at);
        let operator_at = self.text.word_before(first_at, &["in"]);
        let symbol = if is_negated { "<>" } else { "=" };
        if let Ok(common) = common_type(&items, "IN") {
            let common = if common == TypeId::Unknown {
                TypeId::Text
            } else {
                common
            };
            // The operator must exist for the type.
            self.resolve_operator(symbol, Some(common), common, operator_at)?;
            let target = SqlType::plain(common);
            let mut exprs = Vec::with_capacity(items.len());
            for item in items {
                exprs.push(self.coerce(item, target, CastContext::Implicit)?);
            }
            let operand = exprs.remove(0);
            return Ok(Typed {
                expr: Expr::InList {
                    operand: Box::new(operand),
                    list: exprs,
                    is_negated,
                },
                at,
            });
        }
        let operand = items.remove(0);
        let mut tests = Vec::with_capacity(items.len());
        for item in items {
            let test = self.binary_operator(symbol, operand.clone(), item, operator_at)?;
            tests.push(test.expr);
        }
        Ok(combined(tests, is_negated, at))
    }

    fn between(
        &mut self,
        operand: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        is_negated: bool,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let operand = self.expr(operand, env)?;
        let low = self.expr(low, env)?;
        let high = self.expr(high, env)?;
        let operator_at = self.text.word_before(low.at, &["between"]);
        let (first, second) = if is_negated { ("<", ">") } else { (">=", "<=") };
        let low = self.binary_operator(first, operand.clone(), low, operator_at)?;
        let high = self.binary_operator(second, operand, high, operator_at)?;
        let tests = alloc::vec![low.expr, high.expr];
        Ok(combined(tests, !is_negated, at))
    }

    fn like(
        &mut self,
        operand: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        symbol: &str,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let operand = self.expr(operand, env)?;
        let mut pattern = self.expr(pattern, env)?;
        let words = if symbol.ends_with('*') {
            ["ilike"]
        } else {
            ["like"]
        };
        let mut operator_at = self.text.word_before(pattern.at, &words);
        if symbol.starts_with('!') {
            operator_at = self.text.word_before(operator_at, &["not"]).or(operator_at);
        }
        if let Some(escape) = escape {
            let escape = self.expr(escape, env)?;
            pattern = self.function("like_escape", alloc::vec![pattern, escape], operator_at)?;
        }
        let mut typed = self.binary_operator(symbol, operand, pattern, operator_at)?;
        typed.at = at;
        Ok(typed)
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let operand = match operand {
            Some(operand) => Some(self.expr(operand, env)?),
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            let condition = self.expr(&when.condition, env)?;
            let condition_at = condition.at;
            let test = match &operand {
                Some(operand) => {
                    let mut operand = operand.clone();
                    // An unknown operand of a simple CASE is text.
                    if operand.is_unknown() && condition.is_unknown() {
                        operand.expr = self.settle(operand.clone())?;
                    }
                    self.binary_operator("=", operand, condition, condition_at)?
                }
                None => condition,
            };
            tests.push(self.boolean(test, "CASE/WHEN")?);
            results.push(self.expr(&when.result, env)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expr(otherwise, env)?);
        }
        // PostgreSQL looks at ELSE first.
        let mut ordered: Vec<Typed> = Vec::with_capacity(results.len());
        if otherwise.is_some()
            && let Some(last) = results.last()
        {
            ordered.push(last.clone());
        }
        ordered.extend_from_slice(&results[..tests.len()]);
        let sql_type = self.settled_type(&ordered, "CASE")?;
        let mut exprs = Vec::with_capacity(results.len());
        for result in results {
            exprs.push(self.coerce(result, sql_type, CastContext::Implicit)?);
        }
        let otherwise = if otherwise.is_some() {
            exprs.pop().map(Box::new)
        } else {
            None
        };
        let branches = tests.into_iter().zip(exprs).collect();
        Ok(Typed {
            expr: fold::case(branches, otherwise, sql_type),
            at,
        })
    }

    /// The common type of several expressions, text where all are unknown; with the modifier if all have the same.
    pub(super) fn settled_type(&self, items: &[Typed], what: &str) -> SqlResult<SqlType> {
        let id = match common_type(items, what)? {
            TypeId::Unknown => TypeId::Text,
            id => id,
        };
        let mut typmods = items.iter().map(|item| item.expr.sql_type());
        let first = typmods.next().unwrap_or(SqlType::plain(id));
        let is_same = first.id == id && typmods.all(|t| t == first);
        Ok(if is_same { first } else { SqlType::plain(id) })
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}

/// Tests of which all must hold, or any.
fn combined(tests: Vec<Expr>, all: bool, at: Option<u32>) -> Typed {
    let expr = if all {
        fold::and(tests)
    } else {
        fold::or(tests)
    };
    Typed { expr, at }
}
