//! `sum` of floats, in the precision of the argument and in the order of the rows.

use super::group_state::GroupState;
use super::output::column;
use crate::types::errors::float_overflow;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

macro_rules! sums {
    ($name:ident, $float:ty, $finish:ident, $sql_name:literal) => {
        #[doc = concat!("The sum of `", $sql_name, "`.")]
        pub(super) struct $name {
            sum: $float,
            is_present: bool,
        }

        impl Default for $name {
            fn default() -> Self {
                // -0.0 leaves every first value as it is.
                $name {
                    sum: -0.0,
                    is_present: false,
                }
            }
        }

        impl GroupState for $name {
            type Input = $float;

            #[inline]
            fn add(&mut self, value: $float) -> SqlResult<()> {
                let sum = self.sum + value;
                if sum.is_infinite() && !self.sum.is_infinite() && !value.is_infinite() {
                    return Err(float_overflow());
                }
                self.sum = sum;
                self.is_present = true;
                Ok(())
            }
        }

        #[doc = concat!("`sum(", $sql_name, ")`")]
        pub(super) fn $finish(states: &[$name]) -> SqlResult<Vector> {
            Ok(column(states, |s| s.is_present.then_some(s.sum)))
        }
    };
}

sums!(Float4Sum, f32, float4_sums, "real");
sums!(Float8Sum, f64, float8_sums, "double precision");
