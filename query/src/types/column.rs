//! Typed access to a vector's values.
//!
//! A kernel knows the kinds of its arguments: `functions::call` and `cast::cast` check them
//! before they run it. So another kind is a bug, and asserted.

use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::datum::Interval;

/// A Rust type that a vector holds densely.
pub(crate) trait Column: Copy + Default + 'static {
    /// The values of a vector of this type.
    fn of(v: &Vector) -> &[Self];
    /// Values as a vector's.
    fn wrap(values: alloc::vec::Vec<Self>) -> Values;
    /// The vector's values for appending.
    fn of_mut(v: &mut Vector) -> &mut alloc::vec::Vec<Self>;
}

macro_rules! columns {
    ($($native:ty => $variant:ident),*) => {$(
        impl Column for $native {
            #[inline]
            fn of(v: &Vector) -> &[Self] {
                match &v.values {
                    Values::$variant(values) => values,
                    other => panic!("a kernel got {:?}", other.kind()),
                }
            }
            #[inline]
            fn wrap(values: alloc::vec::Vec<Self>) -> Values {
                Values::$variant(values)
            }
            #[inline]
            fn of_mut(v: &mut Vector) -> &mut alloc::vec::Vec<Self> {
                match &mut v.values {
                    Values::$variant(values) => values,
                    other => panic!("a kernel got {:?}", other.kind()),
                }
            }
        }
    )*};
}

columns!(bool => Bool, i16 => Int2, i32 => Int4, i64 => Int8, f32 => Float4, f64 => Float8,
    Interval => Interval, [u8; 16] => Uuid);

/// The strings of a bytes vector.
#[inline]
pub(crate) fn bytes(v: &Vector) -> &BytesColumn {
    match &v.values {
        Values::Bytes(values) => values,
        other => panic!("a kernel got {:?}", other.kind()),
    }
}

/// String `row` of a text vector. Text was checked to be UTF-8 on its way in; should it not be, the valid beginning.
#[inline]
pub(crate) fn text(v: &Vector, row: usize) -> &str {
    let raw = bytes(v).get(row);
    match core::str::from_utf8(raw) {
        Ok(s) => s,
        Err(e) => core::str::from_utf8(&raw[..e.valid_up_to()]).unwrap_or(""),
    }
}
