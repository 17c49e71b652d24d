//! The shortest digits of a binary floating point number, as PostgreSQL chooses them.
//!
//! Every decimal between the middles of a number and its two neighbours reads back as that number. The middles
//! themselves do as well where the number's mantissa is even, because readers round ties to even. Ryu takes such a
//! middle if it is shorter; PostgreSQL's Ryu (`STRICTLY_SHORTEST` off in `d2s.c`) does not, so that readers with
//! another rule for ties get the number too: 336250929617148032 is 3.3625092961714803e+17, not 3.36250929617148e+17.
//!
//! So Ryu's digits are taken, and in the rare case that they are a middle the next best ones: the nearest decimal
//! with the fewest digits that lies strictly between the middles.

use alloc::format;
use alloc::string::String;

/// Digits of the longest shortest form.
const COUNT_MAX: usize = 17;
/// The largest power of five below 2^64, which is also above every mantissa's.
const POWER_MAX: i32 = 27;

/// A decimal: `digits` × 10^`exponent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Decimal {
    pub(super) digits: u64,
    pub(super) exponent: i32,
}

/// A binary number that is above zero, and finite: `mantissa` × 2^`exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binary {
    mantissa: u64,
    exponent: i32,
    /// The neighbour below is only half as far as the one above.
    is_power_of_two: bool,
}

impl Binary {
    pub(super) fn of_f64(value: f64) -> Binary {
        Self::new(value.to_bits(), 52, 0x7FF)
    }

    pub(super) fn of_f32(value: f32) -> Binary {
        Self::new(u64::from(value.to_bits()), 23, 0xFF)
    }

    fn new(bits: u64, fraction_bits: u32, exponent_mask: u64) -> Binary {
        let fraction = bits & ((1 << fraction_bits) - 1);
        let stored = (bits >> fraction_bits) & exponent_mask;
        let hidden = u64::from(stored > 0) << fraction_bits;
        let bias = (exponent_mask >> 1) as i32 + fraction_bits as i32;
        Binary {
            mantissa: fraction | hidden,
            exponent: stored.max(1) as i32 - bias,
            is_power_of_two: fraction == 0 && stored > 1,
        }
    }

    /// Whether a decimal is exactly in the middle between the number and a neighbour.
    pub(super) fn has_middle(self, decimal: Decimal) -> bool {
        if !self.mantissa.is_multiple_of(2) {
            return false;
        }
        let Some(found) = odd_part(decimal) else {
            return false;
        };
        let quarters = 4 * self.mantissa;
        let below = quarters - if self.is_power_of_two { 1 } else { 2 };
        [below, quarters + 2].iter().any(|middle| {
            let zeros = middle.trailing_zeros();
            found
                == (
                    u128::from(middle >> zeros),
                    self.exponent - 2 + zeros as i32,
                )
        })
    }
}

/// A decimal as an odd number times a power of two; none where that is no whole number, or one larger than any middle.
fn odd_part(decimal: Decimal) -> Option<(u128, i32)> {
    let Decimal { digits, exponent } = decimal;
    if digits == 0 || exponent.abs() > POWER_MAX {
        return None;
    }
    let power = 5_u64.pow(exponent.unsigned_abs());
    let whole = match exponent {
        0.. => u128::from(digits) * u128::from(power),
        _ if digits.is_multiple_of(power) => u128::from(digits / power),
        _ => return None,
    };
    let zeros = whole.trailing_zeros();
    Some((whole >> zeros, exponent + zeros as i32))
}

/// The nearest decimal to the number with the fewest digits, but no middle. `count`: digits of the middle that was found;
/// `rounded`: the number in C's form %.{}e for so many digits after the point; `reads_back`: whether a text reads as
/// the number.
pub(super) fn strictly_between(
    binary: Binary,
    count: usize,
    rounded: impl Fn(usize) -> String,
    reads_back: impl Fn(&str) -> bool,
) -> Option<Decimal> {
    (count..=COUNT_MAX).find_map(|count| {
        let nearest = scientific(&rounded(count - 1))?;
        // One of the nearest two may be a middle, and then the other need not be, below a power of two.
        let others = [1, -1].map(|step| Decimal {
            digits: nearest.digits.wrapping_add_signed(step),
            ..nearest
        });
        [nearest].into_iter().chain(others).find(|decimal| {
            let text = format!("{}e{}", decimal.digits, decimal.exponent);
            !binary.has_middle(*decimal) && reads_back(&text)
        })
    })
}

/// Reads "d.ddde-7".
fn scientific(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = text.split_once('e')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    Some(Decimal {
        digits: format!("{whole}{fraction}").parse().ok()?,
        exponent: exponent.parse::<i32>().ok()? - fraction.len() as i32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middles_are_found() {
        let check = |value: f64, digits, exponent, expected| {
            let decimal = Decimal { digits, exponent };
            assert_eq!(
                Binary::of_f64(value).has_middle(decimal),
                expected,
                "{value}"
            );
        };
        // Its neighbours are 64 away.
        check(336_250_929_617_148_032.0, 336_250_929_617_148, 3, true);
        check(336_250_929_617_148_032.0, 33_625_092_961_714_803, 1, false);
        check(336_250_929_617_148_032.0, 336_250_929_617_148_064, 0, true);
        check(0.5, 5, -1, false);
        check(1e300, 1, 300, false);
        check(5e-324, 5, -324, false);
    }
}
