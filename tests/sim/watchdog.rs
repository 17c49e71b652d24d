//! A turn that does not end: no count of steps can end it, so a thread with a real clock does.
//!
//! The run says before each step who acts. If that does not change for [`PATIENCE`], the thread says which seed, step and actor
//! it was and ends the process: the thread that hangs cannot be unwound. It changes nothing of a run that goes on, so a seed
//! stays a run.

use crate::scheduler::Actor;
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Real time that one step may take: some thousand times what the longest takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The step under way.
type Step = (u64, Option<Actor>);

/// Watches a run until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    step: Arc<Mutex<Step>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub fn new(seed: u64) -> Watchdog {
        Watchdog::with_end(seed, PATIENCE, |text| {
            // Not `eprintln`: what the test harness has captured is lost with the process.
            let _ = std::io::stderr().write_all(text.as_bytes());
            std::process::abort();
        })
    }

    fn with_end(
        seed: u64,
        patience: Duration,
        end: impl FnOnce(&str) + Send + 'static,
    ) -> Watchdog {
        let step: Arc<Mutex<Step>> = Arc::default();
        let watched = step.clone();
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let look = || *watched.lock().unwrap_or_else(PoisonError::into_inner);
            let mut seen = look();
            while stopped.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                let now = look();
                if now == seen {
                    end(&format!(
                        "seed {seed} hangs in step {}, {:?}: \
                         VIREO_SIM_SEED={seed} cargo test --test sim -- --nocapture\n",
                        now.0, now.1
                    ));
                    return;
                }
                seen = now;
            }
        });
        Watchdog {
            step,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A step begins; `actor` has its turn.
    pub fn begin(&self, step: u64, actor: Option<Actor>) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = (step, actor);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does nothing that can panic; if it did, the run's own failure is the one to report.
            let _ = thread.join();
        }
    }
}

#[test]
fn a_turn_that_does_not_end_is_named() {
    let (said, hears) = channel();
    let patience = Duration::from_millis(50);
    let watchdog = Watchdog::with_end(7, patience, move |text| {
        said.send(text.to_string()).expect("somebody hears");
    });
    watchdog.begin(12, Some(Actor::Gateway));
    let text = hears.recv_timeout(Duration::from_secs(60)).expect("a hang");
    assert!(
        text.contains("seed 7 hangs in step 12, Some(Gateway)"),
        "{text}"
    );
}
