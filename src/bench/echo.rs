//! An echo function alone in a hypervisor, and the host's end of its link.
//!
//! Invariant: one message is outstanding at most, so what comes back is the answer to it.

use super::{BenchError, Latencies};
use std::time::{Duration, Instant};
use vireo_abi::boot::Role;
use vireo_abi::link::{LinkEnd, Side};
use vireo_hypervisor::{
    HostLink, Hypervisor, Isolation, LinkMemory, Program, Spin, SpinMode, Topology,
};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Polls between two looks at the clock.
const POLLS: u32 = 4096;

/// An echo function and the host's end of its link.
pub struct Echo {
    link: HostLink,
    end: Option<LinkEnd<LinkMemory>>,
    epoch: u32,
    hypervisor: Hypervisor,
}

impl Echo {
    /// Starts the function. It never parks, if `spin` is busy.
    ///
    /// # Errors
    /// If the hypervisor cannot start it.
    pub fn start(isolation: Isolation, spin: SpinMode) -> Result<Echo, BenchError> {
        Echo::start_with(isolation, spin, true)
    }

    /// The same; without standbys, each replacement starts from nothing.
    ///
    /// # Errors
    /// As [`Echo::start`].
    pub fn start_with(
        isolation: Isolation,
        spin: SpinMode,
        standbys: bool,
    ) -> Result<Echo, BenchError> {
        let mut topology = Topology {
            isolation,
            catalog_pool_mib: 2,
            data_pool_mib: 2,
            standbys,
            ..Topology::default()
        };
        topology.parse.instances = 0;
        topology.execute.instances = 0;
        topology.storage.instances = 0;
        topology.echo.instances = 1;
        topology.echo.spin_us = Spin::Mode(spin);
        let program = Program {
            role: Role::Echo,
            image: Some(vireo_functions::images().echo),
            entry: Some(vireo_functions::thread_entries().echo),
        };
        let mut hypervisor = Hypervisor::start(topology, vec![program], None, Box::new(drop))?;
        let link = hypervisor.take_host_links().pop();
        let link = link.ok_or(BenchError::NoAnswer {
            name: "echo0",
            seconds: 0,
        })?;
        let epoch = 1;
        Ok(Echo {
            link,
            end: None,
            epoch,
            hypervisor,
        })
    }

    /// Sends a message and polls until its echo is back.
    ///
    /// # Errors
    /// If it does not come back, or not as it was.
    pub fn round_trip(&mut self, body: &[u8]) -> Result<(), BenchError> {
        self.connect()?;
        let Some(end) = &mut self.end else {
            return Err(no_answer());
        };
        end.send(b"", body)?;
        if end.take_kick() {
            self.link.kick();
        }
        let begin = Instant::now();
        loop {
            for _ in 0..POLLS {
                if let Some(received) = end.receive()? {
                    return match received.body == body {
                        true => Ok(()),
                        false => Err(BenchError::NotAnEcho {
                            length: received.body.len(),
                        }),
                    };
                }
                std::hint::spin_loop();
            }
            if begin.elapsed() > LIMIT || self.link.epoch() != self.epoch {
                return Err(no_answer());
            }
        }
    }

    /// Each of `count` empty round trips, after a tenth as many that are not counted.
    ///
    /// # Errors
    /// As [`Echo::round_trip`].
    pub fn round_trips(&mut self, count: usize) -> Result<Latencies, BenchError> {
        for _ in 0..count / 10 {
            self.round_trip(b"")?;
        }
        let mut durations = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            self.round_trip(b"")?;
            durations.push(begin.elapsed());
        }
        Ok(Latencies::new(durations))
    }

    /// Kills the function and polls until its replacement has answered. It is copied from a machine that
    /// was made ahead, if there are standbys and there was time to make one.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn replace(&mut self) -> Result<Replacement, BenchError> {
        self.connect()?;
        let before = self.link.epoch();
        let killed = Instant::now();
        self.hypervisor.kill("echo0")?;
        while self.link.epoch() == before {
            if killed.elapsed() > LIMIT {
                return Err(no_answer());
            }
            std::hint::spin_loop();
        }
        self.connect()?;
        let up = Instant::now();
        self.round_trip(b"")?;
        let (answered, start) = (Instant::now(), self.boot_time());
        Ok(Replacement {
            start,
            start_to_reply: start + (answered - up),
            kill_to_reply: answered - killed,
        })
    }

    /// How long the function's last start took, as the supervisor saw it.
    pub fn boot_time(&self) -> Duration {
        let stats = self.hypervisor.stats();
        let boot_us = stats
            .functions
            .first()
            .map_or(0, |function| function.boot_us);
        Duration::from_micros(boot_us)
    }

    /// Waits for the link to be up, with an end of its own for each epoch.
    fn connect(&mut self) -> Result<(), BenchError> {
        let begin = Instant::now();
        loop {
            let epoch = self.link.epoch();
            if epoch == self.epoch && self.end.is_some() {
                return Ok(());
            }
            if epoch != self.epoch {
                self.end = None;
                if epoch.is_multiple_of(2) {
                    self.end = Some(LinkEnd::new(self.link.memory(), Side::Driver)?);
                }
                self.link.acknowledge(epoch);
                self.epoch = epoch;
            }
            if begin.elapsed() > LIMIT {
                return Err(no_answer());
            }
            std::hint::spin_loop();
        }
    }
}

/// How long a replacement took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// From the decision to start it to its loop, as the supervisor saw it.
    pub start: Duration,
    /// That, and from its link being up to its first reply.
    pub start_to_reply: Duration,
    /// From the kill of its predecessor to its first reply.
    pub kill_to_reply: Duration,
}

fn no_answer() -> BenchError {
    BenchError::NoAnswer {
        name: "echo0",
        seconds: LIMIT.as_secs(),
    }
}
