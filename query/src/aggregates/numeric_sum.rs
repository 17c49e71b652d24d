//! `sum` and `avg` of numeric.
//!
//! A group's sum is an `i128` coefficient at the largest scale seen. When it would overflow, it moves to a
//! big number beside the states (the *spill*) and starts again from zero: the whole is the spill and
//! the small sum together. NaN and infinities are only noted.

use super::Accumulator;
use super::group_state::each_row;
use super::output::strings;
use crate::types::column::bytes;
use crate::types::numeric::{Decimal, Numeric, POW10};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::size_of;
use dashu_int::IBig;
use vireo_abi::chunk::{BytesColumn, Vector};
use vireo_abi::message::error::SqlResult;

/// Which values that are no finite numbers a group has seen.
#[derive(Clone, Copy, Default)]
pub(super) struct Specials {
    pub(super) has_nan: bool,
    pub(super) has_infinity: bool,
    pub(super) has_neg_infinity: bool,
}

impl Specials {
    /// Notes a value that is not finite.
    pub(super) fn note(&mut self, value: &Numeric) {
        match value {
            Numeric::NaN => self.has_nan = true,
            Numeric::Infinity => self.has_infinity = true,
            Numeric::NegInfinity => self.has_neg_infinity = true,
            Numeric::Finite(_) => {}
        }
    }

    /// The sum, if it is not finite.
    fn sum(self) -> Option<Numeric> {
        match (self.has_nan, self.has_infinity, self.has_neg_infinity) {
            (false, false, false) => None,
            (false, true, false) => Some(Numeric::Infinity),
            (false, false, true) => Some(Numeric::NegInfinity),
            _ => Some(Numeric::NaN),
        }
    }
}

/// `value` × 10^`digits`, if it fits.
#[inline]
pub(super) fn scale_up(value: i128, digits: u32) -> Option<i128> {
    if digits == 0 {
        return Some(value);
    }
    let factor = i128::try_from(*POW10.get(digits as usize)?).ok()?;
    value.checked_mul(factor)
}

/// One group: the values counted, their sum but for the spill.
#[derive(Default)]
struct State {
    sum: i128,
    count: u64,
    /// Index + 1 of the spill; 0: none.
    spill: u32,
    scale: u16,
    specials: Specials,
}

impl State {
    /// Adds a small value; none, and nothing changed, where it does not fit.
    #[inline]
    fn add_small(&mut self, value: i128, scale: u16) -> Option<()> {
        if scale <= self.scale {
            let value = scale_up(value, u32::from(self.scale - scale))?;
            self.sum = self.sum.checked_add(value)?;
        } else {
            let sum = scale_up(self.sum, u32::from(scale - self.scale))?;
            self.sum = sum.checked_add(value)?;
            self.scale = scale;
        }
        Some(())
    }
}

struct NumericSum {
    states: Vec<State>,
    spills: Vec<Decimal>,
    is_average: bool,
}

/// `sum(numeric)`
pub(super) fn sum() -> Box<dyn Accumulator> {
    accumulator(false)
}

/// `avg(numeric)`
pub(super) fn average() -> Box<dyn Accumulator> {
    accumulator(true)
}

fn accumulator(is_average: bool) -> Box<dyn Accumulator> {
    Box::new(NumericSum {
        states: Vec::new(),
        spills: Vec::new(),
        is_average,
    })
}

impl NumericSum {
    #[inline]
    fn add(&mut self, group: usize, value: &[u8]) {
        let state = &mut self.states[group];
        state.count += 1;
        match Numeric::decode(value) {
            Numeric::Finite(value) => {
                let small = i128::try_from(&value.coefficient).ok();
                if small
                    .and_then(|v| state.add_small(v, value.scale))
                    .is_none()
                {
                    self.spill(group, &value);
                }
            }
            special => state.specials.note(&special),
        }
    }

    /// Moves a group's sum and a value to the group's spill.
    #[cold]
    fn spill(&mut self, group: usize, value: &Decimal) {
        let state = &mut self.states[group];
        let moved = Decimal {
            coefficient: IBig::from(state.sum),
            scale: state.scale,
        };
        let moved = moved.plus(value);
        (state.sum, state.scale) = (0, 0);
        if state.spill == 0 {
            self.spills.push(moved);
            state.spill = self.spills.len() as u32; // groups are counted in u32 too
        } else {
            let spill = &mut self.spills[state.spill as usize - 1];
            *spill = spill.plus(&moved);
        }
    }

    fn total(&self, state: &State) -> SqlResult<Numeric> {
        if let Some(special) = state.specials.sum() {
            return Ok(special);
        }
        let small = Numeric::Finite(Decimal {
            coefficient: IBig::from(state.sum),
            scale: state.scale,
        });
        match state.spill {
            0 => Ok(small),
            index => Numeric::Finite(self.spills[index as usize - 1].clone()).add(&small),
        }
    }
}

impl Accumulator for NumericSum {
    fn resize(&mut self, groups: usize) {
        self.states.resize_with(groups, State::default);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        let values: &BytesColumn = bytes(&arguments[0]);
        let nulls = arguments[0].nulls.as_deref();
        each_row(groups, nulls, |group, row| {
            self.add(group, values.get(row));
            Ok(())
        })
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        strings(self.states.len(), |group, out| {
            let state = &self.states[group];
            if state.count == 0 {
                return Ok(false);
            }
            let mut result = self.total(state)?;
            if self.is_average {
                result = result.divide(&Numeric::from(i128::from(state.count)))?;
            }
            result.encode(out);
            Ok(true)
        })
    }

    fn memory(&self) -> usize {
        let words = |d: &Decimal| size_of_val(d.coefficient.as_sign_words().1);
        self.states.capacity() * size_of::<State>()
            + self.spills.capacity() * size_of::<Decimal>()
            + self.spills.iter().map(words).sum::<usize>()
    }
}
