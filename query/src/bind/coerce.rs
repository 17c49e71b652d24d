//! From the type an expression has to the type that its place wants.
//!
//! A literal in quotes has the type unknown until a place wants a type; then it is read by that type's
//! input function at once where the result depends on nothing else, and otherwise when the statement
//! runs (dates in words, times with a zone: they depend on the session's settings and the clock).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::Binder;
use super::fold;
use super::text::place;
use crate::plan::Expr;
use crate::types::cast::{self, CastContext};
use crate::types::input;

/// An expression and where it is in the text.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    /// The expression.
    pub(super) expr: Expr,
    /// Where it begins.
    pub(super) at: Option<u32>,
}

impl Typed {
    /// The type's identity.
    pub(super) fn id(&self) -> TypeId {
        self.expr.sql_type().id
    }

    /// Whether nothing has decided its type yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.id() == TypeId::Unknown
    }
}

/// PostgreSQL's categories of types, for finding a common type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Category {
    Boolean,
    Numeric,
    String,
    DateTime,
    Timespan,
    User,
    Unknown,
}

fn category(id: TypeId) -> Category {
    use TypeId as T;
    match id {
        T::Bool => Category::Boolean,
        T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric | T::Oid => {
            Category::Numeric
        }
        T::Text | T::Varchar | T::Bpchar | T::Name => Category::String,
        T::Date | T::Time | T::Timestamp | T::Timestamptz => Category::DateTime,
        T::Interval => Category::Timespan,
        T::Bytea | T::Uuid | T::Void => Category::User,
        T::Unknown => Category::Unknown,
    }
}

fn is_preferred(id: TypeId) -> bool {
    use TypeId as T;
    matches!(
        id,
        T::Bool | T::Float8 | T::Text | T::Timestamptz | T::Interval | T::Oid
    )
}

/// PostgreSQL's `select_common_type`: one type for several expressions; unknown when all are.
///
/// # Errors
/// 42804 with `what` ("CASE", "UNION", …) in the message.
pub(super) fn common_type(items: &[Typed], what: &str) -> SqlResult<TypeId> {
    let mut chosen = TypeId::Unknown;
    for item in items {
        let id = item.id();
        if id == TypeId::Unknown || id == chosen {
            continue;
        }
        if chosen == TypeId::Unknown {
            chosen = id;
            continue;
        }
        if category(id) != category(chosen) {
            let error = SqlError::new(
                state::DATATYPE_MISMATCH,
                format!(
                    "{what} types {} and {} cannot be matched",
                    chosen.sql_name(),
                    id.sql_name()
                ),
            );
            return Err(place(error, item.at));
        }
        let is_implicit = |a, b| cast::find(a, b) == Some(CastContext::Implicit);
        if !is_preferred(chosen) && is_implicit(chosen, id) && !is_implicit(id, chosen) {
            chosen = id;
        }
    }
    Ok(chosen)
}

/// A type as messages show it, with its modifier.
pub(super) fn type_name(sql_type: SqlType) -> String {
    let name = sql_type.id.sql_name();
    let typmod = sql_type.typmod;
    match sql_type.id {
        TypeId::Varchar | TypeId::Bpchar if typmod >= 4 => format!("{name}({})", typmod - 4),
        TypeId::Numeric if typmod >= 4 => {
            format!("{name}({},{})", (typmod - 4) >> 16, (typmod - 4) & 0x7FF)
        }
        TypeId::Time | TypeId::Timestamp | TypeId::Timestamptz if typmod >= 0 => {
            let (word, rest) = name.split_once(' ').unwrap_or((name, ""));
            format!("{word}({typmod}) {rest}")
        }
        _ => String::from(name),
    }
}

impl Binder<'_> {
    /// The expression as a type, if a cast of this strength is allowed; none if there is no such cast.
    ///
    /// # Errors
    /// Those of a literal's input function, and 42P08.
    pub(super) fn try_coerce(
        &mut self,
        typed: Typed,
        target: SqlType,
        context: CastContext,
    ) -> SqlResult<Result<Expr, Typed>> {
        let from = typed.expr.sql_type();
        if from.id == TypeId::Unknown {
            return self.decide(typed, target, context).map(Ok);
        }
        if from.id == target.id {
            return Ok(Ok(self.apply_modifier(typed.expr, target, context)));
        }
        match cast::find(from.id, target.id) {
            Some(needed) if needed <= context => {}
            _ => return Ok(Err(typed)),
        }
        // A cast first converts, then applies the modifier as if that was asked for the same way.
        let plain = SqlType::plain(target.id);
        let is_explicit = context == CastContext::Explicit;
        let sql_type = if target.typmod >= 0 { target } else { plain };
        Ok(Ok(fold::cast(
            typed.expr,
            sql_type,
            is_explicit,
            &self.eval,
        )))
    }

    /// The expression as a type.
    ///
    /// # Errors
    /// 42846 when there is no such cast, and those of [`Binder::try_coerce`].
    pub(super) fn coerce(
        &mut self,
        typed: Typed,
        target: SqlType,
        context: CastContext,
    ) -> SqlResult<Expr> {
        match self.try_coerce(typed, target, context)? {
            Ok(expr) => Ok(expr),
            Err(typed) => {
                let error = SqlError::new(
                    state::CANNOT_COERCE,
                    format!(
                        "cannot cast type {} to {}",
                        typed.id().sql_name(),
                        target.id.sql_name()
                    ),
                );
                Err(place(error, typed.at))
            }
        }
    }

    /// The value for a column, by an assignment cast.
    ///
    /// # Errors
    /// 42804 when the type does not fit.
    pub(super) fn assign(
        &mut self,
        typed: Typed,
        target: SqlType,
        column: &str,
    ) -> SqlResult<Expr> {
        match self.try_coerce(typed, target, CastContext::Assignment)? {
            Ok(expr) => Ok(expr),
            Err(typed) => {
                let error = SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "column \"{column}\" is of type {} but expression is of type {}",
                        target.id.sql_name(),
                        typed.id().sql_name()
                    ),
                )
                .with_hint("You will need to rewrite or cast the expression.");
                Err(place(error, typed.at))
            }
        }
    }

    /// The expression as a boolean for WHERE and the like.
    ///
    /// # Errors
    /// 42804.
    pub(super) fn boolean(&mut self, typed: Typed, what: &str) -> SqlResult<Expr> {
        let target = SqlType::plain(TypeId::Bool);
        match self.try_coerce(typed, target, CastContext::Implicit)? {
            Ok(expr) => Ok(expr),
            Err(typed) => {
                let error = SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "argument of {what} must be type boolean, not type {}",
                        typed.id().sql_name()
                    ),
                );
                Err(place(error, typed.at))
            }
        }
    }

    /// What is still unknown becomes text, as in a result column.
    ///
    /// # Errors
    /// 42P08.
    pub(super) fn settle(&mut self, typed: Typed) -> SqlResult<Expr> {
        if typed.is_unknown() {
            self.coerce(typed, SqlType::plain(TypeId::Text), CastContext::Implicit)
        } else {
            Ok(typed.expr)
        }
    }

    /// Gives an unknown literal or parameter its type.
    fn decide(&mut self, typed: Typed, target: SqlType, context: CastContext) -> SqlResult<Expr> {
        match typed.expr {
            Expr::Constant {
                value: Datum::Null, ..
            } => Ok(Expr::Constant {
                value: Datum::Null,
                sql_type: target,
            }),
            Expr::Constant {
                value: Datum::Bytes(bytes),
                ..
            } => {
                let text = String::from_utf8(bytes).unwrap_or_default();
                self.literal(text, target, context, typed.at)
            }
            Expr::Parameter { index, .. } => {
                let parameter = self.parameters.decide(index, target.id, typed.at)?;
                Ok(self.apply_modifier(parameter, target, context))
            }
            other => Ok(fold::cast(
                other,
                target,
                context == CastContext::Explicit,
                &self.eval,
            )),
        }
    }

    /// A literal of a type.
    fn literal(
        &mut self,
        text: String,
        target: SqlType,
        context: CastContext,
        at: Option<u32>,
    ) -> SqlResult<Expr> {
        let plain = SqlType::plain(target.id);
        if !is_settled_text(target.id, &text) {
            let operand = Expr::Constant {
                value: Datum::Bytes(text.into_bytes()),
                sql_type: SqlType::plain(TypeId::Unknown),
            };
            let read = Expr::Cast {
                operand: Box::new(operand),
                sql_type: plain,
                is_explicit: context == CastContext::Explicit,
            };
            return Ok(self.apply_modifier(read, target, context));
        }
        let value =
            input::parse_text(plain, &text, &self.eval).map_err(|error| place(error, at))?;
        let constant = Expr::Constant {
            value,
            sql_type: plain,
        };
        Ok(self.apply_modifier(constant, target, context))
    }

    /// The length, precision or scale of a type, applied to a value that is of the type otherwise.
    fn apply_modifier(&mut self, expr: Expr, target: SqlType, context: CastContext) -> Expr {
        let has = expr.sql_type().typmod;
        if target.typmod < 0 || has == target.typmod {
            return expr;
        }
        fold::cast(expr, target, context == CastContext::Explicit, &self.eval)
    }
}

/// Whether the text of a literal means the same in every session and at every time.
fn is_settled_text(id: TypeId, text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_iso_date = || {
        bytes.len() >= 10
            && bytes[..4].iter().all(u8::is_ascii_digit)
            && bytes[4] == b'-'
            && bytes[5..7].iter().all(u8::is_ascii_digit)
            && bytes[7] == b'-'
            && bytes[8..10].iter().all(u8::is_ascii_digit)
    };
    let is_plain = |tail: &[u8]| {
        tail.iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b' ' | b'T'))
    };
    match id {
        TypeId::Date | TypeId::Timestamp => is_iso_date() && is_plain(&bytes[10..]),
        TypeId::Time => bytes.first().is_some_and(u8::is_ascii_digit) && is_plain(bytes),
        TypeId::Timestamptz => false,
        // A sign may mean another thing under IntervalStyle sql_standard.
        TypeId::Interval => !bytes.contains(&b'-'),
        _ => true,
    }
}
