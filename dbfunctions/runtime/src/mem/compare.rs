//! Comparing, and the length of a C string.

use core::arch::asm;
use core::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
};

/// Less than, equal to or greater than zero as the bytes at `left` sort before, like or after
/// those at `right`.
///
/// # Safety
/// Both are valid for reads of `size` bytes; the processor has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
pub unsafe fn compare(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: the caller's promise; every load is within [0, size), as the guards say.
    unsafe {
        if size <= 32 {
            return compare_up_to_32(left, right, size);
        }
        match first_difference(left, right, size) {
            None => 0,
            Some(offset) => byte_order(left, right, offset),
        }
    }
}

/// Zero if the bytes are equal, else not zero.
///
/// # Safety
/// Both are valid for reads of `size` bytes; the processor has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
pub unsafe fn differ(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: the caller's promise; every load is within [0, size), as the guards say.
    unsafe {
        if size <= 32 {
            return differ_up_to_32(left, right, size);
        }
        i32::from(first_difference(left, right, size).is_some())
    }
}

/// Bytes before the first zero byte.
///
/// # Safety
/// `string` is valid for reads up to and with its first zero byte.
pub unsafe fn string_length(string: *const u8) -> usize {
    let end: *const u8;
    // SAFETY: reads byte by byte up to the first zero. Nothing of ours is hot on C strings, and
    // in a plain loop the compiler would see a call of `strlen`.
    unsafe {
        asm!(
            "2:",
            "cmp byte ptr [{end}], 0",
            "je 3f",
            "inc {end}",
            "jmp 2b",
            "3:",
            end = inout(reg) string => end,
            options(nostack, readonly),
        );
    }
    end.addr() - string.addr()
}

/// # Safety
/// As [`compare`], with `size` at most 32.
#[inline(always)]
unsafe fn compare_up_to_32(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: every word lies within [0, size), since size is at least a word's.
    unsafe {
        if size >= 16 {
            let (a, b) = (wide(left, 0), wide(right, 0));
            if a != b {
                return i32::from(a > b) - i32::from(a < b);
            }
            let (a, b) = (wide(left, size - 16), wide(right, size - 16));
            return i32::from(a > b) - i32::from(a < b);
        }
        if size >= 8 {
            let (a, b) = (word(left, 0), word(right, 0));
            if a != b {
                return order(a, b);
            }
            return order(word(left, size - 8), word(right, size - 8));
        }
        if size >= 4 {
            let a = u64::from(half(left, 0)) << 32 | u64::from(half(left, size - 4));
            let b = u64::from(half(right, 0)) << 32 | u64::from(half(right, size - 4));
            return order(a, b);
        }
        if size == 0 {
            return 0;
        }
        // Three bytes of 1 to 3, in order: the first, the middle, the last.
        let a = u32::from(*left) << 16
            | u32::from(*left.add(size / 2)) << 8
            | u32::from(*left.add(size - 1));
        let b = u32::from(*right) << 16
            | u32::from(*right.add(size / 2)) << 8
            | u32::from(*right.add(size - 1));
        a as i32 - b as i32
    }
}

/// # Safety
/// As [`differ`], with `size` at most 32.
#[inline(always)]
unsafe fn differ_up_to_32(left: *const u8, right: *const u8, size: usize) -> i32 {
    // SAFETY: every word lies within [0, size), since size is at least the word's.
    unsafe {
        if size >= 16 {
            let first =
                left.cast::<u128>().read_unaligned() ^ right.cast::<u128>().read_unaligned();
            let last = left.add(size - 16).cast::<u128>().read_unaligned()
                ^ right.add(size - 16).cast::<u128>().read_unaligned();
            return i32::from((first | last) != 0);
        }
        if size >= 8 {
            let first = word(left, 0) ^ word(right, 0);
            let last = word(left, size - 8) ^ word(right, size - 8);
            return i32::from((first | last) != 0);
        }
        if size >= 4 {
            let first = half(left, 0) ^ half(right, 0);
            let last = half(left, size - 4) ^ half(right, size - 4);
            return i32::from((first | last) != 0);
        }
        if size == 0 {
            return 0;
        }
        let first = *left ^ *right;
        let middle = *left.add(size / 2) ^ *right.add(size / 2);
        let last = *left.add(size - 1) ^ *right.add(size - 1);
        i32::from((first | middle | last) != 0)
    }
}

/// # Safety
/// `bytes` is valid for reads of 16 bytes from `offset`.
#[inline(always)]
unsafe fn wide(bytes: *const u8, offset: usize) -> u128 {
    // SAFETY: the caller's promise; the read is unaligned.
    u128::from_be(unsafe { bytes.add(offset).cast::<u128>().read_unaligned() })
}

/// # Safety
/// `bytes` is valid for reads of 8 bytes from `offset`.
#[inline(always)]
unsafe fn word(bytes: *const u8, offset: usize) -> u64 {
    // SAFETY: the caller's promise; the read is unaligned.
    u64::from_be(unsafe { bytes.add(offset).cast::<u64>().read_unaligned() })
}

/// # Safety
/// `bytes` is valid for reads of 4 bytes from `offset`.
#[inline(always)]
unsafe fn half(bytes: *const u8, offset: usize) -> u32 {
    // SAFETY: the caller's promise; the read is unaligned.
    u32::from_be(unsafe { bytes.add(offset).cast::<u32>().read_unaligned() })
}

#[inline(always)]
fn order(left: u64, right: u64) -> i32 {
    i32::from(left > right) - i32::from(left < right)
}

/// # Safety
/// Both are valid for a read at `offset`.
#[inline(always)]
unsafe fn byte_order(left: *const u8, right: *const u8, offset: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { i32::from(*left.add(offset)) - i32::from(*right.add(offset)) }
}

/// A bit for each of 32 bytes that are not equal.
///
/// # Safety
/// Both are valid for reads of 32 bytes from `offset`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn unequal_bytes(left: *const u8, right: *const u8, offset: usize) -> u32 {
    // SAFETY: the caller's promise.
    let equal = unsafe { equal_bytes(left, right, offset) };
    !_mm256_movemask_epi8(equal).cast_unsigned()
}

/// 0xFF for each of 32 bytes that are equal, else 0.
///
/// # Safety
/// Both are valid for reads of 32 bytes from `offset`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn equal_bytes(left: *const u8, right: *const u8, offset: usize) -> __m256i {
    // SAFETY: the caller's promise; the loads are unaligned.
    unsafe {
        _mm256_cmpeq_epi8(
            _mm256_loadu_si256(left.add(offset).cast()),
            _mm256_loadu_si256(right.add(offset).cast()),
        )
    }
}

/// Where the first bytes are that differ.
///
/// # Safety
/// Both are valid for reads of `size` bytes, which are at least 32.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn first_difference(left: *const u8, right: *const u8, size: usize) -> Option<usize> {
    // SAFETY: steps of 32 or 128 are taken only while as many bytes are left; the last 32 bytes are
    // within [0, size).
    unsafe {
        let unequal = unequal_bytes(left, right, 0);
        if unequal != 0 {
            return Some(unequal.trailing_zeros() as usize);
        }
        let mut offset = 32;
        if size >= 256 {
            // One side aligned: half of the loads then lie in one cache line each.
            offset -= left.addr() % 32;
            while offset + 128 <= size {
                let a = equal_bytes(left, right, offset);
                let b = equal_bytes(left, right, offset + 32);
                let c = equal_bytes(left, right, offset + 64);
                let d = equal_bytes(left, right, offset + 96);
                let all = _mm256_and_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, d));
                if _mm256_movemask_epi8(all) != -1 {
                    // Found again by the loop below.
                    break;
                }
                offset += 128;
            }
        }
        while offset + 32 <= size {
            let unequal = unequal_bytes(left, right, offset);
            if unequal != 0 {
                return Some(offset + unequal.trailing_zeros() as usize);
            }
            offset += 32;
        }
        let last = size - 32;
        match unequal_bytes(left, right, last) {
            0 => None,
            unequal => Some(last + unequal.trailing_zeros() as usize),
        }
    }
}
