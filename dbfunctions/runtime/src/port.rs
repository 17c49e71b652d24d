//! A link of a function, with its end when it is up.

use vireo_abi::boot::Peer;

/// A whole message, in memory of this end; valid until the next `receive`.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The archived message.
    pub head: &'a [u8],
    /// The bytes that came with it.
    pub body: &'a [u8],
}

/// One link of the function, with its end when it is up.
pub struct Port {
    peer: Peer,
    instance: u32,
}

impl Port {
    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The peer's instance number.
    pub fn instance(&self) -> u32 {
        self.instance
    }

    /// Whether the peer lives.
    pub fn is_up(&self) -> bool {
        false
    }

    /// Sends a message. Never blocks; what a link that is down is given vanishes.
    pub fn send(&mut self, _head: &[u8], _body: &[u8]) {}

    /// The next whole message.
    pub fn receive(&mut self) -> Option<Received<'_>> {
        None
    }

    /// Whether so much waits to be taken that a producer of bulk should stop for now.
    pub fn is_congested(&self) -> bool {
        false
    }
}
