//! One value, for constants and parameters. Rows in bulk are [`crate::chunk`]s.

use crate::sql_type::Kind;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};

/// An `interval`, with PostgreSQL's three fields that do not convert into each other.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[rkyv(derive(Debug))]
#[repr(C)]
pub struct Interval {
    /// Months, years included.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds, hours included.
    pub micros: i64,
}

/// One value by its physical kind; the [`crate::sql_type::SqlType`] beside it says what it means.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub enum Datum {
    /// SQL NULL, of any type.
    Null,
    /// [`Kind::Bool`]
    Bool(bool),
    /// [`Kind::Int2`]
    Int2(i16),
    /// [`Kind::Int4`]
    Int4(i32),
    /// [`Kind::Int8`]
    Int8(i64),
    /// [`Kind::Float4`]
    Float4(f32),
    /// [`Kind::Float8`]
    Float8(f64),
    /// [`Kind::Interval`]
    Interval(Interval),
    /// [`Kind::Uuid`]
    Uuid([u8; 16]),
    /// [`Kind::Bytes`]
    Bytes(Vec<u8>),
}

impl Datum {
    /// The physical kind; none for NULL.
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Datum::Null => return None,
            Datum::Bool(_) => Kind::Bool,
            Datum::Int2(_) => Kind::Int2,
            Datum::Int4(_) => Kind::Int4,
            Datum::Int8(_) => Kind::Int8,
            Datum::Float4(_) => Kind::Float4,
            Datum::Float8(_) => Kind::Float8,
            Datum::Interval(_) => Kind::Interval,
            Datum::Uuid(_) => Kind::Uuid,
            Datum::Bytes(_) => Kind::Bytes,
        })
    }

    /// Whether this is SQL NULL.
    pub const fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }
}
