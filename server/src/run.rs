//! Running a plan at execute.
//!
//! Rows come as bytes into the mailbox, past this code. What it does is flow control: each
//! run has a *window*, the rows after which execute stops and waits. When a window is full and
//! the client has taken enough, the portal is resumed with the next. So a slow client holds its own
//! statement, and neither the gateway's memory nor the link that it shares with others.
//!
//! The first window is small, for nothing is known of the rows; the following are measured to
//! fill the session's buffer.

use crate::mailbox::{Reply, Waiting};
use crate::plan::Plan;
use crate::planning::too_large;
use crate::session::{Place, Session};
use crate::stop::Stop;
use crate::transaction::unexpected_reply;
use std::rc::Rc;
use vireo_abi::ids::RequestId;
use vireo_abi::message::execute::{ExecuteReply, ExecuteRequest, Parameter};
use vireo_abi::message::parse::{StatementInfo, StatementKind};

/// Rows of the first window where all columns are of fixed size.
const FIRST_ROWS_FIXED: u32 = 4096;
/// Rows of the first window elsewhere.
const FIRST_ROWS: u32 = 512;
/// The most rows of a window.
const ROWS_MAX: u32 = 1 << 20;

/// What is run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The plan.
    pub plan: &'a Rc<Plan>,
    /// The parameters.
    pub parameters: &'a [Parameter],
    /// Their values.
    pub values: &'a [u8],
    /// The result's formats.
    pub formats: &'a [bool],
    /// The suspended portal to go on with; none begins.
    pub portal: Option<RequestId>,
    /// The most rows that the client wants now; 0 for all.
    pub rows_max: u32,
    /// Whether the implicit transaction ends with it.
    pub sync: bool,
    /// Whether it is one of several in a simple query.
    pub in_block: bool,
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// To its end, with the command tag.
    Done(String),
    /// The client has as many rows as it wanted.
    Suspended(RequestId),
    /// Not begun: the plan is stale.
    Stale,
}

impl Session {
    /// Runs a plan, or goes on with a portal.
    pub(crate) async fn run(&mut self, run: Run<'_>) -> Result<Outcome, Stop> {
        let kind = run.plan.info.kind;
        let mut window = first_window(&run.plan.info);
        let mut left = run.rows_max;
        let mut asked = window_for(window, left);
        let (place, mut request) = match run.portal {
            Some(portal) => self.resume(portal, asked, run.sync)?,
            None => self.begin(&run, asked).await?,
        };
        self.gateway.shared.counters.statements.add(1);
        self.start_clock();
        loop {
            self.mailbox.expect(Waiting::Execute(place.port, request));
            let reply = match self.reply().await? {
                Reply::Execute(ExecuteReply::CopyIn { columns, .. }) => {
                    self.copy_in(place, columns).await?
                }
                other => other,
            };
            match reply {
                Reply::Execute(ExecuteReply::Suspended { .. }) => {
                    left = left.saturating_sub(asked);
                    if run.rows_max != 0 && left == 0 {
                        self.is_unsynced = true;
                        return Ok(Outcome::Suspended(request));
                    }
                    window = next_window(
                        asked,
                        self.mailbox.take_row_bytes(),
                        self.gateway.config.session_buffer_bytes,
                    );
                    asked = window_for(window, left);
                    self.wait_for_client().await?;
                    (_, request) = self.resume(request, asked, run.sync)?;
                }
                reply => return self.ended(reply, kind, run.sync),
            }
        }
    }

    /// Sends a plan to be run, with all that execute must know before.
    async fn begin(&mut self, run: &Run<'_>, rows: u32) -> Result<(Place, RequestId), Stop> {
        let length = run.values.len();
        if length > self.gateway.config.parameter_bytes_max {
            return Err(too_large(&format!("What the parameters hold, {length} bytes,")).into());
        }
        let port = self.ensure_open().await?;
        let place = Place {
            port,
            epoch: self.gateway.epoch(port),
        };
        self.gateway.bury(port)?;
        if run.plan.must_install(port, place.epoch) {
            let install = ExecuteRequest::InstallPlan { plan: run.plan.id };
            self.gateway.send(port, &install, &run.plan.body)?;
        }
        let request = self.gateway.request_id();
        let message = ExecuteRequest::Run {
            session: self.mailbox.session,
            request,
            plan: run.plan.id,
            parameters: run.parameters.to_vec(),
            binary_results: run.formats.to_vec(),
            max_rows: if run.plan.info.kind == StatementKind::CopyIn {
                0
            } else {
                rows
            },
            sync: run.sync,
            in_block: run.in_block,
        };
        self.gateway.send(port, &message, run.values)?;
        Ok((place, request))
    }

    /// Goes on with a suspended portal.
    fn resume(
        &mut self,
        portal: RequestId,
        rows: u32,
        sync: bool,
    ) -> Result<(Place, RequestId), Stop> {
        let place = match self.place {
            Some(place) if self.gateway.epoch(place.port) == place.epoch => place,
            _ => return Err(self.lost_in_flight(StatementKind::Query)),
        };
        let (session, request) = (self.mailbox.session, self.gateway.request_id());
        let message = ExecuteRequest::Resume {
            session,
            request,
            portal,
            max_rows: rows,
            sync,
        };
        self.gateway.send(place.port, &message, &[])?;
        Ok((place, request))
    }

    /// Between two windows: until the client has taken enough.
    async fn wait_for_client(&mut self) -> Result<(), Stop> {
        // Until the portal is resumed it is open: an error from here must end it.
        self.is_unsynced = true;
        match self
            .connection
            .drain(self.gateway.config.session_buffer_bytes / 2)
            .await
        {
            Ok(None) => Ok(()),
            Ok(Some(Reply::Failed(error))) => Err(error.into()),
            Ok(Some(_)) => Err(unexpected_reply()),
            Err(crate::connection::Timed::Due) => {
                Err(crate::connection::statement_timeout().into())
            }
            Err(crate::connection::Timed::End(end)) => Err(end.into()),
        }
    }

    /// The last reply of a run.
    fn ended(&mut self, reply: Reply, kind: StatementKind, sync: bool) -> Result<Outcome, Stop> {
        self.connection.set_deadline(None);
        self.mailbox.take_row_bytes();
        match reply {
            Reply::Execute(ExecuteReply::Done {
                tag,
                status,
                settings,
                catalog_changes,
                ..
            }) => {
                self.is_unsynced = !sync;
                self.apply(status, &settings, catalog_changes);
                Ok(Outcome::Done(tag))
            }
            Reply::Execute(ExecuteReply::Failed {
                error,
                status,
                settings,
                catalog_changes,
                ..
            }) => {
                self.is_unsynced = !sync;
                self.apply(status, &settings, catalog_changes);
                Err(error.into())
            }
            Reply::Execute(ExecuteReply::StalePlan { .. }) => Ok(Outcome::Stale),
            Reply::Down => Err(self.lost_in_flight(kind)),
            Reply::Failed(error) => Err(error.into()),
            Reply::Parse(..) | Reply::Execute(_) => Err(unexpected_reply()),
        }
    }
}

/// The rows to ask for: a window, or what the client still wants of it.
fn window_for(window: u32, left: u32) -> u32 {
    if left == 0 { window } else { window.min(left) }
}

fn first_window(info: &StatementInfo) -> u32 {
    let is_fixed = |typlen: i16| typlen > 0;
    if info.kind != StatementKind::CopyOut
        && info
            .columns
            .iter()
            .all(|column| is_fixed(column.sql_type.id.typlen()))
    {
        FIRST_ROWS_FIXED
    } else {
        FIRST_ROWS
    }
}

/// As many rows as fill the buffer, by the size of those that came; no more than 16 times as many.
fn next_window(rows: u32, bytes: usize, buffer_bytes: usize) -> u32 {
    let row_bytes = (bytes / rows.max(1) as usize).max(1);
    let fitting = u32::try_from(buffer_bytes / row_bytes).unwrap_or(u32::MAX);
    fitting.clamp(1, rows.saturating_mul(16)).min(ROWS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fill_the_buffer() {
        assert_eq!(next_window(512, 512 * 100, 1 << 20), 8192);
        assert_eq!(next_window(8192, 8192 * 100, 1 << 20), 10485);
        assert_eq!(next_window(512, 512 << 20, 1 << 20), 1);
        assert_eq!(next_window(1, 0, 1 << 20), 16);
        assert_eq!(next_window(ROWS_MAX, 0, usize::MAX), ROWS_MAX);
    }
}
