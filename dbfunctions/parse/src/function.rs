//! The function: requests of gateways, answered one after the other.

use crate::catalog::SessionCatalog;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::ids::RequestId;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::parse::{ParseReply, ParseRequest};
use vireo_abi::message::{decode, encode};
use vireo_query::bind::{Parsed, bind, memory_estimate};
use vireo_query::plan::{self, Body};
use vireo_runtime::{Function, Io, Level, Peer, Region, Start, Stopwatch, memory};
use vireo_storage::announce::Announcer;
use vireo_storage::{AnnouncePage, PoolView, ReadError};

/// Requests taken from a port in a turn.
const REQUESTS_PER_TURN: usize = 16;

/// The parse function.
pub struct ParseFunction {
    pool: Region,
    announcer: Announcer<'static>,
    stopwatch: Stopwatch,
}

impl Function for ParseFunction {
    #[allow(unsafe_code)] // the announce page that the boot page names
    fn new(start: &Start, io: &mut Io) -> Self {
        // SAFETY: the boot page gives this instance the announce page, page-aligned and mapped for the
        // function's whole life, to write alone (abi::memory_map).
        let page = unsafe { AnnouncePage::new(start.announce.start) };
        ParseFunction {
            pool: start.catalog_pool,
            announcer: Announcer::new(page),
            stopwatch: io.stopwatch(),
        }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        let mut any = false;
        for port in 0..io.ports.len() {
            if io.ports[port].peer() != Peer::Gateway {
                continue;
            }
            for _ in 0..REQUESTS_PER_TURN {
                if io.ports[port].is_congested() {
                    break;
                }
                let Some(received) = io.ports[port].receive() else {
                    break;
                };
                any = true;
                match decode::<ParseRequest>(received.head) {
                    Ok(request) => {
                        let text = String::from_utf8(received.body.to_vec());
                        let (reply, body) = self.answer(&request, text);
                        io.ports[port].send(&encode(&reply), &body);
                        io.count_request();
                    }
                    Err(malformed) => {
                        io.log(Level::Error, format_args!("port {port}: {malformed}"));
                    }
                }
            }
        }
        any
    }

    fn link_down(&mut self, port: usize, io: &mut Io) {
        // Nothing outlives a turn; a snapshot is held only inside of one.
        if io.ports[port].peer() == Peer::Storage {
            self.announcer.release_all();
        }
    }

    fn link_up(&mut self, _port: usize, _io: &mut Io) {}
}

impl ParseFunction {
    fn answer(
        &mut self,
        request: &ParseRequest,
        text: Result<String, alloc::string::FromUtf8Error>,
    ) -> (ParseReply, Vec<u8>) {
        let id = request.request;
        let parsed = match text {
            Ok(text) => self.parse(request, &text),
            Err(error) => Err(not_utf8(error.as_bytes(), error.utf8_error().valid_up_to())),
        };
        match parsed {
            Ok(parsed) => reply(id, parsed),
            Err(error) => (ParseReply::Failed { request: id, error }, Vec::new()),
        }
    }

    fn parse(&mut self, request: &ParseRequest, text: &str) -> SqlResult<Parsed> {
        if !memory::has_room(memory_estimate(text)) {
            return Err(
                SqlError::new(state::OUT_OF_MEMORY, "out of memory").with_detail(format!(
                    "The statement of {} bytes is too large.",
                    text.len()
                )),
            );
        }
        let is_sorted = request
            .catalog_changes
            .windows(2)
            .all(|w| w[0].key < w[1].key);
        if !is_sorted {
            return Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                "uncommitted catalog changes are not in order",
            ));
        }
        let view = self.view()?;
        let snapshot = self.announcer.acquire(&view)?;
        let catalog = SessionCatalog::new(view, &snapshot, &request.catalog_changes);
        let start = self.stopwatch.now_ns();
        let mut parsed = bind(
            text,
            request.many,
            &request.parameter_oids,
            &catalog,
            &request.user,
            &request.database,
        );
        self.announcer.release(&snapshot);
        if let Ok(Parsed::One(bound)) = &mut parsed
            && let Body::Explain { explain, .. } = &mut bound.plan.body
        {
            explain.planning_ns = Some(self.stopwatch.now_ns().saturating_sub(start));
        }
        parsed
    }

    /// The catalog pool as it is laid out now: storage may have been replaced since the last request.
    #[allow(unsafe_code)] // the pool that the boot page names
    fn view(&self) -> Result<PoolView<'static>, ReadError> {
        // SAFETY: the boot page gives this instance the pool, mapped for the function's whole life and
        // written by storage alone; what is read is copied out under a held snapshot (invariant 1).
        unsafe { PoolView::attach(self.pool.start, self.pool.size) }
    }
}

fn reply(request: RequestId, parsed: Parsed) -> (ParseReply, Vec<u8>) {
    match parsed {
        Parsed::Empty => (ParseReply::Empty { request }, Vec::new()),
        Parsed::Many(statements) => (
            ParseReply::Many {
                request,
                statements,
            },
            Vec::new(),
        ),
        Parsed::One(bound) => {
            let body = plan::encode(&bound.plan);
            let statement = bound.info;
            (ParseReply::Planned { request, statement }, body)
        }
    }
}

/// PostgreSQL's error for bytes that are not UTF-8: it shows the first ones.
fn not_utf8(bytes: &[u8], valid: usize) -> Box<SqlError> {
    let bad = &bytes[valid..];
    let expected = match bad.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    let shown: Vec<String> = bad
        .iter()
        .take(expected)
        .map(|byte| format!("0x{byte:02x}"))
        .collect();
    SqlError::new(
        state::CHARACTER_NOT_IN_REPERTOIRE,
        format!(
            "invalid byte sequence for encoding \"UTF8\": {}",
            shown.join(" ")
        ),
    )
}
