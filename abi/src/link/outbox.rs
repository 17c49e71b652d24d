//! Messages that found no room in the ring, in the order they were sent.

use super::LinkError;
use super::fragment::Fragment;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What is left of one message.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The message from `start` on.
    bytes: Vec<u8>,
    start: usize,
    /// Where in the message the next fragment begins.
    offset: usize,
    head_length: usize,
    body_length: usize,
}

impl Waiting {
    /// The next fragment, of at most `room` bytes, and its bytes.
    pub fn fragment(&self, room: usize) -> (Fragment, &[u8]) {
        let rest = &self.bytes[self.offset - self.start..];
        let length = rest.len().min(room);
        let Waiting {
            offset,
            head_length,
            body_length,
            ..
        } = *self;
        (
            Fragment {
                length,
                offset,
                head_length,
                body_length,
            },
            &rest[..length],
        )
    }
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: VecDeque<Waiting>,
    bytes: usize,
}

impl Outbox {
    /// Bytes that wait, without headers.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Messages that wait, a begun one included.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Queues a message from byte `start` of head and body on. Nothing happens where the memory does not suffice.
    pub fn push(&mut self, head: &[u8], body: &[u8], start: usize) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        let length = head.len() + body.len() - start;
        bytes
            .try_reserve_exact(length)
            .map_err(|_| LinkError::OutOfMemory)?;
        self.messages
            .try_reserve(1)
            .map_err(|_| LinkError::OutOfMemory)?;
        bytes.extend_from_slice(&head[start.min(head.len())..]);
        bytes.extend_from_slice(&body[start.saturating_sub(head.len())..]);
        self.bytes += length;
        let (head_length, body_length) = (head.len(), body.len());
        self.messages.push_back(Waiting {
            bytes,
            start,
            offset: start,
            head_length,
            body_length,
        });
        Ok(())
    }

    /// The message whose turn it is.
    pub fn front(&self) -> Option<&Waiting> {
        self.messages.front()
    }

    /// Notes that a fragment of the first message is in the ring.
    pub fn advance(&mut self, fragment: &Fragment) {
        self.bytes -= fragment.length;
        if fragment.is_last() {
            self.messages.pop_front();
        } else if let Some(front) = self.messages.front_mut() {
            front.offset += fragment.length;
        }
    }
}
