//! The table of scalar functions: its entries' type, and the families' tables put together.

use super::{
    age, comparison, concat, date_arith, date_make, date_parts, date_trunc, encoding, float_ops,
    integer_ops, like, math, numeric_ops, strings, system, text_case, text_parts,
};
use crate::settings::EvalContext;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId;

/// Whether the same arguments always give the same result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Volatility {
    /// Always.
    Immutable,
    /// Within one statement.
    Stable,
    /// Not even that.
    Volatile,
}

/// A function over whole vectors of `rows` rows.
pub type Kernel = fn(&EvalContext, &[Vector], usize) -> SqlResult<Vector>;

/// One scalar function with fixed argument types.
#[derive(Clone, Copy)]
pub struct ScalarFunction {
    /// PostgreSQL's name.
    pub name: &'static str,
    /// The operator that it implements, prefix where it has one argument; empty: none.
    pub operator: &'static str,
    /// Argument types.
    pub arguments: &'static [TypeId],
    /// Whether the last argument may be repeated, with values of any type (shown as text).
    pub is_variadic: bool,
    /// Result type.
    pub returns: TypeId,
    /// Volatility.
    pub volatility: Volatility,
    /// The code.
    pub kernel: Kernel,
}

impl ScalarFunction {
    /// A function.
    pub(super) const fn new(
        name: &'static str,
        arguments: &'static [TypeId],
        returns: TypeId,
        kernel: Kernel,
    ) -> ScalarFunction {
        ScalarFunction {
            name,
            operator: "",
            arguments,
            is_variadic: false,
            returns,
            volatility: Volatility::Immutable,
            kernel,
        }
    }

    /// The same as an operator too.
    pub(super) const fn operator(mut self, symbol: &'static str) -> ScalarFunction {
        self.operator = symbol;
        self
    }

    /// The same with the last argument repeated at will.
    pub(super) const fn variadic(mut self) -> ScalarFunction {
        self.is_variadic = true;
        self
    }

    /// The same depending on settings or the statement.
    pub(super) const fn stable(mut self) -> ScalarFunction {
        self.volatility = Volatility::Stable;
        self
    }

    /// The same never twice.
    pub(super) const fn volatile(mut self) -> ScalarFunction {
        self.volatility = Volatility::Volatile;
        self
    }
}

/// The families, in the order of function ids.
const FAMILIES: &[&[&[ScalarFunction]]] = &[
    integer_ops::TABLES,
    float_ops::TABLES,
    numeric_ops::TABLES,
    comparison::TABLES,
    math::TABLES,
    concat::TABLES,
    like::TABLES,
    strings::TABLES,
    text_case::TABLES,
    text_parts::TABLES,
    encoding::TABLES,
    date_arith::TABLES,
    date_parts::TABLES,
    date_trunc::TABLES,
    age::TABLES,
    date_make::TABLES,
    system::TABLES,
];

const COUNT: usize = {
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        let mut table = 0;
        while table < FAMILIES[family].len() {
            count += FAMILIES[family][table].len();
            table += 1;
        }
        family += 1;
    }
    count
};

const fn joined() -> [ScalarFunction; COUNT] {
    let mut all = [integer_ops::TABLES[0][0]; COUNT];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut table = 0;
        while table < FAMILIES[family].len() {
            let functions = FAMILIES[family][table];
            let mut i = 0;
            while i < functions.len() {
                all[at] = functions[i];
                at += 1;
                i += 1;
            }
            table += 1;
        }
        family += 1;
    }
    all
}

static ALL: [ScalarFunction; COUNT] = joined();

/// Every scalar function; a [`crate::plan::FunctionId`] is an index into it.
pub static FUNCTIONS: &[ScalarFunction] = &ALL;
