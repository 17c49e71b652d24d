//! The scripted execute function.

use super::CATALOG_VERSION;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use vireo_abi::ids::{PlanId, RequestId, SessionId};
use vireo_abi::message::error::{Severity, SqlError};
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest, TransactionStatus};
use vireo_abi::message::parse::CatalogChange;
use vireo_abi::message::{decode, encode};
use vireo_runtime::{Function, Io, Port, Start};

#[derive(Default)]
struct Session {
    trace: Vec<String>,
    is_in_block: bool,
    has_failed: bool,
    /// A query with rows to come: text, next row, rows, what each is, whether for COPY, sync.
    portals: HashMap<RequestId, Portal>,
    hanging: Option<RequestId>,
    is_storage_slow: bool,
    copy: Option<(RequestId, usize)>,
}

#[derive(Clone)]
struct Portal {
    next: u64,
    rows: u64,
    value: Vec<u8>,
    is_copy: bool,
}

/// The scripted execute function.
pub struct FakeExecute {
    plans: HashMap<PlanId, (u64, String)>,
    sessions: HashMap<SessionId, Session>,
}

impl Function for FakeExecute {
    fn new(_: &Start, _: &mut Io) -> FakeExecute {
        FakeExecute {
            plans: HashMap::new(),
            sessions: HashMap::new(),
        }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        let mut has_worked = false;
        for port in &mut io.ports {
            while let Some(message) = port.receive() {
                has_worked = true;
                let request: ExecuteRequest = decode(message.head).unwrap();
                let body = message.body.to_vec();
                self.take(request, &body, port);
            }
        }
        has_worked
    }

    fn link_down(&mut self, _: usize, _: &mut Io) {}
    fn link_up(&mut self, _: usize, _: &mut Io) {}
}

impl FakeExecute {
    fn take(&mut self, request: ExecuteRequest, body: &[u8], port: &mut Port) {
        match request {
            ExecuteRequest::OpenSession {
                session, settings, ..
            } => {
                let mut opened = Session::default();
                opened.trace.push(format!("open {settings:?}"));
                self.sessions.insert(session, opened);
            }
            ExecuteRequest::CloseSession { session } => {
                self.sessions.remove(&session);
            }
            ExecuteRequest::InstallPlan { plan } => {
                let version = u64::from_le_bytes(*body.first_chunk().unwrap());
                self.plans.insert(
                    plan,
                    (version, String::from_utf8(body[8..].to_vec()).unwrap()),
                );
            }
            ExecuteRequest::DropPlan { plan } => {
                self.plans
                    .remove(&plan)
                    .expect("only an installed plan is dropped");
            }
            ExecuteRequest::Run {
                session,
                request,
                plan,
                sync,
                in_block,
                max_rows,
                parameters,
                ..
            } => {
                let Some((version, text)) = self.plans.get(&plan).cloned() else {
                    let catalog_version = CATALOG_VERSION.load(Ordering::SeqCst);
                    return reply(
                        port,
                        &ExecuteReply::StalePlan {
                            session,
                            request,
                            plan,
                            catalog_version,
                        },
                    );
                };
                let catalog_version = CATALOG_VERSION.load(Ordering::SeqCst);
                let state = self
                    .sessions
                    .get_mut(&session)
                    .expect("a session is opened first");
                if version != catalog_version && text != "select trace" {
                    state.trace.push(format!("stale {text}"));
                    return reply(
                        port,
                        &ExecuteReply::StalePlan {
                            session,
                            request,
                            plan,
                            catalog_version,
                        },
                    );
                }
                state
                    .trace
                    .push(format!("run {text} sync={sync} in_block={in_block}"));
                assert!(parameters.len() <= 1);
                let run = Run {
                    session,
                    request,
                    max_rows,
                    body,
                };
                state.run(&run, &text, port, self.plans.len());
            }
            ExecuteRequest::Resume {
                session,
                request,
                portal,
                max_rows,
                sync,
            } => {
                let state = self.sessions.get_mut(&session).unwrap();
                let portal = state
                    .portals
                    .remove(&portal)
                    .expect("a suspended portal is resumed");
                state.trace.push(format!("resume sync={sync}"));
                state.rows(session, request, portal, max_rows, port);
            }
            ExecuteRequest::ClosePortal { session, portal } => {
                let state = self.sessions.get_mut(&session).unwrap();
                state
                    .portals
                    .remove(&portal)
                    .expect("a suspended portal is closed");
                state.trace.push("close portal".into());
            }
            ExecuteRequest::Sync {
                session,
                request,
                failed,
            } => {
                let state = self.sessions.get_mut(&session).unwrap();
                state.trace.push(format!("sync failed={failed}"));
                state.has_failed |= failed && state.is_in_block;
                state.done(session, request, "", port);
            }
            ExecuteRequest::AwaitStorage { session, request } => {
                let state = self.sessions.get_mut(&session).unwrap();
                state.trace.push("await storage".into());
                if !state.is_storage_slow {
                    let error = SqlError::new(b"XX001", "the database cannot be opened");
                    state.fail(session, request, error, port);
                }
            }
            ExecuteRequest::CopyData { session } => {
                if let Some((_, bytes)) = &mut self.sessions.get_mut(&session).unwrap().copy {
                    *bytes += body.len();
                }
                if body.starts_with(b"bad line") {
                    let state = self.sessions.get_mut(&session).unwrap();
                    if let Some((request, _)) = state.copy.take() {
                        state.fail(
                            session,
                            request,
                            SqlError::new(b"22P04", "missing data for column \"b\""),
                            port,
                        );
                    }
                }
            }
            ExecuteRequest::CopyDone { session } => {
                let state = self.sessions.get_mut(&session).unwrap();
                if let Some((request, bytes)) = state.copy.take() {
                    state.done(session, request, &format!("COPY {bytes}"), port);
                }
            }
            ExecuteRequest::CopyFail { session, message } => {
                let state = self.sessions.get_mut(&session).unwrap();
                if let Some((request, _)) = state.copy.take() {
                    let error =
                        SqlError::new(b"57014", format!("COPY from stdin failed: {message}"));
                    state.fail(session, request, error, port);
                }
            }
            ExecuteRequest::Cancel {
                session,
                request,
                error,
            } => {
                let state = self.sessions.get_mut(&session).unwrap();
                state.trace.push("cancel".into());
                if state
                    .hanging
                    .take_if(|hanging| *hanging == request)
                    .is_some()
                {
                    state.fail(session, request, error, port);
                }
            }
        }
    }
}

struct Run<'a> {
    session: SessionId,
    request: RequestId,
    max_rows: u32,
    body: &'a [u8],
}

impl Session {
    fn run(&mut self, run: &Run<'_>, text: &str, port: &mut Port, plans: usize) {
        let (session, request) = (run.session, run.request);
        let words: Vec<&str> = text.split(' ').collect();
        let number = |index: usize| {
            words
                .get(index)
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(1)
        };
        match words[0] {
            "begin" | "START" => {
                self.is_in_block = true;
                self.done(session, request, "BEGIN", port);
            }
            "commit" | "COMMIT" | "rollback" => {
                let tag = if self.has_failed || words[0] == "rollback" {
                    "ROLLBACK"
                } else {
                    "COMMIT"
                };
                (self.is_in_block, self.has_failed) = (false, false);
                self.portals.clear();
                self.done(session, request, tag, port);
            }
            "insert" => self.done(session, request, "INSERT 0 1", port),
            "fail" => self.fail(
                session,
                request,
                SqlError::new(b"22012", "division by zero").at(5),
                port,
            ),
            "hang" => self.hanging = Some(request),
            "slow" => {
                self.is_storage_slow = true;
                self.done(session, request, "OK", port);
            }
            "crash" => panic!("a scripted crash"),
            "bump" => {
                CATALOG_VERSION.fetch_add(number(1), Ordering::SeqCst);
                self.done(session, request, "BUMP", port);
            }
            "notice" => {
                let mut notice = SqlError::new(b"01000", "a scripted notice");
                notice.severity = Severity::Notice;
                reply(
                    port,
                    &ExecuteReply::Notice {
                        session,
                        request,
                        notice,
                    },
                );
                self.done(session, request, "NOTICE", port);
            }
            "set" => {
                let settings = vec![(words[1].to_owned(), words[2].to_owned())];
                self.finish(session, request, "SET", settings, None, port);
            }
            "ddl" => {
                let change = CatalogChange {
                    key: b"k".to_vec(),
                    value: Some(b"v".to_vec()),
                };
                self.finish(
                    session,
                    request,
                    "DDL",
                    Vec::new(),
                    Some(vec![change]),
                    port,
                );
            }
            "plans" => self.done(session, request, &format!("PLANS {plans}"), port),
            "copyin" => {
                self.copy = Some((request, 0));
                reply(
                    port,
                    &ExecuteReply::CopyIn {
                        session,
                        request,
                        columns: 2,
                    },
                );
            }
            "copyout" => {
                reply(
                    port,
                    &ExecuteReply::CopyOut {
                        session,
                        request,
                        columns: 2,
                    },
                );
                let portal = Portal {
                    next: 0,
                    rows: number(1),
                    value: b"1\t2\n".to_vec(),
                    is_copy: true,
                };
                self.rows(session, request, portal, run.max_rows, port);
            }
            "select" if text == "select trace" => {
                let rows: Vec<u8> = self
                    .trace
                    .drain(..)
                    .flat_map(|line| data_row(line.as_bytes()))
                    .collect();
                send_rows(port, session, request, &rows);
                self.done(session, request, "SELECT 0", port);
            }
            "select" => {
                let (rows, value) = match words.get(1) {
                    Some(&"rows") => (number(2), Vec::new()),
                    Some(&"wide") => (number(2), vec![b'w'; number(3) as usize]),
                    Some(&"$1") => (1, run.body.to_vec()),
                    _ => (1, words[1..].join(" ").into_bytes()),
                };
                let portal = Portal {
                    next: 0,
                    rows,
                    value,
                    is_copy: false,
                };
                self.rows(session, request, portal, run.max_rows, port);
            }
            _ => self.done(session, request, "OK", port),
        }
    }

    /// Sends rows up to the window.
    fn rows(
        &mut self,
        session: SessionId,
        request: RequestId,
        mut portal: Portal,
        max: u32,
        port: &mut Port,
    ) {
        let end = if max == 0 {
            portal.rows
        } else {
            portal.rows.min(portal.next + u64::from(max))
        };
        let mut bytes = Vec::new();
        while portal.next < end {
            let number = portal.next.to_string().into_bytes();
            let value = if portal.value.is_empty() {
                &number
            } else {
                &portal.value
            };
            bytes.extend(if portal.is_copy {
                copy_data(value)
            } else {
                data_row(value)
            });
            portal.next += 1;
            if bytes.len() > 30_000 {
                send_rows(port, session, request, &bytes);
                bytes.clear();
            }
        }
        if !bytes.is_empty() {
            send_rows(port, session, request, &bytes);
        }
        if portal.next < portal.rows {
            self.portals.insert(request, portal);
            return reply(port, &ExecuteReply::Suspended { session, request });
        }
        let command = if portal.is_copy { "COPY" } else { "SELECT" };
        self.done(
            session,
            request,
            &format!("{command} {}", portal.rows),
            port,
        );
    }

    fn status(&self) -> TransactionStatus {
        match (self.is_in_block, self.has_failed) {
            (true, true) => TransactionStatus::Failed,
            (true, false) => TransactionStatus::InBlock,
            (false, _) => TransactionStatus::Idle,
        }
    }

    fn done(&mut self, session: SessionId, request: RequestId, tag: &str, port: &mut Port) {
        self.finish(session, request, tag, Vec::new(), None, port);
    }

    fn finish(
        &mut self,
        session: SessionId,
        request: RequestId,
        tag: &str,
        settings: Vec<(String, String)>,
        catalog_changes: Option<Vec<CatalogChange>>,
        port: &mut Port,
    ) {
        let (tag, status) = (tag.to_owned(), self.status());
        reply(
            port,
            &ExecuteReply::Done {
                session,
                request,
                tag,
                status,
                settings,
                catalog_changes,
            },
        );
    }

    fn fail(
        &mut self,
        session: SessionId,
        request: RequestId,
        error: Box<SqlError>,
        port: &mut Port,
    ) {
        self.has_failed = self.is_in_block;
        let (status, settings) = (self.status(), Vec::new());
        reply(
            port,
            &ExecuteReply::Failed {
                session,
                request,
                error,
                status,
                settings,
                catalog_changes: None,
            },
        );
    }
}

fn reply(port: &mut Port, reply: &ExecuteReply) {
    port.send(&encode(reply), &[]);
}

fn send_rows(port: &mut Port, session: SessionId, request: RequestId, rows: &[u8]) {
    port.send(&encode(&ExecuteReply::Rows { session, request }), rows);
}

fn data_row(value: &[u8]) -> Vec<u8> {
    let length = 4 + 2 + 4 + value.len() as i32;
    [
        b"D",
        &length.to_be_bytes()[..],
        &[0, 1],
        &(value.len() as i32).to_be_bytes(),
        value,
    ]
    .concat()
}

fn copy_data(value: &[u8]) -> Vec<u8> {
    [b"d", &(4 + value.len() as i32).to_be_bytes()[..], value].concat()
}
