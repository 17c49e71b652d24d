//! A session's place in a transaction, as far as the gateway has a part in it.
//!
//! Execute owns transactions. The gateway ends the implicit ones (Sync), tells execute of statements
//! that failed before they got there, and bridges the loss of an execute function:
//!
//! ```text
//!  session was             its next statement        afterwards
//!  idle                    runs at the new function  -
//!  in flight               fails, 57P02              idle, or a failed block if it was in one
//!  in a block, idle        fails, 57P02              a failed block (idle after COMMIT or ROLLBACK)
//!  in a failed block       25P02                     a failed block until COMMIT or ROLLBACK
//!  in a pipeline, unsynced fails, 57P02              idle
//! ```
//!
//! The new function knows nothing of the block, so the gateway itself answers the ROLLBACK that
//! ends it. ROLLBACK of a block whose loss was not told yet simply succeeds.

use crate::mailbox::{Reply, Waiting};
use crate::portal::Progress;
use crate::session::{Place, Session};
use crate::stop::Stop;
use crate::wire::backend;
use std::future::poll_fn;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest, TransactionStatus};
use vireo_abi::message::parse::{CatalogChange, StatementKind};

/// A transaction block that died with its execute function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostBlock {
    /// Whether the client has been told.
    pub is_told: bool,
}

impl Session {
    /// An execute function that knows the session; one is waited for if need be.
    pub(crate) async fn ensure_open(&mut self) -> Result<usize, Stop> {
        if let Some(place) = self.place
            && self.gateway.epoch(place.port) == place.epoch
        {
            return Ok(place.port);
        }
        let stays = self
            .place
            .map(|place| place.port)
            .filter(|&port| self.gateway.epoch(port) != 0);
        let port = match stays {
            Some(port) => port,
            None => {
                let wait = self.gateway.config.function_wait;
                let gateway = self.gateway.clone();
                let picked = poll_fn(|context| gateway.poll_execute(context));
                tokio::time::timeout(wait, picked)
                    .await
                    .map_err(|_| no_execute())?
            }
        };
        let open = ExecuteRequest::OpenSession {
            session: self.mailbox.session,
            user: self.user.clone(),
            database: self.database.clone(),
            settings: self.settings.for_execute(),
        };
        self.gateway.send(port, &open, &[])?;
        self.place = Some(Place {
            port,
            epoch: self.gateway.epoch(port),
        });
        Ok(port)
    }

    /// Tells the execute function that the session is over.
    pub(crate) fn leave_execute(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        if self.gateway.epoch(place.port) == place.epoch {
            let close = ExecuteRequest::CloseSession {
                session: self.mailbox.session,
            };
            // If the function dies now it forgets the session by itself.
            let _ = self.gateway.send(place.port, &close, &[]);
        }
    }

    /// Whether the function that knows the session is still there. One that never was is not missed.
    fn has_lost_place(&self) -> bool {
        self.place
            .is_some_and(|place| self.gateway.epoch(place.port) != place.epoch)
    }

    /// Before a statement: notices that its transaction died with its function.
    pub(crate) fn notice_loss(&mut self) -> Result<(), Stop> {
        if !self.has_lost_place() {
            return Ok(());
        }
        self.place = None;
        // What was bound and not yet run needs nothing of the old function.
        self.portals
            .retain(|_, portal| portal.progress == Progress::Ready);
        self.catalog_changes.clear();
        let was_unsynced = std::mem::take(&mut self.is_unsynced);
        match self.status {
            TransactionStatus::Idle if was_unsynced => return Err(transaction_lost().into()),
            TransactionStatus::Idle => {}
            TransactionStatus::InBlock => self.lost_block = Some(LostBlock { is_told: false }),
            TransactionStatus::Failed => self.lost_block = Some(LostBlock { is_told: true }),
        }
        if self.lost_block.is_some() {
            self.status = TransactionStatus::Failed;
        }
        Ok(())
    }

    /// The function died with a request of this session.
    pub(crate) fn lost_in_flight(&mut self, kind: StatementKind) -> Stop {
        if self.status != TransactionStatus::Idle {
            self.status = TransactionStatus::Failed;
            self.lost_block = Some(LostBlock { is_told: true });
        }
        self.place = None;
        self.is_unsynced = false;
        self.portals.clear();
        self.catalog_changes.clear();
        let error = SqlError::new(
            state::CRASH_SHUTDOWN,
            "the execute function serving this session was restarted",
        );
        // Execute may have died between the commit and its reply.
        let detail = match kind {
            StatementKind::Query => "The statement was rolled back.",
            _ => "The statement was rolled back, unless its commit had already begun.",
        };
        error.with_detail(detail).into()
    }

    /// What a statement is answered without being run: in a block that has failed or was lost. None: it runs.
    pub(crate) fn answer_in_block(
        &mut self,
        kind: StatementKind,
        text: &str,
    ) -> Result<Option<&'static str>, Stop> {
        if self.status != TransactionStatus::Failed {
            return Ok(None);
        }
        let Some(lost) = &mut self.lost_block else {
            return if kind == StatementKind::Transaction {
                Ok(None)
            } else {
                Err(in_failed_block().into())
            };
        };
        let was_told = std::mem::replace(&mut lost.is_told, true);
        let end = if kind == StatementKind::Transaction {
            block_end(text)
        } else {
            None
        };
        if end.is_some() {
            self.status = TransactionStatus::Idle;
            self.lost_block = None;
        }
        match end {
            Some(BlockEnd::Commit) if !was_told => Err(transaction_lost().into()),
            Some(_) => Ok(Some("ROLLBACK")),
            None if !was_told => Err(transaction_lost().into()),
            None => Err(in_failed_block().into()),
        }
    }

    /// What PostgreSQL says of a statement that parse refused, in a failed block: only its syntax is looked at.
    pub(crate) fn refused(&mut self, error: Box<SqlError>) -> Box<SqlError> {
        if self.status != TransactionStatus::Failed || &error.sqlstate == state::SYNTAX_ERROR {
            return error;
        }
        match self.lost_block.replace(LostBlock { is_told: true }) {
            Some(LostBlock { is_told: false }) => transaction_lost(),
            before => {
                self.lost_block = before;
                in_failed_block()
            }
        }
    }

    /// Ends the implicit transaction, if there is one; a statement may have failed at the gateway.
    pub(crate) async fn end_implicit(&mut self, failed: bool) -> Result<(), Stop> {
        let is_needed = self.is_unsynced || (failed && self.status == TransactionStatus::InBlock);
        if !is_needed {
            return Ok(());
        }
        match self.notice_loss() {
            Err(_) if failed => return Ok(()),
            other => other?,
        }
        self.is_unsynced = false;
        let Some(place) = self.place else {
            return Ok(());
        };
        let (session, request) = (self.mailbox.session, self.gateway.request_id());
        self.gateway.send(
            place.port,
            &ExecuteRequest::Sync {
                session,
                request,
                failed,
            },
            &[],
        )?;
        self.mailbox.expect(Waiting::Execute(place.port, request));
        match self.reply().await? {
            Reply::Execute(ExecuteReply::Done {
                status,
                settings,
                catalog_changes,
                ..
            }) => {
                self.apply(status, &settings, catalog_changes);
                Ok(())
            }
            Reply::Execute(ExecuteReply::Failed {
                error,
                status,
                settings,
                catalog_changes,
                ..
            }) => {
                self.apply(status, &settings, catalog_changes);
                if failed { Ok(()) } else { Err(error.into()) }
            }
            Reply::Down => {
                let lost = self.lost_in_flight(StatementKind::Modify);
                if failed { Ok(()) } else { Err(lost) }
            }
            Reply::Failed(error) => Err(error.into()),
            Reply::Parse(..) | Reply::Execute(_) => Err(unexpected_reply()),
        }
    }

    /// `Sync`: ends the implicit transaction, and the portals outside of a block.
    pub(crate) async fn sync(&mut self, failed: bool) -> Result<(), Stop> {
        let result = self.end_implicit(failed).await;
        if self.status == TransactionStatus::Idle {
            self.portals.clear();
        }
        result
    }

    /// Takes note of what execute says at a statement's end.
    pub(crate) fn apply(
        &mut self,
        status: TransactionStatus,
        settings: &[(String, String)],
        catalog_changes: Option<Vec<CatalogChange>>,
    ) {
        if status == TransactionStatus::Idle && self.status != TransactionStatus::Idle {
            self.portals.clear();
        }
        self.status = status;
        for (name, value) in settings {
            if let Some(spelling) = self.settings.change(name, value) {
                self.mailbox
                    .write(|out| backend::parameter_status(out, spelling, value));
            }
        }
        if let Some(changes) = catalog_changes {
            self.catalog_changes = changes;
        }
    }
}

/// How a statement ends a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BlockEnd {
    Commit,
    Rollback,
}

/// Whether a transaction statement ends a block, by its first words.
fn block_end(text: &str) -> Option<BlockEnd> {
    let mut words = Words { rest: text };
    let end = match words.next()?.to_ascii_uppercase().as_str() {
        "COMMIT" | "END" => BlockEnd::Commit,
        "ROLLBACK" | "ABORT" => BlockEnd::Rollback,
        _ => return None,
    };
    // `ROLLBACK TO` and `COMMIT PREPARED` end nothing.
    let mut rest = words.filter(|word| {
        !["work", "transaction"]
            .iter()
            .any(|noise| word.eq_ignore_ascii_case(noise))
    });
    match rest.next().map(str::to_ascii_uppercase).as_deref() {
        None => Some(end),
        // `AND CHAIN` would begin another.
        Some("AND")
            if rest
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("no")) =>
        {
            Some(end)
        }
        Some(_) => None,
    }
}

/// The words of a statement; comments and everything else between them is skipped.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let rest = self.rest;
            if let Some(comment) = rest.strip_prefix("--") {
                self.rest = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = rest.strip_prefix("/*") {
                self.rest = after_comment(comment);
            } else {
                let first = rest.chars().next()?;
                if !first.is_alphabetic() {
                    self.rest = &rest[first.len_utf8()..];
                    continue;
                }
                let end = rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                self.rest = after;
                return Some(word);
            }
        }
    }
}

/// What follows a comment that has begun; comments nest.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (1, text);
    while depth > 0 {
        let Some(at) = rest.find(['*', '/']) else {
            return "";
        };
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, after);
        } else if let Some(after) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, after);
        } else {
            rest = &rest[1..];
        }
    }
    rest
}

fn transaction_lost() -> Box<SqlError> {
    SqlError::new(
        state::CRASH_SHUTDOWN,
        "the execute function serving this session was restarted",
    )
    .with_detail("The transaction was rolled back.")
}

fn in_failed_block() -> Box<SqlError> {
    let message = "current transaction is aborted, commands ignored until end of transaction block";
    SqlError::new(state::IN_FAILED_SQL_TRANSACTION, message)
}

fn no_execute() -> Box<SqlError> {
    SqlError::new(state::CANNOT_CONNECT_NOW, "no execute function is running")
}

/// A function answered with what does not answer the request.
pub(crate) fn unexpected_reply() -> Stop {
    SqlError::new(state::INTERNAL_ERROR, "a function gave an unexpected reply").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_block() {
        use BlockEnd::{Commit, Rollback};
        let check = |text, expected| assert_eq!(block_end(text), expected, "{text}");
        check("commit", Some(Commit));
        check(" /* a /* b */ c */ -- d\n END work;", Some(Commit));
        check("ROLLBACK TRANSACTION AND NO CHAIN", Some(Rollback));
        check("abort;", Some(Rollback));
        check("commit and chain", None);
        check("rollback to savepoint a", None);
        check("rollback work to a", None);
        check("commit prepared 'x'", None);
        check("begin", None);
        check("", None);
        check("/* commit", None);
    }
}
