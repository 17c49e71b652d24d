use super::*;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use vireo_abi::message::error::state;
use vireo_runtime::task::{TaskId, Tasks};

const TREE: TreeId = TreeId(7);

/// Tasks that take locks, and what came of it, in order.
struct World {
    locks: Rc<LeasedLocks>,
    tasks: Tasks,
    events: Rc<RefCell<Vec<String>>>,
}

impl World {
    fn new() -> World {
        World {
            locks: Rc::new(LeasedLocks::new(1)),
            tasks: Tasks::new(),
            events: Rc::default(),
        }
    }

    fn take(&mut self, txn: u64, key: &'static str, mode: LockMode, wait: LockWait) -> TaskId {
        let (locks, events) = (self.locks.clone(), self.events.clone());
        let task = self.tasks.spawn(async move {
            let taken = locks
                .take(TxnId(txn), TREE, key.as_bytes(), mode, wait)
                .await;
            let event = match taken {
                Ok(taken) => alloc::format!("{txn} {key} {taken:?}"),
                Err(error) => {
                    let sqlstate = core::str::from_utf8(&error.sqlstate).expect("ASCII");
                    alloc::format!("{txn} {key} {sqlstate}")
                }
            };
            events.borrow_mut().push(event);
        });
        while self.tasks.run(1) {}
        task
    }

    fn exclusive(&mut self, txn: u64, key: &'static str) {
        self.take(txn, key, LockMode::Exclusive, LockWait::Wait);
    }

    fn release(&mut self, txn: u64) {
        self.locks.release(TxnId(txn));
        while self.tasks.run(1) {}
    }

    #[track_caller]
    fn expect(&self, events: &[&str]) {
        let seen = self.events.take();
        assert_eq!(seen, events);
    }
}

#[test]
fn rows_are_waited_for_in_the_order_of_arrival() {
    let mut world = World::new();
    world.exclusive(1, "a");
    world.exclusive(2, "a");
    world.exclusive(3, "a");
    world.exclusive(3, "b");
    world.expect(&["1 a Free", "3 b Free"]);
    world.release(1);
    world.expect(&["2 a Waited"]);
    world.release(2);
    world.expect(&["3 a Waited"]);
    world.release(3);
    world.exclusive(4, "a");
    world.expect(&["4 a Free"]);
}

#[test]
fn a_table_lock_excludes_those_of_its_rows() {
    let mut world = World::new();
    world.exclusive(1, "a");
    world.exclusive(2, "");
    world.exclusive(3, "b");
    world.expect(&["1 a Free"]);
    world.release(1);
    world.expect(&["2  Waited"]);
    world.release(2);
    world.expect(&["3 b Waited"]);
}

#[test]
fn who_does_not_want_to_wait_does_not() {
    let mut world = World::new();
    world.exclusive(1, "a");
    world.take(2, "a", LockMode::Exclusive, LockWait::Skip);
    world.take(3, "a", LockMode::Exclusive, LockWait::Fail);
    world.expect(&["1 a Free", "2 a Skipped", "3 a 55P03"]);
}

#[test]
fn a_deadlock_ends_with_the_one_who_closes_it() {
    let mut world = World::new();
    world.exclusive(1, "a");
    world.exclusive(2, "b");
    world.exclusive(1, "b");
    world.exclusive(2, "a");
    world.expect(&["1 a Free", "2 b Free", "2 a 40P01"]);
    world.release(2);
    world.expect(&["1 b Waited"]);
}

#[test]
fn a_cancelled_wait_is_in_nobodys_way() {
    let mut world = World::new();
    world.exclusive(1, "a");
    world.exclusive(2, "a");
    world.exclusive(3, "a");
    let error = SqlError::new(state::QUERY_CANCELED, "enough".to_string());
    world.locks.cancel(TxnId(2), error);
    while world.tasks.run(1) {}
    world.release(2);
    world.release(1);
    world.expect(&["1 a Free", "2 a 57014", "3 a Waited"]);
    // Who waits for nothing is not cancelled.
    let error = SqlError::new(state::QUERY_CANCELED, "enough".to_string());
    world.locks.cancel(TxnId(3), error);
    world.exclusive(3, "a");
    world.expect(&["3 a Free"]);
}

#[test]
fn a_session_that_goes_while_it_waits_leaves_nothing() {
    let mut world = World::new();
    world.exclusive(1, "a");
    let gone = world.take(2, "a", LockMode::Exclusive, LockWait::Wait);
    world.exclusive(3, "a");
    assert!(world.tasks.cancel(gone));
    // As its transaction does when it is dropped.
    world.release(2);
    world.release(1);
    world.expect(&["1 a Free", "3 a Waited"]);
    // It goes after the lock was granted, before it could see that.
    world.take(4, "a", LockMode::Exclusive, LockWait::Wait);
    let gone = world.take(5, "a", LockMode::Exclusive, LockWait::Wait);
    world.locks.release(TxnId(3));
    world.locks.release(TxnId(4));
    assert!(world.tasks.cancel(gone));
    world.release(5);
    world.exclusive(6, "a");
    world.expect(&["4 a Waited", "6 a Free"]);
}

#[test]
fn the_lease_ends_with_storage() {
    let mut world = World::new();
    assert_eq!(world.locks.is_leased(), None);
    world.locks.set_leased(true);
    assert_eq!(world.locks.is_leased(), Some(true));
    world.exclusive(1, "a");
    world.exclusive(2, "a");
    world.locks.forget();
    while world.tasks.run(1) {}
    assert_eq!(world.locks.is_leased(), None);
    world.release(1);
    world.exclusive(3, "a");
    world.expect(&["1 a Free", "2 a 57P02", "3 a Free"]);
}
