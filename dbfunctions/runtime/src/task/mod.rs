//! A small cooperative executor: many sessions on one thread.
//!
//! ```text
//!   spawn ──> woken ──run──> polled ──> Ready: dropped, its slot is free again
//!               ^               │
//!               └── Waker::wake ┴─────> Pending: waits
//! ```
//!
//! Invariants:
//! 1. A task is in the wake list at most once: it enters when its `woken` flag goes from false to
//!    true, and the flag goes back to false only as the task leaves the list to be polled. So a
//!    wake during its own poll puts it back, and no wake is lost.
//! 2. Tasks are polled in the order in which they were woken.
//! 3. A wake allocates nothing: the list's links are in the tasks' own headers.
//! 4. The flag of a task that has ended stays true: late wakers do nothing.
//!
//! Futures need not be `Send`: they are polled and dropped by whoever owns [`Tasks`]. Wakers are
//! `Send` and `Sync`, as the language asks, so the wake list is made of atomics although only one
//! thread uses it.

mod notify;
mod oneshot;
mod wake_list;
mod yield_now;

pub use notify::{Notified, Notify};
pub use oneshot::{Canceled, Oneshot, OneshotSender};
pub use yield_now::{YieldNow, yield_now};

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use wake_list::{Header, WakeList};

/// Names a task for as long as it lives; never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TaskId {
    index: u32,
    generation: u32,
}

/// The tasks of one function.
#[derive(Default)]
pub struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    woken: Arc<WakeList>,
    /// Woken tasks, oldest last; all of them were woken before those still in `woken`.
    ready: Vec<Arc<Header>>,
    count: usize,
}

struct Slot {
    generation: u32,
    task: Option<Task>,
}

struct Task {
    header: Arc<Header>,
    waker: Waker,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Tasks {
    /// No tasks.
    pub fn new() -> Tasks {
        Tasks::default()
    }

    /// Adds a task, woken.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) -> TaskId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                task: None,
            });
            u32::try_from(self.slots.len() - 1).expect("a task takes over a byte of a small heap")
        });
        let slot = &mut self.slots[index as usize];
        let id = TaskId {
            index,
            generation: slot.generation,
        };
        let header = Arc::new(Header::new(id, self.woken.clone()));
        let waker = Waker::from(header.clone());
        waker.wake_by_ref();
        slot.task = Some(Task {
            header,
            waker,
            future: Box::pin(future),
        });
        self.count += 1;
        id
    }

    /// Polls at most `budget` woken tasks, first woken first. True if it polled any.
    pub fn run(&mut self, budget: usize) -> bool {
        let mut polled = 0;
        while polled < budget {
            let Some(header) = self.pop_woken() else {
                break;
            };
            polled += usize::from(self.poll_task(&header));
        }
        polled > 0
    }

    /// Drops a task wherever it is. False if it had ended.
    pub fn cancel(&mut self, task: TaskId) -> bool {
        match self.slots.get(task.index as usize) {
            Some(slot) if slot.generation == task.generation && slot.task.is_some() => {
                self.remove(task.index);
                true
            }
            _ => false,
        }
    }

    /// Tasks alive.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether a task is woken and waits for [`Tasks::run`].
    pub fn is_woken(&self) -> bool {
        !self.ready.is_empty() || !self.woken.is_empty()
    }

    fn pop_woken(&mut self) -> Option<Arc<Header>> {
        if self.ready.is_empty() {
            // The list gives the newest first, `ready` wants it there: the oldest is popped.
            self.woken.drain_newest_first(&mut self.ready);
        }
        self.ready.pop()
    }

    /// False if the task has ended since it was woken.
    fn poll_task(&mut self, header: &Arc<Header>) -> bool {
        let id = header.task();
        let slot = &mut self.slots[id.index as usize];
        if slot.generation != id.generation {
            return false;
        }
        let Some(task) = &mut slot.task else {
            return false;
        };
        header.set_woken(false);
        let poll = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&task.waker));
        if poll == Poll::Ready(()) {
            self.remove(id.index);
        }
        true
    }

    /// Drops the task in slot `index`, which has one.
    fn remove(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if let Some(task) = slot.task.take() {
            task.header.set_woken(true);
            self.count -= 1;
            match slot.generation.checked_add(1) {
                Some(next) => {
                    slot.generation = next;
                    self.free.push(index);
                }
                // Four thousand million tasks were here: the slot is retired, so that no
                // identity is ever given twice.
                None => debug_assert!(slot.task.is_none()),
            }
            // Last: the future's drop may wake other tasks.
            drop(task);
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for index in 0..self.slots.len() {
            if self.slots[index].task.is_some() {
                self.remove(index as u32);
            }
        }
        // Headers in the list own the list; emptying it breaks the ring.
        self.woken.drain_newest_first(&mut self.ready);
    }
}

#[cfg(test)]
mod tests;
