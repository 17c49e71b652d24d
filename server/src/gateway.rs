//! The state of one gateway thread: its links, its sessions, its plans.
//!
//! ```text
//!  session tasks ──send──> links ──> functions
//!       ▲                    │
//!       └──── mailboxes <────┴── the dispatcher's turn
//! ```
//!
//! Everything here is owned by one thread; a session calls in between two awaits, so nothing is
//! locked. A request is written into the ring when it is sent. An execute function that sleeps is rung at once, so that it
//! wakes while the other sessions send; until it sleeps again they need no bell. What is sent to parse is rung for by the
//! dispatcher's next turn.
//!
//! Invariants:
//! 1. No borrow of a cell here is held across an await.
//! 2. A parse request stays in `parses` until it is answered or given up: if its function dies, it is
//!    sent once more, to whichever parse function comes up next. It only reads.
//! 3. A request to execute is never repeated: it may have had its effect.
//!
//! A function that breaks the protocol is reported to the hypervisor, which replaces it; to the
//! sessions it is as dead.

use crate::config::GatewayConfig;
use crate::mailbox::{Delivered, Mailbox, Reply, Waiting, session_of};
use crate::plan::{Graveyard, Plan};
use crate::plan_cache::PlanCache;
use crate::port::{Change, Port};
use crate::shared::Shared;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use vireo_abi::boot::Role;
use vireo_abi::ids::{PlanId, RequestId, SessionId};
use vireo_abi::link::LinkError;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest};
use vireo_abi::message::parse::{ParseReply, ParseRequest, StatementInfo};
use vireo_abi::message::{Malformed, decode, encode};

/// Messages taken from one link before the sessions have a turn.
const RECEIVE_MAX: usize = 256;

/// A parse request without its answer.
#[derive(Debug)]
struct ParseInFlight {
    mailbox: Rc<Mailbox>,
    head: Vec<u8>,
    text: Bytes,
    /// The parse port it was sent to; none: it waits for one.
    port: Option<usize>,
    has_been_repeated: bool,
}

/// Why a function's link is given up. A message that finds no memory counts: with it the end of
/// somebody's statement is lost.
#[derive(Debug, thiserror::Error)]
enum PortError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// One gateway thread's state.
pub struct Gateway {
    /// Settings.
    pub config: GatewayConfig,
    /// What the threads have in common.
    pub shared: Arc<Shared>,
    /// The plan cache.
    pub plans: RefCell<PlanCache>,
    parse_ports: RefCell<Vec<Port>>,
    execute_ports: RefCell<Vec<Port>>,
    sessions: RefCell<HashMap<SessionId, Rc<Mailbox>>>,
    parses: RefCell<HashMap<RequestId, ParseInFlight>>,
    graveyard: Rc<Graveyard>,
    awaited: Rc<Cell<usize>>,
    next_request: Cell<u64>,
    next_parse: Cell<usize>,
    next_execute: Cell<usize>,
    has_sent: Cell<bool>,
    dispatcher: Cell<Option<Waker>>,
    waiters: RefCell<Vec<Waker>>,
}

impl Gateway {
    /// A gateway thread that owns these links to parse and execute functions.
    pub fn new(
        config: GatewayConfig,
        shared: Arc<Shared>,
        parse: Vec<Port>,
        execute: Vec<Port>,
    ) -> Gateway {
        Gateway {
            plans: RefCell::new(PlanCache::new(config.plan_cache_bytes)),
            parse_ports: RefCell::new(parse),
            execute_ports: RefCell::new(execute),
            sessions: RefCell::default(),
            parses: RefCell::default(),
            graveyard: Rc::default(),
            awaited: Rc::default(),
            next_request: Cell::new(1),
            next_parse: Cell::new(0),
            next_execute: Cell::new(0),
            has_sent: Cell::new(false),
            dispatcher: Cell::new(None),
            waiters: RefCell::default(),
            config,
            shared,
        }
    }

    /// A number for a request.
    pub fn request_id(&self) -> RequestId {
        RequestId(self.next_request.replace(self.next_request.get() + 1))
    }

    /// A plan fresh from parse.
    pub fn new_plan(&self, info: StatementInfo, body: Bytes) -> Rc<Plan> {
        let id = PlanId(self.shared.plan_number());
        Rc::new(Plan::new(id, info, body, Rc::clone(&self.graveyard)))
    }

    /// Whether any reply is awaited.
    pub fn is_waiting(&self) -> bool {
        self.awaited.get() > 0
    }

    // Sessions.

    /// A mailbox for a new session.
    pub fn open(&self, session: SessionId) -> Rc<Mailbox> {
        let bytes_max = self.config.session_buffer_bytes_max;
        let mailbox = Rc::new(Mailbox::new(session, bytes_max, Rc::clone(&self.awaited)));
        self.sessions
            .borrow_mut()
            .insert(session, Rc::clone(&mailbox));
        mailbox
    }

    /// The session is over.
    pub fn close(&self, mailbox: &Mailbox) {
        if let Waiting::Parse(request) = mailbox.waiting() {
            self.parses.borrow_mut().remove(&request);
        }
        mailbox.expect(Waiting::Nothing);
        self.sessions.borrow_mut().remove(&mailbox.session);
    }

    /// Sessions on this thread.
    pub fn session_count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Ends every session with a FATAL error.
    pub fn end_sessions(&self, error: &SqlError) {
        for mailbox in self.sessions.borrow().values() {
            mailbox.end(Box::new(error.clone()));
        }
    }

    /// Cancels what a session is doing, if anything.
    pub fn cancel(&self, session: SessionId, error: Box<SqlError>) {
        let Some(mailbox) = self.sessions.borrow().get(&session).map(Rc::clone) else {
            return;
        };
        match mailbox.waiting() {
            Waiting::Nothing => return,
            Waiting::Parse(request) => {
                self.parses.borrow_mut().remove(&request);
                mailbox.fail(Reply::Failed(error));
            }
            Waiting::Client | Waiting::Storage(..) => mailbox.fail(Reply::Failed(error)),
            Waiting::Execute(port, request) => {
                let cancel = ExecuteRequest::Cancel {
                    session,
                    request,
                    error,
                };
                if self.send(port, &cancel, &[]).is_err() {
                    return; // The function is gone, and the session hears of that.
                }
            }
        }
        self.shared.counters.cancels.add(1);
    }

    // Requests.

    /// Asks parse; the answer comes to the mailbox.
    ///
    /// # Errors
    /// If the text is too long for a message.
    pub fn ask_parse(
        &self,
        mailbox: &Rc<Mailbox>,
        request: &ParseRequest,
        text: Bytes,
    ) -> SqlResult<()> {
        self.shared.counters.parse_requests.add(1);
        let mut in_flight = ParseInFlight {
            mailbox: Rc::clone(mailbox),
            head: encode(request).to_vec(),
            text,
            port: None,
            has_been_repeated: false,
        };
        self.send_parse(&mut in_flight)?;
        mailbox.expect(Waiting::Parse(request.request));
        self.parses.borrow_mut().insert(request.request, in_flight);
        Ok(())
    }

    /// Sends a parse request to the next parse function that is up; if none is, it waits for one.
    fn send_parse(&self, in_flight: &mut ParseInFlight) -> SqlResult<()> {
        let mut ports = self.parse_ports.borrow_mut();
        let (count, first) = (ports.len(), self.next_parse.get());
        let candidates = (0..count).map(|step| (first + step) % count);
        in_flight.port = None;
        for index in candidates {
            let Some(link) = ports[index].link() else {
                continue;
            };
            match link.send(&in_flight.head, &in_flight.text) {
                Ok(()) => {
                    in_flight.port = Some(index);
                    self.next_parse.set(index + 1);
                    break;
                }
                Err(error) if error.is_fatal() => {} // The dispatcher's next turn closes it.
                Err(error) => return Err(unsendable(&error)),
            }
        }
        drop(ports);
        self.call_dispatcher();
        Ok(())
    }

    /// Sends a request to an execute instance.
    ///
    /// # Errors
    /// The function is gone, or the message is too long.
    pub fn send(&self, port: usize, request: &ExecuteRequest, body: &[u8]) -> SqlResult<()> {
        let mut ports = self.execute_ports.borrow_mut();
        let Some(port) = ports.get_mut(port) else {
            return Err(execute_gone());
        };
        let sent = match port.link() {
            Some(link) => link.send(&encode(request), body),
            None => return Err(execute_gone()),
        };
        if port.ring_if_asked() {
            self.shared.counters.doorbells.add(1);
        }
        drop(ports);
        self.call_dispatcher();
        sent.map_err(|error| {
            if error.is_fatal() {
                execute_gone()
            } else {
                unsendable(&error)
            }
        })
    }

    /// Tells an execute instance to drop the plans that nobody holds any more. Called when there is
    /// something else to send, so that it costs no bell of its own.
    pub fn bury(&self, port: usize) -> SqlResult<()> {
        for plan in self.graveyard.take(port, self.epoch(port)) {
            self.send(port, &ExecuteRequest::DropPlan { plan }, &[])?;
        }
        Ok(())
    }

    // Functions.

    /// Picks an execute instance that is up for a session: round robin.
    pub fn pick_execute(&self) -> Option<usize> {
        let ports = self.execute_ports.borrow();
        let (count, first) = (ports.len(), self.next_execute.get());
        let picked = (0..count)
            .map(|step| (first + step) % count)
            .find(|&index| ports[index].epoch() != 0)?;
        self.next_execute.set(picked + 1);
        Some(picked)
    }

    /// Which function stands at an execute port: another number, another function. 0: it is down.
    pub fn epoch(&self, port: usize) -> u32 {
        self.execute_ports.borrow().get(port).map_or(0, Port::epoch)
    }

    /// Whether producers of bulk for this port must wait; if so, a wake-up when to look again.
    pub fn poll_uncongested(&self, port: usize, context: &mut Context<'_>) -> Poll<()> {
        if self
            .execute_ports
            .borrow()
            .get(port)
            .is_some_and(Port::is_congested)
        {
            self.waiters.borrow_mut().push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// An execute instance that is up, or a wake-up when to look again.
    pub fn poll_execute(&self, context: &mut Context<'_>) -> Poll<usize> {
        match self.pick_execute() {
            Some(port) => Poll::Ready(port),
            None => {
                self.waiters.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn ports(&self, role: Role) -> &RefCell<Vec<Port>> {
        if role == Role::Parse {
            &self.parse_ports
        } else {
            &self.execute_ports
        }
    }

    /// The function at a port is gone: what it had been asked ends, or goes to another.
    fn port_down(&self, role: Role, index: usize) {
        if role == Role::Execute {
            for mailbox in self.sessions.borrow().values() {
                let awaited = mailbox.waiting().at_execute();
                if awaited.is_some_and(|(port, _)| port == index) {
                    mailbox.fail(Reply::Down);
                }
            }
        } else {
            self.parses.borrow_mut().retain(|_, in_flight| {
                if in_flight.port == Some(index) {
                    in_flight.port = None;
                    if std::mem::replace(&mut in_flight.has_been_repeated, true) {
                        in_flight.mailbox.fail(Reply::Failed(parse_gone()));
                        return false;
                    }
                }
                true
            });
            self.send_waiting_parses();
        }
        self.wake_waiters();
    }

    fn send_waiting_parses(&self) {
        let mut parses = self.parses.borrow_mut();
        parses.retain(|_, in_flight| {
            if in_flight.port.is_some() {
                return true;
            }
            match self.send_parse(in_flight) {
                Ok(()) => true,
                Err(error) => {
                    in_flight.mailbox.fail(Reply::Failed(error));
                    false
                }
            }
        });
    }

    fn wake_waiters(&self) {
        for waker in self.waiters.take() {
            waker.wake();
        }
    }

    // The dispatcher's side.

    /// Wakes the dispatcher: there is something to ring for.
    fn call_dispatcher(&self) {
        if !self.has_sent.replace(true)
            && let Some(waker) = self.dispatcher.take()
        {
            waker.wake();
        }
    }

    /// One turn: moves outboxes, delivers what has arrived, rings. True if anything was done.
    pub fn turn(&self) -> bool {
        let mut has_worked = self.has_sent.replace(false);
        for role in [Role::Parse, Role::Execute] {
            let count = self.ports(role).borrow().len();
            for index in 0..count {
                match self.port_turn(role, index) {
                    Ok(port_worked) => has_worked |= port_worked,
                    Err(error) => {
                        self.ports(role).borrow_mut()[index].fail(&error);
                        self.port_down(role, index);
                    }
                }
            }
        }
        has_worked
    }

    fn port_turn(&self, role: Role, index: usize) -> Result<bool, PortError> {
        let change = self.ports(role).borrow_mut()[index].refresh();
        match change {
            Change::Same => {}
            Change::Up if role == Role::Parse => self.send_waiting_parses(),
            Change::Up => self.wake_waiters(),
            Change::Down => self.port_down(role, index),
        }
        let mut ports = self.ports(role).borrow_mut();
        let port = &mut ports[index];
        let was_congested = port.is_congested();
        let Some(link) = port.link() else {
            return Ok(change != Change::Same);
        };
        let mut has_worked = link.poll()?;
        let mut overflowed = Vec::new();
        for _ in 0..RECEIVE_MAX {
            let Some(message) = link.receive()? else {
                break;
            };
            has_worked = true;
            match role {
                Role::Parse => self.deliver_parse(message.head, message.body)?,
                _ => self.deliver_execute(index, message.head, message.body, &mut overflowed)?,
            }
        }
        if port.ring_if_asked() {
            self.shared.counters.doorbells.add(1);
        }
        let is_congested = port.is_congested();
        drop(ports);
        if was_congested && !is_congested {
            self.wake_waiters();
        }
        for session in overflowed {
            self.cancel(session, crate::mailbox::overflow_error());
        }
        Ok(has_worked || change != Change::Same)
    }

    fn deliver_parse(&self, head: &[u8], body: &[u8]) -> Result<(), Malformed> {
        let reply = decode::<ParseReply>(head)?;
        let (ParseReply::Planned { request, .. }
        | ParseReply::Empty { request }
        | ParseReply::Many { request, .. }
        | ParseReply::Failed { request, .. }) = reply;
        if let Some(in_flight) = self.parses.borrow_mut().remove(&request) {
            in_flight
                .mailbox
                .deliver_parse(request, reply, Bytes::copy_from_slice(body));
        }
        Ok(())
    }

    fn deliver_execute(
        &self,
        port: usize,
        head: &[u8],
        body: &[u8],
        overflowed: &mut Vec<SessionId>,
    ) -> Result<(), Malformed> {
        let reply = decode::<ExecuteReply>(head)?;
        let session = session_of(&reply);
        if let Some(mailbox) = self.sessions.borrow().get(&session)
            && mailbox.deliver_execute(port, reply, body) == Delivered::Overflow
        {
            overflowed.push(session);
        }
        Ok(())
    }

    /// Asks every function to ring. False: something has arrived already.
    pub fn prepare_sleep(&self) -> bool {
        let all = [&self.parse_ports, &self.execute_ports];
        let may_sleep = all
            .iter()
            .all(|ports| ports.borrow_mut().iter_mut().all(Port::prepare_sleep));
        if !may_sleep {
            self.woke();
        }
        may_sleep
    }

    /// Asks every function not to ring any more.
    pub fn woke(&self) {
        for ports in [&self.parse_ports, &self.execute_ports] {
            ports.borrow_mut().iter_mut().for_each(Port::woke);
        }
    }

    /// Ready when there may be something for the dispatcher to do.
    pub fn poll_work(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.has_sent.get() {
            return Poll::Ready(());
        }
        self.dispatcher.set(Some(context.waker().clone()));
        let mut has_rung = false;
        for ports in [&self.parse_ports, &self.execute_ports] {
            for port in ports.borrow().iter() {
                has_rung |= port.poll_bell(context);
            }
        }
        if has_rung {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// The error of a message that the link does not take.
fn unsendable(error: &LinkError) -> Box<SqlError> {
    match error {
        LinkError::MessageTooLong { length } => SqlError::new(
            state::PROGRAM_LIMIT_EXCEEDED,
            format!("a message of {length} bytes is too long"),
        ),
        _ => SqlError::new(state::OUT_OF_MEMORY, "out of memory"),
    }
}

/// The error of a request that could not be sent because its function is gone.
fn execute_gone() -> Box<SqlError> {
    SqlError::new(
        state::CRASH_SHUTDOWN,
        "the execute function serving this session was restarted",
    )
    .with_detail("The statement was not run.")
}

/// The error of a statement whose parse function died twice.
fn parse_gone() -> Box<SqlError> {
    SqlError::new(
        state::CRASH_SHUTDOWN,
        "the parse function was restarted twice while it had this statement",
    )
    .with_detail("The statement was not run.")
}
