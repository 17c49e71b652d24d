//! The gateway's end of the link to one function.
//!
//! ```text
//!  epoch (the hypervisor's word)   odd: down      even: up
//!  refresh                         drop the end   make an end over cleared memory
//! ```
//!
//! Invariant: an end made for one epoch is never used in another. Until [`Port::refresh`] has seen the
//! change, the end's messages go to memory that nobody reads any more.
//!
//! A function that breaks the protocol is reported, which gets it replaced; its end is dropped at once.

use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vireo_abi::link::{LinkEnd, Side};
use vireo_hypervisor::{HostLink, LinkMemory};
use vmm_sys_util::eventfd::EventFd;

/// One function that the gateway talks to: its link while it is up.
#[derive(Debug)]
pub struct Port {
    host: HostLink,
    bell: AsyncFd<EventFd>,
    acted_on: u32,
    end: Option<LinkEnd<LinkMemory>>,
}

/// What has become of a function since it was last looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    Same,
    /// It is there, and knows nothing of what was before.
    Up,
    /// It is gone.
    Down,
}

impl Port {
    /// The port of a link. Called within the runtime of the thread that will own it.
    ///
    /// # Errors
    /// If the bell cannot be watched.
    pub fn new(host: HostLink) -> std::io::Result<Port> {
        let bell = watch(host.bell().try_clone()?)?;
        Ok(Port {
            host,
            bell,
            acted_on: 1,
            end: None,
        })
    }

    /// Acts on the hypervisor's word about the function.
    pub fn refresh(&mut self) -> Change {
        let epoch = self.host.epoch();
        if epoch == self.acted_on {
            return Change::Same;
        }
        if self.end.take().is_some() || epoch % 2 == 1 {
            // A function that went and came between two looks is met again at the next.
            self.acted_on = epoch | 1;
            if epoch % 2 == 1 {
                self.host.acknowledge(epoch);
            }
            return Change::Down;
        }
        self.acted_on = epoch;
        match LinkEnd::new(self.host.memory(), Side::Driver) {
            Ok(end) => self.end = Some(end),
            Err(error) => self.fail(&error),
        }
        self.host.acknowledge(epoch);
        if self.end.is_some() {
            Change::Up
        } else {
            Change::Same
        }
    }

    /// The function broke the protocol: it is as dead, and will be replaced.
    pub fn fail(&mut self, reason: &dyn std::fmt::Display) {
        let (role, instance) = (self.host.role().name(), self.host.instance());
        tracing::error!(role, instance, %reason, "a function broke the protocol of its link");
        self.end = None;
        self.host.report_fault(self.acted_on);
    }

    /// Counts the functions that stood here: another number, another function. 0: it is down.
    pub fn epoch(&self) -> u32 {
        if self.end.is_some() { self.acted_on } else { 0 }
    }

    /// The link, while the function is up.
    pub fn link(&mut self) -> Option<&mut LinkEnd<LinkMemory>> {
        self.end.as_mut()
    }

    /// Whether producers of bulk should stop.
    pub fn is_congested(&self) -> bool {
        self.end.as_ref().is_some_and(LinkEnd::is_congested)
    }

    /// Rings the function if it asked for it. True if it was rung.
    pub fn ring_if_asked(&mut self) -> bool {
        let Some(end) = &mut self.end else {
            return false;
        };
        let must_ring = end.take_kick();
        if must_ring {
            self.host.kick();
        }
        must_ring
    }

    /// Asks the function to ring. False: something has arrived already, or must be looked at.
    pub fn prepare_sleep(&mut self) -> bool {
        let Some(end) = &mut self.end else {
            return self.host.epoch() == self.acted_on;
        };
        self.host.set_depth(end.depth());
        // An error is met again, and dealt with, in the next turn.
        end.prepare_sleep().unwrap_or(false)
    }

    /// Asks the function not to ring any more.
    pub fn woke(&mut self) {
        if let Some(end) = &mut self.end {
            end.woke();
        }
    }

    /// Whether the bell has rung; else a wake-up when it does.
    pub fn poll_bell(&self, context: &mut Context<'_>) -> bool {
        let mut has_rung = false;
        // Until the descriptor is drained and its readiness cleared: else nothing is registered.
        while let Poll::Ready(Ok(mut ready)) = self.bell.poll_read_ready(context) {
            match ready.get_inner().read() {
                Ok(_) => has_rung = true,
                Err(_) => ready.clear_ready(),
            }
        }
        has_rung
    }
}

#[allow(
    deprecated,
    reason = "its successor is unsafe because a descriptor might be closed while it is watched; an \
              EventFd owns its descriptor and never lets go of it before it is dropped"
)]
fn watch(bell: EventFd) -> std::io::Result<AsyncFd<EventFd>> {
    AsyncFd::with_interest(bell, Interest::READABLE)
}
