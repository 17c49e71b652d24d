//! The C memory functions, as fast as libc's: the compiler calls them for every move of bytes.
//!
//! An image has no libc. With a byte-wise `memcmp` and a bare `rep movsb` the SQL parser ran three
//! times slower than on the host, so these are written for the lengths that matter:
//!
//! ```text
//!  copy     up to 32: two overlapping loads of 1, 2, 4, 8 or 16 bytes
//!           up to 256: overlapping 32-byte loads, all before the first store, so that overlap
//!           needs no thought
//!           more: 128 bytes a step, stores aligned; `rep movsb` from REP_SIZE_MIN on
//!  fill     the same with stores alone
//!  compare  up to 32: overlapping big-endian words; more: 32 bytes a step
//! ```
//!
//! They use AVX2, which the images are built for. Loops are assembly or vector intrinsics: a plain
//! loop would be recognised as what it is and compiled into a call of itself.
//!
//! Here they have names of their own; the feature `guest` exports them under the C names.

mod compare;
mod copy;
mod fill;
#[cfg(feature = "guest")]
mod symbols;
#[cfg(test)]
mod tests;

pub use compare::{compare, differ, string_length};
pub use copy::copy;
pub use fill::fill;
