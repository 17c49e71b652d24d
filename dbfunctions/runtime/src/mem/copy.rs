//! Copying, overlap allowed.

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_loadu_si256, _mm256_storeu_si256,
};

/// From this length on `rep movsb` is at least as fast as vectors on processors with ERMS, and
/// leaves the caches alone.
const REP_SIZE_MIN: usize = 32 << 10;

/// Copies `size` bytes as if through a buffer between, and returns `to`.
///
/// # Safety
/// `from` is valid for reads and `to` for writes of `size` bytes; the processor has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
pub unsafe fn copy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise; every access below is within [0, size) of each side, as the
    // guards of the branches say.
    unsafe {
        if size <= 16 {
            copy_up_to_16(to, from, size);
        } else if size <= 32 {
            let first = load16(from);
            let last = load16(from.add(size - 16));
            store16(to, first);
            store16(to.add(size - 16), last);
        } else if size <= 256 {
            copy_33_to_256(to, from, size);
        } else if to.addr().wrapping_sub(from.addr()) >= size {
            copy_forward(to, from, size);
        } else {
            copy_backward(to, from, size);
        }
    }
    to
}

/// # Safety
/// As [`copy`], with `size` at most 16.
#[inline(always)]
unsafe fn copy_up_to_16(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: both words lie within [0, size), since size is at least a word's.
    unsafe {
        if size >= 8 {
            let first = from.cast::<u64>().read_unaligned();
            let last = from.add(size - 8).cast::<u64>().read_unaligned();
            to.cast::<u64>().write_unaligned(first);
            to.add(size - 8).cast::<u64>().write_unaligned(last);
        } else if size >= 4 {
            let first = from.cast::<u32>().read_unaligned();
            let last = from.add(size - 4).cast::<u32>().read_unaligned();
            to.cast::<u32>().write_unaligned(first);
            to.add(size - 4).cast::<u32>().write_unaligned(last);
        } else if size >= 2 {
            let first = from.cast::<u16>().read_unaligned();
            let last = from.add(size - 2).cast::<u16>().read_unaligned();
            to.cast::<u16>().write_unaligned(first);
            to.add(size - 2).cast::<u16>().write_unaligned(last);
        } else if size == 1 {
            *to = *from;
        }
    }
}

/// # Safety
/// As [`copy`], with `size` from 33 to 256.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn copy_33_to_256(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: in each branch the loads from the front and from the back lie within [0, size), and
    // all loads are before the first store.
    unsafe {
        let back_from = from.add(size);
        let back_to = to.add(size);
        if size <= 64 {
            let (a, b) = (load32(from), load32(back_from.sub(32)));
            store32(to, a);
            store32(back_to.sub(32), b);
        } else if size <= 128 {
            let (a, b) = (load32(from), load32(from.add(32)));
            let (c, d) = (load32(back_from.sub(64)), load32(back_from.sub(32)));
            store32(to, a);
            store32(to.add(32), b);
            store32(back_to.sub(64), c);
            store32(back_to.sub(32), d);
        } else {
            let (a, b) = (load32(from), load32(from.add(32)));
            let (c, d) = (load32(from.add(64)), load32(from.add(96)));
            let (e, f) = (load32(back_from.sub(128)), load32(back_from.sub(96)));
            let (g, h) = (load32(back_from.sub(64)), load32(back_from.sub(32)));
            store32(to, a);
            store32(to.add(32), b);
            store32(to.add(64), c);
            store32(to.add(96), d);
            store32(back_to.sub(128), e);
            store32(back_to.sub(96), f);
            store32(back_to.sub(64), g);
            store32(back_to.sub(32), h);
        }
    }
}

/// # Safety
/// As [`copy`], with `size` over 256 and `to` not within [from, from + size).
#[target_feature(enable = "avx2")]
unsafe fn copy_forward(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: the loop moves whole steps of 128 while more than 128 bytes are left, so it stays
    // inside; the last 128 bytes, loaded before any store, are stored at the end. The first 32
    // bytes are loaded before any store too, and the loop starts at the first aligned byte after
    // `to`. A byte is read before an earlier step's store can reach it, since `to` is below
    // `from` wherever they overlap.
    unsafe {
        let apart = from.addr().wrapping_sub(to.addr()) >= size;
        if size >= REP_SIZE_MIN && apart {
            asm!(
                "rep movsb",
                inout("rcx") size => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
            return;
        }
        let head = load32(from);
        let tail = from.add(size - 128);
        let (a, b) = (load32(tail), load32(tail.add(32)));
        let (c, d) = (load32(tail.add(64)), load32(tail.add(96)));
        let skip = 32 - to.addr() % 32;
        asm!(
            "2:",
            "vmovdqu {a}, [{from}]",
            "vmovdqu {b}, [{from} + 32]",
            "vmovdqu {c}, [{from} + 64]",
            "vmovdqu {d}, [{from} + 96]",
            "sub {from}, -128",
            "vmovdqa [{to}], {a}",
            "vmovdqa [{to} + 32], {b}",
            "vmovdqa [{to} + 64], {c}",
            "vmovdqa [{to} + 96], {d}",
            "sub {to}, -128",
            "cmp {to}, {end}",
            "jb 2b",
            from = inout(reg) from.add(skip) => _,
            to = inout(reg) to.add(skip) => _,
            end = in(reg) to.add(size - 128),
            a = out(ymm_reg) _, b = out(ymm_reg) _, c = out(ymm_reg) _, d = out(ymm_reg) _,
            options(nostack),
        );
        store32(to, head);
        let tail = to.add(size - 128);
        store32(tail, a);
        store32(tail.add(32), b);
        store32(tail.add(64), c);
        store32(tail.add(96), d);
    }
}

/// # Safety
/// As [`copy`], with `size` over 256 and `to` within (from, from + size).
#[target_feature(enable = "avx2")]
unsafe fn copy_backward(to: *mut u8, from: *const u8, size: usize) {
    // SAFETY: the mirror image of `copy_forward`: steps of 128 go down from the last aligned byte
    // of `to` while more than 128 bytes are left above its start; the first 128 and the last 32
    // bytes are loaded before any store.
    unsafe {
        let head = [
            load32(from),
            load32(from.add(32)),
            load32(from.add(64)),
            load32(from.add(96)),
        ];
        let tail = load32(from.add(size - 32));
        let skip = match to.addr().wrapping_add(size) % 32 {
            0 => 32,
            past => past,
        };
        asm!(
            "2:",
            "vmovdqu {a}, [{from} - 32]",
            "vmovdqu {b}, [{from} - 64]",
            "vmovdqu {c}, [{from} - 96]",
            "vmovdqu {d}, [{from} - 128]",
            "add {from}, -128",
            "vmovdqa [{to} - 32], {a}",
            "vmovdqa [{to} - 64], {b}",
            "vmovdqa [{to} - 96], {c}",
            "vmovdqa [{to} - 128], {d}",
            "add {to}, -128",
            "cmp {to}, {end}",
            "ja 2b",
            from = inout(reg) from.add(size - skip) => _,
            to = inout(reg) to.add(size - skip) => _,
            end = in(reg) to.add(128),
            a = out(ymm_reg) _, b = out(ymm_reg) _, c = out(ymm_reg) _, d = out(ymm_reg) _,
            options(nostack),
        );
        store32(to.add(size - 32), tail);
        store32(to, head[0]);
        store32(to.add(32), head[1]);
        store32(to.add(64), head[2]);
        store32(to.add(96), head[3]);
    }
}

/// # Safety
/// `from` is valid for reads of 16 bytes.
#[inline(always)]
unsafe fn load16(from: *const u8) -> __m128i {
    // SAFETY: the caller's promise; the load is unaligned.
    unsafe { _mm_loadu_si128(from.cast()) }
}

/// # Safety
/// `to` is valid for writes of 16 bytes.
#[inline(always)]
unsafe fn store16(to: *mut u8, value: __m128i) {
    // SAFETY: the caller's promise; the store is unaligned.
    unsafe { _mm_storeu_si128(to.cast(), value) }
}

/// # Safety
/// `from` is valid for reads of 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn load32(from: *const u8) -> __m256i {
    // SAFETY: the caller's promise; the load is unaligned.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

/// # Safety
/// `to` is valid for writes of 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn store32(to: *mut u8, value: __m256i) {
    // SAFETY: the caller's promise; the store is unaligned.
    unsafe { _mm256_storeu_si256(to.cast(), value) }
}
