//! A link's memory, and a look at what passes through it.
//!
//! Both ends are real. After each turn of one of them [`Link::observe`] reads the fragments that it published, before
//! anyone can give their buffers back, and puts each whole message into the trace. On the link to storage it also holds
//! the protocol's rule that a request is answered once: execute takes a second answer for a late one and drops it.

use crate::memory::Area;
use crate::trace::{Trace, hash};
use std::collections::BTreeSet;
use std::fmt::{Debug, Write};
use vireo_abi::link::{FRAGMENT_HEADER_SIZE, LINK_LAYOUT, Link as LinkEnd, Side};
use vireo_abi::memory_map::LINK_SIZE;
use vireo_abi::message::decode;
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest};
use vireo_abi::message::parse::{ParseReply, ParseRequest};
use vireo_abi::message::storage::{StorageReply, StorageRequest};
use vireo_abi::ring::{RingMemory, SharedMemory};

/// What a link carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    GatewayParse,
    GatewayExecute,
    ExecuteStorage,
}

/// A link between two parts.
#[derive(Debug)]
pub struct Link {
    name: String,
    edge: Edge,
    eyes: SharedMemory,
    taps: [Tap; 2],
    /// Requests to storage that it has not answered.
    unanswered: BTreeSet<u64>,
    area: Area,
}

/// What was seen of a queue: how far, and the message that is passing.
#[derive(Debug, Default)]
struct Tap {
    index: u16,
    message: Vec<u8>,
}

impl Link {
    pub fn new(name: String, edge: Edge) -> Link {
        let area = Area::new(LINK_SIZE);
        Link {
            name,
            edge,
            eyes: area.shared(),
            taps: Default::default(),
            unanswered: BTreeSet::new(),
            area,
        }
    }

    /// An end. The driver's is made first, as the supervisor does.
    pub fn end(&self, side: Side) -> LinkEnd {
        LinkEnd::new(self.area.shared(), side).expect("the area is large enough")
    }

    /// Makes the memory new, when both ends are gone.
    pub fn clear(&mut self) {
        self.area.clear_all();
        self.taps = Default::default();
        self.unanswered.clear();
    }

    /// Puts what was sent since the last look into the trace.
    pub fn observe(&mut self, now_ns: u64, trace: &mut Trace) {
        for queue in 0..2 {
            let ring = LINK_LAYOUT.queues[queue];
            // Queue 0 is filled by its driver, queue 1 by its device.
            let (table, entry) = if queue == 0 {
                (ring.available(), 2)
            } else {
                (ring.used(), 8)
            };
            let published = self.eyes.load_acquire(table + 2);
            while self.taps[queue].index != published {
                let slot = usize::from(self.taps[queue].index % ring.size());
                let id = self.eyes.read_u16(table + 4 + slot * entry);
                self.taps[queue].index = self.taps[queue].index.wrapping_add(1);
                self.fragment(queue, id, now_ns, trace);
            }
        }
    }

    fn fragment(&mut self, queue: usize, id: u16, now_ns: u64, trace: &mut Trace) {
        let at = LINK_LAYOUT.buffers[queue] + usize::from(id) * LINK_LAYOUT.buffer_size;
        let word = |n: usize| self.eyes.read_u32(at + 4 * n) as usize;
        let (length, head_length, body_length) = (word(1), word(3), word(4));
        let message = &mut self.taps[queue].message;
        message.reserve(length);
        self.eyes
            .read_bytes(at + FRAGMENT_HEADER_SIZE, length, message);
        let message = &self.taps[queue].message;
        if message.len() < head_length + body_length {
            return;
        }
        let (head, body) = message.split_at(head_length);
        let arrow = if queue == 0 { ">" } else { "<" };
        let (kind, text) = describe(self.edge, queue, head);
        trace.note(
            now_ns,
            format_args!(
                "{} {arrow} {kind} {head_length}+{body_length} {:016x} {:016x}",
                self.name,
                hash(head),
                hash(body)
            ),
        );
        trace.detail(|| {
            format!(
                "{} {:.200}",
                text(),
                String::from_utf8_lossy(body).escape_debug().to_string()
            )
        });
        if self.edge == Edge::ExecuteStorage {
            let is_request = queue == 0;
            if let Some(request) = storage_request(is_request, head) {
                let is_due = if is_request {
                    self.unanswered.insert(request)
                } else {
                    self.unanswered.remove(&request)
                };
                assert!(
                    is_due,
                    "{}: {arrow} {kind} {request} is one too many",
                    self.name
                );
            }
        }
        self.taps[queue].message.clear();
    }
}

/// The number of a request to storage, or of the one that a reply is to; none where no reply is due.
fn storage_request(is_request: bool, head: &[u8]) -> Option<u64> {
    let id = if is_request {
        let request: StorageRequest = decode(head).expect("spelled already");
        request.id()?
    } else {
        let reply: StorageReply = decode(head).expect("spelled already");
        reply.id()
    };
    Some(id.0)
}

/// A message's kind, and how to write all of it.
fn describe(edge: Edge, queue: usize, head: &[u8]) -> (String, Box<dyn FnOnce() -> String>) {
    match (edge, queue) {
        (Edge::GatewayParse, 0) => spell(decode::<ParseRequest>(head)),
        (Edge::GatewayParse, _) => spell(decode::<ParseReply>(head)),
        (Edge::GatewayExecute, 0) => spell(decode::<ExecuteRequest>(head)),
        (Edge::GatewayExecute, _) => spell(decode::<ExecuteReply>(head)),
        (Edge::ExecuteStorage, 0) => spell(decode::<StorageRequest>(head)),
        (Edge::ExecuteStorage, _) => spell(decode::<StorageReply>(head)),
    }
}

fn spell<T: Debug + 'static>(
    message: Result<T, vireo_abi::message::Malformed>,
) -> (String, Box<dyn FnOnce() -> String>) {
    let message = message.expect("a function sends what its edge carries");
    let mut kind = FirstWord(String::new());
    // It ends with an error, on purpose.
    let _ = write!(kind, "{message:?}");
    (kind.0, Box::new(move || format!("{message:?}")))
}

/// Takes a value's name out of its `Debug` text and stops there.
struct FirstWord(String);

impl Write for FirstWord {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            if !letter.is_alphanumeric() {
                return Err(std::fmt::Error);
            }
            self.0.push(letter);
        }
        Ok(())
    }
}
