//! `bool_and`, `bool_or`, `bit_and`, `bit_or`, `bit_xor`.

use super::dense::State;
use crate::types::column::Column;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::Kind;

/// The operation.
pub(super) const AND: u8 = 0;
pub(super) const OR: u8 = 1;
pub(super) const XOR: u8 = 2;

/// A type with bits.
pub(super) trait Bits: Column {
    /// Its kind.
    const KIND: Kind;
    /// `self` and, or, xor `other`.
    fn combine(self, other: Self, operation: u8) -> Self;
    /// As a datum.
    fn datum(self) -> Datum;
}

macro_rules! bits {
    ($($t:ty => $variant:ident),*) => {$(
        impl Bits for $t {
            const KIND: Kind = Kind::$variant;
            #[inline]
            fn combine(self, other: Self, operation: u8) -> Self {
                match operation {
                    AND => self & other,
                    OR => self | other,
                    _ => self ^ other,
                }
            }
            fn datum(self) -> Datum {
                Datum::$variant(self)
            }
        }
    )*};
}

bits!(bool => Bool, i16 => Int2, i32 => Int4, i64 => Int8);

/// All values combined.
#[derive(Clone, Default)]
pub(super) struct Combined<T, const OPERATION: u8> {
    value: Option<T>,
}

impl<T: Bits, const OPERATION: u8> State for Combined<T, OPERATION> {
    type Input = T;
    const KIND: Kind = T::KIND;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        self.value = Some(self.value.map_or(value, |v| v.combine(value, OPERATION)));
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        Ok(self.value.map_or(Datum::Null, T::datum))
    }
}
