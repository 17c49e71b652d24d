//! The types of `$1`, `$2`, …: given by the client, or found from where they stand.
//!
//! A parameter without a type is an [`Expr::Parameter`] of type unknown, like a literal in quotes. The first
//! context that wants a type decides it; a later, different wish meets a parameter that has a type already.

use alloc::format;
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::text::place;
use crate::plan::Expr;

/// The most parameters that a statement has: the protocol counts them in 16 bits.
const COUNT_MAX: usize = 65_535;

/// The parameters of a statement.
#[derive(Default, Debug)]
pub(super) struct Parameters {
    types: Vec<Option<SqlType>>,
}

impl Parameters {
    /// From the type oids that the client gave; 0: to be found.
    ///
    /// # Errors
    /// 42704 for an oid that is no type.
    pub(super) fn new(oids: &[u32]) -> SqlResult<Parameters> {
        let mut types = Vec::with_capacity(oids.len());
        for &oid in oids {
            types.push(match TypeId::from_oid(oid) {
                None if oid == 0 => None,
                Some(TypeId::Unknown) => None,
                Some(id) => Some(SqlType::plain(id)),
                None => {
                    return Err(SqlError::new(
                        state::UNDEFINED_OBJECT,
                        format!("type with OID {oid} does not exist"),
                    ));
                }
            });
        }
        Ok(Parameters { types })
    }

    /// A reference `$n`, given as its text.
    ///
    /// # Errors
    /// 42P02 for a number that is out of range.
    pub(super) fn reference(&mut self, text: &str, at: Option<u32>) -> SqlResult<Expr> {
        let number = text
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|n| (1..=COUNT_MAX).contains(n));
        let Some(number) = number else {
            let error = SqlError::new(
                state::UNDEFINED_PARAMETER,
                format!("there is no parameter {text}"),
            );
            return Err(place(error, at));
        };
        if self.types.len() < number {
            self.types.resize(number, None);
        }
        let sql_type = self.types[number - 1].unwrap_or(SqlType::plain(TypeId::Unknown));
        Ok(Expr::Parameter {
            index: (number - 1) as u16,
            sql_type,
        })
    }

    /// Decides the type of a parameter that had none when it was met.
    ///
    /// # Errors
    /// 42P08 when it has been decided otherwise since.
    pub(super) fn decide(&mut self, index: u16, id: TypeId, at: Option<u32>) -> SqlResult<Expr> {
        let slot = &mut self.types[usize::from(index)];
        let decided = *slot.get_or_insert(SqlType::plain(id));
        if decided.id != id {
            let error = SqlError::new(
                state::AMBIGUOUS_PARAMETER,
                format!("inconsistent types deduced for parameter ${}", index + 1),
            )
            .with_detail(format!(
                "{} versus {}",
                decided.id.sql_name(),
                id.sql_name()
            ));
            return Err(place(error, at));
        }
        Ok(Expr::Parameter {
            index,
            sql_type: decided,
        })
    }

    /// Every parameter's type.
    ///
    /// # Errors
    /// 42P18 when one was never decided.
    pub(super) fn finish(&self) -> SqlResult<Vec<SqlType>> {
        let mut types = Vec::with_capacity(self.types.len());
        for (index, sql_type) in self.types.iter().enumerate() {
            match sql_type {
                Some(sql_type) => types.push(*sql_type),
                None => {
                    return Err(SqlError::new(
                        state::INDETERMINATE_DATATYPE,
                        format!("could not determine data type of parameter ${}", index + 1),
                    ));
                }
            }
        }
        Ok(types)
    }

    /// Whether any was referred to.
    pub(super) fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}
