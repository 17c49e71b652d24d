//! Messages put together from fragments, in memory of our own.
//!
//! The buffer grows with what has arrived, never with what a header promises: a peer that
//! announces a gigabyte and sends nothing costs nothing. Where the memory does not suffice, the rest of
//! the message is counted and thrown away, and the next message is received as ever.

use super::fragment::{FRAGMENT_HEADER_SIZE, Fragment};
use super::{LinkError, Received};
use crate::ring::RingMemory;
use alloc::vec::Vec;

/// A buffer larger than this is given back to the heap after its message.
const KEPT_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// What has arrived of the message: all of `offset`, or nothing where it is thrown away.
    bytes: Vec<u8>,
    head_length: usize,
    body_length: usize,
    /// Bytes of the message that have arrived. 0: the next fragment must be a first one.
    offset: usize,
    is_thrown_away: bool,
}

impl Assembly {
    /// Takes the fragment in the `filled` bytes at `at`. True: the message is whole.
    #[inline]
    pub fn take(
        &mut self,
        memory: &impl RingMemory,
        at: usize,
        filled: usize,
    ) -> Result<bool, LinkError> {
        let fragment = Fragment::read(memory, at, filled)?;
        if fragment.is_first() && self.offset == 0 {
            self.begin(&fragment);
        } else if fragment.offset != self.offset
            || fragment.offset == 0
            || fragment.head_length != self.head_length
            || fragment.body_length != self.body_length
        {
            return Err(LinkError::BadSequence {
                offset: fragment.offset,
                expected: self.offset,
            });
        }
        self.offset = if fragment.is_last() {
            0
        } else {
            fragment.offset + fragment.length
        };
        if self.is_thrown_away {
            return Ok(false);
        }
        if let Err(error) = self.reserve(&fragment) {
            self.bytes = Vec::new();
            self.is_thrown_away = true;
            return Err(error);
        }
        memory.read_bytes(at + FRAGMENT_HEADER_SIZE, fragment.length, &mut self.bytes);
        Ok(fragment.is_last())
    }

    /// The message that the last `take` made whole.
    #[inline]
    pub fn message(&self) -> Received<'_> {
        let (head, body) = self.bytes.split_at(self.head_length);
        Received { head, body }
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    fn begin(&mut self, first: &Fragment) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.head_length = first.head_length;
        self.body_length = first.body_length;
        self.is_thrown_away = false;
    }

    /// Makes room for a fragment: at most twice what has arrived, never more than the message needs.
    #[inline]
    fn reserve(&mut self, fragment: &Fragment) -> Result<(), LinkError> {
        if self.bytes.capacity() - self.bytes.len() >= fragment.length {
            return Ok(());
        }
        let missing = fragment.message_length() - self.bytes.len();
        let wanted = fragment.length.max(self.bytes.len()).min(missing);
        self.bytes
            .try_reserve_exact(wanted)
            .map_err(|_| LinkError::OutOfMemory)
    }
}
