//! COPY FROM STDIN, and which statements may hand writes to storage before they end.

use crate::session_state::{Mail, SessionState};
use crate::shared::{ReplyTo, Shared};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::ids::RequestId;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::execute::ExecuteReply;
use vireo_abi::sql_type::SqlType;
use vireo_query::copy::{CopyReader, CopyTarget};
use vireo_query::dml::{InsertTarget, Inserter};
use vireo_query::exec::{self, ExecContext};
use vireo_query::plan::{Body, CopyOptions, Expr};

/// Whether a statement's writes may go to storage before it ends: it scans nothing that it writes.
pub fn may_stage(body: &Body) -> bool {
    matches!(
        body,
        Body::CopyFrom { .. } | Body::Insert { .. } | Body::AddConstraint { .. }
    )
}

/// A COPY FROM STDIN.
pub struct CopyIn<'p> {
    /// Into what.
    pub target: InsertTarget<'p>,
    /// The data's columns, as positions in the table.
    pub columns: &'p [u16],
    /// The other columns' values.
    pub defaults: &'p [(u16, Expr)],
    /// The format.
    pub options: &'p CopyOptions,
}

impl CopyIn<'_> {
    /// Asks the client for data and inserts it; gives the number of rows.
    ///
    /// # Errors
    /// A malformed line's, a constraint's, 57014 when the client gives up.
    pub async fn run(
        &self,
        shared: &Shared,
        session: &SessionState,
        request: RequestId,
        cx: &ExecContext,
    ) -> SqlResult<u64> {
        let types = &self.target.table.columns;
        let out_of_range = |c: &u16| usize::from(*c) >= types.len();
        if self
            .columns
            .iter()
            .chain(self.defaults.iter().map(|(c, _)| c))
            .any(out_of_range)
            || self.target.column_names.len() != types.len()
        {
            return Err(SqlError::new(
                state::INTERNAL_ERROR,
                "malformed plan: no such column",
            ));
        }
        let names: Vec<String> = self
            .columns
            .iter()
            .map(|&c| self.target.column_names[usize::from(c)].clone())
            .collect();
        let data_types: Vec<SqlType> = self
            .columns
            .iter()
            .map(|&c| types[usize::from(c)])
            .collect();
        let mut reader = CopyReader::new(CopyTarget {
            table: &self.target.table.name,
            names: &names,
            types: &data_types,
            options: self.options,
        });
        let mut inserter = Inserter::new(self.target)?;
        let ReplyTo { port, session: id } = session.to;
        let columns = self.columns.len() as u16;
        let reply = ExecuteReply::CopyIn {
            session: id,
            request,
            columns,
        };
        shared.reply(port, &reply, Vec::new());
        loop {
            match session.next_mail(shared).await {
                Mail::CopyData(data) => {
                    reader.push(&data)?;
                    while let Some((columns, rows)) = reader.next(&cx.eval)? {
                        inserter
                            .insert(&self.whole_rows(columns, rows, cx)?, cx)
                            .await?;
                    }
                    session.check_canceled()?;
                }
                Mail::CopyDone => {
                    if let Some((columns, rows)) = reader.finish(&cx.eval)? {
                        inserter
                            .insert(&self.whole_rows(columns, rows, cx)?, cx)
                            .await?;
                    }
                    return Ok(inserter.rows());
                }
                Mail::CopyFail(message) => {
                    return Err(SqlError::new(
                        state::QUERY_CANCELED,
                        format!("COPY from stdin failed: {message}"),
                    )
                    .with_context(format!("COPY {}", self.target.table.name)));
                }
                // The gateway sends nothing else during COPY, but for the wake of a cancellation.
                _ => session.check_canceled()?,
            }
        }
    }

    /// The data's columns in their places, defaults and NULLs in the others.
    fn whole_rows(&self, data: Vec<Vector>, rows: usize, cx: &ExecContext) -> SqlResult<Chunk> {
        let types = &self.target.table.columns;
        let mut columns: Vec<Option<Vector>> = types.iter().map(|_| None).collect();
        for (position, vector) in self.columns.iter().zip(data) {
            columns[usize::from(*position)] = Some(vector);
        }
        let empty = Chunk::new(Vec::new(), rows);
        for (position, expr) in self.defaults {
            columns[usize::from(*position)] = Some(exec::eval(expr, &empty, cx)?);
        }
        let columns = columns
            .into_iter()
            .zip(types)
            .map(|(column, sql_type)| {
                column.unwrap_or_else(|| {
                    Vector::constant(&vireo_abi::datum::Datum::Null, sql_type.kind(), rows)
                })
            })
            .collect();
        Ok(Chunk::new(columns, rows))
    }
}
