//! Filling with one byte.

use core::arch::asm;
use core::arch::x86_64::{__m256i, _mm256_set1_epi8, _mm256_storeu_si256};

/// From this length on `rep stosb` is at least as fast as vectors on processors with ERMS.
const REP_SIZE_MIN: usize = 2048;

/// Sets `size` bytes to `byte` and returns `to`.
///
/// # Safety
/// `to` is valid for writes of `size` bytes; the processor has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; every store is within [0, size), as the guards say.
    unsafe {
        if size <= 32 {
            fill_up_to_32(to, byte, size);
        } else if size < REP_SIZE_MIN {
            fill_33_and_more(to, _mm256_set1_epi8(byte.cast_signed()), size);
        } else {
            asm!(
                "rep stosb",
                inout("rcx") size => _,
                inout("rdi") to => _,
                in("al") byte,
                options(nostack, preserves_flags),
            );
        }
    }
    to
}

/// # Safety
/// As [`fill`], with `size` at most 32.
#[inline(always)]
unsafe fn fill_up_to_32(to: *mut u8, byte: u8, size: usize) {
    let word = u64::from(byte) * 0x0101_0101_0101_0101;
    // SAFETY: the stores from the front and the back are within [0, size), since size is at least
    // the width of each.
    unsafe {
        if size >= 16 {
            let wide = u128::from(word) << 64 | u128::from(word);
            to.cast::<u128>().write_unaligned(wide);
            to.add(size - 16).cast::<u128>().write_unaligned(wide);
        } else if size >= 8 {
            to.cast::<u64>().write_unaligned(word);
            to.add(size - 8).cast::<u64>().write_unaligned(word);
        } else if size >= 4 {
            to.cast::<u32>().write_unaligned(word as u32);
            to.add(size - 4).cast::<u32>().write_unaligned(word as u32);
        } else if size >= 2 {
            to.cast::<u16>().write_unaligned(word as u16);
            to.add(size - 2).cast::<u16>().write_unaligned(word as u16);
        } else if size == 1 {
            *to = byte;
        }
    }
}

/// # Safety
/// As [`fill`], with `size` at least 33.
#[target_feature(enable = "avx2")]
unsafe fn fill_33_and_more(to: *mut u8, value: __m256i, size: usize) {
    // SAFETY: the first and the last 32 bytes lie within [0, size); so do the next ones from 65
    // bytes on, and three of each side from 129. From 193 bytes on the loop stores steps of 128 from
    // the first aligned byte after `to`, while more than 128 bytes are left; it is entered with at
    // least 33 left.
    unsafe {
        let back = to.add(size);
        _mm256_storeu_si256(to.cast(), value);
        _mm256_storeu_si256(back.sub(32).cast(), value);
        if size <= 64 {
            return;
        }
        _mm256_storeu_si256(to.add(32).cast(), value);
        _mm256_storeu_si256(back.sub(64).cast(), value);
        if size <= 128 {
            return;
        }
        if size <= 192 {
            _mm256_storeu_si256(to.add(64).cast(), value);
            _mm256_storeu_si256(back.sub(96).cast(), value);
            return;
        }
        _mm256_storeu_si256(back.sub(96).cast(), value);
        _mm256_storeu_si256(back.sub(128).cast(), value);
        asm!(
            "2:",
            "vmovdqa [{to}], {value}",
            "vmovdqa [{to} + 32], {value}",
            "vmovdqa [{to} + 64], {value}",
            "vmovdqa [{to} + 96], {value}",
            "sub {to}, -128",
            "cmp {to}, {end}",
            "jb 2b",
            to = inout(reg) to.add(32 - to.addr() % 32) => _,
            end = in(reg) back.sub(128),
            value = in(ymm_reg) value,
            options(nostack),
        );
    }
}
