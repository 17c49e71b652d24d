//! A session on an embedded database: blocking calls.

use crate::blocking::wait;
use crate::error::Error;
use crate::rows::{ResultSet, Rows};
use std::io::Read;
use tokio::io::DuplexStream;
use vireo_client::Event;

/// Bytes of COPY data sent in one message.
const COPY_BYTES: usize = 64 << 10;

/// A session. Its calls block the thread; threads that want to work side by side take a session each.
pub struct Connection {
    inner: vireo_client::Connection<DuplexStream>,
    status: u8,
}

impl Connection {
    pub(crate) fn open(stream: DuplexStream) -> Result<Connection, Error> {
        let inner = wait(vireo_client::Connection::open(
            stream, "postgres", "postgres",
        ))?;
        Ok(Connection {
            inner,
            status: b'I',
        })
    }

    /// Runs the statements of a text and gives what each returned.
    ///
    /// # Errors
    /// [`Error::Statement`] with the first statement that failed; those after it were not run.
    pub fn execute(&mut self, sql: &str) -> Result<Vec<ResultSet>, Error> {
        self.run(sql, &mut std::io::empty())
    }

    /// Runs a statement that returns rows. Of several in the text, the last such.
    ///
    /// # Errors
    /// As [`Connection::execute`]; [`Error::NoRows`].
    pub fn query(&mut self, sql: &str) -> Result<Rows, Error> {
        let results = self.execute(sql)?;
        let rows = results.into_iter().rev().find_map(|result| result.rows);
        rows.ok_or(Error::NoRows)
    }

    /// Runs a `COPY … FROM STDIN` with this data, and gives the number of rows.
    ///
    /// # Errors
    /// As [`Connection::execute`]; [`Error::CopyData`] when the data cannot be read: no row is copied then.
    pub fn copy_in(&mut self, sql: &str, mut data: impl Read) -> Result<u64, Error> {
        let results = self.run(sql, &mut data)?;
        Ok(results.last().map_or(0, ResultSet::row_count))
    }

    /// Whether a transaction block is open, failed or not.
    pub fn is_in_transaction(&self) -> bool {
        self.status != b'I'
    }

    /// The session's process number and the secret with which a CancelRequest ends its statement.
    pub fn process(&self) -> (i32, i32) {
        self.inner.process()
    }

    /// Ends the session. Dropping it does the same without saying so.
    ///
    /// # Errors
    /// If the session was lost before.
    pub fn close(self) -> Result<(), Error> {
        Ok(wait(self.inner.close())?)
    }

    fn run(&mut self, sql: &str, data: &mut dyn Read) -> Result<Vec<ResultSet>, Error> {
        wait(self.inner.query(sql))?;
        let mut results = Vec::new();
        let mut rows = None;
        let mut failure = None;
        loop {
            match wait(self.inner.next())? {
                Event::Columns(columns) => {
                    rows = Some(Rows {
                        type_oids: columns.iter().map(|column| column.type_oid).collect(),
                        columns: columns.into_iter().map(|column| column.name).collect(),
                        rows: Vec::new(),
                    });
                }
                Event::Row(values) => rows.get_or_insert_with(Rows::default).rows.push(values),
                Event::Complete(tag) => results.push(ResultSet {
                    tag,
                    rows: rows.take(),
                }),
                Event::Failed(error) => {
                    failure.get_or_insert(Error::Statement(Box::new(error)));
                }
                Event::CopyIn => {
                    if let Err(source) = self.send_copy(data)? {
                        wait(self.inner.copy_fail(&source.to_string()))?;
                        failure = Some(Error::CopyData { source });
                    }
                }
                Event::CopyData(bytes) => {
                    let rows = rows.get_or_insert_with(Rows::default);
                    rows.rows.push(vec![Some(bytes)]);
                }
                Event::Ready(status) => {
                    self.status = status;
                    return failure.map_or(Ok(results), Err);
                }
                Event::Empty | Event::Notice(_) | Event::CopyOut => {}
            }
        }
    }

    /// Sends all of the data. The inner error is the data's: the COPY has to be given up.
    fn send_copy(&mut self, data: &mut dyn Read) -> Result<Result<(), std::io::Error>, Error> {
        let mut piece = vec![0; COPY_BYTES];
        loop {
            match data.read(&mut piece) {
                Ok(0) => {
                    wait(self.inner.copy_done())?;
                    return Ok(Ok(()));
                }
                Ok(count) => wait(self.inner.copy_data(&piece[..count]))?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("process", &self.inner.process().0)
            .field("status", &char::from(self.status))
            .finish_non_exhaustive()
    }
}
