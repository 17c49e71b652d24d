//! How much heap is left, for code that must fail a statement rather than the function.
//!
//! Allocation in `alloc` cannot fail: when the heap runs out, the function panics and is
//! replaced. So code that builds things of a size that a statement decides asks first, at chunk
//! boundaries and before big allocations, and answers SQLSTATE 53200 when there is no room. A
//! reserve (a sixteenth of the heap, at least 4 MiB) is never granted: what is allocated between
//! two checks lives from it. [`has_room`] is a plain `fn(usize) -> bool`, so that crates that do
//! not know the runtime take it as a parameter.

/// Whether `bytes` more may be allocated with the reserve left whole. Always true where the heap
/// is the host's.
pub fn has_room(bytes: usize) -> bool {
    let size = size();
    size == usize::MAX || used().saturating_add(bytes) <= size - reserve(size)
}

/// Bytes that [`has_room`] never grants, of a heap of `size` bytes.
pub fn reserve(size: usize) -> usize {
    (size / 16).max(4 << 20).min(size)
}

/// Heap bytes in use; 0 where the heap is the host's.
pub fn used() -> usize {
    0
}

/// Heap bytes in all; `usize::MAX` where the heap is the host's.
pub fn size() -> usize {
    usize::MAX
}
