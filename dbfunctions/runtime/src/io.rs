//! A function's surroundings during one turn.

use crate::block::VirtioBlock;
use crate::clock::Stopwatch;
use crate::log::Log;
use crate::port::Port;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use vireo_abi::log_ring::Level;

/// The function's surroundings during one turn.
pub struct Io {
    /// The links, in the order of the boot page, block devices left out.
    pub ports: Vec<Port>,
    /// The WAL volume and the data volume; storage only.
    pub block: [Option<VirtioBlock>; 2],
    unix_us: i64,
    monotonic_ns: u64,
    stopwatch: Stopwatch,
    log: Log,
    requests: u64,
    stopping: bool,
}

impl Io {
    /// Surroundings made of these ends; the clocks show 0 until [`Io::set_clock`].
    pub fn new(ports: Vec<Port>, block: [Option<VirtioBlock>; 2], log: Log) -> Io {
        Io {
            ports,
            block,
            unix_us: 0,
            monotonic_ns: 0,
            stopwatch: Stopwatch::stopped(),
            log,
            requests: 0,
            stopping: false,
        }
    }

    /// Microseconds since 1970-01-01 UTC, as of this turn.
    pub fn unix_us(&self) -> i64 {
        self.unix_us
    }

    /// Nanoseconds since boot, as of this turn; never goes back.
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns
    }

    /// A clock that goes on within a turn, for measuring. It stands still until [`Io::set_stopwatch`].
    pub fn stopwatch(&self) -> Stopwatch {
        self.stopwatch
    }

    /// Sets the clock for measuring.
    pub fn set_stopwatch(&mut self, stopwatch: Stopwatch) {
        self.stopwatch = stopwatch;
    }

    /// Writes a line to the log.
    pub fn log(&mut self, level: Level, message: fmt::Arguments<'_>) {
        self.log.write(level, message);
    }

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

    /// Sets the clocks for the next turn.
    pub fn set_clock(&mut self, unix_us: i64, monotonic_ns: u64) {
        self.unix_us = unix_us;
        self.monotonic_ns = monotonic_ns;
    }

    /// Asks the function to finish what it has begun and accept nothing new.
    pub fn set_stopping(&mut self) {
        self.stopping = true;
    }

    /// Requests counted so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Takes the lines of a [`Log::Lines`].
    pub fn take_log_lines(&mut self) -> Vec<(Level, String)> {
        match &mut self.log {
            Log::Lines(lines) => core::mem::take(lines),
            Log::Discard | Log::Ring { .. } => Vec::new(),
        }
    }
}
