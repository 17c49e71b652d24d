//! How ring code touches shared memory.
//!
//! All accesses of rings and links go through [`RingMemory`], so that the same code runs over the
//! memory of a function VM, over a test's buffer, under loom and under a fuzzer.
//!
//! Invariants:
//! 1. Nothing outside `0 .. size()` is touched. An access outside is a bug of the caller and
//!    panics: what a peer gave is checked with [`RingMemory::contains`] before it is used.
//! 2. No reference into the memory exists; every value is copied out and back.
//! 3. The four `u16` fields that both sides watch (the two indexes and the two events) are only
//!    touched by `load_*` and `store_*`. All other memory belongs to one side at a time, and an
//!    index published with Release and seen with Acquire hands it over. A peer that does not keep
//!    to this gets and gives torn bytes, no more.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// Shared memory, addressed by offset from its start.
pub trait RingMemory {
    /// Bytes of the memory.
    fn size(&self) -> usize;

    /// Loads a watched field.
    fn load_relaxed(&self, at: usize) -> u16;
    /// Loads a watched field; what its writer wrote before its `store_release` is visible after.
    fn load_acquire(&self, at: usize) -> u16;
    /// Stores a watched field.
    fn store_relaxed(&self, at: usize, value: u16);
    /// Stores a watched field; what was written before is visible to who sees it by `load_acquire`.
    fn store_release(&self, at: usize, value: u16);
    /// A sequentially consistent fence: a store before it and a load after it are not reordered.
    fn fence(&self);

    /// Reads a little-endian number at an even offset.
    fn read_u16(&self, at: usize) -> u16;
    /// Writes a little-endian number at an even offset.
    fn write_u16(&self, at: usize, value: u16);
    /// Reads a little-endian number at an offset that is a multiple of 4.
    fn read_u32(&self, at: usize) -> u32;
    /// Writes a little-endian number at an offset that is a multiple of 4.
    fn write_u32(&self, at: usize, value: u32);
    /// Reads a little-endian number at an offset that is a multiple of 8.
    fn read_u64(&self, at: usize) -> u64;
    /// Writes a little-endian number at an offset that is a multiple of 8.
    fn write_u64(&self, at: usize, value: u64);
    /// Appends `length` bytes to `out`, which must have the room: nothing is allocated.
    fn read_bytes(&self, at: usize, length: usize, out: &mut Vec<u8>);
    /// Writes bytes.
    fn write_bytes(&self, at: usize, bytes: &[u8]);

    /// Whether `length` bytes at `at` lie inside. For what a peer said.
    fn contains(&self, at: u64, length: u64) -> bool {
        at.checked_add(length)
            .is_some_and(|end| end <= self.size() as u64)
    }
}

/// Raw memory shared with a peer: a link's area in a function VM or on the host.
#[derive(Debug)]
pub struct SharedMemory {
    start: *mut u8,
    size: usize,
}

// SAFETY: the pointer is not tied to a thread: `new` demands memory that is valid from any, and
// every access through it is an atomic or a copy of bytes (invariants 2 and 3).
unsafe impl Send for SharedMemory {}

impl SharedMemory {
    /// The memory `start .. start + length`.
    ///
    /// # Safety
    /// The memory is mapped readable and writable and aligned to 16 bytes as long as the value
    /// lives, and no Rust reference into it exists in this address space. Others may write it at
    /// any time: other processors' stores are not undefined behaviour for this one, whatever they are, and
    /// in the same address space they must go through [`RingMemory`] or volatile access too.
    ///
    /// # Panics
    /// If the start is not aligned to 16 bytes.
    pub unsafe fn new(start: *mut u8, length: usize) -> SharedMemory {
        assert!(
            start.addr().is_multiple_of(16),
            "shared memory must be aligned to 16 bytes"
        );
        SharedMemory {
            start,
            size: length,
        }
    }

    /// The address of `length` bytes at `at`, a multiple of `align`.
    #[inline]
    fn at(&self, at: usize, length: usize, align: usize) -> *mut u8 {
        let end = at
            .checked_add(length)
            .expect("an offset into shared memory is far from the top");
        assert!(end <= self.size, "an access past the end of shared memory");
        assert!(
            at.is_multiple_of(align),
            "a misaligned access to shared memory"
        );
        self.start.wrapping_add(at)
    }

    #[inline]
    fn u16_at(&self, at: usize) -> &AtomicU16 {
        // SAFETY: inside and aligned (`at`), mapped while `self` lives (`new`). An atomic may be
        // written by others at any time; the reference does not leave this module.
        unsafe { AtomicU16::from_ptr(self.at(at, 2, 2).cast()) }
    }

    #[inline]
    fn u32_at(&self, at: usize) -> &AtomicU32 {
        // SAFETY: as in `u16_at`.
        unsafe { AtomicU32::from_ptr(self.at(at, 4, 4).cast()) }
    }

    #[inline]
    fn u64_at(&self, at: usize) -> &AtomicU64 {
        // SAFETY: as in `u16_at`.
        unsafe { AtomicU64::from_ptr(self.at(at, 8, 8).cast()) }
    }
}

impl RingMemory for SharedMemory {
    #[inline]
    fn size(&self) -> usize {
        self.size
    }

    #[inline]
    fn load_relaxed(&self, at: usize) -> u16 {
        u16::from_le(self.u16_at(at).load(Ordering::Relaxed))
    }

    #[inline]
    fn load_acquire(&self, at: usize) -> u16 {
        u16::from_le(self.u16_at(at).load(Ordering::Acquire))
    }

    #[inline]
    fn store_relaxed(&self, at: usize, value: u16) {
        self.u16_at(at).store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    fn store_release(&self, at: usize, value: u16) {
        self.u16_at(at).store(value.to_le(), Ordering::Release);
    }

    #[inline]
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }

    // A relaxed atomic is a plain move on every machine we run on, and a peer that writes the
    // field meanwhile is no data race.
    #[inline]
    fn read_u16(&self, at: usize) -> u16 {
        self.load_relaxed(at)
    }

    #[inline]
    fn write_u16(&self, at: usize, value: u16) {
        self.store_relaxed(at, value);
    }

    #[inline]
    fn read_u32(&self, at: usize) -> u32 {
        u32::from_le(self.u32_at(at).load(Ordering::Relaxed))
    }

    #[inline]
    fn write_u32(&self, at: usize, value: u32) {
        self.u32_at(at).store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    fn read_u64(&self, at: usize) -> u64 {
        u64::from_le(self.u64_at(at).load(Ordering::Relaxed))
    }

    #[inline]
    fn write_u64(&self, at: usize, value: u64) {
        self.u64_at(at).store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    fn read_bytes(&self, at: usize, length: usize, out: &mut Vec<u8>) {
        let from = self.at(at, length, 1);
        assert!(
            out.capacity() - out.len() >= length,
            "no room for bytes out of shared memory"
        );
        // SAFETY: the source is inside and mapped, the destination is spare room of a vector of
        // our own, so they do not overlap. A peer that keeps to the protocol does not write these bytes now
        // (invariant 3); one that does not makes them arbitrary, and every byte is a valid u8.
        unsafe {
            from.copy_to_nonoverlapping(out.as_mut_ptr().add(out.len()), length);
            out.set_len(out.len() + length);
        }
    }

    #[inline]
    fn write_bytes(&self, at: usize, bytes: &[u8]) {
        let to = self.at(at, bytes.len(), 1);
        // SAFETY: the destination is inside and mapped, and the source is memory of our own, so
        // they do not overlap. Who else looks at the bytes meanwhile sees them torn (invariant 3).
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
}
