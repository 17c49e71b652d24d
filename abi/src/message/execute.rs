//! Gateway → execute: plans and parameters in, rows in the client's wire format out.
//!
//! The life of a session at an instance: `OpenSession`, then any number of `Run`s (each answered by
//! rows and then exactly one of `Done`, `Failed`, `Suspended`), then `CloseSession`. A session has at
//! most one request in flight. Several `Run`s without `sync` form PostgreSQL's implicit
//! transaction, which the `sync` of the last, or a `Sync`, ends.

#![allow(missing_docs)] // rkyv's generated resolvers of enum variants have no documentation

use super::error::SqlError;
use super::parse::CatalogChange;
use crate::ids::{PlanId, RequestId, SessionId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};

/// One parameter: a slice of the message's body in the client's format.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct Parameter {
    /// Bytes of the value, which follow those of the parameter before; -1 is NULL.
    pub length: i32,
    /// Whether the value is in the binary format; else text.
    pub is_binary: bool,
}

/// A request to execute.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum ExecuteRequest {
    /// A session begins here. Not answered.
    OpenSession {
        /// The session.
        session: SessionId,
        /// Its user.
        user: String,
        /// Its database.
        database: String,
        /// Settings from the startup packet, or those in force when the session moved here.
        settings: Vec<(String, String)>,
    },
    /// A session ends; what it had begun is rolled back. Not answered.
    CloseSession {
        /// The session.
        session: SessionId,
    },
    /// A plan (the body) under a number. Not answered; a malformed plan fails the `Run`s that name it.
    InstallPlan {
        /// The number.
        plan: PlanId,
    },
    /// A plan is not needed any more. Not answered.
    DropPlan {
        /// The number.
        plan: PlanId,
    },
    /// Run a plan. The body is the parameters' bytes.
    Run {
        /// The session.
        session: SessionId,
        /// Echoed in every reply.
        request: RequestId,
        /// The plan.
        plan: PlanId,
        /// The parameters.
        parameters: Vec<Parameter>,
        /// For each result column whether it goes out binary: none for all text, one for all
        /// alike, or one each.
        binary_results: Vec<bool>,
        /// Stop after this many rows and keep the portal; 0 for all. The gateway bounds what it
        /// must hold for a slow client this way, so it counts for COPY TO STDOUT too.
        max_rows: u32,
        /// Whether to end the implicit transaction with this statement. `Suspended` does not end the
        /// statement, so it does not end the transaction: the last `Resume` or a `Sync` does.
        sync: bool,
        /// Whether the statement is one of several in a simple query: they share an implicit
        /// transaction block.
        in_block: bool,
    },
    /// Go on with the suspended portal that `Run` with this request number left.
    Resume {
        /// The session.
        session: SessionId,
        /// A new number, echoed in every reply; the portal is known by it from now on.
        request: RequestId,
        /// The request that the portal was known by.
        portal: RequestId,
        /// Stop after this many rows; 0 for all.
        max_rows: u32,
        /// Whether to end the implicit transaction with this.
        sync: bool,
    },
    /// Forget a suspended portal. Not answered.
    ClosePortal {
        /// The session.
        session: SessionId,
        /// The request that the portal is known by.
        portal: RequestId,
    },
    /// End the implicit transaction: commit it, or roll it back when `failed`. Answered by `Done` with an empty tag.
    Sync {
        /// The session.
        session: SessionId,
        /// Echoed.
        request: RequestId,
        /// Whether a statement before it failed at the gateway.
        failed: bool,
    },
    /// Wait until storage has opened the database. Answered by `Done` with an empty tag, or by `Failed` with what
    /// storage could not open it for.
    AwaitStorage {
        /// The session.
        session: SessionId,
        /// Echoed.
        request: RequestId,
    },
    /// A piece (the body) of what COPY FROM STDIN reads. Not answered.
    CopyData {
        /// The session.
        session: SessionId,
    },
    /// The end of COPY data.
    CopyDone {
        /// The session.
        session: SessionId,
    },
    /// The client gave up on a COPY.
    CopyFail {
        /// The session.
        session: SessionId,
        /// The client's words.
        message: String,
    },
    /// Cancel what the session is doing, if it still is `request`. Not answered: the request is.
    Cancel {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// The error that the statement is to end with.
        error: Box<SqlError>,
    },
}

/// The transaction status that `ReadyForQuery` tells.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum TransactionStatus {
    /// Not in a transaction block.
    Idle = b'I',
    /// In one.
    InBlock = b'T',
    /// In one that failed.
    Failed = b'E',
}

/// A reply of execute.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum ExecuteReply {
    /// Rows: the body is whole `DataRow` messages (or `CopyData` messages) as the client expects them.
    Rows {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
    },
    /// The statement is done.
    Done {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// PostgreSQL's command tag: "INSERT 0 1". It counts the rows of the whole portal, those before
        /// a `Resume` included.
        tag: String,
        /// The transaction's status now.
        status: TransactionStatus,
        /// Settings that changed and their new values (also by rollback). The gateway keeps them
        /// for a move and tells the client of those that PostgreSQL reports.
        settings: Vec<(String, String)>,
        /// The whole of the session's uncommitted catalog changes, where they differ from what was said
        /// last; sorted by key.
        catalog_changes: Option<Vec<CatalogChange>>,
    },
    /// `max_rows` were sent and there are more.
    Suspended {
        /// The session.
        session: SessionId,
        /// The request, by which the portal is known.
        request: RequestId,
    },
    /// COPY FROM STDIN is ready for data.
    CopyIn {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// Columns.
        columns: u16,
    },
    /// COPY TO STDOUT begins; `Rows` with `CopyData` messages follow.
    CopyOut {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// Columns.
        columns: u16,
    },
    /// A notice or warning; the statement goes on.
    Notice {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// What to say.
        notice: Box<SqlError>,
    },
    /// The statement failed.
    Failed {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// Why.
        error: Box<SqlError>,
        /// The transaction's status now.
        status: TransactionStatus,
        /// As in `Done`: a rollback may have changed settings back.
        settings: Vec<(String, String)>,
        /// As in `Done`.
        catalog_changes: Option<Vec<CatalogChange>>,
    },
    /// Nothing was run: the plan is unknown here, or was made against another catalog than
    /// `catalog_version`. The gateway plans again and installs.
    StalePlan {
        /// The session.
        session: SessionId,
        /// The request.
        request: RequestId,
        /// The plan.
        plan: PlanId,
        /// The catalog's version in this session's snapshot.
        catalog_version: u64,
    },
}
