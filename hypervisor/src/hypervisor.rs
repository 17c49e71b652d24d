//! The hypervisor as its user sees it.

use crate::block::Volumes;
use crate::error::Error;
use crate::event::Event;
use crate::link::HostLink;
use crate::stats::Stats;
use crate::topology::{Isolation, Spin, Topology};
use std::time::Duration;
use vireo_abi::boot::Role;
use vireo_abi::platform::ThreadEntry;

/// The code of a role: its image for KVM, its entry for the thread backend.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is.
    pub role: Role,
    /// A static ELF image.
    pub image: Option<&'static [u8]>,
    /// The function on a host thread.
    pub entry: Option<ThreadEntry>,
}

/// Called for each event, on the supervisor's thread: it must not block.
pub type EventHandler = Box<dyn Fn(Event) + Send>;

/// The running functions.
pub struct Hypervisor {
    isolation: Isolation,
}

impl Hypervisor {
    /// Starts the functions of the topology and returns without waiting for them.
    pub fn start(
        topology: Topology,
        programs: Vec<Program>,
        volumes: Option<Volumes>,
        on_event: EventHandler,
    ) -> Result<Hypervisor, Error> {
        let _ = (topology, programs, volumes, on_event);
        Err(Error::Stopped)
    }

    /// Kvm or Thread: what the functions really run on.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The gateway's links, parse and execute by instance; a second call finds none.
    pub fn take_host_links(&mut self) -> Vec<HostLink> {
        Vec::new()
    }

    /// Waits until every function is in its loop.
    pub fn wait_ready(&self, _limit: Duration) -> Result<(), Error> {
        Err(Error::Stopped)
    }

    /// Kills a function ("execute0") as a crash would; it is replaced.
    pub fn kill(&self, _name: &str) -> Result<(), Error> {
        Err(Error::Stopped)
    }

    /// Asks a function to finish and replaces it.
    pub fn restart(&self, _name: &str) -> Result<(), Error> {
        Err(Error::Stopped)
    }

    /// Changes how long a function spins before it parks.
    pub fn set_spin(&self, _name: &str, _spin: Spin) -> Result<(), Error> {
        Err(Error::Stopped)
    }

    /// Every function at this moment.
    pub fn stats(&self) -> Stats {
        Stats {
            functions: Vec::new(),
            tsc_hz: 0,
            catalog_pool_resident: 0,
            data_pool_resident: 0,
        }
    }

    /// Asks every function to finish, storage last, and ends them. Idempotent; dropping the hypervisor does it too.
    pub fn stop(&self) -> Result<(), Error> {
        Ok(())
    }
}
