//! The gateway, simulated: sessions, plans, and the links to parse and execute, as the server treats them.
//!
//! A statement is planned by parse unless its plan is known, the plan is installed once in each life of an execute
//! function, and run with its parameters. A stale plan is made again. What a function's death means to a session
//! is the server's table: a statement in flight fails with 57P02, a block is lost and waits for its ROLLBACK, an
//! idle session moves on; requests to parse are asked again.

use crate::client::{Action, Client, Failure, Outcome, Row, Statement};
use crate::random::Random;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use vireo_abi::ids::{PlanId, RequestId, SessionId};
use vireo_abi::link::Link as LinkEnd;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest, Parameter, TransactionStatus};
use vireo_abi::message::parse::{
    CatalogChange, ParseReply, ParseRequest, StatementInfo, StatementKind,
};
use vireo_abi::message::{decode, encode};

/// Bytes of the largest piece of COPY data.
const COPY_PIECE_MAX: u64 = 96 << 10;
/// How often a statement whose plan is stale is planned again.
const STALE_MAX: u32 = 5;

/// A link to a function, with its end while that is up.
#[derive(Default)]
pub struct GatewayPort {
    pub end: Option<LinkEnd>,
    /// Counts the functions that were at its other end.
    pub epoch: u32,
}

impl GatewayPort {
    fn send(&mut self, head: &[u8], body: &[u8]) {
        if let Some(end) = &mut self.end {
            end.send(head, body)
                .expect("the function keeps to the protocol");
        }
    }
}

struct Plan {
    id: PlanId,
    body: Vec<u8>,
    info: StatementInfo,
    /// The epoch of each execute function in which it was installed there.
    installed: RefCell<Vec<u32>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiting {
    /// For the client, until then.
    Client {
        until_ns: u64,
    },
    Parse {
        port: Option<usize>,
        request: RequestId,
    },
    /// For any execute function to be there.
    Function,
    Execute {
        port: usize,
        request: RequestId,
    },
    Over,
}

struct Session {
    id: SessionId,
    client: Box<dyn Client>,
    waiting: Waiting,
    /// The execute function that knows the session, and its epoch.
    place: Option<(usize, u32)>,
    status: TransactionStatus,
    /// The block died with its function.
    is_lost: bool,
    catalog_changes: Vec<CatalogChange>,
    statement: Option<Statement>,
    kind: StatementKind,
    /// The statement's plan, once it is known.
    plan: Option<Rc<Plan>>,
    rows: Vec<Row>,
    /// Bytes of the statement's COPY data that were sent, while execute takes more.
    copied: Option<usize>,
    stale: u32,
    is_canceled: bool,
}

/// The gateway.
pub struct Gateway {
    pub parses: Vec<GatewayPort>,
    pub executes: Vec<GatewayPort>,
    pub is_asleep: bool,
    sessions: Vec<Session>,
    plans: BTreeMap<String, Rc<Plan>>,
    next: u64,
    random: Random,
    /// Whether statements are canceled now and then.
    pub cancels: bool,
}

impl Gateway {
    pub fn new(parses: usize, executes: usize, random: Random) -> Gateway {
        Gateway {
            parses: (0..parses).map(|_| GatewayPort::default()).collect(),
            executes: (0..executes).map(|_| GatewayPort::default()).collect(),
            is_asleep: false,
            sessions: Vec::new(),
            plans: BTreeMap::new(),
            next: 1,
            random,
            cancels: false,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A client connects.
    pub fn connect(&mut self, client: Box<dyn Client>) {
        let id = SessionId(self.number());
        self.sessions.push(Session {
            id,
            client,
            waiting: Waiting::Client { until_ns: 0 },
            place: None,
            status: TransactionStatus::Idle,
            is_lost: false,
            catalog_changes: Vec::new(),
            statement: None,
            kind: StatementKind::Utility,
            plan: None,
            rows: Vec::new(),
            copied: None,
            stale: 0,
            is_canceled: false,
        });
    }

    /// The clients that have not finished, told that their sessions are cut off.
    pub fn cut_off(&mut self) -> Vec<Box<dyn Client>> {
        let unfinished = self
            .sessions
            .drain(..)
            .filter(|session| session.waiting != Waiting::Over);
        let mut clients: Vec<_> = unfinished.map(|session| session.client).collect();
        for client in &mut clients {
            client.cut_off();
        }
        clients
    }

    /// Whether every client has finished.
    pub fn is_done(&self) -> bool {
        self.sessions
            .iter()
            .all(|session| session.waiting == Waiting::Over)
    }

    /// What every unfinished session waits for: for a run that does not go on.
    pub fn waiting(&self) -> String {
        let unfinished = self
            .sessions
            .iter()
            .filter(|session| session.waiting != Waiting::Over);
        let texts = unfinished.map(|session| {
            let text = session
                .statement
                .as_ref()
                .map_or("", |statement| &statement.text);
            format!(
                "\n  session {}: {:?} with {text:?}",
                session.id, session.waiting
            )
        });
        texts.collect()
    }

    /// When the next client wants something.
    pub fn next_timer_ns(&self) -> Option<u64> {
        let timers = self
            .sessions
            .iter()
            .filter_map(|session| match session.waiting {
                Waiting::Client { until_ns } => Some(until_ns),
                _ => None,
            });
        timers.min()
    }

    // Functions.

    pub fn parse_down(&mut self, index: usize) {
        self.parses[index].end = None;
        for session in &mut self.sessions {
            if let Waiting::Parse { port, .. } = &mut session.waiting
                && *port == Some(index)
            {
                *port = None;
            }
        }
    }

    pub fn parse_up(&mut self, index: usize, end: LinkEnd) {
        self.parses[index].end = Some(end);
        self.parses[index].epoch += 1;
    }

    pub fn execute_down(&mut self, index: usize, now_ns: u64) {
        self.executes[index].end = None;
        for at in 0..self.sessions.len() {
            let session = &mut self.sessions[at];
            if session.place.is_none_or(|(port, _)| port != index) {
                continue;
            }
            session.place = None;
            session.catalog_changes.clear();
            session.is_lost = session.status != TransactionStatus::Idle;
            if matches!(session.waiting, Waiting::Execute { .. }) {
                self.failed(at, "57P02", "the execute function was restarted", now_ns);
            }
        }
    }

    pub fn execute_up(&mut self, index: usize, end: LinkEnd) {
        self.executes[index].end = Some(end);
        self.executes[index].epoch += 1;
    }

    // A turn.

    /// One turn. True if there was anything to do.
    pub fn turn(&mut self, now_ns: u64) -> bool {
        let mut worked = false;
        for ports in [&mut self.parses, &mut self.executes] {
            for end in ports.iter_mut().filter_map(|port| port.end.as_mut()) {
                worked |= end.poll().expect("the function keeps to the protocol");
            }
        }
        worked |= self.receive(now_ns);
        for at in 0..self.sessions.len() {
            worked |= self.advance(at, now_ns);
        }
        worked
    }

    fn receive(&mut self, now_ns: u64) -> bool {
        let mut worked = false;
        for index in 0..self.parses.len() {
            while let Some((head, body)) = take(&mut self.parses[index]) {
                worked = true;
                let reply = decode(&head).expect("parse sends what its edge carries");
                self.parsed(reply, body, now_ns);
            }
        }
        for index in 0..self.executes.len() {
            while let Some((head, body)) = take(&mut self.executes[index]) {
                worked = true;
                let reply = decode(&head).expect("execute sends what its edge carries");
                self.executed(reply, &body, now_ns);
            }
        }
        worked
    }

    /// Does for a session what can be done now.
    fn advance(&mut self, at: usize, now_ns: u64) -> bool {
        match self.sessions[at].waiting {
            Waiting::Client { until_ns } if until_ns <= now_ns => {
                self.ask(at, None, now_ns);
                true
            }
            Waiting::Parse {
                port: None,
                request,
            } => self.send_parse(at, request),
            Waiting::Function => self.run(at, now_ns),
            Waiting::Execute { port, request } => {
                self.cancel(at, port, request) | self.send_copy_data(at, port)
            }
            _ => false,
        }
    }

    /// Cancels a statement, now and then.
    fn cancel(&mut self, at: usize, port: usize, request: RequestId) -> bool {
        let is_wanted = self.cancels && !self.sessions[at].is_canceled;
        if !is_wanted || !self.random.once_in(2000) {
            return false;
        }
        self.sessions[at].is_canceled = true;
        let error = SqlError::new(state::QUERY_CANCELED, "canceled by the simulation");
        let session = self.sessions[at].id;
        let cancel = ExecuteRequest::Cancel {
            session,
            request,
            error,
        };
        self.executes[port].send(&encode(&cancel), &[]);
        true
    }

    /// Sends the next piece of COPY data, if execute waits for one and its link has room.
    fn send_copy_data(&mut self, at: usize, port: usize) -> bool {
        let Some(copied) = self.sessions[at].copied else {
            return false;
        };
        let execute = &mut self.executes[port];
        if execute.end.as_ref().is_none_or(LinkEnd::is_congested) {
            return false;
        }
        let session = &mut self.sessions[at];
        let statement = session.statement.as_ref().expect("a statement runs");
        let data = statement.copy.as_ref().expect("it is a COPY");
        let id = session.id;
        let left = &data.bytes[copied..];
        if left.is_empty() {
            let end = if data.fails {
                ExecuteRequest::CopyFail {
                    session: id,
                    message: "the simulation gives up".to_string(),
                }
            } else {
                ExecuteRequest::CopyDone { session: id }
            };
            execute.send(&encode(&end), &[]);
            session.copied = None;
        } else {
            let length = self.random.between(1, COPY_PIECE_MAX) as usize;
            let piece = &left[..length.min(left.len())];
            execute.send(&encode(&ExecuteRequest::CopyData { session: id }), piece);
            session.copied = Some(copied + piece.len());
        }
        true
    }

    /// Asks the client what to do.
    fn ask(&mut self, at: usize, outcome: Option<Outcome>, now_ns: u64) {
        let session = &mut self.sessions[at];
        match session.client.next(outcome, &mut self.random) {
            Action::Run(statement) => {
                session.statement = Some(statement);
                session.stale = 0;
                session.is_canceled = false;
                self.begin(at, now_ns);
            }
            Action::Sleep(us) => {
                session.waiting = Waiting::Client {
                    until_ns: now_ns + us * 1000,
                };
            }
            Action::Finish => {
                session.waiting = Waiting::Over;
                let id = session.id;
                if let Some((port, _)) = session.place.take() {
                    let close = ExecuteRequest::CloseSession { session: id };
                    self.executes[port].send(&encode(&close), &[]);
                }
            }
        }
    }

    fn text(&self, at: usize) -> &str {
        &self.sessions[at]
            .statement
            .as_ref()
            .expect("a statement runs")
            .text
    }

    /// A statement begins: with its plan, or with parse.
    fn begin(&mut self, at: usize, now_ns: u64) {
        if self.sessions[at].is_lost {
            self.answer_lost(at, now_ns);
            return;
        }
        let is_private = !self.sessions[at].catalog_changes.is_empty();
        if !is_private && let Some(plan) = self.plans.get(self.text(at)) {
            self.sessions[at].plan = Some(plan.clone());
            self.run(at, now_ns);
            return;
        }
        let request = RequestId(self.number());
        self.sessions[at].waiting = Waiting::Parse {
            port: None,
            request,
        };
        self.send_parse(at, request);
    }

    /// Answers a statement in a block that died with its function.
    fn answer_lost(&mut self, at: usize, now_ns: u64) {
        if self.text(at) == "ROLLBACK" {
            self.sessions[at].is_lost = false;
            self.sessions[at].status = TransactionStatus::Idle;
            self.done(at, "ROLLBACK".to_string(), now_ns);
        } else {
            self.failed(at, "57P02", "the transaction was lost", now_ns);
        }
    }

    fn send_parse(&mut self, at: usize, request: RequestId) -> bool {
        let up: Vec<usize> = indexes_up(&self.parses);
        if up.is_empty() {
            return false;
        }
        let port = up[self.random.below(up.len() as u64) as usize];
        let message = ParseRequest {
            request,
            many: false,
            parameter_oids: Vec::new(),
            catalog_changes: self.sessions[at].catalog_changes.clone(),
            user: "postgres".to_string(),
            database: "postgres".to_string(),
        };
        let text = self.text(at).as_bytes().to_vec();
        self.parses[port].send(&encode(&message), &text);
        self.sessions[at].waiting = Waiting::Parse {
            port: Some(port),
            request,
        };
        true
    }

    fn parsed(&mut self, reply: ParseReply, body: Vec<u8>, now_ns: u64) {
        let (ParseReply::Planned { request: id, .. }
        | ParseReply::Empty { request: id }
        | ParseReply::Many { request: id, .. }
        | ParseReply::Failed { request: id, .. }) = reply;
        let is_for = |session: &Session| matches!(session.waiting, Waiting::Parse { request, .. } if request == id);
        let at = self
            .sessions
            .iter()
            .position(is_for)
            .expect("somebody asked");
        match reply {
            ParseReply::Planned { statement, .. } => {
                let is_cached = statement.cacheable && self.sessions[at].catalog_changes.is_empty();
                let plan = Rc::new(Plan {
                    id: PlanId(self.number()),
                    body,
                    info: statement,
                    installed: RefCell::new(vec![0; self.executes.len()]),
                });
                self.sessions[at].plan = Some(plan.clone());
                if is_cached {
                    let text = self.text(at).to_string();
                    if let Some(old) = self.plans.insert(text, plan) {
                        self.let_go(old);
                    }
                }
                self.run(at, now_ns);
            }
            ParseReply::Failed { error, .. } => {
                // PostgreSQL's block fails with any error.
                let sqlstate = error.state().to_string();
                self.failed(at, &sqlstate, &error.message, now_ns);
            }
            reply => panic!("parse answered {:?} with {reply:?}", self.text(at)),
        }
    }

    /// Sends the plan to be run, with all that execute must know before. False: there is no execute function.
    fn run(&mut self, at: usize, now_ns: u64) -> bool {
        if self.sessions[at].is_lost {
            // The function died while the statement was planned: outside of its block it must not run.
            self.answer_lost(at, now_ns);
            return true;
        }
        let Some((port, _)) = self.place(at) else {
            self.sessions[at].waiting = Waiting::Function;
            return false;
        };
        let request = RequestId(self.number());
        let session = &mut self.sessions[at];
        let statement = session.statement.as_ref().expect("a statement runs");
        let plan = session.plan.as_ref().expect("it was planned");
        let execute = &mut self.executes[port];
        let epoch = std::mem::replace(&mut plan.installed.borrow_mut()[port], execute.epoch);
        if epoch != execute.epoch {
            let install = ExecuteRequest::InstallPlan { plan: plan.id };
            execute.send(&encode(&install), &plan.body);
        }
        session.kind = plan.info.kind;
        let parameter = |value: &String| Parameter {
            length: value.len() as i32,
            is_binary: false,
        };
        let run = ExecuteRequest::Run {
            session: session.id,
            request,
            plan: plan.id,
            parameters: statement.parameters.iter().map(parameter).collect(),
            binary_results: Vec::new(),
            max_rows: window(&mut self.random),
            sync: true,
            in_block: false,
        };
        execute.send(&encode(&run), statement.parameters.concat().as_bytes());
        session.rows.clear();
        session.waiting = Waiting::Execute { port, request };
        true
    }

    /// The execute function that knows the session; told now if none does.
    fn place(&mut self, at: usize) -> Option<(usize, u32)> {
        if let Some(place) = self.sessions[at].place {
            return Some(place);
        }
        let up = indexes_up(&self.executes);
        if up.is_empty() {
            return None;
        }
        let port = up[self.random.below(up.len() as u64) as usize];
        let open = ExecuteRequest::OpenSession {
            session: self.sessions[at].id,
            user: "postgres".to_string(),
            database: "postgres".to_string(),
            settings: Vec::new(),
        };
        self.executes[port].send(&encode(&open), &[]);
        self.sessions[at].place = Some((port, self.executes[port].epoch));
        self.sessions[at].place
    }

    fn executed(&mut self, reply: ExecuteReply, body: &[u8], now_ns: u64) {
        let (ExecuteReply::Rows { session: id, .. }
        | ExecuteReply::Done { session: id, .. }
        | ExecuteReply::Suspended { session: id, .. }
        | ExecuteReply::CopyIn { session: id, .. }
        | ExecuteReply::CopyOut { session: id, .. }
        | ExecuteReply::Notice { session: id, .. }
        | ExecuteReply::Failed { session: id, .. }
        | ExecuteReply::StalePlan { session: id, .. }) = reply;
        let found = self.sessions.iter().position(|session| session.id == id);
        let at = found.expect("a session's reply");
        match reply {
            ExecuteReply::Rows { request, .. } => {
                self.check(at, request);
                read_rows(body, &mut self.sessions[at].rows);
            }
            ExecuteReply::Notice { request, .. } => {
                self.check(at, request);
            }
            ExecuteReply::Suspended { request, .. } => {
                let port = self.check(at, request);
                self.resume(at, port, request);
            }
            ExecuteReply::Done {
                request,
                tag,
                status,
                catalog_changes,
                ..
            } => {
                self.check(at, request);
                self.note(at, status, catalog_changes);
                self.done(at, tag, now_ns);
            }
            ExecuteReply::Failed {
                request,
                error,
                status,
                catalog_changes,
                ..
            } => {
                self.check(at, request);
                self.note(at, status, catalog_changes);
                let sqlstate = error.state().to_string();
                self.failed(at, &sqlstate, &error.message, now_ns);
            }
            ExecuteReply::StalePlan { request, .. } => {
                self.check(at, request);
                self.stale(at, now_ns);
            }
            ExecuteReply::CopyIn { request, .. } => {
                self.check(at, request);
                self.sessions[at].copied = Some(0);
            }
            ExecuteReply::CopyOut { .. } => panic!("nobody copies out"),
        }
    }

    /// That a reply is to what the session waits for. Gives the port.
    fn check(&self, at: usize, answered: RequestId) -> usize {
        match self.sessions[at].waiting {
            Waiting::Execute { port, request } if request == answered => port,
            waiting => panic!("a reply to {answered} reached a session that is {waiting:?}"),
        }
    }

    fn resume(&mut self, at: usize, port: usize, portal: RequestId) {
        let request = RequestId(self.number());
        let resume = ExecuteRequest::Resume {
            session: self.sessions[at].id,
            request,
            portal,
            max_rows: window(&mut self.random),
            sync: true,
        };
        self.executes[port].send(&encode(&resume), &[]);
        self.sessions[at].waiting = Waiting::Execute { port, request };
    }

    fn note(
        &mut self,
        at: usize,
        status: TransactionStatus,
        catalog_changes: Option<Vec<CatalogChange>>,
    ) {
        self.sessions[at].status = status;
        if let Some(changes) = catalog_changes {
            self.sessions[at].catalog_changes = changes;
        }
    }

    fn stale(&mut self, at: usize, now_ns: u64) {
        self.sessions[at].stale += 1;
        assert!(
            self.sessions[at].stale <= STALE_MAX,
            "{:?} is always stale",
            self.text(at)
        );
        let plan = self.sessions[at].plan.take().expect("it was run");
        if self
            .plans
            .get(self.text(at))
            .is_some_and(|cached| Rc::ptr_eq(cached, &plan))
        {
            let text = self.text(at).to_string();
            self.plans.remove(&text);
        }
        self.let_go(plan);
        self.begin(at, now_ns);
    }

    /// Tells the execute functions to drop a plan that nobody else holds.
    fn let_go(&mut self, plan: Rc<Plan>) {
        let Some(plan) = Rc::into_inner(plan) else {
            return;
        };
        for (execute, installed) in self.executes.iter_mut().zip(plan.installed.take()) {
            if installed == execute.epoch && execute.end.is_some() {
                let message = ExecuteRequest::DropPlan { plan: plan.id };
                execute.send(&encode(&message), &[]);
            }
        }
    }

    fn done(&mut self, at: usize, tag: String, now_ns: u64) {
        let rows = std::mem::take(&mut self.sessions[at].rows);
        self.end(at, Outcome::Done { tag, rows }, now_ns);
    }

    fn failed(&mut self, at: usize, sqlstate: &str, message: &str, now_ns: u64) {
        let session = &self.sessions[at];
        let failure = Failure {
            sqlstate: sqlstate.to_string(),
            message: message.to_string(),
            is_in_block: session.is_lost || session.status != TransactionStatus::Idle,
        };
        self.end(at, Outcome::Failed(failure), now_ns);
    }

    fn end(&mut self, at: usize, outcome: Outcome, now_ns: u64) {
        self.sessions[at].copied = None;
        if let Some(plan) = self.sessions[at].plan.take() {
            self.let_go(plan);
        }
        self.ask(at, Some(outcome), now_ns);
    }

    // Sleep.

    /// Goes to sleep, unless something came meanwhile.
    pub fn sleep(&mut self) {
        let mut is_quiet = true;
        for end in self.ends() {
            is_quiet &= end
                .prepare_sleep()
                .expect("the function keeps to the protocol");
        }
        self.is_asleep = true;
        if !is_quiet {
            self.wake();
        }
    }

    /// A function rang, or a client came.
    pub fn wake(&mut self) {
        if std::mem::take(&mut self.is_asleep) {
            self.ends().for_each(LinkEnd::woke);
        }
    }

    fn ends(&mut self) -> impl Iterator<Item = &mut LinkEnd> {
        self.parses
            .iter_mut()
            .chain(&mut self.executes)
            .filter_map(|port| port.end.as_mut())
    }
}

fn indexes_up(ports: &[GatewayPort]) -> Vec<usize> {
    (0..ports.len())
        .filter(|index| ports[*index].end.is_some())
        .collect()
}

fn take(port: &mut GatewayPort) -> Option<(Vec<u8>, Vec<u8>)> {
    let received = port
        .end
        .as_mut()?
        .receive()
        .expect("the function keeps to the protocol")?;
    Some((received.head.to_vec(), received.body.to_vec()))
}

/// Rows after which execute stops: often all, else few, so that portals are suspended.
fn window(random: &mut Random) -> u32 {
    if random.once_in(2) {
        0
    } else {
        random.between(1, 40) as u32
    }
}

/// Takes whole `DataRow` messages apart.
fn read_rows(mut body: &[u8], rows: &mut Vec<Row>) {
    fn number<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
        let (first, rest) = bytes.split_first_chunk().expect("a whole DataRow");
        *bytes = rest;
        *first
    }
    while !body.is_empty() {
        assert_eq!(number(&mut body), [b'D'], "only DataRow messages come");
        let _length = i32::from_be_bytes(number(&mut body));
        let columns = i16::from_be_bytes(number(&mut body));
        let mut row = Row::new();
        for _ in 0..columns {
            let length = i32::from_be_bytes(number(&mut body));
            row.push(usize::try_from(length).ok().map(|length| {
                let (value, rest) = body.split_at(length);
                body = rest;
                String::from_utf8(value.to_vec()).expect("text")
            }));
        }
        rows.push(row);
    }
}
