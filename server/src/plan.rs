//! A planned statement as the gateway keeps it.
//!
//! Invariants:
//! 1. A plan's number is given once in the gateway's lifetime.
//! 2. `installed[i]` is the epoch of execute instance `i` in which the plan was sent there; another
//!    epoch is another function, which knows nothing.
//! 3. When the last holder (cache, prepared statement, portal, running statement) lets go, the plan's
//!    number goes to the graveyard, from which the dispatcher tells the instances to drop it.

use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::rc::Rc;
use vireo_abi::ids::PlanId;
use vireo_abi::message::parse::StatementInfo;

use crate::wire::backend;

/// A planned statement.
#[derive(Debug)]
pub struct Plan {
    /// Its number at the execute instances.
    pub id: PlanId,
    /// What parse said of it.
    pub info: StatementInfo,
    /// The plan, for execute.
    pub body: Bytes,
    /// `RowDescription` with all columns in text, or `NoData`, encoded.
    pub description: Bytes,
    installed: RefCell<Vec<u32>>,
    graveyard: Rc<Graveyard>,
}

/// Plans that nobody holds any more, but that are still installed somewhere.
#[derive(Debug, Default)]
pub struct Graveyard {
    dead: RefCell<Vec<(PlanId, Vec<u32>)>>,
}

impl Plan {
    /// A plan fresh from parse.
    pub fn new(id: PlanId, info: StatementInfo, body: Bytes, graveyard: Rc<Graveyard>) -> Plan {
        let mut description = BytesMut::new();
        backend::row_description(&mut description, &info.columns, &[]);
        Plan {
            id,
            info,
            body,
            description: description.freeze(),
            installed: RefCell::default(),
            graveyard,
        }
    }

    /// Whether the plan must be sent to an instance, which it is said to be from now on.
    pub fn must_install(&self, instance: usize, epoch: u32) -> bool {
        let mut installed = self.installed.borrow_mut();
        if installed.len() <= instance {
            installed.resize(instance + 1, 0);
        }
        std::mem::replace(&mut installed[instance], epoch) != epoch
    }

    /// An instance does not know the plan after all.
    pub fn forget(&self, instance: usize) {
        if let Some(epoch) = self.installed.borrow_mut().get_mut(instance) {
            *epoch = 0;
        }
    }

    /// Bytes it takes, roughly.
    pub fn bytes(&self) -> usize {
        size_of::<Plan>() + self.body.len() + 2 * self.description.len()
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        let installed = self.installed.take();
        if installed.iter().any(|&epoch| epoch != 0) {
            self.graveyard.dead.borrow_mut().push((self.id, installed));
        }
    }
}

impl Graveyard {
    /// Takes the plans that an instance, in this epoch, should drop.
    pub fn take(&self, instance: usize, epoch: u32) -> Vec<PlanId> {
        let mut dead = self.dead.borrow_mut();
        if dead.is_empty() {
            return Vec::new();
        }
        let mut taken = Vec::new();
        dead.retain_mut(|(plan, installed)| {
            if let Some(there) = installed.get_mut(instance)
                && std::mem::take(there) == epoch
            {
                taken.push(*plan);
            }
            installed.iter().any(|&epoch| epoch != 0)
        });
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireo_abi::message::parse::StatementKind;

    #[test]
    fn a_plan_is_installed_once_and_dropped_where_it_was() {
        let graveyard = Rc::new(Graveyard::default());
        let info = StatementInfo {
            kind: StatementKind::Query,
            parameters: Vec::new(),
            columns: Vec::new(),
            catalog_version: 1,
            cacheable: true,
        };
        let plan = Plan::new(PlanId(7), info, Bytes::new(), graveyard.clone());
        assert!(plan.must_install(1, 1));
        assert!(!plan.must_install(1, 1));
        assert!(plan.must_install(1, 2), "a new function at that place");
        drop(plan);
        assert_eq!(graveyard.take(0, 1), []);
        assert_eq!(graveyard.take(1, 2), [PlanId(7)]);
        assert_eq!(graveyard.take(1, 2), []);
    }
}
