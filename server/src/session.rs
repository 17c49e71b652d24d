//! A session: one client, its statements, its place in a transaction.
//!
//! ```text
//!  frame ──> Query            simple.rs     ──┐
//!        ──> Parse … Execute  extended.rs   ──┤ planning.rs ──> parse
//!        ──> Sync             transaction.rs  └ run.rs, copy.rs ──> execute
//! ```
//!
//! A session is one task of its thread. It has one request in flight at most, so its code is written as
//! if it called the functions.
//!
//! Invariants:
//! 1. `status` is what the last `ReadyForQuery` said, or what execute said since.
//! 2. `is_unsynced`: something ran in the implicit transaction, and nothing has ended it.
//! 3. After an error in the extended protocol everything up to the next Sync is skipped.
//!
//! Failure of the execute function that a session is at: see transaction.rs.

use crate::connection::{Connection, Timed};
use crate::extended::Prepared;
use crate::gateway::Gateway;
use crate::mailbox::{Mailbox, Reply};
use crate::portal::Portal;
use crate::settings::Settings;
use crate::startup::{Client, fatal};
use crate::stop::{End, Failure, Stop};
use crate::wire::frame::Frame;
use crate::wire::frontend::{self, Target};
use crate::wire::{backend, error_response};
use std::collections::HashMap;
use std::rc::Rc;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::execute::TransactionStatus;
use vireo_abi::message::parse::CatalogChange;

/// The execute function that knows a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The port.
    pub port: usize,
    /// Which function at that port.
    pub epoch: u32,
}

/// One client's session.
pub struct Session {
    pub(crate) gateway: Rc<Gateway>,
    pub(crate) mailbox: Rc<Mailbox>,
    pub(crate) connection: Connection,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) settings: Settings,
    pub(crate) place: Option<Place>,
    pub(crate) status: TransactionStatus,
    pub(crate) is_unsynced: bool,
    pub(crate) lost_block: Option<crate::transaction::LostBlock>,
    pub(crate) catalog_changes: Vec<CatalogChange>,
    pub(crate) statements: HashMap<String, Rc<Prepared>>,
    pub(crate) portals: HashMap<String, Portal>,
    is_skipping: bool,
}

impl Session {
    /// A session of who came in.
    pub fn new(
        gateway: Rc<Gateway>,
        mailbox: Rc<Mailbox>,
        connection: Connection,
        client: Client,
    ) -> Session {
        Session {
            gateway,
            mailbox,
            connection,
            user: client.user,
            database: client.database,
            settings: client.settings,
            place: None,
            status: TransactionStatus::Idle,
            is_unsynced: false,
            lost_block: None,
            catalog_changes: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            is_skipping: false,
        }
    }

    /// Serves the client to the end, and says goodbye.
    pub async fn serve(mut self) {
        self.ready();
        let end = loop {
            if let Err(end) = self.message().await {
                break end;
            }
        };
        self.leave_execute();
        if let End::Fatal(error) = end {
            tracing::info!(session = self.mailbox.session.0, %error, "session ended");
            self.mailbox
                .write(|out| error_response::put_error(out, &error, None));
        }
        self.connection.close().await;
    }

    /// Takes the client's next message.
    async fn message(&mut self) -> Result<(), End> {
        let frame = self.connection.frame().await?;
        match frame.tag {
            b'X' => return Err(End::Closed),
            b'S' => {
                let failed = std::mem::take(&mut self.is_skipping);
                let result = self.sync(failed).await;
                self.tell(result)?;
                self.ready();
            }
            // What is left of a COPY that failed.
            b'd' | b'c' | b'f' => {}
            _ if self.is_skipping => {}
            b'Q' => {
                let result = self.simple_query(&frame.body).await;
                self.tell(result)?;
                self.ready();
            }
            b'H' => self.connection.flush().await?,
            b'F' => {
                let message = "the function call protocol is not supported";
                self.tell(Err(
                    SqlError::new(state::FEATURE_NOT_SUPPORTED, message).into()
                ))?;
                self.ready();
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => {
                let result = self.extended(&frame).await;
                self.is_skipping = self.tell(result)?;
            }
            tag => {
                let message = format!("invalid frontend message type {tag}");
                return Err(End::Fatal(fatal(state::PROTOCOL_VIOLATION, message)));
            }
        }
        Ok(())
    }

    async fn extended(&mut self, frame: &Frame) -> Result<(), Stop> {
        match frame.tag {
            b'P' => self.parse(frontend::parse(&frame.body)?).await,
            b'B' => self.bind(&frontend::bind(&frame.body)?).await,
            b'D' => match frontend::target(&frame.body, "DESCRIBE")? {
                Target::Statement(name) => self.describe_statement(name),
                Target::Portal(name) => self.describe_portal(name),
            },
            b'C' => match frontend::target(&frame.body, "CLOSE")? {
                Target::Statement(name) => self.close_statement(name),
                Target::Portal(name) => self.close_portal_by_name(name),
            },
            _ => {
                let (portal, rows) = frontend::execute(&frame.body)?;
                self.execute(portal, rows).await
            }
        }
    }

    /// Tells the client of a failure. True if there was one.
    pub(crate) fn tell(&mut self, result: Result<(), Stop>) -> Result<bool, End> {
        match result {
            Ok(()) => Ok(false),
            Err(Stop::End(end)) => Err(end),
            Err(Stop::Failed(Failure { error, position })) => {
                self.gateway.shared.counters.errors.add(1);
                self.mailbox
                    .write(|out| error_response::put_error(out, &error, position));
                Ok(true)
            }
        }
    }

    fn ready(&mut self) {
        let status = self.status;
        self.mailbox
            .write(|out| backend::ready_for_query(out, status));
    }

    /// The next reply. A statement whose time is over is cancelled, and its reply awaited.
    pub(crate) async fn reply(&mut self) -> Result<Reply, End> {
        loop {
            match self.connection.reply().await {
                Ok(reply) => return Ok(reply),
                Err(Timed::End(end)) => return Err(end),
                Err(Timed::Due) => self.time_is_over(),
            }
        }
    }

    /// Cancels what runs because it takes too long.
    pub(crate) fn time_is_over(&self) {
        self.gateway
            .cancel(self.mailbox.session, crate::connection::statement_timeout());
    }

    /// From here a statement's time counts.
    pub(crate) fn start_clock(&mut self) {
        let timeout = self.settings.statement_timeout();
        self.connection
            .set_deadline(timeout.map(|timeout| tokio::time::Instant::now() + timeout));
    }
}
