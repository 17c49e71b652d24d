//! Which casts there are: PostgreSQL's `pg_cast` among the types of this crate, and conversions
//! by way of text.

use super::cast::CastContext::{self, Assignment, Explicit, Implicit};
use vireo_abi::sql_type::TypeId;

/// Whether a type holds character strings.
pub(crate) fn is_string(ty: TypeId) -> bool {
    matches!(
        ty,
        TypeId::Text
            | TypeId::Varchar
            | TypeId::Bpchar
            | TypeId::Name
            | TypeId::Unknown
            | TypeId::Void
    )
}

/// The entry of `pg_cast`.
fn entry(from: TypeId, to: TypeId) -> Option<CastContext> {
    use TypeId::{
        Bool, Bpchar, Date, Float4, Float8, Int2, Int4, Int8, Interval, Name, Numeric, Oid, Text,
        Time, Timestamp, Timestamptz, Varchar,
    };
    Some(match (from, to) {
        (Int2, Int4 | Int8 | Float4 | Float8 | Numeric | Oid) => Implicit,
        (Int4, Int8 | Float4 | Float8 | Numeric | Oid) => Implicit,
        (Int8, Float4 | Float8 | Numeric | Oid) => Implicit,
        (Numeric, Float4 | Float8) | (Float4, Float8) => Implicit,
        (Int4, Int2) | (Int8, Int2 | Int4) => Assignment,
        (Float4 | Float8 | Numeric, Int2 | Int4 | Int8) => Assignment,
        (Float8, Float4) | (Float4 | Float8, Numeric) => Assignment,
        (Oid, Int4 | Int8) => Assignment,
        (Bool, Int4) | (Int4, Bool) => Explicit,
        (Text | Varchar, Text | Varchar | Bpchar | Name) => Implicit,
        (Bpchar, Text | Varchar | Name) | (Name, Text) => Implicit,
        (Name, Varchar | Bpchar) => Assignment,
        (Date, Timestamp | Timestamptz) | (Timestamp, Timestamptz) | (Time, Interval) => Implicit,
        (Timestamp, Date | Time) | (Timestamptz, Date | Time | Timestamp) => Assignment,
        (Interval, Time) => Assignment,
        _ => return None,
    })
}

/// The weakest context in which the cast is allowed; none: there is no such cast.
pub fn find(from: TypeId, to: TypeId) -> Option<CastContext> {
    if from == to || from == TypeId::Unknown {
        return Some(Implicit);
    }
    if matches!(to, TypeId::Unknown | TypeId::Void) || from == TypeId::Void {
        return None;
    }
    entry(from, to).or(match (is_string(from), is_string(to)) {
        (_, true) => Some(Assignment),
        (true, false) => Some(Explicit),
        (false, false) => None,
    })
}
