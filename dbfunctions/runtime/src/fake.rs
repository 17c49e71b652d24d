//! What a function is started with, in a test's own memory.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use vireo_abi::boot::{
    Area, BOOT_MAGIC, BOOT_VERSION, BootPage, ControlPage, LinkEntry, Peer, Role, StatusPage,
};
use vireo_abi::link::{Link, Side};
use vireo_abi::log_ring::{Reader, Record, TEXT_SIZE_MAX};
use vireo_abi::memory_map::{LINK_SIZE, PAGE_SIZE};
use vireo_abi::ring::SharedMemory;

const LOG_SIZE: usize = 16 << 10;

/// A control page of zeros.
pub(crate) fn control_page() -> ControlPage {
    // SAFETY: every field is an atomic integer or an array of them: zero is a value of each.
    unsafe { core::mem::zeroed() }
}

/// Zeroed memory, page-aligned, that is only reached through pointers.
pub(crate) struct Memory {
    start: *mut u8,
    layout: Layout,
}

impl Memory {
    pub(crate) fn new(size: usize) -> Memory {
        let layout = Layout::from_size_align(size, PAGE_SIZE).unwrap();
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        assert!(!start.is_null());
        Memory { start, layout }
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    pub(crate) fn shared(&self) -> SharedMemory {
        // SAFETY: the memory outlives what the tests make of it, and nobody has references to it.
        unsafe { SharedMemory::new(self.start, self.layout.size()) }
    }

    pub(crate) fn clear(&self) {
        // SAFETY: the memory is this long; tests clear it when no end uses it.
        unsafe { self.start.write_bytes(0, self.layout.size()) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// The shared pages and links of one function, seen from outside. The function is the device of
/// each link.
pub(crate) struct World {
    boot: *mut BootPage,
    control: Box<ControlPage>,
    status: Memory,
    log: Memory,
    pub(crate) links: Vec<Memory>,
}

impl World {
    pub(crate) fn new(role: Role, peers: &[Peer]) -> World {
        let control = Box::new(control_page());
        let status = Memory::new(PAGE_SIZE);
        let log = Memory::new(LOG_SIZE);
        let links: Vec<Memory> = peers.iter().map(|_| Memory::new(LINK_SIZE)).collect();
        let area = |start: *const u8, size: usize| Area {
            address: start.addr() as u64,
            size: size as u64,
        };
        // SAFETY: all fields are integers: zero is a value of each.
        let mut page: BootPage = unsafe { core::mem::zeroed() };
        page.magic = BOOT_MAGIC;
        page.version = BOOT_VERSION;
        page.role = role as u32;
        page.tsc_hz = 1_000_000_000;
        page.control = area((&raw const *control).cast(), PAGE_SIZE);
        page.status = area(status.start(), PAGE_SIZE);
        page.log = area(log.start(), LOG_SIZE);
        page.link_count = peers.len() as u32;
        for (index, (&peer, memory)) in peers.iter().zip(&links).enumerate() {
            let is_block = matches!(peer, Peer::WalDevice | Peer::DataDevice);
            page.links[index] = LinkEntry {
                area: area(memory.start(), LINK_SIZE),
                doorbell: 0,
                peer: peer as u32,
                is_driver: u32::from(is_block),
                instance: index as u32,
                reserved: 0,
                capacity: if is_block { 1 << 30 } else { 0 },
            };
        }
        World {
            boot: Box::into_raw(Box::new(page)),
            control,
            status,
            log,
            links,
        }
    }

    pub(crate) fn boot(&self) -> *const BootPage {
        self.boot
    }

    pub(crate) fn change_boot(&self, change: impl FnOnce(&mut BootPage)) {
        // SAFETY: the function reads the page only between the calls that tests make from outside.
        change(unsafe { &mut *self.boot });
    }

    pub(crate) fn control(&self) -> &ControlPage {
        &self.control
    }

    pub(crate) fn status(&self) -> &StatusPage {
        // SAFETY: the memory is a zeroed page, and the tests' functions write atomics only.
        unsafe { &*self.status.start().cast() }
    }

    pub(crate) fn set_epoch(&self, link: usize, epoch: u32) {
        self.control.link_epoch[link].store(epoch, Ordering::Release);
    }

    pub(crate) fn acknowledged(&self, link: usize) -> u32 {
        self.status().link_ack[link].load(Ordering::Acquire)
    }

    pub(crate) fn fault(&self, link: usize) -> u32 {
        self.status().link_fault[link].load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.control.stop.store(1, Ordering::Release);
    }

    /// The peer's end of a link.
    pub(crate) fn peer(&self, link: usize) -> Link {
        Link::new(self.links[link].shared(), Side::Driver).unwrap()
    }

    pub(crate) fn log_text(&self) -> String {
        // SAFETY: the memory is mapped while the world lives.
        let mut reader = unsafe { Reader::new(self.log.start(), LOG_SIZE) }.unwrap();
        let mut buffer = [0; TEXT_SIZE_MAX];
        let mut lines = vec![];
        while let Some(record) = reader.read(&mut buffer) {
            let Record::Text(_, text) = record else {
                panic!("the log lost records");
            };
            lines.push(String::from_utf8(text.to_vec()).unwrap());
        }
        lines.join("\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw`, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.boot) });
    }
}
