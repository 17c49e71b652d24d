//! The storage function: the only writer.
//!
//! It joins [`vireo_storage::Engine`] to the function's surroundings: requests come from the links to
//! execute, replies go back there, the disks are the two virtio-blk devices. All else is the engine's.
//!
//! Fails: a database that cannot be opened, and an engine that has failed, are logged once; every request is
//! answered with the reason. A peer that sends what is no request is cut off until it is replaced.
#![no_std]
#![deny(clippy::undocumented_unsafe_blocks)]
extern crate alloc;

mod device;

use crate::device::Device;
use alloc::vec::Vec;
use vireo_abi::message::storage::{StorageReply, StorageRequest};
use vireo_abi::message::{decode, encode};
use vireo_runtime::{Function, Io, Level, Peer, Start};
use vireo_storage::block::Devices;
use vireo_storage::lock::LOCKS_MAX;
use vireo_storage::{AnnounceArea, Config, Engine, Event, Memory, Now, PoolArea};

/// Requests that wait in the engine before the links are left alone.
const BACKLOG_MAX: usize = 256;
/// Messages taken from one link in a turn.
const MESSAGES_PER_TURN: usize = 32;
/// Bytes of log after which a checkpoint begins.
const CHECKPOINT_BYTES: u64 = 256 << 20;
/// The engine's number for the function itself.
const SELF: u32 = u32::MAX;

/// See the crate's documentation.
#[derive(Debug)]
pub struct StorageFunction {
    engine: Engine,
    /// Ports whose peer is not listened to any more.
    cut_off: Vec<usize>,
    is_stopping: bool,
}

impl StorageFunction {
    fn receive(&mut self, io: &mut Io) -> bool {
        let mut worked = false;
        for index in 0..io.ports.len() {
            if io.ports[index].peer() != Peer::Execute || self.cut_off.contains(&index) {
                continue;
            }
            for _ in 0..MESSAGES_PER_TURN {
                if self.engine.backlog() >= BACKLOG_MAX || io.ports[index].is_congested() {
                    break;
                }
                let Some(message) = io.ports[index].receive() else {
                    break;
                };
                worked = true;
                match decode::<StorageRequest>(message.head) {
                    Ok(request) => {
                        self.engine
                            .request(index as u32, request, message.body.to_vec());
                    }
                    Err(error) => {
                        let instance = io.ports[index].instance();
                        io.log(Level::Error, format_args!("execute {instance}: {error}"));
                        self.cut_off.push(index);
                        self.engine.peer_down(index as u32);
                        break;
                    }
                }
            }
        }
        worked
    }

    fn reply(&mut self, io: &mut Io) -> bool {
        let mut worked = false;
        while let Some((peer, reply)) = self.engine.reply() {
            worked = true;
            if matches!(reply, StorageReply::Committed { .. }) {
                io.count_request();
            }
            if let Some(port) = io.ports.get_mut(peer as usize) {
                port.send(&encode(&reply), &[]);
            }
        }
        worked
    }

    fn report(&mut self, io: &mut Io) {
        while let Some(event) = self.engine.event() {
            match event {
                Event::Started { is_new: true, .. } => {
                    io.log(Level::Info, format_args!("new database created"));
                }
                Event::Started { replayed, .. } => {
                    io.log(
                        Level::Info,
                        format_args!("database open, {replayed} commits replayed"),
                    );
                }
                Event::Checkpointed { number } => {
                    io.log(Level::Debug, format_args!("checkpoint {number} complete"));
                }
                Event::Failed { message } => io.log(Level::Error, format_args!("{message}")),
                _ => {}
            }
        }
    }
}

impl Function for StorageFunction {
    fn new(start: &Start, io: &mut Io) -> Self {
        let instances = io
            .ports
            .iter()
            .filter(|port| port.peer() == Peer::Execute)
            .count();
        let config = Config {
            seed: start.seed[0] ^ start.seed[1].rotate_left(17),
            checkpoint_bytes: CHECKPOINT_BYTES,
            locks_max: LOCKS_MAX,
            leases_locks: instances == 1,
        };
        let (catalog, data) = (start.catalog_pool, start.data_pool);
        let announce = start.announce;
        // SAFETY: the regions of the boot page are mapped as long as the function runs, page-aligned; the memory map gives
        // the storage function alone the right to write the pools, and there is one storage function. Readers of what its
        // predecessor published have let go: the hypervisor starts it only when they acknowledged that their link went down.
        let memory = unsafe {
            Memory {
                catalog: PoolArea::new(catalog.start, catalog.size),
                data: PoolArea::new(data.start, data.size),
                announce: AnnounceArea::new(announce.start, announce.size),
            }
        };
        let mut engine = Engine::new(config, memory);
        for port in &io.ports {
            if port.peer() == Peer::Execute {
                engine.set_reader(port.instance(), port.is_up());
            }
        }
        StorageFunction {
            engine,
            cut_off: Vec::new(),
            is_stopping: false,
        }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        // A function that takes another's place begins before its links are up. Requests wait in theirs.
        if io.block.iter().any(Option::is_none) {
            return false;
        }
        let mut worked = self.receive(io);
        if io.is_stopping() && !self.is_stopping {
            self.is_stopping = true;
            let request = vireo_abi::ids::RequestId(0);
            self.engine
                .request(SELF, StorageRequest::Checkpoint { request }, Vec::new());
            worked = true;
        }
        let now = Now {
            unix_us: io.unix_us(),
            monotonic_ns: io.monotonic_ns(),
        };
        let [wal, data] = &mut io.block;
        let (mut wal, mut data) = (Device(wal.as_mut()), Device(data.as_mut()));
        let mut devices = Devices {
            wal: &mut wal,
            data: &mut data,
        };
        worked |= self.engine.poll(&mut devices, now);
        worked |= self.reply(io);
        self.report(io);
        worked
    }

    fn link_down(&mut self, port: usize, io: &mut Io) {
        self.engine.peer_down(port as u32);
        if io.ports[port].peer() == Peer::Execute {
            self.engine.set_reader(io.ports[port].instance(), false);
        }
    }

    fn link_up(&mut self, port: usize, io: &mut Io) {
        self.cut_off.retain(|cut_off| *cut_off != port);
        if io.ports[port].peer() == Peer::Execute {
            self.engine.set_reader(io.ports[port].instance(), true);
        }
    }

    fn is_finished(&self) -> bool {
        self.engine.is_idle()
    }
}
