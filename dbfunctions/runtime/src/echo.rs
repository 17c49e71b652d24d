//! The smallest function: answers each message with itself. Benchmarks and tests.

use crate::function::{Function, Start};
use crate::io::Io;
use alloc::vec::Vec;

/// Messages answered on one port in one turn.
const MESSAGES_PER_TURN: usize = 32;

/// A function that answers each message with itself, head and body.
#[derive(Debug, Default)]
pub struct Echo {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Function for Echo {
    fn new(_start: &Start, _io: &mut Io) -> Echo {
        Echo::default()
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        let mut answered = 0;
        for port in &mut io.ports {
            for _ in 0..MESSAGES_PER_TURN {
                if port.is_congested() {
                    break;
                }
                let Some(received) = port.receive() else {
                    break;
                };
                self.head.clear();
                self.head.extend_from_slice(received.head);
                self.body.clear();
                self.body.extend_from_slice(received.body);
                port.send(&self.head, &self.body);
                answered += 1;
            }
        }
        for _ in 0..answered {
            io.count_request();
        }
        answered > 0
    }

    fn link_down(&mut self, _port: usize, _io: &mut Io) {}

    fn link_up(&mut self, _port: usize, _io: &mut Io) {}
}
