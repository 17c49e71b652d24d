//! The host's end of a function's link, polled: one message out, one message back.
//!
//! Invariant: one message is outstanding at most, so what comes back is the answer to it.

use super::BenchError;
use std::time::{Duration, Instant};
use vireo_abi::link::{LinkEnd, Side};
use vireo_hypervisor::{HostLink, LinkMemory};

/// How long an answer may take.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// Polls between two looks at the clock.
const POLLS: u32 = 4096;

/// The host's end of a function's link.
pub(super) struct HostPort {
    link: HostLink,
    end: Option<LinkEnd<LinkMemory>>,
    epoch: u32,
}

impl HostPort {
    pub(super) fn new(link: HostLink) -> HostPort {
        let (end, epoch) = (None, 1);
        HostPort { link, end, epoch }
    }

    /// Waits for the link to go down, or to be another one.
    pub(super) fn wait_for_end(&self) -> Result<(), BenchError> {
        let begin = Instant::now();
        while self.link.epoch() == self.epoch {
            self.wait(begin)?;
        }
        Ok(())
    }

    /// Waits for the link to be up, with an end of its own for each epoch.
    ///
    /// It sleeps on the bell, as the gateway does: who spins keeps a core from those that it waits for.
    pub(super) fn connect(&mut self) -> Result<(), BenchError> {
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
                continue;
            }
            self.wait(begin)?;
        }
    }

    /// Sends a message, polls until one is back, and gives its body to `take`.
    pub(super) fn call<T>(
        &mut self,
        body: &[u8],
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, BenchError> {
        self.connect()?;
        self.send(body)?;
        let end = self.end.as_mut().expect("it sent");
        let begin = Instant::now();
        loop {
            for _ in 0..POLLS {
                if let Some(received) = end.receive()? {
                    return Ok(take(received.body));
                }
                std::hint::spin_loop();
            }
            if begin.elapsed() > LIMIT || self.link.epoch() != self.epoch {
                return Err(no_answer(&self.link));
            }
        }
    }

    /// The same, sleeping on the bell until the answer is there.
    pub(super) fn call_sleeping<T>(
        &mut self,
        body: &[u8],
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, BenchError> {
        self.connect()?;
        self.send(body)?;
        let begin = Instant::now();
        loop {
            let end = self.end.as_mut().expect("it sent");
            end.poll()?;
            if end.take_kick() {
                self.link.kick();
            }
            if end.prepare_sleep()? {
                self.wait(begin)?;
            }
            let end = self.end.as_mut().expect("it sent");
            end.woke();
            if let Some(received) = end.receive()? {
                return Ok(take(received.body));
            }
            if self.link.epoch() != self.epoch {
                return Err(no_answer(&self.link));
            }
        }
    }

    fn send(&mut self, body: &[u8]) -> Result<(), BenchError> {
        let end = self.end.as_mut();
        let end = end.ok_or_else(|| no_answer(&self.link))?;
        end.send(b"", body)?;
        if end.take_kick() {
            self.link.kick();
        }
        Ok(())
    }

    fn wait(&self, begin: Instant) -> Result<(), BenchError> {
        let left = LIMIT.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(no_answer(&self.link));
        }
        Ok(self.link.wait(left)?)
    }
}

fn no_answer(link: &HostLink) -> BenchError {
    BenchError::NoAnswer {
        name: link.role().name(),
        seconds: LIMIT.as_secs(),
    }
}
