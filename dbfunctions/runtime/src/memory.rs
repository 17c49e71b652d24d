//! How much heap is left, for code that must fail a statement rather than the function.
//!
//! Allocation in `alloc` cannot fail: when the heap runs out, the function panics and is
//! replaced. So code that builds things whose size a statement decides asks first, at chunk
//! boundaries and before big allocations, and answers SQLSTATE 53200 when there is no room:
//!
//! - small things (rows, chunks, hash tables that grow by a chunk): [`has_room`]`(0)` at each chunk
//!   boundary. What is allocated between two checks lives from the reserve, which [`has_room`]
//!   never grants: a sixteenth of the heap, at least 4 MiB.
//! - big things (a sort's array, a value of megabytes): [`has_room`]`(bytes)`, and then
//!   `try_reserve`, because the room may be in pieces.
//!
//! [`has_room`] is a plain `fn(usize) -> bool`, so that crates that do not know the runtime take
//! it as a parameter. On the host it always grants: the heap there is the host's.

#[cfg(feature = "guest")]
use crate::guest::heap_figures as figures;

/// What is known of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Bytes in all.
    pub size: usize,
    /// Bytes that are not free.
    pub used: usize,
    /// The most that were not free.
    pub peak: usize,
}

impl Figures {
    /// The host's heap, of which nothing is known.
    pub const HOST: Figures = Figures {
        size: usize::MAX,
        used: 0,
        peak: 0,
    };

    /// Bytes that are never granted.
    pub fn reserve(&self) -> usize {
        (self.size / 16).max(4 << 20)
    }

    /// Whether `bytes` more leave the reserve whole.
    pub fn has_room(&self, bytes: usize) -> bool {
        let free = self.size.saturating_sub(self.used);
        bytes <= free.saturating_sub(self.reserve()) && free > self.reserve()
    }
}

/// Whether `bytes` more may be allocated with the reserve left whole. Always true where the heap
/// is the host's.
pub fn has_room(bytes: usize) -> bool {
    figures().has_room(bytes)
}

/// Heap bytes in use; 0 where the heap is the host's.
pub fn used() -> usize {
    figures().used
}

/// The most heap bytes that were in use; 0 where the heap is the host's.
pub fn peak() -> usize {
    figures().peak
}

/// Heap bytes in all; `usize::MAX` where the heap is the host's.
pub fn size() -> usize {
    figures().size
}

#[cfg(not(feature = "guest"))]
fn figures() -> Figures {
    Figures::HOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_never_granted() {
        let figures = |size, used| Figures {
            size,
            used,
            peak: used,
        };
        const MIB: usize = 1 << 20;
        let check = |size, used, bytes, expected| {
            assert_eq!(
                figures(size, used).has_room(bytes),
                expected,
                "{bytes} more than {used} of {size}"
            );
        };
        check(256 * MIB, 0, 240 * MIB, true);
        check(256 * MIB, 0, 240 * MIB + 1, false);
        check(256 * MIB, 239 * MIB, MIB, true);
        check(256 * MIB, 240 * MIB, 0, false);
        check(16 * MIB, 0, 12 * MIB, true);
        check(16 * MIB, 0, 13 * MIB, false);
        check(2 * MIB, 0, 0, false);
        check(256 * MIB, 300 * MIB, 0, false);
        check(256 * MIB, 0, usize::MAX, false);
        assert!(Figures::HOST.has_room(usize::MAX / 2));
    }
}
