//! The two queues of a link end, each from the driver's or the device's side.
//!
//! A sender asks for empty buffers and puts them full; a receiver takes full buffers and gives
//! them back empty. As driver the sender owns its buffers and the receiver lends its own to
//! the device; as device both work with what the driver offers.

use super::fragment::{FRAGMENT_HEADER_SIZE, Fragment};
use super::layout::LinkLayout;
use super::{LinkError, Side};
use crate::ring::{
    Descriptor, DeviceQueue, DriverQueue, FLAG_WRITE, QUEUE_SIZE_MAX, RingError, RingMemory,
};

/// A buffer in the link's area.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    pub id: u16,
    /// Offset in the area.
    pub at: usize,
    /// Bytes: of the whole buffer for a sender, of what was filled for a receiver.
    pub length: usize,
}

/// The sender's own buffers that are empty, first in, first out: so that buffers go round in the
/// order of the ring's slots.
#[derive(Debug)]
pub(super) struct Empty {
    ids: [u8; QUEUE_SIZE_MAX as usize],
    head: u16,
    count: u16,
}

impl Empty {
    fn pop(&mut self) -> Option<u16> {
        self.count = self.count.checked_sub(1)?;
        let id = self.ids[usize::from(self.head)].into();
        self.head = (self.head + 1) % QUEUE_SIZE_MAX;
        Some(id)
    }

    fn push(&mut self, id: u16) {
        self.ids[usize::from((self.head + self.count) % QUEUE_SIZE_MAX)] = id as u8;
        self.count += 1;
    }
}

/// The queue that this end fills.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a link has one, and the driver's is no rarer"
)]
pub(super) enum Sender {
    Driver { queue: DriverQueue, empty: Empty },
    Device { queue: DeviceQueue },
}

impl Sender {
    pub fn new(
        memory: &impl RingMemory,
        layout: &LinkLayout,
        side: Side,
    ) -> Result<Sender, LinkError> {
        if side == Side::Device {
            return Ok(Sender::Device {
                queue: DeviceQueue::new(memory, layout.queues[1])?,
            });
        }
        let mut queue = DriverQueue::new(memory, layout.queues[0])?;
        let mut empty = Empty {
            ids: [0; QUEUE_SIZE_MAX as usize],
            head: 0,
            count: 0,
        };
        for id in 0..layout.queues[0].size() {
            queue.set_descriptor(memory, id, descriptor(layout, 0, id, 0));
            empty.push(id);
        }
        Ok(Sender::Driver { queue, empty })
    }

    /// How many buffers are empty; looks at the ring only if fewer than `wanted` are known to be.
    #[inline]
    pub fn empty(&mut self, memory: &impl RingMemory, wanted: u16) -> Result<u16, LinkError> {
        match self {
            Sender::Driver { queue, empty } => {
                while empty.count < wanted
                    && let Some(used) = queue.take_used(memory)?
                {
                    empty.push(used.head);
                }
                Ok(empty.count)
            }
            Sender::Device { queue } => Ok(queue.offered(memory, wanted)?),
        }
    }

    /// An empty buffer, all of it inside the memory.
    #[inline]
    fn take(&mut self, memory: &impl RingMemory, layout: &LinkLayout) -> Result<Buffer, LinkError> {
        let length = layout.buffer_size;
        match self {
            Sender::Driver { empty, .. } => {
                let id = empty
                    .pop()
                    .expect("the caller has counted the empty buffers");
                Ok(Buffer {
                    id,
                    at: layout.buffer(0, id),
                    length,
                })
            }
            Sender::Device { queue } => {
                let id = queue
                    .take(memory)?
                    .expect("the caller has counted the empty buffers");
                let buffer = single(memory, queue, id, FLAG_WRITE)?;
                if buffer.length < length {
                    return Err(LinkError::ShortBuffer {
                        length: buffer.length,
                    });
                }
                Ok(Buffer { length, ..buffer })
            }
        }
    }

    /// Fills an empty buffer with a fragment, whose bytes are `parts`, and puts it into the ring; the
    /// peer sees it after `publish`. The caller has counted the empty buffers (`empty`).
    #[inline]
    pub fn fill(
        &mut self,
        memory: &impl RingMemory,
        layout: &LinkLayout,
        fragment: &Fragment,
        parts: [&[u8]; 2],
    ) -> Result<(), LinkError> {
        let buffer = self.take(memory, layout)?;
        let at = buffer.at + FRAGMENT_HEADER_SIZE;
        fragment.write(memory, buffer.at);
        memory.write_bytes(at, parts[0]);
        memory.write_bytes(at + parts[0].len(), parts[1]);
        let filled = FRAGMENT_HEADER_SIZE + fragment.length;
        match self {
            Sender::Driver { queue, .. } => queue.offer(memory, buffer.id),
            Sender::Device { queue } => queue.give_back(memory, buffer.id, filled as u32),
        }
        Ok(())
    }

    #[inline]
    pub fn publish(&mut self, memory: &impl RingMemory) {
        match self {
            Sender::Driver { queue, .. } => queue.publish(memory),
            Sender::Device { queue } => queue.publish(memory),
        }
    }

    /// Full buffers that the peer has not taken.
    pub fn depth(&self, memory: &impl RingMemory) -> u16 {
        match self {
            Sender::Driver { queue, .. } => queue.depth(memory),
            Sender::Device { queue } => queue.depth(memory),
        }
    }

    #[inline]
    pub fn may_kick(&self) -> bool {
        match self {
            Sender::Driver { queue, .. } => queue.may_kick(),
            Sender::Device { queue } => queue.may_kick(),
        }
    }

    #[inline]
    pub fn passed_event(&mut self, memory: &impl RingMemory) -> bool {
        match self {
            Sender::Driver { queue, .. } => queue.passed_event(memory),
            Sender::Device { queue } => queue.passed_event(memory),
        }
    }

    pub fn arm(&mut self, memory: &impl RingMemory) -> Result<bool, LinkError> {
        Ok(match self {
            Sender::Driver { queue, .. } => queue.arm(memory)?,
            Sender::Device { queue } => queue.arm(memory)?,
        })
    }

    pub fn disarm(&mut self, memory: &impl RingMemory) {
        match self {
            Sender::Driver { queue, .. } => queue.disarm(memory),
            Sender::Device { queue } => queue.disarm(memory),
        }
    }
}

/// The queue that the peer fills.
#[derive(Debug)]
pub(super) enum Receiver {
    Driver { queue: DriverQueue },
    Device { queue: DeviceQueue },
}

impl Receiver {
    pub fn new(
        memory: &impl RingMemory,
        layout: &LinkLayout,
        side: Side,
    ) -> Result<Receiver, LinkError> {
        if side == Side::Device {
            return Ok(Receiver::Device {
                queue: DeviceQueue::new(memory, layout.queues[0])?,
            });
        }
        let mut queue = DriverQueue::new(memory, layout.queues[1])?;
        for id in 0..layout.queues[1].size() {
            queue.set_descriptor(memory, id, descriptor(layout, 1, id, FLAG_WRITE));
            queue.offer(memory, id);
        }
        queue.publish(memory);
        Ok(Receiver::Driver { queue })
    }

    /// The next full buffer, all of it inside the memory.
    #[inline]
    pub fn take(
        &mut self,
        memory: &impl RingMemory,
        layout: &LinkLayout,
    ) -> Result<Option<Buffer>, LinkError> {
        match self {
            Receiver::Driver { queue } => {
                let Some(used) = queue.take_used(memory)? else {
                    return Ok(None);
                };
                let length = used.length as usize;
                if length > layout.buffer_size {
                    return Err(LinkError::LongBuffer { length });
                }
                // Where the buffer is we know ourselves: the descriptor may have been overwritten.
                Ok(Some(Buffer {
                    id: used.head,
                    at: layout.buffer(1, used.head),
                    length,
                }))
            }
            Receiver::Device { queue } => match queue.take(memory)? {
                Some(id) => single(memory, queue, id, 0).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Gives a buffer back empty and publishes that at once: the peer may be waiting for it.
    #[inline]
    pub fn give_back(&mut self, memory: &impl RingMemory, id: u16) {
        match self {
            Receiver::Driver { queue } => {
                queue.offer(memory, id);
                queue.publish(memory);
            }
            Receiver::Device { queue } => {
                queue.give_back(memory, id, 0);
                queue.publish(memory);
            }
        }
    }

    #[inline]
    pub fn may_kick(&self) -> bool {
        match self {
            Receiver::Driver { queue } => queue.may_kick(),
            Receiver::Device { queue } => queue.may_kick(),
        }
    }

    #[inline]
    pub fn passed_event(&mut self, memory: &impl RingMemory) -> bool {
        match self {
            Receiver::Driver { queue } => queue.passed_event(memory),
            Receiver::Device { queue } => queue.passed_event(memory),
        }
    }

    pub fn arm(&mut self, memory: &impl RingMemory) -> Result<bool, LinkError> {
        Ok(match self {
            Receiver::Driver { queue } => queue.arm(memory)?,
            Receiver::Device { queue } => queue.arm(memory)?,
        })
    }

    pub fn disarm(&mut self, memory: &impl RingMemory) {
        match self {
            Receiver::Driver { queue } => queue.disarm(memory),
            Receiver::Device { queue } => queue.disarm(memory),
        }
    }
}

fn descriptor(layout: &LinkLayout, queue: usize, id: u16, flags: u16) -> Descriptor {
    let address = layout.buffer(queue, id) as u64;
    Descriptor {
        address,
        length: layout.buffer_size as u32,
        flags,
        next: 0,
    }
}

/// The buffer of a chain that must be one descriptor, aligned to 8 bytes, with exactly these flags.
#[inline]
fn single<M: RingMemory>(
    memory: &M,
    queue: &DeviceQueue,
    id: u16,
    wanted: u16,
) -> Result<Buffer, LinkError> {
    let Some(descriptor) = queue.chain(memory, id).next() else {
        return Err(LinkError::Ring(RingError::BadHead { id: id.into() }));
    };
    let Descriptor {
        address,
        length,
        flags,
        ..
    } = descriptor?;
    if flags != wanted || !address.is_multiple_of(8) {
        return Err(LinkError::Ring(RingError::BadDescriptor {
            id,
            address,
            length,
            flags,
        }));
    }
    Ok(Buffer {
        id,
        at: address as usize,
        length: length as usize,
    })
}
