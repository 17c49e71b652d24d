//! The three pages that a function and the hypervisor share: boot, control and status.
//!
//! - [`BootPage`]: written once before the start, read-only to the function. What it is and where
//!   its areas are, as addresses in the function's own address space.
//! - [`ControlPage`]: the hypervisor writes at any time, the function reads.
//! - [`StatusPage`]: the function writes, the hypervisor reads and trusts nothing of it.
//!
//! Invariants:
//! 1. Each field of a shared page has one writer: the page's.
//! 2. Counters are monotonic and only ever added to with relaxed stores by one thread; a reader
//!    may see them late but never torn.
//! 3. Reserved bytes are zero.
//!
//! ## A link that goes down and comes up
//!
//! When the peer of link `i` dies, the hypervisor stores an odd number in
//! `control.link_epoch[i]` and rings the survivor. The survivor drops the link's state, lets go of
//! everything it read through it (for the storage link: of every reference into the pools),
//! and stores the same number in `status.link_ack[i]`. Then the hypervisor clears the link's
//! memory, starts the new peer, stores the next even number and rings again; the survivor makes
//! a new end and acknowledges that number too. A function may also be started with links that are
//! down (odd, commonly 1): it reaches its loop and waits for them to come up. Only an epoch that
//! differs from the last one acted on means anything, so a peer that died twice may show up as one
//! change from one even number to a greater one: that is a link-down followed by a link-up. Pairs: the hypervisor's Release store of the epoch with the
//! function's Acquire load, and the other way round for the acknowledgement.

use crate::memory_map::{LINKS_MAX, PAGE_SIZE};
use core::sync::atomic::{AtomicU32, AtomicU64};

/// "VIREOFN1", little-endian.
pub const BOOT_MAGIC: u64 = u64::from_le_bytes(*b"VIREOFN1");
/// The version of this layout; a function refuses another.
pub const BOOT_VERSION: u32 = 1;

/// What a function is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Role {
    /// SQL text to a plan; sees the catalog pool.
    Parse = 1,
    /// Plans to rows; reads both pools.
    Execute = 2,
    /// Owns both pools and the volumes.
    Storage = 3,
    /// Answers each message with itself: benchmarks and tests.
    Echo = 4,
    /// Measures round trips to an echo function: benchmarks.
    Ping = 5,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [
        Role::Parse,
        Role::Execute,
        Role::Storage,
        Role::Echo,
        Role::Ping,
    ];

    /// The role with this code.
    pub const fn from_code(code: u32) -> Option<Role> {
        match code {
            1 => Some(Role::Parse),
            2 => Some(Role::Execute),
            3 => Some(Role::Storage),
            4 => Some(Role::Echo),
            5 => Some(Role::Ping),
            _ => None,
        }
    }

    /// The role's name, as the topology file and the CLI spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Parse => "parse",
            Role::Execute => "execute",
            Role::Storage => "storage",
            Role::Echo => "echo",
            Role::Ping => "ping",
        }
    }
}

/// Who is at the other end of a link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Peer {
    /// The gateway on the host.
    Gateway = 1,
    /// A parse function.
    Parse = 2,
    /// An execute function.
    Execute = 3,
    /// The storage function.
    Storage = 4,
    /// A virtio-blk device: the WAL volume.
    WalDevice = 5,
    /// A virtio-blk device: the data volume.
    DataDevice = 6,
    /// An echo function.
    Echo = 7,
    /// A ping function.
    Ping = 8,
}

impl Peer {
    /// The peer with this code.
    pub const fn from_code(code: u32) -> Option<Peer> {
        match code {
            1 => Some(Peer::Gateway),
            2 => Some(Peer::Parse),
            3 => Some(Peer::Execute),
            4 => Some(Peer::Storage),
            5 => Some(Peer::WalDevice),
            6 => Some(Peer::DataDevice),
            7 => Some(Peer::Echo),
            8 => Some(Peer::Ping),
            _ => None,
        }
    }
}

/// An area of memory in the function's address space. `size` 0: the function has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Area {
    /// First byte.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// One link of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct LinkEntry {
    /// The link's memory, [`crate::memory_map::LINK_SIZE`] bytes.
    pub area: Area,
    /// A 4-byte register: a write rings the peer. 0 on the thread backend, whose platform rings.
    pub doorbell: u64,
    /// A [`Peer`].
    pub peer: u32,
    /// 1: this end is the virtqueues' driver; 0: the device.
    pub is_driver: u32,
    /// The peer's instance number.
    pub instance: u32,
    /// Zero.
    pub reserved: u32,
    /// For block devices: capacity in bytes. Else 0.
    pub capacity: u64,
}

/// The boot page. Little-endian, no padding; `docs/abi.md` has the table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootPage {
    /// [`BOOT_MAGIC`].
    pub magic: u64,
    /// [`BOOT_VERSION`].
    pub version: u32,
    /// A [`Role`].
    pub role: u32,
    /// This instance's number among its role, from 0.
    pub instance: u32,
    /// How many times this function was started before.
    pub restarts: u32,
    /// TSC ticks a second.
    pub tsc_hz: u64,
    /// [`cpu`] bits.
    pub cpu_features: u64,
    /// Randomness for hash seeds and `random()`.
    pub seed: [u64; 4],
    /// The heap.
    pub heap: Area,
    /// The log ring.
    pub log: Area,
    /// The catalog pool: RW for storage, R for parse and execute.
    pub catalog_pool: Area,
    /// The data pool: RW for storage, R for execute, none for parse.
    pub data_pool: Area,
    /// For storage: every instance's announce page (R). For the others: their own (RW).
    pub announce: Area,
    /// The control page.
    pub control: Area,
    /// The status page.
    pub status: Area,
    /// The doorbell page; size 0 on the thread backend, whose [`crate::platform::Platform`] rings.
    pub doorbells: Area,
    /// Number of valid entries in `links`.
    pub link_count: u32,
    /// Zero.
    pub reserved: u32,
    /// The links.
    pub links: [LinkEntry; LINKS_MAX],
}

/// Bits of [`BootPage::cpu_features`].
pub mod cpu {
    /// SSE4.2 with its crc32 instruction.
    pub const SSE42: u64 = 1;
    /// AVX2.
    pub const AVX2: u64 = 2;
    /// AVX-512 F, BW, DQ and VL.
    pub const AVX512: u64 = 4;
    /// ERMS and FSRM: `rep movsb` is fast for every length.
    pub const FSRM: u64 = 8;
}

/// The control page: hypervisor to function.
#[derive(Debug)]
#[repr(C)]
pub struct ControlPage {
    /// TSC ticks to spin without work before parking; u64::MAX never parks, 0 parks at once.
    pub spin_ticks: AtomicU64,
    /// 1 asks the function to finish what it has begun, accept nothing new and say `Stopped`.
    pub stop: AtomicU32,
    /// Odd while the clock below is being written (a sequence lock).
    pub clock_sequence: AtomicU32,
    /// The TSC at the clock's reading.
    pub clock_tsc: AtomicU64,
    /// Microseconds since 1970-01-01 UTC at `clock_tsc`.
    pub clock_unix_us: AtomicU64,
    /// 1 asks the function to wait before it reads its identity (`instance`, `restarts`, `seed`)
    /// from the boot page and builds itself: it parks in [`State::Held`], after its heap and its
    /// log are set up, until this is 0. What is cloned from a template starts from that point.
    pub hold: AtomicU32,
    /// Zero.
    pub reserved: AtomicU32,
    /// For each link: even when up, odd when down; see the module's documentation.
    pub link_epoch: [AtomicU32; LINKS_MAX],
}

/// What a function says it is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// Not yet in its loop.
    Booting = 0,
    /// In its loop.
    Ready = 1,
    /// In its loop, waiting for its doorbell.
    Parked = 2,
    /// Finished as asked by `control.stop`.
    Stopped = 3,
    /// Panicked: `panic` says why.
    Panicked = 4,
    /// Set up but for its identity, parked until `control.hold` is 0.
    Held = 5,
}

impl State {
    /// The state with this code; a function may write anything.
    pub const fn from_code(code: u32) -> Option<State> {
        match code {
            0 => Some(State::Booting),
            1 => Some(State::Ready),
            2 => Some(State::Parked),
            3 => Some(State::Stopped),
            4 => Some(State::Panicked),
            5 => Some(State::Held),
            _ => None,
        }
    }
}

/// The counters of one link, from its function's side.
#[derive(Debug)]
#[repr(C)]
pub struct LinkCounters {
    /// Messages sent.
    pub sent: AtomicU64,
    /// Messages received.
    pub received: AtomicU64,
    /// Doorbells rung.
    pub doorbells: AtomicU64,
    /// Messages queued and not yet taken by the peer, when last looked at.
    pub depth: AtomicU64,
}

/// Bytes of a panic's message.
pub const PANIC_MESSAGE_SIZE: usize = 512;

/// Why a function panicked.
#[derive(Debug)]
#[repr(C)]
pub struct PanicRecord {
    /// Line of the source; 0 when unknown.
    pub line: AtomicU32,
    /// Bytes of `message`.
    pub length: AtomicU32,
    /// "file:line: message", UTF-8, cut to fit.
    pub message: [u8; PANIC_MESSAGE_SIZE],
}

/// The status page: function to hypervisor.
#[derive(Debug)]
#[repr(C)]
pub struct StatusPage {
    /// A [`State`].
    pub state: AtomicU32,
    /// Zero.
    pub reserved: AtomicU32,
    /// Turns of the poll loop; stands still in a runaway loop.
    pub heartbeat: AtomicU64,
    /// Turns that found work.
    pub turns_worked: AtomicU64,
    /// Times parked.
    pub parks: AtomicU64,
    /// TSC ticks spent spinning without work.
    pub spin_ticks: AtomicU64,
    /// TSC ticks spent parked.
    pub park_ticks: AtomicU64,
    /// Statements, plans or write sets finished, by role.
    pub requests: AtomicU64,
    /// Heap bytes in use.
    pub heap_used: AtomicU64,
    /// The most heap bytes that were in use.
    pub heap_peak: AtomicU64,
    /// The last epoch of each link that the function has acted on.
    pub link_ack: [AtomicU32; LINKS_MAX],
    /// The epoch in which the function found that the link's peer had broken the protocol, plus
    /// one; 0 when it never did. The hypervisor then replaces the less trusted of the two.
    pub link_fault: [AtomicU32; LINKS_MAX],
    /// Counters of each link.
    pub links: [LinkCounters; LINKS_MAX],
    /// Valid when `state` is `Panicked`.
    pub panic: PanicRecord,
}

const _: () = assert!(size_of::<BootPage>() <= PAGE_SIZE);
const _: () = assert!(size_of::<ControlPage>() <= PAGE_SIZE);
const _: () = assert!(size_of::<StatusPage>() <= PAGE_SIZE);
const _: () = assert!(core::mem::offset_of!(BootPage, links) == 208);
