//! The ping function: sends messages to an echo function, one at a time, and says how long each was
//! under way. Benchmarks: it is how a round trip between two functions is measured.
//!
//! ```text
//!  gateway ── PingRequest (body: count, size) ──► ping ── head: number, body ──► echo
//!          ◄── body: `count` times, u32 ns each ──     ◄──────── the same ───────
//! ```
//!
//! A round trip is taken from the turn that sends the message to the turn that finds it back; that turn sends
//! the next one, so the times of a run add up to how long it took.
//!
//! Failure: a request that makes no sense, and one during which the echo function dies, is answered with an empty
//! body.

use crate::function::{Function, Start};
use crate::io::Io;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::boot::Peer;
use vireo_abi::message::ping::PingRequest;

/// A function that measures round trips to an echo function.
#[derive(Debug, Default)]
pub struct Ping {
    /// The number of the last message that was sent, over all runs: what a run that was given up left
    /// under way is not taken for an answer.
    number: u64,
    run: Option<Run>,
}

/// What one request asked for, while it goes on.
#[derive(Debug)]
struct Run {
    /// The port that asked.
    port: usize,
    echo: usize,
    count: usize,
    message: Vec<u8>,
    sent_ns: u64,
    /// u32 nanoseconds each, little-endian.
    times: Vec<u8>,
}

impl Ping {
    /// Begins the run that a message of the gateway's asks for.
    fn accept(&mut self, io: &mut Io) -> bool {
        let of_peer = |io: &Io, peer| io.ports.iter().position(|port| port.peer() == peer);
        let (Some(port), echo) = (of_peer(io, Peer::Gateway), of_peer(io, Peer::Echo)) else {
            return false;
        };
        let Some(received) = io.ports[port].receive() else {
            return false;
        };
        let request = PingRequest::from_bytes(received.body);
        match (request, echo) {
            (Some(PingRequest { count, size }), Some(echo)) if io.ports[echo].is_up() => {
                self.run = Some(Run {
                    port,
                    echo,
                    count: count as usize,
                    message: vec![7; size as usize],
                    sent_ns: 0,
                    times: Vec::with_capacity(4 * count as usize),
                });
                self.send(io);
            }
            _ => io.ports[port].send(b"", b""),
        }
        true
    }

    fn send(&mut self, io: &mut Io) {
        let Some(run) = &mut self.run else {
            return;
        };
        self.number += 1;
        run.sent_ns = io.monotonic_ns();
        io.ports[run.echo].send(&self.number.to_le_bytes(), &run.message);
    }

    /// Takes the echo of the message that is under way. True if anything came.
    fn go_on(&mut self, io: &mut Io) -> bool {
        let now = io.monotonic_ns();
        let Some(run) = &mut self.run else {
            return false;
        };
        let Some(received) = io.ports[run.echo].receive() else {
            return false;
        };
        if received.head != self.number.to_le_bytes() {
            return true;
        }
        let time = u32::try_from(now.saturating_sub(run.sent_ns)).unwrap_or(u32::MAX);
        run.times.extend_from_slice(&time.to_le_bytes());
        io.count_request();
        if run.times.len() < 4 * run.count {
            self.send(io);
        } else if let Some(run) = self.run.take() {
            io.ports[run.port].send(b"", &run.times);
        }
        true
    }
}

impl Function for Ping {
    fn new(_start: &Start, _io: &mut Io) -> Ping {
        Ping::default()
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        match self.run {
            None => self.accept(io),
            Some(_) => self.go_on(io),
        }
    }

    fn link_down(&mut self, port: usize, io: &mut Io) {
        if let Some(run) = self.run.take_if(|run| run.port == port || run.echo == port) {
            io.ports[run.port].send(b"", b"");
        }
    }

    fn link_up(&mut self, _port: usize, _io: &mut Io) {}

    fn is_finished(&self) -> bool {
        self.run.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Memory;
    use crate::function::Region;
    use crate::log::Log;
    use crate::port::Port;
    use std::vec::Vec;
    use vireo_abi::boot::Role;
    use vireo_abi::link::{Link, Side};
    use vireo_abi::memory_map::LINK_SIZE;

    /// A ping function with the other ends of its two links.
    struct Bench {
        // The ends go before the memory that they use.
        ping: Ping,
        io: Io,
        gateway: Link,
        echo: Link,
        _memory: [Memory; 2],
    }

    fn bench() -> Bench {
        let memory = [Memory::new(LINK_SIZE), Memory::new(LINK_SIZE)];
        let end = |index: usize, side| Link::new(memory[index].shared(), side).unwrap();
        let (gateway, to_echo) = (end(0, Side::Driver), end(1, Side::Driver));
        let (to_gateway, echo) = (end(0, Side::Device), end(1, Side::Device));
        let ports = vec![
            Port::new(Peer::Gateway, 0, Some(to_gateway)),
            Port::new(Peer::Echo, 0, Some(to_echo)),
        ];
        let mut io = Io::new(ports, [None, None], Log::Discard);
        let start = Start {
            role: Role::Ping,
            instance: 0,
            restarts: 0,
            seed: [0; 4],
            catalog_pool: Region::NONE,
            data_pool: Region::NONE,
            announce: Region::NONE,
        };
        let ping = Ping::new(&start, &mut io);
        Bench {
            ping,
            io,
            gateway,
            echo,
            _memory: memory,
        }
    }

    impl Bench {
        fn ask(&mut self, body: &[u8]) {
            self.gateway.send(b"", body).unwrap();
        }

        fn answer(&mut self) -> Option<Vec<u8>> {
            self.gateway
                .receive()
                .unwrap()
                .map(|received| received.body.to_vec())
        }

        /// What arrives at the echo function.
        fn at_echo(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
            let received = self.echo.receive().unwrap();
            received.map(|received| (received.head.to_vec(), received.body.to_vec()))
        }

        fn turn(&mut self, now_ns: u64) -> bool {
            self.io.set_clock(0, now_ns);
            self.ping.poll(&mut self.io)
        }
    }

    #[test]
    fn each_round_trip_is_timed() {
        let mut bench = bench();
        bench.ask(&PingRequest { count: 3, size: 5 }.to_bytes());
        assert!(bench.turn(1000));
        for (number, now) in [(1u64, 1100u64), (2, 1350), (3, 9000)] {
            assert!(!bench.turn(now - 1));
            let (head, body) = bench.at_echo().expect("a message");
            assert_eq!(
                (&head[..], &body[..]),
                (&number.to_le_bytes()[..], &[7; 5][..])
            );
            assert_eq!(bench.answer(), None);
            bench.echo.send(&head, &body).unwrap();
            assert!(bench.turn(now));
        }
        assert_eq!(bench.at_echo(), None);
        let times = [100u32, 250, 7650].map(u32::to_le_bytes).concat();
        assert_eq!(bench.answer(), Some(times));
        assert_eq!(bench.io.requests(), 3);
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_nothing() {
        let mut bench = bench();
        let most = PingRequest::COUNT_MAX + 1;
        let bad = [(0, 0), (most, 0), (1, PingRequest::SIZE_MAX + 1)];
        let bad = bad.map(|(count, size)| PingRequest { count, size }.to_bytes().to_vec());
        for body in [&b"count"[..], b""]
            .into_iter()
            .chain(bad.iter().map(Vec::as_slice))
        {
            bench.ask(body);
            assert!(bench.turn(0));
            assert_eq!(bench.answer(), Some(Vec::new()), "{body:?}");
            assert_eq!(bench.at_echo(), None);
        }
    }

    #[test]
    fn an_echo_function_that_dies_ends_the_run() {
        let mut bench = bench();
        bench.ask(&PingRequest { count: 2, size: 0 }.to_bytes());
        bench.turn(0);
        let (late, _) = bench.at_echo().expect("a message");
        assert!(!bench.ping.is_finished());
        bench.ping.link_down(1, &mut bench.io);
        assert!(bench.ping.is_finished());
        assert_eq!(bench.answer(), Some(Vec::new()));
        bench.ask(&PingRequest { count: 1, size: 0 }.to_bytes());
        bench.turn(10);
        bench.echo.send(&late, b"").unwrap();
        bench.turn(20);
        assert_eq!(
            bench.answer(),
            None,
            "the echo of the run before is no answer"
        );
        let (head, _) = bench.at_echo().expect("a message");
        bench.echo.send(&head, b"").unwrap();
        bench.turn(30);
        assert_eq!(bench.answer(), Some(20u32.to_le_bytes().to_vec()));
    }
}
