//! What all sessions of an instance share.

use crate::locks::LeasedLocks;
use crate::snapshot::Pools;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use hashbrown::HashMap;
use vireo_abi::ids::{PlanId, RequestId, SessionId, TreeId, TxnId};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::execute::ExecuteReply;
use vireo_abi::message::storage::{StorageReply, StorageRequest};
use vireo_abi::message::{Message, encode};
use vireo_query::plan::Plan;
use vireo_runtime::Stopwatch;
use vireo_runtime::task::{Notify, Oneshot, OneshotSender};

/// Microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// A message and the port that it leaves through.
pub struct Outgoing {
    /// The port.
    pub port: usize,
    /// The message.
    pub message: Message,
}

/// A plan as installed: decoded once, or found malformed.
pub type InstalledPlan = SqlResult<Rc<Plan>>;

/// What all sessions of an instance share.
pub struct Shared {
    /// Messages that leave at the end of the turn.
    pub outbox: RefCell<Vec<Outgoing>>,
    /// The pools.
    pub pools: Rc<Pools>,
    /// The plans.
    pub plans: RefCell<HashMap<PlanId, InstalledPlan>>,
    /// Notified when a gateway port that was congested has room.
    pub room: Notify,
    /// Which ports are congested.
    pub congested: RefCell<Vec<bool>>,
    /// The port to storage, while it is up.
    pub storage_port: Cell<Option<usize>>,
    /// Notified when storage is there again.
    pub storage_came: Notify,
    /// Bytes of COPY data that wait in mailboxes.
    pub mail_bytes: Cell<usize>,
    /// Row ids that storage reserved for this instance.
    pub numbers: Numbers,
    /// The locks, where storage leases them.
    pub locks: LeasedLocks,
    /// Statements finished since last asked.
    pub finished: Cell<u64>,
    /// Ordered: when storage dies they are let go in this order, which must not be chance.
    pending: RefCell<BTreeMap<RequestId, Pending>>,
    last_request: Cell<u64>,
    last_txn: Cell<u64>,
    unix_us: Cell<i64>,
    stopwatch: Cell<Stopwatch>,
    random: Cell<u64>,
}

impl Shared {
    /// The shared state of a fresh instance. `seed` begins the random numbers.
    pub fn new(pools: Pools, ports: usize, seed: u64) -> Shared {
        Shared {
            outbox: RefCell::new(Vec::new()),
            pools: Rc::new(pools),
            plans: RefCell::new(HashMap::new()),
            room: Notify::new(),
            congested: RefCell::new(alloc::vec![false; ports]),
            storage_port: Cell::new(None),
            storage_came: Notify::new(),
            mail_bytes: Cell::new(0),
            numbers: Numbers::default(),
            locks: LeasedLocks::new(seed),
            finished: Cell::new(0),
            pending: RefCell::new(BTreeMap::new()),
            last_request: Cell::new(0),
            last_txn: Cell::new(0),
            unix_us: Cell::new(0),
            stopwatch: Cell::new(Stopwatch::stopped()),
            random: Cell::new(seed),
        }
    }

    /// Sets the clock for this turn.
    pub fn set_clock(&self, unix_us: i64) {
        self.unix_us.set(unix_us);
    }

    /// Microseconds since 2000-01-01 UTC, as of this turn.
    pub fn now_us(&self) -> i64 {
        self.unix_us.get() - EPOCH_2000_US
    }

    /// Sets the clock for measuring.
    pub fn set_stopwatch(&self, stopwatch: Stopwatch) {
        self.stopwatch.set(stopwatch);
    }

    /// The clock for measuring, which goes on within a turn.
    pub fn stopwatch(&self) -> Stopwatch {
        self.stopwatch.get()
    }

    /// A seed for a session's random numbers (splitmix64).
    pub fn next_seed(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A new transaction's number.
    pub fn next_txn(&self) -> TxnId {
        self.last_txn.set(self.last_txn.get() + 1);
        TxnId(self.last_txn.get())
    }

    /// Puts a reply for the gateway into the outbox.
    pub fn reply(&self, port: usize, reply: &ExecuteReply, body: Vec<u8>) {
        let message = Message {
            head: encode(reply),
            body,
        };
        self.outbox.borrow_mut().push(Outgoing { port, message });
    }

    /// Tells storage something that it does not answer. Lost when storage is down: then what it would end is gone too.
    pub fn tell_storage(&self, request: &StorageRequest) {
        if let Some(port) = self.storage_port.get() {
            let message = Message {
                head: encode(request),
                body: Vec::new(),
            };
            self.outbox.borrow_mut().push(Outgoing { port, message });
        }
    }

    /// Sends storage a request; the reply comes through the [`Asked`].
    ///
    /// # Errors
    /// 57P03 when storage is down.
    pub fn ask_storage(
        &self,
        request: impl FnOnce(RequestId) -> StorageRequest,
        body: Vec<u8>,
    ) -> SqlResult<Asked> {
        let Some(port) = self.storage_port.get() else {
            return Err(SqlError::new(
                state::CANNOT_CONNECT_NOW,
                "the storage function is restarting",
            ));
        };
        self.last_request.set(self.last_request.get() + 1);
        let id = RequestId(self.last_request.get());
        let (sender, reply) = Oneshot::new();
        let request = request(id);
        let commits = match &request {
            StorageRequest::Commit { txn, .. } => Some(*txn),
            _ => None,
        };
        self.pending
            .borrow_mut()
            .insert(id, Pending { sender, commits });
        let message = Message {
            head: encode(&request),
            body,
        };
        self.outbox.borrow_mut().push(Outgoing { port, message });
        Ok(Asked { id, reply })
    }

    /// Hands a reply of storage to the task that waits for it.
    pub fn storage_replied(&self, reply: StorageReply) {
        let pending = self.pending.borrow_mut().remove(&reply.id());
        if let Some(Pending { sender, commits }) = pending {
            if let Some(txn) = commits {
                self.locks.release(txn);
            }
            // Nobody waits any more where the session was closed meanwhile.
            drop(sender.send(reply));
        }
    }

    /// Whether this instance keeps the locks itself; asks storage once in its life.
    ///
    /// # Errors
    /// Storage is down, or dies.
    pub async fn has_lease(&self) -> SqlResult<bool> {
        if let Some(is_leased) = self.locks.is_leased() {
            return Ok(is_leased);
        }
        let asked =
            self.ask_storage(|request| StorageRequest::LeaseLocks { request }, Vec::new())?;
        match asked.reply().await? {
            StorageReply::LocksLeased { is_granted, .. } => {
                self.locks.set_leased(is_granted);
                Ok(is_granted)
            }
            other => Err(unexpected_reply(&other)),
        }
    }

    /// Storage died: whoever waits for it gets an error.
    pub fn storage_went_down(&self) {
        self.storage_port.set(None);
        self.pools.detach();
        self.numbers.forget();
        self.locks.forget();
        let pending = core::mem::take(&mut *self.pending.borrow_mut());
        drop(pending);
        self.outbox
            .borrow_mut()
            .retain(|outgoing| self.is_gateway(outgoing.port));
    }

    fn is_gateway(&self, port: usize) -> bool {
        self.storage_port.get() != Some(port)
    }

    /// Waits until storage has opened the database: storage answers nothing before, so the answer to any request
    /// tells.
    ///
    /// # Errors
    /// What storage could not open the database for; 57P02 when it died meanwhile.
    pub async fn wait_for_storage(&self) -> SqlResult<()> {
        loop {
            let came = self.storage_came.notified();
            match self.pools.newest() {
                Err(error) if &error.sqlstate == state::CANNOT_CONNECT_NOW => {}
                other => return other.map(drop),
            }
            if self.storage_port.get().is_none() {
                came.await;
                continue;
            }
            let ask = |request| StorageRequest::Reserve {
                request,
                tree: TreeId(0),
                count: 1,
            };
            self.ask_storage(ask, Vec::new())?.reply().await?;
        }
    }

    /// Waits until the gateway takes what was sent.
    pub async fn wait_for_room(&self, port: usize) {
        loop {
            let notified = self.room.notified();
            if !self.congested.borrow().get(port).copied().unwrap_or(false) {
                return;
            }
            notified.await;
        }
    }
}

/// A request whose reply has not come.
struct Pending {
    sender: OneshotSender<StorageReply>,
    /// The transaction that ends with the reply, whoever waits for it.
    commits: Option<TxnId>,
}

/// A request that storage has been sent.
pub struct Asked {
    /// Its number.
    pub id: RequestId,
    reply: Oneshot<StorageReply>,
}

impl Asked {
    /// The reply.
    ///
    /// # Errors
    /// What storage failed with, or 57P02 when it died.
    pub async fn reply(self) -> SqlResult<StorageReply> {
        match self.reply.await {
            Ok(StorageReply::Failed { error, .. }) => Err(error),
            Ok(reply) => Ok(reply),
            Err(_) => Err(storage_died()),
        }
    }
}

/// The error of statements that storage's death ends.
pub fn storage_died() -> Box<SqlError> {
    SqlError::new(
        state::CRASH_SHUTDOWN,
        "the storage function was restarted: the transaction was rolled back",
    )
}

/// The error for a reply that does not fit its request.
pub fn unexpected_reply(reply: &StorageReply) -> Box<SqlError> {
    SqlError::new(
        state::INTERNAL_ERROR,
        format!("unexpected reply of storage: {reply:?}"),
    )
}

/// Addresses a session's replies.
#[derive(Clone, Copy)]
pub struct ReplyTo {
    /// The gateway's port.
    pub port: usize,
    /// The session.
    pub session: SessionId,
}

/// Ranges of row ids that storage reserved and nobody used yet.
#[derive(Default)]
pub struct Numbers {
    ranges: RefCell<HashMap<TreeId, core::ops::Range<u64>>>,
}

impl Numbers {
    /// `count` numbers in a row, if there are so many left.
    pub fn take(&self, tree: TreeId, count: u32) -> Option<u64> {
        let mut ranges = self.ranges.borrow_mut();
        let range = ranges.get_mut(&tree)?;
        if range.end - range.start < u64::from(count) {
            return None;
        }
        let first = range.start;
        range.start += u64::from(count);
        Some(first)
    }

    /// Keeps `count` numbers from `first` for later; what was left before is given up.
    pub fn keep(&self, tree: TreeId, first: u64, count: u32) {
        let mut ranges = self.ranges.borrow_mut();
        if count > 0 {
            ranges.insert(tree, first..first + u64::from(count));
        }
    }

    /// Gives up all.
    pub fn forget(&self) {
        self.ranges.borrow_mut().clear();
    }
}
