//! Messages to the client.

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, ReadyForQuery};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion};
use pgwire::messages::startup::{ParameterStatus, SecretKey};
use vireo_abi::message::execute::TransactionStatus;
use vireo_abi::message::parse::ColumnInfo;
use vireo_abi::sql_type::SqlType;

use super::frontend::format_of;

/// Appends a message. One that the protocol cannot hold is left out and logged.
pub fn put<M: Message>(out: &mut BytesMut, message: &M) {
    let before = out.len();
    if let Err(error) = message.encode(out) {
        out.truncate(before);
        tracing::error!(%error, "a message to the client could not be encoded");
    }
}

/// `AuthenticationOk`.
pub fn authentication_ok(out: &mut BytesMut) {
    put(out, &Authentication::Ok);
}

/// `BackendKeyData`: what a `CancelRequest` must name.
pub fn backend_key(out: &mut BytesMut, process: i32, secret: i32) {
    put(out, &BackendKeyData::new(process, SecretKey::I32(secret)));
}

/// `NegotiateProtocolVersion`: 3.0 is the newest, and these options are not known.
pub fn negotiate_version(out: &mut BytesMut, options: Vec<String>) {
    put(out, &NegotiateProtocolVersion::new(3 << 16, options));
}

/// `ParameterStatus`.
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    put(
        out,
        &ParameterStatus::new(name.to_owned(), value.to_owned()),
    );
}

/// `ReadyForQuery`.
pub fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    use pgwire::messages::response::TransactionStatus as Wire;
    let status = match status {
        TransactionStatus::Idle => Wire::Idle,
        TransactionStatus::InBlock => Wire::Transaction,
        TransactionStatus::Failed => Wire::Error,
    };
    put(out, &ReadyForQuery::new(status));
}

/// `CommandComplete`.
pub fn command_complete(out: &mut BytesMut, tag: String) {
    put(out, &CommandComplete::new(tag));
}

/// `EmptyQueryResponse`.
pub fn empty_query(out: &mut BytesMut) {
    put(out, &EmptyQueryResponse::new());
}

/// `ParseComplete`.
pub fn parse_complete(out: &mut BytesMut) {
    put(out, &ParseComplete::new());
}

/// `BindComplete`.
pub fn bind_complete(out: &mut BytesMut) {
    put(out, &BindComplete::new());
}

/// `CloseComplete`.
pub fn close_complete(out: &mut BytesMut) {
    put(out, &CloseComplete::new());
}

/// `PortalSuspended`.
pub fn portal_suspended(out: &mut BytesMut) {
    put(out, &PortalSuspended::new());
}

/// `ParameterDescription`.
pub fn parameter_description(out: &mut BytesMut, parameters: &[SqlType]) {
    let oids = parameters
        .iter()
        .map(|parameter| parameter.id.oid())
        .collect();
    put(out, &ParameterDescription::new(oids));
}

/// `RowDescription`, or `NoData` where there are no columns.
pub fn row_description(out: &mut BytesMut, columns: &[ColumnInfo], formats: &[bool]) {
    if columns.is_empty() {
        return put(out, &NoData::new());
    }
    let field = |(index, column): (usize, &ColumnInfo)| {
        FieldDescription::new(
            column.name.clone(),
            // The protocol's field is an oid: the same bits.
            column.table_oid.cast_signed(),
            column.attribute,
            column.sql_type.id.oid(),
            column.sql_type.id.typlen(),
            column.sql_type.typmod,
            i16::from(format_of(formats, index)),
        )
    };
    put(
        out,
        &RowDescription::new(columns.iter().enumerate().map(field).collect()),
    );
}

/// `CopyInResponse`: text format.
pub fn copy_in(out: &mut BytesMut, columns: u16) {
    put(
        out,
        &CopyInResponse::new(0, columns.cast_signed(), vec![0; usize::from(columns)]),
    );
}

/// `CopyOutResponse`: text format.
pub fn copy_out(out: &mut BytesMut, columns: u16) {
    put(
        out,
        &CopyOutResponse::new(0, columns.cast_signed(), vec![0; usize::from(columns)]),
    );
}

/// `CopyDone`.
pub fn copy_done(out: &mut BytesMut) {
    put(out, &CopyDone::new());
}
