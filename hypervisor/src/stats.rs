//! What the hypervisor knows of each function at a moment, for the admin interface.
//!
//! Counters come from two sources: the hypervisor's own (exits, restarts) and the function's
//! status page. The latter are the function's word: a lying function makes its own row wrong.

use serde::Serialize;

/// All functions at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Each function, parse first, storage last.
    pub functions: Vec<FunctionStats>,
    /// TSC ticks a second.
    pub tsc_hz: u64,
    /// Bytes of the catalog pool that are in host memory.
    pub catalog_pool_resident: u64,
    /// Bytes of the data pool that are in host memory.
    pub data_pool_resident: u64,
}

/// One function.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionStats {
    /// Role and number: "parse0".
    pub name: String,
    /// "parse", "execute", "storage", "echo" or "ping".
    pub role: &'static str,
    /// "starting", "booting", "ready", "parked", "stopping", "stopped", "down".
    pub state: &'static str,
    /// "kvm" or "thread".
    pub isolation: &'static str,
    /// The host's id of the function's thread; 0 when it has none.
    pub host_thread: i32,
    /// The core its thread was last seen on.
    pub core: Option<usize>,
    /// The core its thread is pinned to.
    pub pinned_core: Option<usize>,
    /// What it can address, each with its rights.
    pub memory: MemoryStats,
    /// Its links.
    pub queues: Vec<QueueStats>,
    /// Times that it was entered.
    pub runs: u64,
    /// Times that it came back to the hypervisor.
    pub exits: ExitStats,
    /// Times that it rang a peer; the kernel handles these without an exit to the hypervisor.
    pub doorbells: u64,
    /// Microseconds spent looking for work.
    pub spin_us: u64,
    /// Microseconds spent parked.
    pub park_us: u64,
    /// Turns of its loop.
    pub turns: u64,
    /// Turns that found work.
    pub turns_worked: u64,
    /// Statements, plans or write sets finished.
    pub requests: u64,
    /// Heap bytes in use.
    pub heap_used: u64,
    /// The most heap bytes that were in use.
    pub heap_peak: u64,
    /// How many times it was replaced.
    pub restarts: u32,
    /// Why it was last replaced.
    pub last_reason: Option<String>,
    /// Microseconds that its last start took, from the decision to its loop.
    pub boot_us: u64,
    /// Microseconds since the decision to start it; 0 while it does not run.
    pub uptime_us: u64,
}

/// What a function can address.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MemoryStats {
    /// Bytes of its own memory that are mapped: tables, image, stack, heap.
    pub mapped: u64,
    /// Bytes of these that are in host memory.
    pub resident: u64,
    /// Every area, with its rights.
    pub areas: Vec<AreaStats>,
}

/// An area of a function's memory map.
#[derive(Clone, Debug, Serialize)]
pub struct AreaStats {
    /// "text", "rodata", "data", "stack", "heap", "link", "announce", "catalog_pool", "data_pool" and so on.
    pub name: &'static str,
    /// First address in the function.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// "r", "rw" or "rx".
    pub rights: &'static str,
}

/// A link, from its function's side.
#[derive(Clone, Debug, Serialize)]
pub struct QueueStats {
    /// The peer: "gateway", "storage0", "wal", "data".
    pub peer: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Messages queued and not yet taken.
    pub depth: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Times that the peer was rung.
    pub doorbells: u64,
}

/// Returns to the hypervisor, by what for.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ExitStats {
    /// All of them.
    pub total: u64,
    /// To park.
    pub park: u64,
    /// Interrupted by a signal.
    pub interrupted: u64,
    /// Anything else.
    pub other: u64,
}
