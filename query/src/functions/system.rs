//! The session, the server, random identifiers.

use super::kernel::{each_string, vector};
use super::table::ScalarFunction;
use crate::settings::EvalContext;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId::{Name, Text, Uuid};

/// What `version()` says: PostgreSQL's version first, because clients parse it.
const VERSION: &str = concat!("PostgreSQL 15.0 (Vireo ", env!("CARGO_PKG_VERSION"), ")");

/// The next number of the context's generator (splitmix64).
pub(super) fn next_random(cx: &EvalContext) -> u64 {
    let state = cx.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    cx.random.set(state);
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn constant(value: &str, rows: usize) -> SqlResult<Vector> {
    each_string(&[], rows, |_, out| {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    })
}

/// A version 4 UUID a row.
fn random_uuid(cx: &EvalContext, rows: usize) -> Vector {
    let values: Vec<[u8; 16]> = (0..rows)
        .map(|_| {
            let bits = u128::from(next_random(cx)) << 64 | u128::from(next_random(cx));
            let mut bytes = bits.to_be_bytes();
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            bytes
        })
        .collect();
    vector(values, None)
}

const SYSTEM: &[ScalarFunction] = &[
    ScalarFunction::new("version", &[], Text, |_, _, n| constant(VERSION, n)).stable(),
    ScalarFunction::new("current_user", &[], Name, |cx, _, n| constant(&cx.user, n)).stable(),
    ScalarFunction::new("session_user", &[], Name, |cx, _, n| constant(&cx.user, n)).stable(),
    ScalarFunction::new("current_role", &[], Name, |cx, _, n| constant(&cx.user, n)).stable(),
    ScalarFunction::new("user", &[], Name, |cx, _, n| constant(&cx.user, n)).stable(),
    ScalarFunction::new("current_database", &[], Name, |cx, _, n| {
        constant(&cx.database, n)
    })
    .stable(),
    ScalarFunction::new("current_catalog", &[], Name, |cx, _, n| {
        constant(&cx.database, n)
    })
    .stable(),
    ScalarFunction::new("current_schema", &[], Name, |_, _, n| {
        constant(crate::catalog::PUBLIC, n)
    })
    .stable(),
    ScalarFunction::new("gen_random_uuid", &[], Uuid, |cx, _, n| {
        Ok(random_uuid(cx, n))
    })
    .volatile(),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[SYSTEM];
