//! The statistics, of what the supervisor knows and what the functions say.

use super::Supervisor;
use super::links::{Link, LinkState, Place};
use super::node::Node;
use crate::launch::Code;
use crate::page_table::Rights;
use crate::stats::{AreaStats, ExitStats, FunctionStats, MemoryStats, QueueStats};
use crate::vm::private_areas;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};
use vireo_abi::boot::{LinkCounters, Peer, Role, State, StatusPage};
use vireo_abi::memory_map::{BOOT, CONTROL, HEAP, LOG, STACK, STATUS};

impl Supervisor {
    /// Every function, parse first, storage last.
    pub(crate) fn snapshot(&self) -> Vec<FunctionStats> {
        self.nodes
            .iter()
            .map(|node| self.function_stats(node))
            .collect()
    }

    fn function_stats(&self, node: &Node) -> FunctionStats {
        let running = node.running.as_ref();
        let counter = |offset| running.map_or(0, |running| running.pages.counter(offset));
        let microseconds = |ticks: u64| {
            u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(self.clock.tsc_hz.max(1)))
                .unwrap_or(u64::MAX)
        };
        let thread = running.map_or(0, |running| running.thread.id.load(Ordering::Acquire));
        let links = node.links.iter().enumerate();
        let queues: Vec<QueueStats> = links
            .map(|(at, (link, is_driver))| {
                self.queue_stats(node, at, &self.links[*link], *is_driver)
            })
            .collect();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &node.counters;
        let (park, interrupted, other) = (
            load(&counters.exits_park),
            load(&counters.exits_interrupted),
            load(&counters.exits_other),
        );
        FunctionStats {
            name: node.name.clone(),
            role: node.role.name(),
            state: state(node),
            isolation: match self.codes.get(&node.role) {
                Some(Code::Kvm { .. }) => "kvm",
                _ => "thread",
            },
            host_thread: thread,
            core: last_core(thread),
            pinned_core: node.core,
            memory: self.memory_stats(node),
            doorbells: queues.iter().map(|queue| queue.doorbells).sum(),
            queues,
            runs: load(&counters.runs),
            exits: ExitStats {
                total: park + interrupted + other,
                park,
                interrupted,
                other,
            },
            spin_us: microseconds(counter(offset_of!(StatusPage, spin_ticks))),
            park_us: microseconds(counter(offset_of!(StatusPage, park_ticks))),
            turns: counter(offset_of!(StatusPage, heartbeat)),
            turns_worked: counter(offset_of!(StatusPage, turns_worked)),
            requests: counter(offset_of!(StatusPage, requests)),
            heap_used: counter(offset_of!(StatusPage, heap_used)),
            heap_peak: counter(offset_of!(StatusPage, heap_peak)),
            restarts: node.restarts,
            last_reason: node.last_reason.as_ref().map(ToString::to_string),
            boot_us: node.boot_us,
            uptime_us: node.running.as_ref().map_or(0, |running| {
                u64::try_from(running.started.elapsed().as_micros()).unwrap_or(u64::MAX)
            }),
        }
    }

    fn queue_stats(&self, node: &Node, at: usize, link: &Link, is_driver: bool) -> QueueStats {
        let field = |offset| {
            node.running
                .as_ref()
                .map_or(0, |running| running.pages.link_counter(at, offset))
        };
        let (peer, peer_depth) = match link.other(is_driver) {
            Place::Function { node, .. } => (self.nodes[*node].name.clone(), 0),
            Place::Host { end, peer, .. } => (host_name(*peer).to_owned(), end.depth()),
        };
        QueueStats {
            peer,
            is_up: link.state == LinkState::Up,
            depth: field(offset_of!(LinkCounters, depth)).saturating_add(peer_depth),
            sent: field(offset_of!(LinkCounters, sent)),
            received: field(offset_of!(LinkCounters, received)),
            doorbells: field(offset_of!(LinkCounters, doorbells)),
        }
    }

    fn memory_stats(&self, node: &Node) -> MemoryStats {
        let Some(running) = &node.running else {
            return MemoryStats::default();
        };
        let mut areas = Vec::new();
        let mut mapped = 0;
        if let Some(Code::Kvm { image, .. }) = self.codes.get(&node.role) {
            for (address, size, rights) in private_areas(&running.pages) {
                areas.push(area(private_name(address), address, size, rights));
            }
            for segment in &image.segments {
                let name = match segment.rights {
                    Rights::ReadExecute => "text",
                    Rights::Read => "rodata",
                    Rights::ReadWrite => "data",
                };
                areas.push(area(
                    name,
                    segment.pages.start,
                    segment.size(),
                    segment.rights,
                ));
            }
            mapped = areas.iter().map(|area| area.size).sum();
        }
        for shared in &running.shared {
            areas.push(area(
                shared.name,
                shared.address,
                shared.size as u64,
                shared.rights,
            ));
        }
        areas.sort_by_key(|area| area.address);
        let resident = running.pages.region.resident() as u64;
        MemoryStats {
            mapped: mapped.max(resident),
            resident,
            areas,
        }
    }
}

fn area(name: &'static str, address: u64, size: u64, rights: Rights) -> AreaStats {
    AreaStats {
        name,
        address,
        size,
        rights: rights.name(),
    }
}

fn private_name(address: u64) -> &'static str {
    match address {
        BOOT => "boot",
        CONTROL => "control",
        STATUS => "status",
        LOG => "log",
        STACK => "stack",
        HEAP => "heap",
        _ => "private",
    }
}

fn host_name(peer: Peer) -> &'static str {
    match peer {
        Peer::WalDevice => "wal",
        Peer::DataDevice => "data",
        Peer::Gateway => "gateway",
        Peer::Parse => Role::Parse.name(),
        Peer::Execute => Role::Execute.name(),
        Peer::Storage => Role::Storage.name(),
        Peer::Echo => Role::Echo.name(),
        Peer::Ping => Role::Ping.name(),
    }
}

fn state(node: &Node) -> &'static str {
    let Some(running) = &node.running else {
        return "down";
    };
    if running.ending.is_some() {
        return "stopping";
    }
    match running.pages.state() {
        Some(State::Booting | State::Held) => "booting",
        Some(State::Ready) => "ready",
        Some(State::Parked) => "parked",
        Some(State::Stopped) => "stopped",
        Some(State::Panicked) => "panicked",
        None => "unknown",
    }
}

/// The core that a thread of this process last ran on: field 39 of its stat file.
fn last_core(thread: libc::pid_t) -> Option<usize> {
    if thread == 0 {
        return None;
    }
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
    // The name, in parentheses, may hold spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(36)?.parse().ok()
}
