//! The function: messages to mailboxes, tasks, outbox to ports.

use crate::session::Session;
use crate::session_state::{Mail, Run, SessionState};
use crate::shared::{Outgoing, ReplyTo, Shared};
use crate::snapshot::Pools;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use vireo_abi::ids::{RequestId, SessionId};
use vireo_abi::message::decode;
use vireo_abi::message::error::SqlError;
use vireo_abi::message::execute::ExecuteRequest;
use vireo_abi::message::storage::StorageReply;
use vireo_query::guc::Settings;
use vireo_query::plan;
use vireo_runtime::task::{TaskId, Tasks};
use vireo_runtime::{Function, Io, Level, Peer, Start};

/// Messages taken from a port in a turn.
const MESSAGES_PER_TURN: usize = 256;
/// Polls of tasks in a turn. Few, so that the gateway passes on the first replies while the next are made.
const POLLS_PER_TURN: usize = 2;
/// COPY data that waits in mailboxes, past which nothing more is taken from gateways.
const MAIL_BYTES_MAX: usize = 4 << 20;

struct Entry {
    state: Rc<SessionState>,
    task: TaskId,
}

/// The execute function.
pub struct ExecuteFunction {
    shared: Rc<Shared>,
    tasks: Tasks,
    /// A session is known by its port too: two gateways number theirs alike. Ordered: a gateway's sessions are
    /// closed in this order, which must not be chance.
    sessions: BTreeMap<(usize, SessionId), Entry>,
}

impl Function for ExecuteFunction {
    fn new(start: &Start, io: &mut Io) -> Self {
        let pools = Pools::new(start.catalog_pool, start.data_pool, start.announce);
        let shared = Rc::new(Shared::new(pools, io.ports.len(), start.seed[0]));
        let storage = io
            .ports
            .iter()
            .position(|p| p.peer() == Peer::Storage && p.is_up());
        shared.storage_port.set(storage);
        shared.set_stopwatch(io.stopwatch());
        ExecuteFunction {
            shared,
            tasks: Tasks::new(),
            sessions: BTreeMap::new(),
        }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        self.shared.set_clock(io.unix_us());
        let received = self.receive(io);
        let has_room = self.note_congestion(io);
        let ran = self.tasks.run(POLLS_PER_TURN);
        self.shared.pools.end_turn();
        let sent = self.send(io);
        for _ in 0..self.shared.finished.take() {
            io.count_request();
        }
        received || ran || sent || has_room || self.tasks.is_woken()
    }

    fn link_down(&mut self, port: usize, io: &mut Io) {
        match io.ports[port].peer() {
            Peer::Storage => {
                self.shared.storage_went_down();
                // Tasks that wait for storage, or hold places in its pools, see it now and let go.
                while self.tasks.run(POLLS_PER_TURN) {}
                self.shared.pools.end_turn();
                self.send(io);
            }
            _ => {
                let gone: Vec<(usize, SessionId)> = self
                    .sessions
                    .keys()
                    .filter(|(p, _)| *p == port)
                    .copied()
                    .collect();
                for key in gone {
                    self.close(key);
                }
                self.shared
                    .outbox
                    .borrow_mut()
                    .retain(|outgoing| outgoing.port != port);
            }
        }
    }

    fn link_up(&mut self, port: usize, io: &mut Io) {
        if io.ports[port].peer() == Peer::Storage {
            self.shared.storage_port.set(Some(port));
            self.shared.storage_came.notify_all();
        }
    }

    fn is_finished(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl ExecuteFunction {
    fn receive(&mut self, io: &mut Io) -> bool {
        let mut any = false;
        for port in 0..io.ports.len() {
            let is_storage = io.ports[port].peer() == Peer::Storage;
            for _ in 0..MESSAGES_PER_TURN {
                if !is_storage && self.shared.mail_bytes.get() > MAIL_BYTES_MAX {
                    break;
                }
                let Some(received) = io.ports[port].receive() else {
                    break;
                };
                any = true;
                let outcome = if is_storage {
                    decode::<StorageReply>(received.head)
                        .map(|reply| self.shared.storage_replied(reply))
                } else {
                    decode::<ExecuteRequest>(received.head)
                        .map(|request| self.request(port, request, received.body))
                };
                if let Err(malformed) = outcome {
                    io.log(Level::Error, format_args!("port {port}: {malformed}"));
                }
            }
        }
        any
    }

    /// Notes which ports are congested, and wakes those who wait if one is not any more.
    fn note_congestion(&mut self, io: &Io) -> bool {
        let mut has_room = false;
        for (was, port) in self.shared.congested.borrow_mut().iter_mut().zip(&io.ports) {
            let is = port.is_congested();
            has_room |= *was && !is;
            *was = is;
        }
        if has_room {
            self.shared.room.notify_all();
        }
        has_room
    }

    fn send(&mut self, io: &mut Io) -> bool {
        let mut outbox = self.shared.outbox.borrow_mut();
        let any = !outbox.is_empty();
        for Outgoing { port, message } in outbox.drain(..) {
            io.ports[port].send(&message.head, &message.body);
        }
        drop(outbox);
        if any {
            self.note_congestion(io);
        }
        any
    }

    fn request(&mut self, port: usize, request: ExecuteRequest, body: &[u8]) {
        match request {
            ExecuteRequest::OpenSession {
                session,
                user,
                database,
                settings,
            } => {
                self.open((port, session), user, database, &settings);
            }
            ExecuteRequest::CloseSession { session } => self.close((port, session)),
            ExecuteRequest::InstallPlan { plan } => {
                let decoded = plan::decode(body).map(Rc::new);
                self.shared.plans.borrow_mut().insert(plan, decoded);
            }
            ExecuteRequest::DropPlan { plan } => {
                self.shared.plans.borrow_mut().remove(&plan);
            }
            ExecuteRequest::Run {
                session,
                request,
                plan,
                parameters,
                binary_results,
                max_rows,
                sync,
                in_block: _,
            } => {
                let bytes = body.to_vec();
                let run = Run {
                    request,
                    plan,
                    parameters,
                    bytes,
                    binary_results,
                    max_rows,
                    sync,
                };
                self.post((port, session), Mail::Run(run));
            }
            ExecuteRequest::Resume {
                session,
                request,
                portal,
                max_rows,
                sync,
            } => {
                self.post(
                    (port, session),
                    Mail::Resume {
                        request,
                        portal,
                        max_rows,
                        sync,
                    },
                );
            }
            ExecuteRequest::ClosePortal { session, portal } => {
                self.post((port, session), Mail::ClosePortal(portal));
            }
            ExecuteRequest::Sync {
                session,
                request,
                failed,
            } => {
                self.post((port, session), Mail::Sync { request, failed });
            }
            ExecuteRequest::AwaitStorage { session, request } => {
                self.post((port, session), Mail::AwaitStorage(request));
            }
            ExecuteRequest::CopyData { session } => {
                self.post((port, session), Mail::CopyData(body.to_vec()));
            }
            ExecuteRequest::CopyDone { session } => self.post((port, session), Mail::CopyDone),
            ExecuteRequest::CopyFail { session, message } => {
                self.post((port, session), Mail::CopyFail(message));
            }
            ExecuteRequest::Cancel {
                session,
                request,
                error,
            } => {
                self.cancel((port, session), request, error);
            }
        }
    }

    fn open(
        &mut self,
        key: (usize, SessionId),
        user: alloc::string::String,
        database: alloc::string::String,
        settings: &[(alloc::string::String, alloc::string::String)],
    ) {
        self.close(key);
        let to = ReplyTo {
            port: key.0,
            session: key.1,
        };
        let state = Rc::new(SessionState::new(to, user, database));
        let settings = Settings::open(settings).unwrap_or_else(|error| {
            // The gateway checks what clients say; what it lets pass by mistake is said and left out.
            let mut warning = error;
            warning.severity = vireo_abi::message::error::Severity::Warning;
            state.notices.borrow_mut().push(*warning);
            Settings::default()
        });
        let session = Session::new(self.shared.clone(), state.clone(), settings);
        let task = self.tasks.spawn(session.serve());
        self.sessions.insert(key, Entry { state, task });
    }

    fn close(&mut self, key: (usize, SessionId)) {
        if let Some(entry) = self.sessions.remove(&key) {
            entry.state.withdraw(&self.shared);
            self.tasks.cancel(entry.task);
            entry.state.drop_mail(&self.shared);
        }
    }

    fn post(&mut self, key: (usize, SessionId), mail: Mail) {
        if let Some(entry) = self.sessions.get(&key) {
            entry.state.post(&self.shared, mail);
        }
    }

    fn cancel(
        &mut self,
        key: (usize, SessionId),
        request: RequestId,
        error: alloc::boxed::Box<SqlError>,
    ) {
        if let Some(entry) = self.sessions.get(&key) {
            entry.state.cancel(&self.shared, request, error);
        }
    }
}

impl core::fmt::Debug for ExecuteFunction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&format!(
            "ExecuteFunction with {} sessions",
            self.sessions.len()
        ))
    }
}
