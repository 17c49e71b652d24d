//! A function's surroundings during one turn.

use crate::block::VirtioBlock;
use crate::port::Port;
use alloc::vec::Vec;

/// How much a log line matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is wrong and was mended or refused.
    Warn = 2,
    /// What an operator wants to know.
    Info = 3,
    /// What a developer wants to know.
    Debug = 4,
}

/// The function's surroundings during one turn.
pub struct Io {
    /// The links, in the order of the boot page, block devices left out.
    pub ports: Vec<Port>,
    /// The WAL volume and the data volume; storage only.
    pub block: [Option<VirtioBlock>; 2],
    unix_us: i64,
    monotonic_ns: u64,
    requests: u64,
    stopping: bool,
}

impl Io {
    /// Microseconds since 1970-01-01 UTC, as of this turn.
    pub fn unix_us(&self) -> i64 {
        self.unix_us
    }

    /// Nanoseconds since boot, as of this turn; never goes back.
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns
    }

    /// Writes a line to the log.
    pub fn log(&mut self, _level: Level, _message: core::fmt::Arguments<'_>) {}

    /// Counts a statement, plan or write set as finished.
    pub fn count_request(&mut self) {
        self.requests += 1;
    }

    /// Heap bytes in use; 0 where the heap is the host's.
    pub fn heap_used(&self) -> usize {
        crate::memory::used()
    }

    /// Heap bytes in all; `usize::MAX` where the heap is the host's.
    pub fn heap_size(&self) -> usize {
        crate::memory::size()
    }

    /// Whether the function was asked to finish what it has begun and accept nothing new.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }
}
