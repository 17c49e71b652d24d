//! The format of a page: the header that all kinds share, and the slotted layout of tree pages.
//!
//! ```text
//!  0  u32  checksum: CRC-32C of bytes 4..4096; only on disk, 0 in memory
//!  4  u8   kind
//!  5  u8   level: 0 for leaves, a tree's root has the highest
//!  6  u16  count of entries
//!  8  u64  the page's own number
//! 16  u64  born: the epoch that made the page
//! 24  u16  cells: offset of the lowest cell (tree pages); bytes of data (overflow pages)
//! 26  u16  garbage: bytes of dead cells
//! 28  u16  prefix: bytes that all keys of the page begin with (0 where keys are inline)
//! 30  u16  zero
//! 32  entries, growing up; cells grow down from 4096
//! ```
//!
//! An entry is 14 bytes:
//!
//! ```text
//!  0  [u8; 8]  head: the key's bytes after the prefix, padded with zeros
//!  8  u16      offset of the cell
//! 10  u16      bytes of the key
//! 12  u16      bytes of the value (low 13 bits), OVERFLOW, TOMBSTONE
//! ```
//!
//! A cell is a word (u64: the row's version in a leaf, the child's page in an inner page), then the key
//! unless it is *inline*, then the value. A key is inline, that is, wholly in its head, if the page's
//! prefix is 0 and the key has at most 8 bytes: integer keys are searched and returned without
//! touching a cell.
//!
//! In an inner page entry `i` leads to the keys at or above its own and below the next one's; the
//! key of entry 0 is empty. A separator need not be a key of any row.
//!
//! Invariants:
//! 1. Keys ascend strictly. All keys (of an inner page: but the first) begin with the page's prefix.
//! 2. Cells do not overlap each other or the entries.
//! 3. An entry with its cell takes at most [`ENTRY_BYTES_MAX`], a third of the room: any page that
//!    overflows by one entry splits into two.
//! 4. A page that was published, handed out, or is on disk is never changed: see `crate::space`.
//!
//! Everything is little-endian, but heads: those are the key's bytes in their order.

use vireo_abi::ids::PageId;
use vireo_abi::memory_map::PAGE_SIZE;

/// The bytes of a page.
pub type Page = [u8; PAGE_SIZE];

/// Bytes before the entries.
pub const HEADER_SIZE: usize = 32;
/// Bytes of an entry.
pub const ENTRY_SIZE: usize = 14;
/// Bytes of a key that fit the head.
pub const HEAD_SIZE: usize = 8;
/// The most bytes that an entry and its cell take (invariant 3).
pub const ENTRY_BYTES_MAX: usize = (PAGE_SIZE - HEADER_SIZE) / 3;
/// The most bytes of a value that stays in its leaf.
pub const INLINE_VALUE_MAX: usize = 1024;
/// The levels that a tree can have.
pub const LEVELS_MAX: usize = 16;

/// In an entry's value length: the value is a reference to overflow pages.
pub const OVERFLOW: u16 = 1 << 15;
/// In an entry's value length: the row is removed (private trees only).
pub const TOMBSTONE: u16 = 1 << 14;
/// The bits of an entry's value length that are the length.
pub const VALUE_LENGTH_MASK: u16 = (1 << 13) - 1;

/// What a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Rows.
    Leaf = 1,
    /// References to pages one level down.
    Inner = 2,
    /// A part of a large value.
    Overflow = 3,
    /// The roots of a snapshot.
    Descriptor = 4,
}

/// Reads a little-endian u16. `offset` must be within the page.
#[inline]
pub fn u16_at(page: &Page, offset: usize) -> u16 {
    u16::from_le_bytes([page[offset], page[offset + 1]])
}

/// Reads a little-endian u64, or `None` past the page's end.
#[inline]
pub fn u64_at(page: &Page, offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*page.get(offset..)?.first_chunk()?))
}

/// The kind byte.
#[inline]
pub fn kind(page: &Page) -> u8 {
    page[4]
}

/// The level.
#[inline]
pub fn level(page: &Page) -> u8 {
    page[5]
}

/// The number of entries.
#[inline]
pub fn count(page: &Page) -> usize {
    usize::from(u16_at(page, 6))
}

/// The number that the page says it has.
#[inline]
pub fn id(page: &Page) -> PageId {
    PageId(u64_at(page, 8).unwrap_or(0))
}

/// The epoch that made the page.
#[inline]
pub fn born(page: &Page) -> u64 {
    u64_at(page, 16).unwrap_or(0)
}
