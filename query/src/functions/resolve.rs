//! Which function a call means: PostgreSQL's rules of overload resolution (manual, chapter 10;
//! `func_select_candidate` in parse_func.c).
//!
//! 1. An exact match of all types wins (for operators a literal without a type counts as the other
//!    operand's type).
//! 2. Otherwise candidates to which the arguments can be cast implicitly remain; of these, those
//!    with most exact matches; then those with most exact or preferred types.
//! 3. Literals without a type take the category that the candidates agree on, strings winning.
//! 4. If the known arguments are all of one type, that type is tried for the unknown ones.

use super::table::{FUNCTIONS, ScalarFunction};
use crate::plan::FunctionId;
use crate::types::cast::{self, CastContext};
use alloc::vec::Vec;
use vireo_abi::sql_type::{SqlType, TypeId};

/// Why a call means no function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unresolved {
    /// No candidate fits.
    Unknown,
    /// Several fit equally well.
    Ambiguous,
}

/// What a call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The function.
    pub id: FunctionId,
    /// The types to which the arguments are to be cast, one for each argument given.
    pub arguments: Vec<TypeId>,
    /// The type of the result.
    pub returns: SqlType,
}

/// One overload: its index and its argument types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Index in its table.
    pub(crate) index: usize,
    /// Argument types.
    pub(crate) arguments: &'static [TypeId],
}

/// PostgreSQL's type categories (`pg_type.typcategory`) and whether a type is its category's preferred one.
fn category(ty: TypeId) -> (u8, bool) {
    match ty {
        TypeId::Bool => (b'B', true),
        TypeId::Int2 | TypeId::Int4 | TypeId::Int8 | TypeId::Float4 | TypeId::Numeric => {
            (b'N', false)
        }
        TypeId::Float8 | TypeId::Oid => (b'N', true),
        TypeId::Text => (b'S', true),
        TypeId::Varchar | TypeId::Bpchar | TypeId::Name => (b'S', false),
        TypeId::Date | TypeId::Time | TypeId::Timestamp => (b'D', false),
        TypeId::Timestamptz => (b'D', true),
        TypeId::Interval => (b'T', true),
        TypeId::Bytea | TypeId::Uuid => (b'U', false),
        TypeId::Unknown => (b'X', false),
        TypeId::Void => (b'P', false),
    }
}

fn can_coerce(from: TypeId, to: TypeId) -> bool {
    from == to
        || from == TypeId::Unknown
        || cast::find(from, to).is_some_and(|context| context == CastContext::Implicit)
}

/// Keeps the candidates with the highest score.
fn keep_best(candidates: &mut Vec<Candidate>, score: impl Fn(&Candidate) -> usize) {
    let best = candidates.iter().map(&score).max().unwrap_or(0);
    candidates.retain(|c| score(c) == best);
}

/// The category of an unknown argument and whether its preferred type is among the candidates'.
fn unknown_category(candidates: &[Candidate], i: usize) -> Option<(u8, bool)> {
    let mut chosen: Option<(u8, bool)> = None;
    let mut has_conflict = false;
    for candidate in candidates {
        let (current, is_preferred) = category(candidate.arguments[i]);
        match &mut chosen {
            None => chosen = Some((current, is_preferred)),
            Some((known, has_preferred)) if *known == current => *has_preferred |= is_preferred,
            Some(known) if current == b'S' => *known = (current, is_preferred),
            Some(_) => has_conflict = true,
        }
    }
    chosen.filter(|(known, _)| !has_conflict || *known == b'S')
}

/// Narrows by the categories of the arguments of unknown type (rule 3).
fn narrow_unknown(candidates: &mut Vec<Candidate>, arguments: &[TypeId]) {
    let mut categories = Vec::with_capacity(arguments.len());
    for (i, argument) in arguments.iter().enumerate() {
        if *argument != TypeId::Unknown {
            categories.push(None);
            continue;
        }
        match unknown_category(candidates, i) {
            Some(found) => categories.push(Some(found)),
            None => return,
        }
    }
    let fits = |c: &Candidate| {
        categories.iter().zip(c.arguments).all(|(wanted, ty)| {
            wanted.is_none_or(|(wanted, has_preferred)| {
                let (current, is_preferred) = category(*ty);
                current == wanted && (!has_preferred || is_preferred)
            })
        })
    };
    if candidates.iter().any(fits) {
        candidates.retain(fits);
    }
}

/// Chooses among overloads with the right number of arguments, when none matches exactly.
pub(crate) fn select(
    mut candidates: Vec<Candidate>,
    arguments: &[TypeId],
) -> Result<Candidate, Unresolved> {
    candidates.retain(|c| {
        arguments
            .iter()
            .zip(c.arguments)
            .all(|(from, to)| can_coerce(*from, *to))
    });
    if candidates.is_empty() {
        return Err(Unresolved::Unknown);
    }
    let known = |c: &Candidate, f: &dyn Fn(TypeId, TypeId) -> bool| {
        let pairs = arguments.iter().zip(c.arguments);
        pairs
            .filter(|(from, to)| **from != TypeId::Unknown && f(**from, **to))
            .count()
    };
    keep_best(&mut candidates, |c| known(c, &|from, to| from == to));
    if candidates.len() > 1 {
        keep_best(&mut candidates, |c| {
            known(c, &|from, to| {
                from == to || category(to) == (category(from).0, true)
            })
        });
    }
    if candidates.len() > 1 && arguments.contains(&TypeId::Unknown) {
        narrow_unknown(&mut candidates, arguments);
        let mut types = arguments.iter().filter(|t| **t != TypeId::Unknown);
        if candidates.len() > 1
            && let Some(first) = types.next()
            && types.all(|t| t == first)
        {
            let mut fitting = candidates
                .iter()
                .filter(|c| c.arguments.iter().all(|to| can_coerce(*first, *to)));
            if let (Some(only), None) = (fitting.next().copied(), fitting.next()) {
                return Ok(only);
            }
        }
    }
    match candidates.as_slice() {
        [only] => Ok(*only),
        _ => Err(Unresolved::Ambiguous),
    }
}

fn found(index: usize, arguments: Vec<TypeId>) -> Resolved {
    let function: &ScalarFunction = &FUNCTIONS[index];
    Resolved {
        id: FunctionId(index as u16), // the table is far below 65536 entries
        arguments,
        returns: SqlType::plain(function.returns),
    }
}

/// The type in which a variadic function wants an argument of any type. `boolean` and `char(n)` go as
/// they are, because their casts to text differ from what they look like.
fn variadic_type(ty: TypeId) -> TypeId {
    match ty {
        TypeId::Bool | TypeId::Bpchar => ty,
        _ => TypeId::Text,
    }
}

fn resolve_variadic(name: &str, arguments: &[TypeId]) -> Option<Resolved> {
    let (index, function) = FUNCTIONS
        .iter()
        .enumerate()
        .find(|(_, f)| f.is_variadic && f.name == name && f.arguments.len() <= arguments.len())?;
    let fixed = function.arguments.len() - 1;
    if !arguments
        .iter()
        .zip(&function.arguments[..fixed])
        .all(|(from, to)| can_coerce(*from, *to))
    {
        return None;
    }
    let mut types = function.arguments[..fixed].to_vec();
    types.extend(arguments[fixed..].iter().map(|t| variadic_type(*t)));
    Some(found(index, types))
}

/// Resolves a function call. `TypeId::Unknown` stands for a literal or parameter without a type.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve(name: &str, arguments: &[TypeId]) -> Result<Resolved, Unresolved> {
    let mut candidates = Vec::new();
    for (index, function) in FUNCTIONS.iter().enumerate() {
        if function.name != name
            || function.is_variadic
            || function.arguments.len() != arguments.len()
        {
            continue;
        }
        if function.arguments == arguments {
            return Ok(found(index, arguments.to_vec()));
        }
        candidates.push(Candidate {
            index,
            arguments: function.arguments,
        });
    }
    if candidates.is_empty() {
        return resolve_variadic(name, arguments).ok_or(Unresolved::Unknown);
    }
    select(candidates, arguments).map(|c| found(c.index, c.arguments.to_vec()))
}

/// Resolves an operator; prefix when there is no left operand.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve_operator(
    symbol: &str,
    left: Option<TypeId>,
    right: TypeId,
) -> Result<Resolved, Unresolved> {
    let symbol = if symbol == "!=" { "<>" } else { symbol };
    let given: Vec<TypeId> = left.into_iter().chain([right]).collect();
    let exact: Vec<TypeId> = match given.as_slice() {
        [TypeId::Unknown, known] | [known, TypeId::Unknown] => alloc::vec![*known, *known],
        other => other.to_vec(),
    };
    let mut candidates = Vec::new();
    for (index, function) in FUNCTIONS.iter().enumerate() {
        if function.operator != symbol || function.arguments.len() != given.len() {
            continue;
        }
        if function.arguments == exact.as_slice() {
            return Ok(found(index, exact));
        }
        candidates.push(Candidate {
            index,
            arguments: function.arguments,
        });
    }
    select(candidates, &given).map(|c| found(c.index, c.arguments.to_vec()))
}
