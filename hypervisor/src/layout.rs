//! Laying out functions and links from the topology.
//!
//! ```text
//!  function   links, in the order of its boot page
//!  parse i    gateway
//!  execute i  gateway, storage
//!  echo i     gateway, ping i if there is one
//!  ping i     gateway, echo i
//!  storage    every execute, WAL volume, data volume
//! ```
//!
//! On a link of the gateway the host is the virtqueues' driver; between execute and storage it is execute, between
//! ping and echo it is ping, and on a block link it is storage.

use crate::block::{DeviceThread, Disk, Volumes};
use crate::error::{Error, host};
use crate::link::{HostEnd, HostLink};
use crate::memory::Region;
use crate::supervise::Supervisor;
use crate::supervise::links::{Link, Place};
use crate::supervise::node::Node;
use std::sync::Arc;
use vireo_abi::boot::{Peer, Role};
use vireo_abi::memory_map::{EXECUTE_ANNOUNCE_PAGE, LINK_SIZE, PAGE_SIZE, PARSE_ANNOUNCE_PAGE};
use vmm_sys_util::eventfd::EventFd;

/// Lays out functions and links.
pub(crate) struct Layout<'a> {
    supervisor: &'a mut Supervisor,
    pub(crate) host_links: Vec<HostLink>,
    pub(crate) devices: Vec<DeviceThread>,
}

impl<'a> Layout<'a> {
    pub(crate) fn new(supervisor: &'a mut Supervisor) -> Layout<'a> {
        Layout {
            supervisor,
            host_links: Vec::new(),
            devices: Vec::new(),
        }
    }

    /// Adds the topology's functions, which start at the supervisor's next turn.
    pub(crate) fn add_functions(&mut self) -> Result<(), Error> {
        for role in [
            Role::Parse,
            Role::Execute,
            Role::Echo,
            Role::Ping,
            Role::Storage,
        ] {
            let spec = self.supervisor.topology.spec(role).clone();
            for instance in 0..spec.instances {
                let core = spec
                    .cores
                    .get(instance as usize % spec.cores.len().max(1))
                    .copied();
                let doorbell = EventFd::new(0).map_err(|_| host("an eventfd"))?;
                let spin_ticks = spec.spin_us.ticks(self.supervisor.clock.tsc_hz);
                let heap_size = (spec.heap_mib as usize) << 20;
                let mut node = Node::new(
                    role,
                    instance,
                    core,
                    heap_size,
                    spin_ticks,
                    Arc::new(doorbell),
                );
                let first_page = match role {
                    Role::Parse => Some(PARSE_ANNOUNCE_PAGE),
                    Role::Execute => Some(EXECUTE_ANNOUNCE_PAGE),
                    Role::Storage | Role::Echo | Role::Ping => None,
                };
                node.announce = first_page.map(|first| {
                    let offset = (first + instance as usize) * PAGE_SIZE;
                    (self.supervisor.announce.clone(), offset)
                });
                self.supervisor.nodes.push(node);
            }
        }
        Ok(())
    }

    /// Adds every function's links, in the order of its boot page.
    pub(crate) fn add_links(&mut self, volumes: Option<Volumes>) -> Result<(), Error> {
        let storage = self.find(Role::Storage, 0);
        for index in 0..self.supervisor.nodes.len() {
            match self.supervisor.nodes[index].role {
                Role::Parse | Role::Echo => self.add_gateway_link(index)?,
                Role::Execute => {
                    self.add_gateway_link(index)?;
                    let storage = storage.ok_or(Error::NoVolumes)?;
                    self.add_function_link(index, storage)?;
                }
                Role::Ping => {
                    self.add_gateway_link(index)?;
                    let echo = self.find(Role::Echo, self.supervisor.nodes[index].instance);
                    let echo = echo.expect("a checked topology has an echo function for it");
                    self.add_function_link(index, echo)?;
                }
                Role::Storage => {}
            }
        }
        let Some(storage) = storage else {
            return Ok(());
        };
        let Volumes { wal, data } = volumes.ok_or(Error::NoVolumes)?;
        self.add_block_link(storage, "wal", Peer::WalDevice, wal)?;
        self.add_block_link(storage, "data", Peer::DataDevice, data)
    }

    fn find(&self, role: Role, instance: u32) -> Option<usize> {
        let is_it = |node: &Node| node.role == role && node.instance == instance;
        self.supervisor.nodes.iter().position(is_it)
    }

    fn add_gateway_link(&mut self, index: usize) -> Result<(), Error> {
        let end = Arc::new(HostEnd::new()?);
        let area = Arc::new(Region::new_huge(LINK_SIZE)?);
        let node = &self.supervisor.nodes[index];
        let (role, instance) = (node.role, node.instance);
        let link = HostLink::new(role, instance, area.clone(), end.clone(), &node.doorbell)?;
        self.host_links.push(link);
        let name = format!("gateway-{}", node.name);
        let driver = Place::Host {
            end,
            peer: Peer::Gateway,
            capacity: 0,
        };
        let device = Place::Function {
            node: index,
            index: node.links.len(),
        };
        self.push(Link::new(name, area, driver, device));
        Ok(())
    }

    fn add_function_link(&mut self, driver: usize, device: usize) -> Result<(), Error> {
        let area = Arc::new(Region::new_huge(LINK_SIZE)?);
        let nodes = &self.supervisor.nodes;
        let name = format!("{}-{}", nodes[driver].name, nodes[device].name);
        let place = |node: usize| Place::Function {
            node,
            index: nodes[node].links.len(),
        };
        let link = Link::new(name, area, place(driver), place(device));
        self.push(link);
        Ok(())
    }

    fn add_block_link(
        &mut self,
        storage: usize,
        name: &'static str,
        peer: Peer,
        disk: Box<dyn Disk>,
    ) -> Result<(), Error> {
        let end = Arc::new(HostEnd::new()?);
        let area = Arc::new(Region::new_huge(LINK_SIZE)?);
        let capacity = disk.capacity();
        let node = &self.supervisor.nodes[storage];
        let device = DeviceThread::start(name, disk, area.clone(), end.clone(), &node.doorbell)?;
        self.devices.push(device);
        let link_name = format!("{}-{name}", node.name);
        let driver = Place::Function {
            node: storage,
            index: node.links.len(),
        };
        let device = Place::Host {
            end,
            peer,
            capacity,
        };
        self.push(Link::new(link_name, area, driver, device));
        Ok(())
    }

    /// Adds the link, and its ends to their functions.
    fn push(&mut self, link: Link) {
        let number = self.supervisor.links.len();
        for (place, is_driver) in [(&link.driver, true), (&link.device, false)] {
            if let Place::Function { node, .. } = place {
                self.supervisor.nodes[*node].links.push((number, is_driver));
            }
        }
        self.supervisor.links.push(link);
    }
}
