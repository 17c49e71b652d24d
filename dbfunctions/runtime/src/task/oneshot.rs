//! One value, from whoever receives the reply to the task that waits for it.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// The sender was dropped without a value: the peer died, or the request was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Canceled;

impl fmt::Display for Canceled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the reply will not come")
    }
}

impl core::error::Error for Canceled {}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
    sender_alive: bool,
    receiver_alive: bool,
}

/// The waiting end: a future of the value.
pub struct Oneshot<T> {
    slot: Rc<RefCell<Slot<T>>>,
}

/// The giving end.
pub struct OneshotSender<T> {
    slot: Rc<RefCell<Slot<T>>>,
}

impl<T> Oneshot<T> {
    /// Both ends.
    pub fn new() -> (OneshotSender<T>, Oneshot<T>) {
        let slot = Rc::new(RefCell::new(Slot {
            value: None,
            waker: None,
            sender_alive: true,
            receiver_alive: true,
        }));
        (OneshotSender { slot: slot.clone() }, Oneshot { slot })
    }
}

impl<T> OneshotSender<T> {
    /// Gives the value and wakes the waiting task. The value comes back if nobody waits any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut slot = self.slot.borrow_mut();
        if !slot.receiver_alive {
            return Err(value);
        }
        slot.value = Some(value);
        Ok(())
    }

    /// Whether the waiting end was dropped.
    pub fn is_abandoned(&self) -> bool {
        !self.slot.borrow().receiver_alive
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut slot = self.slot.borrow_mut();
            slot.sender_alive = false;
            slot.waker.take()
        };
        // Outside the borrow: a waker may run code of any kind.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Oneshot<T> {
    fn drop(&mut self) {
        let (value, waker) = {
            let mut slot = self.slot.borrow_mut();
            slot.receiver_alive = false;
            (slot.value.take(), slot.waker.take())
        };
        drop((value, waker));
    }
}

impl<T> Future for Oneshot<T> {
    type Output = Result<T, Canceled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.slot.borrow_mut();
        if let Some(value) = slot.value.take() {
            return Poll::Ready(Ok(value));
        }
        if !slot.sender_alive {
            return Poll::Ready(Err(Canceled));
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}
