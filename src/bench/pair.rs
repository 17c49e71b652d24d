//! Two functions joined by a link: one sends, the other echoes. The host only asks for the figures.

use super::echo::{echo_program, without_functions};
use super::host_port::HostPort;
use super::{BenchError, Latencies};
use std::time::Duration;
use vireo_abi::boot::Role;
use vireo_abi::message::ping::PingRequest;
use vireo_hypervisor::{Hypervisor, Isolation, Program, Spin, SpinMode};

/// How long the two may take to start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A ping function and an echo function, neither of which parks.
pub struct Pair {
    port: HostPort,
    // Stopped when the pair is dropped.
    _hypervisor: Hypervisor,
}

impl Pair {
    /// Starts both.
    ///
    /// # Errors
    /// If the hypervisor cannot start them.
    pub fn start(isolation: Isolation) -> Result<Pair, BenchError> {
        let mut topology = without_functions(isolation);
        for spec in [&mut topology.echo, &mut topology.ping] {
            spec.instances = 1;
            spec.spin_us = Spin::Mode(SpinMode::Busy);
        }
        // Machines made ahead are made while the functions run: work that would disturb them.
        topology.standbys = false;
        let ping = Program {
            role: Role::Ping,
            image: Some(vireo_functions::images().ping),
            entry: Some(vireo_functions::thread_entries().ping),
        };
        let programs = vec![echo_program(), ping];
        let mut hypervisor = Hypervisor::start(topology, programs, None, Box::new(drop))?;
        let mut links = hypervisor.take_host_links().into_iter();
        let link = links.find(|link| link.role() == Role::Ping);
        let port = HostPort::new(link.expect("the topology has a ping function"));
        hypervisor.wait_ready(START_LIMIT)?;
        Ok(Pair {
            port,
            _hypervisor: hypervisor,
        })
    }

    /// Each of `count` round trips with bodies of `size` bytes, as the function that sent them timed them, after a
    /// tenth as many that are not counted.
    ///
    /// # Errors
    /// If the functions do not answer.
    pub fn round_trips(&mut self, count: u32, size: u32) -> Result<Latencies, BenchError> {
        self.run(count / 10, size)?;
        Ok(Latencies::new(self.run(count, size)?))
    }

    /// How long `count` round trips took.
    ///
    /// # Errors
    /// As [`Pair::round_trips`].
    pub fn total(&mut self, count: u32, size: u32) -> Result<Duration, BenchError> {
        Ok(self.run(count, size)?.into_iter().sum())
    }

    fn run(&mut self, count: u32, size: u32) -> Result<Vec<Duration>, BenchError> {
        let mut durations = Vec::with_capacity(count as usize);
        while (durations.len() as u32) < count {
            let left = count - durations.len() as u32;
            let count = left.min(PingRequest::COUNT_MAX);
            let request = PingRequest { count, size }.to_bytes();
            let times = self.port.call_sleeping(&request, <[u8]>::to_vec)?;
            if times.len() != 4 * count as usize {
                let length = times.len();
                return Err(BenchError::NotAnEcho { length });
            }
            let ns = times.as_chunks::<4>().0.iter().copied();
            durations.extend(ns.map(|ns| Duration::from_nanos(u32::from_le_bytes(ns).into())));
        }
        Ok(durations)
    }
}
