//! The engine: one state machine from requests and disks to replies and published snapshots.
//!
//! ```text
//!  request ─▶ inbox ─▶ locks ─▶ check versions ─▶ apply to the newest trees, record into the open frame
//!                       (may wait)                                   │ seal: one frame on its way at a time
//!                                                                    ▼
//!  reply ◀─ release locks ◀─ publish ◀─ flush done ◀─ flush ◀─ frame written
//! ```
//!
//! While a frame is on its way, the next commits collect in the open one: that is the group commit. They are
//! applied to pages that the sealed state does not have, so each publication shows exactly its frames.
//!
//! Invariants:
//! 1. A commit is answered after the publication that shows it, and, where it asked for that, after the flush.
//! 2. Locks, and answers that send execute to read again, wait for the publication that shows what they are about.
//! 3. What is published without a flush is in the log before all that follows it.
//! 4. A turn does a bounded amount of work.
//! 5. Nothing depends on time, chance or the order of a hash map: the same inputs give the same outputs.
//!
//! Fails: before it runs with [`StartError`], while it runs with a failed write or flush. Either is final: every request
//! is answered with it from then on. Full volumes are not final: writers get 53100 until there is room.

mod running;

pub(crate) use running::{Running, canceled};

use crate::block::Devices;
use crate::frame::{AnnounceArea, PoolArea};
use crate::recovery::{Recovery, StartError};
use crate::space::SpaceError;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::storage::{StorageReply, StorageRequest};

/// What the engine is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The identity of a new database; also seeds hashes.
    pub seed: u64,
    /// Bytes of log after which a checkpoint begins; a quarter of the log if that is less.
    pub checkpoint_bytes: u64,
    /// Locks held at a time.
    pub locks_max: usize,
    /// Whether the peer that asks may keep all locks itself: there is one only.
    pub leases_locks: bool,
}

/// The memory that the engine works in.
#[derive(Debug)]
pub struct Memory {
    /// The catalog pool.
    pub catalog: PoolArea,
    /// The data pool.
    pub data: PoolArea,
    /// The announce area.
    pub announce: AnnounceArea,
}

/// The time of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Microseconds since 1970-01-01 UTC.
    pub unix_us: i64,
    /// Nanoseconds since some fixed point.
    pub monotonic_ns: u64,
}

/// Something worth a line in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The database is open.
    Started {
        /// Whether it was made just now.
        is_new: bool,
        /// Commits replayed from the log.
        replayed: u64,
    },
    /// A checkpoint is on disk.
    Checkpointed {
        /// Its number.
        number: u64,
    },
    /// The engine has failed for good.
    Failed {
        /// Why.
        message: String,
    },
}

/// Why the engine stopped, as every later request is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) sqlstate: &'static [u8; 5],
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn io(error: &dyn core::fmt::Display) -> Failure {
        Failure {
            sqlstate: state::IO_ERROR,
            message: error.to_string(),
        }
    }

    fn error(&self) -> Box<SqlError> {
        SqlError::new(self.sqlstate, self.message.clone())
    }
}

impl From<SpaceError> for Failure {
    fn from(error: SpaceError) -> Failure {
        let sqlstate = match error {
            SpaceError::PoolFull => state::OUT_OF_MEMORY,
            SpaceError::VolumeFull => state::DISK_FULL,
            SpaceError::Read(_) => state::DATA_CORRUPTED,
        };
        Failure {
            sqlstate,
            message: error.to_string(),
        }
    }
}

impl From<crate::ReadError> for Failure {
    fn from(error: crate::ReadError) -> Failure {
        SpaceError::Read(error).into()
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Failure {
        let sqlstate = match error {
            StartError::Io { .. } => state::IO_ERROR,
            StartError::Space(SpaceError::VolumeFull) => state::DISK_FULL,
            StartError::Space(_) | StartError::Pool(_) | StartError::OutOfMemory => {
                state::OUT_OF_MEMORY
            }
            _ => state::DATA_CORRUPTED,
        };
        Failure {
            sqlstate,
            message: format!("the database cannot be opened: {error}"),
        }
    }
}

enum Phase {
    Starting(Box<Recovery>),
    Running(Box<Running>),
    Failed(Failure),
}

/// The engine. Feed it requests, poll it, take its replies.
pub struct Engine {
    config: Config,
    phase: Phase,
    announce: Option<AnnounceArea>,
    inbox: VecDeque<Input>,
    replies: VecDeque<(u32, StorageReply)>,
    events: VecDeque<Event>,
    ignored: u128,
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine")
            .field("inbox", &self.inbox.len())
            .finish_non_exhaustive()
    }
}

/// A request and who sent it.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) peer: u32,
    pub(crate) request: StorageRequest,
    pub(crate) body: Vec<u8>,
}

impl Engine {
    /// An engine that begins to open the database at its first poll.
    pub fn new(config: Config, memory: Memory) -> Engine {
        let recovery = Recovery::new(config.seed, memory.catalog, memory.data);
        Engine {
            config,
            phase: Phase::Starting(Box::new(recovery)),
            announce: Some(memory.announce),
            inbox: VecDeque::new(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            ignored: 0,
        }
    }

    /// Takes a request of a peer (any number of the caller's). Its replies come from [`Engine::reply`] in time.
    pub fn request(&mut self, peer: u32, request: StorageRequest, body: Vec<u8>) {
        self.inbox.push_back(Input {
            peer,
            request,
            body,
        });
    }

    /// Requests not yet begun: a caller takes no more from its links while these are many.
    pub fn backlog(&self) -> usize {
        self.inbox.len()
    }

    /// A peer is gone: what it had begun and not committed is rolled back, and it is answered no more.
    pub fn peer_down(&mut self, peer: u32) {
        self.inbox.retain(|input| input.peer != peer);
        self.replies.retain(|(to, _)| *to != peer);
        if let Phase::Running(running) = &mut self.phase
            && let Err(failure) = running.peer_down(peer)
        {
            self.fail(failure);
        }
    }

    /// Whether the announcements of execute instance `instance` count: not while it is down.
    pub fn set_reader(&mut self, instance: u32, is_up: bool) {
        if let Some(bit) = 1u128.checked_shl(instance) {
            if is_up {
                self.ignored &= !bit
            } else {
                self.ignored |= bit
            }
        }
    }

    /// The next reply, and the peer it is for.
    pub fn reply(&mut self) -> Option<(u32, StorageReply)> {
        self.replies.pop_front()
    }

    /// The next event.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the database is open. A new one is when its first superblock is on disk.
    pub fn is_running(&self) -> bool {
        matches!(&self.phase, Phase::Running(running) if !running.is_new)
    }

    /// Whether everything accepted is on disk and answered, or nothing will be any more.
    pub fn is_idle(&self) -> bool {
        match &self.phase {
            Phase::Starting(_) => false,
            Phase::Failed(_) => true,
            Phase::Running(running) => self.inbox.is_empty() && running.is_idle(),
        }
    }

    /// One bounded turn. True if there was anything to do.
    pub fn poll(&mut self, devices: &mut Devices<'_>, now: Now) -> bool {
        let result = match &mut self.phase {
            Phase::Starting(recovery) => recovery.step(devices).map_err(Failure::from),
            Phase::Running(running) => {
                running.ignored = self.ignored;
                let worked = running.poll(devices, now, &mut self.inbox);
                self.replies.append(&mut running.replies);
                self.events.append(&mut running.events);
                worked
            }
            Phase::Failed(failure) => {
                let failure = failure.clone();
                return self.refuse_all(&failure);
            }
        };
        match result {
            Ok(worked) => worked | self.advance(),
            Err(failure) => {
                self.fail(failure);
                true
            }
        }
    }

    /// From recovery to running.
    fn advance(&mut self) -> bool {
        let Phase::Starting(recovery) = &mut self.phase else {
            return false;
        };
        let Some(recovered) = recovery.take() else {
            return false;
        };
        let Some(announce) = self.announce.take() else {
            return false;
        };
        self.events.push_back(Event::Started {
            is_new: recovered.is_new,
            replayed: recovered.replayed,
        });
        match Running::new(self.config, recovered, announce) {
            Ok(running) => self.phase = Phase::Running(Box::new(running)),
            Err(failure) => self.fail(failure),
        }
        true
    }

    fn fail(&mut self, failure: Failure) {
        self.events.push_back(Event::Failed {
            message: failure.message.clone(),
        });
        if let Phase::Running(running) = &mut self.phase {
            running.fail_all(&failure);
            self.replies.append(&mut running.replies);
        }
        self.refuse_all(&failure);
        self.phase = Phase::Failed(failure);
    }

    fn refuse_all(&mut self, failure: &Failure) -> bool {
        let mut worked = false;
        while let Some(input) = self.inbox.pop_front() {
            worked = true;
            if let Some(request) = input.request.id() {
                let error = failure.error();
                self.replies
                    .push_back((input.peer, StorageReply::Failed { request, error }));
            }
        }
        worked
    }
}

#[cfg(test)]
mod tests;
