//! The lock table: who holds what, who waits, and whether a wait would never end. It is storage's, and that of an execute
//! instance to which storage leases the locks.
//!
//! A lock has an identity of 64 bits, a hash of tree and key: two keys that fall together
//! only wait for each other needlessly. Whoever locks a key holds the whole tree's lock `Shared` as well, so
//! that `Exclusive` on the tree excludes them all.
//!
//! Invariants:
//! 1. All holders of a lock are compatible: any number `Shared`, or one `Exclusive`.
//! 2. Waiters are served in the order of arrival, but who holds the lock already and wants it stronger comes first.
//!    Nobody new passes a waiter.
//! 3. A transaction waits for one lock at a time. Its wait is checked for a cycle when it begins ([`Locks::wait`]);
//!    no other step adds an edge from a transaction to one that may wait for it.
//! 4. No result depends on the order of a hash map.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use hashbrown::HashMap;
use vireo_abi::ids::TreeId;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::storage::LockMode;

/// A transaction, by the number of the table's owner.
pub type Txn = u64;

/// Locks that a table should hold at a time: some 100 MB of heap at most.
pub const LOCKS_MAX: usize = 1 << 20;

/// A lock's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LockId(u64);

/// The identity of a key's lock; of the whole tree's for the empty key.
pub fn lock_id(seed: u64, tree: TreeId, key: &[u8]) -> LockId {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(MULTIPLIER | 1);
        (product as u64 ^ (product >> 64) as u64).rotate_left(23)
    };
    let mut hash = mix(
        seed ^ MULTIPLIER,
        u64::from(tree.0) << 32 | key.len() as u64,
    );
    for chunk in key.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    LockId(mix(hash, MULTIPLIER))
}

/// The locks to take for a key's, in their order: the whole tree's first, and for the empty key that alone, twice.
pub fn steps(seed: u64, tree: TreeId, key: &[u8], mode: LockMode) -> [(LockId, LockMode); 2] {
    let whole = lock_id(seed, tree, &[]);
    if key.is_empty() {
        [(whole, mode); 2]
    } else {
        [(whole, LockMode::Shared), (lock_id(seed, tree, key), mode)]
    }
}

/// The error of a wait that would never end.
pub fn deadlock() -> Box<SqlError> {
    SqlError::new(state::DEADLOCK_DETECTED, "deadlock detected")
}

/// The error of who does not want to wait.
pub fn not_available() -> Box<SqlError> {
    SqlError::new(state::LOCK_NOT_AVAILABLE, "could not obtain lock on row")
}

/// The error of too many locks.
pub fn too_many() -> Box<SqlError> {
    SqlError::new(state::OUT_OF_MEMORY, "out of shared memory")
        .with_hint("You might need to lock fewer rows in one transaction.")
}

#[derive(Debug, Default)]
struct Lock {
    holders: Vec<(Txn, LockMode)>,
    queue: VecDeque<(Txn, LockMode)>,
}

fn compatible(a: LockMode, b: LockMode) -> bool {
    a == LockMode::Shared && b == LockMode::Shared
}

impl Lock {
    fn held_by(&self, txn: Txn) -> Option<LockMode> {
        self.holders
            .iter()
            .find(|(holder, _)| *holder == txn)
            .map(|(_, mode)| *mode)
    }

    fn fits(&self, txn: Txn, mode: LockMode) -> bool {
        self.holders
            .iter()
            .all(|&(holder, held)| holder == txn || compatible(held, mode))
    }

    fn grant(&mut self, txn: Txn, mode: LockMode) -> bool {
        match self.holders.iter_mut().find(|(holder, _)| *holder == txn) {
            Some(holder) => {
                if mode == LockMode::Exclusive {
                    holder.1 = mode;
                }
                false
            }
            None => {
                self.holders.push((txn, mode));
                true
            }
        }
    }
}

/// What an attempt to take a lock gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// The transaction holds it now.
    Held {
        /// It did not hold it at all before.
        new: bool,
    },
    /// Another holds it, or waits for it.
    Taken,
}

/// All locks.
#[derive(Debug, Default)]
pub struct Locks {
    table: HashMap<LockId, Lock>,
    held: HashMap<Txn, Vec<LockId>>,
    waiting: HashMap<Txn, LockId>,
    granted: VecDeque<Txn>,
}

impl Locks {
    /// Locks that are held.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Takes the lock if nobody is in the way.
    pub fn attempt(&mut self, txn: Txn, id: LockId, mode: LockMode) -> Attempt {
        let lock = self.table.entry(id).or_default();
        match lock.held_by(txn) {
            Some(held) if held == mode || held == LockMode::Exclusive => {
                return Attempt::Held { new: false };
            }
            Some(_) if lock.fits(txn, mode) => {}
            None if lock.fits(txn, mode) && lock.queue.is_empty() => {}
            _ => return Attempt::Taken,
        }
        let new = lock.grant(txn, mode);
        if new {
            self.held.entry(txn).or_default().push(id);
        }
        Attempt::Held { new }
    }

    /// Whether the transaction could go on as if it held the lock, without taking it.
    pub fn is_free_for(&self, txn: Txn, id: LockId, mode: LockMode) -> bool {
        match self.table.get(&id) {
            None => true,
            Some(lock) => {
                lock.fits(txn, mode) && (lock.queue.is_empty() || lock.held_by(txn).is_some())
            }
        }
    }

    /// Whether the transaction holds the lock exclusively.
    pub fn owns(&self, txn: Txn, id: LockId) -> bool {
        self.table
            .get(&id)
            .is_some_and(|lock| lock.held_by(txn) == Some(LockMode::Exclusive))
    }

    /// Waits for a lock that was taken. False, and no wait, if it would never end: a deadlock.
    pub fn wait(&mut self, txn: Txn, id: LockId, mode: LockMode) -> bool {
        let lock = self.table.entry(id).or_default();
        if lock.held_by(txn).is_some() {
            lock.queue.push_front((txn, mode));
        } else {
            lock.queue.push_back((txn, mode));
        }
        self.waiting.insert(txn, id);
        if self.is_deadlocked(txn) {
            self.stop_waiting(txn);
            return false;
        }
        true
    }

    /// Whether following the edges "waits for" from `txn` leads back to it.
    fn is_deadlocked(&self, txn: Txn) -> bool {
        let mut seen = Vec::new();
        let mut stack = alloc::vec![txn];
        while let Some(waiter) = stack.pop() {
            let Some(lock) = self.waiting.get(&waiter).and_then(|id| self.table.get(id)) else {
                continue;
            };
            let Some(place) = lock.queue.iter().position(|(t, _)| *t == waiter) else {
                continue;
            };
            let mode = lock.queue[place].1;
            let holders = lock
                .holders
                .iter()
                .filter(|(_, held)| !compatible(*held, mode));
            for &(other, _) in holders.chain(lock.queue.iter().take(place)) {
                if other == waiter {
                    continue;
                }
                if other == txn {
                    return true;
                }
                if !seen.contains(&other) {
                    seen.push(other);
                    stack.push(other);
                }
            }
        }
        false
    }

    /// Whether the transaction waits.
    #[cfg(test)]
    pub(crate) fn is_waiting(&self, txn: Txn) -> bool {
        self.waiting.contains_key(&txn)
    }

    /// Gives up a wait.
    pub fn stop_waiting(&mut self, txn: Txn) {
        if let Some(id) = self.waiting.remove(&txn)
            && let Some(lock) = self.table.get_mut(&id)
        {
            lock.queue.retain(|(waiter, _)| *waiter != txn);
            self.serve(id);
        }
    }

    /// Lets go of one lock.
    pub fn release(&mut self, txn: Txn, id: LockId) {
        if let Some(held) = self.held.get_mut(&txn)
            && let Some(place) = held.iter().rposition(|other| *other == id)
        {
            held.swap_remove(place);
        }
        self.let_go(txn, id);
    }

    /// Lets go of everything, waits included.
    pub fn release_all(&mut self, txn: Txn) {
        self.stop_waiting(txn);
        for id in self.held.remove(&txn).unwrap_or_default() {
            self.let_go(txn, id);
        }
    }

    fn let_go(&mut self, txn: Txn, id: LockId) {
        if let Some(lock) = self.table.get_mut(&id) {
            lock.holders.retain(|(holder, _)| *holder != txn);
            self.serve(id);
        }
    }

    /// Grants what can be granted now, in order.
    fn serve(&mut self, id: LockId) {
        let Some(lock) = self.table.get_mut(&id) else {
            return;
        };
        while let Some(&(txn, mode)) = lock.queue.front() {
            if !lock.fits(txn, mode) {
                break;
            }
            lock.queue.pop_front();
            if lock.grant(txn, mode) {
                self.held.entry(txn).or_default().push(id);
            }
            self.waiting.remove(&txn);
            self.granted.push_back(txn);
        }
        if lock.holders.is_empty() && lock.queue.is_empty() {
            self.table.remove(&id);
        }
    }

    /// A transaction whose wait has ended, in the order of grants.
    pub fn next_granted(&mut self) -> Option<Txn> {
        self.granted.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::Random;
    use LockMode::{Exclusive, Shared};
    use std::collections::BTreeMap;
    use std::eprintln;

    const A: LockId = LockId(1);
    const B: LockId = LockId(2);

    #[test]
    fn waiters_are_served_in_order() {
        let mut locks = Locks::default();
        assert_eq!(locks.attempt(1, A, Exclusive), Attempt::Held { new: true });
        for txn in 2..5 {
            let mode = if txn == 4 { Exclusive } else { Shared };
            assert_eq!(locks.attempt(txn, A, mode), Attempt::Taken);
            assert!(locks.wait(txn, A, mode));
        }
        locks.release_all(1);
        assert_eq!(
            (locks.next_granted(), locks.next_granted()),
            (Some(2), Some(3))
        );
        assert_eq!(locks.next_granted(), None);
        // Nobody passes the waiting writer.
        assert_eq!(locks.attempt(5, A, Shared), Attempt::Taken);
        locks.release_all(2);
        locks.release_all(3);
        assert_eq!(locks.next_granted(), Some(4));
        locks.release_all(4);
        assert_eq!(locks.count(), 0);
    }

    #[test]
    fn deadlocks_are_found() {
        let mut locks = Locks::default();
        locks.attempt(1, A, Exclusive);
        locks.attempt(2, B, Exclusive);
        assert!(locks.wait(1, B, Exclusive));
        assert!(!locks.wait(2, A, Exclusive));
        locks.release_all(2);
        assert_eq!(locks.next_granted(), Some(1));
        // Two that hold it and both want it stronger.
        let mut locks = Locks::default();
        locks.attempt(1, A, Shared);
        locks.attempt(2, A, Shared);
        assert!(locks.wait(1, A, Exclusive));
        assert!(!locks.wait(2, A, Exclusive));
        locks.release_all(2);
        assert_eq!(locks.next_granted(), Some(1));
        assert!(locks.owns(1, A));
    }

    /// Random steps; checks the invariants against what was granted.
    #[test]
    fn behaves_like_its_model() {
        for seed in 1..60u64 {
            eprintln!("seed {seed}");
            let mut random = Random(seed);
            let mut locks = Locks::default();
            let mut held: BTreeMap<(u64, Txn), LockMode> = BTreeMap::new();
            let mut waits: BTreeMap<Txn, (u64, LockMode)> = BTreeMap::new();
            for _ in 0..2000 {
                let (txn, lock) = (random.below(8), random.below(5));
                let mode = if random.below(2) == 0 {
                    Shared
                } else {
                    Exclusive
                };
                if random.below(6) == 0 {
                    locks.release_all(txn);
                    held.retain(|(_, t), _| *t != txn);
                    waits.remove(&txn);
                } else if !locks.is_waiting(txn) {
                    match locks.attempt(txn, LockId(lock), mode) {
                        Attempt::Held { .. } => {
                            let now = held.entry((lock, txn)).or_insert(mode);
                            if mode == Exclusive {
                                *now = mode;
                            }
                        }
                        Attempt::Taken => {
                            if locks.wait(txn, LockId(lock), mode) {
                                waits.insert(txn, (lock, mode));
                            }
                        }
                    }
                }
                while let Some(txn) = locks.next_granted() {
                    let (lock, mode) = waits.remove(&txn).expect("it waited");
                    let now = held.entry((lock, txn)).or_insert(mode);
                    if mode == Exclusive {
                        *now = mode;
                    }
                }
                for lock in 0..5 {
                    let modes: Vec<_> = held
                        .iter()
                        .filter(|(k, _)| k.0 == lock)
                        .map(|(_, m)| *m)
                        .collect();
                    assert!(modes.len() <= 1 || modes.iter().all(|m| *m == Shared));
                }
                // Somebody can always go on.
                let waiting = (0..8).filter(|t| locks.is_waiting(*t)).count();
                assert_eq!(waiting, waits.len());
                assert!(waiting < 8, "all wait");
            }
            for txn in 0..8 {
                locks.release_all(txn);
            }
            while locks.next_granted().is_some() {}
            for txn in 0..8 {
                locks.release_all(txn);
            }
            assert_eq!(locks.count(), 0);
        }
    }
}
