//! The memory functions under the names that the compiler calls.

use super::{compare, copy, differ, fill, string_length};

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
#[target_feature(enable = "avx2")]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; images run only where AVX2 is.
    unsafe { copy(to, from, size) }
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
#[target_feature(enable = "avx2")]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; images run only where AVX2 is.
    unsafe { copy(to, from, size) }
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
#[target_feature(enable = "avx2")]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; images run only where AVX2 is.
    unsafe { fill(to, byte as u8, size) }
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
#[target_feature(enable = "avx2")]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: the caller's promise; images run only where AVX2 is.
    unsafe { compare(left, right, size) }
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
#[target_feature(enable = "avx2")]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: the caller's promise; images run only where AVX2 is.
    unsafe { differ(left, right, size) }
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(string: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { string_length(string) }
}
