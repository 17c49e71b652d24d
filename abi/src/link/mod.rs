//! A link: messages both ways between exactly two peers, over two virtqueues in shared memory.
//!
//! ```text
//!   driver                         link's area                        device
//!   send ──► outbox ──► buffers ──► queue 0 ──────────────► assembly ──► receive
//!   receive ◄── assembly ◄─────────── queue 1 ◄── buffers ◄── outbox ◄── send
//! ```
//!
//! A message is a head and a body. It is cut into fragments, one to a buffer, and put together at
//! the other end in memory of that end's own; what fits one buffer costs one copy in and one
//! copy out. What finds no empty buffer waits in the outbox until a later [`LinkEnd::poll`].
//!
//! When things are published: a [`LinkEnd::send`] publishes its message before it returns (a long
//! one every few buffers), because the peer may be spinning on another core; a
//! [`LinkEnd::receive`] gives each buffer back as soon as it is copied. Neither rings. One
//! [`LinkEnd::take_kick`] at the end of a turn answers for all of it; call it after every turn in
//! which anything was sent, received or polled.
//!
//! # Invariants
//! 1. Messages arrive whole, once, and in the order they were sent.
//! 2. Nothing of the peer's is used before it was copied in and checked; a message's bytes are only
//!    its sender's claim, and their readers validate them.
//! 3. Fragments of a message are consecutive in their queue.
//! 4. A call does at most one queue's worth of work.
//! 5. An end sleeps only after [`LinkEnd::prepare_sleep`] said so, and then the peer rings it.
//!
//! # Failure
//! A peer that breaks the protocol ends the link: the [`LinkError`] comes back from every later call.
//! [`LinkError::OutOfMemory`] and [`LinkError::MessageTooLong`] are of this end's own and cost
//! one message only.

mod assembly;
mod fragment;
mod layout;
mod outbox;
mod queue;
#[cfg(test)]
mod tests;

pub use fragment::FRAGMENT_HEADER_SIZE;
pub use layout::{LINK_LAYOUT, LinkLayout};

use crate::ring::{RingError, RingMemory, SharedMemory};
use assembly::Assembly;
use fragment::Fragment;
use outbox::Outbox;
use queue::{Receiver, Sender};

/// Bytes of the longest message, head and body together.
pub const MESSAGE_SIZE_MAX: usize = 1 << 30;
/// Bytes in the outbox from which producers of bulk should stop.
pub const OUTBOX_CONGESTED: usize = 1 << 20;
/// A long message is published every so many buffers, so that the peer copies while we do.
const PUBLISH_BUFFERS: u32 = 8;

/// Which end of the virtqueues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Lays out the queues, owns the buffers.
    Driver,
    /// Uses what the driver offers.
    Device,
}

/// A message as it was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received<'a> {
    /// The head, not validated.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// What went wrong on a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The peer broke the rules of a virtqueue.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The peer filled or offered a buffer too short for what must be in it.
    #[error("a buffer of {length} bytes is too short")]
    ShortBuffer {
        /// Its bytes.
        length: usize,
    },
    /// The peer says that it wrote more than the buffer holds.
    #[error("{length} bytes in a buffer that is shorter")]
    LongBuffer {
        /// Bytes it says.
        length: usize,
    },
    /// A fragment's header contradicts itself.
    #[error("malformed fragment: {length} bytes at {offset} of a message of {message_length}")]
    BadFragment {
        /// Bytes in the buffer.
        length: usize,
        /// Where they belong.
        offset: usize,
        /// Bytes of the message.
        message_length: usize,
    },
    /// A fragment does not go on where the one before ended, or is of another message.
    #[error("fragment at {offset} of a message of which {expected} bytes have arrived")]
    BadSequence {
        /// Where the fragment belongs.
        offset: usize,
        /// Bytes that have arrived.
        expected: usize,
    },
    /// The caller's message is too long; nothing was sent.
    #[error("a message of {length} bytes is longer than {MESSAGE_SIZE_MAX}")]
    MessageTooLong {
        /// Its bytes.
        length: usize,
    },
    /// The heap has no room for the message: it was not sent, or what arrived of it is
    /// thrown away. The link goes on.
    #[error("out of memory for a message")]
    OutOfMemory,
}

impl LinkError {
    /// Whether the link is finished; else only one message is lost.
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            LinkError::OutOfMemory | LinkError::MessageTooLong { .. }
        )
    }
}

/// One end of a link.
#[derive(Debug)]
pub struct LinkEnd<M: RingMemory> {
    memory: M,
    layout: LinkLayout,
    sender: Sender,
    receiver: Receiver,
    outbox: Outbox,
    assembly: Assembly,
    sent: u64,
    received: u64,
    /// The error that finished the link.
    failure: Option<LinkError>,
}

/// One end of a link in shared memory.
pub type Link = LinkEnd<SharedMemory>;

impl<M: RingMemory> LinkEnd<M> {
    /// As driver: lays out both queues in zeroed memory and offers the buffers to receive into.
    /// As device: attaches; the driver may do its part before or after.
    ///
    /// # Errors
    /// If the memory is smaller than [`LINK_LAYOUT`].
    pub fn new(memory: M, side: Side) -> Result<Self, LinkError> {
        LinkEnd::with_layout(memory, side, LINK_LAYOUT)
    }

    /// [`LinkEnd::new`] with another layout, the same at both ends.
    ///
    /// # Errors
    /// If the memory is smaller than the layout.
    pub fn with_layout(memory: M, side: Side, layout: LinkLayout) -> Result<Self, LinkError> {
        if memory.size() < layout.size() {
            let (size, needed) = (memory.size(), layout.size());
            return Err(RingError::MemoryTooSmall { size, needed }.into());
        }
        let sender = Sender::new(&memory, &layout, side)?;
        let receiver = Receiver::new(&memory, &layout, side)?;
        Ok(LinkEnd {
            memory,
            layout,
            sender,
            receiver,
            outbox: Outbox::default(),
            assembly: Assembly::default(),
            sent: 0,
            received: 0,
            failure: None,
        })
    }

    /// Sends a message. Never blocks: what finds no empty buffer waits in the outbox, which later
    /// [`LinkEnd::poll`]s drain.
    ///
    /// # Errors
    /// [`LinkError::MessageTooLong`], [`LinkError::OutOfMemory`]: nothing was sent. Others: the link is finished.
    pub fn send(&mut self, head: &[u8], body: &[u8]) -> Result<(), LinkError> {
        self.check()?;
        let length = head.len().saturating_add(body.len());
        if length > MESSAGE_SIZE_MAX {
            return Err(LinkError::MessageTooLong { length });
        }
        let result = self.put(head, body);
        self.note(result)?;
        self.sent += 1;
        Ok(())
    }

    fn put(&mut self, head: &[u8], body: &[u8]) -> Result<(), LinkError> {
        if !self.outbox.is_empty() {
            return self.outbox.push(head, body, 0);
        }
        let room = self.layout.buffer_size - FRAGMENT_HEADER_SIZE;
        let (head_length, body_length) = (head.len(), body.len());
        let message_length = head_length + body_length;
        let wanted = message_length.div_ceil(room).max(1);
        let empty = self
            .sender
            .empty(&self.memory, wanted.min(usize::from(u16::MAX)) as u16)?;
        if wanted > usize::from(empty) {
            // What will not fit is kept first: if that fails, nothing has been sent.
            self.outbox.push(head, body, room * usize::from(empty))?;
        }
        let mut offset = 0;
        for n in 1..=wanted.min(empty.into()) {
            let length = room.min(message_length - offset);
            let fragment = Fragment {
                length,
                offset,
                head_length,
                body_length,
            };
            let from_head = length.min(head_length.saturating_sub(offset));
            let in_body = (offset + from_head).saturating_sub(head_length);
            let head = &head[offset.min(head_length)..][..from_head];
            let body = &body[in_body..][..length - from_head];
            self.sender
                .fill(&self.memory, &self.layout, &fragment, [head, body])?;
            offset += length;
            if (n as u32).is_multiple_of(PUBLISH_BUFFERS) {
                self.sender.publish(&self.memory);
            }
        }
        self.sender.publish(&self.memory);
        Ok(())
    }

    /// Bytes waiting in the outbox.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    /// Whether so much waits in the outbox that producers of bulk should stop.
    pub fn is_congested(&self) -> bool {
        self.outbox.bytes() >= OUTBOX_CONGESTED
    }

    /// Moves the outbox into the buffers that the peer has given back. True if it moved something.
    ///
    /// # Errors
    /// If the link is finished.
    #[inline]
    pub fn poll(&mut self) -> Result<bool, LinkError> {
        self.check()?;
        if self.outbox.is_empty() {
            return Ok(false);
        }
        let result = self.drain_outbox();
        self.note(result)
    }

    fn drain_outbox(&mut self) -> Result<bool, LinkError> {
        let room = self.layout.buffer_size - FRAGMENT_HEADER_SIZE;
        let empty = self
            .sender
            .empty(&self.memory, self.layout.queues[0].size())?;
        let mut moved = 0;
        while moved < u32::from(empty)
            && let Some(waiting) = self.outbox.front()
        {
            let (fragment, bytes) = waiting.fragment(room);
            self.sender
                .fill(&self.memory, &self.layout, &fragment, [bytes, &[]])?;
            self.outbox.advance(&fragment);
            moved += 1;
            if moved.is_multiple_of(PUBLISH_BUFFERS) {
                self.sender.publish(&self.memory);
            }
        }
        self.sender.publish(&self.memory);
        Ok(moved > 0)
    }

    /// The next whole message, copied into memory of this end. None: nothing is there, or a long message
    /// is still arriving.
    ///
    /// # Errors
    /// [`LinkError::OutOfMemory`]: that message is lost. Others: the link is finished.
    #[inline]
    pub fn receive(&mut self) -> Result<Option<Received<'_>>, LinkError> {
        self.check()?;
        let result = self.receive_fragments();
        if !self.note(result)? {
            return Ok(None);
        }
        self.received += 1;
        Ok(Some(self.assembly.message()))
    }

    /// Takes fragments until a message is whole: true. At most one queue's worth in a call.
    #[inline]
    fn receive_fragments(&mut self) -> Result<bool, LinkError> {
        for _ in 0..self.layout.queues[0].size() {
            let Some(buffer) = self.receiver.take(&self.memory, &self.layout)? else {
                return Ok(false);
            };
            let result = self.assembly.take(&self.memory, buffer.at, buffer.length);
            self.receiver.give_back(&self.memory, buffer.id);
            if result? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the peer must be rung for what was published since the last call.
    #[inline]
    pub fn take_kick(&mut self) -> bool {
        if !self.sender.may_kick() && !self.receiver.may_kick() {
            return false;
        }
        // Between our stores of the indexes and our loads of the events; pairs with the fences in
        // the peer's `prepare_sleep`.
        self.memory.fence();
        let for_sent = self.sender.passed_event(&self.memory);
        let for_empty = self.receiver.passed_event(&self.memory);
        for_sent || for_empty
    }

    /// Before sleeping: asks the peer to ring when a message arrives, and where the outbox waits for
    /// buffers, when those come back. True: nothing is pending, and the end may sleep. False:
    /// something is there already, and the peer is not asked.
    ///
    /// # Errors
    /// If the link is finished.
    pub fn prepare_sleep(&mut self) -> Result<bool, LinkError> {
        self.check()?;
        let result = self.arm();
        let may_sleep = self.note(result)?;
        if !may_sleep {
            self.woke();
        }
        Ok(may_sleep)
    }

    fn arm(&mut self) -> Result<bool, LinkError> {
        if !self.outbox.is_empty()
            && (self.sender.empty(&self.memory, 1)? > 0 || !self.sender.arm(&self.memory)?)
        {
            return Ok(false);
        }
        self.receiver.arm(&self.memory)
    }

    /// After sleeping: asks the peer not to ring.
    pub fn woke(&mut self) {
        self.sender.disarm(&self.memory);
        self.receiver.disarm(&self.memory);
    }

    /// Messages sent, those in the outbox included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Messages received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// What the peer has not taken yet: full buffers in the ring and messages in the outbox.
    pub fn depth(&self) -> u64 {
        u64::from(self.sender.depth(&self.memory)) + self.outbox.messages() as u64
    }

    #[inline]
    fn check(&self) -> Result<(), LinkError> {
        match self.failure {
            None => Ok(()),
            Some(failure) => Err(failure),
        }
    }

    /// Keeps an error that finishes the link.
    #[inline]
    fn note<T>(&mut self, result: Result<T, LinkError>) -> Result<T, LinkError> {
        if let Err(error) = &result
            && error.is_fatal()
        {
            self.failure = Some(*error);
        }
        result
    }
}
