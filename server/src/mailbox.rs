//! What a session shares with the dispatcher of its thread: bytes for its client, replies, signals.
//!
//! ```text
//!  dispatcher ── rows, notices ──> out ─────> session writes them to its client
//!             ── other replies ──> replies ─> session's next step
//!  cancel, shutdown ── signal ──────────────> session ends
//! ```
//!
//! Invariants:
//! 1. A reply is delivered only while its request is the one that is awaited; what comes late is
//!    dropped. So a session never sees the reply of a statement that it has given up.
//! 2. Bytes enter `out` in the order that the client must see them: the session appends only while
//!    no request of its own is in flight, the dispatcher only while one is.
//! 3. `out` holds no more than `bytes_max` and one message of rows: past that the statement ends with
//!    53200 and its further rows are dropped, whole messages each.

use crate::wire::{backend, error_response};
use bytes::{Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use vireo_abi::ids::{RequestId, SessionId};
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::execute::ExecuteReply;
use vireo_abi::message::parse::ParseReply;

/// Bytes for the client past which a waiting session is woken to write.
pub const WRITE_BYTES: usize = 64 << 10;
/// Capacity past which an empty buffer is given back.
const KEEP_BYTES: usize = 256 << 10;

/// What a session waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Nothing.
    Nothing,
    /// A reply of a parse function.
    Parse(RequestId),
    /// The end of a request at an execute instance.
    Execute(usize, RequestId),
    /// Storage, to open the database: an execute instance says when. Nothing is lost by giving up.
    Storage(usize, RequestId),
    /// Its client, to take what a suspended portal has sent.
    Client,
}

impl Waiting {
    /// Whether a function is to reply.
    fn is_for_function(self) -> bool {
        matches!(
            self,
            Waiting::Parse(_) | Waiting::Execute(..) | Waiting::Storage(..)
        )
    }

    /// The execute instance that is to reply, and to what.
    pub fn at_execute(self) -> Option<(usize, RequestId)> {
        match self {
            Waiting::Execute(port, request) | Waiting::Storage(port, request) => {
                Some((port, request))
            }
            Waiting::Nothing | Waiting::Parse(_) | Waiting::Client => None,
        }
    }
}

/// What a session's next step depends on.
#[derive(Debug)]
pub enum Reply {
    /// Of parse, with the plan.
    Parse(ParseReply, Bytes),
    /// Of execute; rows and notices are in `out` already.
    Execute(ExecuteReply),
    /// The request ends with this error, and its function knows nothing of it: cancelled while it
    /// waited, or the function is gone.
    Failed(Box<SqlError>),
    /// The execute function that served the session is gone.
    Down,
}

/// What the dispatcher wants done about a session after a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// Nothing: the statement goes on.
    More,
    /// The request is answered.
    Answered,
    /// The statement must be cancelled: its rows do not fit.
    Overflow,
    /// The reply was not awaited.
    Unexpected,
}

/// One session's mailbox.
#[derive(Debug)]
pub struct Mailbox {
    /// The session.
    pub session: SessionId,
    bytes_max: usize,
    awaited: Rc<Cell<usize>>,
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    out: BytesMut,
    replies: VecDeque<Reply>,
    waiting: Waiting,
    waker: Option<Waker>,
    end: Option<Box<SqlError>>,
    has_overflowed: bool,
    row_bytes: usize,
}

impl Mailbox {
    /// An empty mailbox. `awaited` counts the mailboxes of the thread that wait for a reply.
    pub fn new(session: SessionId, bytes_max: usize, awaited: Rc<Cell<usize>>) -> Mailbox {
        let inner = Inner {
            out: BytesMut::new(),
            replies: VecDeque::new(),
            waiting: Waiting::Nothing,
            waker: None,
            end: None,
            has_overflowed: false,
            row_bytes: 0,
        };
        Mailbox {
            session,
            bytes_max,
            awaited,
            inner: RefCell::new(inner),
        }
    }

    /// Appends to what the client will see.
    pub fn write<R>(&self, append: impl FnOnce(&mut BytesMut) -> R) -> R {
        append(&mut self.inner.borrow_mut().out)
    }

    /// Bytes of rows that have come since the last call.
    pub fn take_row_bytes(&self) -> usize {
        std::mem::take(&mut self.inner.borrow_mut().row_bytes)
    }

    /// Bytes waiting to be written.
    pub fn out_bytes(&self) -> usize {
        self.inner.borrow().out.len()
    }

    /// Exchanges what waits to be written with an empty buffer.
    pub fn take_out(&self, empty: &mut BytesMut) {
        debug_assert!(empty.is_empty());
        if empty.capacity() > KEEP_BYTES {
            *empty = BytesMut::new();
        }
        std::mem::swap(&mut self.inner.borrow_mut().out, empty);
    }

    /// Takes back what was appended since `out` had this length, if none of it was written.
    pub fn truncate(&self, length: usize) {
        self.inner.borrow_mut().out.truncate(length);
    }

    /// What is awaited from now on.
    pub fn expect(&self, waiting: Waiting) {
        let mut inner = self.inner.borrow_mut();
        self.count(inner.waiting, waiting);
        inner.waiting = waiting;
        inner.has_overflowed = false;
        inner.replies.clear();
    }

    /// What is awaited.
    pub fn waiting(&self) -> Waiting {
        self.inner.borrow().waiting
    }

    /// The next reply, or a wake-up when there is one, or much to write, or the session must end.
    pub fn poll_reply(&self, context: &mut Context<'_>) -> Poll<Reply> {
        let mut inner = self.inner.borrow_mut();
        match inner.replies.pop_front() {
            Some(reply) => Poll::Ready(reply),
            None => {
                inner.listen(context);
                Poll::Pending
            }
        }
    }

    /// Why the session must end, if it must; else a wake-up when it must.
    pub fn poll_end(&self, context: &mut Context<'_>) -> Poll<Box<SqlError>> {
        let mut inner = self.inner.borrow_mut();
        match inner.end.clone() {
            Some(error) => Poll::Ready(error),
            None => {
                inner.listen(context);
                Poll::Pending
            }
        }
    }

    /// Ends the session with a FATAL error.
    pub fn end(&self, error: Box<SqlError>) {
        let mut inner = self.inner.borrow_mut();
        inner.end.get_or_insert(error);
        inner.wake();
    }

    /// A reply of parse.
    pub fn deliver_parse(&self, request: RequestId, reply: ParseReply, plan: Bytes) {
        let mut inner = self.inner.borrow_mut();
        if inner.waiting == Waiting::Parse(request) {
            self.answer(&mut inner, Reply::Parse(reply, plan));
        }
    }

    /// Ends what is awaited.
    pub fn fail(&self, reply: Reply) {
        let mut inner = self.inner.borrow_mut();
        if inner.waiting != Waiting::Nothing {
            self.answer(&mut inner, reply);
        }
    }

    /// A reply of execute.
    pub fn deliver_execute(&self, port: usize, reply: ExecuteReply, body: &[u8]) -> Delivered {
        let inner = &mut *self.inner.borrow_mut();
        if inner.waiting.at_execute() != Some((port, request_of(&reply))) {
            return Delivered::Unexpected;
        }
        match reply {
            ExecuteReply::Rows { .. } => return inner.deliver_rows(body, self.bytes_max),
            ExecuteReply::Notice { notice, .. } => {
                error_response::put_notice(&mut inner.out, &notice)
            }
            ExecuteReply::CopyOut { columns, .. } => backend::copy_out(&mut inner.out, columns),
            ExecuteReply::CopyIn { .. } => inner.push(Reply::Execute(reply)),
            // A commit that was quicker than the cancellation is not called a failure: but what
            // the client got is not all of the result, and it must not take it for that.
            ExecuteReply::Done {
                request,
                session,
                status,
                settings,
                catalog_changes,
                ..
            } if inner.has_overflowed => {
                let error = overflow_error();
                let failed = ExecuteReply::Failed {
                    session,
                    request,
                    error,
                    status,
                    settings,
                    catalog_changes,
                };
                self.answer(inner, Reply::Execute(failed));
                return Delivered::Answered;
            }
            _ => {
                self.answer(inner, Reply::Execute(reply));
                return Delivered::Answered;
            }
        }
        Delivered::More
    }

    fn answer(&self, inner: &mut Inner, reply: Reply) {
        self.count(inner.waiting, Waiting::Nothing);
        inner.waiting = Waiting::Nothing;
        inner.push(reply);
    }

    fn count(&self, before: Waiting, after: Waiting) {
        let awaited = self.awaited.get() + usize::from(after.is_for_function());
        self.awaited
            .set(awaited - usize::from(before.is_for_function()));
    }
}

impl Inner {
    fn listen(&mut self, context: &mut Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.waker = Some(context.waker().clone()),
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn push(&mut self, reply: Reply) {
        self.replies.push_back(reply);
        self.wake();
    }

    fn deliver_rows(&mut self, body: &[u8], bytes_max: usize) -> Delivered {
        if self.has_overflowed {
            return Delivered::More;
        }
        // What comes is let through as long as there was room: a row cannot come in smaller pieces.
        if self.out.len() > bytes_max {
            self.has_overflowed = true;
            return Delivered::Overflow;
        }
        self.row_bytes += body.len();
        self.out.extend_from_slice(body);
        if self.out.len() >= WRITE_BYTES {
            self.wake();
        }
        Delivered::More
    }
}

/// The error of a statement whose rows came faster than its client took them.
pub fn overflow_error() -> Box<SqlError> {
    SqlError::new(state::OUT_OF_MEMORY, "out of memory")
        .with_detail("The rows of the result are too large to wait for the client.")
        .with_hint("Fetch the result in smaller parts.")
}

/// The request that a reply answers.
fn request_of(reply: &ExecuteReply) -> RequestId {
    match reply {
        ExecuteReply::Rows { request, .. }
        | ExecuteReply::Done { request, .. }
        | ExecuteReply::Suspended { request, .. }
        | ExecuteReply::CopyIn { request, .. }
        | ExecuteReply::CopyOut { request, .. }
        | ExecuteReply::Notice { request, .. }
        | ExecuteReply::Failed { request, .. }
        | ExecuteReply::StalePlan { request, .. } => *request,
    }
}

/// The session that a reply is for.
pub fn session_of(reply: &ExecuteReply) -> SessionId {
    match reply {
        ExecuteReply::Rows { session, .. }
        | ExecuteReply::Done { session, .. }
        | ExecuteReply::Suspended { session, .. }
        | ExecuteReply::CopyIn { session, .. }
        | ExecuteReply::CopyOut { session, .. }
        | ExecuteReply::Notice { session, .. }
        | ExecuteReply::Failed { session, .. }
        | ExecuteReply::StalePlan { session, .. } => *session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireo_abi::message::execute::TransactionStatus;

    const SESSION: SessionId = SessionId(1);

    fn rows(mailbox: &Mailbox, request: u64, body: &[u8]) -> Delivered {
        let reply = ExecuteReply::Rows {
            session: SESSION,
            request: RequestId(request),
        };
        mailbox.deliver_execute(0, reply, body)
    }

    #[test]
    fn a_late_reply_is_dropped() {
        let mailbox = Mailbox::new(SESSION, 100, Rc::default());
        mailbox.expect(Waiting::Execute(0, RequestId(2)));
        assert_eq!(rows(&mailbox, 1, b"late"), Delivered::Unexpected);
        assert_eq!(rows(&mailbox, 2, b"due"), Delivered::More);
        assert_eq!(mailbox.out_bytes(), 3);
    }

    #[test]
    fn rows_past_the_bound_end_the_statement() {
        let mailbox = Mailbox::new(SESSION, 10, Rc::default());
        mailbox.expect(Waiting::Execute(0, RequestId(1)));
        assert_eq!(rows(&mailbox, 1, b"one is let through"), Delivered::More);
        assert_eq!(rows(&mailbox, 1, b"the next is not"), Delivered::Overflow);
        assert_eq!(rows(&mailbox, 1, b"x"), Delivered::More);
        assert_eq!(mailbox.out_bytes(), 18);
        let done = ExecuteReply::Done {
            session: SESSION,
            request: RequestId(1),
            tag: "SELECT 3".into(),
            status: TransactionStatus::Idle,
            settings: Vec::new(),
            catalog_changes: None,
        };
        assert_eq!(mailbox.deliver_execute(0, done, b""), Delivered::Answered);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Reply::Execute(ExecuteReply::Failed { error, .. })) =
            mailbox.poll_reply(&mut context)
        else {
            panic!("the statement must fail");
        };
        assert_eq!(&error.sqlstate, state::OUT_OF_MEMORY);
    }
}
