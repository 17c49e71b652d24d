//! A link of a function, with its end when it is up.
//!
//! ```text
//!            link_up                    a LinkError
//!   down ───────────────> up ─────────────────────────> broken
//!    ^                     │ the peer died                │ the turn ends
//!    └─────────────────────┴──────────────────────────────┘
//! ```
//!
//! A link breaks when its peer breaks the protocol, and also when a message is lost because this
//! end's heap has no room for it: after a gap in the messages neither end knows where the other is.
//! A broken port behaves like one that is down; the turn in which it broke ends with
//! [`crate::Function::link_down`], and the poll loop reports it to the hypervisor.

use vireo_abi::boot::Peer;
use vireo_abi::link::{Link, LinkError};

pub use vireo_abi::link::Received;

/// One link of the function, with its end when it is up.
#[derive(Debug)]
pub struct Port {
    peer: Peer,
    instance: u32,
    end: Option<Link>,
    failure: Option<LinkError>,
    /// Counts of the ends that were.
    sent: u64,
    received: u64,
}

impl Port {
    /// A port to instance `instance` of `peer`; without an end it is down.
    pub fn new(peer: Peer, instance: u32, end: Option<Link>) -> Port {
        Port {
            peer,
            instance,
            end,
            failure: None,
            sent: 0,
            received: 0,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The peer's instance number.
    pub fn instance(&self) -> u32 {
        self.instance
    }

    /// Whether the peer lives and has kept to the protocol.
    pub fn is_up(&self) -> bool {
        self.end.is_some() && self.failure.is_none()
    }

    /// Sends a message. Never blocks; what a link that is down is given vanishes.
    pub fn send(&mut self, head: &[u8], body: &[u8]) {
        if let Some(end) = up(&mut self.end, &self.failure)
            && let Err(error) = end.send(head, body)
        {
            self.failure = Some(error);
        }
    }

    /// The next whole message.
    pub fn receive(&mut self) -> Option<Received<'_>> {
        match up(&mut self.end, &self.failure)?.receive() {
            Ok(received) => received,
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }

    /// Whether so much waits to be taken that a producer of bulk should stop for now.
    pub fn is_congested(&self) -> bool {
        self.end.as_ref().is_some_and(Link::is_congested)
    }

    /// Replaces the end: `Some` for a new peer, `None` when it died. The function is told apart from
    /// this, with `link_up` and `link_down`.
    pub fn set_end(&mut self, end: Option<Link>) {
        if let Some(old) = &self.end {
            self.sent += old.sent();
            self.received += old.received();
        }
        self.end = end;
        self.failure = None;
    }

    /// Moves what waits into the ring. True if it moved something.
    pub fn poll(&mut self) -> bool {
        let Some(end) = up(&mut self.end, &self.failure) else {
            return false;
        };
        end.poll().unwrap_or_else(|error| {
            self.failure = Some(error);
            true
        })
    }

    /// Whether the peer must be rung for what was published since the last call.
    pub fn take_kick(&mut self) -> bool {
        up(&mut self.end, &self.failure).is_some_and(Link::take_kick)
    }

    /// Before sleeping: asks the peer to ring. False: something is pending, poll again.
    pub fn prepare_sleep(&mut self) -> bool {
        let Some(end) = up(&mut self.end, &self.failure) else {
            // A link that broke since the turn's end is settled by another turn.
            return self.failure.is_none();
        };
        end.prepare_sleep().unwrap_or_else(|error| {
            self.failure = Some(error);
            false
        })
    }

    /// After sleeping: asks the peer not to ring.
    pub fn woke(&mut self) {
        if let Some(end) = up(&mut self.end, &self.failure) {
            end.woke();
        }
    }

    /// Whether everything sent is in the ring, or will never be.
    pub fn is_drained(&self) -> bool {
        !self.is_up() || self.end.as_ref().is_none_or(|end| end.outbox_bytes() == 0)
    }

    /// Messages sent through all ends that were.
    pub fn sent(&self) -> u64 {
        self.sent + self.end.as_ref().map_or(0, Link::sent)
    }

    /// Messages received through all ends that were.
    pub fn received(&self) -> u64 {
        self.received + self.end.as_ref().map_or(0, Link::received)
    }

    /// Messages queued and not yet taken by the peer.
    pub fn depth(&self) -> u64 {
        self.end.as_ref().map_or(0, Link::depth)
    }

    /// Takes a broken end away and says how it broke. Afterwards the port is down.
    pub fn take_failure(&mut self) -> Option<LinkError> {
        let failure = self.failure?;
        self.set_end(None);
        Some(failure)
    }
}

/// The end, if it works. A function of two fields, so that a failure can be noted while what was
/// received is borrowed.
fn up<'a>(end: &'a mut Option<Link>, failure: &Option<LinkError>) -> Option<&'a mut Link> {
    match failure {
        None => end.as_mut(),
        Some(_) => None,
    }
}
