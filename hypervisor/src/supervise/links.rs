//! The state of the links: how one goes down and comes up (`vireo_abi::boot`).
//!
//! ```text
//!            an end dies              every end has let go         both ends live
//!   Up ────────────────────► Draining ───────────────────► Clear ────────────────► DriverUp
//!   ▲   odd epoch to the other end       memory zeroed           even epoch to the driver │
//!   └──────────────────────────────────────────────────────────────────────────────────────┘
//!                      the driver acknowledged: even epoch to the device
//! ```
//!
//! Invariants:
//! 1. The area is zeroed only when no end uses it: an end has acknowledged the odd epoch, was started
//!    since, or does not run.
//! 2. The driver has laid out the queues before the device looks at them.
//! 3. Epochs only grow.
//!
//! Failure: a function that does not let go in time is cut off. A host end that does not is warned
//! about once and passed over: it then finds a broken protocol.

use super::node::Node;
use crate::link::HostEnd;
use crate::memory::Region;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use vireo_abi::boot::Peer;

/// What is at an end of a link.
pub(crate) enum Place {
    /// The function `node`, whose link `index` it is.
    Function { node: usize, index: usize },
    /// The host: the gateway or a block device.
    Host {
        end: Arc<HostEnd>,
        peer: Peer,
        capacity: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkState {
    Draining { since: Instant, is_warned: bool },
    Clear,
    DriverUp,
    Up,
}

pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) area: Arc<Region>,
    pub(crate) driver: Place,
    pub(crate) device: Place,
    pub(crate) epoch: u32,
    pub(crate) state: LinkState,
}

/// What `advance` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Nothing is under way.
    Settled,
    /// Something is, and will go on by itself.
    Moving,
    /// This function did not let go in time.
    Unresponsive(usize),
}

impl Link {
    /// A link that nobody uses yet; its memory is zero.
    pub(crate) fn new(name: String, area: Arc<Region>, driver: Place, device: Place) -> Link {
        Link {
            name,
            area,
            driver,
            device,
            epoch: 1,
            state: LinkState::Clear,
        }
    }

    /// The end that is not the one given.
    pub(crate) fn other(&self, is_driver: bool) -> &Place {
        if is_driver {
            &self.device
        } else {
            &self.driver
        }
    }

    /// An end died or is about to be ended. Tells the other.
    pub(crate) fn take_down(&mut self, nodes: &[Node]) {
        if matches!(self.state, LinkState::Clear | LinkState::Draining { .. }) {
            return;
        }
        self.epoch += 1;
        self.state = LinkState::Draining {
            since: Instant::now(),
            is_warned: false,
        };
        for place in [&self.driver, &self.device] {
            set_epoch(place, nodes, self.epoch);
        }
    }

    /// Whether the end of this function has let go of a link that is down.
    pub(crate) fn has_let_go(&self, node: usize, nodes: &[Node]) -> bool {
        let mine = [&self.driver, &self.device]
            .into_iter()
            .find(|place| matches!(place, Place::Function { node: at, .. } if *at == node));
        let is_down = !self.epoch.is_multiple_of(2);
        is_down && mine.is_none_or(|place| acknowledged(place, nodes, self.epoch))
    }

    /// Does what can be done now.
    pub(crate) fn advance(&mut self, nodes: &[Node], limit: Duration) -> Progress {
        if let LinkState::Draining { since, is_warned } = self.state {
            let late = |place: &&Place| !acknowledged(place, nodes, self.epoch);
            match [&self.driver, &self.device].into_iter().find(late) {
                None => {
                    self.area.clear(0, self.area.size());
                    self.state = LinkState::Clear;
                }
                Some(_) if since.elapsed() < limit => return Progress::Moving,
                Some(Place::Function { node, .. }) if nodes[*node].is_alive() => {
                    return Progress::Unresponsive(*node);
                }
                // It is being ended already.
                Some(Place::Function { .. }) => return Progress::Moving,
                Some(Place::Host { .. }) if is_warned => {
                    self.area.clear(0, self.area.size());
                    self.state = LinkState::Clear;
                }
                Some(Place::Host { .. }) => {
                    tracing::warn!(link = self.name, "the host has not let go of a link");
                    self.state = LinkState::Draining {
                        since: Instant::now(),
                        is_warned: true,
                    };
                    return Progress::Moving;
                }
            }
        }
        let both_live = is_alive(&self.driver, nodes) && is_alive(&self.device, nodes);
        if self.state == LinkState::Clear && both_live {
            self.epoch += 1;
            set_epoch(&self.driver, nodes, self.epoch);
            self.state = LinkState::DriverUp;
        }
        if self.state == LinkState::DriverUp {
            if !acknowledged(&self.driver, nodes, self.epoch) {
                return Progress::Moving;
            }
            set_epoch(&self.device, nodes, self.epoch);
            self.state = LinkState::Up;
        }
        Progress::Settled
    }

    /// The function to replace because an end reports a broken protocol in the present epoch: the one that
    /// is not storage, for storage is trusted more than who talks to it; storage for a block device.
    pub(crate) fn faulty(&self, nodes: &[Node]) -> Option<usize> {
        if !self.epoch.is_multiple_of(2) {
            return None;
        }
        let fault = self.epoch.wrapping_add(1);
        let reported = [&self.driver, &self.device]
            .into_iter()
            .any(|place| match place {
                Place::Host { end, .. } => end.fault() == fault,
                Place::Function { node, index } => nodes[*node]
                    .running
                    .as_ref()
                    .is_some_and(|running| running.pages.link_fault(*index) == fault),
            });
        if !reported {
            return None;
        }
        let functions = [&self.driver, &self.device]
            .into_iter()
            .filter_map(|place| match place {
                Place::Function { node, .. } => Some(*node),
                Place::Host { .. } => None,
            });
        functions.min_by_key(|node| nodes[*node].role == vireo_abi::boot::Role::Storage)
    }
}

fn is_alive(place: &Place, nodes: &[Node]) -> bool {
    match place {
        Place::Host { .. } => true,
        Place::Function { node, .. } => nodes[*node].is_alive(),
    }
}

/// Whether an end has acted on an epoch. One that does not run has nothing to act on; one that was
/// started with a link down has never used it.
fn acknowledged(place: &Place, nodes: &[Node], epoch: u32) -> bool {
    match place {
        Place::Host { end, .. } => end.acknowledged() == epoch,
        Place::Function { node, index } => match &nodes[*node].running {
            None => true,
            Some(running) => {
                let is_fresh = !epoch.is_multiple_of(2) && running.first_epochs[*index] == epoch;
                is_fresh || running.pages.link_ack(*index) == epoch
            }
        },
    }
}

fn set_epoch(place: &Place, nodes: &[Node], epoch: u32) {
    match place {
        Place::Host { end, .. } => end.set_epoch(epoch),
        Place::Function { node, index } => {
            if let Some(running) = &nodes[*node].running {
                // Pairs with the function's Acquire load: it sees the cleared area.
                running.pages.control().link_epoch[*index].store(epoch, Ordering::Release);
                nodes[*node].wake();
            }
        }
    }
}
