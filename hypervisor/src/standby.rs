//! Machines made ahead: for each function one that is ready to take its place.
//!
//! ```text
//!   template   one VM of each role is booted, without links, until it holds (`control.hold`): its heap and
//!              log are set up, and it has not read who it is. Its processor and the pages it has
//!              touched are kept.
//!   standby    a machine of one function, with its slots, page tables and doorbells, whose processor and
//!              pages are copies of the template's. When the function must start, the boot page is written
//!              and the standby goes on from the hold.
//! ```
//!
//! What takes the most time in a start, the slots (each waits for a grace period of the kernel's), is
//! over before anybody waits for it. An image that does not hold has no template; its standbys start
//! from their entry.
//!
//! One thread makes standbys, and takes apart the machines that ended, both only while all functions are up.
//!
//! Invariants:
//! 1. A standby has not run since it was copied, and holds nothing of any function's work: a template
//!    has seen no message.
//! 2. There is at most one standby of a function.
//!
//! Failure: a function without a standby starts from nothing, in 2 ms instead of less than one.

use crate::cut::Cut;
use crate::error::Error;
use crate::image::Image;
use crate::kvm::Kvm;
use crate::pages::Pages;
use crate::vcpu::{self, Counters};
use crate::vm::{BareVm, SharedArea, Template, Vm};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use vireo_abi::boot::{BootPage, Role};
use vmm_sys_util::eventfd::EventFd;

/// How long a template may take to hold.
const TEMPLATE_LIMIT: Duration = Duration::from_millis(500);

/// What a standby is made of.
pub(crate) struct Recipe {
    pub(crate) node: usize,
    pub(crate) role: Role,
    pub(crate) image: Arc<Image>,
    pub(crate) heap_size: usize,
    pub(crate) shared: Vec<SharedArea>,
    pub(crate) peers: Vec<EventFd>,
    /// For the template: what it reads before it holds is the same for all of a role.
    pub(crate) boot: BootPage,
}

enum Order {
    Make(Box<Recipe>),
    /// Takes apart machines that ended.
    Bury(Vec<Vm>),
}

/// The standbys.
pub(crate) struct Standbys {
    ready: Mutex<HashMap<usize, Vm>>,
    /// The functions whose standby is made, being made, or cannot be made.
    ordered: Mutex<HashSet<usize>>,
    orders: Mutex<Option<Sender<Order>>>,
    /// A machine without memory that is left over.
    bare: Mutex<Option<BareVm>>,
}

impl Standbys {
    /// No standbys, and a maker that waits.
    pub(crate) fn new(kvm: Arc<Kvm>) -> Result<Arc<Standbys>, Error> {
        let (sender, orders) = channel();
        let standbys = Arc::new(Standbys {
            ready: Mutex::default(),
            ordered: Mutex::default(),
            orders: Mutex::new(Some(sender)),
            bare: Mutex::default(),
        });
        let maker = Maker {
            kvm,
            standbys: Arc::downgrade(&standbys),
            templates: HashMap::new(),
        };
        let builder = std::thread::Builder::new().name("standbys".into());
        let spawned = builder.spawn(move || maker.run(&orders));
        spawned.map_err(|source| Error::Host {
            what: "a thread",
            source,
        })?;
        Ok(standbys)
    }

    /// Whether this function's standby is neither there nor ordered.
    pub(crate) fn lacks(&self, node: usize) -> bool {
        !lock(&self.ordered).contains(&node)
    }

    /// Has a standby made in the background.
    pub(crate) fn order(&self, recipe: Recipe) {
        if lock(&self.ordered).insert(recipe.node) {
            self.send(Order::Make(Box::new(recipe)));
        }
    }

    /// The standby of a function, if it is there.
    pub(crate) fn take(&self, node: usize) -> Option<Vm> {
        let standby = lock(&self.ready).remove(&node)?;
        lock(&self.ordered).remove(&node);
        Some(standby)
    }

    /// Keeps a machine that was made to learn what machines are like: the next one that is needed.
    pub(crate) fn put_bare(&self, bare: BareVm) {
        *lock(&self.bare) = Some(bare);
    }

    /// The machine that was kept, which has never run.
    pub(crate) fn take_bare(&self) -> Option<BareVm> {
        lock(&self.bare).take()
    }

    /// Keeps a standby, unless the hypervisor has stopped meanwhile.
    fn put(&self, node: usize, standby: Vm) {
        let orders = lock(&self.orders);
        if orders.is_some() {
            lock(&self.ready).insert(node, standby);
        }
    }

    /// Takes machines apart in the background.
    pub(crate) fn bury(&self, ended: Vec<Vm>) {
        self.send(Order::Bury(ended));
    }

    /// Ends the maker and drops what is ready.
    pub(crate) fn stop(&self) {
        let mut orders = lock(&self.orders);
        *orders = None;
        lock(&self.ready).clear();
        *lock(&self.bare) = None;
    }

    fn send(&self, order: Order) {
        if let Some(orders) = &*lock(&self.orders) {
            // Without its maker there are no standbys, and what is buried is dropped right here.
            let _ = orders.send(order);
        }
    }
}

struct Maker {
    kvm: Arc<Kvm>,
    /// It has the orders' only sender, so the maker ends with it.
    standbys: Weak<Standbys>,
    /// None: the role's image does not hold.
    templates: HashMap<Role, Option<Arc<Template>>>,
}

impl Maker {
    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Bury(ended) => drop(ended),
                Order::Make(recipe) => self.make(*recipe),
            }
        }
    }

    fn make(&mut self, recipe: Recipe) {
        let (node, role) = (recipe.node, recipe.role);
        if !self.templates.contains_key(&role) {
            let template = self.template(&recipe);
            self.templates.insert(role, template.map(Arc::new));
        }
        let template = self.templates.get(&role).cloned().flatten();
        match standby(&self.kvm, recipe, template.as_deref()) {
            Ok(vm) => {
                if let Some(standbys) = self.standbys.upgrade() {
                    standbys.put(node, vm);
                }
            }
            Err(error) => tracing::warn!(role = role.name(), %error, "no standby"),
        }
    }

    /// Boots a VM of the role until it holds.
    fn template(&self, recipe: &Recipe) -> Option<Template> {
        let made = self.boot_template(recipe);
        match made {
            Ok(Some(template)) => {
                tracing::debug!(
                    role = recipe.role.name(),
                    pages = template.page_count(),
                    "template"
                );
                Some(template)
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(role = recipe.role.name(), %error, "no template");
                None
            }
        }
    }

    fn boot_template(&self, recipe: &Recipe) -> Result<Option<Template>, Error> {
        let pages = Pages::for_vm(recipe.heap_size)?;
        recipe.image.write_data(&pages.region);
        pages.write_boot(&recipe.boot);
        pages.control().hold.store(1, Ordering::Release);
        let bare = BareVm::new(&self.kvm)?;
        let mut vm = Vm::new(bare, recipe.image.clone(), pages, Vec::new(), &[])?;
        let cut = Arc::new(Cut::default());
        let (done, result) = channel();
        let thread_cut = cut.clone();
        let builder = std::thread::Builder::new().name("template".into());
        let spawned = builder.spawn(move || {
            let holds = vcpu::run_until_held(&mut vm, &thread_cut, &Counters::default());
            // The maker that gave up does not want it.
            let _ = done.send(if holds {
                vm.capture().map(Some)
            } else {
                Ok(None)
            });
        });
        let thread = spawned.map_err(|source| Error::Host {
            what: "a thread",
            source,
        })?;
        let template = result.recv_timeout(TEMPLATE_LIMIT);
        cut.request();
        if thread.join().is_err() {
            tracing::error!("a template's thread panicked");
        }
        template.unwrap_or(Ok(None))
    }
}

fn standby(kvm: &Kvm, recipe: Recipe, template: Option<&Template>) -> Result<Vm, Error> {
    let pages = Pages::for_vm(recipe.heap_size)?;
    recipe.image.write_data(&pages.region);
    let bare = BareVm::new(kvm)?;
    let vm = Vm::new(bare, recipe.image, pages, recipe.shared, &recipe.peers)?;
    if let Some(template) = template {
        vm.become_copy(template)?;
    }
    Ok(vm)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
