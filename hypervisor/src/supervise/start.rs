//! Starting a function: its memory, its boot page, its thread.

use super::Supervisor;
use super::links::Place;
use super::node::{Heartbeat, Running};
use crate::error::{Error, host};
use crate::launch::{self, Code, Launch};
use crate::page_table::{Granule, Rights};
use crate::pages::Pages;
use crate::standby::Recipe;
use crate::vm::SharedArea;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use vireo_abi::boot::{
    Area, BOOT_MAGIC, BOOT_VERSION, BootPage, ControlPage, LinkEntry, Peer, Role,
};
use vireo_abi::memory_map::{
    ANNOUNCE, ANNOUNCE_SIZE, BOOT, CATALOG_POOL, CONTROL, DATA_POOL, DOORBELLS, HEAP, LINK_SIZE,
    LINKS, LINKS_MAX, LOG, LOG_SIZE, PAGE_SIZE, STATUS,
};
use vmm_sys_util::eventfd::EventFd;

/// Time as functions get it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockSource {
    pub(crate) tsc_hz: u64,
    pub(crate) cpu_features: u64,
}

impl ClockSource {
    /// Writes a reading of the clock into a control page.
    pub(crate) fn write(&self, control: &ControlPage) {
        let sequence = control.clock_sequence.load(Ordering::Relaxed);
        control
            .clock_sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        // A reader that sees a part of the new reading sees the odd number.
        fence(Ordering::Release);
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        control.clock_tsc.store(tsc(), Ordering::Relaxed);
        control
            .clock_unix_us
            .store(unix.as_micros() as u64, Ordering::Relaxed);
        // Pairs with the reader's Acquire load of the even number.
        control
            .clock_sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }
}

/// The time stamp counter.
pub(crate) fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has it, and Linux lets user code read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

impl Supervisor {
    /// Starts a function that does not run.
    pub(super) fn start(&mut self, index: usize) -> Result<(), Error> {
        let started = Instant::now();
        let node = &self.nodes[index];
        let code = self.codes.get(&node.role).ok_or(Error::NoProgram {
            what: "program",
            role: node.role.name(),
        })?;
        let code = code.clone();
        let is_vm = matches!(code, Code::Kvm { .. });
        let standby = match &code {
            Code::Kvm { standbys, .. } => standbys.take(index),
            Code::Thread { .. } => None,
        };
        let (pages, shared) = match (&standby, &code) {
            (Some(standby), _) => (standby.pages.clone(), standby.shared.clone()),
            (None, Code::Kvm { image, .. }) => {
                let pages = Pages::for_vm(node.heap_size)?;
                image.write_data(&pages.region);
                (pages, self.shared_areas(index))
            }
            (None, Code::Thread { .. }) => (Pages::for_thread()?, self.shared_areas(index)),
        };
        pages.write_boot(&self.boot_page(index, &pages, &shared, is_vm)?);
        let links = node.links.iter().map(|(link, _)| &self.links[*link]);
        let first_epochs: Vec<u32> = links.map(|link| link.epoch).collect();
        let all_down = first_epochs.iter().all(|epoch| !epoch.is_multiple_of(2));
        assert!(
            all_down,
            "the links of a function that does not run are down"
        );
        let control = pages.control();
        control.spin_ticks.store(node.spin_ticks, Ordering::Relaxed);
        for (epoch, first) in control.link_epoch.iter().zip(&first_epochs) {
            epoch.store(*first, Ordering::Relaxed);
        }
        self.clock.write(control);
        let generation = node.generation + 1;
        let thread = launch::start(Launch {
            name: node.name.clone(),
            code,
            standby,
            pages: pages.clone(),
            shared: shared.clone(),
            doorbell: node.doorbell.clone(),
            peers: self.peer_doorbells(index)?,
            counters: node.counters.clone(),
            core: node.core,
            node: index,
            generation,
            supervisor: self.messages.clone(),
        })?;
        let log = pages.log_reader();
        let node = &mut self.nodes[index];
        node.generation = generation;
        node.running = Some(Running {
            pages,
            shared,
            thread,
            log,
            started,
            is_ready: false,
            first_epochs,
            ending: None,
            heartbeat: Heartbeat::default(),
        });
        Ok(())
    }

    /// What a standby of this function is made of; None on the thread backend.
    pub(super) fn recipe(&self, index: usize) -> Result<Option<Recipe>, Error> {
        let node = &self.nodes[index];
        let (Some(Code::Kvm { image, .. }), Some(running)) =
            (self.codes.get(&node.role), &node.running)
        else {
            return Ok(None);
        };
        let shared = self.shared_areas(index);
        Ok(Some(Recipe {
            node: index,
            role: node.role,
            image: image.clone(),
            heap_size: node.heap_size,
            boot: self.boot_page(index, &running.pages, &shared, true)?,
            shared,
            peers: self.peer_doorbells(index)?,
        }))
    }

    /// What the function shares with others, each with its rights: the whole of DESIGN's isolation.
    fn shared_areas(&self, index: usize) -> Vec<SharedArea> {
        let node = &self.nodes[index];
        let mut areas = Vec::new();
        for (at, (link, _)) in node.links.iter().enumerate() {
            areas.push(SharedArea {
                name: "link",
                region: self.links[*link].area.clone(),
                offset: 0,
                address: LINKS + (at * LINK_SIZE) as u64,
                size: LINK_SIZE,
                rights: Rights::ReadWrite,
                granule: Granule::Huge,
            });
        }
        if let Some((region, offset)) = &node.announce {
            areas.push(SharedArea {
                name: "announce",
                region: region.clone(),
                offset: *offset,
                address: ANNOUNCE + *offset as u64,
                size: PAGE_SIZE,
                rights: Rights::ReadWrite,
                granule: Granule::Small,
            });
        }
        let whole = |name, region: &Arc<crate::memory::Region>, address, rights| SharedArea {
            name,
            region: region.clone(),
            offset: 0,
            address,
            size: region.size(),
            rights,
            granule: Granule::Huge,
        };
        let (catalog, data) = match node.role {
            Role::Parse => (Some(Rights::Read), None),
            Role::Execute => (Some(Rights::Read), Some(Rights::Read)),
            Role::Storage => (Some(Rights::ReadWrite), Some(Rights::ReadWrite)),
            Role::Echo | Role::Ping => (None, None),
        };
        if node.role == Role::Storage {
            debug_assert_eq!(self.announce.size(), ANNOUNCE_SIZE);
            areas.push(whole("announce", &self.announce, ANNOUNCE, Rights::Read));
        }
        if let Some(rights) = catalog {
            areas.push(whole(
                "catalog_pool",
                &self.catalog_pool,
                CATALOG_POOL,
                rights,
            ));
        }
        if let Some(rights) = data {
            areas.push(whole("data_pool", &self.data_pool, DATA_POOL, rights));
        }
        areas
    }

    fn boot_page(
        &self,
        index: usize,
        pages: &Pages,
        shared: &[SharedArea],
        is_vm: bool,
    ) -> Result<BootPage, Error> {
        let node = &self.nodes[index];
        let own = |address: u64, size: usize| Area {
            address: if is_vm {
                address
            } else {
                pages.region.at(address as usize, size).addr() as u64
            },
            size: size as u64,
        };
        let theirs = |area: &SharedArea| Area {
            address: if is_vm {
                area.address
            } else {
                area.region.at(area.offset, area.size).addr() as u64
            },
            size: area.size as u64,
        };
        let find = |name| {
            shared
                .iter()
                .find(|area| area.name == name)
                .map(theirs)
                .unwrap_or_default()
        };
        let mut links = [LinkEntry::default(); LINKS_MAX];
        let areas = shared.iter().filter(|area| area.name == "link");
        for (at, ((link, is_driver), area)) in node.links.iter().zip(areas).enumerate() {
            links[at] = LinkEntry {
                area: theirs(area),
                doorbell: if is_vm { DOORBELLS + 4 * at as u64 } else { 0 },
                is_driver: u32::from(*is_driver),
                ..self.peer_entry(self.links[*link].other(*is_driver))
            };
        }
        let none = Area::default();
        Ok(BootPage {
            magic: BOOT_MAGIC,
            version: BOOT_VERSION,
            role: node.role as u32,
            instance: node.instance,
            restarts: node.restarts,
            tsc_hz: self.clock.tsc_hz,
            cpu_features: self.clock.cpu_features,
            seed: random()?,
            heap: if is_vm {
                own(HEAP, pages.region.size() - HEAP as usize)
            } else {
                none
            },
            log: own(LOG, LOG_SIZE),
            catalog_pool: find("catalog_pool"),
            data_pool: find("data_pool"),
            announce: find("announce"),
            control: own(CONTROL, PAGE_SIZE),
            status: own(STATUS, PAGE_SIZE),
            doorbells: if is_vm { own_page(DOORBELLS) } else { none },
            link_count: node.links.len() as u32,
            reserved: 0,
            links,
        })
    }

    /// The fields of a link's entry that say who is at the other end.
    fn peer_entry(&self, place: &Place) -> LinkEntry {
        let (peer, instance, capacity) = match place {
            Place::Host { peer, capacity, .. } => (*peer, 0, *capacity),
            Place::Function { node, .. } => {
                let peer = &self.nodes[*node];
                let kind = match peer.role {
                    Role::Parse => Peer::Parse,
                    Role::Execute => Peer::Execute,
                    Role::Storage => Peer::Storage,
                    Role::Echo => Peer::Echo,
                    Role::Ping => Peer::Ping,
                };
                (kind, peer.instance, 0)
            }
        };
        LinkEntry {
            peer: peer as u32,
            instance,
            capacity,
            ..LinkEntry::default()
        }
    }

    fn peer_doorbells(&self, index: usize) -> Result<Vec<EventFd>, Error> {
        let links = self.nodes[index].links.iter();
        let doorbells = links.map(
            |(link, is_driver)| match self.links[*link].other(*is_driver) {
                Place::Host { end, .. } => end.bell().try_clone(),
                Place::Function { node, .. } => self.nodes[*node].doorbell.try_clone(),
            },
        );
        doorbells
            .map(|doorbell| doorbell.map_err(|_| host("an eventfd")))
            .collect()
    }
}

fn own_page(address: u64) -> Area {
    Area {
        address,
        size: PAGE_SIZE as u64,
    }
}

fn random() -> Result<[u64; 4], Error> {
    let mut bytes = [0u8; 32];
    // SAFETY: the buffer is valid for its length.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got != bytes.len() as isize {
        return Err(Error::Host {
            what: "randomness",
            source: io::Error::last_os_error(),
        });
    }
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut part = [0; 8];
        part.copy_from_slice(chunk);
        *word = u64::from_le_bytes(part);
    }
    Ok(words)
}

const _: () = assert!(BOOT as usize + size_of::<BootPage>() <= CONTROL as usize);
