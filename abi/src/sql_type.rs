//! SQL types as they cross edges: the type's identity, its modifier, and its physical kind.
//!
//! Identity and modifier are PostgreSQL's (`pg_type.oid`, `atttypmod`), so that a
//! `RowDescription` is a copy of what stands here.

use rkyv::{Archive, Deserialize, Serialize};

macro_rules! types {
    ($($(#[$doc:meta])* $id:ident = $code:literal, $oid:literal, $len:literal, $kind:ident, $name:literal, $sql:literal;)*) => {
        /// The identity of a SQL type.
        #[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[rkyv(compare(PartialEq), derive(Debug))]
        #[repr(u8)]
        pub enum TypeId { $($(#[$doc])* $id = $code,)* }

        impl TypeId {
            /// Every type, in the order of their codes.
            pub const ALL: &'static [TypeId] = &[$(TypeId::$id,)*];
            /// PostgreSQL's `pg_type.oid`.
            pub const fn oid(self) -> u32 { match self { $(TypeId::$id => $oid,)* } }
            /// PostgreSQL's `pg_type.typlen`: bytes, or -1 for a varying length.
            pub const fn typlen(self) -> i16 { match self { $(TypeId::$id => $len,)* } }
            /// How a vector holds values of this type.
            pub const fn kind(self) -> Kind { match self { $(TypeId::$id => Kind::$kind,)* } }
            /// PostgreSQL's internal name (`pg_type.typname`): `int4`.
            pub const fn typname(self) -> &'static str { match self { $(TypeId::$id => $name,)* } }
            /// The SQL name as PostgreSQL's messages show it (`format_type`): `integer`.
            pub const fn sql_name(self) -> &'static str { match self { $(TypeId::$id => $sql,)* } }
            /// The type with this `pg_type.oid`.
            pub const fn from_oid(oid: u32) -> Option<TypeId> { match oid { $($oid => Some(TypeId::$id),)* _ => None } }
            /// The type with this code, as stored on disk.
            pub const fn from_code(code: u8) -> Option<TypeId> { match code { $($code => Some(TypeId::$id),)* _ => None } }
        }
    };
}

types! {
    /// `boolean`
    Bool = 1, 16, 1, Bool, "bool", "boolean";
    /// `smallint`
    Int2 = 2, 21, 2, Int2, "int2", "smallint";
    /// `integer`
    Int4 = 3, 23, 4, Int4, "int4", "integer";
    /// `bigint`
    Int8 = 4, 20, 8, Int8, "int8", "bigint";
    /// `real`
    Float4 = 5, 700, 4, Float4, "float4", "real";
    /// `double precision`
    Float8 = 6, 701, 8, Float8, "float8", "double precision";
    /// `numeric`; its bytes are `query::numeric`'s encoding
    Numeric = 7, 1700, -1, Bytes, "numeric", "numeric";
    /// `text`
    Text = 8, 25, -1, Bytes, "text", "text";
    /// `varchar(n)`
    Varchar = 9, 1043, -1, Bytes, "varchar", "character varying";
    /// `char(n)`; held padded with spaces, as PostgreSQL holds it
    Bpchar = 10, 1042, -1, Bytes, "bpchar", "character";
    /// `bytea`
    Bytea = 11, 17, -1, Bytes, "bytea", "bytea";
    /// `date`: days since 2000-01-01; i32::MIN and MAX are -infinity and infinity
    Date = 12, 1082, 4, Int4, "date", "date";
    /// `time`: microseconds since midnight
    Time = 13, 1083, 8, Int8, "time", "time without time zone";
    /// `timestamp`: microseconds since 2000-01-01; i64::MIN and MAX are the infinities
    Timestamp = 14, 1114, 8, Int8, "timestamp", "timestamp without time zone";
    /// `timestamptz`: as `timestamp`, in UTC
    Timestamptz = 15, 1184, 8, Int8, "timestamptz", "timestamp with time zone";
    /// `interval`
    Interval = 16, 1186, 16, Interval, "interval", "interval";
    /// `uuid`
    Uuid = 17, 2950, 16, Uuid, "uuid", "uuid";
    /// `name`: text of at most 63 bytes
    Name = 18, 19, 64, Bytes, "name", "name";
    /// `oid`: an unsigned 32-bit number, held as a bigint
    Oid = 19, 26, 4, Int8, "oid", "oid";
    /// The type of a literal or parameter that nothing has decided yet; held as text
    Unknown = 20, 705, -2, Bytes, "unknown", "unknown";
    /// The result of a function that returns nothing; held as text
    Void = 21, 2278, 4, Bytes, "void", "void";
}

/// How a vector holds values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `i16`
    Int2,
    /// `i32`
    Int4,
    /// `i64`
    Int8,
    /// `f32`
    Float4,
    /// `f64`
    Float8,
    /// [`crate::datum::Interval`]
    Interval,
    /// 16 bytes
    Uuid,
    /// bytes of any length: text, bytea, numeric
    Bytes,
}

/// A SQL type with its modifier.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[rkyv(derive(Debug))]
pub struct SqlType {
    /// The identity.
    pub id: TypeId,
    /// PostgreSQL's `atttypmod`: -1 for none; n + 4 for `varchar(n)` and `char(n)`;
    /// (precision << 16 | scale) + 4 for `numeric(p, s)`; fractional digits for times.
    pub typmod: i32,
}

impl SqlType {
    /// The type without a modifier.
    pub const fn plain(id: TypeId) -> SqlType {
        SqlType { id, typmod: -1 }
    }

    /// How a vector holds values of this type.
    pub const fn kind(self) -> Kind {
        self.id.kind()
    }
}

impl From<TypeId> for SqlType {
    fn from(id: TypeId) -> SqlType {
        SqlType::plain(id)
    }
}
