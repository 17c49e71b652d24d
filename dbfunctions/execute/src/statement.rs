//! One statement: what each kind of plan does.

use crate::analyze;
use crate::bulk::CopyIn;
use crate::portal::{Portal, Rows, Tag};
use crate::session_state::SessionState;
use crate::shared::{Shared, unexpected_reply};
use crate::transaction::Txn;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::datum::Datum;
use vireo_abi::ids::{PlanId, RequestId};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::storage::{StorageReply, StorageRequest};
use vireo_abi::sql_type::Kind;
use vireo_query::ddl;
use vireo_query::dml::{self, Input, InsertTarget, Outcome};
use vireo_query::exec::{self, ExecContext};
use vireo_query::guc::{DEFINITIONS, Settings};
use vireo_query::plan::{Body, Node, Plan, SetScope, TableRef};

/// How a request ended.
pub enum Finished {
    /// With this command tag.
    Tag(String),
    /// The row window is full.
    Suspended(Box<Portal>),
    /// The plan was not made against this catalog.
    Stale(PlanId),
}

/// How a statement's execution ended.
pub enum Done {
    /// With this command tag.
    Tag(String),
    /// With rows to send.
    Rows {
        /// The rows.
        rows: Rows,
        /// What they are evaluated in.
        cx: ExecContext,
        /// The tag for their end.
        tag: Tag,
    },
    /// A row that it read has changed: once more on a newer snapshot.
    Again,
}

/// A statement to execute and all that it may touch.
pub struct Call<'c> {
    /// The plan.
    pub plan: &'c Rc<Plan>,
    /// The transaction.
    pub txn: &'c Rc<Txn>,
    /// The same for operators and expressions.
    pub cx: ExecContext,
    /// The session's settings.
    pub settings: &'c mut Settings,
    /// The instance.
    pub shared: &'c Rc<Shared>,
    /// The session.
    pub state: &'c Rc<SessionState>,
    /// The request.
    pub request: RequestId,
    /// Whether the transaction has, or may have, other statements.
    pub is_in_block: bool,
}

/// Whether the plan was made against the catalog that the transaction sees, as far as its tables go.
pub fn plan_holds(plan: &Plan, txn: &Txn) -> SqlResult<bool> {
    let mut tables = Vec::new();
    tables_of(&plan.body, &mut tables);
    let is_same_catalog = plan.catalog_version == txn.catalog_version();
    for (table, writes) in tables {
        if is_same_catalog && table.version.0 != 0 {
            if writes {
                txn.note_write(table);
            }
        } else if !txn.rely_on(table, writes)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The tables of a statement, and whether it writes their rows.
fn tables_of<'p>(body: &'p Body, out: &mut Vec<(&'p TableRef, bool)>) {
    match body {
        Body::Query(node) | Body::CopyTo { input: node, .. } => tables_of_node(node, out),
        Body::Insert { table, input, .. }
        | Body::Update { table, input, .. }
        | Body::Delete { table, input, .. } => {
            out.push((table, true));
            tables_of_node(input, out);
        }
        Body::CopyFrom { table, .. } => out.push((table, true)),
        Body::DropTable { tables, .. }
        | Body::Truncate { tables }
        | Body::Vacuum { tables, .. }
        | Body::Analyze { tables } => out.extend(tables.iter().map(|table| (table, false))),
        Body::AddConstraint { table, .. } => out.push((table, false)),
        Body::Explain { body, .. } => tables_of(body, out),
        Body::CreateTable { .. }
        | Body::Transaction(_)
        | Body::Set { .. }
        | Body::Show { .. }
        | Body::ResetAll { .. }
        | Body::Checkpoint => {}
    }
}

fn tables_of_node<'p>(node: &'p Node, out: &mut Vec<(&'p TableRef, bool)>) {
    out.extend(node.table().map(|table| (table, false)));
    node.inputs().for_each(|input| tables_of_node(input, out));
}

/// Executes a statement that is not transaction control.
///
/// # Errors
/// Whatever the statement fails with.
pub async fn execute(call: Call<'_>) -> SqlResult<Done> {
    let plan = call.plan.clone();
    match &plan.body {
        Body::Query(node) => Ok(Done::Rows {
            rows: Rows::Operator(exec::build(node)?),
            cx: call.cx,
            tag: Tag::Counted("SELECT"),
        }),
        Body::CopyTo { input, .. } => Ok(Done::Rows {
            rows: Rows::Operator(exec::build(input)?),
            cx: call.cx,
            tag: Tag::Counted("COPY"),
        }),
        Body::Insert { .. } | Body::Update { .. } | Body::Delete { .. } => {
            modify(call, &plan.body).await
        }
        Body::CopyFrom { .. } => copy_from(call, &plan.body).await,
        Body::Explain { explain, body } => {
            refuse_read_only(&call, body)?;
            let stopwatch = call.shared.stopwatch();
            let Some(lines) = analyze::explain(explain, body, &call.cx, stopwatch).await? else {
                return Ok(Done::Again);
            };
            let rows = lines.into_iter().map(|line| vec![line]);
            Ok(text_rows(rows, 1, call.cx, "EXPLAIN"))
        }
        Body::Show { name } => show(call, name),
        body => utility(call, body).await,
    }
}

async fn modify(call: Call<'_>, body: &Body) -> SqlResult<Done> {
    refuse_read_only(&call, body)?;
    let (outcome, word) = match modified(body) {
        Some(input) => change(body, Input::new(input)?, &call.cx).await?,
        None => return Err(unexpected_body()),
    };
    let Outcome::Done { rows, returned } = outcome else {
        return Ok(Done::Again);
    };
    let tag = format!("{word} {rows}");
    if !returns(body) {
        return Ok(Done::Tag(tag));
    }
    Ok(Done::Rows {
        rows: Rows::Buffered(returned.into_iter().collect()),
        cx: call.cx,
        tag: Tag::Fixed(tag),
    })
}

/// The rows that a statement that modifies rows works on.
pub(crate) fn modified(body: &Body) -> Option<&Node> {
    match body {
        Body::Insert { input, .. } | Body::Update { input, .. } | Body::Delete { input, .. } => {
            Some(input)
        }
        _ => None,
    }
}

/// Whether a statement that modifies rows returns rows.
fn returns(body: &Body) -> bool {
    match body {
        Body::Insert { returning, .. }
        | Body::Update { returning, .. }
        | Body::Delete { returning, .. } => !returning.is_empty(),
        _ => false,
    }
}

/// INSERT, UPDATE or DELETE of these rows, and the command tag's first words.
pub(crate) async fn change(
    body: &Body,
    rows: Input<'_>,
    cx: &ExecContext,
) -> SqlResult<(Outcome, &'static str)> {
    match body {
        Body::Insert {
            table,
            column_names,
            not_null,
            indexes,
            returning,
            ..
        } => {
            let target = InsertTarget {
                table,
                column_names,
                not_null,
                indexes,
            };
            Ok((dml::insert(target, rows, returning, cx).await?, "INSERT 0"))
        }
        Body::Update {
            table,
            column_names,
            not_null,
            indexes,
            assignments,
            returning,
            ..
        } => {
            let target = InsertTarget {
                table,
                column_names,
                not_null,
                indexes,
            };
            let outcome = dml::update(target, rows, assignments, returning, cx).await?;
            Ok((outcome, "UPDATE"))
        }
        Body::Delete {
            table,
            indexes,
            returning,
            ..
        } => {
            let outcome = dml::delete(table, indexes, rows, returning, cx).await?;
            Ok((outcome, "DELETE"))
        }
        _ => Err(unexpected_body()),
    }
}

async fn copy_from(call: Call<'_>, body: &Body) -> SqlResult<Done> {
    let Body::CopyFrom {
        table,
        column_names,
        not_null,
        indexes,
        columns,
        defaults,
        options,
    } = body
    else {
        unreachable!("only COPY FROM comes here")
    };
    refuse_read_only(&call, body)?;
    let target = InsertTarget {
        table,
        column_names,
        not_null,
        indexes,
    };
    let copy = CopyIn {
        target,
        columns,
        defaults,
        options,
    };
    let rows = copy
        .run(call.shared, call.state, call.request, &call.cx)
        .await?;
    Ok(Done::Tag(format!("COPY {rows}")))
}

fn refuse_read_only(call: &Call<'_>, body: &Body) -> SqlResult<()> {
    if !call.txn.is_read_only() {
        return Ok(());
    }
    let word = match body {
        Body::Insert { .. } => "INSERT",
        Body::Update { .. } => "UPDATE",
        Body::Delete { .. } => "DELETE",
        Body::CopyFrom { .. } => "COPY FROM",
        Body::CreateTable { .. } => "CREATE TABLE",
        Body::DropTable { .. } => "DROP TABLE",
        Body::Truncate { .. } => "TRUNCATE TABLE",
        Body::AddConstraint { .. } => "ALTER TABLE",
        _ => return Ok(()),
    };
    Err(SqlError::new(
        state::READ_ONLY_SQL_TRANSACTION,
        format!("cannot execute {word} in a read-only transaction"),
    ))
}

async fn utility(call: Call<'_>, body: &Body) -> SqlResult<Done> {
    let cx = &call.cx;
    refuse_read_only(&call, body)?;
    let tag = match body {
        Body::CreateTable {
            schema,
            name,
            if_not_exists,
            columns,
            constraints,
        } => {
            ddl::create_table(schema, name, *if_not_exists, columns, constraints, cx).await?;
            "CREATE TABLE"
        }
        Body::DropTable { tables, missing } => {
            ddl::drop_tables(tables, missing, cx).await?;
            "DROP TABLE"
        }
        Body::Truncate { tables } => {
            ddl::truncate(tables, cx).await?;
            "TRUNCATE TABLE"
        }
        Body::AddConstraint { table, constraint } => {
            ddl::add_constraint(table, constraint, cx).await?;
            "ALTER TABLE"
        }
        Body::Set { name, value, scope } => {
            set(call.settings, call.txn, name, value.as_deref(), *scope)?;
            if value.is_some() { "SET" } else { "RESET" }
        }
        Body::ResetAll { is_discard } => {
            if *is_discard && call.is_in_block {
                return Err(in_block("DISCARD ALL"));
            }
            call.settings.reset_all()?;
            if *is_discard { "DISCARD ALL" } else { "RESET" }
        }
        Body::Vacuum { tables, analyze } => {
            if call.is_in_block {
                return Err(in_block("VACUUM"));
            }
            if *analyze {
                ddl::analyze(tables, cx).await?;
            }
            "VACUUM"
        }
        Body::Analyze { tables } => {
            ddl::analyze(tables, cx).await?;
            "ANALYZE"
        }
        Body::Checkpoint => {
            checkpoint(call.shared).await?;
            "CHECKPOINT"
        }
        _ => {
            return Err(unexpected_body());
        }
    };
    Ok(Done::Tag(tag.to_string()))
}

fn set(
    settings: &mut Settings,
    txn: &Txn,
    name: &str,
    value: Option<&str>,
    scope: SetScope,
) -> SqlResult<()> {
    settings.set(name, value, scope)?;
    if name.eq_ignore_ascii_case("transaction_read_only") {
        txn.set_read_only(settings.is_on("transaction_read_only"));
    }
    // Any other SET of it is a command of the transaction.
    if name.eq_ignore_ascii_case("transaction_isolation") {
        return Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "SET or RESET of transaction_isolation to its default is not supported",
        ));
    }
    Ok(())
}

pub(crate) fn unexpected_body() -> Box<SqlError> {
    SqlError::new(state::INTERNAL_ERROR, "malformed plan: unexpected body")
}

fn in_block(what: &str) -> Box<SqlError> {
    SqlError::new(
        state::ACTIVE_SQL_TRANSACTION,
        format!("{what} cannot run inside a transaction block"),
    )
}

async fn checkpoint(shared: &Shared) -> SqlResult<()> {
    let asked = shared.ask_storage(|request| StorageRequest::Checkpoint { request }, Vec::new())?;
    match asked.reply().await? {
        StorageReply::Checkpointed { .. } => Ok(()),
        other => Err(unexpected_reply(&other)),
    }
}

fn show(call: Call<'_>, name: &str) -> SqlResult<Done> {
    if !name.eq_ignore_ascii_case("all") {
        let value = call.settings.show(name)?;
        return Ok(text_rows(core::iter::once(vec![value]), 1, call.cx, "SHOW"));
    }
    let rows: Vec<Vec<String>> = DEFINITIONS
        .iter()
        .map(|d| {
            vec![
                d.name.to_string(),
                call.settings.get(d.name).to_string(),
                d.description.to_string(),
            ]
        })
        .collect();
    Ok(text_rows(rows.into_iter(), 3, call.cx, "SHOW"))
}

/// Rows of text.
fn text_rows(
    rows: impl Iterator<Item = Vec<String>>,
    columns: usize,
    cx: ExecContext,
    tag: &str,
) -> Done {
    let mut vectors: Vec<Vector> = (0..columns)
        .map(|_| Vector::with_capacity(Kind::Bytes, 1))
        .collect();
    let mut count = 0;
    for row in rows {
        for (vector, value) in vectors.iter_mut().zip(row) {
            vector.push(&Datum::Bytes(value.into_bytes()));
        }
        count += 1;
    }
    let chunk = Chunk::new(vectors, count);
    Done::Rows {
        rows: Rows::Buffered(VecDeque::from([chunk])),
        cx,
        tag: Tag::Fixed(tag.to_string()),
    }
}
