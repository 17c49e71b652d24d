//! What the function and a session's task share: the mailbox, and what a cancellation ends.

use crate::shared::{ReplyTo, Shared};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use vireo_abi::ids::{PlanId, RequestId, TxnId};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::execute::Parameter;
use vireo_abi::message::storage::StorageRequest;
use vireo_runtime::task::Notify;

/// What a session is told.
pub enum Mail {
    /// Run a plan.
    Run(Run),
    /// Go on with a portal.
    Resume {
        request: RequestId,
        portal: RequestId,
        max_rows: u32,
        sync: bool,
    },
    /// Forget a portal.
    ClosePortal(RequestId),
    /// End the implicit transaction.
    Sync { request: RequestId, failed: bool },
    /// Say when storage has opened the database.
    AwaitStorage(RequestId),
    /// COPY data.
    CopyData(Vec<u8>),
    /// The end of COPY data.
    CopyDone,
    /// The client gave up on COPY.
    CopyFail(String),
}

/// A plan to run.
pub struct Run {
    /// The request.
    pub request: RequestId,
    /// The plan.
    pub plan: PlanId,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// Formats of the result columns.
    pub binary_results: Vec<bool>,
    /// The row window, 0 for all.
    pub max_rows: u32,
    /// Whether the implicit transaction ends with it.
    pub sync: bool,
}

/// What a session waits for, apart from mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    /// An answer of storage that can be withdrawn.
    AtStorage(RequestId),
    /// A lock of this instance, for this transaction.
    Lock(TxnId),
}

/// What the function and the session's task share.
pub struct SessionState {
    /// Where replies go.
    pub to: ReplyTo,
    /// Its user.
    pub user: Rc<str>,
    /// Its database.
    pub database: Rc<str>,
    /// Notices of the statement that runs.
    pub notices: RefCell<Vec<SqlError>>,
    /// What a cancellation ends the wait for.
    pub awaited: Cell<Option<Awaited>>,
    mail: RefCell<VecDeque<Mail>>,
    mail_came: Notify,
    /// The statement that runs.
    pub running: Cell<Option<RequestId>>,
    /// Why it is canceled, if it is.
    pub canceled: RefCell<Option<Box<SqlError>>>,
}

impl SessionState {
    /// A session without mail.
    pub fn new(to: ReplyTo, user: String, database: String) -> SessionState {
        SessionState {
            to,
            user: user.into(),
            database: database.into(),
            notices: RefCell::new(Vec::new()),
            awaited: Cell::new(None),
            mail: RefCell::new(VecDeque::new()),
            mail_came: Notify::new(),
            running: Cell::new(None),
            canceled: RefCell::new(None),
        }
    }

    /// Puts mail into the mailbox.
    pub fn post(&self, shared: &Shared, mail: Mail) {
        if let Mail::CopyData(data) = &mail {
            shared.mail_bytes.set(shared.mail_bytes.get() + data.len());
        }
        self.mail.borrow_mut().push_back(mail);
        self.mail_came.notify_all();
    }

    /// The next mail.
    pub async fn next_mail(&self, shared: &Shared) -> Mail {
        loop {
            let came = self.mail_came.notified();
            let next = self.mail.borrow_mut().pop_front();
            if let Some(mail) = next {
                if let Mail::CopyData(data) = &mail {
                    shared.mail_bytes.set(shared.mail_bytes.get() - data.len());
                }
                return mail;
            }
            came.await;
        }
    }

    /// The session ends: COPY data that waits counts no more.
    pub fn drop_mail(&self, shared: &Shared) {
        for mail in self.mail.borrow_mut().drain(..) {
            if let Mail::CopyData(data) = mail {
                shared.mail_bytes.set(shared.mail_bytes.get() - data.len());
            }
        }
    }

    /// Cancels the statement, if it is still the one that runs.
    pub fn cancel(&self, shared: &Shared, request: RequestId, error: Box<SqlError>) {
        if self.running.get() != Some(request) {
            return;
        }
        self.canceled.replace(Some(error));
        self.withdraw(shared);
        self.mail_came.notify_all();
    }

    /// Ends the wait for a lock or a commit, as far as it can be ended.
    pub fn withdraw(&self, shared: &Shared) {
        match self.awaited.get() {
            None => {}
            Some(Awaited::AtStorage(request)) => {
                shared.tell_storage(&StorageRequest::Withdraw { request });
            }
            Some(Awaited::Lock(txn)) => {
                let message = "canceling statement due to user request";
                let error = SqlError::new(state::QUERY_CANCELED, message);
                shared.locks.cancel(txn, error);
            }
        }
    }

    /// The cancellation, if the statement was canceled.
    pub fn check_canceled(&self) -> SqlResult<()> {
        match self.canceled.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// What a statement that storage gave up on says: its cancellation's reason, if that is why.
    pub fn cancel_reason(&self, error: Box<SqlError>) -> Box<SqlError> {
        if &error.sqlstate == state::QUERY_CANCELED {
            self.canceled.take().unwrap_or(error)
        } else {
            error
        }
    }
}
