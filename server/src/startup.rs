//! From a connection to a session: encryption requests, cancel requests, the startup packet, and
//! who may come in.
//!
//! ```text
//!  SSLRequest, GSSENCRequest ──> 'N', again
//!  CancelRequest ──> passed on, closed
//!  StartupMessage ──> parameters, rights ──> AuthenticationOk, ParameterStatus, BackendKeyData
//! ```
//!
//! Until authentication comes, those on this machine are trusted and nobody else is let in.

use crate::connection::Connection;
use crate::mailbox::Mailbox;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::stop::End;
use crate::wire::backend;
use crate::wire::reader::Reader;
use bytes::BufMut;
use vireo_abi::message::error::{Severity, SqlError, SqlResult, state};

const SSL_REQUEST: i32 = 1234 << 16 | 5679;
const GSS_REQUEST: i32 = 1234 << 16 | 5680;
const CANCEL_REQUEST: i32 = 1234 << 16 | 5678;

/// The one role and database there is until there is SQL for more.
const POSTGRES: &str = "postgres";

/// Who came in.
#[derive(Debug)]
pub struct Client {
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The settings given.
    pub settings: Settings,
}

/// Brings a connection to where a session can begin. None: it asked for something else, and got it.
pub async fn startup(
    connection: &mut Connection,
    mailbox: &Mailbox,
    shared: &Shared,
) -> Result<Option<Client>, End> {
    loop {
        let packet = connection.startup_packet().await?;
        let mut reader = Reader::new(&packet);
        let version = reader.i32().map_err(End::Fatal)?;
        match version {
            SSL_REQUEST | GSS_REQUEST => {
                if connection.has_input() {
                    // What follows the request in the clear would be taken for encrypted.
                    let message = "received unencrypted data after SSL request";
                    return Err(End::Fatal(fatal(state::PROTOCOL_VIOLATION, message)));
                }
                mailbox.write(|out| out.put_u8(b'N'));
            }
            CANCEL_REQUEST => {
                let (process, secret) = cancel_key(&mut reader).map_err(End::Fatal)?;
                shared.cancel(process, secret).await;
                return Ok(None);
            }
            _ => {
                let client = session(version, reader, connection, mailbox).map_err(End::Fatal)?;
                return Ok(Some(client));
            }
        }
    }
}

fn cancel_key(reader: &mut Reader<'_>) -> SqlResult<(i32, i32)> {
    Ok((reader.i32()?, reader.i32()?))
}

/// Reads a StartupMessage, and lets its sender in or not.
fn session(
    version: i32,
    mut reader: Reader<'_>,
    connection: &Connection,
    mailbox: &Mailbox,
) -> SqlResult<Client> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != 3 {
        let message =
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
        return Err(fatal(state::FEATURE_NOT_SUPPORTED, message));
    }
    let mut parameters = Vec::new();
    let mut protocol_options = Vec::new();
    let (mut user, mut database) = (String::new(), String::new());
    loop {
        let name = reader.string()?;
        if name.is_empty() {
            break;
        }
        let value = reader.string()?;
        match name {
            "user" => user = value.to_owned(),
            "database" => database = value.to_owned(),
            _ if name.starts_with("_pq_.") => protocol_options.push(name.to_owned()),
            _ => parameters.push((name.to_owned(), value.to_owned())),
        }
    }
    if !reader.is_empty() {
        let message = "invalid startup packet layout: expected terminator as last byte";
        return Err(fatal(state::PROTOCOL_VIOLATION, message));
    }
    if minor > 0 || !protocol_options.is_empty() {
        mailbox.write(|out| backend::negotiate_version(out, protocol_options));
    }
    if user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(fatal(b"28000", message));
    }
    if database.is_empty() {
        database.clone_from(&user);
    }
    admit(&user, &database, connection)?;
    let settings = Settings::from_startup(&user, &parameters)?;
    Ok(Client {
        user,
        database,
        settings,
    })
}

/// Whether somebody may come in.
fn admit(user: &str, database: &str, connection: &Connection) -> SqlResult<()> {
    if let Some(peer) = connection.peer()
        && !peer.is_loopback()
    {
        let message = format!(
            "no authentication is set up for host \"{peer}\", user \"{user}\", database \"{database}\""
        );
        return Err(fatal(b"28000", message));
    }
    if user != POSTGRES {
        return Err(fatal(b"28000", format!("role \"{user}\" does not exist")));
    }
    if database != POSTGRES {
        let message = format!("database \"{database}\" does not exist");
        return Err(fatal(state::INVALID_CATALOG_NAME, message));
    }
    Ok(())
}

/// What a client is told when it is in.
pub fn welcome(mailbox: &Mailbox, settings: &Settings, process: i32, secret: i32) {
    mailbox.write(|out| {
        backend::authentication_ok(out);
        for (name, value) in settings.reported() {
            backend::parameter_status(out, name, value);
        }
        backend::backend_key(out, process, secret);
    });
}

/// An error that ends the session.
pub fn fatal(state: &[u8; 5], message: impl Into<String>) -> Box<SqlError> {
    let mut error = SqlError::new(state, message);
    error.severity = Severity::Fatal;
    error
}
