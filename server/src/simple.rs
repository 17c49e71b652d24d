//! The simple protocol: a text of any number of statements, without parameters.
//!
//! The text goes to parse as a whole. If it holds several statements they run one after another, each
//! planned when its turn comes (for the ones before may have changed the catalog), all in one
//! implicit transaction, and the first error ends the text.

use crate::mailbox::Mailbox;
use crate::planning::{Planned, STALE_MAX, Wanted, always_stale};
use crate::run::{Outcome, Run};
use crate::session::Session;
use crate::stop::Stop;
use crate::transaction::unexpected_reply;
use crate::wire::error_response::Source;
use crate::wire::{backend, frontend};
use vireo_abi::message::parse::StatementKind;

/// Where in a text a statement is, and its part in the text's transaction.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    text: &'a str,
    many: bool,
    in_block: bool,
    sync: bool,
}

impl Session {
    /// `Query`.
    pub(crate) async fn simple_query(&mut self, body: &[u8]) -> Result<(), Stop> {
        let text = frontend::query(body)?;
        self.statements.remove("");
        self.drop_portal("");
        let result = self.run_text(text).await;
        let failed = match &result {
            Ok(()) => false,
            Err(Stop::Failed(_)) => true,
            Err(Stop::End(_)) => return result,
        };
        let ended = self.end_implicit(failed).await;
        result.and(ended)
    }

    async fn run_text(&mut self, text: &str) -> Result<(), Stop> {
        let whole = Piece {
            text,
            many: true,
            in_block: false,
            sync: true,
        };
        let statements = self
            .run_piece(whole)
            .await
            .map_err(|stop| stop.within(Source::whole(text)))?;
        let count = statements.len();
        for (index, (start, end)) in statements.into_iter().enumerate() {
            let (start, end) = (start as usize, end as usize);
            // Parse's word for where the statements are.
            let part = text.get(start..end).ok_or_else(unexpected_reply)?;
            let piece = Piece {
                text: part,
                many: false,
                in_block: true,
                sync: index + 1 == count,
            };
            let more = self
                .run_piece(piece)
                .await
                .map_err(|stop| stop.within(Source { text, start }))?;
            if !more.is_empty() {
                return Err(unexpected_reply());
            }
        }
        Ok(())
    }

    /// Runs a piece of text; or says where its statements are, if they are several.
    async fn run_piece(&mut self, piece: Piece<'_>) -> Result<Vec<(u32, u32)>, Stop> {
        for _ in 0..STALE_MAX {
            self.notice_loss()?;
            let wanted = Wanted {
                text: piece.text,
                parameter_oids: &[],
                many: piece.many,
                will_repeat: false,
            };
            let plan = match self.plan(wanted).await? {
                Planned::One(plan) => plan,
                Planned::Many(statements) if piece.many => return Ok(statements),
                Planned::Many(_) => return Err(unexpected_reply()),
                Planned::Empty => {
                    self.mailbox.write(backend::empty_query);
                    return Ok(Vec::new());
                }
            };
            // The function may have died while parse planned: outside of its block the statement must not run.
            self.notice_loss()?;
            if let Some(tag) = self.answer_in_block(plan.info.kind, piece.text)? {
                complete(&self.mailbox, plan.info.kind, tag.to_owned());
                return Ok(Vec::new());
            }
            let before = self.mailbox.out_bytes();
            if !plan.info.columns.is_empty() {
                self.mailbox
                    .write(|out| out.extend_from_slice(&plan.description));
            }
            let run = Run {
                plan: &plan,
                parameters: &[],
                values: &[],
                formats: &[],
                portal: None,
                rows_max: 0,
                sync: piece.sync,
                in_block: piece.in_block,
            };
            match self.run(run).await? {
                Outcome::Done(tag) => {
                    complete(&self.mailbox, plan.info.kind, tag);
                    return Ok(Vec::new());
                }
                Outcome::Stale => {
                    self.mailbox.truncate(before);
                    self.forget_stale(piece.text, &[], &plan);
                }
                Outcome::Suspended(_) => return Err(unexpected_reply()),
            }
        }
        Err(always_stale())
    }
}

/// The end of a statement that succeeded.
pub fn complete(mailbox: &Mailbox, kind: StatementKind, tag: String) {
    mailbox.write(|out| {
        if kind == StatementKind::CopyOut {
            backend::copy_done(out);
        }
        backend::command_complete(out, tag);
    });
}
