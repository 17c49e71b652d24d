//! An echo function alone in a hypervisor, and the host's end of its link.

use super::host_port::{HostPort, LIMIT};
use super::{BenchError, Latencies};
use std::time::{Duration, Instant};
use vireo_abi::boot::Role;
use vireo_hypervisor::{FunctionStats, Hypervisor, Isolation, Program, Spin, SpinMode, Topology};

/// An echo function and the host's end of its link.
pub struct Echo {
    port: HostPort,
    hypervisor: Hypervisor,
}

impl Echo {
    /// Starts the function. It never parks, if `spin` is busy.
    ///
    /// # Errors
    /// If the hypervisor cannot start it.
    pub fn start(isolation: Isolation, spin: SpinMode) -> Result<Echo, BenchError> {
        let mut topology = without_functions(isolation);
        topology.echo.spin_us = Spin::Mode(spin);
        Echo::start_with(topology)
    }

    /// Starts a function that is to be replaced: it spins and parks as those of a database do. Without standbys,
    /// each replacement starts from nothing.
    ///
    /// # Errors
    /// As [`Echo::start`].
    pub fn start_mortal(isolation: Isolation, standbys: bool) -> Result<Echo, BenchError> {
        Echo::start_with(Topology {
            standbys,
            ..without_functions(isolation)
        })
    }

    fn start_with(mut topology: Topology) -> Result<Echo, BenchError> {
        topology.echo.instances = 1;
        let mut hypervisor =
            Hypervisor::start(topology, vec![echo_program()], None, Box::new(drop))?;
        let link = hypervisor.take_host_links().pop();
        let port = HostPort::new(link.expect("the topology has one function"));
        Ok(Echo { port, hypervisor })
    }

    /// Sends a message and polls until its echo is back.
    ///
    /// # Errors
    /// If it does not come back, or not as it was.
    pub fn round_trip(&mut self, body: &[u8]) -> Result<(), BenchError> {
        self.port.call(body, |echo| match echo == body {
            true => Ok(()),
            false => Err(BenchError::NotAnEcho { length: echo.len() }),
        })?
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

    /// Kills the function and waits, asleep, until its replacement has answered. It is copied from a machine that
    /// was made ahead, if there are standbys and there was time to make one.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn replace(&mut self) -> Result<Replacement, BenchError> {
        self.port.connect()?;
        let killed = Instant::now();
        self.hypervisor.kill("echo0")?;
        self.port.wait_for_end()?;
        self.port.connect()?;
        self.port.call_sleeping(b"", |_| ())?;
        let (answered, uptime) = (Instant::now(), self.times().1);
        let since = answered.elapsed();
        // The supervisor may see that the function is in its loop after it has answered.
        self.hypervisor.wait_ready(LIMIT)?;
        Ok(Replacement {
            start: self.times().0,
            start_to_reply: uptime.saturating_sub(since),
            kill_to_reply: answered - killed,
        })
    }

    /// How long the function's last start took, and how long ago it began.
    fn times(&self) -> (Duration, Duration) {
        let stats = self.hypervisor.stats();
        let of = |us: fn(&FunctionStats) -> u64| {
            Duration::from_micros(stats.functions.first().map_or(0, us))
        };
        (
            of(|function| function.boot_us),
            of(|function| function.uptime_us),
        )
    }
}

/// How long a replacement took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// From the decision to start it to its loop, as the supervisor saw it.
    pub start: Duration,
    /// From the decision to start it to its first reply.
    pub start_to_reply: Duration,
    /// From the kill of its predecessor to its first reply.
    pub kill_to_reply: Duration,
}

/// A topology to add functions of benchmarks to.
pub(super) fn without_functions(isolation: Isolation) -> Topology {
    let mut topology = Topology {
        isolation,
        catalog_pool_mib: 2,
        data_pool_mib: 2,
        ..Topology::default()
    };
    topology.parse.instances = 0;
    topology.execute.instances = 0;
    topology.storage.instances = 0;
    topology
}

pub(super) fn echo_program() -> Program {
    Program {
        role: Role::Echo,
        image: Some(vireo_functions::images().echo),
        entry: Some(vireo_functions::thread_entries().echo),
    }
}
