//! Bare VMs kept ready: making a VM and its processor is most of the time that a function takes to
//! start, and needs to know nothing of the function.

use crate::error::Error;
use crate::kvm::Kvm;
use crate::vm::BareVm;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bare VMs.
pub(crate) struct Spares {
    ready: Mutex<Vec<BareVm>>,
    /// Tells the maker how many are wanted; None once the hypervisor stops.
    order: Mutex<Option<Sender<usize>>>,
}

impl Spares {
    /// No spares, and a maker that waits for [`Spares::keep`].
    pub(crate) fn new(kvm: Arc<Kvm>) -> Result<Arc<Spares>, Error> {
        let (order, orders) = channel();
        let spares = Arc::new(Spares {
            ready: Mutex::default(),
            order: Mutex::new(Some(order)),
        });
        let makers = spares.clone();
        let builder = std::thread::Builder::new().name("spare VMs".into());
        let spawned = builder.spawn(move || makers.make(&kvm, &orders));
        spawned.map_err(|source| Error::Host {
            what: "a thread",
            source,
        })?;
        Ok(spares)
    }

    /// Makes as many as are missing, in the background.
    pub(crate) fn keep(&self, count: usize) {
        if self.ready().len() >= count {
            return;
        }
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(order) = &*order {
            // Without its maker there are no spares, and every start makes its own.
            let _ = order.send(count);
        }
    }

    /// A spare, or a new VM.
    pub(crate) fn take(&self, kvm: &Kvm) -> Result<BareVm, Error> {
        let spare = self.ready().pop();
        match spare {
            Some(bare) => Ok(bare),
            None => BareVm::new(kvm),
        }
    }

    /// Keeps a VM that was not used.
    pub(crate) fn give_back(&self, bare: BareVm) {
        self.ready().push(bare);
    }

    /// Ends the maker and drops what is ready.
    pub(crate) fn stop(&self) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.ready().clear();
    }

    fn make(&self, kvm: &Kvm, orders: &Receiver<usize>) {
        while let Ok(count) = orders.recv() {
            while self.ready().len() < count {
                match BareVm::new(kvm) {
                    Ok(bare) => self.ready().push(bare),
                    Err(error) => {
                        tracing::warn!(%error, "no spare VM");
                        break;
                    }
                }
            }
        }
        self.ready().clear();
    }

    fn ready(&self) -> MutexGuard<'_, Vec<BareVm>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
