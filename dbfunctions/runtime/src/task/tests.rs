use super::{Notify, Oneshot, Tasks, yield_now};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

type Trace = Rc<RefCell<Vec<u32>>>;

fn drain(tasks: &mut Tasks) -> usize {
    let mut turns = 0;
    while tasks.run(1) {
        turns += 1;
        assert!(turns < 1_000_000, "the tasks never come to rest");
    }
    turns
}

#[test]
fn tasks_run_in_the_order_they_were_woken() {
    let trace = Trace::default();
    let mut tasks = Tasks::new();
    let mut senders = Vec::new();
    for name in 0..5u32 {
        let (sender, receiver) = Oneshot::<()>::new();
        senders.push(Some(sender));
        let trace = trace.clone();
        tasks.spawn(async move {
            trace.borrow_mut().push(name);
            receiver.await.unwrap();
            trace.borrow_mut().push(10 + name);
        });
    }
    drain(&mut tasks);
    assert_eq!(
        trace.borrow_mut().drain(..).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    for name in [3, 0, 4, 1, 2] {
        senders[name].take().unwrap().send(()).unwrap();
    }
    assert!(tasks.is_woken());
    drain(&mut tasks);
    assert_eq!(*trace.borrow(), [13, 10, 14, 11, 12]);
    assert_eq!(tasks.count(), 0);
    assert!(!tasks.is_woken());
}

#[test]
fn a_budget_bounds_a_run_and_keeps_the_order() {
    let trace = Trace::default();
    let mut tasks = Tasks::new();
    for name in 0..3u32 {
        let trace = trace.clone();
        tasks.spawn(async move {
            for round in 0..3 {
                trace.borrow_mut().push(name + 10 * round);
                yield_now().await;
            }
        });
    }
    assert!(!tasks.run(0));
    assert!(tasks.run(2));
    assert_eq!(*trace.borrow(), [0, 1]);
    assert!(tasks.run(5));
    assert_eq!(*trace.borrow(), [0, 1, 2, 10, 11, 12, 20]);
    assert_eq!(drain(&mut tasks), 5);
    assert_eq!(*trace.borrow(), [0, 1, 2, 10, 11, 12, 20, 21, 22]);
}

#[test]
fn a_wake_during_the_own_poll_is_kept_and_many_wakes_are_one() {
    let polls = Rc::new(Cell::new(0));
    let seen = polls.clone();
    let mut tasks = Tasks::new();
    tasks.spawn(poll_fn(move |context| {
        seen.set(seen.get() + 1);
        if seen.get() == 3 {
            return Poll::Ready(());
        }
        for _ in 0..10 {
            context.waker().wake_by_ref();
        }
        let waker = context.waker().clone();
        drop(context.waker().clone());
        waker.wake();
        Poll::Pending
    }));
    assert_eq!(drain(&mut tasks), 3);
    assert_eq!(polls.get(), 3);
}

#[test]
fn a_cancelled_task_is_dropped_at_once_and_its_name_is_not_used_again() {
    struct SetOnDrop(Rc<Cell<bool>>);
    impl Drop for SetOnDrop {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let mut tasks = Tasks::new();
    let guard = SetOnDrop(dropped.clone());
    let stored: Rc<RefCell<Option<Waker>>> = Rc::default();
    let store = stored.clone();
    let task = tasks.spawn(async move {
        let _guard = guard;
        poll_fn::<(), _>(|context| {
            *store.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    });
    drain(&mut tasks);
    assert!(!dropped.get());
    assert!(tasks.cancel(task));
    assert!(dropped.get());
    assert!(!tasks.cancel(task));
    let successor = tasks.spawn(async { yield_now().await });
    assert_ne!(task, successor);
    // A waker of the dead task reaches nobody.
    stored.borrow_mut().take().unwrap().wake();
    assert!(!tasks.cancel(task));
    assert_eq!(tasks.count(), 1);
    assert_eq!(drain(&mut tasks), 2);
    assert!(!tasks.cancel(successor));
}

#[test]
fn a_task_cancelled_while_woken_is_never_polled() {
    let mut tasks = Tasks::new();
    let task = tasks.spawn(async { panic!("polled") });
    assert!(tasks.is_woken());
    assert!(tasks.cancel(task));
    assert!(!tasks.run(10));
    assert_eq!(tasks.count(), 0);
}

#[test]
fn thousands_of_tasks_pass_a_token_around() {
    const COUNT: usize = 10_000;
    let mut tasks = Tasks::new();
    let (first, mut last) = Oneshot::<u64>::new();
    for _ in 0..COUNT {
        let (sender, receiver) = Oneshot::new();
        let before: Oneshot<u64> = core::mem::replace(&mut last, receiver);
        tasks.spawn(async move {
            let token = before.await.unwrap();
            assert!(sender.send(token + 1).is_ok());
        });
    }
    drain(&mut tasks);
    assert_eq!(tasks.count(), COUNT);
    let result = Rc::new(Cell::new(0));
    let store = result.clone();
    tasks.spawn(async move { store.set(last.await.unwrap()) });
    first.send(0).unwrap();
    while tasks.run(64) {}
    assert_eq!(result.get(), COUNT as u64);
    assert_eq!(tasks.count(), 0);
}

#[test]
fn a_oneshot_tells_each_end_of_the_other() {
    let mut tasks = Tasks::new();
    let outcome = Rc::new(RefCell::new(vec![]));
    let (sender, receiver) = Oneshot::<u32>::new();
    let store = outcome.clone();
    tasks.spawn(async move {
        let result = receiver.await;
        store.borrow_mut().push(result);
    });
    drain(&mut tasks);
    drop(sender);
    drain(&mut tasks);
    assert_eq!(*outcome.borrow(), [Err(super::Canceled)]);

    let (sender, receiver) = Oneshot::<u32>::new();
    assert!(!sender.is_abandoned());
    drop(receiver);
    assert!(sender.is_abandoned());
    assert_eq!(sender.send(7), Err(7));

    // A value sent before anyone waits is kept.
    let (sender, receiver) = Oneshot::<u32>::new();
    sender.send(9).unwrap();
    let store = outcome.clone();
    tasks.spawn(async move {
        let result = receiver.await;
        store.borrow_mut().push(result);
    });
    drain(&mut tasks);
    assert_eq!(outcome.borrow()[1], Ok(9));
}

#[test]
fn a_notification_wakes_all_that_asked_before_it() {
    let mut tasks = Tasks::new();
    let notify = Notify::new();
    let woken = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let (notify, woken) = (notify.clone(), woken.clone());
        tasks.spawn(async move {
            notify.notified().await;
            woken.set(woken.get() + 1);
        });
    }
    drain(&mut tasks);
    assert_eq!(woken.get(), 0);
    // Asked before the notification, polled after it.
    let early = notify.notified();
    notify.notify_all();
    let count = woken.clone();
    tasks.spawn(async move {
        early.await;
        count.set(count.get() + 1);
    });
    let late = notify.notified();
    tasks.spawn(late);
    drain(&mut tasks);
    assert_eq!(woken.get(), 101);
    assert_eq!(tasks.count(), 1);
    notify.notify_all();
    drain(&mut tasks);
    assert_eq!(tasks.count(), 0);
}

#[test]
fn a_task_that_holds_its_own_waker_does_not_outlive_the_executor() {
    let alive = Rc::new(());
    let mut tasks = Tasks::new();
    for _ in 0..10 {
        let alive = alive.clone();
        tasks.spawn(async move {
            let mut own: Option<Waker> = None;
            poll_fn::<(), _>(|context| {
                own = Some(context.waker().clone());
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            drop(alive);
        });
    }
    tasks.run(25);
    drop(tasks);
    assert_eq!(Rc::strong_count(&alive), 1);
}
