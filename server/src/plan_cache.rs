//! Plans by statement text: a repeated statement does not visit parse.
//!
//! The key is what parse sees of a session without uncommitted catalog changes: the text, the
//! parameter types that the client gave, and the user. That a plan was made against an old catalog is
//! found by execute, which refuses it; the session then removes it here.
//!
//! Invariants:
//! 1. The entries take no more than the bound, by the estimate of `Entry::bytes`.
//! 2. A text that comes once does not push out one that comes again: an entry is made for a statement
//!    on its *second sight*, unless the client prepared it by name. The sights are a
//!    fixed table of hashes; a collision only makes an entry one sight early.
//!
//! Eviction is CLOCK: a hand goes round, spares once what was used since it last came by, and
//! takes the first that was not.

use crate::plan::Plan;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::cell::Cell;
use std::hash::BuildHasher;
use std::rc::Rc;

/// Hashes of statements seen once.
const SIGHTS: usize = 4096;
/// A statement takes no more of the cache than this part.
const ENTRY_PART: usize = 8;

/// What a plan is found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key<'a> {
    /// The statement's text.
    pub text: &'a str,
    /// The parameter types that the client gave.
    pub parameter_oids: &'a [u32],
    /// The session's user.
    pub user: &'a str,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    text: Box<str>,
    parameter_oids: Box<[u32]>,
    user: Box<str>,
    plan: Rc<Plan>,
    is_used: Cell<bool>,
}

impl Entry {
    fn key(&self) -> Key<'_> {
        Key {
            text: &self.text,
            parameter_oids: &self.parameter_oids,
            user: &self.user,
        }
    }

    fn bytes(&self) -> usize {
        let key = self.text.len() + 4 * self.parameter_oids.len() + self.user.len();
        size_of::<Entry>() + key + self.plan.bytes()
    }
}

/// The cache of one gateway thread.
#[derive(Debug)]
pub struct PlanCache {
    bytes_max: usize,
    bytes: usize,
    hasher: DefaultHashBuilder,
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    index: HashTable<usize>,
    hand: usize,
    sights: Vec<u64>,
}

impl PlanCache {
    /// An empty cache with a bound.
    pub fn new(bytes_max: usize) -> PlanCache {
        PlanCache {
            bytes_max,
            bytes: 0,
            hasher: DefaultHashBuilder::default(),
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hand: 0,
            sights: vec![0; SIGHTS],
        }
    }

    /// The plan of a statement.
    pub fn get(&self, key: Key<'_>) -> Option<Rc<Plan>> {
        let slot = self.find(self.hasher.hash_one(key), key)?;
        let entry = self.slots[slot].as_ref()?;
        entry.is_used.set(true);
        Some(Rc::clone(&entry.plan))
    }

    /// Keeps a plan if its statement was seen before, or is sure to come again.
    pub fn offer(&mut self, key: Key<'_>, plan: &Rc<Plan>, will_repeat: bool) {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.find(hash, key) {
            self.remove_slot(slot);
        } else if !self.second_sight(hash) && !will_repeat {
            return;
        }
        let entry = Entry {
            hash,
            text: key.text.into(),
            parameter_oids: key.parameter_oids.into(),
            user: key.user.into(),
            plan: Rc::clone(plan),
            is_used: Cell::new(false),
        };
        let bytes = entry.bytes();
        if bytes > self.bytes_max / ENTRY_PART {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            self.evict();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(entry);
        self.bytes += bytes;
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&slot| {
            slots[slot].as_ref().map_or(0, |entry| entry.hash)
        });
    }

    /// Lets go of a plan that was found stale, unless a newer one took its place.
    pub fn remove(&mut self, key: Key<'_>, plan: &Rc<Plan>) {
        if let Some(slot) = self.find(self.hasher.hash_one(key), key)
            && self.slots[slot]
                .as_ref()
                .is_some_and(|entry| Rc::ptr_eq(&entry.plan, plan))
        {
            self.remove_slot(slot);
        }
    }

    fn find(&self, hash: u64, key: Key<'_>) -> Option<usize> {
        let is_it = |&slot: &usize| {
            self.slots[slot]
                .as_ref()
                .is_some_and(|entry| entry.key() == key)
        };
        self.index.find(hash, is_it).copied()
    }

    fn second_sight(&mut self, hash: u64) -> bool {
        let sight = &mut self.sights[(hash as usize) % SIGHTS];
        std::mem::replace(sight, hash) == hash
    }

    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            match &self.slots[self.hand] {
                Some(entry) if entry.is_used.replace(false) => {}
                Some(_) => return self.remove_slot(self.hand),
                None => {}
            }
        }
    }

    fn remove_slot(&mut self, slot: usize) {
        let Some(entry) = self.slots[slot].take() else {
            return;
        };
        self.bytes -= entry.bytes();
        self.free.push(slot);
        if let Ok(found) = self.index.find_entry(entry.hash, |&at| at == slot) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Graveyard;
    use bytes::Bytes;
    use vireo_abi::ids::PlanId;
    use vireo_abi::message::parse::{StatementInfo, StatementKind};

    fn plan(id: u64, bytes: usize) -> Rc<Plan> {
        let info = StatementInfo {
            kind: StatementKind::Query,
            parameters: Vec::new(),
            columns: Vec::new(),
            catalog_version: 1,
            cacheable: true,
        };
        Rc::new(Plan::new(
            PlanId(id),
            info,
            Bytes::from(vec![0; bytes]),
            Rc::new(Graveyard::default()),
        ))
    }

    fn key(text: &str) -> Key<'_> {
        Key {
            text,
            parameter_oids: &[],
            user: "postgres",
        }
    }

    #[test]
    fn a_statement_is_kept_on_second_sight() {
        let mut cache = PlanCache::new(1 << 20);
        cache.offer(key("a"), &plan(1, 10), false);
        assert!(cache.get(key("a")).is_none());
        cache.offer(key("a"), &plan(2, 10), false);
        assert_eq!(cache.get(key("a")).map(|plan| plan.id), Some(PlanId(2)));
        assert!(
            cache
                .get(Key {
                    parameter_oids: &[23],
                    ..key("a")
                })
                .is_none()
        );
        assert!(
            cache
                .get(Key {
                    user: "eve",
                    ..key("a")
                })
                .is_none()
        );
    }

    #[test]
    fn the_bound_holds_and_what_is_used_stays() {
        let mut cache = PlanCache::new(100_000);
        cache.offer(key("hot"), &plan(0, 5_000), true);
        for index in 1..500 {
            let text = format!("cold {index}");
            cache.offer(key(&text), &plan(index, 5_000), true);
            assert!(cache.bytes <= cache.bytes_max);
            assert!(cache.get(key("hot")).is_some());
        }
        assert!(cache.slots.len() < 30, "slots are used again");
        assert_eq!(cache.index.len(), cache.slots.iter().flatten().count());
    }

    #[test]
    fn one_statement_does_not_take_the_whole_cache() {
        let mut cache = PlanCache::new(100_000);
        cache.offer(key("huge"), &plan(1, 50_000), true);
        assert!(cache.get(key("huge")).is_none());
    }

    #[test]
    fn only_the_stale_plan_is_removed() {
        let mut cache = PlanCache::new(1 << 20);
        let (old, new) = (plan(1, 10), plan(2, 10));
        cache.offer(key("a"), &old, true);
        cache.offer(key("a"), &new, true);
        cache.remove(key("a"), &old);
        assert!(cache.get(key("a")).is_some());
        cache.remove(key("a"), &new);
        assert!(cache.get(key("a")).is_none());
    }
}
