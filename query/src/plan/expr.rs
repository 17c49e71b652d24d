//! Typed expressions. Every argument already has the type its function wants: the binder inserted
//! the casts.

use alloc::boxed::Box;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};
use vireo_abi::datum::Datum;
use vireo_abi::sql_type::SqlType;

/// An index into `functions::FUNCTIONS`: a scalar function or operator with fixed argument types.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[rkyv(derive(Debug))]
pub struct FunctionId(pub u16);

/// An index into `aggregates::AGGREGATES`.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[rkyv(derive(Debug))]
pub struct AggregateId(pub u16);

/// An expression over the columns of its input chunk.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
#[rkyv(derive(Debug))]
pub enum Expr {
    /// Column of the input.
    Column {
        /// Position.
        index: u16,
        /// Type.
        sql_type: SqlType,
    },
    /// A constant.
    Constant {
        /// Value.
        value: Datum,
        /// Type.
        sql_type: SqlType,
    },
    /// Parameter `$index + 1`.
    Parameter {
        /// From 0.
        index: u16,
        /// Type.
        sql_type: SqlType,
    },
    /// A function or operator.
    Call {
        /// Which.
        function: FunctionId,
        /// Arguments, of the function's argument types.
        #[rkyv(omit_bounds)]
        arguments: Vec<Expr>,
        /// Result type.
        sql_type: SqlType,
    },
    /// A cast (also the enforcement of a typmod).
    Cast {
        /// What.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// To what.
        sql_type: SqlType,
        /// Written by the user (`varchar(3)` then truncates) or implied (then it is an error).
        is_explicit: bool,
    },
    /// AND of two or more, in SQL's three-valued logic; operands are evaluated left to right only
    /// where those before are not false.
    And(#[rkyv(omit_bounds)] Vec<Expr>),
    /// OR of two or more.
    Or(#[rkyv(omit_bounds)] Vec<Expr>),
    /// NOT.
    Not(#[rkyv(omit_bounds)] Box<Expr>),
    /// `IS [NOT] NULL`.
    IsNull {
        /// What.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// IS NOT NULL.
        is_negated: bool,
    },
    /// `IS [NOT] TRUE`, `IS [NOT] FALSE` (UNKNOWN is `IsNull`).
    IsBool {
        /// What.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// TRUE or FALSE.
        value: bool,
        /// NOT.
        is_negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`; both sides of one type.
    IsDistinct {
        /// Left.
        #[rkyv(omit_bounds)]
        left: Box<Expr>,
        /// Right.
        #[rkyv(omit_bounds)]
        right: Box<Expr>,
        /// IS NOT DISTINCT FROM.
        is_negated: bool,
    },
    /// Searched CASE (the simple form is bound to equalities). Branches are evaluated only where they are reached.
    Case {
        /// WHEN, THEN.
        #[rkyv(omit_bounds)]
        branches: Vec<(Expr, Expr)>,
        /// ELSE; absent: NULL.
        #[rkyv(omit_bounds)]
        otherwise: Option<Box<Expr>>,
        /// Result type.
        sql_type: SqlType,
    },
    /// COALESCE.
    Coalesce {
        /// Arguments of the result type.
        #[rkyv(omit_bounds)]
        arguments: Vec<Expr>,
        /// Result type.
        sql_type: SqlType,
    },
    /// GREATEST or LEAST.
    Extreme {
        /// Arguments of the result type.
        #[rkyv(omit_bounds)]
        arguments: Vec<Expr>,
        /// GREATEST; else LEAST.
        is_greatest: bool,
        /// Result type.
        sql_type: SqlType,
    },
    /// `[NOT] IN` a list; all of one type.
    InList {
        /// What.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// In what.
        #[rkyv(omit_bounds)]
        list: Vec<Expr>,
        /// NOT IN.
        is_negated: bool,
    },
}

impl Expr {
    /// The type of the result.
    pub fn sql_type(&self) -> SqlType {
        use vireo_abi::sql_type::TypeId;
        match self {
            Expr::Column { sql_type, .. }
            | Expr::Constant { sql_type, .. }
            | Expr::Parameter { sql_type, .. }
            | Expr::Call { sql_type, .. }
            | Expr::Cast { sql_type, .. }
            | Expr::Case { sql_type, .. }
            | Expr::Coalesce { sql_type, .. }
            | Expr::Extreme { sql_type, .. } => *sql_type,
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::IsBool { .. }
            | Expr::IsDistinct { .. }
            | Expr::InList { .. } => SqlType::plain(TypeId::Bool),
        }
    }
}

/// One aggregate of an aggregation.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct AggregateCall {
    /// Which.
    pub aggregate: AggregateId,
    /// Arguments over the input; none for `count(*)`.
    pub arguments: Vec<Expr>,
    /// DISTINCT.
    pub is_distinct: bool,
    /// FILTER (WHERE …).
    pub filter: Option<Expr>,
    /// Result type.
    pub sql_type: SqlType,
}

/// One key of a sort.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct SortKey {
    /// By what.
    pub expr: Expr,
    /// DESC.
    pub is_descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}
