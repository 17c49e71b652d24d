//! Operators on integers: arithmetic in all pairs of widths, bits, shifts.

use super::kernel::{flagged2, map1, map2, try1, try2};
use super::table::ScalarFunction;
use crate::types::errors::{division_by_zero, int2_range, int4_range, int8_range};
use vireo_abi::sql_type::TypeId::{Int2, Int4, Int8};

/// `+ - * /` of two widths, in the wider one.
macro_rules! arithmetic {
    ($table:ident, $prefix:literal, $a_id:ident: $a:ty, $b_id:ident: $b:ty, $r_id:ident: $r:ty, $range:ident) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new(concat!($prefix, "pl"), &[$a_id, $b_id], $r_id, |_, v, _| {
                flagged2(
                    v,
                    |a: $a, b: $b| <$r>::from(a).overflowing_add(<$r>::from(b)),
                    $range,
                )
            })
            .operator("+"),
            ScalarFunction::new(concat!($prefix, "mi"), &[$a_id, $b_id], $r_id, |_, v, _| {
                flagged2(
                    v,
                    |a: $a, b: $b| <$r>::from(a).overflowing_sub(<$r>::from(b)),
                    $range,
                )
            })
            .operator("-"),
            ScalarFunction::new(
                concat!($prefix, "mul"),
                &[$a_id, $b_id],
                $r_id,
                |_, v, _| {
                    flagged2(
                        v,
                        |a: $a, b: $b| <$r>::from(a).overflowing_mul(<$r>::from(b)),
                        $range,
                    )
                },
            )
            .operator("*"),
            ScalarFunction::new(
                concat!($prefix, "div"),
                &[$a_id, $b_id],
                $r_id,
                |_, v, _| {
                    try2(v, |a: $a, b: $b| match b {
                        0 => Err(division_by_zero()),
                        _ => <$r>::from(a).checked_div(<$r>::from(b)).ok_or_else($range),
                    })
                },
            )
            .operator("/"),
        ];
    };
}

arithmetic!(INT2, "int2", Int2: i16, Int2: i16, Int2: i16, int2_range);
arithmetic!(INT24, "int24", Int2: i16, Int4: i32, Int4: i32, int4_range);
arithmetic!(INT28, "int28", Int2: i16, Int8: i64, Int8: i64, int8_range);
arithmetic!(INT42, "int42", Int4: i32, Int2: i16, Int4: i32, int4_range);
arithmetic!(INT4, "int4", Int4: i32, Int4: i32, Int4: i32, int4_range);
arithmetic!(INT48, "int48", Int4: i32, Int8: i64, Int8: i64, int8_range);
arithmetic!(INT82, "int82", Int8: i64, Int2: i16, Int8: i64, int8_range);
arithmetic!(INT84, "int84", Int8: i64, Int4: i32, Int8: i64, int8_range);
arithmetic!(INT8, "int8", Int8: i64, Int8: i64, Int8: i64, int8_range);

/// What one width has alone.
macro_rules! single {
    ($table:ident, $prefix:literal, $id:ident: $t:ty, $range:ident) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new(concat!($prefix, "mod"), &[$id, $id], $id, |_, v, _| {
                remainder::<$t>(v)
            })
            .operator("%"),
            ScalarFunction::new("mod", &[$id, $id], $id, |_, v, _| remainder::<$t>(v)),
            ScalarFunction::new(concat!($prefix, "um"), &[$id], $id, |_, v, _| {
                try1(v, |a: $t| a.checked_neg().ok_or_else($range))
            })
            .operator("-"),
            ScalarFunction::new(concat!($prefix, "up"), &[$id], $id, |_, v, _| {
                Ok(v[0].clone())
            })
            .operator("+"),
            ScalarFunction::new(concat!($prefix, "abs"), &[$id], $id, |_, v, _| {
                try1(v, |a: $t| a.checked_abs().ok_or_else($range))
            })
            .operator("@"),
            ScalarFunction::new("abs", &[$id], $id, |_, v, _| {
                try1(v, |a: $t| a.checked_abs().ok_or_else($range))
            }),
            ScalarFunction::new(concat!($prefix, "and"), &[$id, $id], $id, |_, v, _| {
                map2(v, |a: $t, b: $t| a & b)
            })
            .operator("&"),
            ScalarFunction::new(concat!($prefix, "or"), &[$id, $id], $id, |_, v, _| {
                map2(v, |a: $t, b: $t| a | b)
            })
            .operator("|"),
            ScalarFunction::new(concat!($prefix, "xor"), &[$id, $id], $id, |_, v, _| {
                map2(v, |a: $t, b: $t| a ^ b)
            })
            .operator("#"),
            ScalarFunction::new(concat!($prefix, "not"), &[$id], $id, |_, v, _| {
                map1(v, |a: $t| !a)
            })
            .operator("~"),
            ScalarFunction::new(concat!($prefix, "shl"), &[$id, Int4], $id, |_, v, _| {
                map2(v, |a: $t, n: i32| shift::<$t>(a, n, true))
            })
            .operator("<<"),
            ScalarFunction::new(concat!($prefix, "shr"), &[$id, Int4], $id, |_, v, _| {
                map2(v, |a: $t, n: i32| shift::<$t>(a, n, false))
            })
            .operator(">>"),
        ];

        impl Width for $t {
            fn shifted(self, count: u32, is_left: bool) -> Self {
                // As x86 shifts C's int: 16-bit values are shifted as 32-bit ones.
                let wide = i64::from(self);
                if <$t>::BITS == 64 {
                    return (if is_left {
                        wide.wrapping_shl(count)
                    } else {
                        wide.wrapping_shr(count)
                    }) as $t;
                }
                let wide = wide as i32;
                (if is_left {
                    wide.wrapping_shl(count)
                } else {
                    wide.wrapping_shr(count)
                }) as $t
            }
            fn rem(self, divisor: Self) -> Option<Self> {
                if divisor == 0 {
                    None
                } else {
                    Some(self.wrapping_rem(divisor))
                }
            }
        }
    };
}

/// An integer of some width.
trait Width: crate::types::column::Column {
    /// Shifted by a count modulo the machine's width.
    fn shifted(self, count: u32, is_left: bool) -> Self;
    /// The remainder; none by zero.
    fn rem(self, divisor: Self) -> Option<Self>;
}

fn shift<T: Width>(value: T, count: i32, is_left: bool) -> T {
    value.shifted(count as u32, is_left)
}

fn remainder<T: Width>(
    v: &[vireo_abi::chunk::Vector],
) -> vireo_abi::message::error::SqlResult<vireo_abi::chunk::Vector> {
    try2(v, |a: T, b: T| a.rem(b).ok_or_else(division_by_zero))
}

single!(SINGLE2, "int2", Int2: i16, int2_range);
single!(SINGLE4, "int4", Int4: i32, int4_range);
single!(SINGLE8, "int8", Int8: i64, int8_range);

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[
    INT4, INT2, INT24, INT28, INT42, INT48, INT82, INT84, INT8, SINGLE4, SINGLE2, SINGLE8,
];
