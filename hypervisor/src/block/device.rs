//! A virtio-blk device on the host: a thread that serves one block link from a [`Disk`].
//!
//! The queue is rust-vmm's, over the link's area alone (`vireo_abi::block`): a descriptor that points
//! outside is an error, for there is nothing outside. Requests are those of VIRTIO 1.3, section 5.2.6:
//! read, write, flush and discard, with one more status, `NoSpace`.
//!
//! One pass takes all that is available, serves writes, reads and discards in their order and answers
//! each at once, then flushes once for all the flushes of the pass. So a write directly followed
//! by its flush costs one trip, and the flushes of several commits cost one fdatasync. A flush may
//! cover more than it must, never less.
//!
//! Invariants:
//! 1. A request's fields are copied out of shared memory once, checked, and used from the copy.
//! 2. When an odd epoch is acknowledged, no request of the old link is being served or will be.
//! 3. A request for a sector past the capacity does not reach the disk.
//!
//! Failure: what is wrong with one request (range, type, disk error) is its status. A ring or chain
//! that makes no sense is reported as the link's fault, and nothing more is served until the next epoch.

use super::{Adaptive, Disk, request};
use crate::error::{Error, host};
use crate::link::{HostEnd, ring, wait};
use crate::memory::Region;
use request::{Chain, serve};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use vireo_abi::block::{BLOCK_RING, BlockStatus};
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap};
use vmm_sys_util::eventfd::EventFd;

/// The thread of a device; dropping it ends the thread.
pub(crate) struct DeviceThread {
    stop: Arc<AtomicBool>,
    end: Arc<HostEnd>,
    thread: Option<JoinHandle<()>>,
}

impl DeviceThread {
    /// Starts serving. `kick` rings the function at the other end.
    pub(crate) fn start(
        name: &'static str,
        disk: Box<dyn Disk>,
        area: Arc<Region>,
        end: Arc<HostEnd>,
        kick: &EventFd,
    ) -> Result<DeviceThread, Error> {
        let kick = kick.try_clone().map_err(|_| host("an eventfd"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let memory = guest_memory(&area)?;
        let mut device = Device {
            name,
            disk,
            memory,
            _area: area,
            end: end.clone(),
            kick,
            queue: None,
            epoch: end.epoch(),
            bytes: Vec::new(),
            stop: stop.clone(),
        };
        let builder = std::thread::Builder::new().name(format!("disk {name}"));
        let thread = builder.spawn(move || device.run());
        let thread = thread.map_err(|source| Error::Host {
            what: "a thread",
            source,
        })?;
        Ok(DeviceThread {
            stop,
            end,
            thread: Some(thread),
        })
    }
}

impl Drop for DeviceThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        ring(self.end.bell());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a disk's thread panicked");
        }
    }
}

struct Device {
    name: &'static str,
    disk: Box<dyn Disk>,
    memory: GuestMemoryMmap,
    _area: Arc<Region>,
    end: Arc<HostEnd>,
    kick: EventFd,
    /// None while the link is down, or after a fault.
    queue: Option<Queue>,
    epoch: u32,
    /// What is on its way between the link and the disk.
    bytes: Vec<u8>,
    stop: Arc<AtomicBool>,
}

impl Device {
    fn run(&mut self) {
        let mut spin = Adaptive::new();
        while !self.stop.load(Ordering::Acquire) {
            self.follow_epoch();
            let worked = match self.pass() {
                Ok(worked) => worked,
                Err(problem) => {
                    tracing::error!(disk = self.name, problem, "protocol broken on a block link");
                    self.queue = None;
                    self.end.report_fault(self.epoch);
                    false
                }
            };
            if !worked && !spin.spin(|| self.has_work()) {
                self.sleep();
            }
        }
    }

    fn follow_epoch(&mut self) {
        let epoch = self.end.epoch();
        if epoch == self.epoch {
            return;
        }
        self.epoch = epoch;
        self.queue = None;
        if epoch.is_multiple_of(2) {
            match new_queue() {
                Ok(queue) => self.queue = Some(queue),
                Err(error) => tracing::error!(disk = self.name, %error, "no block queue"),
            }
        }
        self.end.acknowledge(epoch);
    }

    fn has_work(&self) -> bool {
        let available = self.queue.as_ref().map(|queue| (queue, queue.next_avail()));
        let available =
            available.map(|(queue, next)| (queue.avail_idx(&self.memory, Ordering::Acquire), next));
        matches!(available, Some((Ok(index), next)) if index.0 != next)
            || self.end.epoch() != self.epoch
    }

    /// Serves what is available. True if there was anything.
    fn pass(&mut self) -> Result<bool, String> {
        let Some(queue) = &mut self.queue else {
            return Ok(false);
        };
        let mut flushes = Vec::new();
        let mut served = false;
        let available = queue
            .iter(&self.memory)
            .map_err(|error| error.to_string())?;
        let chains: Vec<_> = available
            .map(|chain| (chain.head_index(), Chain::read(&self.memory, chain)))
            .collect();
        for (head, chain) in chains {
            served = true;
            let chain = chain?;
            if chain.is_flush() {
                flushes.push((head, chain));
                continue;
            }
            let (status, length) = serve(&self.memory, &chain, self.disk.as_mut(), &mut self.bytes);
            self.finish(head, &chain, status, length)?;
        }
        if !flushes.is_empty() {
            let status = request::status(self.name, "flush", self.disk.flush());
            for (head, chain) in flushes {
                self.finish(head, &chain, status, 0)?;
            }
        }
        Ok(served)
    }

    /// Answers a request, with `length` bytes read, and rings the function if it wants that.
    fn finish(
        &mut self,
        head: u16,
        chain: &Chain,
        status: BlockStatus,
        length: u32,
    ) -> Result<(), String> {
        chain.write_status(&self.memory, status)?;
        let Some(queue) = &mut self.queue else {
            return Ok(());
        };
        let added = queue.add_used(&self.memory, head, length + 1);
        let needs = added.and_then(|()| queue.needs_notification(&self.memory));
        if needs.map_err(|error| error.to_string())? {
            ring(&self.kick);
        }
        Ok(())
    }

    /// Waits for the bell, unless something came meanwhile.
    fn sleep(&mut self) {
        if let Some(queue) = &mut self.queue {
            // `enable_notification` looks once more after the fence: true means that there is work.
            match queue.enable_notification(&self.memory) {
                Ok(false) => {}
                Ok(true) | Err(_) => return,
            }
        }
        if self.has_work() {
            return;
        }
        if let Err(error) = wait(self.end.bell(), None) {
            tracing::error!(disk = self.name, %error, "a disk cannot wait");
        }
    }
}

fn new_queue() -> Result<Queue, virtio_queue::Error> {
    let mut queue = Queue::new(BLOCK_RING.size())?;
    queue.set_size(BLOCK_RING.size());
    queue.set_desc_table_address(Some(BLOCK_RING.descriptors() as u32), Some(0));
    queue.set_avail_ring_address(Some(BLOCK_RING.available() as u32), Some(0));
    queue.set_used_ring_address(Some(BLOCK_RING.used() as u32), Some(0));
    queue.set_event_idx(true);
    queue.set_ready(true);
    Ok(queue)
}

/// The link's area as rust-vmm's guest memory, from guest address 0.
fn guest_memory(area: &Arc<Region>) -> Result<GuestMemoryMmap, Error> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let invalid = |error: &dyn std::fmt::Display| Error::Host {
        what: "a block device's memory",
        source: io::Error::other(error.to_string()),
    };
    let builder = MmapRegionBuilder::new(area.size())
        .with_mmap_prot(protection)
        .with_mmap_flags(flags);
    // SAFETY: the mapping is `area`'s, page-aligned, of that size and those rights; the device holds
    // the area as long as this view, which does not unmap what it did not map.
    let region = unsafe { builder.with_raw_mmap_pointer(area.start()) };
    let region = region.build().map_err(|error| invalid(&error))?;
    let region =
        GuestRegionMmap::new(region, GuestAddress(0)).ok_or_else(|| invalid(&"its address"))?;
    GuestMemoryMmap::from_regions(vec![region]).map_err(|error| invalid(&error))
}

#[cfg(test)]
mod tests;
