//! The extended protocol: statements prepared, bound, described and executed one step at a time.
//!
//! A statement is planned when it is prepared, so that it can be described; if its plan is stale when
//! it runs, it is planned again. As in PostgreSQL its result must then be the same type, because the
//! client may have been told.
//!
//! An Execute that a Sync follows at once carries the Sync with it: a statement is one
//! message to execute and one reply.

use crate::plan::Plan;
use crate::planning::{Planned, STALE_MAX, Wanted, always_stale};
use crate::portal::{Portal, Progress};
use crate::run::{Outcome, Run};
use crate::session::Session;
use crate::simple::complete;
use crate::stop::Stop;
use crate::transaction::unexpected_reply;
use crate::wire::backend;
use crate::wire::error_response::Source;
use crate::wire::frontend::{Bind, Parse};
use std::cell::RefCell;
use std::rc::Rc;
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::parse::StatementKind;

/// A prepared statement.
#[derive(Debug)]
pub struct Prepared {
    text: Box<str>,
    parameter_oids: Vec<u32>,
    is_named: bool,
    /// Its newest plan; none for the empty statement.
    plan: RefCell<Option<Rc<Plan>>>,
}

impl Session {
    /// `Parse`.
    pub(crate) async fn parse(&mut self, message: Parse<'_>) -> Result<(), Stop> {
        if !message.name.is_empty() && self.statements.contains_key(message.name) {
            let text = format!("prepared statement \"{}\" already exists", message.name);
            return Err(SqlError::new(state::DUPLICATE_PREPARED_STATEMENT, text).into());
        }
        self.notice_loss()?;
        self.start_clock();
        let wanted = Wanted {
            text: message.text,
            parameter_oids: &message.parameter_oids,
            many: false,
            will_repeat: !message.name.is_empty(),
        };
        let planned = self
            .plan(wanted)
            .await
            .map_err(|stop| stop.within(Source::whole(message.text)));
        self.connection.set_deadline(None);
        let plan = match planned? {
            Planned::One(plan) => Some(plan),
            Planned::Empty => None,
            Planned::Many(_) => return Err(unexpected_reply()),
        };
        let is_failed = self.status == vireo_abi::message::execute::TransactionStatus::Failed;
        if is_failed
            && plan
                .as_ref()
                .is_some_and(|plan| plan.info.kind != StatementKind::Transaction)
        {
            let refused = SqlError::new(state::IN_FAILED_SQL_TRANSACTION, "");
            return Err(self.refused(refused).into());
        }
        let prepared = Prepared {
            text: message.text.into(),
            parameter_oids: message.parameter_oids,
            is_named: !message.name.is_empty(),
            plan: RefCell::new(plan),
        };
        self.statements
            .insert(message.name.to_owned(), Rc::new(prepared));
        self.mailbox.write(backend::parse_complete);
        Ok(())
    }

    /// `Bind`.
    pub(crate) async fn bind(&mut self, message: &Bind<'_>) -> Result<(), Stop> {
        let prepared = self.prepared(message.statement)?;
        if !message.portal.is_empty() && self.portals.contains_key(message.portal) {
            let text = format!("cursor \"{}\" already exists", message.portal);
            return Err(SqlError::new(state::DUPLICATE_CURSOR, text).into());
        }
        let plan = prepared.plan.borrow().clone();
        let (types, columns) = match &plan {
            Some(plan) => (&plan.info.parameters[..], plan.info.columns.len()),
            None => (&[][..], 0),
        };
        let (parameters, values) = message.parameters(types)?;
        let formats = message.result_formats(columns)?;
        self.drop_portal(message.portal);
        let portal = Portal {
            prepared,
            plan,
            parameters,
            values,
            formats,
            progress: Progress::Ready,
        };
        self.portals.insert(message.portal.to_owned(), portal);
        self.mailbox.write(backend::bind_complete);
        Ok(())
    }

    /// `Describe` of a prepared statement.
    pub(crate) fn describe_statement(&mut self, name: &str) -> Result<(), Stop> {
        let prepared = self.prepared(name)?;
        let plan = prepared.plan.borrow();
        self.mailbox.write(|out| match &*plan {
            Some(plan) => {
                backend::parameter_description(out, &plan.info.parameters);
                out.extend_from_slice(&plan.description);
            }
            None => {
                backend::parameter_description(out, &[]);
                backend::row_description(out, &[], &[]);
            }
        });
        Ok(())
    }

    /// `Describe` of a portal.
    pub(crate) fn describe_portal(&mut self, name: &str) -> Result<(), Stop> {
        let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
        self.mailbox.write(|out| match &portal.plan {
            Some(plan) if portal.formats.contains(&true) => {
                backend::row_description(out, &plan.info.columns, &portal.formats);
            }
            Some(plan) => out.extend_from_slice(&plan.description),
            None => backend::row_description(out, &[], &[]),
        });
        Ok(())
    }

    /// `Close` of a prepared statement; one that does not exist is closed already.
    pub(crate) fn close_statement(&mut self, name: &str) -> Result<(), Stop> {
        self.statements.remove(name);
        self.mailbox.write(backend::close_complete);
        Ok(())
    }

    /// `Close` of a portal.
    pub(crate) fn close_portal_by_name(&mut self, name: &str) -> Result<(), Stop> {
        self.drop_portal(name);
        self.mailbox.write(backend::close_complete);
        Ok(())
    }

    /// `Execute`.
    pub(crate) async fn execute(&mut self, name: &str, rows_max: u32) -> Result<(), Stop> {
        self.notice_loss()?;
        let mut portal = self
            .portals
            .remove(name)
            .ok_or_else(|| self.missing_portal(name))?;
        let prepared = Rc::clone(&portal.prepared);
        let result = self.execute_portal(name, &mut portal, rows_max).await;
        if result.is_err() {
            portal.progress = Progress::Finished;
        }
        self.portals.insert(name.to_owned(), portal);
        result.map_err(|stop| stop.within(Source::whole(&prepared.text)))
    }

    async fn execute_portal(
        &mut self,
        name: &str,
        portal: &mut Portal,
        rows_max: u32,
    ) -> Result<(), Stop> {
        for _ in 0..STALE_MAX {
            let Some(plan) = portal.plan.clone() else {
                self.mailbox.write(backend::empty_query);
                return Ok(());
            };
            let kind = plan.info.kind;
            // The function may have died while a stale plan was made again.
            self.notice_loss()?;
            if let Some(tag) = self.answer_in_block(kind, &portal.prepared.text)? {
                complete(&self.mailbox, kind, tag.to_owned());
                return Ok(());
            }
            let (resumed, rows_before) = match portal.progress {
                Progress::Ready => (None, 0),
                Progress::Suspended { portal, rows } => (Some(portal), rows),
                Progress::Finished => return self.execute_finished(kind, name),
            };
            // What sends no rows runs to its end.
            let rows_max = if plan.info.columns.is_empty() {
                0
            } else {
                rows_max
            };
            let run = Run {
                plan: &plan,
                parameters: &portal.parameters,
                values: &portal.values,
                formats: &portal.formats,
                portal: resumed,
                rows_max,
                sync: self.connection.sync_follows(),
                in_block: false,
            };
            match self.run(run).await? {
                Outcome::Done(tag) => {
                    portal.progress = Progress::Finished;
                    complete(&self.mailbox, kind, without_rows(tag, rows_before));
                    return Ok(());
                }
                Outcome::Suspended(request) => {
                    let rows = rows_before + u64::from(rows_max);
                    portal.progress = Progress::Suspended {
                        portal: request,
                        rows,
                    };
                    self.mailbox.write(backend::portal_suspended);
                    return Ok(());
                }
                Outcome::Stale => portal.plan = self.plan_again(&portal.prepared, &plan).await?,
            }
        }
        Err(always_stale())
    }

    /// A portal that was run to its end has no more rows; what is no query cannot run again.
    fn execute_finished(&mut self, kind: StatementKind, name: &str) -> Result<(), Stop> {
        if kind != StatementKind::Query {
            let message = format!("portal \"{name}\" cannot be run");
            return Err(SqlError::new(state::OBJECT_NOT_IN_PREREQUISITE_STATE, message).into());
        }
        complete(&self.mailbox, kind, "SELECT 0".to_owned());
        Ok(())
    }

    /// The new plan of a prepared statement whose plan is stale.
    async fn plan_again(
        &mut self,
        prepared: &Rc<Prepared>,
        stale: &Rc<Plan>,
    ) -> Result<Option<Rc<Plan>>, Stop> {
        self.forget_stale(&prepared.text, &prepared.parameter_oids, stale);
        let newest = prepared.plan.borrow().clone();
        let plan = match newest {
            // Another portal has met the same.
            Some(newest) if !Rc::ptr_eq(&newest, stale) => newest,
            _ => {
                let wanted = Wanted {
                    text: &prepared.text,
                    parameter_oids: &prepared.parameter_oids,
                    many: false,
                    will_repeat: prepared.is_named,
                };
                match self.plan(wanted).await? {
                    Planned::One(plan) => plan,
                    Planned::Empty | Planned::Many(_) => return Err(unexpected_reply()),
                }
            }
        };
        let type_of = |plan: &Plan| -> Vec<_> {
            plan.info
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.sql_type))
                .collect()
        };
        if type_of(&plan) != type_of(stale) || plan.info.parameters != stale.info.parameters {
            let message = "cached plan must not change result type";
            return Err(SqlError::new(state::FEATURE_NOT_SUPPORTED, message).into());
        }
        *prepared.plan.borrow_mut() = Some(Rc::clone(&plan));
        Ok(Some(plan))
    }

    fn prepared(&self, name: &str) -> Result<Rc<Prepared>, Stop> {
        let found = self.statements.get(name).map(Rc::clone);
        found.ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            SqlError::new(state::INVALID_SQL_STATEMENT_NAME, message).into()
        })
    }

    /// The error of a portal that does not exist; it may have died with its block.
    fn missing_portal(&mut self, name: &str) -> Stop {
        match self.lost_block {
            Some(_) => self.refused(no_portal(name)).into(),
            None => no_portal(name).into(),
        }
    }
}

fn no_portal(name: &str) -> Box<SqlError> {
    SqlError::new(
        state::INVALID_CURSOR_NAME,
        format!("portal \"{name}\" does not exist"),
    )
}

/// A command tag counts the rows of this Execute, not those that earlier ones sent.
fn without_rows(tag: String, rows: u64) -> String {
    match tag
        .rsplit_once(' ')
        .map(|(command, count)| (command, count.parse::<u64>()))
    {
        Some((command, Ok(count))) if rows > 0 => {
            format!("{command} {}", count.saturating_sub(rows))
        }
        _ => tag,
    }
}
