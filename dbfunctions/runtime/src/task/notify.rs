//! Wakes all tasks that wait for something to change.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A place where tasks wait for the next [`Notify::notify_all`]. Clones are the same place.
#[derive(Clone, Default)]
pub struct Notify {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    turn: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Notify {
    /// A place where nobody waits yet.
    pub fn new() -> Notify {
        Notify::default()
    }

    /// Waits for the first notification after this call, whether or not the future was polled
    /// before it: check the condition between this call and the await, and none is lost.
    pub fn notified(&self) -> Notified {
        Notified {
            turn: self.shared.turn.get(),
            waiting_in: None,
            shared: self.shared.clone(),
        }
    }

    /// Wakes every waiting task.
    pub fn notify_all(&self) {
        self.shared.turn.set(self.shared.turn.get() + 1);
        // Out of the cell first: a waker may run code of any kind.
        let waiting = self.shared.waiting.take();
        for waker in waiting {
            waker.wake();
        }
    }
}

/// The future of [`Notify::notified`].
pub struct Notified {
    turn: u64,
    /// The index of this future's waker, once it has one. Valid for this turn only, and wakers
    /// are only removed by the turn's end.
    waiting_in: Option<usize>,
    shared: Rc<Shared>,
}

impl Future for Notified {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.shared.turn.get() != self.turn {
            return Poll::Ready(());
        }
        let index = self.waiting_in;
        let mut waiting = self.shared.waiting.borrow_mut();
        match index.and_then(|index| waiting.get_mut(index)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                waiting.push(context.waker().clone());
                let index = waiting.len() - 1;
                drop(waiting);
                self.waiting_in = Some(index);
            }
        }
        Poll::Pending
    }
}
