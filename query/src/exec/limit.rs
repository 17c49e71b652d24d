//! LIMIT and OFFSET. When the limit is reached the input is not asked any more.

use super::eval::eval_once;
use super::{ExecContext, Operator, bad_plan};
use crate::plan::Expr;
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};

pub(super) struct Limit {
    input: Box<dyn Operator>,
    limit: Option<Expr>,
    offset: Option<Expr>,
    /// Rows to skip and rows to give, known from the first call on.
    left: Option<(u64, u64)>,
}

impl Limit {
    pub(super) fn new(
        input: Box<dyn Operator>,
        limit: Option<Expr>,
        offset: Option<Expr>,
    ) -> Limit {
        Limit {
            input,
            limit,
            offset,
            left: None,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let (mut skip, mut give) = match self.left {
            Some(left) => left,
            None => (
                offset_rows(self.offset.as_ref(), cx)?,
                limit_rows(self.limit.as_ref(), cx)?,
            ),
        };
        while give > 0 {
            let Some(chunk) = self.input.next(cx).await? else {
                break;
            };
            let rows = chunk.rows() as u64;
            let start = skip.min(rows);
            let end = rows.min(start.saturating_add(give));
            skip -= start;
            give -= end - start;
            self.left = Some((skip, give));
            if start == 0 && end == rows {
                return Ok(Some(chunk));
            }
            if start < end {
                let kept: Vec<u32> = (start as u32..end as u32).collect();
                return Ok(Some(chunk.take(&kept)));
            }
        }
        self.left = Some((skip, 0));
        Ok(None)
    }
}

/// A limit's value; `u64::MAX` where there is none.
pub(super) fn limit_rows(limit: Option<&Expr>, cx: &ExecContext) -> SqlResult<u64> {
    Ok(rows(
        limit,
        cx,
        state::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
        "LIMIT must not be negative",
    )?
    .unwrap_or(u64::MAX))
}

fn offset_rows(offset: Option<&Expr>, cx: &ExecContext) -> SqlResult<u64> {
    let message = "OFFSET must not be negative";
    let value = rows(
        offset,
        cx,
        state::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
        message,
    )?;
    Ok(value.unwrap_or(0))
}

fn rows(
    expr: Option<&Expr>,
    cx: &ExecContext,
    sqlstate: &[u8; 5],
    message: &str,
) -> SqlResult<Option<u64>> {
    match expr.map(|e| eval_once(e, cx)).transpose()? {
        None | Some(Datum::Null) => Ok(None),
        Some(Datum::Int8(rows)) => match u64::try_from(rows) {
            Ok(rows) => Ok(Some(rows)),
            Err(_) => Err(SqlError::new(sqlstate, message)),
        },
        Some(_) => Err(bad_plan("a limit that is no bigint")),
    }
}

impl Operator for Limit {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
