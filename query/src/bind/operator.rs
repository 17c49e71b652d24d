//! Operators and functions: which of them a call means, and its arguments' casts.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use sqlparser::ast::{
    self, BinaryOperator, CeilFloorKind, DateTimeField, Expr as E, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, TrimWhereField,
};
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::Binder;
use super::coerce::{Typed, common_type};
use super::expr::Env;
use super::fold;
use super::text::{place, unsupported};
use crate::aggregates;
use crate::functions::{self, Resolved, Unresolved, Volatility};
use crate::plan::Expr;
use crate::types::cast::{self, CastContext};

/// An operator's symbol; none for what PostgreSQL does not have.
pub(super) fn symbol(op: &BinaryOperator) -> Option<String> {
    use BinaryOperator as B;
    Some(match op {
        B::Plus => "+".into(),
        B::Minus => "-".into(),
        B::Multiply => "*".into(),
        B::Divide => "/".into(),
        B::Eq => "=".into(),
        B::And
        | B::Or
        | B::Xor
        | B::DuckIntegerDivide
        | B::MyIntegerDivide
        | B::Match
        | B::Regexp
        | B::Glob
        | B::Overlaps
        | B::Assignment => return None,
        B::PGCustomBinaryOperator(parts) => parts.last()?.clone(),
        other => format!("{other}"),
    })
}

fn type_names(types: &[TypeId]) -> String {
    let names: Vec<&str> = types.iter().map(|t| t.sql_name()).collect();
    names.join(", ")
}

impl Binder<'_> {
    /// The operator for these types.
    ///
    /// # Errors
    /// 42883, 42725.
    pub(super) fn resolve_operator(
        &self,
        symbol: &str,
        left: Option<TypeId>,
        right: TypeId,
        at: Option<u32>,
    ) -> SqlResult<Resolved> {
        functions::resolve_operator(symbol, left, right).map_err(|reason| {
            let shown = match left {
                Some(left) => format!("{} {symbol} {}", left.sql_name(), right.sql_name()),
                None => format!("{symbol} {}", right.sql_name()),
            };
            let error = match reason {
                Unresolved::Unknown => SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("operator does not exist: {shown}"),
                )
                .with_hint(if left.is_some() {
                    "No operator matches the given name and argument types. You might need to add explicit type casts."
                } else {
                    "No operator matches the given name and argument type. You might need to add an explicit type cast."
                }),
                Unresolved::Ambiguous => SqlError::new(
                    state::AMBIGUOUS_FUNCTION,
                    format!("operator is not unique: {shown}"),
                )
                .with_hint("Could not choose a best candidate operator. You might need to add explicit type casts."),
            };
            place(error, at)
        })
    }

    /// `left symbol right`.
    ///
    /// # Errors
    /// 42883, 42725, and those of the operands' casts.
    pub(super) fn binary_operator(
        &mut self,
        symbol: &str,
        left: Typed,
        right: Typed,
        at: Option<u32>,
    ) -> SqlResult<Typed> {
        let start = left.at;
        let resolved = self.resolve_operator(symbol, Some(left.id()), right.id(), at)?;
        let mut typed = self.call(&resolved, alloc::vec![left, right])?;
        typed.at = start;
        Ok(typed)
    }

    /// `symbol operand`.
    ///
    /// # Errors
    /// 42883, 42725.
    pub(super) fn prefix_operator(
        &mut self,
        symbol: &str,
        operand: Typed,
        at: Option<u32>,
    ) -> SqlResult<Typed> {
        let resolved = self.resolve_operator(symbol, None, operand.id(), at)?;
        let mut typed = self.call(&resolved, alloc::vec![operand])?;
        typed.at = at;
        Ok(typed)
    }

    /// Two operands as one type for which the operator exists.
    ///
    /// # Errors
    /// 42883.
    pub(super) fn comparable(
        &mut self,
        symbol: &str,
        left: Typed,
        right: Typed,
        at: Option<u32>,
    ) -> SqlResult<(Expr, Expr)> {
        let resolved = self.resolve_operator(symbol, Some(left.id()), right.id(), at)?;
        let mut types = resolved.arguments.iter().copied();
        let (a, b) = (types.next(), types.next());
        let target = match (a, b) {
            (Some(a), Some(b)) if a == b => a,
            _ => match common_type(&[left.clone(), right.clone()], "=")? {
                TypeId::Unknown => TypeId::Text,
                id => id,
            },
        };
        let target = SqlType::plain(target);
        let left = self.coerce(left, target, CastContext::Implicit)?;
        let right = self.coerce(right, target, CastContext::Implicit)?;
        Ok((left, right))
    }

    fn call(&mut self, resolved: &Resolved, arguments: Vec<Typed>) -> SqlResult<Typed> {
        let at = arguments.first().and_then(|a| a.at);
        let mut exprs = Vec::with_capacity(arguments.len());
        for (argument, &id) in arguments.into_iter().zip(&resolved.arguments) {
            exprs.push(self.coerce(argument, SqlType::plain(id), CastContext::Implicit)?);
        }
        self.saw_volatile |= functions::volatility(resolved.id) == Volatility::Volatile;
        let expr = fold::call(resolved.id, exprs, resolved.returns, &self.eval);
        Ok(Typed { expr, at })
    }

    /// A call of a function by name.
    ///
    /// # Errors
    /// 42883, 42725.
    pub(super) fn function(
        &mut self,
        name: &str,
        arguments: Vec<Typed>,
        at: Option<u32>,
    ) -> SqlResult<Typed> {
        let types: Vec<TypeId> = arguments.iter().map(Typed::id).collect();
        match functions::resolve(name, &types) {
            Ok(resolved) => {
                let mut typed = self.call(&resolved, arguments)?;
                typed.at = at;
                Ok(typed)
            }
            Err(reason) => {
                if let ([_], Some(target)) = (types.as_slice(), type_by_name(name)) {
                    let from = types[0];
                    if from == TypeId::Unknown || cast::find(from, target).is_some() {
                        let mut arguments = arguments;
                        let argument = arguments.remove(0);
                        let target = SqlType::plain(target);
                        let expr = self.coerce(argument, target, CastContext::Explicit)?;
                        return Ok(Typed { expr, at });
                    }
                }
                Err(no_function(name, &types, reason, at))
            }
        }
    }

    /// A word that stands for a value, perhaps with a precision.
    ///
    /// # Errors
    /// 0A000.
    pub(super) fn special(
        &mut self,
        word: &str,
        digits: Option<i32>,
        at: Option<u32>,
    ) -> SqlResult<Typed> {
        let (function, sql_type) = match word {
            "current_timestamp" => ("now", Some(TypeId::Timestamptz)),
            "localtimestamp" => ("now", Some(TypeId::Timestamp)),
            "current_date" => ("now", Some(TypeId::Date)),
            "localtime" => ("now", Some(TypeId::Time)),
            "current_user" | "user" | "current_role" => ("current_user", None),
            "session_user" => ("session_user", None),
            "current_catalog" => ("current_database", None),
            "current_schema" => ("current_schema", None),
            _ => return Err(unsupported(&word.to_ascii_uppercase(), at)),
        };
        let value = self.function(function, Vec::new(), at)?;
        let expr = match sql_type {
            Some(id) => {
                let target = SqlType {
                    id,
                    typmod: digits.unwrap_or(-1),
                };
                self.coerce(value, target, CastContext::Explicit)?
            }
            None => value.expr,
        };
        Ok(Typed { expr, at })
    }

    /// Calls in all their forms.
    ///
    /// # Errors
    /// PostgreSQL's; 0A000 for what is not supported.
    pub(super) fn function_like(
        &mut self,
        expr: &ast::Expr,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        match expr {
            E::Function(function) => self.function_call(function, env),
            E::Ceil {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.simple_call("ceil", &[expr], at, env),
            E::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.simple_call("floor", &[expr], at, env),
            E::Position { expr, r#in } => self.simple_call("position", &[r#in, expr], at, env),
            E::Extract { field, expr, .. } => {
                let field = format!("{field}");
                let field = field.trim_matches('\'').to_ascii_lowercase();
                let field = Typed {
                    expr: Expr::Constant {
                        value: Datum::Bytes(field.into_bytes()),
                        sql_type: SqlType::plain(TypeId::Text),
                    },
                    at,
                };
                let source = self.expr(expr, env)?;
                let at = self.text.word_before(at, &["extract"]).or(at);
                self.function("extract", alloc::vec![field, source], at)
            }
            E::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let value = self.expr(timestamp, env)?;
                let zone = self.expr(time_zone, env)?;
                self.function("timezone", alloc::vec![zone, value], at)
            }
            E::Substring {
                expr,
                substring_from,
                substring_for,
                shorthand,
                ..
            } => {
                let name = if *shorthand { "substr" } else { "substring" };
                self.substring(
                    name,
                    expr,
                    substring_from.as_deref(),
                    substring_for.as_deref(),
                    at,
                    env,
                )
            }
            E::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut arguments: Vec<&ast::Expr> = alloc::vec![expr, overlay_what, overlay_from];
                arguments.extend(overlay_for.as_deref());
                self.simple_call("overlay", &arguments, at, env)
            }
            E::Trim {
                expr,
                trim_where,
                trim_what,
                trim_characters,
            } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "btrim",
                };
                let mut arguments: Vec<&ast::Expr> = alloc::vec![expr];
                arguments.extend(trim_what.as_deref());
                arguments.extend(trim_characters.iter().flatten());
                self.simple_call(name, &arguments, at, env)
            }
            E::SimilarTo { .. } => Err(unsupported("SIMILAR TO", at)),
            E::CompoundFieldAccess { .. } => Err(unsupported("a subscript or field", at)),
            _ => Err(unsupported("this expression", at)),
        }
    }

    fn simple_call(
        &mut self,
        name: &str,
        arguments: &[&ast::Expr],
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let mut typed = Vec::with_capacity(arguments.len());
        for argument in arguments {
            typed.push(self.expr(argument, env)?);
        }
        let at = self.text.word_before(at, &[name, "trim", "ceiling"]).or(at);
        self.function(name, typed, at)
    }

    fn substring(
        &mut self,
        name: &str,
        expr: &ast::Expr,
        from: Option<&ast::Expr>,
        length: Option<&ast::Expr>,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        let mut arguments = alloc::vec![self.expr(expr, env)?];
        match (from, length) {
            (Some(from), _) => arguments.push(self.expr(from, env)?),
            (None, Some(_)) => arguments.push(Typed {
                expr: Expr::Constant {
                    value: Datum::Int4(1),
                    sql_type: SqlType::plain(TypeId::Int4),
                },
                at,
            }),
            (None, None) => {}
        }
        if let Some(length) = length {
            arguments.push(self.expr(length, env)?);
        }
        let at = self.text.word_before(at, &[name]).or(at);
        self.function(name, arguments, at)
    }

    fn function_call(&mut self, function: &Function, env: &mut Env<'_>) -> SqlResult<Typed> {
        let (mut parts, at) = self.function_name(function)?;
        let name = parts.pop().ok_or_else(|| unsupported("this call", at))?;
        if function.over.is_some() {
            return Err(unsupported("a window function", at));
        }
        let is_odd = function.uses_odbc_syntax
            || !matches!(function.parameters, FunctionArguments::None)
            || !function.within_group.is_empty()
            || function.null_treatment.is_some();
        if is_odd {
            return Err(unsupported("this form of a call", at));
        }
        let list = match &function.args {
            FunctionArguments::List(list) => list,
            FunctionArguments::None => return self.special(&name, None, at),
            FunctionArguments::Subquery(_) => return Err(unsupported("an array", at)),
        };
        if !list.clauses.is_empty() {
            return Err(unsupported("a clause inside of a call", at));
        }
        if parts.is_empty() && is_time_word(&name) {
            return self.special(&name, precision(&list.args), at);
        }
        if aggregates::is_aggregate(&name) {
            return self.aggregate_call(&name, function, list, at, env);
        }
        if list.duplicate_treatment.is_some() || function.filter.is_some() {
            let what = if function.filter.is_some() {
                "FILTER"
            } else {
                "DISTINCT"
            };
            let error = SqlError::new(
                state::WRONG_OBJECT_TYPE,
                format!("{what} specified, but {name} is not an aggregate function"),
            );
            return Err(place(error, at));
        }
        let arguments = self.arguments(&list.args, at, env)?;
        match (name.as_str(), parts.is_empty()) {
            ("coalesce", true) => self.coalesce(arguments, at),
            ("greatest" | "least", true) => self.extreme(arguments, name == "greatest", at),
            ("nullif", true) => self.nullif(arguments, at),
            _ => self.function(&name, arguments, at),
        }
    }

    fn function_name(&self, function: &Function) -> SqlResult<(Vec<String>, Option<u32>)> {
        let at = self.text.at(&function.name);
        let mut parts = Vec::with_capacity(function.name.0.len());
        for part in &function.name.0 {
            let ident = part
                .as_ident()
                .ok_or_else(|| unsupported("this call", at))?;
            parts.push(self.text.label(ident)?);
        }
        if parts.len() > 1 {
            let schema = parts.remove(0);
            if parts.len() > 1 || schema != "pg_catalog" {
                let error = SqlError::new(
                    state::UNDEFINED_FUNCTION,
                    format!("function {} does not exist", function.name),
                );
                return Err(place(error, at));
            }
        }
        Ok((parts, at))
    }

    /// A call's arguments, all plain expressions.
    pub(super) fn arguments(
        &mut self,
        list: &[FunctionArg],
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Vec<Typed>> {
        let mut arguments = Vec::with_capacity(list.len());
        for argument in list {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    arguments.push(self.expr(expr, env)?);
                }
                FunctionArg::Unnamed(_) => return Err(unsupported("* as an argument", at)),
                _ => return Err(unsupported("a named argument", at)),
            }
        }
        Ok(arguments)
    }

    fn coalesce(&mut self, arguments: Vec<Typed>, at: Option<u32>) -> SqlResult<Typed> {
        if arguments.is_empty() {
            return Err(self.text.syntax_error_at(self.closing_parenthesis(at)));
        }
        let sql_type = self.settled_type(&arguments, "COALESCE")?;
        let mut exprs = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let expr = self.coerce(argument, sql_type, CastContext::Implicit)?;
            let is_null = matches!(
                expr,
                Expr::Constant {
                    value: Datum::Null,
                    ..
                }
            );
            let is_last = matches!(expr, Expr::Constant { .. }) && !is_null;
            if !is_null {
                exprs.push(expr);
            }
            if is_last && exprs.len() == 1 {
                break;
            }
        }
        let expr = match exprs.len() {
            0 => Expr::Constant {
                value: Datum::Null,
                sql_type,
            },
            1 => exprs.swap_remove(0),
            _ => Expr::Coalesce {
                arguments: exprs,
                sql_type,
            },
        };
        Ok(Typed { expr, at })
    }

    fn extreme(
        &mut self,
        arguments: Vec<Typed>,
        is_greatest: bool,
        at: Option<u32>,
    ) -> SqlResult<Typed> {
        if arguments.is_empty() {
            return Err(self.text.syntax_error_at(self.closing_parenthesis(at)));
        }
        let what = if is_greatest { "GREATEST" } else { "LEAST" };
        let sql_type = self.settled_type(&arguments, what)?;
        self.resolve_operator("<", Some(sql_type.id), sql_type.id, at)?;
        let mut exprs = Vec::with_capacity(arguments.len());
        for argument in arguments {
            exprs.push(self.coerce(argument, sql_type, CastContext::Implicit)?);
        }
        Ok(Typed {
            expr: Expr::Extreme {
                arguments: exprs,
                is_greatest,
                sql_type,
            },
            at,
        })
    }

    fn nullif(&mut self, arguments: Vec<Typed>, at: Option<u32>) -> SqlResult<Typed> {
        let Ok([left, right]) = <[Typed; 2]>::try_from(arguments) else {
            return Err(self.text.syntax_error_at(self.closing_parenthesis(at)));
        };
        let test = self.binary_operator("=", left.clone(), right, at)?;
        let test = self.boolean(test, "NULLIF")?;
        let value = self.settle(left)?;
        let sql_type = value.sql_type();
        let null = Expr::Constant {
            value: Datum::Null,
            sql_type,
        };
        let expr = fold::case(alloc::vec![(test, null)], Some(Box::new(value)), sql_type);
        Ok(Typed { expr, at })
    }

    /// Where the parenthesis after a call's name closes at the earliest.
    fn closing_parenthesis(&self, at: Option<u32>) -> u32 {
        let start = at.unwrap_or(0) as usize;
        self.text.sql[start..]
            .find(')')
            .map_or(at.unwrap_or(0), |n| (start + n) as u32)
    }
}

fn is_time_word(name: &str) -> bool {
    matches!(
        name,
        "current_timestamp" | "localtimestamp" | "localtime" | "current_time" | "current_date"
    )
}

fn precision(arguments: &[FunctionArg]) -> Option<i32> {
    match arguments {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(E::Value(value)))] => value
            .value
            .to_string()
            .parse::<i32>()
            .ok()
            .map(|d| d.clamp(0, 6)),
        _ => None,
    }
}

fn type_by_name(name: &str) -> Option<TypeId> {
    TypeId::ALL
        .iter()
        .copied()
        .find(|id| id.typname() == name && !matches!(id, TypeId::Unknown | TypeId::Void))
}

/// PostgreSQL's error for a call that means nothing.
pub(super) fn no_function(
    name: &str,
    types: &[TypeId],
    reason: Unresolved,
    at: Option<u32>,
) -> Box<SqlError> {
    let shown = format!("function {name}({})", type_names(types));
    let error = match reason {
        Unresolved::Unknown => {
            SqlError::new(state::UNDEFINED_FUNCTION, format!("{shown} does not exist")).with_hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            )
        }
        Unresolved::Ambiguous => {
            SqlError::new(state::AMBIGUOUS_FUNCTION, format!("{shown} is not unique")).with_hint(
                "Could not choose a best candidate function. You might need to add explicit type casts.",
            )
        }
    };
    place(error, at)
}
