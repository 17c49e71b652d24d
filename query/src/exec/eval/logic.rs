//! AND, OR and NOT in three-valued logic.

use super::{ExecContext, Input, Truth, Value};
use crate::plan::Expr;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::SqlResult;

/// The result of a chain of operands so far, for each row.
struct Outcome {
    truth: Vec<bool>,
    nulls: Vec<bool>,
    has_nulls: bool,
    /// The rows that no operand has decided; absent: all.
    open: Option<Vec<u32>>,
}

impl Outcome {
    /// Takes in the next operand, evaluated on the open rows. `decisive` is the value that decides.
    fn add(&mut self, operand: &Truth<'_>, decisive: bool) {
        let mut still_open = Vec::new();
        let count = self.open.as_ref().map_or(self.truth.len(), Vec::len);
        for index in 0..count {
            let row = self
                .open
                .as_ref()
                .map_or(index, |open| open[index] as usize);
            match operand.get(index) {
                Some(value) if value == decisive => {
                    self.truth[row] = decisive;
                    self.nulls[row] = false;
                }
                Some(_) => still_open.push(row as u32),
                None => {
                    self.nulls[row] = true;
                    self.has_nulls = true;
                    still_open.push(row as u32);
                }
            }
        }
        if still_open.len() < count {
            self.open = Some(still_open);
        }
    }

    fn finish(self) -> Vector {
        let Outcome {
            truth,
            nulls,
            has_nulls,
            ..
        } = self;
        Vector {
            values: Values::Bool(truth),
            nulls: has_nulls.then_some(nulls),
        }
    }
}

impl<'c> Input<'c> {
    /// AND, decided by false, or OR, decided by true.
    #[inline(never)]
    pub(super) fn logic(
        &self,
        operands: &'c [Expr],
        decisive: bool,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let mut outcome = Outcome {
            truth: vec![!decisive; self.rows],
            nulls: vec![false; self.rows],
            has_nulls: false,
            open: None,
        };
        let mut is_constant = true;
        for operand in operands {
            let mut selection = Vec::new();
            let input = match &outcome.open {
                None => *self,
                Some(open) if open.is_empty() => break,
                Some(open) => self.narrowed(open, &mut selection),
            };
            let value = input.value(operand, cx)?;
            is_constant &= value.is_constant();
            outcome.add(&Truth::of(&value)?, decisive);
        }
        let result = outcome.finish();
        Ok(if is_constant {
            Value::constant(result.take(&[0]))
        } else {
            Value::owned(result)
        })
    }

    #[inline(never)]
    pub(super) fn not(&self, operand: &'c Expr, cx: &'c ExecContext) -> SqlResult<Value<'c>> {
        let value = self.value(operand, cx)?;
        let truth = Truth::of(&value)?;
        let result = Vector {
            values: Values::Bool(truth.values.iter().map(|v| !v).collect()),
            nulls: truth.nulls.map(<[bool]>::to_vec),
        };
        Ok(if value.is_constant() {
            Value::constant(result)
        } else {
            Value::owned(result)
        })
    }
}
