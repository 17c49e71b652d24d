//! A session: its transaction, its settings, and the task that serves it. What comes for it is in its [`SessionState`].
//!
//! ```text
//!            BEGIN                      error
//!   idle ───────────> in a block ─────────────> failed block
//!    ^ │ statement        │ COMMIT/ROLLBACK        │ COMMIT/ROLLBACK
//!    │ └─> implicit ──────┴────────────────────────┘
//!    └────── sync ──┘
//! ```
//!
//! A statement outside a block runs in an implicit transaction. When it is the only one (`sync` with the statement), it
//! commits with the statement and a conflict runs it again; else rows are locked as they are written and
//! `sync` commits.

use crate::bulk;
use crate::portal::{Portal, Progress};
use crate::session_state::{Mail, Run, SessionState};
use crate::shared::{ReplyTo, Shared};
use crate::statement::{self, Done, Finished};
use crate::transaction::{Commit, Isolation, Txn};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;
use hashbrown::HashMap;
use vireo_abi::datum::Datum;
use vireo_abi::ids::RequestId;
use vireo_abi::message::error::{Severity, SqlError, SqlResult, state};
use vireo_abi::message::execute::{ExecuteReply, TransactionStatus};
use vireo_abi::message::parse::CatalogChange;
use vireo_query::exec::ExecContext;
use vireo_query::guc::Settings;
use vireo_query::plan::{Body, Plan, SetScope, TransactionCommand};
use vireo_query::settings::EvalContext;
use vireo_query::types::input;

/// How often a statement runs again by commit-time checks alone, before it takes locks.
const OPTIMISTIC_TRIES: u32 = 2;

/// Where a session is with its transaction.
enum Block {
    /// No transaction, or an implicit one of the statements since the last sync.
    None,
    /// BEGIN was said.
    Open,
    /// And then something failed.
    Failed,
}

/// What became of one try of a statement.
enum Step {
    /// It is done, as far as it goes.
    Finished(Finished),
    /// What it read had changed when it came to commit: once more.
    Conflict,
}

/// A session's task.
pub struct Session {
    shared: Rc<Shared>,
    state: Rc<SessionState>,
    settings: Settings,
    txn: Option<Rc<Txn>>,
    block: Block,
    portals: HashMap<RequestId, Box<Portal>>,
    random: u64,
    /// Whether the transaction has taken its first snapshot for a query.
    has_queried: bool,
    /// What the gateway was last told of uncommitted catalog changes.
    told_changes: usize,
}

impl Session {
    /// A session that begins.
    pub fn new(shared: Rc<Shared>, state: Rc<SessionState>, settings: Settings) -> Session {
        let random = shared.next_seed();
        Session {
            shared,
            state,
            settings,
            txn: None,
            block: Block::None,
            portals: HashMap::new(),
            random,
            has_queried: false,
            told_changes: 0,
        }
    }

    /// Serves the session until the task is canceled.
    pub async fn serve(mut self) {
        loop {
            match self.state.clone().next_mail(&self.shared.clone()).await {
                Mail::Run(run) => self.run(run).await,
                Mail::Resume {
                    request,
                    portal,
                    max_rows,
                    sync,
                } => {
                    self.resume(request, portal, max_rows, sync).await;
                }
                Mail::ClosePortal(portal) => drop(self.portals.remove(&portal)),
                Mail::Sync { request, failed } => self.sync(request, failed).await,
                Mail::AwaitStorage(request) => {
                    let opened = self.shared.wait_for_storage().await;
                    let result = opened.map(|()| Finished::Tag(String::new()));
                    self.answer(request, result);
                }
                // What comes of a COPY that has failed already.
                Mail::CopyData(_) | Mail::CopyDone | Mail::CopyFail(_) => {}
            }
        }
    }

    async fn run(&mut self, run: Run) {
        let plan = self.shared.plans.borrow().get(&run.plan).cloned();
        let result = match plan {
            Some(Ok(plan)) => self.run_plan(&run, &plan).await,
            Some(Err(error)) => Err(error),
            None => Ok(Finished::Stale(run.plan)),
        };
        // The last of several statements commits what those before it began.
        let result = match result {
            Ok(Finished::Tag(tag)) if run.sync => {
                self.end_implicit().await.map(|()| Finished::Tag(tag))
            }
            other => other,
        };
        self.answer(run.request, result);
    }

    /// Runs a plan to its end or to the end of its row window.
    async fn run_plan(&mut self, run: &Run, plan: &Rc<Plan>) -> SqlResult<Finished> {
        self.state.running.set(Some(run.request));
        self.state.canceled.replace(None);
        if let Body::Transaction(command) = &plan.body {
            return self.transaction_command(command, run.sync).await;
        }
        if matches!(self.block, Block::Failed) {
            return Err(in_failed_block());
        }
        let parameters = self.parameters(run, plan)?;
        let is_alone = run.sync && self.txn.is_none() && matches!(self.block, Block::None);
        let mut tries = 0;
        loop {
            self.shared.wait_for_storage().await?;
            let txn = self.transaction(is_alone && tries < OPTIMISTIC_TRIES)?;
            self.has_queried |= is_query(&plan.body);
            let step = self
                .statement(run, plan, &txn, &parameters, is_alone)
                .await?;
            if !is_alone {
                txn.end_statement().await?;
            } else if !matches!(step, Step::Finished(Finished::Suspended(_))) {
                self.txn = None;
            }
            match step {
                Step::Finished(finished) => return Ok(finished),
                Step::Conflict => tries += 1,
            }
        }
    }

    /// One statement in a transaction, again if what it read changed before it was locked. `is_alone`: the
    /// transaction is its own, and what it changed is committed before its rows are sent.
    async fn statement(
        &mut self,
        run: &Run,
        plan: &Rc<Plan>,
        txn: &Rc<Txn>,
        parameters: &[Datum],
        is_alone: bool,
    ) -> SqlResult<Step> {
        let done = loop {
            self.state.check_canceled()?;
            let mark = txn.begin_statement(bulk::may_stage(&plan.body))?;
            if !statement::plan_holds(plan, txn)? {
                return Ok(Step::Finished(Finished::Stale(run.plan)));
            }
            let cx = self.context(txn, parameters.to_vec());
            let call = statement::Call {
                plan,
                txn,
                cx,
                settings: &mut self.settings,
                shared: &self.shared,
                state: &self.state,
                request: run.request,
                is_in_block: !is_alone,
            };
            match statement::execute(call).await? {
                Done::Again => txn.undo_statement(mark),
                done => break done,
            }
        };
        let reads_only = matches!(plan.body, Body::Query(_));
        if is_alone && !reads_only {
            match txn.commit(self.is_durable()).await? {
                Commit::Done => self.settings.commit(),
                Commit::Conflict => return Ok(Step::Conflict),
            }
        }
        let finished = match done {
            Done::Rows { rows, cx, tag } => {
                let mut portal = Portal::new(plan, rows, cx, &run.binary_results, tag)?;
                match self
                    .send_rows(&mut portal, run.request, run.max_rows)
                    .await?
                {
                    Progress::Suspended => Finished::Suspended(Box::new(portal)),
                    Progress::Done => Finished::Tag(portal.tag()),
                }
            }
            Done::Tag(tag) => Finished::Tag(tag),
            Done::Again => unreachable!("the loop above goes on"),
        };
        Ok(Step::Finished(finished))
    }

    async fn send_rows(
        &self,
        portal: &mut Portal,
        request: RequestId,
        max_rows: u32,
    ) -> SqlResult<Progress> {
        self.flush_notices(request);
        portal
            .send(&self.shared, &self.state, request, max_rows)
            .await
    }

    async fn resume(&mut self, request: RequestId, portal: RequestId, max_rows: u32, sync: bool) {
        self.state.running.set(Some(request));
        self.state.canceled.replace(None);
        let result = match self.portals.remove(&portal) {
            None => Err(SqlError::new(
                state::INVALID_CURSOR_NAME,
                "portal does not exist",
            )),
            Some(mut portal) => match self.send_rows(&mut portal, request, max_rows).await {
                Ok(Progress::Suspended) => Ok(Finished::Suspended(portal)),
                Ok(Progress::Done) => Ok(Finished::Tag(portal.tag())),
                Err(error) => Err(error),
            },
        };
        let result = match result {
            Ok(Finished::Tag(tag)) if sync => {
                self.end_implicit().await.map(|()| Finished::Tag(tag))
            }
            other => other,
        };
        self.answer(request, result);
    }

    async fn sync(&mut self, request: RequestId, failed: bool) {
        self.portals.clear();
        let result = if failed {
            self.fail();
            Ok(Finished::Tag(String::new()))
        } else {
            self.end_implicit()
                .await
                .map(|()| Finished::Tag(String::new()))
        };
        self.answer(request, result);
    }

    /// Commits the implicit transaction, if there is one.
    async fn end_implicit(&mut self) -> SqlResult<()> {
        if !matches!(self.block, Block::None) {
            return Ok(());
        }
        let Some(txn) = self.txn.take() else {
            return Ok(());
        };
        match txn.commit(self.is_durable()).await {
            Ok(Commit::Done) => {
                self.settings.commit();
                Ok(())
            }
            Ok(Commit::Conflict) => Err(serialization_failure()),
            Err(error) => Err(error),
        }
    }

    /// `sync`: the implicit transaction ends with the command.
    async fn transaction_command(
        &mut self,
        command: &TransactionCommand,
        sync: bool,
    ) -> SqlResult<Finished> {
        match command {
            TransactionCommand::Begin {
                isolation,
                read_only,
                is_start,
            } => {
                let tag = if *is_start {
                    "START TRANSACTION"
                } else {
                    "BEGIN"
                };
                if !matches!(self.block, Block::None) {
                    if matches!(self.block, Block::Failed) {
                        return Err(in_failed_block());
                    }
                    self.warn(
                        state::ACTIVE_SQL_TRANSACTION,
                        "there is already a transaction in progress",
                    );
                    self.set_modes(isolation.as_deref(), *read_only)?;
                    return Ok(Finished::Tag(tag.to_string()));
                }
                self.block = Block::Open;
                let set = |settings: &mut Settings, name: &str, value: &str| {
                    settings.set(name, Some(value), SetScope::Local)
                };
                let level = match isolation {
                    Some(level) => level.clone(),
                    None => self
                        .settings
                        .get("default_transaction_isolation")
                        .to_string(),
                };
                set(&mut self.settings, "transaction_isolation", &level)?;
                let read_only = match read_only {
                    Some(read_only) => if *read_only { "on" } else { "off" }.to_string(),
                    None => self
                        .settings
                        .get("default_transaction_read_only")
                        .to_string(),
                };
                set(&mut self.settings, "transaction_read_only", &read_only)?;
                Ok(Finished::Tag(tag.to_string()))
            }
            TransactionCommand::Set {
                isolation,
                read_only,
                warns,
            } => {
                self.set_transaction(isolation.as_deref(), *read_only, *warns, sync)
                    .await
            }
            TransactionCommand::Commit => {
                let tag = if matches!(self.block, Block::Failed) {
                    "ROLLBACK"
                } else {
                    "COMMIT"
                };
                self.portals.clear();
                match core::mem::replace(&mut self.block, Block::None) {
                    Block::None => {
                        self.warn(
                            state::NO_ACTIVE_SQL_TRANSACTION,
                            "there is no transaction in progress",
                        );
                        self.end_implicit().await?;
                    }
                    Block::Open => self.end_implicit().await?,
                    Block::Failed => self.roll_back(),
                }
                self.settings.commit();
                Ok(Finished::Tag(tag.to_string()))
            }
            TransactionCommand::Rollback => {
                if matches!(self.block, Block::None) {
                    self.warn(
                        state::NO_ACTIVE_SQL_TRANSACTION,
                        "there is no transaction in progress",
                    );
                }
                self.roll_back();
                self.block = Block::None;
                Ok(Finished::Tag("ROLLBACK".to_string()))
            }
        }
    }

    /// SET TRANSACTION: of the block, or of the implicit transaction of several statements; of a statement on its own
    /// it changes nothing.
    async fn set_transaction(
        &mut self,
        isolation: Option<&str>,
        read_only: Option<bool>,
        warns: bool,
        sync: bool,
    ) -> SqlResult<Finished> {
        if matches!(self.block, Block::Failed) {
            return Err(in_failed_block());
        }
        let is_implicit = matches!(self.block, Block::None);
        let is_alone = is_implicit && sync && self.txn.is_none();
        if is_alone && warns {
            self.warn(
                state::NO_ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION can only be used in transaction blocks",
            );
        }
        self.set_modes(isolation, read_only)?;
        if is_alone {
            self.settings.commit();
        } else if is_implicit {
            self.shared.wait_for_storage().await?;
            self.transaction(false)?;
        }
        Ok(Finished::Tag("SET".to_string()))
    }

    /// Changes what the transaction is. Once it has taken its first snapshot it can only become read-only.
    fn set_modes(&mut self, isolation: Option<&str>, read_only: Option<bool>) -> SqlResult<()> {
        let has_queried = self.txn.is_some() && self.has_queried;
        let too_late = |what| Err(SqlError::new(state::ACTIVE_SQL_TRANSACTION, what));
        if let Some(level) = isolation {
            let name = "transaction_isolation";
            let before = self.settings.get(name).to_string();
            self.settings.set(name, Some(level), SetScope::Local)?;
            if has_queried && self.settings.get(name) != before {
                return too_late("SET TRANSACTION ISOLATION LEVEL must be called before any query");
            }
        }
        if let Some(read_only) = read_only {
            let name = "transaction_read_only";
            if has_queried && !read_only && self.settings.is_on(name) {
                return too_late("transaction read-write mode must be set before any query");
            }
            let value = if read_only { "on" } else { "off" };
            self.settings.set(name, Some(value), SetScope::Local)?;
            if let Some(txn) = &self.txn {
                txn.set_read_only(read_only);
            }
        }
        if !has_queried {
            // The first query begins it anew, as it is to be now.
            self.txn = None;
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        self.portals.clear();
        self.txn = None;
        self.settings.roll_back();
    }

    /// A statement failed: the implicit transaction is gone, a block waits for its end.
    fn fail(&mut self) {
        self.portals.clear();
        if let Some(txn) = self.txn.take() {
            txn.abort();
        }
        if matches!(self.block, Block::None) {
            self.settings.roll_back();
        } else {
            self.block = Block::Failed;
        }
    }

    /// The transaction that the next statement runs in.
    fn transaction(&mut self, is_optimistic: bool) -> SqlResult<Rc<Txn>> {
        if let Some(txn) = &self.txn {
            return Ok(txn.clone());
        }
        self.has_queried = false;
        let isolation = match self.settings.get("transaction_isolation") {
            "repeatable read" => Isolation::RepeatableRead,
            "serializable" => {
                return Err(SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    "isolation level SERIALIZABLE is not supported yet",
                ));
            }
            _ => Isolation::ReadCommitted,
        };
        let is_read_only = self.settings.is_on("transaction_read_only");
        let txn = Txn::begin(
            &self.shared,
            &self.state,
            isolation,
            is_read_only,
            !is_optimistic,
        )?;
        let txn = Rc::new(txn);
        self.txn = Some(txn.clone());
        Ok(txn)
    }

    fn context(&mut self, txn: &Rc<Txn>, parameters: Vec<Datum>) -> ExecContext {
        ExecContext {
            txn: txn.clone(),
            eval: self.eval_context(txn.began_us),
            parameters,
        }
    }

    fn eval_context(&mut self, transaction_us: i64) -> EvalContext {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        EvalContext {
            format: self.settings.format().clone(),
            transaction_us,
            statement_us: self.shared.now_us(),
            user: self.state.user.clone(),
            database: self.state.database.clone(),
            random: Cell::new(self.random),
        }
    }

    /// The parameters' values.
    fn parameters(&mut self, run: &Run, plan: &Plan) -> SqlResult<Vec<Datum>> {
        if run.parameters.len() != plan.parameters.len() {
            return Err(SqlError::new(
                state::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {} parameters, but prepared statement requires {}",
                    run.parameters.len(),
                    plan.parameters.len()
                ),
            ));
        }
        if run.parameters.is_empty() {
            return Ok(Vec::new());
        }
        let cx = self.eval_context(self.shared.now_us());
        let mut rest = &run.bytes[..];
        let mut values = Vec::with_capacity(run.parameters.len());
        for (number, (parameter, sql_type)) in
            run.parameters.iter().zip(&plan.parameters).enumerate()
        {
            let Ok(length) = usize::try_from(parameter.length) else {
                values.push(Datum::Null);
                continue;
            };
            let Some((bytes, after)) = rest.split_at_checked(length) else {
                return Err(SqlError::new(
                    state::PROTOCOL_VIOLATION,
                    "insufficient data left in message",
                ));
            };
            rest = after;
            let value = if parameter.is_binary {
                input::parse_binary(*sql_type, bytes).map_err(|mut error| {
                    if error.message == input::TRAILING_DATA {
                        error
                            .message
                            .push_str(&format!(" in bind parameter {}", number + 1));
                    }
                    error.with_context(format!("unnamed portal parameter ${}", number + 1))
                })?
            } else {
                let text = core::str::from_utf8(bytes).map_err(|_| invalid_utf8())?;
                input::parse_text(*sql_type, text, &cx)?
            };
            values.push(value);
        }
        Ok(values)
    }

    fn is_durable(&self) -> bool {
        self.settings.get("synchronous_commit") != "off"
    }

    fn warn(&self, sqlstate: &[u8; 5], message: &str) {
        let mut warning = SqlError::new(sqlstate, message);
        warning.severity = Severity::Warning;
        self.state.notices.borrow_mut().push(*warning);
    }

    fn flush_notices(&self, request: RequestId) {
        for notice in self.state.notices.borrow_mut().drain(..) {
            let ReplyTo { port, session } = self.state.to;
            let reply = ExecuteReply::Notice {
                session,
                request,
                notice: Box::new(notice),
            };
            self.shared.reply(port, &reply, Vec::new());
        }
    }

    fn status(&self) -> TransactionStatus {
        match self.block {
            Block::None => TransactionStatus::Idle,
            Block::Open => TransactionStatus::InBlock,
            Block::Failed => TransactionStatus::Failed,
        }
    }

    /// The uncommitted catalog changes, where the gateway does not know them yet.
    fn changes_to_tell(&mut self) -> Option<Vec<CatalogChange>> {
        let changes = self
            .txn
            .as_ref()
            .map(|txn| txn.catalog_changes())
            .unwrap_or_default();
        if changes.is_empty() && self.told_changes == 0 {
            return None;
        }
        self.told_changes = changes.len();
        Some(changes)
    }

    /// Sends what ends a request.
    fn answer(&mut self, request: RequestId, result: SqlResult<Finished>) {
        self.state.running.set(None);
        self.flush_notices(request);
        self.shared.finished.set(self.shared.finished.get() + 1);
        let ReplyTo { port, session } = self.state.to;
        let reply = match result {
            Ok(Finished::Suspended(portal)) => {
                self.portals.insert(request, portal);
                ExecuteReply::Suspended { session, request }
            }
            Ok(Finished::Stale(plan)) => {
                let catalog_version = self
                    .shared
                    .pools
                    .newest()
                    .map_or(0, |held| held.snapshot.catalog_version.0);
                ExecuteReply::StalePlan {
                    session,
                    request,
                    plan,
                    catalog_version,
                }
            }
            Ok(Finished::Tag(tag)) => ExecuteReply::Done {
                session,
                request,
                tag,
                status: self.status(),
                settings: self.settings.take_changed(),
                catalog_changes: self.changes_to_tell(),
            },
            Err(error) => {
                self.fail();
                ExecuteReply::Failed {
                    session,
                    request,
                    error,
                    status: self.status(),
                    settings: self.settings.take_changed(),
                    catalog_changes: self.changes_to_tell(),
                }
            }
        };
        self.shared.reply(port, &reply, Vec::new());
    }
}

/// Whether PostgreSQL takes a snapshot for a statement.
fn is_query(body: &Body) -> bool {
    !matches!(
        body,
        Body::Set { .. } | Body::Show { .. } | Body::ResetAll { .. } | Body::Checkpoint
    )
}

fn in_failed_block() -> Box<SqlError> {
    SqlError::new(
        state::IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

fn serialization_failure() -> Box<SqlError> {
    SqlError::new(
        state::SERIALIZATION_FAILURE,
        "could not serialize access due to concurrent update",
    )
}

/// PostgreSQL's error for bytes that are no UTF-8.
pub fn invalid_utf8() -> Box<SqlError> {
    SqlError::new(
        state::CHARACTER_NOT_IN_REPERTOIRE,
        "invalid byte sequence for encoding \"UTF8\"",
    )
}
