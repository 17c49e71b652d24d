//! `min` and `max` of every ordered type.

use super::dense::{BytesState, State};
use crate::types::column::Column;
use crate::types::compare::{compare_bytes_of, compare_float, interval_span};
use alloc::vec::Vec;
use core::cmp::Ordering;
use vireo_abi::datum::{Datum, Interval};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{Kind, TypeId};

/// A fixed-width type with an order.
pub(super) trait Ordered: Column {
    /// Its kind.
    const KIND: Kind;
    /// The btree order.
    fn order(self, other: Self) -> Ordering;
    /// As a datum.
    fn datum(self) -> Datum;
}

macro_rules! ordered {
    ($($t:ty => $variant:ident, |$a:ident, $b:ident| $order:expr;)*) => {$(
        impl Ordered for $t {
            const KIND: Kind = Kind::$variant;
            #[inline]
            fn order(self, other: Self) -> Ordering {
                let ($a, $b) = (self, other);
                $order
            }
            fn datum(self) -> Datum {
                Datum::$variant(self)
            }
        }
    )*};
}

ordered! {
    i16 => Int2, |a, b| a.cmp(&b);
    i32 => Int4, |a, b| a.cmp(&b);
    i64 => Int8, |a, b| a.cmp(&b);
    f32 => Float4, |a, b| compare_float(a.into(), b.into());
    f64 => Float8, |a, b| compare_float(a, b);
    Interval => Interval, |a, b| interval_span(a).cmp(&interval_span(b));
}

/// The extreme of a group.
#[derive(Clone, Default)]
pub(super) struct Extreme<T, const IS_MAX: bool> {
    value: Option<T>,
}

/// Whether a new value takes the place of the old.
#[inline]
fn wins(order: Ordering, is_max: bool) -> bool {
    order == if is_max { Ordering::Greater } else { Ordering::Less }
}

impl<T: Ordered, const IS_MAX: bool> State for Extreme<T, IS_MAX> {
    type Input = T;
    const KIND: Kind = T::KIND;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        if self.value.is_none_or(|old| wins(value.order(old), IS_MAX)) {
            self.value = Some(value);
        }
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        Ok(self.value.map_or(Datum::Null, T::datum))
    }
}

/// The extreme of a group of byte strings of the type with this code.
#[derive(Clone, Default)]
pub(super) struct BytesExtreme<const TYPE: u8, const IS_MAX: bool> {
    value: Option<Vec<u8>>,
}

impl<const TYPE: u8, const IS_MAX: bool> BytesState for BytesExtreme<TYPE, IS_MAX> {
    const KIND: Kind = Kind::Bytes;

    fn add(&mut self, value: &[u8]) -> SqlResult<()> {
        let ty = TypeId::from_code(TYPE).unwrap_or(TypeId::Text);
        match &mut self.value {
            None => self.value = Some(value.to_vec()),
            Some(old) if wins(compare_bytes_of(ty, value, old), IS_MAX) => {
                old.clear();
                old.extend_from_slice(value);
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        Ok(self.value.clone().map_or(Datum::Null, Datum::Bytes))
    }

    fn heap(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::capacity)
    }
}
