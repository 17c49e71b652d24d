//! Comparing, and the length of a C string.

use core::arch::asm;
use core::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_testz_si256, _mm256_xor_si256,
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
        let mut offset = 0;
        while offset + 32 <= size {
            let unequal = unequal_bytes(left, right, offset);
            if unequal != 0 {
                return byte_order(left, right, offset + unequal.trailing_zeros() as usize);
            }
            offset += 32;
        }
        let last = size - 32;
        match unequal_bytes(left, right, last) {
            0 => 0,
            unequal => byte_order(left, right, last + unequal.trailing_zeros() as usize),
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
        let mut offset = 0;
        while offset + 128 <= size {
            let a = difference(left, right, offset);
            let b = difference(left, right, offset + 32);
            let c = difference(left, right, offset + 64);
            let d = difference(left, right, offset + 96);
            let any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
            if _mm256_testz_si256(any, any) == 0 {
                return 1;
            }
            offset += 128;
        }
        while offset + 32 <= size {
            let any = difference(left, right, offset);
            if _mm256_testz_si256(any, any) == 0 {
                return 1;
            }
            offset += 32;
        }
        let any = difference(left, right, size - 32);
        i32::from(_mm256_testz_si256(any, any) == 0)
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
        if size >= 8 {
            let mut offset = 0;
            while offset + 8 < size {
                let (a, b) = (word(left, offset), word(right, offset));
                if a != b {
                    return order(a, b);
                }
                offset += 8;
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
    // SAFETY: the caller's promise; the loads are unaligned.
    unsafe {
        let a = _mm256_loadu_si256(left.add(offset).cast());
        let b = _mm256_loadu_si256(right.add(offset).cast());
        !_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)).cast_unsigned()
    }
}

/// # Safety
/// Both are valid for reads of 32 bytes from `offset`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn difference(left: *const u8, right: *const u8, offset: usize) -> __m256i {
    // SAFETY: the caller's promise; the loads are unaligned.
    unsafe {
        _mm256_xor_si256(
            _mm256_loadu_si256(left.add(offset).cast()),
            _mm256_loadu_si256(right.add(offset).cast()),
        )
    }
}
