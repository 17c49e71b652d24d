//! One function as the supervisor sees it: what it is, whether it runs, what became of it.

use crate::event::Reason;
use crate::launch::FunctionThread;
use crate::link::ring;
use crate::memory::Region;
use crate::pages::{Pages, printable};
use crate::vcpu::Counters;
use crate::vm::SharedArea;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use vireo_abi::boot::{Role, State};
use vireo_abi::log_ring::{Level, Reader, Record, TEXT_SIZE_MAX};
use vmm_sys_util::eventfd::EventFd;

/// A function that lives as long as this has crashed is not in a crash loop.
const STABLE: Duration = Duration::from_secs(1);
/// Crashes in a row that are answered at once.
const FREE_CRASHES: u32 = 3;
const DELAY_MAX: Duration = Duration::from_secs(1);

/// A function of the topology, over all its starts.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) instance: u32,
    pub(crate) core: Option<usize>,
    pub(crate) heap_size: usize,
    pub(crate) spin_ticks: u64,
    /// What rings this function. It outlives the function's starts, so that its peers' doorbells stay right.
    pub(crate) doorbell: Arc<EventFd>,
    pub(crate) counters: Arc<Counters>,
    /// Its links, in the order of the boot page: which, and whether this is the driver's end.
    pub(crate) links: Vec<(usize, bool)>,
    /// Its own page of the announce area, with its offset there.
    pub(crate) announce: Option<(Arc<Region>, usize)>,
    pub(crate) running: Option<Running>,
    /// When it may be started, while it does not run.
    pub(crate) start_at: Instant,
    pub(crate) generation: u64,
    pub(crate) restarts: u32,
    pub(crate) last_reason: Option<Reason>,
    pub(crate) boot_us: u64,
    crashes_in_a_row: u32,
}

/// One start of a function.
pub(crate) struct Running {
    pub(crate) pages: Pages,
    pub(crate) shared: Vec<SharedArea>,
    pub(crate) thread: FunctionThread,
    pub(crate) log: Reader,
    pub(crate) started: Instant,
    pub(crate) is_ready: bool,
    /// The links' epochs that it was started with.
    pub(crate) first_epochs: Vec<u32>,
    /// Why it is to end, once that is decided.
    pub(crate) ending: Option<Ending>,
    pub(crate) heartbeat: Heartbeat,
}

/// A decision to end a function.
pub(crate) struct Ending {
    pub(crate) reason: Reason,
    /// When it is cut off, if it is asked to stop by itself; None: it was cut off already.
    pub(crate) cut_at: Option<Instant>,
}

/// The last heartbeat that was seen, with the CPU time of the thread then.
#[derive(Clone, Copy, Default)]
pub(crate) struct Heartbeat {
    count: u64,
    cpu: Duration,
}

impl Node {
    pub(crate) fn new(
        role: Role,
        instance: u32,
        core: Option<usize>,
        heap_size: usize,
        spin_ticks: u64,
        doorbell: Arc<EventFd>,
    ) -> Node {
        Node {
            name: format!("{}{instance}", role.name()),
            role,
            instance,
            core,
            heap_size,
            spin_ticks,
            doorbell,
            counters: Arc::default(),
            links: Vec::new(),
            announce: None,
            running: None,
            start_at: Instant::now(),
            generation: 0,
            restarts: 0,
            last_reason: None,
            boot_us: 0,
            crashes_in_a_row: 0,
        }
    }

    /// Whether it runs and nobody has decided that it shall end.
    pub(crate) fn is_alive(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.ending.is_none())
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_alive()
            && self
                .running
                .as_ref()
                .is_some_and(|running| running.is_ready)
    }

    /// Rings the function so that it looks at its control page.
    pub(crate) fn wake(&self) {
        ring(&self.doorbell);
    }

    /// Ends the function without its help. On a thread, which cannot be cut off, asks it to stop.
    pub(crate) fn cut(&mut self, reason: Reason) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.pages.control().stop.store(1, Ordering::Release);
        running.thread.cut.request();
        match &mut running.ending {
            Some(ending) => ending.cut_at = None,
            None => {
                running.ending = Some(Ending {
                    reason,
                    cut_at: None,
                })
            }
        }
        self.wake();
    }

    /// Asks the function to finish what it has begun; it is cut off after `limit`.
    pub(crate) fn ask_to_stop(&mut self, reason: Reason, limit: Duration) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.pages.control().stop.store(1, Ordering::Release);
        if running.ending.is_none() {
            running.ending = Some(Ending {
                reason,
                cut_at: Some(Instant::now() + limit),
            });
        }
        self.wake();
    }

    /// Takes note that the function ended, and when it may start again.
    pub(crate) fn note_end(&mut self, reason: Reason, uptime: Duration) {
        let now = Instant::now();
        if reason.is_crash() && uptime < STABLE {
            self.crashes_in_a_row += 1;
        } else {
            self.crashes_in_a_row = 0;
        }
        let beyond = self.crashes_in_a_row.saturating_sub(FREE_CRASHES);
        let delay = match beyond {
            0 => Duration::ZERO,
            _ => DELAY_MAX.min(Duration::from_millis(10) * 2u32.saturating_pow(beyond - 1)),
        };
        self.start_at = now + delay;
        self.restarts += 1;
        self.last_reason = Some(reason);
    }

    /// Hands the function's log records to `tracing`.
    pub(crate) fn drain_log(&mut self) {
        let Some(running) = &mut self.running else {
            return;
        };
        let function = self.name.as_str();
        let mut buffer = [0; TEXT_SIZE_MAX];
        // What a function can write while this reads must not keep the supervisor here.
        for _ in 0..1000 {
            match running.log.read(&mut buffer) {
                None => return,
                Some(Record::Lost(bytes)) => tracing::warn!(function, bytes, "log records lost"),
                Some(Record::Text(level, text)) => {
                    let text = printable(text);
                    match level {
                        Level::Error => tracing::error!(function, "{text}"),
                        Level::Warn => tracing::warn!(function, "{text}"),
                        Level::Info => tracing::info!(function, "{text}"),
                        Level::Debug => tracing::debug!(function, "{text}"),
                        Level::Trace => tracing::trace!(function, "{text}"),
                    }
                }
            }
        }
    }

    /// CPU time since the loop last came round, if that is longer than `limit`.
    pub(crate) fn runaway(&mut self, limit: Duration) -> Option<Duration> {
        let is_cut =
            |running: &Running| matches!(&running.ending, Some(Ending { cut_at: None, .. }));
        let running = self.running.as_mut().filter(|running| !is_cut(running))?;
        let count = running.pages.heartbeat();
        let is_parked = matches!(running.pages.state(), Some(State::Parked | State::Held));
        let cpu = thread_cpu(running.thread.id.load(Ordering::Acquire))?;
        if count != running.heartbeat.count || is_parked {
            running.heartbeat = Heartbeat { count, cpu };
            return None;
        }
        let since = cpu.saturating_sub(running.heartbeat.cpu);
        (since > limit).then_some(since)
    }
}

/// CPU time of a thread of this process; None if it is gone.
fn thread_cpu(thread: libc::pid_t) -> Option<Duration> {
    if thread == 0 {
        return None;
    }
    // CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED of that thread: see clock_getcpuclockid(3).
    let clock = (!thread << 3) | 6;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid timespec; a clock that does not exist is an error.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    (result == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}
