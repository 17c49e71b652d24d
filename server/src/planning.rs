//! From a statement's text to its plan: the cache, or parse.

use crate::mailbox::{Reply, Waiting};
use crate::plan::Plan;
use crate::plan_cache::Key;
use crate::session::Session;
use crate::stop::Stop;
use crate::transaction::unexpected_reply;
use bytes::Bytes;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest};
use vireo_abi::message::parse::{ParseReply, ParseRequest};

/// How often a statement whose plan is stale is planned again.
pub const STALE_MAX: usize = 5;

/// How long a statement waits for storage to open the database.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// What a text is.
#[derive(Debug)]
pub enum Planned {
    /// A statement.
    One(Rc<Plan>),
    /// None.
    Empty,
    /// Several, with where each begins and ends.
    Many(Vec<(u32, u32)>),
}

/// How a text is to be planned.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The text.
    pub text: &'a str,
    /// The parameter types that the client gave.
    pub parameter_oids: &'a [u32],
    /// Whether several statements are welcome.
    pub many: bool,
    /// Whether the client prepared it by name: it will come again.
    pub will_repeat: bool,
}

impl Session {
    /// The plan of a text.
    ///
    /// # Errors
    /// What parse says is wrong with it; in a failed block, PostgreSQL's 25P02 instead of most of that.
    pub(crate) async fn plan(&mut self, wanted: Wanted<'_>) -> Result<Planned, Stop> {
        let is_private = !self.catalog_changes.is_empty();
        let counters = &self.gateway.shared.counters;
        let key = Key {
            text: wanted.text,
            parameter_oids: wanted.parameter_oids,
            user: &self.user,
        };
        if !is_private && let Some(plan) = self.gateway.plans.borrow().get(key) {
            counters.plan_cache_hits.add(1);
            return Ok(Planned::One(plan));
        }
        counters.plan_cache_misses.add(1);
        match self.ask_parse_when_ready(wanted).await? {
            Reply::Parse(ParseReply::Planned { statement, .. }, body) => {
                let is_cacheable = statement.cacheable && !is_private;
                let plan = self.gateway.new_plan(statement, body);
                if is_cacheable {
                    let key = Key {
                        text: wanted.text,
                        parameter_oids: wanted.parameter_oids,
                        user: &self.user,
                    };
                    self.gateway
                        .plans
                        .borrow_mut()
                        .offer(key, &plan, wanted.will_repeat);
                }
                Ok(Planned::One(plan))
            }
            Reply::Parse(ParseReply::Empty { .. }, _) => Ok(Planned::Empty),
            Reply::Parse(ParseReply::Many { statements, .. }, _) => Ok(Planned::Many(statements)),
            Reply::Parse(ParseReply::Failed { error, .. }, _) => Err(self.refused(error).into()),
            Reply::Failed(error) => Err(error.into()),
            Reply::Execute(_) | Reply::Down => Err(unexpected_reply()),
        }
    }

    /// Parse's reply. While storage opens the database there is no catalog to plan against; a statement
    /// that comes so early waits, up to [`START_PATIENCE`], and fails at once when the database cannot be opened.
    async fn ask_parse_when_ready(&mut self, wanted: Wanted<'_>) -> Result<Reply, Stop> {
        let length = wanted.text.len();
        if length > self.gateway.config.statement_bytes_max {
            return Err(too_large(&format!("The statement of {length} bytes")).into());
        }
        let text = Bytes::copy_from_slice(wanted.text.as_bytes());
        let until = Instant::now() + START_PATIENCE;
        loop {
            let request = ParseRequest {
                request: self.gateway.request_id(),
                many: wanted.many,
                parameter_oids: wanted.parameter_oids.to_vec(),
                catalog_changes: self.catalog_changes.clone(),
                user: self.user.clone(),
                database: self.database.clone(),
            };
            self.gateway
                .ask_parse(&self.mailbox, &request, text.clone())?;
            let reply = self.reply().await?;
            let is_early = matches!(&reply, Reply::Parse(ParseReply::Failed { error, .. }, _)
                if &error.sqlstate == state::CANNOT_CONNECT_NOW);
            if !is_early || Instant::now() >= until {
                return Ok(reply);
            }
            self.wait_for_storage(until).await?;
        }
    }

    /// Waits until storage has opened the database, or the time is over. Parse has no link to storage, so execute is
    /// asked.
    async fn wait_for_storage(&mut self, until: Instant) -> Result<(), Stop> {
        self.notice_loss()?;
        let port = self.ensure_open().await?;
        let (session, request) = (self.mailbox.session, self.gateway.request_id());
        let message = ExecuteRequest::AwaitStorage { session, request };
        self.gateway.send(port, &message, &[])?;
        self.mailbox.expect(Waiting::Storage(port, request));
        let Ok(reply) = tokio::time::timeout_at(until, self.reply()).await else {
            self.mailbox.expect(Waiting::Nothing);
            return Ok(());
        };
        match reply? {
            Reply::Execute(ExecuteReply::Done { .. }) => Ok(()),
            Reply::Execute(ExecuteReply::Failed { error, .. }) => Err(self.refused(error).into()),
            Reply::Failed(error) => Err(error.into()),
            // Another execute function takes its place, and can be asked.
            Reply::Down => Ok(()),
            Reply::Parse(..) | Reply::Execute(_) => Err(unexpected_reply()),
        }
    }

    /// Lets go of a plan that execute found stale.
    pub(crate) fn forget_stale(&mut self, text: &str, parameter_oids: &[u32], plan: &Rc<Plan>) {
        self.gateway.shared.counters.stale_plans.add(1);
        if let Some(place) = self.place {
            plan.forget(place.port);
        }
        let key = Key {
            text,
            parameter_oids,
            user: &self.user,
        };
        self.gateway.plans.borrow_mut().remove(key, plan);
    }
}

/// The error of what no function has memory for.
pub fn too_large(what: &str) -> Box<SqlError> {
    SqlError::new(state::OUT_OF_MEMORY, "out of memory")
        .with_detail(format!("{what} is too large."))
        .with_hint("Split it into smaller parts.")
}

/// The error of a statement whose plans were stale every time.
pub fn always_stale() -> Stop {
    let message = "could not plan the statement: the catalog changed each time meanwhile";
    SqlError::new(state::SERIALIZATION_FAILURE, message).into()
}
