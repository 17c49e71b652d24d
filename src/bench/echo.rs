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
        let mut topology = Topology {
            isolation,
            catalog_pool_mib: 2,
            data_pool_mib: 2,
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

    /// Kills the function and polls until its replacement, copied from a machine that was made ahead,
    /// has answered: from the kill to the answer, and the part of it that the function's start took.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn replace(&mut self) -> Result<(Duration, Duration), BenchError> {
        self.connect()?;
        let before = self.link.epoch();
        let begin = Instant::now();
        self.hypervisor.kill("echo0")?;
        while self.link.epoch() == before {
            if begin.elapsed() > LIMIT {
                return Err(no_answer());
            }
            std::hint::spin_loop();
        }
        self.round_trip(b"")?;
        Ok((begin.elapsed(), self.boot_time()))
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

/// From nothing to the first answer: a hypervisor, the function's machine, its image, its link. With the
/// part of it that the function's start took.
///
/// # Errors
/// If there is no answer.
pub fn cold_boot(isolation: Isolation) -> Result<(Duration, Duration), BenchError> {
    let begin = Instant::now();
    let mut echo = Echo::start(isolation, SpinMode::Busy)?;
    echo.round_trip(b"")?;
    Ok((begin.elapsed(), echo.boot_time()))
}

fn no_answer() -> BenchError {
    BenchError::NoAnswer {
        name: "echo0",
        seconds: LIMIT.as_secs(),
    }
}
