//! The header of each buffer of a link.
//!
//! ```text
//!  0   flags        u32   1 first fragment, 2 last fragment
//!  4   length       u32   bytes of the message in this buffer, right after the header
//!  8   offset       u32   where they belong in the message (head, then body)
//!  12  head_length  u32   of the whole message, the same in all its fragments
//!  16  body_length  u32
//!  20  reserved     u32   zero
//! ```

use super::{LinkError, MESSAGE_SIZE_MAX};
use crate::ring::RingMemory;

/// Bytes of the header.
pub const FRAGMENT_HEADER_SIZE: usize = 24;

const FIRST: u32 = 1;
const LAST: u32 = 2;

/// A buffer's header. All values are checked against each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fragment {
    /// Bytes of the message in this buffer.
    pub length: usize,
    /// Where they belong in the message.
    pub offset: usize,
    /// Bytes of the message's head.
    pub head_length: usize,
    /// Bytes of the message's body.
    pub body_length: usize,
}

impl Fragment {
    pub fn is_first(&self) -> bool {
        self.offset == 0
    }

    pub fn is_last(&self) -> bool {
        self.offset + self.length == self.message_length()
    }

    pub fn message_length(&self) -> usize {
        self.head_length + self.body_length
    }

    /// Writes the header at `at`. A message's length is checked when it is sent.
    #[inline]
    pub fn write(&self, memory: &impl RingMemory, at: usize) {
        debug_assert!(self.message_length() <= MESSAGE_SIZE_MAX);
        let first = if self.is_first() { FIRST } else { 0 };
        let last = if self.is_last() { LAST } else { 0 };
        memory.write_u64(at, u64::from(first | last) | (self.length as u64) << 32);
        memory.write_u64(at + 8, self.offset as u64 | (self.head_length as u64) << 32);
        memory.write_u64(at + 16, self.body_length as u64);
    }

    /// Reads the header of a buffer that holds `filled` bytes at `at`; all of them are inside the memory.
    #[inline]
    pub fn read(memory: &impl RingMemory, at: usize, filled: usize) -> Result<Fragment, LinkError> {
        let room = filled.checked_sub(FRAGMENT_HEADER_SIZE);
        let room = room.ok_or(LinkError::ShortBuffer { length: filled })?;
        let (a, b, c) = (
            memory.read_u64(at),
            memory.read_u64(at + 8),
            memory.read_u64(at + 16),
        );
        let fragment = Fragment {
            length: (a >> 32) as usize,
            offset: b as u32 as usize,
            head_length: (b >> 32) as usize,
            body_length: c as u32 as usize,
        };
        let Fragment { length, offset, .. } = fragment;
        let message_length = fragment.message_length();
        // An empty fragment of a message that has bytes would make no progress.
        let is_sound = message_length <= MESSAGE_SIZE_MAX
            && length <= room
            && offset + length <= message_length
            && (length > 0 || message_length == 0)
            && c >> 32 == 0;
        let first = if fragment.is_first() { FIRST } else { 0 };
        let last = if fragment.is_last() { LAST } else { 0 };
        if !is_sound || a as u32 != first | last {
            return Err(LinkError::BadFragment {
                length,
                offset,
                message_length,
            });
        }
        Ok(fragment)
    }
}
