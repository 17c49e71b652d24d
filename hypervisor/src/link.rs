//! The host's ends of links: the gateway's, and the block devices'.
//!
//! A link is one [`Region`] and two ends. An end in a function has its epoch in the function's control
//! page and its acknowledgement in the status page; an end on the host has both in a [`HostEnd`], and the
//! same protocol (`vireo_abi::boot`):
//!
//! ```text
//!  epoch odd    the peer is gone: drop the link's end and all that came from it, acknowledge
//!  epoch even   the memory is zero and the peer is new: make an end, acknowledge
//! ```
//!
//! Invariants:
//! 1. `epoch` is stored by the supervisor only, `ack` and `fault` by the end's user only.
//! 2. Whenever the epoch changes, the bell rings; so who waits on the bell need not poll.
//! 3. The area is cleared only between the acknowledgement of an odd epoch and the next even one.
//!
//! Failure: a user that does not acknowledge in time is warned about, and the link is cleared
//! under it: it then sees a broken protocol, not foreign memory.

use crate::error::{Error, host};
use crate::memory::Region;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use vireo_abi::boot::Role;
use vireo_abi::ring::{RingMemory, SharedMemory};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// One end of a link on the host.
#[derive(Debug)]
pub struct HostEnd {
    epoch: AtomicU32,
    ack: AtomicU32,
    /// The epoch of a broken protocol, plus one; 0: none.
    fault: AtomicU32,
    depth: AtomicU64,
    bell: EventFd,
}

impl HostEnd {
    pub(crate) fn new() -> Result<HostEnd, Error> {
        let bell = EventFd::new(EFD_NONBLOCK).map_err(|_| host("an eventfd"))?;
        Ok(HostEnd {
            epoch: AtomicU32::new(1),
            ack: AtomicU32::new(1),
            fault: AtomicU32::new(0),
            depth: AtomicU64::new(0),
            bell,
        })
    }

    /// The epoch: even when the link is up, odd when down.
    pub fn epoch(&self) -> u32 {
        // Pairs with the Release in `set_epoch`: who sees an even epoch sees the cleared area.
        self.epoch.load(Ordering::Acquire)
    }

    /// Says that `epoch` was acted on.
    pub fn acknowledge(&self, epoch: u32) {
        // Pairs with the Acquire in `acknowledged`: the end of the old link is gone before.
        self.ack.store(epoch, Ordering::Release);
    }

    /// Says that the peer broke the protocol in `epoch`.
    pub fn report_fault(&self, epoch: u32) {
        self.fault.store(epoch.wrapping_add(1), Ordering::Release);
    }

    /// The bell: readable when the peer rang or the epoch changed. It does not block.
    pub fn bell(&self) -> &EventFd {
        &self.bell
    }

    /// Says how many messages wait in this end, for the statistics.
    pub fn set_depth(&self, depth: u64) {
        self.depth.store(depth, Ordering::Relaxed);
    }

    pub(crate) fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed)
    }

    pub(crate) fn acknowledged(&self) -> u32 {
        self.ack.load(Ordering::Acquire)
    }

    pub(crate) fn fault(&self) -> u32 {
        self.fault.load(Ordering::Acquire)
    }

    pub(crate) fn set_epoch(&self, epoch: u32) {
        self.epoch.store(epoch, Ordering::Release);
        ring(&self.bell);
    }
}

/// Rings an eventfd. A full counter means that it rings already.
pub(crate) fn ring(bell: &EventFd) {
    if let Err(error) = bell.write(1)
        && error.kind() != io::ErrorKind::WouldBlock
    {
        tracing::error!(%error, "a doorbell cannot be rung");
    }
}

/// Waits until an eventfd that does not block was rung, and takes the ring; None: without a limit. A signal ends the
/// wait early.
pub(crate) fn wait(bell: &EventFd, limit: Option<Duration>) -> io::Result<()> {
    let timeout = limit.map(|limit| libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let mut poll = libc::pollfd {
        fd: bell.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid pollfd, a valid time or none, and no signal mask.
    let result = unsafe { libc::ppoll(&mut poll, 1, timeout, std::ptr::null()) };
    if result < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // It may not have rung; then there is nothing to take.
    let _ = bell.read();
    Ok(())
}

/// The gateway's end of a link to a function. The host is the virtqueues' driver.
///
/// The user keeps the last epoch it acted on. When [`HostLink::epoch`] differs from it, and the new one
/// is odd, it drops its link end and acknowledges; if it is even, it drops the old end if it has one, makes
/// a new one over [`HostLink::memory`] and acknowledges. The bell rings at each change.
#[derive(Debug)]
pub struct HostLink {
    role: Role,
    instance: u32,
    area: Arc<Region>,
    end: Arc<HostEnd>,
    kick: EventFd,
}

impl HostLink {
    pub(crate) fn new(
        role: Role,
        instance: u32,
        area: Arc<Region>,
        end: Arc<HostEnd>,
        doorbell: &EventFd,
    ) -> Result<HostLink, Error> {
        let kick = doorbell.try_clone().map_err(|_| host("an eventfd"))?;
        Ok(HostLink {
            role,
            instance,
            area,
            end,
            kick,
        })
    }

    /// The function's role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The function's number among its role.
    pub fn instance(&self) -> u32 {
        self.instance
    }

    /// The link's memory. One link end may use it at a time.
    pub fn memory(&self) -> LinkMemory {
        LinkMemory::new(&self.area)
    }

    /// The epoch: even when the link is up, odd when down.
    pub fn epoch(&self) -> u32 {
        self.end.epoch()
    }

    /// Says that `epoch` was acted on.
    pub fn acknowledge(&self, epoch: u32) {
        self.end.acknowledge(epoch);
    }

    /// Says that the function broke the protocol in `epoch`; it will be replaced.
    pub fn report_fault(&self, epoch: u32) {
        self.end.report_fault(epoch);
    }

    /// Readable when the function rang or the epoch changed. It does not block.
    pub fn bell(&self) -> &EventFd {
        self.end.bell()
    }

    /// Waits for the bell, which may have rung already, or for the limit. It may also return for no reason.
    ///
    /// # Errors
    /// If the host cannot wait.
    pub fn wait(&self, limit: Duration) -> Result<(), Error> {
        wait(self.bell(), Some(limit)).map_err(|source| Error::Host {
            what: "a wait for a doorbell",
            source,
        })
    }

    /// Rings the function.
    pub fn kick(&self) {
        ring(&self.kick);
    }

    /// Says how many messages wait in this end, for the statistics.
    pub fn set_depth(&self, depth: u64) {
        self.end.set_depth(depth);
    }
}

/// A link's memory that keeps its mapping alive.
#[derive(Debug)]
pub struct LinkMemory {
    memory: SharedMemory,
    area: Arc<Region>,
}

impl LinkMemory {
    pub(crate) fn new(area: &Arc<Region>) -> LinkMemory {
        // SAFETY: the area is mapped, aligned to a huge page and held by this value; nobody makes
        // references into it (`memory`, invariant 4).
        let memory = unsafe { SharedMemory::new(area.start(), area.size()) };
        LinkMemory {
            memory,
            area: area.clone(),
        }
    }

    /// The mapping.
    pub fn area(&self) -> &Arc<Region> {
        &self.area
    }
}

impl RingMemory for LinkMemory {
    #[inline]
    fn size(&self) -> usize {
        self.memory.size()
    }

    #[inline]
    fn load_relaxed(&self, at: usize) -> u16 {
        self.memory.load_relaxed(at)
    }

    #[inline]
    fn load_acquire(&self, at: usize) -> u16 {
        self.memory.load_acquire(at)
    }

    #[inline]
    fn store_relaxed(&self, at: usize, value: u16) {
        self.memory.store_relaxed(at, value);
    }

    #[inline]
    fn store_release(&self, at: usize, value: u16) {
        self.memory.store_release(at, value);
    }

    #[inline]
    fn fence(&self) {
        self.memory.fence();
    }

    #[inline]
    fn read_u16(&self, at: usize) -> u16 {
        self.memory.read_u16(at)
    }

    #[inline]
    fn write_u16(&self, at: usize, value: u16) {
        self.memory.write_u16(at, value);
    }

    #[inline]
    fn read_u32(&self, at: usize) -> u32 {
        self.memory.read_u32(at)
    }

    #[inline]
    fn write_u32(&self, at: usize, value: u32) {
        self.memory.write_u32(at, value);
    }

    #[inline]
    fn read_u64(&self, at: usize) -> u64 {
        self.memory.read_u64(at)
    }

    #[inline]
    fn write_u64(&self, at: usize, value: u64) {
        self.memory.write_u64(at, value);
    }

    #[inline]
    fn read_bytes(&self, at: usize, length: usize, out: &mut Vec<u8>) {
        self.memory.read_bytes(at, length, out);
    }

    #[inline]
    fn write_bytes(&self, at: usize, bytes: &[u8]) {
        self.memory.write_bytes(at, bytes);
    }
}
