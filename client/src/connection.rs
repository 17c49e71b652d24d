//! The client's side of the PostgreSQL protocol: simple queries and COPY, event by event.

use crate::{Error, ServerError};
use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A result column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// Name.
    pub name: String,
    /// The type's OID.
    pub type_oid: u32,
}

/// What the server answers, in order; a query's answers end with [`Event::Ready`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Rows with these columns follow.
    Columns(Vec<Column>),
    /// A row of text values.
    Row(Vec<Option<Bytes>>),
    /// A statement is done.
    Complete(String),
    /// The text held no statement.
    Empty,
    /// Something worth knowing.
    Notice(ServerError),
    /// The statement failed.
    Failed(ServerError),
    /// The server waits for COPY data.
    CopyIn,
    /// COPY data follows.
    CopyOut,
    /// A piece of COPY data.
    CopyData(Bytes),
    /// The server waits for the next query. `I`dle, in a `T`ransaction block, or in a failed one (`E`).
    Ready(u8),
}

/// A connection over any byte stream.
pub struct Connection<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    parameters: BTreeMap<String, String>,
    process: (i32, i32),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Opens a session over `stream`.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's words, [`Error::Io`], [`Error::Authentication`].
    pub async fn open(stream: S, user: &str, database: &str) -> Result<Connection<S>, Error> {
        let mut connection = Connection {
            stream,
            input: BytesMut::with_capacity(16 << 10),
            output: BytesMut::new(),
            parameters: BTreeMap::new(),
            process: (0, 0),
        };
        let parameters = [
            ("user", user),
            ("database", database),
            ("application_name", "vireo"),
        ];
        frontend::startup_message(parameters, &mut connection.output)?;
        connection.flush().await?;
        loop {
            match connection.message().await? {
                Message::AuthenticationOk => {}
                Message::ParameterStatus(status) => {
                    let (name, value) = (status.name()?.to_string(), status.value()?.to_string());
                    connection.parameters.insert(name, value);
                }
                Message::BackendKeyData(key) => {
                    connection.process = (key.process_id(), key.secret_key());
                }
                Message::NoticeResponse(_) => {}
                Message::ErrorResponse(body) => {
                    return Err(Error::Refused(Box::new(ServerError::read(body.fields())?)));
                }
                Message::ReadyForQuery(_) => return Ok(connection),
                Message::AuthenticationCleartextPassword
                | Message::AuthenticationMd5Password(_)
                | Message::AuthenticationSasl(_) => return Err(Error::Authentication),
                _ => {
                    return Err(Error::Protocol {
                        what: "during startup".into(),
                    });
                }
            }
        }
    }

    /// A parameter that the server reported: `server_version`, `TimeZone`, ….
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The server's process number and the secret for canceling.
    pub fn process(&self) -> (i32, i32) {
        self.process
    }

    /// Sends a query; its answers come from [`Connection::next`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn query(&mut self, sql: &str) -> Result<(), Error> {
        frontend::query(sql, &mut self.output)?;
        self.flush().await
    }

    /// The next answer.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection is lost.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            return Ok(match self.message().await? {
                Message::RowDescription(body) => Event::Columns(
                    body.fields()
                        .map(|f| {
                            Ok(Column {
                                name: f.name().to_string(),
                                type_oid: f.type_oid(),
                            })
                        })
                        .collect()?,
                ),
                Message::DataRow(body) => {
                    let buffer = body.buffer_bytes().clone();
                    let values = body
                        .ranges()
                        .map(|range| Ok(range.map(|r| buffer.slice(r))));
                    Event::Row(values.collect()?)
                }
                Message::CommandComplete(body) => Event::Complete(body.tag()?.to_string()),
                Message::EmptyQueryResponse => Event::Empty,
                Message::NoticeResponse(body) => Event::Notice(ServerError::read(body.fields())?),
                Message::ErrorResponse(body) => Event::Failed(ServerError::read(body.fields())?),
                Message::CopyInResponse(_) => Event::CopyIn,
                Message::CopyOutResponse(_) => Event::CopyOut,
                Message::CopyData(body) => Event::CopyData(body.into_bytes()),
                Message::CopyDone => continue,
                Message::ReadyForQuery(body) => Event::Ready(body.status()),
                Message::ParameterStatus(status) => {
                    let (name, value) = (status.name()?.to_string(), status.value()?.to_string());
                    self.parameters.insert(name, value);
                    continue;
                }
                _ => {
                    return Err(Error::Protocol {
                        what: "in the answers of a query".into(),
                    });
                }
            });
        }
    }

    /// Sends COPY data.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn copy_data(&mut self, data: &[u8]) -> Result<(), Error> {
        frontend::CopyData::new(data)?.write(&mut self.output);
        self.flush().await
    }

    /// Ends COPY data.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn copy_done(&mut self) -> Result<(), Error> {
        frontend::copy_done(&mut self.output);
        self.flush().await
    }

    /// Gives a COPY up.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn copy_fail(&mut self, why: &str) -> Result<(), Error> {
        frontend::copy_fail(why, &mut self.output)?;
        self.flush().await
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn close(mut self) -> Result<(), Error> {
        frontend::terminate(&mut self.output);
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.stream.write_all(&self.output).await?;
        self.stream.flush().await?;
        self.output.clear();
        Ok(())
    }

    async fn message(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = Message::parse(&mut self.input)? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(Error::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}
